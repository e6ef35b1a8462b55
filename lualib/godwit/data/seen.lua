--- data.seen: whose collections a cluster does not show us. A profile with one
--- key sees what its user and its organizations have; of anybody else the
--- cluster lists what is public, as if it were all. So it has to be said.

local M = {}

local SHOWN = 5

--- The first few owners, and how many more there are.
---@param owners string[]
---@return string
function M.owners(owners)
  local named = table.concat(owners, ", ", 1, math.min(#owners, SHOWN))
  if #owners > SHOWN then
    named = ("%s and %d more"):format(named, #owners - SHOWN)
  end
  return named
end

--- What is said of owners whose collections are not all seen.
---@param driver table
---@param owners string[]
---@return string
function M.text(driver, owners)
  return ("the key of %s is none of %s: of theirs it sees only collections that "
    .. "everybody may read; the profile needs a key for each owner (key = keys "
    .. "\"FILE\", or a function)"):format(driver.name,
    M.owners(owners))
end

--- Says it in the result.
---@async
---@param cx godwit.workflow.Cx
---@param driver table
---@param owners string[]
function M.note(cx, driver, owners)
  local unseen = driver:unseen_owners(owners)
  if #unseen > 0 then
    cx:note("%s", M.text(driver, unseen))
  end
end

return M
