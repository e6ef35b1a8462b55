--- methods: the `__index` of a class whose objects scripts get to hold.
---
--- With the usual `Class.__index = Class` every object has a field `__index`,
--- and through it a script could change the methods that the library itself
--- calls. Here names with two underscores are not found.
local suggest = require("godwit.config.suggest")

local M = {}

-- Of which class an `__index` made here is.
local classes = setmetatable({}, { __mode = "k" })

--- The class whose `__index` this is, or nil.
---@param index any
---@return table?
function M.class(index)
  return index and classes[index]
end

---@param class table
---@return fun(object: table, name: any): any
function M.of(class)
  local function index(_, name)
    if type(name) == "string" and name:find("^__") then return nil end
    return class[name]
  end
  classes[index] = class
  return index
end

-- Asked for by code that takes any object; nil where there is none.
local COMMON = { cluster = true, owner = true, name = true, ref = true,
  id = true, kind = true }

local function known(class, object)
  local found = {}
  for _, names in ipairs({ class, object, COMMON }) do
    for name in next, names do
      if type(name) == "string" and not name:find("^_") then
        found[name] = true
      end
    end
  end
  return suggest.names(found)
end

--- As `of`; a name that there is not is an error and not nil, so that a
--- misspelt one is found where it stands.
---@param class table
---@param what string "an algorithm"
---@return fun(object: table, name: any): any
function M.strict(class, what)
  local function index(object, name)
    if type(name) ~= "string" or name:find("^__") then return nil end
    local value = class[name]
    if value == nil and not COMMON[name] then
      error(("%s has no %s%s"):format(what, name, suggest.hint(name,
        known(class, object))), 2)
    end
    return value
  end
  classes[index] = class
  return index
end

return M
