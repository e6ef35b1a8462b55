local account_rules = require("godwit.cluster.account_rules")
local json = require("godwit.core.json")
local sys = require("godwit.core.sys")
local fields = require("godwit.cluster.platform.fields")
local names = require("godwit.cluster.platform.names")
local roster = require("godwit.cluster.platform.roster")
local rules = require("godwit.cluster.platform.rules")

--- Users: what makes, changes and removes them, and what is refused. Who may
--- ask is decided where keys are known.
local M = {}

local reject = rules.reject

local LIMITS = { username = 1000, email = 1000 }
for _, key in ipairs({ "fullname", "company_name", "company_role" }) do
  LIMITS[key] = account_rules.LONGEST[key]
end
local MALFORMED = 3001

local function file_of(name) return "users/" .. name .. ".json" end

local SHOWN = { id = 36 }
for key, max in pairs(LIMITS) do SHOWN[key] = max end

local function shown(p, doc)
  fields.only_texts(doc, SHOWN)
  doc.resource_type = "user"
  doc.self_link = p.api and ("%s/v1/users/%s"):format(p.api, doc.username)
    or nil
  return doc
end

--- A user's document as the platform shows it, or nil.
---@param name string
---@return table|nil
function M.named(p, name)
  local doc = p.store:user(name)
  return doc and shown(p, doc)
end

--- The name of a user that is called by name or id, or nil.
---@param ref string
---@return string|nil
function M.name_of(p, ref)
  if not rules.is_uuid(ref) then
    return p.store:user(ref) and ref or nil
  end
  return p.store.index:find("users", "id", ref)
end

--- As name_of, or refused.
---@return string
function M.need(p, ref)
  return M.name_of(p, ref) or reject(404, 3000, "there is no user %s", ref)
end

local function hello(p, name)
  for _, env in ipairs((p.store:environments())) do
    if env.language and env.language.name == "python3" then
      return p:create({ username = name, kind = "everything" }, name, {
        name = "Hello", details = { label = "Hello" },
        settings = { source_visibility = "closed", license = "apl",
          network_access = "full", pipeline_enabled = true,
          algorithm_environment = env.id } })
    end
  end
end

--- POST /v1/users. What else a client sends (a password's hash) is not kept.
---@async
---@param body table
---@return table doc
function M.create(p, body)
  body = fields.without_nulls(body)
  local doc = fields.texts(body, LIMITS, MALFORMED)
  fields.need(doc, { "username", "email" })
  fields.check_name(doc.username, "username")
  fields.check_email(doc.email)
  local sample = fields.flag(body, "shouldCreateHello")
  local claim <close> = names.claim(p, doc.username, doc.email)
  doc.id, doc.fullname = sys.uuid(), doc.fullname or doc.username
  doc.resource_type = "user"
  -- The document comes last: it makes the user.
  if p.keys then p.keys:welcome(doc.username, rules.time(p.now())) end
  p.store:write(file_of(doc.username), doc)
  if sample then hello(p, doc.username) end
  return shown(p, doc)
end

--- PUT /v1/users/USER: what is not given stays.
---@async
---@param ref string Name or id.
---@param body table
---@return table doc
function M.update(p, ref, body)
  local name = M.need(p, ref)
  body = fields.without_nulls(body)
  local given = fields.texts(body, LIMITS, MALFORMED)
  fields.need(given, { "username", "email" })
  return p.store:locked("users/" .. name, function()
    local doc = p.store:user(name)
    if not doc then reject(404, 3000, "the user %s is gone", name) end
    if given.username ~= name then
      reject(400, 3007, "the body is about %s, not %s", given.username, name)
    elseif given.email ~= doc.email then
      reject(400, 3008, "the email cannot be changed")
    end
    for key, v in pairs(given) do doc[key] = v end
    p.store:write(file_of(name), doc)
    return shown(p, doc)
  end)
end

-- The organizations of a user must be able to go on without.
local function check_organizations(p, name)
  local all = p.store:organizations_of(name)
  for _, org in ipairs(all) do
    local m = p.store:members(org)
    if m.roles[name] == "owner" and m.owners == 1 then
      reject(400, 3102, "%s is the last owner of %s", name, org)
    end
  end
  return all
end

--- Removes what an account owns.
---@async
function M.remove_things(p, owner)
  for _, name in ipairs(p.store:algorithm_names(owner)) do
    p:delete({ username = "", kind = "everything" }, owner, name)
  end
  p.store:remove_folder("data/" .. owner)
  p.store:remove("connectors/" .. owner .. ".json")
  if p.keys then p.keys:forget(owner) end
end

--- DELETE /v1/users/USER, with all that is the user's. The name and the
--- address are burnt first and the document goes last: done halfway, it is
--- done by the next call.
---@async
---@param ref string Name or id.
function M.delete(p, ref)
  local name = M.need(p, ref)
  p.store:locked("users/" .. name, function()
    local doc = p.store:user(name)
    if not doc then reject(404, 3000, "the user %s is gone", name) end
    local organizations = check_organizations(p, name)
    names.burn(p, name, doc.email)
    for _, org in ipairs(organizations) do
      p.store:locked("organizations/" .. org, function()
        roster.set(p.store, org, name, nil)
      end)
    end
    M.remove_things(p, name)
    p.store:remove(file_of(name))
  end)
end

--- The errors that calls of an account's algorithms raised.
function M.errors(p, owner)
  local out = json.array({})
  for _, name in ipairs(p.store:algorithm_names(owner)) do
    local record = p.store:record(owner, name)
    for _, e in ipairs(record and p.errors[record.id] or {}) do
      out[#out + 1] = e
    end
  end
  return out
end

return M
