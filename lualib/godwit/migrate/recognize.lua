--- migrate.recognize: whether an owner and whoever has the owner's name at the
--- destination are the same, where accounts are not worked on: what is somebody's
--- goes to no stranger of that name. What cannot be told with the keys that are
--- there is said, and stops nothing.

local account_list = require("godwit.copy.accounts.account_list")
local err = require("godwit.err")
local organization = require("godwit.copy.accounts.organization")
local roster = require("godwit.copy.accounts.roster")
local stages = require("godwit.workflow.stages")
local task = require("godwit.task")
local user = require("godwit.copy.accounts.user")

local M = {}

-- By the owner's name at the source, by reason: many may have the same.
local function say_untold(cx, side, jobs)
  local reasons, names = {}, {}
  for _, job in ipairs(jobs) do
    local why = job.untold
    if why and not names[why] then
      reasons[#reasons + 1], names[why] = why, {}
    end
    if why then
      table.insert(names[why], job.ref)
    end
    for _, text in ipairs(why and {} or job.warnings) do
      cx:note("%s: %s", job.ref, text)
    end
  end
  for _, why in ipairs(reasons) do
    cx:note("whether %s %s the same on %s as on %s cannot be told: %s",
      account_list.some(names[why]), #names[why] == 1 and "is" or "are",
      side.to.name, side.from.name, why)
  end
end

--- Two of the source that would have one name there: both kinds share it.
---@param user_jobs godwit.copy.UserJob[]
---@param org_jobs godwit.copy.OrganizationJob[]
function M.check_names(user_jobs, org_jobs)
  local all = table.move(user_jobs, 1, #user_jobs, 1, {})
  table.move(org_jobs, 1, #org_jobs, #all + 1, all)
  local kinds = {}

  -- Two of one kind were found before.
  stages.check_double(all, function(job)
    local name = job.person and job.person.username or job.name
    if name and kinds[name] ~= job.kind then
      kinds[name] = kinds[name] or job.kind
      return name
    end
    return nil
  end, "%s and %s would both have the name %s there; map one of them (--map, "
    .. "--map-user, --map-organization)")
end

-- What a key may not see is no hole.
local function try(job, fn)
  if job.failure then
    return
  end
  stages.guard(job, fn)
  if err.is(job.failure, "auth") then
    job.untold, job.failure = job.failure.message, nil
  end
end

local function each(cx, side, jobs, fn)
  task.each(jobs, function(job)
    try(job, fn)
  end, { jobs = cx.jobs })
  say_untold(cx, side, jobs)
end

--- Looks at who the accounts of a kind are that is not worked on. The jobs get
--- no record of it; what stands against one is in its problems.
---@async
---@param cx godwit.workflow.Cx
---@param side godwit.copy.UserSide
---@param which "users"|"organizations"
---@param jobs godwit.workflow.Job[]
function M.all(cx, side, which, jobs)
  each(cx, side, jobs, which == "users" and user.recognize
    or organization.recognize)
end

-- An account of the source as what it is there, under the same name.
---@async
local function account_of(side, name)
  local doc = side.from:try_get_user(name)
  if doc then
    local job = user.job(side, doc)
    user.name(job) -- the address may be mapped
    return job, user.recognize
  end
  doc = side.from:try_get_organization(name)
  local job = doc and organization.job(side, doc)
  if job then
    job.name = name
  end
  return job, organization.recognize
end

--- The same for owners that are named and keep their names, by asking for each:
--- a list of everybody would be much for a few. A folder may have what is
--- somebody's, and not who that is.
---@async
---@param cx godwit.workflow.Cx
---@param side godwit.copy.UserSide
---@param jobs godwit.workflow.Job[]
function M.named(cx, side, jobs)
  local asking = setmetatable({ roster = roster.asking(side.to) },
    { __index = side })
  each(cx, side, jobs, function(job)
    local account, recognize = account_of(asking, job.ref)
    if not account then
      job.untold = ("%s has no user and no organization of that name"):format(
        side.from.name)
      return
    end
    recognize(account)
    job.untold = account.untold
    table.move(account.problems, 1, #account.problems, 1, job.problems)
    table.move(account.warnings, 1, #account.warnings, 1, job.warnings)
  end)
end

return M
