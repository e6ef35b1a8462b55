local json = require("godwit.core.json")
local sys = require("godwit.core.sys")
local index = require("godwit.cluster.platform.index")
local rules = require("godwit.cluster.platform.rules")

--- Pages of a list. A marker is base64url JSON of the last row's key: opaque
--- to clients, and still right when rows were added meanwhile.
local M = {}

local reject = rules.reject

local function encode(key)
  return (sys.base64(json.encode({ last = key })):gsub("[+/=]",
    { ["+"] = "-", ["/"] = "_", ["="] = "" }))
end

local function decode(marker)
  if #marker > 1024 or marker:find("[^%w_-]") then return nil end
  local text = marker:gsub("[-_]", { ["-"] = "+", ["_"] = "/" })
  text = text .. ("="):rep(-#text % 4)
  local raw = sys.unbase64(text)
  local doc = raw and json.decode(raw, { max = 1024, depth = 4 })
  return type(doc) == "table" and doc.last or nil
end

--- How many rows are asked for.
---@param query table
---@param most integer
function M.limit(query, most)
  if query.limit == nil then return 50 end
  local n = query.limit:find("^%d+$") and #query.limit < 10
    and math.tointeger(tonumber(query.limit))
  if not n or n < 1 or n > most then
    reject(400, 5003, "limit must be a number from 1 to %d", most)
  end
  return n
end

local function link(cx, limit, marker)
  local scheme = cx.options.next_link_scheme
  local origin = cx.origin
  if scheme then origin = origin:gsub("^%a+:", scheme .. ":") end
  local parts = {}
  for k, v in pairs(cx.query) do
    if k ~= "limit" and k ~= "marker" and v:find("^[%w_.-]*$")
      and k:find("^[%w_]+$") then
      parts[#parts + 1] = k .. "=" .. v
    end
  end
  parts[#parts + 1] = "limit=" .. limit
  parts[#parts + 1] = "marker=" .. marker
  table.sort(parts)
  return origin .. cx.path .. "?" .. table.concat(parts, "&")
end

--- The page a request asks for.
---@param cx table The request: query, options, origin, path.
---@param rows {key: integer|string, doc: any}[] In order; newest first where
---  keys are numbers, ascending where they are texts.
function M.of(cx, rows)
  local limit = M.limit(cx.query, cx.options.max_limit or 100)
  local first = 1
  if cx.query.marker ~= nil and cx.query.marker ~= "" then
    local last = decode(cx.query.marker)
    local numbers = rows[1] and math.type(rows[1].key) == "integer"
    if last == nil or rows[1]
      and (type(last) ~= type(rows[1].key)) then
      reject(400, 5002, "the marker is not one of this list")
    end
    while rows[first] and (numbers and rows[first].key >= last
      or not numbers and rows[first].key <= last) do
      first = first + 1
    end
  end
  local results = json.array({})
  for i = first, math.min(first + limit - 1, #rows) do
    local doc = rows[i].doc
    if type(doc) == "function" then doc = doc() end
    results[#results + 1] = doc
  end
  local final = rows[first + limit - 1]
  local more = final and rows[first + limit] ~= nil
  local marker = more and encode(final.key) or json.null
  return {
    results = results, marker = marker,
    next_link = more and link(cx, limit, marker) or json.null,
  }
end

--- The page of a sorted list of names that a request asks for.
---@param cx table The request: query, options, origin, path.
---@param names string[]
---@param get fun(name: string): table|nil What stands for a name; nil: gone.
function M.names(cx, names, get)
  local limit = M.limit(cx.query, cx.options.max_limit or 100)
  local first, text = 1, cx.query.marker
  if text ~= nil and text ~= "" then
    local last, found = decode(text), nil
    if type(last) ~= "string" then
      reject(400, 5002, "the marker is not one of this list")
    end
    first, found = index.place(names, last)
    first = found and first + 1 or first
  end
  local results = json.array({})
  for i = first, math.min(first + limit - 1, #names) do
    results[#results + 1] = get(names[i])
  end
  local more = names[first + limit] ~= nil
  local marker = more and encode(names[first + limit - 1]) or json.null
  return { results = results, marker = marker,
    next_link = more and link(cx, limit, marker) or json.null }
end

return M
