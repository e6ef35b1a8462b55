--- organizations: what the bundled `migrate-organizations` does around the
--- steps of one organization: its parameters, which are meant, what they are
--- called there, and what only all of them together show.

local account_list = require("godwit.copy.accounts.account_list")
local err = require("godwit.err")
local organization = require("godwit.copy.accounts.organization")
local people = require("godwit.copy.accounts.people")
local rename = require("godwit.copy.accounts.rename")
local stages = require("godwit.workflow.stages")
local task = require("godwit.task")
local types = require("godwit.copy.accounts.organization_types")
local users = require("godwit.copy.accounts.users")

local M = {}

M.PARAMS = stages.params(people.PARAMS, {
  organizations = { "string", positional = true, many = true, optional = true,
    order = 1, metavar = "GLOB", help = "Names of organizations or globs; "
      .. "without one, all" },
  organizations_from = { "string", optional = true, order = 1.5,
    metavar = "FILE", help = "More of them, one a line; - is stdin" },
  to_name = { "string", optional = true, order = 10, metavar = "NAME",
    help = "Its name at the destination, for one organization" },
  map_organization = { "string", optional = true, many = true, order = 11,
    metavar = "PATTERN=REPLACEMENT", help = "Names of organizations by rule; "
      .. "--map and a policy's map_owner have them, too" },
  map_type = { "string", optional = true, many = true, order = 12,
    metavar = "OLD=NEW", help = "The type there, by name; none is a type, too" },
  update = { "boolean", order = 24,
    help = "Change label, contact, type, groups where they differ; otherwise "
      .. "differences are only reported" },
  without_missing_members = { "boolean", order = 25,
    help = "Leave out members who are no users at the destination" },
  remove_members = { "boolean", order = 26,
    help = "Take out members who are none at the source" },
})

local function names_by(list)
  return rename.rules(list, "--map-organization")
end

--- Raises what the command line alone shows to be wrong.
---@param params table
function M.check(params)
  people.check(params)
  types.check(params.map_type)
  names_by(params.map_organization)
  local words = params.organizations or {}
  if params.to_name and (#words ~= 1 or words[1]:find("[*?]")
      or params.organizations_from) then
    err.throw("usage", "--to-name is for one organization that is named")
  end
end

-- What was typed comes before a policy, the profile's policy before that.
local function namer(side, cx)
  local p = cx.params
  local by_rule = names_by(p.map_organization)

  return function(job)
    local name = job.doc.org_name
    local typed, why = side.people:typed_name(name)
    if why then
      return nil, why
    end
    local ruled, rule = by_rule(name)
    local own = p.to_name or typed or rule and not rule:find("*", 1, true)
    typed = p.to_name or typed or ruled
    own = own and (typed or name)
    local rules = side.people:policy_of(name)
    if typed and not rules.forced or not rules:has("map_owner") then
      job.is_typed = own and true or nil
      return typed or name
    end
    local answer, reason = rules:map_owner(side.people:where(name), name)
    job.is_typed = answer ~= nil and own == answer or nil
    return answer, reason
  end
end

--- What both sides of a run are.
---@param cx godwit.workflow.Cx
---@param more? table Fields of a side that is there: people, roster.
---@return godwit.copy.OrganizationSide
function M.side(cx, more)
  local p = cx.params
  local side = more or users.side(cx)
  side.types = types.new(side.from, side.to, p.map_type)
  side.update, side.remove_members = p.update, p.remove_members
  side.without_missing = p.without_missing_members
  side.name_of = namer(side, cx)
  return side
end

--- Notes types that are missing, with all organizations that have them.
---@async
---@param side godwit.copy.OrganizationSide
---@param jobs godwit.copy.OrganizationJob[]
function M.check_types(side, jobs)
  local concerned = {}
  for _, job in ipairs(jobs) do
    local kind = job.kind_of
    if kind and side.types:id(kind.name) == false then
      concerned[kind.source] = concerned[kind.source] or {}
      table.insert(concerned[kind.source], job.ref)
    end
  end
  for _, job in ipairs(jobs) do
    local names = job.kind_of and concerned[job.kind_of.source]
    if names then
      job:problem("%s", side.types:problem(job.kind_of, names))
    end
  end
end

--- The jobs for these documents: what each is called there is known, and what
--- only all of them together show.
---@async
---@param side godwit.copy.OrganizationSide
---@param docs table[]
---@param at_once integer
---@return godwit.copy.OrganizationJob[]
function M.jobs(side, docs, at_once)
  local jobs = {}
  for i, doc in ipairs(docs) do
    jobs[i] = organization.job(side, doc)
  end
  if #jobs > 0 then
    side.roster:read("names")
  end
  task.each(jobs, function(job)
    stages.guard(job, organization.name, true)
  end, { jobs = at_once })
  stages.check_double(jobs, function(job)
    return job.name
  end, "%s and %s would both become %s; map one of them (--map-organization, "
    .. "--map)")
  return jobs
end

--- Which are meant: a job for each, and one for each name that is not there.
---@async
---@param cx godwit.workflow.Cx
---@return godwit.copy.OrganizationJob[]
function M.plan(cx)
  local p, side = cx.params, M.side(cx)
  local asked, note = account_list.read(p.organizations, p.organizations_from,
    "--organizations-from")

  if note then
    cx:note("Organizations %s.", note)
  end
  local docs, missing = account_list.find(side.from, "organizations", asked)
  local jobs = M.jobs(side, docs, cx.jobs)
  M.check_types(side, jobs)
  for _, name in ipairs(missing) do
    local job = stages.job { ref = name, kind = "organization" }
    job:problem("%s has no organization %s", side.from.name, name)
    jobs[#jobs + 1] = job
  end
  return jobs
end

--- Says what no migration of organizations moves, if one was made or would be.
---@param cx godwit.workflow.Cx
---@param jobs godwit.copy.OrganizationJob[]
function M.finish(cx, jobs)
  for _, job in ipairs(jobs) do
    if #job.steps > 0 then
      return cx:note("%s", organization.NOT_MOVED)
    end
  end
end

M.look, M.ensure = organization.look, organization.ensure

return M
