local account_rules = require("godwit.cluster.account_rules")
local accounts = require("godwit.cluster.accounts")
local body = require("godwit.cluster.body")
local docs = require("godwit.cluster.account_docs")
local secrets = require("godwit.cluster.secrets")
local suggest = require("godwit.config.suggest")
local unknown = require("godwit.unknown")
local writes = require("godwit.cluster.overlay.writes")

--- cluster.overlay.accounts: users and organizations, written without writing.
--- Methods of the overlay driver. Members and keys are in overlay/members.
local M = {}
local Accounts = {}
M.methods = Accounts

-- The platform's codes for what it refuses.
local NO_USER, NO_ORG, NAME_TAKEN, EMAIL_TAKEN, MISSING, ORG_EXISTS,
  NOT_RESERVED, NO_TYPE, TYPE_EXISTS, INVALID, IN_USE =
  3000, 3100, 3003, 3004, 3005, 3101, 3104, 3108, 3109, 6001, 2015

local MALFORMED = { users = 3001, organizations = 3103 }

local refuse = writes.refuse

--- What is pretended of one kind of account: documents made, patches of those
--- that are there, and what is gone.
---@class godwit.cluster.PretendedAccounts
---@field created table<string, table>
---@field patched table<string, table>
---@field deleted table<string, boolean>

--- What an overlay begins with.
---@return table
function M.state()
  return {
    users = { created = {}, patched = {}, deleted = {} },
    organizations = { created = {}, patched = {}, deleted = {} },
    members = {}, keys = {},
    veiled = {}, -- owners of whom nothing can be seen yet
    types = {}, -- a row by name, false for one that is gone
    known = {}, -- users that are there
    scms = { made = {}, changed = {} },
  }
end

---@return godwit.cluster.PretendedAccounts
local function state_of(overlay, which)
  return overlay.pretended_accounts[which]
end
M.state_of = state_of

-- Reading ----------------------------------------------------------------

-- What is there as the pretended writes leave it, then what they made.
---@async
local function each(overlay, which)
  local kind, state = accounts.KINDS[which], state_of(overlay, which)
  local below = overlay.under[kind.each](overlay.under)
  local made, at
  return function()
    for doc in below or function() end do
      local name = accounts.name(kind, doc)
      if not state.deleted[name] then
        overlay:saw(which, name)
        return body.merge(doc, state.patched[name])
      end
    end
    below = nil
    made, at = made or suggest.names(state.created), (at or 0) + 1
    return made[at] and body.copy(state.created[made[at]])
  end
end

--- Notes that somebody is there, so that members need not be looked up.
function Accounts:saw(which, name)
  if which == "users" then
    self.pretended_accounts.known[name] = true
  end
end

---@async
function Accounts:each_user()
  return each(self, "users")
end

---@async
function Accounts:each_organization()
  return each(self, "organizations")
end

---@async
function Accounts:each_owner()
  return accounts.owners(self)
end

---@async
local function try_get(overlay, which, name)
  local kind, state = accounts.KINDS[which], state_of(overlay, which)
  if state.created[name] then
    return body.copy(state.created[name])
  elseif state.deleted[name] then
    return nil
  end
  local doc = overlay.under[kind.try](overlay.under, name)
  local found = doc and accounts.name(kind, doc) -- asked for by its id
  if not doc or state.deleted[found] then
    return nil
  end
  return body.merge(doc, state.patched[found])
end

---@async
function Accounts:try_get_user(name)
  return try_get(self, "users", name)
end

---@async
function Accounts:try_get_organization(name)
  return try_get(self, "organizations", name)
end

---@async
function Accounts:try_get_organization_by_external_id(id)
  local state = state_of(self, "organizations")
  for _, from in ipairs({ state.created, state.patched }) do
    for name, doc in pairs(from) do
      if doc.external_id == id then
        return try_get(self, "organizations", name)
      end
    end
  end
  local doc = self.under:try_get_organization_by_external_id(id)
  local name = doc and accounts.name(accounts.KINDS.organizations, doc)
  doc = name and try_get(self, "organizations", name)
  return doc and doc.external_id == id and doc or nil
end

-- Writing ----------------------------------------------------------------

local function perform(overlay, kind, which, name, detail, pretend)
  return writes.perform(overlay, kind, nil, nil, detail, pretend,
    accounts.target(overlay, accounts.KINDS[which], name))
end

local function need(doc, fields)
  local missing = {}
  for _, field in ipairs(fields) do
    if docs.value(doc, field) == nil then
      missing[#missing + 1] = field
    end
  end
  if #missing > 0 then
    refuse("remote", 400, MISSING, "required and missing: %s",
      table.concat(missing, ", "))
  end
end

local function check(why)
  if why then
    refuse("remote", 400, INVALID, "%s", why)
  end
end

-- Types and lengths, which the platform looks at first; what names and
-- addresses are made of comes later.
local function check_fields(which, sent)
  for _, field in ipairs(suggest.names(sent)) do
    local why, malformed = account_rules.problem(field, sent[field])
    if why and malformed then
      refuse("remote", 400, MALFORMED[which], "%s", why)
    elseif account_rules.LONGEST[field] then
      check(why)
    end
  end
end

-- Who has an e-mail address there; asked once, when it first matters.
---@async
local function addresses(overlay)
  local state = state_of(overlay, "users")
  if not state.addresses then
    local known = {}
    for doc in overlay.under:each_user() do
      overlay:saw("users", doc.username)
      if type(doc.email) == "string" then
        known[doc.email:lower()] = true
      end
    end
    state.addresses = known
  end
  return state.addresses
end

-- Deleted in this run, a name is burnt. Once all users were read, nobody is
-- asked about one of them.
local function taken_by(overlay, name)
  local state = state_of(overlay, "users")
  if state.deleted[name] or state.created[name]
    or overlay.pretended_accounts.known[name]
    or not state.addresses and overlay:try_get_user(name) then
    return "user"
  end
  return overlay:try_get_organization(name) and "organization" or nil
end

--- As the http driver's; its id is unknown.
---@async
---@param spec table
---@return table doc
function Accounts:create_user(spec)
  local sent = docs.new_user(spec)
  check_fields("users", sent)
  need(sent, { "username", "email" })
  check(account_rules.name_problem(sent.username))
  check(account_rules.email_problem(sent.email))
  local known, email = addresses(self), sent.email:lower()
  if taken_by(self, sent.username) then
    refuse("exists", 409, NAME_TAKEN, "the username %s is taken",
      sent.username)
  end
  if known[email] then
    refuse("exists", 409, EMAIL_TAKEN, "the e-mail address %s is taken",
      sent.email)
  end
  return perform(self, "user.create", "users", sent.username, sent, function()
    local doc = body.copy(sent)
    doc.shouldCreateHello, doc.resource_type = nil, "user"
    doc.fullname = doc.fullname or doc.username
    doc.id = unknown.new("the id of the user " .. doc.username)
    state_of(self, "users").created[doc.username] = doc
    known[email] = true
    return body.copy(doc)
  end)
end

local function gone(which, name)
  refuse("notfound", 404, which == "users" and NO_USER or NO_ORG,
    "there is no %s %s", accounts.KINDS[which].what, name)
end

---@async
local function update(overlay, which, name, change)
  local was = try_get(overlay, which, name) or gone(which, name)
  local sent = change(was)
  local detail = { from = docs.counterpart(was, sent), to = sent }
  return perform(overlay, accounts.KINDS[which].what .. ".update", which, name,
    detail, function()
      local state = state_of(overlay, which)
      local at = state.created[name] and state.created or state.patched
      at[name] = body.merge(at[name] or {}, sent)
      return try_get(overlay, which, name)
    end)
end

-- The name of one who never was stays free.
---@async
local function delete(overlay, which, name)
  secrets.check_deletion(overlay)
  local there = try_get(overlay, which, name) ~= nil
  perform(overlay, accounts.KINDS[which].what .. ".delete", which, name, nil,
    function()
      if not there then
        return true
      end
      local state = state_of(overlay, which)
      state.created[name], state.patched[name] = nil, nil
      state.deleted[name] = true
      overlay.pretended_accounts.known[name] = nil
      for _, members in pairs(overlay.pretended_accounts.members) do
        members.roles = nil -- he is none any more
      end
      return true
    end)
end

---@async
function Accounts:update_user(name, patch)
  return update(self, "users", name, function(was)
    local sent = docs.changed_user(was, patch)
    check_fields("users", sent)
    return sent
  end)
end

--- As the http driver's: one that is gone is as it should be.
---@async
function Accounts:delete_user(name)
  delete(self, "users", name)
end

local function check_type(overlay, id, required)
  local types = overlay:list_organization_types()
  for _, row in ipairs(types) do
    if rawequal(row.id, id) then
      return
    end
  end
  if id ~= nil then
    refuse("notfound", 400, NO_TYPE, "there is no such organization type")
  elseif required and #types > 0 then
    refuse("remote", 400, MISSING, "required and missing: type_id")
  end
end

--- As the http driver's. Who the key's owner is, the first owner of what is
--- made, nobody knows before.
---@async
---@param spec table
---@return table doc
function Accounts:create_organization(spec)
  local sent = docs.new_organization(spec)
  local name = sent.org_name
  check_fields("organizations", sent)
  need(sent, { "org_name", "org_label", "org_contact_name", "org_email" })
  check_type(self, sent.type_id, true)
  check(account_rules.name_problem(name))
  local taken = taken_by(self, name)
  if taken == "organization" then
    refuse("exists", 409, ORG_EXISTS, "the organization %s exists", name)
  elseif taken then
    refuse("conflict", 409, NOT_RESERVED, "the name %s cannot be reserved, a "
      .. "user has or had it", name)
  end
  return perform(self, "organization.create", "organizations", name, sent,
    function()
      local doc = body.copy(sent)
      doc.resource_type = "organization"
      doc.id = unknown.new("the id of the organization " .. name)
      doc.org_created_at = unknown.new("the time of the organization " .. name)
      local state = state_of(self, "organizations")
      state.created[name], state.deleted[name] = doc, nil
      -- A folder has nobody whose key it is made with.
      self.pretended_accounts.members[name] = { added = {}, removed = {},
        first = self.under.kind == "http" and { role = "owner",
          username = unknown.new("the owner of the administrator's key") }
          or nil }
      return body.copy(doc)
    end)
end

---@async
function Accounts:update_organization(name, patch)
  return update(self, "organizations", name, function(was)
    local sent = docs.changed_organization(was, patch)
    check_fields("organizations", sent)
    if docs.value(patch, "type_id") ~= nil then
      check_type(self, sent.type_id)
    end
    return sent
  end)
end

---@async
function Accounts:delete_organization(name)
  delete(self, "organizations", name)
  self.pretended_accounts.members[name] = nil
end

-- Types ------------------------------------------------------------------

---@async
function Accounts:list_organization_types()
  local types, out = self.pretended_accounts.types, {}
  for _, row in ipairs(self.under:list_organization_types()) do
    if types[row.name] == nil then
      out[#out + 1] = body.copy(row)
    end
  end
  for _, name in ipairs(suggest.names(types)) do
    if types[name] then
      out[#out + 1] = body.copy(types[name])
    end
  end
  return out
end

local function type_named(overlay, name)
  for _, row in ipairs(overlay:list_organization_types()) do
    if row.name == name then
      return row
    end
  end
end

local function perform_type(overlay, kind, name, pretend)
  return writes.perform(overlay, kind, nil, nil, { name = name }, pretend,
    overlay.name .. ":organization-type/" .. name)
end

---@async
function Accounts:create_organization_type(name)
  if type_named(self, name) then
    refuse("exists", 409, TYPE_EXISTS, "the organization type %s exists", name)
  end
  check(account_rules.name_problem(name))
  return perform_type(self, "organization_type.create", name, function()
    local row = { name = name,
      id = unknown.new("the id of the organization type " .. name) }
    self.pretended_accounts.types[name] = row
    return body.copy(row)
  end)
end

-- An id that is unknown is the same only as itself.
local function same_id(a, b)
  return rawequal(a, b) or type(a) == "string" and type(b) == "string"
    and a:lower() == b:lower()
end

local function check_unused(overlay, name)
  local row = type_named(overlay, name)
  for doc in row and overlay:each_organization() or function() end do
    if same_id(docs.value(doc, "type_id"), row.id) then
      refuse("conflict", 409, IN_USE, "the organization type %s is in use: %s",
        name, tostring(doc.org_name))
    end
  end
end

--- A type that organizations have stays.
---@async
function Accounts:delete_organization_type(name)
  secrets.check_deletion(self)
  check_unused(self, name)
  perform_type(self, "organization_type.delete", name, function()
    self.pretended_accounts.types[name] = false
    return true
  end)
end

return M
