local err = require("godwit.err")
local json = require("godwit.core.json")

--- What an archive's documents are made of, as far as the platform relies on
--- it: the archive may come from somebody else, or be damaged. What does not
--- fit is named with its file.
local M = {}

-- Fields by their type; one with a "?" may be missing.
local RECORD = { id = "string", name = "string", details = "table",
  settings = "table", version_info = "table?", source = "table?",
  publishes_applied = "number?" }
local PUBLISH = { commit = "string", version = "string", settings = "table",
  details = "table?", patch = "table?" }
local BUILD = { build_id = "string", commit_sha = "string", status = "string" }
local ROW = { id = "string", language = "table?" }

local function damaged(path, fmt, ...)
  err.throw("io", "%s is damaged: %s", path, fmt:format(...))
end

local function is_object(doc)
  return type(doc) == "table" and not json.is_array(doc)
end

local function check(doc, fields, what, path)
  if not is_object(doc) then
    damaged(path, "%s is no object", what)
  end
  for name, want in pairs(fields) do
    local kind, optional = want:match("^(%a+)(%??)$")
    local v = doc[name]
    if type(v) ~= kind and (v ~= nil or optional == "")
      or kind == "table" and v ~= nil and json.is_array(v) then
      damaged(path, "%s of %s is %s, not a %s", name, what,
        v == nil and "missing" or "of another type", kind)
    end
  end
  return doc
end

local function check_all(list, fields, what, path)
  if type(list) ~= "table" or next(list) ~= nil
    and not json.is_array(list) then
    damaged(path, "it is no list")
  end
  for i, doc in ipairs(list) do
    check(doc, fields, ("%s %d"):format(what, i), path)
  end
  return list
end

--- A list of objects that have an id.
---@param list any
---@param path string For messages.
---@return table[]
function M.rows(list, path)
  return check_all(list, ROW, "entry", path)
end

--- An algorithm's record.
function M.record(doc, path)
  check(doc, RECORD, "the algorithm", path)
  local applied = doc.publishes_applied or 0
  if math.type(applied) ~= "integer" or applied < 0 then
    damaged(path, "publishes_applied is no count")
  end
  doc.version_info = doc.version_info or {}
  return doc
end

--- What was published of an algorithm.
function M.publishes(doc, path)
  if not is_object(doc) then
    damaged(path, "it is no object")
  end
  local list = check_all(doc.publishes or {}, PUBLISH, "version", path)
  for i, p in ipairs(list) do
    for section, patch in pairs(p.patch or {}) do
      if type(patch) ~= "table" then
        damaged(path, "patch.%s of version %d is no object", section, i)
      end
    end
  end
  return list
end

--- A build.
function M.build(doc, path)
  return check(doc, BUILD, "the build", path)
end

return M
