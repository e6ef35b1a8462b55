--- data.place: what a word names: a collection of a cluster, or a folder of
--- this machine.

local cluster = require("godwit.cluster")
local config = require("godwit.config")
local driver_of = require("godwit.cluster.driver_of")
local rights = require("godwit.rights")

local M = {}

--- "CLUSTER:OWNER/COLLECTION" in its parts: the last colon divides, since a
--- URL and sandbox:NAME have one as well. Nil: it is a folder.
---@param word string
---@return string|nil cluster, string|nil owner, string|nil name
function M.split(word)
  local at, owner, name = word:match("^(.+):([^/:]+)/([^/:]+)$")
  if at and not at:find("^%.?%.?/?$") then
    return at, owner, name
  end
end

--- The driver of a cluster as it was named on a command line or in a script,
--- which may not be one that the script's permissions name.
---@async
---@param spec string
---@param role? "from"|"to"
---@return table
function M.open(spec, role)
  return cluster.open(rights.cluster(spec, function()
    return config.profile(spec, { role = role })
  end))
end

--- Whether a value is a cluster's handle.
---@param v any
---@return boolean
function M.is_cluster(v)
  return (pcall(driver_of, v))
end

return M
