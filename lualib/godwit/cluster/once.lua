--- cluster.once: the rows of a list, each once. A list that grows while it is
--- read may repeat some; one that brings nothing else any more has no end, and
--- its markers, each of them new, do not tell.
local err = require("godwit.err")

local M = {}

local FRUITLESS = 2000 -- rows in a row without a new name

--- Iterates over them.
---@generic Row
---@param where string Whose list it is, for the error "remote".
---@param rows async fun(): Row|nil
---@param name_of fun(row: Row): string What makes it one; raises for none.
---@return async fun(): Row|nil
function M.each(where, rows, name_of)
  local seen, fruitless = {}, 0
  return function()
    for row in rows do
      local name = name_of(row)
      if not seen[name] then
        seen[name], fruitless = true, 0
        return row
      end
      fruitless = fruitless + 1
      if fruitless >= FRUITLESS then
        err.throw("remote", "%s: the server lists the same again and again: its "
          .. "list has no end", where)
      end
    end
    return nil
  end
end

return M
