--- migrate: what the bundled `migrate-cluster` does around its stages: which
--- kinds of things move, whose they are, and who each owner is at the
--- destination. All stages have one pre-flight; what belongs to an account that
--- the run creates is looked at again when that is there.

local account_list = require("godwit.copy.accounts.account_list")
local accounts = require("godwit.cluster.accounts")
local algorithms = require("godwit.migrate.algorithms")
local budget = require("godwit.data.budget")
local collections = require("godwit.migrate.collections")
local err = require("godwit.err")
local filter = require("godwit.data.filter")
local glob = require("godwit.cluster.glob")
local keys = require("godwit.migrate.keys")
local kinds = require("godwit.workflow.kinds")
local organization = require("godwit.copy.accounts.organization")
local organizations = require("godwit.copy.accounts.organizations")
local promotion = require("godwit.copy.promotion")
local people = require("godwit.copy.accounts.people")
local recognize = require("godwit.migrate.recognize")
local stages = require("godwit.workflow.stages")
local strangers = require("godwit.migrate.strangers")
local units = require("godwit.data.units")
local user = require("godwit.copy.accounts.user")
local users = require("godwit.copy.accounts.users")

local M = {}

--- In the order they have to come in.
M.KINDS = { "users", "organizations", "data", "algorithms" }

local function borrowed(names)
  local out = {}
  for _, name in ipairs(names) do
    out[name] = organizations.PARAMS[name]
  end
  return out
end

local KINDS_PARAMS = kinds.params(M.KINDS, 5)

M.PARAMS = stages.params(people.PARAMS, keys.PARAMS, collections.PARAMS,
  algorithms.PARAMS,
  borrowed({ "map_organization", "map_type", "without_missing_members" }), {
    owner = { "string", optional = true, many = true, order = 4,
      metavar = "GLOB", help = "Only these users and organizations and what "
        .. "is theirs; may be repeated" },
    only = KINDS_PARAMS.only, skip = KINDS_PARAMS.skip,
    update = { "boolean", order = 24,
      help = "Change fields of users and organizations where they differ" },
  })

local function kinds_of(params)
  local set = {}
  for _, kind in ipairs(kinds.chosen(params, M.KINDS)) do
    set[kind] = true
  end
  return set
end

--- Raises what the command line alone shows to be wrong.
---@param params table
function M.check(params)
  organizations.check(params)
  filter.of(params, units.as_flag)
  budget.new(params, units.as_flag)
  kinds_of(params)
end

-- who there is ------------------------------------------------------------

---@class godwit.migrate.Owner
---@field name string At the source.
---@field to string At the destination.
---@field coming? boolean It is created there in this run.
---@field keyless? boolean It is there, and its key is made in this run.
---@field no_key? string Why nothing can be written with a key of it.
---@field job godwit.workflow.Job What creates or compares it.
---@field told? boolean Its job is one of this run's, and says what became of it.
---@field key_job? godwit.workflow.Job What makes its key.

local function wanted(names)
  local list = {}
  for i, text in ipairs(#names > 0 and names or { "*" }) do
    list[i] = { text = text, matches = glob.matcher(text) }
  end
  return function(name)
    local any = false
    for _, w in ipairs(list) do
      if w.matches(name) then
        w.found, any = true, true
      end
    end
    return any
  end, list
end

-- Those who are wanted, in order, and all.
local function documents(driver, which, is_wanted)
  local kind, docs, all = accounts.KINDS[which], {}, {}
  for doc in driver[kind.each](driver) do
    all[#all + 1] = doc
    if is_wanted(accounts.name(kind, doc)) then
      docs[#docs + 1] = doc
    end
  end
  table.sort(docs, function(a, b)
    return a[kind.key] < b[kind.key]
  end)
  return docs, all
end

local function check_found(list, driver)
  local missing = {}
  for _, w in ipairs(list) do
    if not w.found then
      missing[#missing + 1] = w.text
    end
  end
  if #missing > 0 then
    err.throw("usage", "%s has no user and no organization %s", driver.name,
      account_list.some(missing))
  end
end

-- Owners in the order of their jobs; who is left out has nothing that moves.
-- Of one whose name there is not known nothing moves either, and it is said.
local function owners_of(self, jobs, name_of, is_there, made_here)
  for _, job in ipairs(jobs) do
    local to = name_of(job)
    if not job.record then
      self.owners[#self.owners + 1] = { name = job.ref, to = to or job.ref,
        job = job, told = made_here,
        coming = to and made_here and not is_there(to) or nil }
    end
  end
end

-- Why there will be no key for an owner who has none by now.
local function missing_key(owner)
  local job = owner.key_job
  if not job then
    return owner.no_key
  end
  local has_hole = #job.problems > 0 or job.failure ~= nil
  if not has_hole and (job.done or not job.begun) then
    return nil
  end
  local why = job.problems[1] or job.failure and job.failure.message
  return ("there is no key for its owner %s, and none could be made: see key "
    .. "%s%s"):format(owner.to, job.ref, why and " (" .. why .. ")" or "")
end

-- Why nothing can be written for an owner: nobody, it could not be made, or
-- whoever has the name there may be somebody else.
local function obstacle(owner)
  local job = owner.job
  local has_hole = #job.problems > 0 or job.failure ~= nil
  if job.done then
    return nil
  elseif owner.coming and #job.steps > 0 then -- an organization, with members
    return ("its owner %s was created, and not all of it: see %s %s"):format(
      owner.to, job.kind, owner.name)
  elseif owner.coming and (has_hole or job.begun) then
    return ("its owner %s is not there, and could not be created"):format(
      owner.to)
  elseif has_hole and owner.told then
    return ("its owner %s %s: see %s %s"):format(owner.name,
      #job.problems > 0 and "was refused" or "failed", job.kind, owner.name)
  elseif has_hole then
    return ("its owner %s was not taken to be %s there: %s"):format(owner.name,
      owner.to, job.problems[1] or tostring(job.failure.message))
  end
  return nil
end

---@class godwit.migrate.Plan
---@field cx godwit.workflow.Cx
---@field from table
---@field to table
---@field kinds table<string, boolean>
---@field names string[] What --owner says, each once.
---@field owners godwit.migrate.Owner[]
---@field budget godwit.data.Budget Of all that is done.
local Plan = {}
Plan.__index = Plan

-- The file of keys is given back, however the run ends.
function Plan:__close()
  local run <close> = self.keys and self.keys.run or nil
end

-- Whether a policy may have another name for an owner.
---@async
local function may_rename(side, name)
  local rules = side.people:policy_of(name)
  for _, point in ipairs({ "map_user", "map_owner" }) do
    local map = rules:constant(point)
    if rules:has(point) and not (map and map[name] == nil) then
      return true
    end
  end
  return false
end

-- Owners that are named and keep their names need no list of accounts, and so no
-- administrator's key: their own are enough.
---@async
local function are_named(self, side)
  local p = self.cx.params
  if self.kinds.users or self.kinds.organizations or #self.names == 0
    or p.issue_keys or p.policy or p.map or p.map_user or p.map_organization
  then
    return false
  end
  for _, name in ipairs(self.names) do
    if name:find("[*?]") or may_rename(side, name) then
      return false
    end
  end
  return true
end

---@async
local function name_owners(self, side)
  local jobs = {}
  self.users, self.organizations = {}, {}
  for i, name in ipairs(self.names) do
    jobs[i] = stages.job({ ref = name })
    self.owners[i] = { name = name, to = name, job = jobs[i] }
  end
  recognize.named(self.cx, side, jobs)
end

-- Something is written for owners, be their accounts worked on or not.
local function writes_for_owners(self)
  return self.kinds.data or self.kinds.algorithms
    or self.cx.params.issue_keys ~= nil
end

--- Who there is on the source, and who each is at the destination.
---@async
---@param cx godwit.workflow.Cx
---@return godwit.migrate.Plan
function M.plan(cx)
  local side = users.side(cx)
  local self = setmetatable({ cx = cx, from = side.from, to = side.to,
    kinds = kinds_of(cx.params), owners = {},
    budget = budget.new(cx.params) }, Plan)
  local twice
  self.names, twice = account_list.once(cx.params.owner)
  if twice then
    cx:note("Owners %s.", twice)
  end
  local is_wanted, list = wanted(self.names)
  local roster = side.roster

  cx.jobs = promotion.bounded(cx.jobs, 1)
  if are_named(self, side) then
    name_owners(self, side)
    return self
  end
  local people_docs, everybody = documents(side.from, "users", is_wanted)
  local org_docs = documents(side.from, "organizations", is_wanted)
  check_found(list, side.from)
  self.users = users.jobs(side, people_docs, cx.jobs)
  local orgs_side = organizations.side(cx, side)
  if self.kinds.organizations then
    orgs_side.is_other = strangers.of(side, everybody, self.users)
  end
  self.organizations = organizations.jobs(orgs_side, org_docs, cx.jobs)
  if self.kinds.organizations then -- of which type it is is of no other concern
    organizations.check_types(orgs_side, self.organizations)
  end
  recognize.check_names(self.users, self.organizations)
  for _, kind in ipairs({ "users", "organizations" }) do
    if not self.kinds[kind] and writes_for_owners(self) then
      recognize.all(cx, side, kind, self[kind])
    end
  end
  owners_of(self, self.users, function(job)
    return job.person and job.person.username
  end, function(name)
    return roster:user(name) ~= nil
  end, self.kinds.users)
  owners_of(self, self.organizations, function(job)
    return job.name
  end, function(name)
    return roster:is_organization(name)
  end, self.kinds.organizations)
  return self
end

-- stages ------------------------------------------------------------------

-- Who was made is known to what comes later.
local function account_stage(kind, jobs, look, ensure)
  return { kind = kind, jobs = jobs, look = look, work = function(job)
    job.begun = true
    local outcome = ensure(job)
    job.done = true
    return outcome
  end }
end

-- Who is created in this run may never have a key, whatever is tried.
---@async
local function foresee_keys(self)
  local to = self.to
  local profile = (to.under or to).kind == "http" and to.profile
  if not profile or profile.keys_come_with_accounts then
    return
  end
  for _, owner in ipairs(self.owners) do
    local ok, e = true, nil
    if owner.coming then
      ok, e = pcall(to.under and to.under.key or to.key, to.under or to,
        owner.to)
    end
    if not ok and (err.is(e, "auth") or err.is(e, "usage")) then
      owner.no_key = ("%s (its owner is created first; --issue-keys FILE makes "
        .. "a key on the way)"):format(err.from(e).message)
    elseif not ok then
      error(e, 0)
    end
  end
end

-- What belongs to an owner needs the owner, and a key.
local function data_obstacle(owner)
  return obstacle(owner) or missing_key(owner)
end

-- Where what the run may use is used up, nothing more is begun.
local function within(shared, stage)
  local work = stage.work
  function stage.work(job)
    if not shared:lasts() then
      return { outcome = "failed", kind = "budget", retryable = true,
        why = shared.why .. "; it was not begun" }
    end
    return work(job)
  end
end

--- The stages of the kinds that were chosen, in their order. Collections and
--- algorithms are listed here.
---@async
---@return godwit.workflow.Stage[]
function Plan:stages()
  local cx, list = self.cx, {}

  if self.kinds.users then
    list[#list + 1] = account_stage("user", self.users, users.look,
      users.ensure)
  end
  if self.kinds.organizations then
    list[#list + 1] = account_stage("organization", self.organizations,
      organizations.look, organizations.ensure)
  end
  if cx.params.issue_keys then
    self.keys = keys.stage(cx, self.to, self.owners, obstacle)
    list[#list + 1] = self.keys
  else
    foresee_keys(self)
  end
  if self.kinds.data then
    self.collections = collections.stage(cx, self.from, self.to, self.owners,
      data_obstacle, self.budget)
    list[#list + 1] = self.collections
  end
  if self.kinds.algorithms then
    self.algorithms = algorithms.stage(cx, self.from, self.to, self.owners,
      data_obstacle, function(owner, name)
        return self.collections ~= nil
          and collections.is_missing(self.collections, owner, name)
      end)
    list[#list + 1] = self.algorithms
  end
  for _, stage in ipairs(list) do
    within(self.budget, stage)
  end
  return list
end

local NOT_MOVED = {
  users = user.NOT_MOVED, organizations = organization.NOT_MOVED,
  algorithms = "Never moved, since nobody can read or set them: values of "
    .. "secrets, credentials of connectors, version numbers",
}

--- Says what no migration moves.
function Plan:finish()
  if self.collections then
    collections.finish(self.cx, self.collections)
  end
  if self.keys then
    keys.finish(self.cx, self.keys)
  end
  if self.algorithms then
    algorithms.finish(self.cx, self.algorithms)
  end
  self.cx.result.budget = self.cx.result.budget or self.budget.why
  for _, kind in ipairs(M.KINDS) do
    if self.kinds[kind] and NOT_MOVED[kind] then
      self.cx:note("%s", NOT_MOVED[kind])
    end
  end
end

return M
