--- cluster.driver_of: the driver behind a cluster's handle. It is kept beside
--- the handle, not in it: a driver can send any request, a script cannot.
local view = require("godwit.view")

local drivers = setmetatable({}, { __mode = "k" })

local M = {}

---@param cluster godwit.Cluster
---@param driver table
function M.set(cluster, driver)
  drivers[cluster] = driver
end

return setmetatable(M, {
  __call = function(_, cluster)
    return drivers[view.target(cluster) or cluster]
      or error("a cluster was expected, got " .. type(cluster), 3)
  end,
})
