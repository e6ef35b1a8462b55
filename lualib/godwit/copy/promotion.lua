--- promotion: what the bundled `promote` is asked: its parameters, and which
--- algorithm goes where. A source is read once for all destinations. What
--- becomes of them is `copy/run`.

local check_ref = require("godwit.copy.ref")
local collections = require("godwit.copy.collections")
local copy = require("godwit.copy")
local decide = require("godwit.copy.decide")
local driver_of = require("godwit.cluster.driver_of")
local err = require("godwit.err")
local key = require("godwit.copy.key")
local listing = require("godwit.copy.listing")
local log = require("godwit.log")
local policy = require("godwit.policy")
local secrets = require("godwit.config.secrets")
local source = require("godwit.copy.source")
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
  with_data = { "boolean", order = 12.7,
    help = "Copy the collections that the code names first (data://…), with "
      .. "all their files" },
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

--- What all jobs of a run share, by its parameters.
---@param cx godwit.workflow.Cx
---@return godwit.copy.Options
function M.options(cx)
  local p = cx.params
  local opts = {
    map = versionmap.open(), run = sys.uuid(), who = who(),
    policies = policy.set(p.policy), given = cx.given, params = p,
    dry_run = cx.dry_run, shared_data = collections.shared(),
    progress = function(...)
      cx:progress(...)
    end,
  }

  for _, name in ipairs({ "to_owner", "publish", "callability", "message",
      "overwrite_drift", "adopt", "update_settings", "without_secrets",
      "with_data", "call", "call_timeout", "build_timeout" }) do
    opts[name] = p[name]
  end
  return opts
end

--- Two algorithms that would become one cannot both be there.
---@param jobs table[] Each with `ref` and, unless it has a record, `dest_ref`.
function M.check_places(jobs)
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
  M.check_places(dest.jobs)
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

-- All destinations need the source's keys; their own are asked by each for
-- itself, so that one that does not answer holds up no other.
local function check_source_keys(cx, destinations)
  local all = {}
  for _, dest in ipairs(destinations) do
    table.move(dest.jobs, 1, #dest.jobs, #all + 1, all)
  end
  key.check_jobs(all, "from", cx.jobs)
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

--- As many jobs as asked, or as the limit of open files has room for.
---@param jobs integer
---@param destinations integer
---@return integer
function M.bounded(jobs, destinations)
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
  cx.jobs = M.bounded(cx.jobs, #drivers)
  local refs, missed = listing.find(from, asked, cx.jobs)
  local opts, list = M.options(cx), {}
  local source_of = share_sources(from)

  opts.secrets, opts.references = given, #refs > 1 or p.with_data
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

return M
