--- What a tab at the prompt offers: globals, fields and methods of what a name
--- stands for, profiles. It asks no cluster and runs no code of a script.
local methods = require("godwit.methods")
local show = require("godwit.cli.show")
local sys = require("godwit.core.sys")
local unknown = require("godwit.unknown")

local M = {}

local MAX = 200 -- names listed

---@class godwit.cli.Completion
---@field env table The globals.
---@field modules string[] Globals that are loaded when they are named.
---@field profiles string[]

-- A field without a metamethod of anybody's but the library's.
local function field(c, object, name)
  if object == c.env or getmetatable(object) == "view" then
    local ok, value = pcall(function() return object[name] end)
    return ok and value or nil
  elseif type(object) == "table" and not unknown.is(object) then
    return rawget(object, name)
  end
  return nil
end

local function add(found, t, wanted)
  for name, value in next, t do
    if type(name) == "string" and name:find("^[%a][%w_]*$")
      and (not wanted or type(value) == wanted) then
      found[name] = true
    end
  end
end

local function add_class(found, object)
  local meta = getmetatable(object)
  local index = type(meta) == "table" and rawget(meta, "__index")
  local class = type(index) == "table" and index or methods.class(index)
  if class then
    add(found, class, "function")
  end
end

local function members(c, object, separator)
  local found = {}
  if type(object) == "string" then
    add(found, string)
  elseif type(object) ~= "table" or unknown.is(object) then
    return found
  elseif getmetatable(object) == "view" then
    for name in pairs(object) do
      found[name] = true
    end
  else
    add(found, object, separator == ":" and "function" or nil)
    add_class(found, object)
  end
  if object == c.env then
    for _, name in ipairs(c.modules) do
      found[name] = true
    end
    for name in pairs(show.KEYWORDS) do
      found[name] = true
    end
  end
  return found
end

-- What stands before the last separator, as a value.
local function resolve(c, path)
  local value = c.env
  for name in path:gmatch("[%w_]+") do
    value = field(c, value, name)
    if value == nil then
      return nil
    end
  end
  return value
end

local function common(names)
  local prefix = names[1]
  for _, name in ipairs(names) do
    while name:sub(1, #prefix) ~= prefix do
      prefix = prefix:sub(1, -2)
    end
  end
  return prefix
end

-- Names beside each other, as wide as the terminal.
local function columns(names)
  local widest, out = 0, {}
  for _, name in ipairs(names) do
    widest = math.max(widest, #name + 2)
  end
  local per_line = math.max(1, sys.width() // widest)
  for i, name in ipairs(names) do
    if i > MAX then
      out[#out + 1] = ("… %d more"):format(#names - MAX)
      break
    end
    out[#out + 1] = name .. (i % per_line == 0 and "\n"
      or (" "):rep(widest - #name))
  end
  return (table.concat(out):gsub("[ \n]+$", ""):gsub(" +\n", "\n"))
end

local function offer(names, typed, closing)
  local fits = {}
  for name in pairs(names) do
    if name:sub(1, #typed) == typed then
      fits[#fits + 1] = name
    end
  end
  table.sort(fits)
  if #fits == 0 then
    return nil, nil
  elseif #fits == 1 then
    return fits[1]:sub(#typed + 1) .. (closing or ""), nil
  end
  local insert = common(fits):sub(#typed + 1)
  return insert ~= "" and insert or nil, columns(fits)
end

--- What to insert behind these bytes, and what to list when that is nothing.
---@param c godwit.cli.Completion
---@param before string
---@return string? insert
---@return string? list
function M.of(c, before)
  local quote, typed = before:match("godwit%.cluster%s*%(?%s*([\"'])([^\"']*)$")
  if quote then
    local names = {}
    for _, name in ipairs(c.profiles) do
      if name:find("^[%w_.:-]+$") then
        names[name] = true
      end
    end
    return offer(names, typed, quote)
  end
  local chain = before:match("[%a_][%w_.:]*$") or ""
  if before:sub(1, -#chain - 1):find("[.:%)%]}\"']%s*$") and chain ~= before then
    return nil, nil -- a field of something that has no name
  end
  local path, separator, last = chain:match("^(.*)([.:])([%w_]*)$")
  if not path then
    return offer(members(c, c.env, "."), chain)
  end
  local object = resolve(c, path)
  if object == nil then
    return nil, nil
  end
  return offer(members(c, object, separator), last)
end

return M
