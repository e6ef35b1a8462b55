--- Values as a prompt prints them: tables as Lua that can be read, within
--- limits; handles by name, secrets by label, what is unknown as such.
local err = require("godwit.err")
local json = require("godwit.core.json")
local secret = require("godwit.core.secret")
local unknown = require("godwit.unknown")

local M = {}

local WIDTH = 76 -- of a table on one line
local MAX_DEPTH = 5
local MAX_ENTRIES = 60 -- of a table
local MAX_TOTAL = 1000 -- of all
local MAX_TEXT = 2000 -- bytes

local KEYWORDS = {}
for word in ([[and break do else elseif end false for function goto if in local
  nil not or repeat return then true until while]]):gmatch("%a+") do
  KEYWORDS[word] = true
end
M.KEYWORDS = KEYWORDS

local ESCAPES = { ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t",
  ['"'] = '\\"', ["\\"] = "\\\\" }

local function text(v)
  local more = ""
  if #v > MAX_TEXT then
    more = (" … (%d bytes)"):format(#v)
    v = v:sub(1, MAX_TEXT):gsub("[\xc0-\xff][\x80-\xbf]*$", "")
  end
  local bytes = utf8.len(v) and "[%c\127\"\\]" or "[%c\127-\255\"\\]"
  return '"' .. v:gsub(bytes, function(c)
    return ESCAPES[c] or ("\\x%02x"):format(c:byte())
  end) .. '"' .. more
end

local function key(k)
  if type(k) == "string" then
    return k:find("^[%a_][%w_]*$") and not KEYWORDS[k] and k
      or "[" .. text(k) .. "]"
  end
  return "[" .. tostring(k) .. "]"
end

-- Numbers by size, then texts, then the rest.
local RANK = { number = 1, string = 2 }
local function before(a, b)
  local x, y = RANK[type(a)] or 3, RANK[type(b)] or 3
  if x ~= y then
    return x < y
  elseif x < 3 then
    return a < b
  end
  return tostring(a) < tostring(b)
end

-- A module is a view that hides its table; anything else is read as it is,
-- past what its metatable says.
local function entries(t)
  local keys, values = {}, {}
  if getmetatable(t) == "view" then
    for k, v in pairs(t) do
      keys[#keys + 1], values[k] = k, v
    end
  else
    for k, v in next, t do
      keys[#keys + 1], values[k] = k, v
    end
  end
  table.sort(keys, before)
  return keys, values
end

local show

local function table_parts(t, state, depth)
  local keys, values = entries(t)
  local parts, n = {}, #t
  n = getmetatable(t) == nil and n or rawlen(t)
  for i, k in ipairs(keys) do
    state.left = state.left - 1
    if i > MAX_ENTRIES or state.left < 0 then
      parts[#parts + 1] = ("… %d more"):format(#keys - i + 1)
      break
    end
    local v = show(values[k], state, depth + 1)
    local is_item = math.type(k) == "integer" and k == i and k <= n
    parts[#parts + 1] = is_item and v or key(k) .. " = " .. v
  end
  return parts
end

local function layout(parts, depth)
  local line = "{ " .. table.concat(parts, ", ") .. " }"
  if #line + depth * 2 <= WIDTH and not line:find("\n") then
    return line
  end
  local indent = ("  "):rep(depth + 1)
  return "{\n" .. indent .. table.concat(parts, ",\n" .. indent) .. "\n"
    .. ("  "):rep(depth) .. "}"
end

-- What says itself what it is: errors, handles, a script's own.
local function by_name(t)
  local meta = getmetatable(t)
  if unknown.is(t) or err.is(t)
    or type(meta) == "table" and rawget(meta, "__tostring") then
    local ok, said = pcall(tostring, t)
    return ok and said or "?"
  end
  return nil
end

local function show_table(t, state, depth)
  local name = by_name(t)
  if name then
    return name
  elseif state.open[t] then
    return "<the table above>"
  elseif depth >= MAX_DEPTH then
    return next(t) == nil and "{}" or "{…}"
  end
  state.open[t] = true
  local parts = table_parts(t, state, depth)
  state.open[t] = nil
  if #parts == 0 then
    return json.is_array(t) and "json.array {}" or "{}"
  end
  return layout(parts, depth)
end

function show(v, state, depth)
  local kind = type(v)
  if v == json.null then
    return "json.null"
  elseif kind == "string" then
    return text(v)
  elseif kind == "table" then
    return show_table(v, state, depth)
  elseif kind == "function" then
    return "function"
  elseif kind == "userdata" and not secret.is(v) then
    local ok, said = pcall(tostring, v)
    return ok and (said:gsub(": 0x%x+$", "")) or "userdata"
  end
  return tostring(v)
end

--- Any value as text.
---@param v any
---@return string
function M.value(v)
  return show(v, { open = {}, left = MAX_TOTAL }, 0)
end

return M
