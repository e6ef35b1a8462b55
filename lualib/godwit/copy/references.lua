--- references: what an algorithm's code names on its cluster: collections
--- (data://OWNER/NAME) and other algorithms (algo://OWNER/NAME, and the plain
--- OWNER/NAME that clients are called with), each with its file and line.
---
--- It reads texts; what a program puts together at run time it cannot see.

local settings = require("godwit.copy.settings")

local M = {}

local MAX_FILE = 512 * 1024 -- of a text; larger ones are models and data
local NAME = "[%a][%w_]*"

---@class godwit.copy.Reference
---@field scheme "data"|"algo"
---@field owner string ".my" for whoever runs the code.
---@field name? string The collection, or the algorithm.
---@field place string Where it stands: "src/Score.py:12".

-- The whole word before "://" is "data" or "algo", as "s3+data://" is not.
local PATTERNS = {
  { scheme = "data", text = "%f[%w+.-]data://([%w_.]+)/?([%w_]*)" },
  { scheme = "algo", text = "%f[%w+.-]algo://([%w_.]+)/?([%w_]*)" },
  { scheme = "algo", text = "%f[%w_]algo%s*%(%s*[\"'](" .. NAME .. ")/(" .. NAME
    .. ")" },
}

local function usable(owner, name)
  return (owner == ".my" or owner:find("^" .. NAME .. "$") ~= nil)
    and (name == "" or name:find("^" .. NAME .. "$") ~= nil)
end

local function find_in(line, number, path, out)
  for _, p in ipairs(PATTERNS) do
    for owner, name in line:gmatch(p.text) do
      if usable(owner, name) then
        out[#out + 1] = { scheme = p.scheme, owner = owner,
          name = name ~= "" and name or nil,
          place = number and ("%s:%d"):format(path, number) or path }
      end
    end
  end
end

--- What a text names, in order.
---@param text string
---@param path string What the text is called in `place`.
---@param out? godwit.copy.Reference[] Filled, if given.
---@return godwit.copy.Reference[]
function M.find(text, path, out)
  out = out or {}
  if not text:find("://", 1, true) and not text:find("algo", 1, true) then
    return out
  end
  local number, at = 0, 1
  while at <= #text do
    local stop = text:find("\n", at, true) or #text + 1
    number = number + 1
    find_in(text:sub(at, stop - 1), number, path, out)
    at = stop + 1
  end
  return out
end

local REGULAR = 32768 -- 0100000; links and submodules have others

local function is_file(entry)
  return entry.mode // 4096 * 4096 == REGULAR
end

--- What the files of a tree name. Binary files are left out.
---@async
---@param repo table From copy.store.
---@param tree string
---@return godwit.copy.Reference[]
function M.in_tree(repo, tree)
  local out = {}
  for _, entry in ipairs(repo:entries(tree, { sizes = true })) do
    if is_file(entry) and (entry.size or 0) <= MAX_FILE then
      local text = repo:blob(entry.id, MAX_FILE)
      if text and not text:find("\0", 1, true) then
        M.find(text, entry.path, out)
      end
    end
  end
  return out
end

--- What an algorithm's document names, beside its code.
---@param doc table
---@param sample? string Its sample input.
---@param out? godwit.copy.Reference[]
---@return godwit.copy.Reference[]
function M.in_document(doc, sample, out)
  out = out or {}
  local details = type(doc.details) == "table" and doc.details or {}
  for _, field in ipairs({ "summary", "tagline" }) do
    local text = settings.present(details, field)
    if type(text) == "string" then
      find_in(text, nil, "details." .. field, out)
    end
  end
  if type(sample) == "string" then
    find_in(sample, nil, "the sample input", out)
  end
  return out
end

--- How a reference is written.
---@param r godwit.copy.Reference
---@return string
function M.show(r)
  return ("%s://%s%s"):format(r.scheme, r.owner, r.name and "/" .. r.name or "")
end

return M
