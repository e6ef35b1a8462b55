--- cluster.scm_rules: which two SCM connections are the same one, for every
--- driver: what a cluster does not have twice.

local M = {}

local function web(scm)
  return type(scm.urls) == "table" and scm.urls.web or nil
end

-- What identifies the cluster at the provider, in one of two places.
local function client(scm)
  for _, place in ipairs({ scm.oauth or false, scm.scm or false }) do
    local id = type(place) == "table" and (place.client_id or place.project_key)
    if type(id) == "string" then
      return id
    end
  end
end

-- "bitbucket_cloud" is another spelling.
local function provider(scm)
  return type(scm.provider) == "string" and scm.provider:gsub("_", "-") or nil
end

--- Whether they are for one client of one provider at one address.
---@param a table
---@param b table
---@return boolean
function M.same(a, b)
  return provider(a) ~= nil and provider(a) == provider(b)
    and web(a) == web(b) and client(a) == client(b)
end

--- Whether the one is in the way of the other: the same, or of the same id.
---@param a table
---@param b table
---@return boolean
function M.conflict(a, b)
  return a.id ~= nil and rawequal(a.id, b.id) or M.same(a, b)
end

return M
