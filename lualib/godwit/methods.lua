--- methods: the `__index` of a class whose objects scripts get to hold.
---
--- With the usual `Class.__index = Class` every object has a field `__index`,
--- and through it a script could change the methods that the library itself
--- calls. Here names with two underscores are not found.
local M = {}

---@param class table
---@return fun(object: table, name: any): any
function M.of(class)
  return function(_, name)
    if type(name) == "string" and name:find("^__") then return nil end
    return class[name]
  end
end

return M
