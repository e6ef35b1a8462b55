--- run: carries out a promotion: the pre-flight of each destination, the work
--- on its jobs, and what became of each. Destinations go side by side, each at
--- its own pace.

local collections = require("godwit.copy.collections")
local copy = require("godwit.copy")
local decide = require("godwit.copy.decide")
local err = require("godwit.err")
local key = require("godwit.copy.key")
local lock = require("godwit.copy.lock")
local log = require("godwit.log")
local order = require("godwit.copy.order")
local outcome = require("godwit.workflow.outcome")
local store = require("godwit.copy.store")
local task = require("godwit.task")

local M = {}

--- What of --secrets no source has: a name may be mistyped. Said once, when it
--- can be told: of what was looked at, nothing has it.
---@param given? godwit.config.Secrets
function M.name_unused(given)
  for _, text in ipairs(given and given:unused() or {}) do
    log.warn("%s", text)
  end
end

--- Looks at one job; what is found is in it.
---@async
---@param job godwit.copy.Job
function M.look_at(job)
  if job.record or job.failure or #job.problems > 0 then
    return -- there is nothing to look at any more
  end
  local ok, e = xpcall(function()
    copy.check(job)
    if #job.problems == 0 and not job.failure and not job.unchanged then
      copy.prepare(job)
    end
  end, err.traced)
  store.close(job)
  job:progress(nil)
  if not ok then
    e = err.from(e)
    -- What a policy may not do is its item's matter, not the whole run's.
    if e.kind == "cancelled" or e.kind == "budget"
      or e.kind == "denied" and not e.point then
      error(e, 0)
    end
    job.failure = e
  elseif job.unchanged then
    job.record = copy.outcome(job)
  end
end

local function record_of(job, e)
  return job.record or copy.failed(job, outcome.failure(e))
end

-- What is said of the jobs where this was still open.
local function each_unknowable(jobs, fn)
  for i, job in ipairs(jobs) do
    for _, text in ipairs(job.unchanged and {} or job.unknowable) do
      fn(i, text)
    end
  end
end

-- Counts an item that has ended, once, for the progress display.
local function count(cx, run, job)
  if not job.counted and cx.on_count then
    job.counted = true
    run.done = run.done + 1
    cx.on_count(run.done, run.total)
  end
end

local function look(cx, dest, run)
  local jobs, places = dest.jobs, {}
  for i in ipairs(jobs) do
    places[i] = i
  end
  key.check_jobs(jobs, "to", cx.jobs)
  task.each(places, function(i)
    M.look_at(jobs[i])
    if jobs[i].record then
      jobs[i] = copy.ended(jobs[i])
    end
  end, { jobs = cx.jobs })
  collections.check_places(jobs)
  local told = {}
  each_unknowable(cx.dry_run and {} or dest.jobs, function(_, text)
    if not told[text] then
      log.info("only trying can tell %s", text)
      told[text] = true
    end
  end)
end

-- In the result stands what was still open when it ended: what came to its
-- end has been tried.
local function note_open(cx, dest)
  each_unknowable(dest.jobs, function(i, text)
    local item = dest.items[i]
    if cx.dry_run or item and (item.outcome == "refused"
        or item.outcome == "failed") then
      cx:note("only trying can tell %s", text)
    end
  end)
end

local function holes(destinations)
  local n = 0
  for _, dest in ipairs(destinations) do
    for _, job in ipairs(dest.jobs) do
      n = n + ((copy.refusal(job) or job.failure) and 1 or 0)
    end
    n = n + #dest.missed
  end
  return n
end

-- With --fail-fast a hole anywhere stops all of it before the first write.
local function refuse_all(cx, destinations, n)
  for _, dest in ipairs(destinations) do
    for i, job in ipairs(dest.jobs) do
      local why = copy.refusal(job)
      if job.record then
        dest.items[i] = job.record
      elseif job.failure and not why then
        dest.items[i] = copy.failed(job, outcome.failure(job.failure))
      else
        dest.items[i] = copy.refused(job, why or string.format(
          "not started: pre-flight found problems with %d other%s "
          .. "(--fail-fast)", n, n == 1 and "" or "s"))
      end
      dest.items[i] = decide.after(job, dest.items[i])
    end
    note_open(cx, dest)
  end
end

-- Said with every result that wrote, or would write, something.
local NOT_MOVED = "Never moved, since nobody can read or set them: values of "
  .. "secrets%s, passwords, keys, credentials of connectors, owner roles, "
  .. "single sign-on, version numbers"

-- What pre-flight said is said again.
local function not_carried_out(job)
  local why = copy.refusal(job)

  if job.failure then
    error(job.failure, 0)
  end
  return why and copy.refused(job, why) or nil
end

--- Carries out one job that was looked at; returns its record, or raises why it
--- failed.
---@async
---@param job godwit.copy.Job
---@param promote async fun(job: godwit.copy.Job): godwit.Outcome
---@return godwit.Outcome
function M.work_on(job, promote)
  local closed <close> = setmetatable({}, { __close = function()
    store.close(job)
    job:progress(nil)
  end })
  if job.record then
    return job.record
  end
  local ended = not_carried_out(job)
  if ended then
    return ended
  end
  local held <close> = lock.take(job)
  if held.changed then
    -- Another run was at work here since we looked.
    copy.renew(job)
    M.look_at(job)
    ended = job.record or not_carried_out(job)
  end
  if not ended then
    ended = promote(job)
    copy.forget(job)
  end
  return ended
end

local function work(cx, dest, promote, run)
  local queue = order.queue(dest.jobs)

  dest.jobs = queue.jobs
  cx:each(dest.jobs, function(job)
    local turn <close> = queue:turn(job)
    if run.failed and not job.record then
      return decide.after(job, copy.refused(job, "not started: " .. run.failed
        .. " failed (--fail-fast)"))
    end
    local record = decide.after(job, M.work_on(job, promote))
    count(cx, run, job)
    return record
  end, { kind = "algorithm", into = dest.items, failed = function(job, record)
    if cx.params.fail_fast then
      run.failed = run.failed or job.ref
    end
    count(cx, run, job)
    return decide.after(job, job.record or copy.failed(job, record))
  end })
  for _, job in ipairs(dest.jobs) do
    if job.wrote then
      cx:note(NOT_MOVED, cx.params.secrets
        and " (but for those of --secrets)" or "")
    end
  end
  note_open(cx, dest)
end

-- Interrupted before a destination came to its work, be it that it was still
-- looked at or that others were: every item is still accounted for.
local function account(destinations, e)
  for _, dest in ipairs(destinations) do
    for i = #dest.items + 1, #dest.jobs do
      dest.items[i] = record_of(dest.jobs[i], e)
    end
  end
end

-- One list of all destinations, one after the other, and the counts of each.
local function gather(cx, destinations)
  local result = cx.result

  result.destinations = {}
  for i, dest in ipairs(destinations) do
    local items = table.move(dest.items, 1, #dest.items, #dest.missed + 1,
      dest.missed)
    result.destinations[i] = { name = dest.driver.name,
      counts = outcome.counts(items) }
    table.move(items, 1, #items, #result.items + 1, result.items)
  end
end

local function each_destination(destinations, fn)
  local list = {}
  for i, dest in ipairs(destinations) do
    list[i] = function()
      fn(dest)
    end
  end
  task.all(list)
end

--- Looks at everything, then carries out what is left to do: each destination
--- as soon as its own pre-flight has ended. `promote` takes one algorithm to
--- one destination.
---@async
---@param cx godwit.workflow.Cx
---@param destinations godwit.copy.Destination[]
---@param promote fun(job: godwit.copy.Job): godwit.Outcome
function M.run(cx, destinations, promote)
  local run = { done = 0, total = 0 }
  for _, dest in ipairs(destinations) do
    run.total = run.total + #dest.jobs
  end
  local gathered <close> = setmetatable({}, { __close = function(_, e)
    if e ~= nil then
      account(destinations, e)
    end
    if err.is(e, "cancelled") and cx.params.algorithms_from == "-" then
      log.info("to go on, give the list of algorithms on stdin again")
    end
    gather(cx, destinations)
  end })

  if cx.params.fail_fast then
    each_destination(destinations, function(dest)
      look(cx, dest, run)
    end)
    local n = holes(destinations)
    if n > 0 then
      return refuse_all(cx, destinations, n)
    end
  end
  each_destination(destinations, function(dest)
    if not cx.params.fail_fast then
      look(cx, dest, run)
    end
    work(cx, dest, promote, run)
  end)
  local first = destinations[1] and destinations[1].jobs[1]
  M.name_unused(first and first.opts.secrets)
end

return M
