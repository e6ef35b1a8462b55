--- stages: what all workflows over a list of things share: every job is looked
--- at before the first write, what has a problem is refused and the others go
--- on, each job ends with one record, and the records are in the order of the
--- jobs, also when the run is interrupted.

local err = require("godwit.err")
local log = require("godwit.log")
local outcome = require("godwit.workflow.outcome")
local task = require("godwit.task")

local M = {}

--- Parameters that all of these workflows have.
M.PARAMS = {
  from = { "cluster", order = 2, metavar = "CLUSTER",
    help = "Where they come from: a profile, a URL, sandbox:NAME or an "
      .. "archive folder" },
  to = { "cluster", order = 3, metavar = "CLUSTER",
    help = "Where they go" },
  keep_going = { "boolean", default = true, order = 90,
    help = "Carry out what has no problem although others have" },
  fail_fast = { "boolean", order = 91,
    help = "Start nothing when one problem is found beforehand, and nothing "
      .. "more once one has failed" },
}

--- The shared parameters with a workflow's own put over them; false takes one
--- away.
---@param ... table<string, table|false>
---@return table<string, table>
function M.params(...)
  local all = {}
  for _, some in ipairs({ M.PARAMS, ... }) do
    for name, p in pairs(some) do
      all[name] = p or nil
    end
  end
  return all
end

-- jobs -------------------------------------------------------------------

---@class godwit.workflow.Job
---@field ref string What it is about, as printed.
---@field to? string Where it goes, as printed.
---@field problems string[] Found beforehand: it is refused.
---@field warnings string[]
---@field steps { symbol: "+"|"~"|"-"|"=", text: string }[]
---@field record? godwit.Outcome Set by `look` when there is nothing to do.
---@field failure? godwit.Err What looking at it raised.
---@field kind? string
---@field private cx? godwit.workflow.Cx
local Job = {}
Job.__index = Job

--- A job: `fields` with what every job has. More fields are the workflow's.
---@param fields table ref, to and what else the workflow needs.
---@return godwit.workflow.Job
function M.job(fields)
  fields.problems, fields.warnings, fields.steps = {}, {}, {}
  return setmetatable(fields, Job)
end

--- Notes what stands against it; all of it is listed at once.
---@param fmt string
function Job:problem(fmt, ...)
  self.problems[#self.problems + 1] = fmt:format(...)
end

--- Says something with its result.
---@param fmt string
function Job:warn(fmt, ...)
  self.warnings[#self.warnings + 1] = fmt:format(...)
end

--- Two that would become one there: neither is worked on. Each has that said
--- once.
---@param jobs godwit.workflow.Job[]
---@param key_of fun(job: godwit.workflow.Job): string|nil What must be theirs alone; nil: nothing.
---@param fmt string Takes both refs and the key.
function M.check_double(jobs, key_of, fmt)
  local seen, told = {}, {}
  for _, job in ipairs(jobs) do
    local key = key_of(job)
    local other = key and seen[key]
    if other then
      job:problem(fmt, other.ref, job.ref, key)
      if not told[other] then
        told[other] = true
        other:problem(fmt, other.ref, job.ref, key)
      end
    elseif key then
      seen[key] = job
    end
  end
end

--- Notes a step that was done, or in plan mode would be: "+" made, "~"
--- changed, "-" taken away, "=" as it was.
---@param symbol "+"|"~"|"-"|"="
---@param fmt string
function Job:did(symbol, fmt, ...)
  self.steps[#self.steps + 1] = { symbol = symbol, text = fmt:format(...) }
end

--- Says where it is.
---@param phase? string nil: it has ended.
---@param detail? string
function Job:progress(phase, detail)
  if self.cx then
    self.cx:progress(self.ref, phase, detail)
  end
end

-- Whether anything was really written for it.
local function wrote(job)
  for _, step in ipairs(job.steps) do
    if step.symbol ~= "=" then
      return not (job.cx and job.cx.dry_run) or nil
    end
  end
  return nil
end

local function some(list)
  return #list > 0 and list or nil
end

-- The job's record: what is given, and what the job has noted.
local function record_of(job, fields)
  local record = { ref = job.ref, to = job.to, type = job.kind,
    problems = some(job.problems), steps = some(job.steps),
    warnings = some(job.warnings), wrote = wrote(job) }
  for k, v in pairs(fields) do
    record[k] = v
  end
  return record
end

local function refused(job, why)
  return record_of(job, { outcome = "refused", why = why })
end

local function has_hole(job)
  return not job.record and (job.failure ~= nil or #job.problems > 0)
end

-- What became of a job before its work; nil: it is to be done.
local function settled(job)
  if job.record then
    return record_of(job, outcome.record(job.record))
  elseif #job.problems > 0 then
    return refused(job, table.concat(job.problems, "; "))
  elseif job.failure then
    return record_of(job, outcome.failure(job.failure))
  end
  return nil
end

-- stages -----------------------------------------------------------------

---@class godwit.workflow.Stage
---@field jobs godwit.workflow.Job[]
---@field kind string "user"; the records' type.
---@field look? async fun(job: godwit.workflow.Job) Notes problems; writes nothing.
---@field work async fun(job: godwit.workflow.Job): string|godwit.Outcome
---@field before? async fun() Called before its first job is worked on.
---@field ended? fun(job: godwit.workflow.Job) Called when one has ended, however it did.
---@field limit? integer Jobs at once, if fewer than -j says.
---@field private items godwit.Outcome[]

--- Runs something for a job before its work; what it raises is the job's
--- failure, unless the run is over. `usage`: so it is for what is wrong with
--- the command line or a configuration.
---@async
---@param job godwit.workflow.Job
---@param fn async fun(job: godwit.workflow.Job)
---@param usage? boolean
function M.guard(job, fn, usage)
  local ok, e = xpcall(fn, err.traced, job)
  if not ok then
    e = err.from(e)
    if err._is_final(e) or usage and e.kind == "usage" then
      error(e, 0)
    end
    job.failure = e
  end
end

local function look_at(stage, job)
  if job.record or job.failure or not stage.look then
    return
  end
  M.guard(job, stage.look)
  job:progress(nil)
end

local function at_once(cx, stage)
  return math.min(cx.jobs, stage.limit or cx.jobs)
end

local function look(cx, stage)
  task.each(stage.jobs, function(job)
    look_at(stage, job)
  end, { jobs = at_once(cx, stage) })
end

-- Counts a job that has ended, for the progress display.
local function count(cx, stage, job, run)
  if stage.ended then
    stage.ended(job)
  end
  run.done = run.done + 1
  if cx.on_count then
    cx.on_count(run.done, run.total)
  end
end

local function carry_out(stage, job, run)
  local ended = settled(job)
  if ended then
    return ended
  elseif run.failed then
    return refused(job, "not started: " .. run.failed
      .. " failed (--fail-fast)")
  end
  return record_of(job, outcome.record(stage.work(job)))
end

local function work(cx, stage, run)
  if stage.before then
    stage.before()
  end
  cx:each(stage.jobs, function(job)
    local record = carry_out(stage, job, run)
    count(cx, stage, job, run)
    return record
  end, { kind = stage.kind, into = stage.items, jobs = at_once(cx, stage),
    failed = function(job, record)
      if cx.params.fail_fast then
        run.failed = run.failed or job.ref
      end
      count(cx, stage, job, run)
      return record_of(job, record)
    end })
end

local function holes(stages)
  local n = 0
  for _, stage in ipairs(stages) do
    for _, job in ipairs(stage.jobs) do
      n = n + (has_hole(job) and 1 or 0)
    end
  end
  return n
end

-- With --fail-fast a problem anywhere stops all of it before the first write.
local function refuse_all(stages, n)
  for _, stage in ipairs(stages) do
    for i, job in ipairs(stage.jobs) do
      stage.items[i] = settled(job) or refused(job, string.format(
        "not started: pre-flight found problems with %d other%s "
        .. "(--fail-fast)", n, n == 1 and "" or "s"))
    end
  end
end

-- Interrupted before a stage came to its work: every job is accounted for.
local function account(stages, e)
  for _, stage in ipairs(stages) do
    for i = #stage.items + 1, #stage.jobs do
      local job = stage.jobs[i]
      stage.items[i] = settled(job) or record_of(job, outcome.failure(e))
    end
  end
end

-- What came from there does not come again by itself.
local function say_stdin(params)
  for name, v in pairs(params) do
    if v == "-" and name:find("_from$") then
      log.info("to go on, give the list of --%s on stdin again",
        (name:gsub("_", "-")))
    end
  end
end

local function gather(cx, stages)
  for _, stage in ipairs(stages) do
    table.move(stage.items, 1, #stage.items, #cx.result.items + 1,
      cx.result.items)
  end
end

local function check_flags(cx)
  local p = cx.params
  if p.fail_fast and p.keep_going and (cx.given or {}).keep_going then
    err.throw("usage", "--keep-going and --fail-fast exclude each other")
  end
  p.fail_fast = p.fail_fast or p.keep_going == false
end

--- Looks at the jobs of all stages, then works on them, stage after stage. All
--- records are in the run's result, in order.
---@async
---@param cx godwit.workflow.Cx
---@param stages godwit.workflow.Stage[]
function M.all(cx, stages)
  local run = { done = 0, total = 0 }

  check_flags(cx)
  for _, stage in ipairs(stages) do
    run.total = run.total + #stage.jobs
    stage.items = {}
    for _, job in ipairs(stage.jobs) do
      job.cx, job.kind = cx, job.kind or stage.kind
    end
  end
  local gathered <close> = setmetatable({}, { __close = function(_, e)
    if e ~= nil then
      account(stages, e)
    end
    if err.is(e, "cancelled") then
      say_stdin(cx.params)
    end
    gather(cx, stages)
  end })
  for _, stage in ipairs(stages) do
    look(cx, stage)
  end
  local n = cx.params.fail_fast and holes(stages) or 0
  if n > 0 then
    return refuse_all(stages, n)
  end
  for _, stage in ipairs(stages) do
    work(cx, stage, run)
  end
end

--- Looks at one job and works on it, for a script of its own: a refusal is a
--- record, a failure is raised with what was done until then as its `record`.
---@async
---@param job godwit.workflow.Job
---@param how { look: async fun(job: godwit.workflow.Job), work: async fun(job: godwit.workflow.Job): any }
---@return godwit.Outcome
function M.alone(job, how)
  local ok, result = xpcall(function()
    how.look(job)
    return settled(job) or record_of(job, outcome.record(how.work(job)))
  end, err.traced)
  if ok then
    return result
  end
  local e = err.from(result)
  e.record = record_of(job, outcome.failure(e))
  error(e, 0)
end

--- As `all`, for one kind of thing.
---@async
---@param cx godwit.workflow.Cx
---@param jobs godwit.workflow.Job[]
---@param how { look: async fun(job: godwit.workflow.Job)?, work: async fun(job: godwit.workflow.Job): any, kind: string, before: fun()?, ended: fun(job: godwit.workflow.Job)?, limit: integer? }
function M.run(cx, jobs, how)
  M.all(cx, { { jobs = jobs, kind = how.kind, look = how.look,
    work = how.work, before = how.before, limit = how.limit, ended = how.ended } })
end

return M
