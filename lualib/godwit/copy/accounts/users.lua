--- users: what the bundled `migrate-users` does around the steps of one user:
--- its parameters, who is meant, and what only all of them together show:
--- two that would become one.

local account_list = require("godwit.copy.accounts.account_list")
local driver_of = require("godwit.cluster.driver_of")
local people = require("godwit.copy.accounts.people")
local roster = require("godwit.copy.accounts.roster")
local stages = require("godwit.workflow.stages")
local task = require("godwit.task")
local user = require("godwit.copy.accounts.user")

local M = {}

M.PARAMS = stages.params(people.PARAMS, {
  users = { "string", positional = true, many = true, optional = true,
    order = 1, metavar = "GLOB", help = "User names or globs; without one, "
      .. "all users" },
  users_from = { "string", optional = true, order = 1.5, metavar = "FILE",
    help = "More of them, one a line; - is stdin" },
  update = { "boolean", order = 24,
    help = "Change full name, company and role where they differ; otherwise "
      .. "differences are only reported" },
})

M.check = people.check

-- Two of the source that would be one there: neither is migrated.
local function check_double(jobs, what, key_of)
  stages.check_double(jobs, function(job)
    return job.person and key_of(job.person)
  end, "%s and %s would both have the " .. what .. " %s there; map one of them "
    .. "(--map, --map-user, --map-email)")
end

local function missing_job(side, name)
  local job = stages.job { ref = name, kind = "user" }
  job:problem("%s has no user %s", side.from.name, name)
  return job
end

--- The jobs for these documents; who each is there is known, and who would
--- become one with another.
---@async
---@param side godwit.copy.UserSide
---@param docs table[]
---@param at_once integer
---@return godwit.copy.UserJob[]
function M.jobs(side, docs, at_once)
  local jobs = {}
  for i, doc in ipairs(docs) do
    jobs[i] = user.job(side, doc)
  end
  if #jobs > 0 then
    side.roster:read("users")
  end
  task.each(jobs, function(job)
    stages.guard(job, user.name, true)
  end, { jobs = at_once })
  check_double(jobs, "name", function(person)
    return person.username
  end)
  check_double(jobs, "e-mail address", function(person)
    return type(person.email) == "string" and person.email:lower() or nil
  end)
  return jobs
end

--- What both sides of a run are.
---@param cx godwit.workflow.Cx
---@return godwit.copy.UserSide
function M.side(cx)
  local from, to = driver_of(cx.params.from), driver_of(cx.params.to)
  return { from = from, to = to, people = people.of(cx, from, to),
    roster = roster.new(to), update = cx.params.update }
end

--- Who is meant: a job for each, and one for each name that is not there.
---@async
---@param cx godwit.workflow.Cx
---@return godwit.copy.UserJob[]
function M.plan(cx)
  local side, p = M.side(cx), cx.params
  local asked, note = account_list.read(p.users, p.users_from, "--users-from")

  if note then
    cx:note("Users %s.", note)
  end
  local docs, missing = account_list.find(side.from, "users", asked)
  local jobs = M.jobs(side, docs, cx.jobs)
  for _, name in ipairs(missing) do
    jobs[#jobs + 1] = missing_job(side, name)
  end
  return jobs
end

--- Says what no migration of users moves, if one was made or would be, and
--- what nobody can know before.
---@param cx godwit.workflow.Cx
---@param jobs godwit.copy.UserJob[]
function M.finish(cx, jobs)
  local any, made = false, nil
  for _, job in ipairs(jobs) do
    local step = job.steps[1]
    any, made = any or step ~= nil, step and step.symbol == "+" and job or made
  end
  if made and cx.dry_run then
    cx:note("only trying can tell whether names or addresses were deleted on "
      .. "%s once: such stay taken", made.side.to.name)
  end
  if any then
    cx:note("%s", user.NOT_MOVED)
  end
end

M.look, M.ensure = user.look, user.ensure

return M
