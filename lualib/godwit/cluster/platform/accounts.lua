local index = require("godwit.cluster.platform.index")
local organizations = require("godwit.cluster.platform.organizations")
local users = require("godwit.cluster.platform.users")

--- Users and organizations of an archive as the platform shows them, to read.
--- Who may ask is decided where keys are known.
local M = {}

local NAMED = { users = users.named, organizations = organizations.named }

--- Iterates over the documents of all users or organizations, by name.
---@param which "users"|"organizations"
---@return fun(): table|nil
function M.each(p, which)
  local names = index.each(function() return p.store.index:names(which) end)
  return function()
    for name in names do
      local doc = NAMED[which](p, name)
      if doc then return doc end
    end
    return nil
  end
end

--- A user by name or id, or nil.
---@param ref string
---@return table|nil
function M.user(p, ref)
  local name = users.name_of(p, ref)
  return name and users.named(p, name)
end

--- An organization by name, or nil.
---@param name string
---@return table|nil
function M.organization(p, name)
  return organizations.named(p, name)
end

--- Iterates over the members of an organization, by name.
---@param org string
---@return fun(): table|nil
function M.members(p, org)
  organizations.need(p, org)
  local names = index.each(function()
    local m = p.store:members(org)
    return m and m.names or {}
  end)
  return function()
    local name = names()
    return name and organizations.member(p, org, name)
  end
end

return M
