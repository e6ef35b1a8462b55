local accounts = require("godwit.cluster.accounts")
local overlay_accounts = require("godwit.cluster.overlay.accounts")
local secrets = require("godwit.cluster.secrets")
local suggest = require("godwit.config.suggest")
local task = require("godwit.task")
local unknown = require("godwit.unknown")
local writes = require("godwit.cluster.overlay.writes")

--- cluster.overlay.members: members of organizations, keys and connectors,
--- written without writing. Methods of the overlay driver. A key that was not
--- made has no text: it is unknown.
local M = {}
local Members = {}
M.methods = Members

local NO_USER, NO_ORG, LAST_OWNER = 3000, 3100, 3102
local refuse = writes.refuse

---@class godwit.cluster.PretendedMembers
---@field first? { username: any, role: string } Of an organization that was made.
---@field added table<string, string>  Role by name
---@field removed table<string, boolean>
---@field there? boolean  The organization is
---@field roles? table<any, string>  Of all, once somebody asked
---@field turn? godwit.task.Semaphore  One reads them

---@return godwit.cluster.PretendedMembers
local function state_of(overlay, org)
  local all = overlay.pretended_accounts.members
  all[org] = all[org] or { added = {}, removed = {} }
  return all[org]
end

local function is_made(overlay, org)
  return overlay_accounts.state_of(overlay, "organizations").created[org]
    ~= nil
end

-- Asked once, not for every member.
local function check_org(overlay, org)
  local state = state_of(overlay, org)
  if not state.there and not is_made(overlay, org)
    and not overlay:try_get_organization(org) then
    refuse("notfound", 404, NO_ORG, "there is no organization %s", org)
  end
  state.there = true
end

--- Iterates over the members as the pretended writes leave them. The first
--- owner of what is made in this run has an unknown name.
---@async
function Members:each_member(org)
  local state = state_of(self, org)
  local gone = overlay_accounts.state_of(self, "users").deleted
  local below = not is_made(self, org) and self.under:each_member(org)
  local first, added, at = state.first, nil, 0
  return function()
    for row in below or function() end do
      if not state.removed[row.username] and not state.added[row.username]
        and not gone[row.username] then
        return row
      end
    end
    below = nil
    if first then
      local row = { username = first.username, role = first.role }
      first = nil
      return row
    end
    added = added or suggest.names(state.added)
    repeat
      at = at + 1
    until not gone[added[at]]
    return added[at] and { username = added[at],
      role = state.added[added[at]] } or nil
  end
end

-- Roles by name, read once for all that is asked about them, also by many at
-- the same time.
---@async
local function roles_of(overlay, org)
  local state = state_of(overlay, org)
  state.turn = state.turn or task.semaphore(1)
  return state.turn:with(function()
    if not state.roles then
      local roles = {}
      for row in overlay:each_member(org) do
        roles[row.username] = row.role
      end
      state.roles = roles
    end
    return state.roles
  end)
end

local function is_last_owner(roles, user)
  if roles[user] ~= "owner" then
    return false
  end
  local n = 0
  for _, role in pairs(roles) do
    n = n + (role == "owner" and 1 or 0)
  end
  return n == 1
end

local function perform(overlay, kind, org, user, pretend)
  return writes.perform(overlay, kind, nil, nil, nil, pretend,
    accounts.member_target(overlay, org, tostring(user)))
end

-- Whether the user is there, without asking twice about anybody.
local function check_user(overlay, user)
  local known = overlay.pretended_accounts.known
  if not known[user] and not overlay:try_get_user(user) then
    refuse("notfound", 404, NO_USER, "there is no user %s", user)
  end
  known[user] = true
end

--- As the archive's; see there.
---@return boolean
function Members:keeps_roles()
  return self.under:keeps_roles()
end

--- As the drivers'. Who is a member stays what he is, unless a role is given
--- and can be.
---@async
---@return "created"|"updated"|"unchanged"
function Members:add_member(org, user, role)
  role = self:keeps_roles() and role or nil
  check_org(self, org)
  local roles = roles_of(self, org)
  if not roles[user] then
    check_user(self, user)
  end
  return perform(self, "member.add", org, user, function()
    local now = roles[user]
    if now and (not role or role == now) then
      return "unchanged"
    end
    local state = state_of(self, org)
    state.removed[user], state.added[user] = nil, role or "member"
    roles[user] = state.added[user]
    return now and "updated" or "created"
  end)
end

---@async
function Members:remove_member(org, user)
  secrets.check_deletion(self)
  check_org(self, org)
  local state = state_of(self, org)
  local roles = roles_of(self, org)
  if is_last_owner(roles, user) then
    refuse("conflict", 400, LAST_OWNER, "%s is the last owner of %s",
      tostring(user), org)
  end
  perform(self, "member.remove", org, user, function()
    if state.first and rawequal(state.first.username, user) then
      state.first = nil
    else
      state.added[user] = nil
      state.removed[user] = true
    end
    roles[user] = nil
    return true
  end)
end

-- Keys ---------------------------------------------------------------------

local function made_key(overlay, kind, owner, user, spec, detail)
  return writes.perform(overlay, kind, nil, nil, detail, function()
    local what = ("the key '%s' of %s"):format(spec.label, owner)
    local row = { label = spec.label, permissions = spec.permissions,
      username = user, owner_name = owner,
      mask = unknown.new("the mask of " .. what) }
    local keys = overlay.pretended_accounts.keys
    keys[owner] = keys[owner] or {}
    table.insert(keys[owner], row)
    return { key = unknown.new(what), label = row.label, mask = row.mask,
      permissions = row.permissions, username = user, owner_name = owner }
  end, ("%s:%s/key/%s"):format(overlay.name, owner, spec.label))
end

local function about(spec)
  return { key_label = spec.label, permissions = spec.permissions,
    key_type = spec.key_type or "AlgorithmKey" }
end

--- As the http driver's; the key is unknown.
---@async
function Members:create_organization_key(org, user, spec)
  check_org(self, org)
  if not unknown.is(user) and not roles_of(self, org)[user] then
    refuse("notfound", 404, NO_USER, "%s has no member %s", org, user)
  end
  return made_key(self, "key.create", org, user, spec, about(spec))
end

--- As the http driver's.
---@async
function Members:import_key(user, spec, key)
  check_user(self, user)
  local made = made_key(self, "key.import", user, user, spec, about(spec))
  made.key = key
  return made
end

---@async
function Members:list_organization_keys(org)
  local out = is_made(self, org) and {}
    or self.under:list_organization_keys(org)
  for _, row in ipairs(self.pretended_accounts.keys[org] or {}) do
    out[#out + 1] = row
  end
  return out
end

---@async
function Members:create_connector(user, spec, credential)
  check_user(self, user)
  local detail = { credential = credential.field }
  for k, v in pairs(spec) do
    detail[k] = v
  end
  return writes.perform(self, "connector.create", nil, nil, detail, function()
    return { username = user, label = spec.label, protocol = spec.protocol,
      connector_id = unknown.new("the id of a connector of " .. user) }
  end, accounts.target(self, accounts.KINDS.users, user) .. "/connector/"
    .. tostring(spec.protocol) .. "+" .. tostring(spec.label or ""))
end

return M
