local err = require("godwit.err")
local json = require("godwit.core.json")
local rules = require("godwit.cluster.platform.rules")

--- Reads what a client sent: the path's segments, the query, the body. A
--- malformed one is refused here, before anything acts on it.
local M = {}

local reject = rules.reject

--- The most a management body may hold; calls have their own limit.
M.MAX_BODY = 4 << 20
M.MAX_INPUT = 10 << 20

--- Percent-decodes strictly; nil for a broken escape, a NUL or bad UTF-8.
local function decode(s)
  if s:find("%", 1, true) then
    if s:gsub("%%%x%x", ""):find("%", 1, true) then return nil end
    s = s:gsub("%%(%x%x)", function(h) return string.char(tonumber(h, 16)) end)
  end
  if s:find("\0", 1, true) or not utf8.len(s) then return nil end
  return s
end

-- What an identity provider calls an organization: any text, never a path.
local FREE = "externalId"

--- The decoded segments of a path. A segment is a name, never a way
--- elsewhere.
---@return string[] segments, boolean slash Whether the path ends with one.
function M.segments(path)
  if #path > 4096 then reject(400, 2015, "the path is too long") end
  local out = {}
  for raw in path:sub(2):gmatch("[^/]*") do
    local s = decode(raw)
    local bad = out[#out] == FREE and "%c" or "[/\\%c]"
    if not s or s == "." or s == ".." or s:find(bad) then
      reject(400, 2015, "the path is malformed")
    end
    out[#out + 1] = s
  end
  local slash = false
  while #out > 0 and out[#out] == "" do
    out[#out] = nil
    slash = true
  end
  return out, slash
end

--- The query's parameters; of repeated ones the last.
function M.query(text)
  local out = {}
  if #(text or "") > 8192 then reject(400, 2015, "the query is too long") end
  for pair in (text or ""):gmatch("[^&]+") do
    local k, v = pair:match("^([^=]*)=?(.*)$")
    k, v = decode((k:gsub("%+", " "))), decode((v:gsub("%+", " ")))
    if not k or not v then reject(400, 2015, "the query is malformed") end
    out[k] = v
  end
  return out
end

--- true, false or nil from a query's text.
function M.flag(query, name)
  local v = query[name]
  if v == nil or v == "" then return nil end
  v = v:lower()
  if v == "true" then return true end
  if v == "false" then return false end
  reject(400, 6001, "%s must be true or false", name)
end

--- The body's bytes.
---@async
function M.bytes(req, max)
  local text, e = req:body(max)
  if text then return text end
  if err.is(e, "remote") or err.is(e, "usage") or err.is(e, "limit") then
    reject(413, 2015, "the body is larger than %d bytes", max)
  end
  error(e, 0)
end

--- True if the body is an HTML form, as one client's updates are.
function M.is_form(req)
  local kind = (req.headers["content-type"] or ""):lower()
  return kind:find("application/x-www-form-urlencoded", 1, true) ~= nil
end

--- The body as a JSON object.
---@async
---@param code? integer The error's code. Default 2013.
---@param empty? boolean An empty body is an empty object.
function M.object(req, code, empty)
  local text = M.bytes(req, M.MAX_BODY)
  if empty and text:find("^%s*$") then return {} end
  local doc = json.decode(text, { max = M.MAX_BODY, depth = 64 })
  if type(doc) ~= "table" or json.is_array(doc) then
    reject(400, code or 2013, "the body is not a JSON object")
  end
  return doc
end

return M
