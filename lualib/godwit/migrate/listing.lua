--- migrate.listing: what the owners that move have, as jobs of one stage: listed
--- several at a time, in the order of the owners. What cannot be listed is not
--- nothing: it is a job that says so.

local err = require("godwit.err")
local stages = require("godwit.workflow.stages")
local task = require("godwit.task")

local M = {}

local function unlisted(from, owner, what, e)
  e = err.from(e)
  if err._is_final(e) or e.kind == "bug" then
    error(e, 0)
  end
  local job = stages.job({ ref = owner.name .. "/*", owner = owner })
  if e.kind == "auth" or e.kind == "usage" then
    job:problem("its %s on %s cannot be listed: %s", what, from.name, e.message)
  else
    job.failure = err.wrap(e, ("its %s cannot be listed"):format(what))
  end
  return { job }
end

local function jobs_of(how, owner)
  local ok, names = xpcall(how.names, err.traced, owner)
  if not ok then
    return unlisted(how.from, owner, how.what, names)
  end
  table.sort(names)
  local jobs = {}
  for i, name in ipairs(names) do
    jobs[i] = how.job(owner, name)
  end
  return jobs
end

---@class godwit.migrate.Listing
---@field from table Driver.
---@field what string "algorithms"
---@field names async fun(owner: godwit.migrate.Owner): string[]
---@field job async fun(owner: godwit.migrate.Owner, name: string): godwit.workflow.Job

--- The jobs of all owners.
---@async
---@param owners godwit.migrate.Owner[]
---@param at_once integer
---@param how godwit.migrate.Listing
---@return godwit.workflow.Job[]
function M.jobs(owners, at_once, how)
  local found, jobs = {}, {}
  for i in ipairs(owners) do
    found[i] = { index = i }
  end
  task.each(found, function(entry)
    entry.jobs = jobs_of(how, owners[entry.index])
  end, { jobs = at_once })
  for _, entry in ipairs(found) do
    table.move(entry.jobs, 1, #entry.jobs, #jobs + 1, jobs)
  end
  return jobs
end

return M
