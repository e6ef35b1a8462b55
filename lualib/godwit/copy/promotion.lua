--- promotion: what the bundled `promote` does around the steps of `copy`: its
--- parameters, the list of jobs, the pre-flight of all of them, and what
--- becomes of each.

local check_ref = require("godwit.copy.ref")
local copy = require("godwit.copy")
local driver_of = require("godwit.cluster.driver_of")
local err = require("godwit.err")
local log = require("godwit.log")
local outcome = require("godwit.workflow.outcome")
local store = require("godwit.copy.store")
local sys = require("godwit.core.sys")
local task = require("godwit.task")
local versionmap = require("godwit.versionmap")

local M = {}

M.PARAMS = {
  algorithms = { "string", positional = true, many = true, order = 1,
    metavar = "OWNER/NAME[/VERSION]",
    help = "The algorithms to promote, at their head unless a version is "
      .. "named" },
  from = { "cluster", order = 2, metavar = "CLUSTER",
    help = "Where they come from: a profile, a URL, sandbox:NAME or an "
      .. "archive folder" },
  to = { "cluster", order = 3, metavar = "CLUSTER",
    help = "Where they go" },
  to_owner = { "string", optional = true, order = 4, metavar = "OWNER",
    help = "Owner at the destination; default: the same" },
  source_version = { "string", optional = true, order = 5,
    metavar = "head|latest|X.Y.Z|SHA",
    help = "Which version to promote; default: head" },
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
  call = { "boolean", default = true, order = 13,
    help = "Call the new version with its sample input before publishing" },
  call_timeout = { "number", default = 300, min = 1, max = 3000, order = 14,
    metavar = "SECONDS", help = "How long that call may take" },
  build_timeout = { "number", default = 1800, min = 1, order = 15,
    metavar = "SECONDS", help = "How long a build may take" },
  keep_going = { "boolean", order = 16,
    help = "Promote what has no problem although others have; otherwise one "
      .. "problem found beforehand stops them all" },
}

local function who()
  return string.format("%s@%s", sys.username(), sys.hostname())
end

local function options(cx)
  local p = cx.params
  local opts = {
    map = versionmap.open(), run = sys.uuid(), who = who(),
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

-- With --to-owner two owners' algorithms may meet in one place.
local function check_destinations(jobs)
  local seen = {}
  for _, job in ipairs(jobs) do
    local other = seen[job.dest_ref]
    if other then
      err.throw("usage", "%s and %s would both become %s", other.ref, job.ref,
        job.dest_ref)
    end
    seen[job.dest_ref] = job
  end
end

--- One job for each algorithm named.
---@async
---@param cx godwit.workflow.Cx
---@return godwit.copy.Job[]
function M.jobs(cx)
  local p = cx.params
  local refs = check_ref.parse_all(p.algorithms or {}, p.source_version)
  if p.to_owner then
    check_ref.check_owner(p.to_owner)
  end
  local opts, jobs = options(cx), {}

  for i, ref in ipairs(refs) do
    jobs[i] = copy.job(driver_of(cx.from), driver_of(cx.to), ref, opts)
  end
  check_destinations(jobs)
  return jobs
end

local function look_at(job)
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
    if e.kind == "cancelled" or e.kind == "denied" then
      error(e, 0)
    end
    job.failure = e
  end
end

local function each_unknowable(jobs, fn)
  for i, job in ipairs(jobs) do
    for _, text in ipairs(job.unchanged and {} or job.unknowable) do
      fn(i, text)
    end
  end
end

--- Pre-flight: looks at every algorithm on both sides, writes nothing.
---@async
---@param cx godwit.workflow.Cx
---@param jobs godwit.copy.Job[]
function M.look(cx, jobs)
  local ok, e = pcall(task.each, jobs, look_at, { jobs = cx.jobs })

  if not ok then
    -- Interrupted: every item is still accounted for.
    for i, job in ipairs(jobs) do
      cx.result.items[i] = copy.failed(job, outcome.failure(e))
    end
    error(e, 0)
  end
  local told = {}
  each_unknowable(cx.dry_run and {} or jobs, function(_, text)
    if not told[text] then
      log.info("only trying can tell %s", text)
      told[text] = true
    end
  end)
end

-- In the result stands what was still open when it ended: what came to its
-- end has been tried.
local function note_open(cx, jobs)
  each_unknowable(jobs, function(i, text)
    local item = cx.result.items[i]
    if cx.dry_run or item and (item.outcome == "refused"
        or item.outcome == "failed") then
      cx:note("only trying can tell %s", text)
    end
  end)
end

local function holes(jobs)
  local n = 0
  for _, job in ipairs(jobs) do
    n = n + (#job.problems > 0 and 1 or 0)
  end
  return n
end

--- Refuses the whole run when pre-flight found a hole: half a promotion is
--- worse than none. --keep-going leaves out only what has one.
---@param cx godwit.workflow.Cx
---@param jobs godwit.copy.Job[]
---@return boolean
function M.refused(cx, jobs)
  local n = holes(jobs)

  if n == 0 or (cx.params.keep_going and n < #jobs) then
    return false
  end
  for i, job in ipairs(jobs) do
    local why = copy.refusal(job)
    if job.unchanged then
      cx.result.items[i] = copy.outcome(job)
    elseif job.failure and not why then
      cx.result.items[i] = copy.failed(job, outcome.failure(job.failure))
    else
      cx.result.items[i] = copy.refused(job, why or string.format(
        "not started: pre-flight found problems with %d other%s (--keep-going "
        .. "promotes what has none)", n, n == 1 and "" or "s"))
    end
  end
  note_open(cx, jobs)
  return true
end

-- Said with every result that wrote, or would write, something.
local NOT_MOVED = "Never moved, since nobody can read or set them: values of "
  .. "secrets, passwords, keys, credentials of connectors, owner roles, "
  .. "single sign-on, version numbers"

--- Carries out what pre-flight let through; every job gets its outcome.
---@async
---@param cx godwit.workflow.Cx
---@param jobs godwit.copy.Job[]
---@param promote fun(job: godwit.copy.Job): godwit.Outcome
function M.carry_out(cx, jobs, promote)
  cx:each(jobs, function(job)
    local closed <close> = setmetatable({}, { __close = function()
      store.close(job)
      job:progress(nil)
    end })
    local why = copy.refusal(job)
    if job.failure then
      error(job.failure, 0)
    elseif why then
      return copy.refused(job, why)
    elseif job.unchanged then
      return copy.outcome(job)
    end
    return promote(job)
  end, { kind = "algorithm", failed = copy.failed })
  for _, job in ipairs(jobs) do
    if job.wrote then
      cx:note("%s", NOT_MOVED)
    end
  end
  note_open(cx, jobs)
end

return M
