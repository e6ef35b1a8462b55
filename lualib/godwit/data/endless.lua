--- data.endless: a list of a collection's files that goes on for ever is
--- noticed by what it no longer brings, so that nobody waits for its end.
--- Markers do not tell: each may be new. Pure.

local err = require("godwit.err")

local M = {}

local FRUITLESS = 100 -- pages in a row without a new name
local MOST = 50000000 -- names of one side

--- Watches a list; the function is told of each page how many names it had and
--- how many of them were new, and gives how many are known by now. It raises
--- "remote" for a list without an end and "limit" for one that is too long.
---@param label string Whose list it is: "prod:acme/models"
---@return fun(count: integer, fresh: integer): integer
function M.watch(label)
  local fruitless, all = 0, 0
  return function(count, fresh)
    all = all + fresh
    fruitless = (fresh == 0 and count > 0) and fruitless + 1 or 0
    if fruitless >= FRUITLESS then
      err.throw("remote", "%s lists the same files again and again: its list "
        .. "has no end", label)
    elseif all > MOST then
      err.throw("limit", "%s has more than %d files", label, MOST)
    end
    return all
  end
end

return M
