local effect = require("godwit.effect")
local err = require("godwit.err")

--- cluster: opens a cluster, whatever drives it.
local M = {}

-- A driver learns things (user names, environments, what page size is
-- allowed) and holds the limiter: one a profile and run.
local opened = setmetatable({}, { __mode = "k" })

local DRIVERS = {
  http = "godwit.cluster.http",
  archive = "godwit.cluster.archive",
}

local function open(profile)
  local module = DRIVERS[profile.kind]
  if not module then
    err.throw("usage", "%s: there is no kind of cluster called %q",
      tostring(profile.name), tostring(profile.kind))
  end
  return require(module).open(profile)
end

--- Opens the cluster of a profile. In plan mode its writes only pretend.
---@async
---@param profile table  Made by config.profile
---@return table driver
function M.open(profile)
  local driver = opened[profile]
  if not driver then
    driver = open(profile)
    opened[profile] = driver
  end
  if effect.mode == "plan" then
    return require("godwit.cluster.overlay").new(driver)
  end
  return driver
end

--- What scripts see of a driver.
---@param driver table
---@return godwit.Cluster
function M.handle(driver)
  return require("godwit.cluster.handle").new(driver)
end

return M
