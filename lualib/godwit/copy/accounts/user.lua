--- user: the steps that take one user to another cluster.
---
---   look    who it is there, and all that stands against it  writes nothing
---   ensure  makes the user, or brings the fields in line
---
--- A user of the same name and e-mail address is the same person; nobody is
--- ever deleted, and no sample algorithm is made.

local burnt = require("godwit.copy.accounts.burnt")
local docs = require("godwit.cluster.account_docs")
local err = require("godwit.err")
local json = require("godwit.core.json")
local rules = require("godwit.cluster.account_rules")
local stages = require("godwit.workflow.stages")

local M = {}

--- What the API has no way to move.
M.NOT_MOVED = "Never moved, since nobody can read or set them: passwords, "
  .. "keys, the admin flag, single sign-on identities, avatars, whether "
  .. "somebody is deactivated"

---@class godwit.copy.UserSide
---@field from? table Driver.
---@field to table Driver.
---@field people godwit.copy.People
---@field roster godwit.copy.Roster|godwit.copy.AskingRoster
---@field update boolean Fields that differ are changed.

---@class godwit.copy.UserJob: godwit.workflow.Job
---@field doc table The source's document.
---@field side godwit.copy.UserSide
---@field person? godwit.copy.Person
---@field there? godwit.copy.Resident
---@field differences table[]
---@field untold? string Why nobody can tell who it is there.

--- A job; who the user is there is found by `look`.
---@param side godwit.copy.UserSide
---@param doc table
---@return godwit.copy.UserJob
function M.job(side, doc)
  return stages.job { ref = doc.username, doc = doc, side = side,
    kind = "user", differences = {} }
end

-- Who it is there, or that he is left out.
---@async
function M.name(job)
  local person, why = job.side.people:user(job.doc)

  if not person then
    job.record = { outcome = "skipped", why = why }
    return nil
  end
  job.person = person
  job.to = job.side.to.name .. ":" .. person.username
  return person
end

local FIELDS = { "username", "email", table.unpack(docs.USER_FIELDS) }

-- What would be written. What is there already is not: the platform took it,
-- whatever its rules say of it.
local function check_fields(job, person, fields)
  for _, field in ipairs(fields) do
    local why = rules.problem(field, person[field])
    if why then
      job:problem("%s", why)
    end
  end
end

-- What is taken, by the platform's codes.
local TAKEN = { [3003] = "name", [3004] = "address" }
local FLAGS = "--map"

-- What an earlier run has learned by trying.
local function check_burnt(job, person)
  local known = job.side.roster:burnt()
  for _, one in ipairs({ { "name", person.username },
      { "address", person.email } }) do
    if known:has(one[1], one[2]) then
      job:problem(burnt.SAID, job.side.to.name, one[1], one[2], FLAGS)
    end
  end
end

local function check_address(job, person)
  local owner = job.side.roster:owner_of(person.email)

  if owner and owner ~= person.username then
    job:problem("the e-mail address %s is %s's on %s; map one of them "
      .. "(--map, --map-email, map_user)", person.email, owner,
      job.side.to.name)
  end
end

-- Somebody is there under that name.
local function check_same(job, there, person)
  if not docs.same_email(there.email, person.email) then
    job:problem("%s has a user %s with another e-mail address (%s, not %s): "
      .. "if it is the same person, map the address (--map-email, --map), else "
      .. "the name (--map-user, --map)", job.side.to.name, person.username,
      there.email or "none", person.email)
    return false
  end
  return true
end

-- Both have one name space.
local function check_kind(job, person)
  local taken = job.side.roster:is_organization(person.username)
  if taken then
    job:problem("%s is an organization on %s, and both have one name space; "
      .. "map the name (--map-user, --map)", person.username,
      job.side.to.name)
  end
  return not taken
end

--- Who has the name there, and nothing else: for a user who is not worked on.
--- Somebody else is in `job.problems`; where one of both gives no address
--- nobody can tell.
---@async
---@param job godwit.copy.UserJob
function M.recognize(job)
  local person = job.person
  if not person then
    return -- left out
  end
  local there = job.side.roster:user(person.username)
  if not there then
    check_kind(job, person)
  elseif person.email and there.email then
    check_same(job, there, person)
  else
    local side = job.side
    job.untold = ("%s gives no e-mail address"):format(
      (person.email and side.to or side.from).name)
  end
end

local function changed_fields(job)
  local fields = {}
  for i, d in ipairs(job.side.update and job.differences or {}) do
    fields[i] = d.field
  end
  return fields
end

--- Says what stays at the destination, for the result.
---@param job godwit.workflow.Job
---@param surplus table[]
function M.report_surplus(job, surplus)
  local words = {}
  for i, d in ipairs(surplus) do
    words[i] = ("%s (%s)"):format(d.field, type(d.destination) == "table"
      and json.encode(d.destination) or tostring(d.destination))
  end
  if #words > 0 then
    job:warn("stays on %s, since the source has nothing there: %s",
      job.side.to.name, table.concat(words, ", "))
  end
end

-- One that has no full name is called by the user name there.
local function expected(person, there)
  return { company_name = person.company_name,
    company_role = person.company_role, fullname = person.fullname
      or there.fullname == person.username and there.fullname or nil }
end

local function compare(job, there, person)
  if person.email == nil then
    return check_fields(job, person, { "email" })
  elseif not check_same(job, there, person) then
    return
  end
  job.there = there
  job.differences = docs.differences(there, person, docs.USER_FIELDS)
  M.report_surplus(job, docs.surplus(there, expected(person, there),
    docs.USER_FIELDS))
  check_fields(job, person, changed_fields(job))
  if #job.problems == 0 and (#job.differences == 0 or not job.side.update) then
    job.record = M.unchanged(job, job.differences)
  end
end

-- Nobody is there under that name: what somebody new may be called.
local function look_for_holder(job, person)
  local before = #job.problems
  check_fields(job, person, FIELDS)
  if #job.problems == before and check_kind(job, person) then
    check_address(job, person)
    check_burnt(job, person)
  end
end

--- Looks at the destination. `job.problems` is what stands against it.
---@async
---@param job godwit.copy.UserJob
function M.look(job)
  local person = job.person or not job.record and M.name(job)

  if not person then
    return
  end
  local roster = job.side.roster
  local there = roster:user(person.username)
  if there then
    compare(job, there, person)
  else
    look_for_holder(job, person)
  end
  if #job.problems == 0 then
    roster:expect(person.username)
  end
end

-- Who has it by now.
---@async
local function holder(to, what, text)
  if what == "name" then
    return to:try_get_organization(text) and "an organization" or nil
  end
  for doc in to:each_user() do
    if docs.same_email(doc.email, text) then
      return doc.username
    end
  end
  return nil
end

-- Refused although nobody was there: somebody came in between, or had it once.
---@async
local function explain(job, e)
  local to, person = job.side.to, job.person
  local there = to:try_get_user(person.username)

  if there and docs.same_email(there.email, person.email) then
    return there
  elseif there then
    err.throw("refused", "%s has a user %s with another e-mail address by now",
      to.name, person.username)
  elseif not TAKEN[e.code] then
    error(e, 0)
  end
  local what = TAKEN[e.code]
  local text = what == "name" and person.username or person.email
  local who = holder(to, what, text)
  if who then
    err.throw("refused", "the %s %s is %s's on %s by now", what, text, who,
      to.name)
  end
  job.side.roster:burnt():add(what, text)
  err.throw("refused", burnt.SAID .. " [%d]", to.name, what, text, FLAGS,
    e.code)
end

---@async
local function create(job)
  local ok, doc = pcall(job.side.to.create_user, job.side.to, job.person)
  if ok then
    job:did("+", "user %s <%s>", job.person.username, job.person.email)
    job.side.roster:learn(doc)
    return "created"
  elseif not err.is(doc, "exists") and not err.is(doc, "conflict") then
    error(doc, 0)
  end
  job.side.roster:learn(explain(job, doc))
  job:did("=", "made by somebody else in the meantime")
  return "unchanged"
end

local function names_of(differences)
  local names = {}
  for i, d in ipairs(differences) do
    names[i] = d.field
  end
  return table.concat(names, ", ")
end

---@async
local function update(job)
  local patch = {}
  for _, d in ipairs(job.differences) do
    patch[d.field] = d.source
  end
  job.side.roster:learn(job.side.to:update_user(job.person.username, patch))
  job:did("~", "%s", names_of(job.differences))
  return "updated"
end

--- Differences that stay, for the result.
---@param job godwit.workflow.Job
---@param differences table[]
---@return godwit.Outcome
function M.unchanged(job, differences)
  local n = #differences
  if n == 0 then
    return { outcome = "unchanged" }
  end
  table.insert(job.steps, 1, { symbol = "=", step = "settings",
    text = ("%d difference%s left as %s (--update changes %s)"):format(n,
      n == 1 and "" or "s", n == 1 and "it is" or "they are",
      n == 1 and "it" or "them") })
  return { outcome = "unchanged", differences = differences }
end

--- Makes the user, or brings the fields in line; gives the outcome.
---@async
---@param job godwit.copy.UserJob
---@return "created"|"updated"|"unchanged"
function M.ensure(job)
  if job.there then
    return update(job)
  end
  return create(job)
end

return M
