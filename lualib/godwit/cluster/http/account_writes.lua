local accounts = require("godwit.cluster.accounts")
local address = require("godwit.cluster.address")
local docs = require("godwit.cluster.account_docs")
local effect = require("godwit.effect")
local err = require("godwit.err")
local secrets = require("godwit.cluster.secrets")
local settle = require("godwit.effect.settle")

--- cluster.http.account_writes: users, organizations and their members, as a
--- live cluster is told about them. Methods of the http driver. All of it is
--- asked with the admin key.
local M = {}
local Writes = {}
M.methods = Writes

local CREATED = 201

---@async
local function send(driver, what, method, path, sent)
  driver:need_admin(what)
  return driver:request(method, path, { admin = true, body = sent })
end

local function path_of(which, ...)
  return "/v1/" .. which .. address.path(...)
end

-- The platform's codes for a name that is taken.
local TAKEN = { users = 3003, organizations = 3101, types = 3109 }

local function exists(target, which)
  error(err.new({ kind = "exists", code = TAKEN[which],
    message = target .. " exists already" }), 0)
end

-- An answer of a create; clusters may say nothing.
---@async
local function answered(driver, kind, doc, name)
  return accounts.name(kind, doc) == name and doc or driver[kind.try](driver,
    name) or doc
end

-- Whether what is there is what was sent; somebody else's is not ours.
local function made_by_us(target, doc, sent, fields)
  if doc == nil then
    return false
  end
  for _, field in ipairs(fields) do
    local is, want = docs.value(doc, field), sent[field]
    if want ~= nil and not docs.same(is, want)
        and not docs.same_email(is, want) then
      err.throw("exists", "%s is there, but it is not what was sent (%s)",
        target, field)
    end
  end
  return true, doc
end

--- Creates an account. What somebody has is refused before anything is sent.
---@async
local function create(driver, which, sent, proof)
  local kind = accounts.KINDS[which]
  local name = sent[kind.key]
  local target = accounts.target(driver, kind, name)
  if driver[kind.try](driver, name) then
    exists(target, which)
  end
  return effect.perform({
    kind = kind.what .. ".create", target = target, cluster = driver,
    before = { exists = false }, detail = sent,
    write = function()
      local doc = send(driver, "creating " .. which, "POST", "/v1/" .. which,
        sent)
      return answered(driver, kind, doc, name)
    end,
    probe = function()
      return made_by_us(target, driver[kind.try](driver, name), sent, proof)
    end,
  })
end

local function get(driver, which, name)
  local kind = accounts.KINDS[which]
  return driver[kind.try](driver, name) or err.throw("notfound",
    "%s has no %s %s", driver.name, kind.what, name)
end

---@async
local function update(driver, which, name, was, sent)
  local kind = accounts.KINDS[which]
  local from = docs.counterpart(was, sent)
  return effect.perform({
    kind = kind.what .. ".update", target = accounts.target(driver, kind, name),
    cluster = driver, class = "repeatable", before = from,
    detail = { from = from, to = sent },
    write = function()
      local doc = send(driver, "changing " .. which, "PUT",
        path_of(which, name), sent)
      return answered(driver, kind, doc, name)
    end,
  })
end

---@async
local function delete(driver, kind_name, target, what, path)
  secrets.check_deletion(driver)
  effect.perform({
    kind = kind_name, target = target, cluster = driver, class = "repeatable",
    write = function()
      local ok, e = pcall(send, driver, what, "DELETE", path)
      if not ok and not err.is(e, "notfound") then
        error(e, 0)
      end
    end,
  })
end

local function remove(driver, which, name)
  local kind = accounts.KINDS[which]
  delete(driver, kind.what .. ".delete", accounts.target(driver, kind, name),
    "deleting " .. which, path_of(which, name))
end

--- Users ------------------------------------------------------------------

--- Creates a user, without a sample algorithm. Raises "exists" when the name
--- is taken; the platform's 3003 or 3004, too, when name or address were once.
---@async
---@param spec table username, email, fullname, company_name, company_role
---@return table doc
function Writes:create_user(spec)
  return create(self, "users", docs.new_user(spec), { "email" })
end

--- Changes a user: what `patch` has of fullname, company_name, company_role.
---@async
---@param name string
---@param patch table
---@return table doc
function Writes:update_user(name, patch)
  local was = get(self, "users", name)
  return update(self, "users", name, was, docs.changed_user(was, patch))
end

--- Deletes a user, whose name and address nobody can have any more.
---@async
---@param name string
function Writes:delete_user(name)
  remove(self, "users", name)
end

--- Organizations ----------------------------------------------------------

--- Creates an organization; the key's owner is its first owner. How the
--- cluster spells groups shows in its answer: what it has overlooked is sent
--- once more, by that name.
---@async
---@param spec table
---@return table doc
function Writes:create_organization(spec)
  local sent = docs.new_organization(spec)
  local doc = create(self, "organizations", sent, { "org_label", "org_email",
    "org_contact_name" })
  if docs.overlooked(doc, sent) then
    return self:update_organization(sent.org_name, sent)
  end
  return doc
end

--- Changes an organization; the cluster is sent all of it, read just before.
---@async
---@param name string
---@param patch table
---@return table doc
function Writes:update_organization(name, patch)
  local was = get(self, "organizations", name)
  return update(self, "organizations", name, was,
    docs.changed_organization(was, patch))
end

---@async
---@param name string
function Writes:delete_organization(name)
  remove(self, "organizations", name)
end

local function type_target(driver, name)
  return driver.name .. ":organization-type/" .. name
end

--- Adds a type of organization.
---@async
---@param name string
---@return { id: string, name: string }
function Writes:create_organization_type(name)
  local function find()
    for _, row in ipairs(self:list_organization_types()) do
      if row.name == name then
        return row
      end
    end
  end
  if find() then
    exists(type_target(self, name), "types")
  end
  return effect.perform({
    kind = "organization_type.create", target = type_target(self, name),
    cluster = self, before = { exists = false }, detail = { name = name },
    write = function()
      local doc = send(self, "adding a type of organization", "POST",
        "/v1/organization/types", { name = name })
      return type(doc) == "table" and doc.id and doc or find() or doc
    end,
    probe = function()
      local row = find()
      return row ~= nil, row
    end,
  })
end

---@async
---@param name string
function Writes:delete_organization_type(name)
  delete(self, "organization_type.delete", type_target(self, name),
    "deleting a type of organization",
    "/v1/organization/types" .. address.path(name))
end

--- Members ----------------------------------------------------------------

--- As the archive's: no call of the platform gives a role.
---@return boolean
function Writes:keeps_roles()
  return false
end

--- Makes a user a member. No role can be given.
---@async
---@param org string
---@param user string
---@return "created"|"unchanged"
function Writes:add_member(org, user)
  local doubted = false
  return effect.perform({
    kind = "member.add", target = accounts.member_target(self, org, user),
    cluster = self, class = "repeatable",
    write = function()
      local ok, e, response = pcall(send, self, "adding members", "PUT",
        path_of("organizations", org, "members", user))
      if not ok then
        doubted = doubted or settle.in_doubt(err.from(e))
        error(e, 0)
      end
      -- Added by an attempt whose answer was lost is added, too.
      return (response.status == CREATED or doubted) and "created"
        or "unchanged"
    end,
  })
end

--- Takes a member out; one that is gone is as it should be. The last owner
--- cannot go: "conflict".
---@async
---@param org string
---@param user string
function Writes:remove_member(org, user)
  delete(self, "member.remove", accounts.member_target(self, org, user),
    "removing members", path_of("organizations", org, "members", user))
end

return M
