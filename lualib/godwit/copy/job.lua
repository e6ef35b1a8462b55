--- job: one algorithm on its way to one destination: what was asked, what was
--- read, what is to be done and what was done. The steps of a promotion fill it
--- in; `outcome` turns it into the record people see. Its source is shared with
--- the jobs of other destinations.

local err = require("godwit.err")
local findings = require("godwit.copy.findings")
local policy = require("godwit.policy")
local unknown = require("godwit.unknown")

local M = {}

---@class godwit.copy.Options
---@field to_owner? string
---@field owner_settled? boolean It was decided with the account: no policy's map_owner is asked.
---@field publish "minor"|"major"|"revision"|"no"
---@field callability? "public"|"private"
---@field message? string
---@field overwrite_drift? boolean
---@field adopt? boolean
---@field on_drift? "refuse"|"overwrite"|"merge" Instead of the two above.
---@field compare? fun(old: table, new: table): string? Why it is not published.
---@field update_settings? boolean
---@field without_secrets? boolean
---@field secrets? godwit.config.Secrets Values for what the destination lacks.
---@field call boolean Call it with its sample input before publishing.
---@field call_timeout? number
---@field build_timeout number
---@field map? table The version map.
---@field policies godwit.policy.Set
---@field given? table<string, boolean> Which of these were typed, not taken by default.
---@field params? table<string, any> What policies see of them.
---@field dry_run? boolean
---@field with_data? boolean Collections that the code names are copied first.
---@field shared_data? table What copies them shares (collections.shared).
---@field references? boolean What the code names is of interest.
---@field progress? fun(ref: string, phase: string, detail: string?)

---@class godwit.copy.Job: godwit.copy.Findings
---@field from table The source's driver.
---@field to table The destination's driver.
---@field owner string
---@field name string
---@field to_owner string
---@field to_name string
---@field policy godwit.policy.Policy
---@field overrides? table<string, any> What the policy says about settings.
---@field message? string[] The commit's, once it was asked for.
---@field opts godwit.copy.Options
---@field ref string
---@field dest_ref string
---@field source godwit.copy.Source
---@field dest table What was read of the destination.
---@field step "minor"|"major"|"revision"|"no" How it is published.
---@field differences godwit.copy.Difference[]
---@field missing_secrets string[] Keys without a value.
---@field new_secrets godwit.copy.NewSecret[]
---@field secrets_due? boolean One of them is missing there, as far as we looked.
---@field steps table[]
---@field withheld? string Why it was built and not published.
---@field coming? string Why nobody can be asked about its owner there yet: "which is created first".
---@field label? string What the progress display calls it; default: its ref.

local Job = {}
Job.__index = Job
for name, method in pairs(findings.methods) do
  Job[name] = method
end

--- A new job; nothing is read yet.
---@param source godwit.copy.Source
---@param to table The destination's driver.
---@param there godwit.copy.Place|{ owner: string, name: string, policy: godwit.policy.Policy?, warnings: string[]? } What it is called there.
---@param opts godwit.copy.Options
---@return godwit.copy.Job
function M.new(source, to, there, opts)
  local job = setmetatable({
    source = source, from = source.driver, owner = source.owner,
    name = source.name, ref = source.ref,
    to = to, to_owner = there.owner, to_name = there.name,
    dest_ref = to.name .. ":" .. there.owner .. "/" .. there.name,
    policy = there.policy or policy.NONE,
    opts = opts, step = opts.publish, dest = {},
    problems = {}, unknowable = {}, warnings = {}, differences = {},
    steps = {}, files = {}, missing_secrets = {}, new_secrets = {},
    place_warnings = there.warnings,
  }, Job)

  for _, text in ipairs(there.warnings or {}) do
    job:warn("%s", text)
  end
  return job
end

--- A new job where a policy was asked about its place: it may have ended
--- before it began.
---@param source godwit.copy.Source
---@param to table
---@param place godwit.copy.Place
---@param opts godwit.copy.Options
---@return godwit.copy.Job
function M.placed(source, to, place, opts)
  local job, failure = M.new(source, to, place, opts), place.failure

  if failure and failure.kind == "refused" then
    job:problem("%s", failure.message)
  else
    job.failure = failure
  end
  if place.skipped then
    job.record = M.skipped(job, place.skipped)
  end
  return job
end

--- Makes the job new again: nothing is read yet. Its source keeps what it
--- read.
---@param job godwit.copy.Job
function M.renew(job)
  local fresh = M.new(job.source, job.to, { owner = job.to_owner,
    name = job.to_name, policy = job.policy,
    warnings = job.place_warnings }, job.opts)

  fresh.label = job.label
  for k in pairs(job) do
    job[k] = nil
  end
  for k, v in pairs(fresh) do
    job[k] = v
  end
end

--- Tells the progress display where this job is.
function Job:progress(phase, detail)
  self.phase = phase or self.phase
  if self.opts.progress then
    self.opts.progress(self.label or self.ref, phase, detail)
  end
end

--- Notes a step that was done (or, in a plan, would be).
---@param step string A stable name: create, settings, secrets, push, build, call, publish, record.
---@param symbol "+"|"~"|"-"|"="
---@param fmt string
function Job:did(step, symbol, fmt, ...)
  self.steps[#self.steps + 1] = { step = step, symbol = symbol,
    text = fmt:format(...) }
  if symbol ~= "=" then
    self.wrote = true
  end
end

local function known(v)
  if unknown.is(v) then
    return tostring(v)
  end
  return v
end

M.printable = findings.printable

local function printable_files(files)
  for _, file in ipairs(files) do
    file.path = M.printable(file.path)
  end
  return files
end

local function common(job, record)
  record.ref = job.ref
  record.why = record.why and M.printable(record.why)
  for i, line in ipairs(record.log or {}) do
    record.log[i] = M.printable(line)
  end
  record.to = job.dest_ref
  record.policy = job.policy.label
  record.commit = known(job.commit)
  record.source_commit = job.source.commit
  record.source_version = job.source.version or job.source_version
  record.version = known(job.version)
  record.steps = job.steps
  record.files = printable_files(job.files)
  record.differences = job.differences
  record.warnings = job.warnings
  record.unknowable = job.unknowable
  if #job.problems > 0 then
    record.problems = job.problems
  end
  record.wrote = job.wrote
  return record
end

-- What is kept of a job that has ended: whose it is, and what its record has.
local KEPT = { "from", "to", "owner", "name", "to_owner", "to_name", "ref",
  "dest_ref", "opts", "policy", "label", "record", "unchanged", "wrote",
  "problems", "warnings", "unknowable", "steps", "files", "differences",
  "source_info" }
local is_kept = {}
for _, name in ipairs(KEPT) do
  is_kept[name] = true
end

-- A policy may still ask about the source's commit.
local function keep_for_after(job)
  job.source_info = job.policy:has("after") and job.source and job.source.info
    or job.source_info
end

--- Lets go of what was read for a job that has ended.
---@param job godwit.copy.Job
function M.forget(job)
  keep_for_after(job)
  for name in pairs(job) do
    if not is_kept[name] then
      job[name] = nil
    end
  end
end

--- The same as a job of its own, which is smaller than one that was large:
--- thousands are kept until the last has ended.
---@param job godwit.copy.Job
---@return godwit.copy.Job
function M.ended(job)
  local rest = {}

  keep_for_after(job)
  for _, name in ipairs(KEPT) do
    rest[name] = job[name]
  end
  return setmetatable(rest, Job)
end

--- The record of a job that came to its end.
---@param job godwit.copy.Job
---@return godwit.Outcome
function M.outcome(job)
  local word = "unchanged"

  if job.withheld then
    return common(job, { outcome = "refused", why = job.withheld })
  elseif job.created then
    word = "created"
  elseif job.wrote then
    word = "updated"
  end
  return common(job, { outcome = word })
end

--- The record of a job that is not carried out.
---@param job godwit.copy.Job
---@param why string
---@return godwit.Outcome
function M.refused(job, why)
  local record = common(job, { outcome = "refused", why = why })
  record.commit, record.version = nil, nil -- it was never made
  return record
end

--- The record of a job that its policy leaves out.
---@param job godwit.copy.Job
---@param why string
---@return godwit.Outcome
function M.skipped(job, why)
  return common(job, { outcome = "skipped", why = why })
end

--- The record of a job that its policy's gate does not let through.
---@param job godwit.copy.Job
---@param verdict godwit.policy.Verdict
---@return godwit.Outcome
function M.held(job, verdict)
  local record = common(job, { outcome = verdict.outcome, why = verdict.why })
  record.commit, record.version = nil, nil -- it was never made
  return record
end

-- What an interruption may have left behind, by where it came.
local INTERRUPTED = {
  create = "; whether it was created, the next run will see",
  settings = "; whether the settings arrived, the next run will see",
  secrets = "; whether the secret arrived, the next run will see",
  push = "; whether the commit arrived, the next run will see",
  build = "; its build goes on without us",
  publish = "; whether it was published, the next run will see",
}

--- The record of a job that was stopped by an error.
---@param job godwit.copy.Job
---@param record godwit.Outcome From outcome.failure.
---@return godwit.Outcome
function M.failed(job, record)
  if record.kind == "cancelled" and job.phase then
    record.why = "interrupted at the step " .. job.phase
      .. (INTERRUPTED[job.phase] or "; it changed nothing")
  end
  common(job, record)
  if job.to_push and not job.pushed then
    record.commit = nil -- it is not there
  end
  return record
end

--- Runs a write; that a key may not do it is said in those words.
---@param what string "create algorithms of acme"
---@param fn fun(): any
function Job:write(what, fn)
  local ok, value = xpcall(fn, err.traced)

  if ok then
    return value
  end
  local e = err.from(value)
  if e.kind == "auth" then
    e = err.wrap(e, string.format("the key of %s may not %s", self.to.name,
      what))
  end
  error(e, 0)
end

return M
