local account_rules = require("godwit.cluster.account_rules")
local err = require("godwit.err")
local json = require("godwit.core.json")
local sys = require("godwit.core.sys")
local fields = require("godwit.cluster.platform.fields")
local names = require("godwit.cluster.platform.names")
local roster = require("godwit.cluster.platform.roster")
local rules = require("godwit.cluster.platform.rules")
local users = require("godwit.cluster.platform.users")

--- Organizations and their types: what makes, changes and removes them, and
--- what is refused. Who may ask is decided where keys are known.
local M = {}

local reject = rules.reject

local LIMITS = { org_name = 1000 }
for _, key in ipairs({ "org_label", "org_contact_name", "org_email", "org_url",
    "type_id", "external_id", "stripe_customer_id" }) do
  LIMITS[key] = account_rules.LONGEST[key]
end
local REQUIRED = { "org_name", "org_label", "org_contact_name", "org_email" }
local MALFORMED = 3103
local TYPES = "organization-types.json"
local GROUPS, is_group = account_rules.GROUPS, account_rules.is_group

local SHOWN = { id = 36, org_created_at = 30 }
for key, max in pairs(LIMITS) do SHOWN[key] = max end

local function file_of(name) return "organizations/" .. name .. ".json" end

-- Types ------------------------------------------------------------------

local function damaged(p)
  err.throw("io", "%s/%s is damaged: it is no list of types", p.store.dir,
    TYPES)
end

--- The types, in the order they were made.
---@return { id: string, name: string }[]
function M.types(p)
  local list = p.store:read(TYPES) or json.array({})
  if type(list) ~= "table" then damaged(p) end
  local out = json.array({})
  for i, row in ipairs(list) do
    if type(row) ~= "table" or type(row.id) ~= "string"
      or type(row.name) ~= "string" then
      damaged(p)
    end
    out[i] = { id = row.id, name = row.name }
  end
  return out
end

--- POST /v1/organization/types.
---@async
---@param body table
---@return { id: string, name: string }
function M.create_type(p, body)
  body = fields.without_nulls(body)
  local name = fields.text(body, "name", 1000, MALFORMED)
  fields.need({ name = name }, { "name" })
  fields.check_name(name, "name")
  return p.store:locked(TYPES, function()
    local list = M.types(p)
    for _, row in ipairs(list) do
      if row.name == name then
        reject(409, 3109, "the organization type %s exists", name)
      end
    end
    local row = { id = sys.uuid(), name = name }
    list[#list + 1] = row
    p.store:write(TYPES, list)
    return row
  end)
end

-- Nobody's type goes away under him: its id would mean nothing any more.
local function check_unused(p, row)
  local having = {}
  for _, org in ipairs(p.store:organization_names()) do
    local doc = p.store:organization(org)
    local id = doc and doc.type_id
    if type(id) == "string" and id:lower() == row.id:lower() then
      having[#having + 1] = org
    end
  end
  if #having > 0 then
    reject(409, 2015, "the organization type %s is in use: %s%s", row.name,
      table.concat(having, ", ", 1, math.min(#having, 5)),
      #having > 5 and (" and %d more"):format(#having - 5) or "")
  end
end

--- DELETE /v1/organization/types/NAME: refused while organizations have it.
---@async
---@param name string
function M.delete_type(p, name)
  p.store:locked(TYPES, function()
    local list = M.types(p)
    for i, row in ipairs(list) do
      if row.name == name then
        check_unused(p, row)
        table.remove(list, i)
        return p.store:write(TYPES, list)
      end
    end
    reject(404, 3108, "there is no organization type %s", name)
  end)
end

local function check_type(p, id)
  for _, row in ipairs(M.types(p)) do
    if row.id:lower() == id:lower() then return row.id end
  end
  reject(400, 3108, "there is no organization type %s", id)
end

-- Organizations ----------------------------------------------------------

--- The organization as the platform shows it, or nil. Members are a list of
--- their own; their owners' ids stand in the document.
---@param name string
---@return table|nil
function M.named(p, name)
  local doc = p.store:organization(name)
  if not doc then return nil end
  fields.only_texts(doc, SHOWN)
  local m = p.store:members(name)
  doc.members, doc.members_apart, doc.owner_ids = nil, nil, json.array({})
  for _, who in ipairs(m and m.owners > 0 and m.names or {}) do
    local owner = m.roles[who] == "owner" and p.store:user(who)
    if owner and type(owner.id) == "string" then
      doc.owner_ids[#doc.owner_ids + 1] = owner.id
    end
  end
  for _, key in ipairs(GROUPS) do
    if not is_group(doc[key]) then doc[key] = json.null end
    if not is_group(doc[key .. "_id"]) then doc[key .. "_id"] = nil end
  end
  doc.resource_type = "organization"
  doc.self_link = p.api and ("%s/v1/organizations/%s"):format(p.api, name)
    or nil
  return doc
end

--- The name of the organization an identity provider knows as that, or nil.
---@param external string
---@return string|nil
function M.by_external_id(p, external)
  return p.store.index:find("organizations", "external_id", external)
end

--- Refuses a name that no organization has.
---@param name string
function M.need(p, name)
  if not p.store:members(name) then
    reject(404, 3100, "there is no organization %s", name)
  end
end

-- It comes back as it was given.
local function group(body, key)
  local v = body[key]
  if v ~= nil and not is_group(v) then
    reject(400, MALFORMED, "%s must be a string or an array of strings", key)
  end
  return v
end

-- What may be written. Official clients spell the groups in two ways.
local function given(p, body)
  local out = fields.texts(body, LIMITS, MALFORMED)
  for _, key in ipairs(GROUPS) do
    out[key] = group(body, key)
    out[key .. "_id"] = group(body, key .. "_id")
  end
  if out.type_id == "" then out.type_id = nil end
  if out.type_id then out.type_id = check_type(p, out.type_id) end
  return out
end

--- POST /v1/organizations. Who calls becomes its owner.
---@async
---@param caller { username: string }
---@param body table
---@return table doc
function M.create(p, caller, body)
  body = fields.without_nulls(body)
  local doc = given(p, body)
  fields.need(doc, REQUIRED)
  if not doc.type_id and #M.types(p) > 0 then
    reject(400, 3005, "required and missing: type_id")
  end
  fields.check_name(doc.org_name, "org_name")
  local claim <close> = names.reserve(p, doc.org_name)
  doc.id, doc.resource_type = sys.uuid(), "organization"
  doc.org_created_at = rules.time(p.now()):sub(1, 19)
  doc.members = json.array({})
  if caller.username ~= "" then
    doc.members[1] = { username = caller.username, role = "owner" }
  end
  roster.remove(p.store, doc.org_name)
  p.store:write(file_of(doc.org_name), doc)
  return M.named(p, doc.org_name)
end

--- PUT /v1/organizations/ORG: what is not given stays, its name always.
---@async
---@param name string
---@param body table
function M.update(p, name, body)
  M.need(p, name)
  local change = given(p, fields.without_nulls(body))
  change.org_name = nil
  p.store:locked("organizations/" .. name, function()
    local doc = p.store:organization(name)
    if not doc then reject(404, 3100, "the organization %s is gone", name) end
    for key, v in pairs(change) do doc[key] = v end
    p.store:write(file_of(name), doc)
  end)
end

--- DELETE /v1/organizations/ORG, with all that is the organization's; one that
--- is not there is fine.
---@async
---@param name string
function M.delete(p, name)
  if not p.store:members(name) then return end
  p.store:locked("organizations/" .. name, function()
    if not p.store:organization(name) then return end
    users.remove_things(p, name)
    p.store:remove(file_of(name))
    roster.remove(p.store, name)
  end)
end

-- Members ----------------------------------------------------------------

--- A member as the platform shows it.
---@param org string
---@param username string
---@return table|nil
function M.member(p, org, username)
  local m = p.store:members(org)
  local role = m and m.roles[username]
  return role and { username = username, role = role,
    resource_type = "organization_member", user_link = p.api
      and ("%s/v1/users/%s"):format(p.api, username) or nil } or nil
end

--- PUT /v1/organizations/ORG/members/USER: a member as any other; nobody's
--- role changes by it, but where `role` is given, which no request can do.
---@async
---@param org string
---@param username string
---@param role? "owner"|"member"
---@return "created"|"updated"|"unchanged"
function M.add_member(p, org, username, role)
  M.need(p, org)
  return p.store:locked("organizations/" .. org, function()
    M.need(p, org)
    local now = p.store:role(org, username)
    if now and (not role or role == now) then return "unchanged" end
    if not p.store:user(username) then
      reject(404, 3000, "there is no user %s", username)
    end
    roster.set(p.store, org, username, role or "member")
    return now and "updated" or "created"
  end)
end

--- DELETE /v1/organizations/ORG/members/USER: who is none is fine, the last
--- owner stays.
---@async
---@param org string
---@param username string
function M.remove_member(p, org, username)
  M.need(p, org)
  p.store:locked("organizations/" .. org, function()
    local m = p.store:members(org)
    local role = m and m.roles[username]
    if not role then return end
    if role == "owner" and m.owners == 1 then
      reject(400, 3102, "%s is the last owner of %s", username, org)
    end
    roster.set(p.store, org, username, nil)
  end)
end

return M
