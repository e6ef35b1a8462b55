--- cluster.glob: names by pattern. `*` is any text, `?` one character,
--- `{a,b}` is not known here; everything else is itself.
local err = require("godwit.err")

local M = {}

---@param pattern string
---@return fun(text: any): boolean
function M.matcher(pattern)
  if type(pattern) ~= "string" then
    err.throw("usage", "a glob is a text, not a %s", type(pattern))
  elseif pattern == "*" then
    return function()
      return true
    end
  end
  local lua = pattern:gsub("[%^%$%(%)%%%.%[%]%+%-]", "%%%0")
    :gsub("%*", ".*"):gsub("%?", ".")
  lua = "^" .. lua .. "$"
  return function(text)
    return type(text) == "string" and text:find(lua) ~= nil
  end
end

return M
