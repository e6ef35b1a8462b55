--- data.record: what became of one copy, as an outcome for people and reports.
--- Of the files of the source: listed = copied + unchanged + skipped + failed.

local acl = require("godwit.data.acl")
local names = require("godwit.data.names")
local outcome = require("godwit.workflow.outcome")
local size = require("godwit.cli.size")

local M = {}

---@class godwit.data.Copied: godwit.Outcome
---@field files integer     Of the source
---@field copied integer
---@field unchanged integer
---@field skipped integer   Left out by a filter
---@field failed integer    Not copied, whatever the reason
---@field deleted integer
---@field bytes integer     That were copied

-- The first of those that are new or differ, then how many more there are.
local function copied_names(plan)
  local list = { table.unpack(plan.first.new) }
  table.move(plan.first.changed, 1, #plan.first.changed, #list + 1, list)
  return names.some(list, plan:files())
end

---@param steps table[]
local function add(steps, symbol, fmt, ...)
  steps[#steps + 1] = { symbol = symbol, text = fmt:format(...) }
end

local function narrowing(job, read_by)
  return ("read by: %s -> %s"):format(acl.show(job.acl_was
    or acl.PRIVATE), acl.show(read_by or job.acl))
end

-- What was done, or would be.
local function steps_of(job, done)
  local steps, plan = {}, job.plan
  if done.created then
    add(steps, "+", "%s", job.to.is_folder and "the folder"
      or "the collection, private until it is complete")
  end
  if done.copied > 0 then
    local all = done.copied == plan:files()
    add(steps, "+", "%s, %s%s", names.count(done.copied), size.format(done.bytes),
      all and ": " .. copied_names(plan) or "")
  end
  if plan.unchanged > 0 then
    add(steps, "=", "%s", names.count(plan.unchanged))
  end
  if done.deleted > 0 then
    -- Which ones are gone is not told when some of them are still there.
    add(steps, "-", "%s that the source does not have%s",
      names.count(done.deleted), done.deleted == plan.gone and ": "
        .. names.some(plan.first.gone, plan.gone) or "")
  end
  if done.read_by or job.narrowed then
    add(steps, "~", "%s", narrowing(job, done.read_by))
  end
  return steps
end

local function base(job, done)
  local plan = job.plan
  return {
    ref = job.ref, to = job.to.label, type = "collection",
    files = plan.listed, copied = done.copied, unchanged = plan.unchanged,
    skipped = plan.skipped, deleted = done.deleted, bytes = done.bytes,
    failed = plan.listed - done.copied - plan.unchanged - plan.skipped,
    steps = steps_of(job, done), warnings = job.warnings,
    wrote = done.wrote or nil,
  }
end

local function fail(record, kind, retryable, fmt, ...)
  record.outcome, record.kind = "failed", kind
  record.retryable = retryable or nil
  record.why = fmt:format(...)
  return record
end

local function failures(work)
  local bad = work.failed + work.plan.bad
  local parts = {}
  if bad > 0 then
    parts[1] = ("%d of %s failed"):format(bad, names.count(work.plan.listed))
  end
  if work.undeleted > 0 then
    parts[#parts + 1] = names.count(work.undeleted) .. " could not be deleted"
  end
  return table.concat(parts, ", ")
end

local function all_problems(work)
  local list = { table.unpack(work.plan.problems) }
  table.move(work.problems, 1, #work.problems, #list + 1, list)
  return #list > 0 and list or nil
end

-- What did not come about because files failed.
local function consequences(job, work)
  if work.plan.gone > 0 and work.deleted == 0 and work.undeleted == 0 then
    job.warnings[#job.warnings + 1] = "nothing was deleted, since not all "
      .. "files arrived"
  end
  if work.acl and work.was and not acl.same(work.acl, work.was) then
    job.warnings[#job.warnings + 1] = ("it is read by: %s, until it is "
      .. "complete"):format(acl.show(work.was))
  end
end

--- After the work. `job` is what it was made from.
---@param job table
---@param work godwit.data.Work
---@return godwit.data.Copied
function M.of(job, work)
  work.wrote = work.created or work.read_by ~= nil
    or work.copied + work.deleted > 0
  local record = base(job, work)
  record.problems = all_problems(work)
  local e = work.fatal
  if e then
    consequences(job, work)
    return fail(record, e.kind, e.retryable, "%s", tostring(e.message))
  elseif work.stopped and not work.hopeless then
    consequences(job, work)
    local large = work.budget.too_large
    return fail(record, "budget", true, "%s; %s left, and %s", work.stopped,
      names.count(record.failed) .. (record.failed == 1 and " is" or " are"),
      large and ("one of %s needs a larger max-transfer"):format(
        size.format(large)) or "the same command goes on")
  elseif work.failed + work.undeleted + work.plan.bad > 0 then
    consequences(job, work)
    return fail(record, "remote", work.retryable and work.plan.bad == 0,
      "%s%s", failures(work), work.hopeless
        and "; the rest was not tried: " .. work.stopped or "")
  end
  record.outcome = work.created and "created"
    or (record.wrote or job.narrowed) and "updated" or "unchanged"
  return record
end

--- Before any work: what it would do.
---@param job table
---@param would table created, read_by
---@return godwit.data.Copied
function M.plan(job, would)
  local plan = job.plan
  would.copied, would.bytes = plan:files(), plan.bytes
  would.deleted = plan.gone
  local record = base(job, would)
  if plan:files() > 0 and not job.budget:take(plan.bytes) then
    return fail(record, "budget", true, "%s before all of it is copied",
      job.budget.why)
  elseif plan.bad > 0 then
    record.problems = { table.unpack(plan.problems) }
    return fail(record, "remote", nil, "%d of %s cannot be copied", plan.bad,
      names.count(plan.listed))
  end
  record.outcome = would.created and "created"
    or (would.read_by or job.narrowed or plan:files() + plan.gone > 0) and "updated"
    or "unchanged"
  return record
end

--- Nothing was done.
---@param job table
---@param fmt string
---@return godwit.data.Copied
function M.refused(job, fmt, ...)
  local record = base(job, { copied = 0, deleted = 0, bytes = 0 })
  record.outcome, record.kind = "refused", "refused"
  record.why = fmt:format(...)
  record.steps = job.narrowed
    and { { symbol = "~", text = narrowing(job) } } or nil
  return record
end

--- It failed while it was looked at, after it had been narrowed.
---@param job table
---@param e godwit.Err
---@param planned boolean
---@return godwit.Outcome
function M.narrowed(job, e, planned)
  local record = outcome.failure(e)
  record.ref, record.to, record.type = job.ref, job.to.label, "collection"
  record.wrote = not planned or nil
  record.steps = { { symbol = "~", text = narrowing(job) } }
  return record
end

return M
