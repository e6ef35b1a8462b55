local accounts = require("godwit.cluster.accounts")
local connectors = require("godwit.cluster.platform.connectors")
local docs = require("godwit.cluster.account_docs")
local effect = require("godwit.effect")
local err = require("godwit.err")
local keyring = require("godwit.cluster.platform.keyring")
local keys = require("godwit.cluster.platform.keys")
local organizations = require("godwit.cluster.platform.organizations")
local platform = require("godwit.cluster.platform")
local reads = require("godwit.cluster.platform.accounts")
local scms = require("godwit.cluster.platform.scms")
local secret = require("godwit.core.secret")
local secrets = require("godwit.cluster.secrets")
local users = require("godwit.cluster.platform.users")

--- cluster.archive.accounts: users, organizations, members, keys and SCMs of an
--- archive. Methods of the archive driver. Nobody asks, so nobody becomes an
--- organization's owner by making it.
local M = {}
local Accounts = {}
M.methods = Accounts

local ALL = platform.EVERYTHING
-- The rules want to be given one; what it is they do not keep.
local SOME = "given"

-- Reads ------------------------------------------------------------------

---@async
---@return fun(): table|nil
function Accounts:each_user()
  return reads.each(self.platform, "users")
end

---@async
---@return fun(): table|nil
function Accounts:each_organization()
  return reads.each(self.platform, "organizations")
end

---@async
---@return table|nil
function Accounts:try_get_user(name)
  return reads.user(self.platform, name)
end

---@async
---@return table|nil
function Accounts:try_get_organization(name)
  return reads.organization(self.platform, name)
end

--- The organization an identity provider knows by that id; nil when there is
--- none.
---@async
---@param external string
---@return table|nil
function Accounts:try_get_organization_by_external_id(external)
  local name = organizations.by_external_id(self.platform, external)
  return name and reads.organization(self.platform, name)
end

--- Names of all who can own something.
---@async
---@return fun(): string|nil
function Accounts:each_owner()
  return accounts.owners(self)
end

---@async
---@return { id: string, name: string }[]
function Accounts:list_organization_types()
  return organizations.types(self.platform)
end

--- Iterates over an organization's members.
---@async
---@param org string
---@return fun(): { username: string, role: string }|nil
function Accounts:each_member(org)
  local rows = reads.members(self.platform, org)
  return function()
    local doc = rows()
    return doc and { username = doc.username, role = doc.role }
  end
end

-- Writes -----------------------------------------------------------------

-- An archive that is no sandbox has no keys yet; with the first one it gets
-- them all, as when it is served.
---@async
local function ring(self)
  local p = self.platform
  p.keys = p.keys or keyring.open(self.store.dir, self.store)
  return p.keys
end

-- The first write of a process takes the folder.
---@async
local function perform(self, kind, target, spec)
  spec.kind, spec.target, spec.cluster = kind, target, self
  local write = spec.write
  spec.write = function()
    self.store:lock_folder()
    if keyring.exists(self.store.dir) then ring(self) end
    return write(self.platform)
  end
  return effect.perform(spec)
end

---@async
local function delete(self, kind, target, write)
  secrets.check_deletion(self)
  perform(self, kind, target, { class = "repeatable", write = function(p)
    local ok, e = pcall(write, p)
    if not ok and not err.is(e, "notfound") then error(e, 0) end
  end })
end

local function account_target(self, which, name)
  return accounts.target(self, accounts.KINDS[which], name)
end

---@async
---@param spec table username, email, fullname, company_name, company_role
---@return table doc
function Accounts:create_user(spec)
  local body = docs.new_user(spec)
  return perform(self, "user.create",
    account_target(self, "users", body.username), {
      before = { exists = false }, detail = body,
      write = function(p) return users.create(p, body) end,
    })
end

local function get(self, which, name)
  local kind = accounts.KINDS[which]
  return self[kind.try](self, name) or err.throw("notfound", "%s has no %s %s",
    self.name, kind.what, name)
end

---@async
---@param name string
---@param patch table
---@return table doc
function Accounts:update_user(name, patch)
  local was = get(self, "users", name)
  local body = docs.changed_user(was, patch)
  local from = docs.counterpart(was, body)
  return perform(self, "user.update", account_target(self, "users", name), {
    class = "repeatable", before = from, detail = { from = from, to = body },
    write = function(p) return users.update(p, name, body) end,
  })
end

--- Deletes a user, whose name and address nobody can have any more.
---@async
---@param name string
function Accounts:delete_user(name)
  delete(self, "user.delete", account_target(self, "users", name),
    function(p) users.delete(p, name) end)
end

---@async
---@param spec table
---@return table doc
function Accounts:create_organization(spec)
  local body = docs.new_organization(spec)
  return perform(self, "organization.create",
    account_target(self, "organizations", body.org_name), {
      before = { exists = false }, detail = body,
      write = function(p) return organizations.create(p, ALL, body) end,
    })
end

---@async
---@param name string
---@param patch table
---@return table doc
function Accounts:update_organization(name, patch)
  local was = get(self, "organizations", name)
  local body = docs.changed_organization(was, patch)
  local from = docs.counterpart(was, body)
  return perform(self, "organization.update",
    account_target(self, "organizations", name), {
      class = "repeatable", before = from, detail = { from = from, to = body },
      write = function(p)
        organizations.update(p, name, body)
        return reads.organization(p, name)
      end,
    })
end

---@async
---@param name string
function Accounts:delete_organization(name)
  delete(self, "organization.delete",
    account_target(self, "organizations", name),
    function(p) organizations.delete(p, name) end)
end

local function type_target(self, name)
  return self.name .. ":organization-type/" .. name
end

---@async
---@param name string
---@return { id: string, name: string }
function Accounts:create_organization_type(name)
  return perform(self, "organization_type.create", type_target(self, name), {
    before = { exists = false }, detail = { name = name },
    write = function(p)
      return organizations.create_type(p, { name = name })
    end,
  })
end

---@async
---@param name string
function Accounts:delete_organization_type(name)
  delete(self, "organization_type.delete", type_target(self, name),
    function(p) organizations.delete_type(p, name) end)
end

--- Whether members can be given the role they have elsewhere: here nobody's
--- rules stand against it.
---@return boolean
function Accounts:keeps_roles()
  return true
end

--- Makes a user a member, with a role if one is given.
---@async
---@param org string
---@param user string
---@param role? "owner"|"member"
---@return "created"|"updated"|"unchanged"
function Accounts:add_member(org, user, role)
  return perform(self, "member.add", accounts.member_target(self, org, user), {
    class = "repeatable",
    write = function(p) return organizations.add_member(p, org, user, role) end,
  })
end

--- Takes a member out; one that is gone is as it should be. The last owner
--- cannot go.
---@async
---@param org string
---@param user string
function Accounts:remove_member(org, user)
  delete(self, "member.remove", accounts.member_target(self, org, user),
    function(p) organizations.remove_member(p, org, user) end)
end

-- Keys, connectors -------------------------------------------------------

local function about(doc)
  return { label = doc.key_label, mask = doc.api_key_mask,
    permissions = doc.permissions, username = doc.username,
    owner_name = doc.owner_name, created_at = doc.created_at,
    key_type = doc.key_type }
end

local function key_target(self, owner, label)
  return ("%s:%s/key/%s"):format(self.name, owner, label)
end

local function key_body(spec)
  return { key_label = spec.label, key_type = spec.key_type or "AlgorithmKey",
    permissions = spec.permissions }
end

--- Makes a key that an organization owns. It is in the folder's keys.json,
--- which only its owner can read, and opens nothing until the folder is served.
---@async
---@param org string
---@param user string
---@param spec { label: string, permissions: table, key_type: string? }
---@return table
function Accounts:create_organization_key(org, user, spec)
  local body = key_body(spec)
  return perform(self, "key.create", key_target(self, org, spec.label), {
    detail = body, again = false,
    write = function(p)
      ring(self)
      local account = keys.create_for_organization(p, org, user, body)
      local made = about(keys.shown(account))
      made.key = secret.new(account.key, { origins = {},
        label = ("%s key of %s"):format(self.name, org) })
      return made
    end,
  })
end

--- Refused: a key's text cannot be read, and a folder knows keys by their text.
---@async
function Accounts:import_key(user)
  local e = err.new({ kind = "refused", unsupported = true,
    message = ("%s is an archive and takes no keys from elsewhere; serve it "
      .. "(godwit sandbox --dir) and import the key of %s there"):format(
      self.name, user) })
  error(e, 0)
end

--- The keys of an organization and of its members: labels and masks.
---@async
---@param org string
---@return table[]
function Accounts:list_organization_keys(org)
  organizations.need(self.platform, org)
  if not keyring.exists(self.store.dir) then return {} end
  ring(self)
  local out = {}
  for i, doc in ipairs(keys.of_organization(self.platform, org)) do
    out[i] = about(doc)
  end
  return out
end

--- Notes that a user has a data connector; what opens it is not kept.
---@async
---@param user string
---@param spec table protocol, cred_type, label, …
---@param credential { field: string, value: any }
---@return table doc
function Accounts:create_connector(user, spec, credential)
  local body = { username = user }
  for k, v in pairs(spec) do body[k] = v end
  return perform(self, "connector.create", account_target(self, "users", user)
    .. ("/connector/%s+%s"):format(tostring(spec.protocol),
      tostring(spec.label or "")), {
      detail = body, again = false,
      write = function(p)
        local given = { [credential.field] = SOME }
        for k, v in pairs(body) do given[k] = v end
        return connectors.create(p, user, given)
      end,
    })
end

-- SCMs -------------------------------------------------------------------

local function scm_target(self, id)
  return self.name .. ":scm/" .. tostring(id)
end

-- A body without the secrets in it, which nothing here keeps.
local function plain(v)
  if secret.is(v) then return SOME end
  if type(v) ~= "table" then return v end
  local out = {}
  for k, x in pairs(v) do out[k] = plain(x) end
  return out
end

---@async
---@param spec table provider, name, urls, oauth, …
---@return table scm
function Accounts:create_scm(spec)
  local body = plain(spec)
  return perform(self, "scm.create",
    scm_target(self, spec.id or spec.name or spec.provider), {
      before = { exists = false }, detail = spec,
      write = function(p) return scms.create(p, body) end,
    })
end

---@async
---@param id string
---@param patch { enabled: boolean?, urls: table? }
---@return table scm
function Accounts:update_scm(id, patch)
  local was = scms.get(self.platform, id)
  local from = { enabled = was.enabled, urls = was.urls }
  return perform(self, "scm.update", scm_target(self, id), {
    class = "repeatable", before = from, detail = { from = from, to = patch },
    write = function(p) return scms.update(p, id, patch) end,
  })
end

---@async
---@param id string
function Accounts:set_default_scm(id)
  perform(self, "scm.default", scm_target(self, id), {
    class = "repeatable",
    write = function(p) scms.set_default(p, id) end,
  })
end

--- Takes an SCM away. One that is gone is as it should be.
---@async
---@param id string
function Accounts:delete_scm(id)
  delete(self, "scm.delete", scm_target(self, id),
    function(p) scms.delete(p, id) end)
end

return M
