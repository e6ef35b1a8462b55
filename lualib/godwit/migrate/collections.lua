--- migrate.collections: the collections of owners that move, as one stage of a
--- workflow, copied as `copy-data` does it.

local collections = require("godwit.data.collections")
local key = require("godwit.copy.key")
local listing = require("godwit.migrate.listing")
local seen = require("godwit.data.seen")
local side = require("godwit.data.side")
local stages = require("godwit.workflow.stages")

local M = {}

M.PARAMS = collections.FILTERS

local function names_of(from, owner)
  local names = {}
  for row in from:each_collection(owner.name) do
    names[#names + 1] = row.name
  end
  return names
end

local function names_of_owners(owners)
  local names = {}
  for i, owner in ipairs(owners) do
    names[i] = owner.name
  end
  return names
end

local function job_of(run, owner, name)
  local to = side.collection(run.to, owner.to, name)
  return stages.job({ ref = owner.name .. "/" .. name, to = to.label,
    run = run, owner = owner, to_side = to,
    from_side = side.collection(run.from, owner.name, name) })
end

-- Owners who have something and whose key there is of no use.
local function check_keys(to, jobs, at_once)
  local checks, by_owner = {}, {}
  for _, job in ipairs(jobs) do
    local owner = job.owner
    if job.to_side and not owner.coming and not owner.keyless
        and not by_owner[owner] then
      by_owner[owner] = { driver = to, owner = owner.to }
      checks[#checks + 1] = by_owner[owner]
    end
  end
  key.check_all(checks, at_once)
  for _, job in ipairs(jobs) do
    local check = by_owner[job.owner]
    if job.to_side and check and check.problem then
      job:problem("%s", tostring(check.problem.message))
    end
  end
end

--- The stage; its collections are listed here. `check(owner)` says why nothing
--- can be written for an owner, if anything does.
---@async
---@param cx godwit.workflow.Cx
---@param from table Driver.
---@param to table Driver.
---@param owners godwit.migrate.Owner[]
---@param check fun(owner: godwit.migrate.Owner): string|nil
---@param budget godwit.data.Budget
---@return godwit.workflow.Stage
function M.stage(cx, from, to, owners, check, budget)
  local run = collections.run(cx, from, to, budget)
  local stage = { kind = "collection", run = run }

  seen.note(cx, from, names_of_owners(owners))
  stage.jobs = listing.jobs(owners, cx.jobs, { from = from,
    what = "collections",
    names = function(owner)
      return names_of(from, owner)
    end,
    job = function(owner, name)
      return job_of(run, owner, name)
    end })
  check_keys(to, stage.jobs, cx.jobs)

  function stage.look(job)
    local why = check(job.owner)
    if why then
      job:problem("%s", why)
      return
    elseif job.owner.keyless and cx.dry_run then
      job:warn("what %s has of it already is seen when there is a key for %s",
        to.name, job.owner.to)
    end
    collections.look(job)
  end

  function stage.work(job)
    local why = check(job.owner)
    if why then
      return cx:refuse(why)
    end
    return collections.copy(job)
  end
  return stage
end

--- Whether a collection of the source was to be copied in this run, and was not
--- copied whole.
---@param stage godwit.workflow.Stage
---@param owner string
---@param name string
---@return boolean
function M.is_missing(stage, owner, name)
  for i, job in ipairs(stage.jobs) do
    local ended = (stage.items[i] or {}).outcome
    if (ended == "failed" or ended == "refused")
        and (job.ref == owner .. "/" .. name or job.ref == owner .. "/*") then
      return true
    end
  end
  return false
end

--- Says how many files that were.
---@param cx godwit.workflow.Cx
---@param stage godwit.workflow.Stage
function M.finish(cx, stage)
  collections.finish(cx, stage.jobs)
end

return M
