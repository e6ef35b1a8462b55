--- data.copy: one collection or folder made to have the files of another:
--- compared first, then refused, planned or carried out, as one effect.

local acl = require("godwit.data.acl")
local compare = require("godwit.data.compare")
local digests = require("godwit.data.digests")
local effect = require("godwit.effect")
local err = require("godwit.err")
local filter = require("godwit.data.filter")
local known = require("godwit.data.known")
local names = require("godwit.data.names")
local odd_files = require("godwit.data.odd")
local record = require("godwit.data.record")
local side = require("godwit.data.side")
local store = require("godwit.data.store")
local sync = require("godwit.data.sync")
local task = require("godwit.task")

local M = {}

local MAX_DELETE = 100

---@class godwit.data.CopyJob
---@field ref string       As printed
---@field from godwit.data.Side
---@field to godwit.data.Side
---@field opts table       include, exclude, min_size, max_size, newer, older,
---checksum, ignore_etag, delete, max_delete, acl
---@field budget godwit.data.Budget
---@field tick? fun(phase: string, detail: string?, stats: table?, plan: godwit.data.Plan?)
---@field private plan godwit.data.Plan
---@field private warnings string[]
---@field private exists boolean
---@field private acl_was? string[] Who could read it there
---@field private acl_now? string[] Who can, after it was narrowed
---@field private acl? string[] Who shall; nil: as it is
---@field private narrowed? boolean

-- what is there ---------------------------------------------------------------

-- Who may read it at last; nil: as it is.
local function wanted_acl(job, source)
  if job.to.is_folder then
    return nil
  elseif job.opts.acl then
    return acl.of(job.opts.acl) or err.throw("usage",
      "acl is public, algorithms or private, not '%s'",
      tostring(job.opts.acl))
  end
  return source.acl
end

---@async
local function look(job)
  local clash = side.clash(job.from, job.to)
  if clash then
    err.throw("usage", "%s", clash)
  end
  local seen = task.all({
    function() return job.from:look() or false end,
    function() return job.to:look() or false end,
  })
  local source, there = seen[1], seen[2] or nil
  if not source then
    err.throw("notfound", "there is no %s", job.from.label)
  end
  job.exists, job.acl_was = there ~= nil, there and there.acl
  job.acl_now, job.acl = job.acl_was, wanted_acl(job, source)
  if not job.acl and not job.from.is_folder and not job.to.is_folder then
    job.warnings[#job.warnings + 1] = ("%s does not say who may read it, so "
      .. "that is not copied"):format(job.from.label)
  end
end

-- Who may no longer read it is shut out first and always, whatever becomes of
-- the files.
---@async
local function narrow(job)
  if job.acl and job.acl_was and acl.narrows(job.acl_was, job.acl) then
    sync.let_in(job.to, job.acl)
    job.acl_now, job.narrowed = job.acl, true
  end
end

local function reader_of(job, side, remembered)
  return { side = side, known = remembered, budget = job.budget,
    fully = job.opts.checksum or job.opts.ignore_etag or false, sha256 = true,
    ignore_etag = job.opts.ignore_etag or false }
end

-- An overlay only pretends, whatever the mode of the run is.
local function is_planned(job)
  return effect.mode == "plan"
    or (job.to.driver ~= nil and job.to.driver.kind == "overlay")
end

-- refusals ----------------------------------------------------------------------

local function refuse_entries(job, plan)
  if not job.from.is_folder or plan.bad == 0 then
    return nil
  end
  return record.refused(job, "%d entr%s of %s cannot be copied%s: %s%s; leave "
    .. "out with exclude what is not meant", plan.bad,
    plan.bad == 1 and "y" or "ies", job.from.label,
    plan.unfit == "dir" and " (a collection has no folders)" or "",
    table.concat(plan.problems, ", "), plan.bad > #plan.problems
      and (" and %d more"):format(plan.bad - #plan.problems) or "")
end

local function refuse_deletions(job, plan)
  local most = job.opts.max_delete or MAX_DELETE
  if plan.gone == 0 then
    return nil
  elseif plan:files() + plan.unchanged == 0 then
    return record.refused(job, "%s has no file that is meant, and an empty "
      .. "source deletes nothing (%d would go)", job.from.label, plan.gone)
  elseif plan.gone > most then
    return record.refused(job, "%s would be deleted, more than "
      .. "max-delete = %d: %s", names.count(plan.gone), most,
      names.some(plan.first.gone, plan.gone))
  end
  job.to:check_deletion()
end

-- doing it ------------------------------------------------------------------------

-- The ACL that is still to come.
local function missing_acl(job)
  local now = job.exists and job.acl_now or not job.exists and acl.PRIVATE
  return job.acl and now and not acl.same(job.acl, now) and job.acl or nil
end

local function nothing_to_do(job)
  local plan = job.plan
  return job.exists and plan:files() + plan.gone + plan.bad == 0
    and not missing_acl(job)
end

-- What is the same at both sides, and is not what was stored.
---@async
local function judge(job, last)
  local same, _, first = job.odd:judge(job, job.etags, last)
  local plan = job.plan
  if same then
    plan.unchanged, plan.bad = plan.unchanged - same, plan.bad + same
    for _, name in ipairs(first) do
      plan.problems[#plan.problems + 1] = ("%s: %s"):format(names.quote(name),
        odd_files.damaged().message)
    end
  end
end

local function detail_of(plan)
  return { files = plan:files(), bytes = plan.bytes,
    unchanged = plan.unchanged, delete = plan.gone > 0 and plan.gone or nil,
    first = plan.first.new[1] or plan.first.changed[1] }
end

-- Later reads of the same script see what would be there.
---@async
local function pretend(job)
  local coming = missing_acl(job)
  if not job.exists and not job.to.is_folder then
    job.to:create(coming or acl.PRIVATE)
  elseif coming then
    job.to:set_acl(coming)
  end
  for page in job.plan:to_copy() do
    job.to:pretend(job.from, page)
  end
  for page in job.plan:to_delete() do
    job.to:pretend_removed(page)
  end
  judge(job, true)
  return record.plan(job, { created = not job.exists or nil,
    read_by = coming })
end

---@async
local function write(job, remembered)
  return record.of(job, sync.run({
    from = job.from, to = job.to, plan = job.plan, known = remembered,
    budget = job.budget, exists = job.exists, acl = job.acl, job = job,
    odd = job.odd, etags = job.etags, was = job.acl_now, sha256 = true,
    ignore_etag = job.opts.ignore_etag or false,
    tick = function(phase, detail, stats)
      job.tick(phase, detail, stats, job.plan)
    end,
  }))
end

---@async
local function carry_out(job, remembered)
  local plan = job.plan
  judge(job, false)
  local refused = refuse_entries(job, plan) or refuse_deletions(job, plan)
  if refused then
    return refused
  elseif nothing_to_do(job) then
    judge(job, true)
    return record.plan(job, {})
  end
  return effect.perform({
    kind = "data.sync", target = job.to.target, class = "repeatable",
    cluster = job.to.driver, folder = job.to.is_folder or nil,
    detail = detail_of(plan), plan = is_planned(job),
    write = function()
      return write(job, remembered)
    end,
    pretend = function()
      return pretend(job)
    end,
  })
end

-- What the list of the source does not tell, or what is no file of it.
local function warn(job, plan)
  for _, what in ipairs({ "size", "time" }) do
    local n = plan.untold[what]
    if n then
      job.warnings[#job.warnings + 1] = ("%s of %s %s left out, since the list "
        .. "does not tell the %s"):format(names.count(n), job.from.label,
        n == 1 and "is" or "are", what)
    end
  end
  local unfinished = job.from.unfinished or 0
  if unfinished > 0 then
    job.warnings[#job.warnings + 1] = ("%s of %s that another copy has not "
      .. "finished (.godwit-…) %s left out"):format(names.count(unfinished),
      job.from.label, unfinished == 1 and "is" or "are")
  end
end

---@async
local function compare_and_copy(job)
  local ledger = store.ledger()
  local writes = not is_planned(job)
  local remembered = { from = known.new(ledger, job.from, writes),
    to = known.new(ledger, job.to, writes) }
  local odd <close> = odd_files.new()
  job.odd, job.etags = odd, digests.etags(job.from)
  remembered.from:tell(job.etags)
  local plan <close> = compare.run(job.from, job.exists and job.to or nil, {
    filter = filter.of(job.opts), delete = job.opts.delete or false,
    readers = { from = reader_of(job, job.from, remembered.from),
      to = reader_of(job, job.to, remembered.to), odd = odd,
        etags = job.etags },
    tick = job.tick, unfit = job.to.unfit,
  })
  job.plan = plan
  warn(job, plan)
  remembered.from:flush()
  remembered.to:flush()
  local made = carry_out(job, remembered)
  remembered.from:flush()
  return made
end

--- Copies. What is wrong with the request and what cannot be looked at is
--- raised; what became of it is in the record.
---@async
---@param job godwit.data.CopyJob
---@return godwit.data.Copied
function M.run(job)
  job.warnings = {}
  job.tick = job.tick or function() end
  look(job)
  narrow(job)
  local ok, made = xpcall(compare_and_copy, err.traced, job)
  if not ok then
    made = err.from(made)
    if job.narrowed and not err._is_final(made) then
      made.record = record.narrowed(job, made, is_planned(job))
    end
    error(made, 0)
  end
  made.wrote = made.wrote or job.narrowed and not is_planned(job) or nil
  return made
end

return M
