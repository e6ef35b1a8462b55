--- promotion: what the bundled `promote` does around the steps of `copy`: its
--- parameters, which algorithm goes where, the pre-flight, and what becomes of
--- each. Destinations go side by side, each at its own pace; a source is read
--- once for all of them.

local check_ref = require("godwit.copy.ref")
local copy = require("godwit.copy")
local decide = require("godwit.copy.decide")
local driver_of = require("godwit.cluster.driver_of")
local err = require("godwit.err")
local key = require("godwit.copy.key")
local listing = require("godwit.copy.listing")
local lock = require("godwit.copy.lock")
local log = require("godwit.log")
local outcome = require("godwit.workflow.outcome")
local policy = require("godwit.policy")
local secrets = require("godwit.config.secrets")
local source = require("godwit.copy.source")
local store = require("godwit.copy.store")
local sys = require("godwit.core.sys")
local task = require("godwit.task")
local versionmap = require("godwit.versionmap")
local wanted = require("godwit.copy.wanted")

local M = {}

M.PARAMS = {
  algorithms = { "string", positional = true, many = true, order = 1,
    metavar = "OWNER/NAME[/VERSION]", optional = true,
    help = "The algorithms to promote, at their head unless a version is "
      .. "named; quoted, they may be globs: 'acme/*' '*/Fraud*'" },
  algorithms_from = { "string", optional = true, order = 1.5,
    metavar = "FILE", help = "More of them, one a line; - is stdin" },
  from = { "cluster", order = 2, metavar = "CLUSTER",
    help = "Where they come from: a profile, a URL, sandbox:NAME or an "
      .. "archive folder" },
  to = { "cluster", order = 3, metavar = "CLUSTER", many = true,
    help = "Where they go; may be repeated" },
  to_owner = { "string", optional = true, order = 4, metavar = "OWNER",
    help = "Owner at the destination; default: the same" },
  source_version = { "string", optional = true, order = 5,
    metavar = "head|latest|X.Y.Z|TAG|SHA",
    help = "Which version to promote; default: head" },
  policy = { "string", optional = true, order = 5.5,
    metavar = "FILE|FOLDER",
    help = "The policy, instead of policies/OWNER.lua; a folder holds "
      .. "OWNER.lua and default.lua" },
  publish = { "string", default = "minor", order = 6,
    choices = { "minor", "major", "revision", "no" },
    help = "The version step to publish with, or no" },
  callability = { "string", optional = true, order = 7,
    choices = { "public", "private" },
    help = "Who may call the published version; default: as at the "
      .. "destination, for a new algorithm as at the source" },
  message = { "string", optional = true, order = 8, metavar = "TEXT",
    help = "Message of the commit; default: the source commit's" },
  overwrite_drift = { "boolean", order = 9,
    help = "Put the source's files on top of commits made at the destination "
      .. "since the last promotion" },
  adopt = { "boolean", order = 10,
    help = "Put the source's files on top of a destination that was not made "
      .. "by a promotion from this source" },
  update_settings = { "boolean", order = 11,
    help = "Change the destination's settings to the source's; otherwise "
      .. "differences are only reported" },
  without_secrets = { "boolean", order = 12,
    help = "Publish although secrets of the source are missing" },
  secrets = { "string", optional = true, order = 12.5, metavar = "FILE",
    help = "Set secrets the destination lacks, with values from this file of "
      .. "yours" },
  call = { "boolean", default = true, order = 13,
    help = "Call the new version with its sample input before publishing" },
  call_timeout = { "number", default = 300, min = 1, max = 3000, order = 14,
    metavar = "SECONDS", help = "How long that call may take" },
  build_timeout = { "number", default = 1800, min = 1, order = 15,
    metavar = "SECONDS", help = "How long a build may take" },
  keep_going = { "boolean", default = true, order = 16,
    help = "Promote what has no problem although others have" },
  fail_fast = { "boolean", order = 17,
    help = "Start nothing when one problem is found beforehand, and nothing "
      .. "more once one has failed" },
}

local function who()
  return string.format("%s@%s", sys.username(), sys.hostname())
end

local function options(cx)
  local p = cx.params
  local opts = {
    map = versionmap.open(), run = sys.uuid(), who = who(),
    policies = policy.set(p.policy), given = cx.given, params = p,
    dry_run = cx.dry_run,
    progress = function(...)
      cx:progress(...)
    end,
  }

  for _, name in ipairs({ "to_owner", "publish", "callability", "message",
      "overwrite_drift", "adopt", "update_settings", "without_secrets",
      "call", "call_timeout", "build_timeout" }) do
    opts[name] = p[name]
  end
  return opts
end

-- Two algorithms may meet in one place.
local function check_places(jobs)
  local seen = {}
  for _, job in ipairs(jobs) do
    local other = not job.record and not job.failure and seen[job.dest_ref]
    if other then
      err.throw("usage", "%s and %s would both become %s", other.ref, job.ref,
        job.dest_ref)
    end
    seen[job.dest_ref] = job
  end
end

local function check_distinct(drivers)
  local seen = {}
  for _, driver in ipairs(drivers) do
    if seen[driver.id] then
      err.throw("usage", "--to %s and --to %s are one cluster",
        seen[driver.id].name, driver.name)
    end
    seen[driver.id] = driver
  end
end

-- Said once, when it can be told: of what was looked at, nothing has it.
local function name_unused(destinations)
  local dest = destinations[1]
  local given = dest and dest.jobs[1] and dest.jobs[1].opts.secrets

  for _, text in ipairs(given and given:unused() or {}) do
    log.warn("%s", text)
  end
end

---@class godwit.copy.Destination
---@field driver table
---@field jobs godwit.copy.Job[]
---@field items godwit.Outcome[] In the order of the jobs.
---@field missed godwit.Outcome[] What could not be listed.

-- One source for all destinations that want the same revision of it.
local function share_sources(from)
  local known = {}

  return function(ref, revision)
    local key = string.format("%s/%s %s", ref.owner, ref.name,
      check_ref.show(revision))
    known[key] = known[key] or source.new(from, ref.owner, ref.name, revision)
    return known[key]
  end
end

local function job_at(place, ref, source_of, dest, opts)
  return copy.placed(source_of(ref, place.revision), dest.driver, place, opts)
end

-- Which policy counts for whom is said before anything is asked of it.
local function tell_policies(refs, dest, opts)
  local told = {}

  for _, ref in ipairs(refs) do
    local rules = opts.policies:of(ref.owner, dest.driver)
    if rules.label and not told[ref.owner] then
      log.info("policy %s (%s) for %s to %s", rules.label, rules.origin,
        ref.owner, dest.driver.name)
    end
    told[ref.owner] = true
  end
end

-- What one destination gets.
local function fill(cx, dest, refs, source_of, opts)
  local from, order = driver_of(cx.params.from), {}

  tell_policies(refs, dest, opts)
  for i, ref in ipairs(refs) do
    order[i] = { i, ref }
  end
  task.each(order, function(entry)
    local i, ref = entry[1], entry[2]
    local place = decide.place(ref, from, dest.driver, opts)
    dest.jobs[i] = job_at(place, ref, source_of, dest, opts)
  end, { jobs = cx.jobs })
  check_places(dest.jobs)
end

local function drivers_of(clusters)
  local list = {}
  for i, cluster in ipairs(clusters) do
    list[i] = driver_of(cluster)
  end
  check_distinct(list)
  return list
end

-- What could not be listed did not arrive anywhere.
local function missed_at(record, driver)
  local copied = { to = driver.name .. ":" .. record.ref }
  for k, v in pairs(record) do
    copied[k] = v
  end
  return copied
end

-- The jobs by the keys they need on one side.
local function needs_of(jobs, side)
  local needs, known = {}, {}

  for _, job in ipairs(jobs) do
    local driver = job[side]
    local owner = side == "from" and job.owner or job.to_owner
    if not known[owner] then
      known[owner] = { driver = driver, owner = owner, jobs = {} }
      needs[#needs + 1] = known[owner]
    end
    table.insert(known[owner].jobs, job)
  end
  return needs
end

-- Before anything else every owner without a usable key is named; what needs
-- one of these keys goes no further.
local function check_keys(cx, jobs, side)
  local needs, named = needs_of(jobs, side), {}

  key.check_all(needs, cx.jobs)
  for _, need in ipairs(needs) do
    local e = need.problem
    for _, job in ipairs(e and need.jobs or {}) do
      job:take(key.what(need.driver, need.owner), { false, e })
    end
    if e and e.kind ~= "net" and e.kind ~= "timeout" then
      named[#named + 1] = string.format("%s on %s", need.owner,
        need.driver.name)
    end
  end
  if #named > 1 then
    log.warn("there is no usable key for %s", table.concat(named, ", "))
  end
end

-- All destinations need the source's keys; their own are asked by each for
-- itself, so that one that does not answer holds up no other.
local function check_source_keys(cx, destinations)
  local all = {}
  for _, dest in ipairs(destinations) do
    table.move(dest.jobs, 1, #dest.jobs, #all + 1, all)
  end
  check_keys(cx, all, "from")
end

--- Raises what the command line alone shows to be wrong: for the head's
--- `check`, before a cluster is opened. A file of algorithms is read later.
---@param params table
function M.check(params)
  local words = params.algorithms or {}
  if #words > 0 or not params.algorithms_from then
    wanted.read(words, nil, params.source_version)
  end
  if params.to_owner then
    check_ref.check_owner(params.to_owner)
  end
end

-- What a job has open at most: a store with its packs, its lock, connections;
-- and what the program has open anyway.
local FILES_OF_JOB, FILES_OF_OURS = 8, 96

-- As many jobs as asked, or as the limit of open files has room for.
local function bounded(jobs, destinations)
  local limit = sys.max_files()
  local room = limit and math.max(1, (limit - FILES_OF_OURS)
    // (FILES_OF_JOB * destinations)) or jobs

  if jobs > room then
    log.warn("%d at a time for each destination instead of %d: the limit of "
      .. "open files is %d (ulimit -n)", room, jobs, limit)
  end
  return math.min(jobs, room)
end

--- Which algorithm goes where: the jobs of each destination.
---@async
---@param cx godwit.workflow.Cx
---@return godwit.copy.Destination[]
function M.destinations(cx)
  local p = cx.params
  local asked = wanted.read(p.algorithms or {}, p.algorithms_from,
    p.source_version)
  if p.to_owner then
    check_ref.check_owner(p.to_owner)
  end
  if p.fail_fast and p.keep_going and cx.given.keep_going then
    err.throw("usage", "--keep-going and --fail-fast exclude each other")
  end
  p.fail_fast = p.fail_fast or not p.keep_going
  local from, drivers = driver_of(p.from), drivers_of(p.to)
  local given = p.secrets and secrets.load(p.secrets)
  cx.jobs = bounded(cx.jobs, #drivers)
  local refs, missed = listing.find(from, asked, cx.jobs)
  local opts, list = options(cx), {}
  local source_of = share_sources(from)

  opts.secrets = given
  for i, driver in ipairs(drivers) do
    list[i] = { driver = driver, jobs = {}, items = {}, missed = {} }
    for n, record in ipairs(missed) do
      list[i].missed[n] = missed_at(record, driver)
    end
    fill(cx, list[i], refs, source_of, opts)
  end
  for _, dest in ipairs(#list > 1 and list or {}) do
    for _, job in ipairs(dest.jobs) do
      job.label = job.ref .. " -> " .. job.dest_ref
    end
  end
  check_source_keys(cx, list)
  return list
end

local function look_at(job)
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
  check_keys(cx, jobs, "to")
  task.each(places, function(i)
    look_at(jobs[i])
    if jobs[i].record then
      jobs[i] = copy.ended(jobs[i])
    end
  end, { jobs = cx.jobs })
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

-- Carries out one job.
local function work_on(job, promote)
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
    look_at(job)
    ended = job.record or not_carried_out(job)
  end
  if not ended then
    ended = promote(job)
    copy.forget(job)
  end
  return ended
end

local function work(cx, dest, promote, run)
  cx:each(dest.jobs, function(job)
    if run.failed and not job.record then
      return decide.after(job, copy.refused(job, "not started: " .. run.failed
        .. " failed (--fail-fast)"))
    end
    local record = decide.after(job, work_on(job, promote))
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
  name_unused(destinations)
end

return M
