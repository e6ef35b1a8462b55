local rules = require("godwit.cluster.platform.rules")

--- What an address of the data API means: the path as it came over the wire,
--- to a connector and decoded names.
---
--- Most clients encode each segment. One encodes the whole path as a form: its
--- slashes come as %2F, its spaces as "+". A path in one segment with a slash
--- inside is read so; in any other a "+" is a plus.
local M = {}

local reject = rules.reject

local KINDS = { azureblob = true, data = true, dropbox = true, gs = true,
  s3 = true }

local function decode(text, form)
  if form then text = text:gsub("%+", " ") end
  if text:gsub("%%%x%x", ""):find("%", 1, true) then return nil end
  return (text:gsub("%%(%x%x)", function(h)
    return string.char(tonumber(h, 16))
  end))
end

local function malformed()
  reject(400, 2015, "the path is malformed")
end

-- A name, never a way elsewhere.
local function check_name(s)
  if not s or s == "" or s == "." or s == ".." or #s > 255
    or s:find("[/%z]") or not utf8.len(s) then
    malformed()
  end
  return s
end

--- The names of a path behind the connector.
---@param raw string Without the slash it begins with.
---@return string[]
function M.names(raw)
  local out = {}
  if not raw:find("/", 1, true) and raw:find("%%2[fF]") then
    local whole = decode(raw, true) or malformed()
    for s in whole:gsub("/+$", ""):gmatch("[^/]*") do
      out[#out + 1] = check_name(s)
    end
    return out
  end
  raw = raw:gsub("/+$", "")
  if raw == "" then return out end
  for s in raw:gmatch("[^/]*") do
    out[#out + 1] = check_name(decode(s))
  end
  return out
end

-- "s3+lab" as kind and label.
local function connector(text)
  local kind, label = text:match("^(%l[%l%d]*)(.*)$")
  if not KINDS[kind] or label ~= "" and not label:find("^%+[%w]+$") then
    return nil
  end
  return kind, label ~= "" and label or nil
end

-- The older prefix takes other connectors as they are written elsewhere:
-- /v1/data/s3+lab://bucket/key.
local function with_scheme(raw)
  local text = raw:match("^[^/]*://") and raw or decode(raw, true) or ""
  local name, rest = text:match("^([%w+]+)://(.*)$")
  if name then return name, text == raw and rest or rest:gsub("[^%w/._-]",
    function(c) return ("%%%02X"):format(c:byte()) end) end
end

--- True if a path is one of the data API.
---@param path string
---@return boolean
function M.is(path)
  return path:find("^/v1/data/") ~= nil or path == "/v1/data"
    or path:find("^/v1/connector/") ~= nil
end

--- Reads a path: { kind=, label=, names=, admin= }. `admin`: the connector's
--- own address, which the API's description opens to administrators.
---@param path string As it came.
function M.parse(path)
  if #path > 8192 then reject(400, 2015, "the path is too long") end
  local raw = path:match("^/v1/data/?(.*)$")
  local name, rest = "data", raw
  if raw then
    local scheme, behind = with_scheme(raw)
    if scheme then name, rest = scheme, behind end
  else
    name, rest = path:match("^/v1/connector/([^/]*)/?(.*)$")
    name = decode(name or "") or malformed()
  end
  local kind, label = connector(name)
  if not kind then reject(404, 2015, "there is no connector of this kind") end
  return { kind = kind, label = label, admin = raw == nil,
    names = kind == "data" and not label and M.names(rest) or {} }
end

return M
