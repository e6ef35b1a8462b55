--- account: `copy.user` and `copy.organization`, the steps of the bundled
--- workflows for one of them, for a script of one's own.

local accounts = require("godwit.cluster.accounts")
local driver_of = require("godwit.cluster.driver_of")
local effect = require("godwit.effect")
local err = require("godwit.err")
local organization = require("godwit.copy.accounts.organization")
local people = require("godwit.copy.accounts.people")
local policy = require("godwit.policy")
local rights = require("godwit.rights")
local roster = require("godwit.copy.accounts.roster")
local rules = require("godwit.cluster.account_rules")
local stages = require("godwit.workflow.stages")
local types = require("godwit.copy.accounts.organization_types")
local user = require("godwit.copy.accounts.user")
local view = require("godwit.view")

local M = {}

local USER = { username = "string", email = "string", update = "boolean",
  policy = "string", from = "table" }
local ORGANIZATION = { name = "string", type = "string", users = "table",
  update = "boolean", remove_members = "boolean",
  without_missing_members = "boolean", policy = "string", from = "table" }

-- The options, in a table that no metatable speaks for.
local function options(what, given, known)
  local opts = {}
  if type(given) ~= "table" then
    err.throw("usage", "copy.%s: options are a table, not a %s", what,
      type(given))
  end
  for name, v in next, given do
    if not known[name] then
      err.throw("usage", "copy.%s: there is no option %s", what,
        tostring(name))
    elseif type(v) ~= known[name] then
      err.throw("usage", "copy.%s: %s takes a %s", what, name, known[name])
    end
    opts[name] = v
  end
  return opts
end

local function document(what, doc, key)
  doc = type(doc) == "table" and (view.target(doc) or doc)
  if not doc or not accounts.usable(doc[key]) then
    err.throw("usage", "copy.%s: the first argument is a document, as "
      .. "cluster.%ss:get(…) gives it", what, what)
  end
  return doc
end

-- The cluster the document is from, unless the script says another one.
local function source_of(what, doc, given, needed)
  local from = given.from or accounts.origin(doc)
  if not from and needed then
    err.throw("usage", "copy.%s: the document is from no cluster; name it as "
      .. "from = godwit.cluster(…)", what)
  end
  return from and driver_of(from) or nil
end

local function side_of(what, to, given, from, lines)
  if type(to) ~= "table" then
    err.throw("usage", "copy.%s: the second argument is the cluster to copy "
      .. "to, not a %s", what, type(to))
  end
  rights.policy(given.policy)
  local there = driver_of(to)
  return { from = from, to = there, update = given.update or false,
    roster = roster.shared(there), people = people.new({ from = from,
      to = there, lines = lines, policies = policy.set(given.policy),
      params = {}, dry_run = effect.mode == "plan" }) }
end

--- The document of a user, to another cluster.
---@async
---@param u table
---@param to godwit.Cluster
---@param given? table
---@return godwit.Outcome
function M.user(u, to, given)
  given = options("user", given or {}, USER)
  local doc = document("user", u, "username")
  local line = (given.username or given.email) and {
    new = given.username or doc.username, email = given.email,
    where = "copy.user" } or nil
  local side = side_of("user", to, given, source_of("user", doc, given),
    { [doc.username] = line })
  return stages.alone(user.job(side, doc),
    { look = user.look, work = user.ensure })
end

-- Members as a script maps them: a name, or false for one that is left out.
local function lines_of(users)
  local lines = {}
  for old, new in pairs(users or {}) do
    local why = new ~= false and rules.name_problem(new)
    if type(old) ~= "string" or why then
      err.throw("usage", "copy.organization: users: %s", why
        or "expected a table of names")
    end
    lines[old] = { new = new or nil, where = "users" }
  end
  return lines
end

local function name_of(given, side)
  return function(job)
    local name = job.doc.org_name
    local map = side.people:policy_of(name)
    if given.name and not map.forced or not map:has("map_owner") then
      return given.name or name
    end
    return map:map_owner(side.people:where(name), name)
  end
end

--- The document of an organization, to another cluster, with its members.
---@async
---@param o table
---@param to godwit.Cluster
---@param given? table
---@return godwit.Outcome
function M.organization(o, to, given)
  given = options("organization", given or {}, ORGANIZATION)
  local doc = document("organization", o, "org_name")
  local side = side_of("organization", to, given,
    source_of("organization", doc, given, true), lines_of(given.users))
  side.types = types.new(side.from, side.to, nil, true)
  side.remove_members = given.remove_members or false
  side.without_missing = given.without_missing_members or false
  side.name_of = name_of(given, side)
  local job = organization.job(side, doc)
  return stages.alone(job, { work = organization.ensure, look = function()
    organization.name(job)
    if given.type and job.kind_of then
      job.kind_of = { name = given.type, source = given.type, listed = true }
      job.type = given.type
    end
    if job.type and side.types:id(job.type) == false then
      job:problem("%s", side.types:problem(job.kind_of, { job.ref }))
      return
    end
    organization.look(job)
  end })
end

return M
