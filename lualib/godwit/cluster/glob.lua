--- cluster.glob: names by pattern. `*` is any text, `?` one character,
--- `{a,b}` is not known here; everything else is itself.
local err = require("godwit.err")

local M = {}

local STAR, ONE = ("*?"):byte(1, 2)

-- Goes back to the last star only: its time grows with the product of the
-- lengths, never faster.
local function matches(pattern, text)
  local at, i = 1, 1
  local star, tried

  while i <= #text do
    local c = pattern:byte(at)
    if c == STAR then
      star, tried = at, i
      at = at + 1
    elseif c == ONE or c == text:byte(i) then
      at, i = at + 1, i + 1
    elseif star then
      tried = tried + 1
      at, i = star + 1, tried
    else
      return false
    end
  end
  return pattern:find("^%**$", at) ~= nil
end

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
  return function(text)
    return type(text) == "string" and matches(pattern, text)
  end
end

return M
