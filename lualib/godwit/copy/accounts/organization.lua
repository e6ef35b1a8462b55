--- organization: the steps that take one organization to another cluster.
---
---   look    its name, type and members there, and all that stands against it
---   ensure  makes it, or brings its fields in line; then its members
---
--- The first writes nothing. Members are added, and taken out only where that
--- is asked for; roles cannot be given.

local accounts = require("godwit.cluster.accounts")
local burnt = require("godwit.copy.accounts.burnt")
local docs = require("godwit.cluster.account_docs")
local err = require("godwit.err")
local members = require("godwit.copy.accounts.members")
local migrator = require("godwit.copy.accounts.migrator")
local rules = require("godwit.cluster.account_rules")
local stages = require("godwit.workflow.stages")
local user = require("godwit.copy.accounts.user")

local M = {}

--- What the API has no way to move.
M.NOT_MOVED = "Never moved, since nobody can set them: who owns an "
  .. "organization, its single sign-on, its logo"

---@class godwit.copy.OrganizationSide: godwit.copy.UserSide
---@field types godwit.copy.OrganizationTypes
---@field name_of async fun(job: godwit.copy.OrganizationJob): string|nil, string|nil
---@field remove_members boolean
---@field without_missing boolean
---@field is_other? async fun(name: string, there: string): boolean Whether that is not the same person.

---@class godwit.copy.OrganizationJob: godwit.workflow.Job
---@field doc table The source's document.
---@field side godwit.copy.OrganizationSide
---@field name? string There.
---@field is_typed? boolean Somebody typed that name for it, and for no other.
---@field kind_of? godwit.copy.OrganizationType
---@field type? string The name of its type there.
---@field there? table
---@field wanted table Its fields there.
---@field differences table[]
---@field members godwit.copy.Members
---@field untold? string Why nobody can tell whether it is the same there.

---@param side godwit.copy.OrganizationSide
---@param doc table
---@return godwit.copy.OrganizationJob
function M.job(side, doc)
  return stages.job { ref = doc.org_name, doc = doc, side = side,
    kind = "organization", differences = {} }
end

--- What it is called there and of which type it is; it may be left out.
---@async
---@param job godwit.copy.OrganizationJob
function M.name(job)
  local name, why = job.side.name_of(job)
  if not name then
    job.record = { outcome = "skipped", why = why }
    return
  end
  job.name, job.to = name, job.side.to.name .. ":" .. name
  job.kind_of = job.side.types:of(job.doc)
  job.type = job.kind_of.name
end

-- Its fields there: the source's, with the id that its type has there.
local function fields_of(job)
  local wanted = { org_name = job.name }
  for _, field in ipairs(docs.ORGANIZATION_FIELDS) do
    wanted[field] = docs.value(job.doc, field)
  end
  wanted.type_id = job.side.types:id(job.type) or nil
  return wanted
end

local CHECKED = { "org_name", "org_label", "org_contact_name", "org_email",
  "org_url" }
for _, field in ipairs(CHECKED) do
  CHECKED[field] = true
end
-- Fields that may be there only; a type that may not be is a hole.
local SURPLUS = {}
for _, field in ipairs(docs.ORGANIZATION_FIELDS) do
  SURPLUS[#SURPLUS + 1] = field ~= "type_id" and field or nil
end
local FLAGS = "--map-organization, --map"
local REQUIRED = { "org_label", "org_contact_name", "org_email" }

local function is_changed(job)
  return #job.differences > 0 and job.side.update
end

-- What would be written. What is there already is not: the platform took it,
-- whatever its rules say of it.
local function check_fields(job)
  local wanted, written = job.wanted, {}
  for i, d in ipairs(is_changed(job) and job.differences or {}) do
    written[i] = d.field
  end
  for _, field in ipairs(job.there and written or CHECKED) do
    local why = CHECKED[field] and rules.problem(field, wanted[field])
    if why then
      job:problem("%s", why)
    end
  end
  for _, field in ipairs(not job.there and REQUIRED or {}) do
    if wanted[field] == nil then
      job:problem("it has no %s, and %s demands one", field, job.side.to.name)
    end
  end
end

-- An identity provider's id means one organization.
---@async
local function check_external_id(job, id)
  if id == nil or job.there and docs.value(job.there, "external_id") == id then
    return
  end
  if type(id) ~= "string" then
    job:problem("its external_id is no text")
    return
  end
  local ok, other = pcall(job.side.to.try_get_organization_by_external_id,
    job.side.to, id)
  if not ok then
    if err._is_final(other) or err.from(other).retryable then
      error(other, 0)
    end
    job:warn("whether another organization has its external_id %s cannot be "
      .. "told: %s", id, err.from(other).message)
    return
  end
  if other and other.org_name ~= job.name then
    job:problem("%s has another organization with its external_id %s: %s",
      job.side.to.name, id, tostring(other.org_name))
  end
end

-- Both have one name space.
---@async
local function check_kind(job)
  local taken = job.side.roster:has_user(job.name)
  if taken then
    job:problem("%s is a user on %s, and both have one name space; map the "
      .. "name (--to-name, --map-organization, --map)", job.name,
      job.side.to.name)
  end
  return not taken
end

-- One of another id is another organization, unless somebody has said by name
-- that it is this one: two clusters may have two identity providers.
local function check_same(job, id)
  local theirs = job.there and docs.value(job.there, "external_id")
  if theirs ~= nil and theirs ~= id and not job.is_typed then
    job:problem("%s has an organization %s with another external_id (%s, not "
      .. "%s): if it is the same one, say so (--map-organization %s=%s, --map), "
      .. "else map the name", job.side.to.name, job.name, tostring(theirs), id,
      job.ref, job.name)
  end
end

--- Who has the name there, and nothing else: for an organization that is not
--- worked on. Somebody else is in `job.problems`.
---@async
---@param job godwit.copy.OrganizationJob
function M.recognize(job)
  local id = docs.value(job.doc, "external_id")
  if job.name and check_kind(job) and type(id) == "string" then
    job.there = job.side.to:try_get_organization(job.name)
    check_same(job, id)
    check_external_id(job, id)
  end
end

-- Differences in words that people know: a type's name, not its id.
local function readable(job)
  for _, d in ipairs(job.differences) do
    if d.field == "type_id" then
      d.field, d.source = "type", job.type
      d.destination = job.side.types:name_there(d.destination)
    end
  end
end

-- The one of that name there, if there is one; a name that none can have and
-- none has is refused.
---@async
local function find(job)
  local why = rules.name_problem(job.name)

  if accounts.usable(job.name) then
    if not check_kind(job) then
      return false
    end
    job:progress("compare")
    job.there = job.side.to:try_get_organization(job.name)
  end
  if why and not job.there then
    job:problem("%s", why)
    return false
  end
  if not job.there and job.side.roster:burnt():has("name", job.name) then
    job:problem(burnt.SAID, job.side.to.name, "name", job.name, FLAGS)
  end
  return true
end

--- Looks at the destination. `job.problems` is what stands against it.
---@async
---@param job godwit.copy.OrganizationJob
function M.look(job)
  if not job.name then
    M.name(job)
  end
  if job.record then
    return
  end
  if not find(job) then
    return
  end
  job.wanted = fields_of(job)
  job.differences = job.there and docs.differences(job.there, job.wanted,
    docs.ORGANIZATION_FIELDS) or {}
  user.report_surplus(job, job.there and docs.surplus(job.there, job.wanted,
    SURPLUS) or {})
  check_fields(job)
  check_external_id(job, job.wanted.external_id)
  job.members = members.look(job)
  members.report(job)
  readable(job)
  if #job.problems == 0 and job.there and not is_changed(job)
      and members.are_same(job.members) then
    members.report_owners(job)
    job.record = user.unchanged(job, job.differences)
  end
end

-- The platform's codes for a name that is taken: by an organization, by a user.
local TAKEN = { [3101] = true, [3104] = true }

-- It was not made, so that who makes it is not ours. Where another run of ours
-- made it in the meantime, what that run has learned stays.
local function unlearn(job, e, was)
  local now = migrator.of(job.side.to, job.name)
  local known = now ~= "" and now or was ~= "" and was or nil

  if not TAKEN[e.code] or not known then
    migrator.forget(job.side.to, job.name)
  elseif known ~= now then
    migrator.learn(job.side.to, job.name, known)
  end
end

-- Refused although nobody had the name: somebody came in between, or had it
-- once.
---@async
local function explain(job, e, was)
  local to = job.side.to
  if e.in_doubt or err._is_final(e) then
    return e
  end
  unlearn(job, e, was)
  if not TAKEN[e.code] then
    return e
  elseif to:try_get_organization(job.name) then
    return err.new({ kind = "conflict", retryable = true,
      message = ("somebody made %s on %s in the meantime"):format(job.name,
        to.name) })
  elseif to:try_get_user(job.name) then
    return err.new({ kind = "refused", message = ("%s is a user on %s by now, "
      .. "and both have one name space"):format(job.name, to.name) })
  end
  job.side.roster:burnt():add("name", job.name)
  return err.new({ kind = "refused", message = (burnt.SAID .. " [%d]"):format(
    to.name, "name", job.name, FLAGS, e.code) })
end

---@async
local function create(job)
  local to = job.side.to
  job:progress("create")
  local was = migrator.of(to, job.name)
  migrator.begin(to, job.name)
  local ok, e = pcall(to.create_organization, to, job.wanted)
  if not ok then
    error(explain(job, err.from(e), was), 0)
  end
  job:did("+", "organization %s%s", job.name, job.type ~= "none"
    and " of type " .. job.type or "")
  members.meet_migrator(job)
end

---@async
local function update(job)
  local names = {}
  for i, d in ipairs(job.differences) do
    names[i] = d.field
  end
  job:progress("settings")
  job.side.to:update_organization(job.name, job.wanted)
  job:did("~", "%s", table.concat(names, ", "))
end

--- Makes it, or brings its fields in line; then its members.
---@async
---@param job godwit.copy.OrganizationJob
---@return godwit.Outcome
function M.ensure(job)
  local made = not job.there
  local stay = not made and not is_changed(job) and job.differences or {}

  if made then
    create(job)
  elseif is_changed(job) then
    update(job)
  end
  members.ensure(job)
  members.report_owners(job)
  if #job.steps == 0 then -- what was to be done was refused, and that is said
    return user.unchanged(job, stay)
  end
  return { outcome = made and "created" or "updated",
    differences = #stay > 0 and user.unchanged(job, stay).differences or nil }
end

return M
