--- job: one algorithm on its way from one cluster to another: what was asked,
--- what was read, what is to be done and what was done. The steps of a
--- promotion fill it in; `outcome` turns it into the record people see.

local err = require("godwit.err")
local unknown = require("godwit.unknown")

local M = {}

---@class godwit.copy.Options
---@field to_owner? string
---@field publish "minor"|"major"|"revision"|"no"
---@field callability? "public"|"private"
---@field message? string
---@field overwrite_drift? boolean
---@field adopt? boolean
---@field update_settings? boolean
---@field without_secrets? boolean
---@field call boolean Call it with its sample input before publishing.
---@field call_timeout? number
---@field build_timeout number
---@field map? table The version map.
---@field progress? fun(ref: string, phase: string, detail: string?)

---@class godwit.copy.Job
---@field from table The source's driver.
---@field to table The destination's driver.
---@field owner string
---@field name string
---@field revision godwit.copy.Revision
---@field to_owner string
---@field opts godwit.copy.Options
---@field ref string
---@field dest_ref string
---@field source table What was read of the source.
---@field dest table What was read of the destination.
---@field problems string[] Holes that only a person can close.
---@field unknowable string[] What only trying can tell.
---@field warnings string[]
---@field differences godwit.copy.Difference[]
---@field steps table[]

local Job = {}
Job.__index = Job

--- A new job; nothing is read yet.
---@param from table
---@param to table
---@param ref godwit.copy.Ref
---@param opts godwit.copy.Options
---@return godwit.copy.Job
function M.new(from, to, ref, opts)
  local to_owner = opts.to_owner or ref.owner

  return setmetatable({
    from = from, to = to, owner = ref.owner, name = ref.name,
    revision = ref.revision, to_owner = to_owner, opts = opts,
    ref = ref.owner .. "/" .. ref.name,
    dest_ref = to.name .. ":" .. to_owner .. "/" .. ref.name,
    source = {}, dest = {},
    problems = {}, unknowable = {}, warnings = {}, differences = {},
    steps = {}, files = {},
  }, Job)
end

--- Adds a hole; the run is refused before its first write.
function Job:problem(fmt, ...)
  self.problems[#self.problems + 1] = M.printable(fmt:format(...))
end

--- Adds something a person should know that stops nothing, once.
function Job:warn(fmt, ...)
  local text = M.printable(fmt:format(...))

  for _, said in ipairs(self.warnings) do
    if said == text then
      return
    end
  end
  self.warnings[#self.warnings + 1] = text
end

--- Adds what pre-flight cannot know.
function Job:only_trying(fmt, ...)
  self.unknowable[#self.unknowable + 1] = fmt:format(...)
end

--- Tells the progress display where this job is.
function Job:progress(phase, detail)
  self.phase = phase or self.phase
  if self.opts.progress then
    self.opts.progress(self.ref, phase, detail)
  end
end

--- Notes a step that was done (or, in a plan, would be).
---@param step string A stable name: create, settings, push, build, call, publish, record.
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

--- Text from a repository as UTF-8: names and messages may be any bytes.
---@param text string
---@return string
function M.printable(text)
  if utf8.len(text) then
    return text
  end
  return (text:gsub("[\x80-\xff]", function(c)
    return string.format("\\x%02x", c:byte())
  end))
end

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
  record.commit = known(job.commit)
  record.source_commit = job.source.commit
  record.source_version = job.source.version
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

--- The record of a job that came to its end.
---@param job godwit.copy.Job
---@return godwit.Outcome
function M.outcome(job)
  local word = "unchanged"

  if job.created then
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

-- What an interruption may have left behind, by where it came.
local INTERRUPTED = {
  create = "; whether it was created, the next run will see",
  settings = "; whether the settings arrived, the next run will see",
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
