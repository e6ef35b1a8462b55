local accounts = require("godwit.cluster.accounts")
local address = require("godwit.cluster.address")
local err = require("godwit.err")
local once = require("godwit.cluster.once")
local pages = require("godwit.cluster.pages")

--- cluster.http.accounts: users and organizations of a live cluster. Methods
--- of the http driver. All of it is asked with the admin key.
local M = {}
local Accounts = {}
M.methods = Accounts

local CONFLICT = 409

--- The administrator's key. Raises "auth" where the profile has none.
---@async
---@param what string What it is needed for
---@return any secret
function Accounts:need_admin(what)
  local key = self:find_admin_key()
  if key == nil then
    err.throw("auth", "%s: %s needs the key of an administrator, and there is"
      .. ' none; add admin_key = env "ADMIN_KEY" (or file, or command) to its'
      .. " profile", self.name, what)
  end
  return key
end

---@async
local function get(driver, what, path, query)
  driver:need_admin(what)
  return (driver:request("GET", path, { admin = true, query = query }))
end

---@async
local function each(driver, which)
  local kind, what = accounts.KINDS[which], "listing " .. which
  driver:need_admin(what)
  local rows = pages.each(function(limit, marker)
    return get(driver, what, "/v1/" .. which,
      { limit = limit, marker = marker })
  end, { size = driver.page_size })
  return once.each(driver.name .. ": " .. what, rows, function(doc)
    return accounts.name(kind, doc) or err.throw("remote",
      "%s: the server's list of %ss has one without a usable name",
      driver.name, kind.what)
  end)
end

--- Iterates over the users.
---@async
---@return fun(): table|nil
function Accounts:each_user()
  return each(self, "users")
end

--- Iterates over the organizations.
---@async
---@return fun(): table|nil
function Accounts:each_organization()
  return each(self, "organizations")
end

-- Clusters differ in how they say that there is none; a read has nothing else
-- to be in conflict with.
local function is_none(e)
  return err.is(e, "notfound")
    or err.is(e, "conflict") and e.status == CONFLICT
end

---@async
local function try_get(driver, which, name)
  local kind = accounts.KINDS[which]
  local ok, doc = pcall(get, driver, "looking at " .. which,
    "/v1/" .. which .. address.path(name))
  if not ok and is_none(doc) then
    return nil
  elseif not ok then
    error(doc, 0)
  elseif accounts.name(kind, doc) == nil then
    err.throw("remote", "%s: the server's answer about the %s %s has no "
      .. "usable name", driver.name, kind.what, name)
  end
  return doc
end

--- A user's document; nil when there is none.
---@async
---@param name string
---@return table|nil
function Accounts:try_get_user(name)
  return try_get(self, "users", name)
end

--- An organization's document; nil when there is none.
---@async
---@param name string
---@return table|nil
function Accounts:try_get_organization(name)
  return try_get(self, "organizations", name)
end

--- The organization an identity provider knows by that id; nil when there is
--- none.
---@async
---@param id string
---@return table|nil
function Accounts:try_get_organization_by_external_id(id)
  local ok, doc = pcall(get, self, "looking at organizations",
    "/v1/organizations/externalId" .. address.path(id))
  if not ok and is_none(doc) then
    return nil
  elseif not ok then
    error(doc, 0)
  end
  local name = accounts.name(accounts.KINDS.organizations, doc)
  return name and doc or err.throw("remote", "%s: the server's answer about "
    .. "the organization %s has no usable name", self.name, id)
end

--- The types an organization can have here; none where there is no such list.
---@async
---@return { id: string, name: string }[]
function Accounts:list_organization_types()
  local ok, doc = pcall(get, self, "looking at types of organizations",
    "/v1/organization/types")
  if not ok and err.is(doc, "notfound") then
    return {}
  elseif not ok then
    error(doc, 0)
  end
  local rows = pages.rows(doc, "results", "types")
  for _, row in ipairs(rows) do
    if type(row) ~= "table" or type(row.id) ~= "string"
      or type(row.name) ~= "string" then
      err.throw("remote", "%s: the server's list of organization types has one"
        .. " without id or name", self.name)
    end
  end
  return rows
end

local ROLES = { owner = true, member = true, invited = true }

--- Iterates over the members of an organization, each once.
---@async
---@param org string
---@return fun(): { username: string, role: string }|nil
function Accounts:each_member(org)
  self:need_admin("looking at members")
  local rows = pages.each(function(limit, marker)
    return get(self, "looking at members", "/v1/organizations"
      .. address.path(org, "members"), { limit = limit, marker = marker })
  end, { size = self.page_size })
  local each = once.each(self.name .. ": members of " .. org, rows,
    function(doc)
      local name = type(doc) == "table" and doc.username
      return accounts.usable(name) and name or err.throw("remote",
        "%s: the server's list of members of %s has one without a usable name",
        self.name, org)
    end)
  return function()
    local doc = each()
    return doc and { username = doc.username,
      role = ROLES[doc.role] and doc.role or "unknown" }
  end
end

--- Names of all who can own something.
---@async
---@return fun(): string|nil
function Accounts:each_owner()
  self:need_admin("finding every owner")
  return accounts.owners(self)
end

return M
