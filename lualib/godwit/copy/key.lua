--- key: whether the key for an owner is taken at all, and whose it is.

local err = require("godwit.err")

local M = {}

--- A read that asks for the key's own user name. One that may not read data
--- still has a name we cannot learn; what it may do is seen by other reads.
---@param driver table
---@param owner string
---@return fun(): { name: string? }
function M.try(driver, owner)
  return function()
    local ok, name = pcall(driver.whoami, driver, owner)
    if ok then
      return { name = name }
    end
    local e = err.from(name)
    if e.kind ~= "notfound" and not (e.kind == "auth" and e.status == 403) then
      error(e, 0)
    end
    return {}
  end
end

--- What such a read is called when it fails.
---@param driver table
---@param owner string
---@return string
function M.what(driver, owner)
  return string.format("the key of %s for %s", driver.name, owner)
end

return M
