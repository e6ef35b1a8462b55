--- run: one execution of a workflow: values checked, clusters opened, run(cx)
--- called, counts reconciled.

local cluster = require("godwit.cluster")
local config = require("godwit.config")
local core_task = require("godwit.core.task")
local cx = require("godwit.workflow.cx")
local effect = require("godwit.effect")
local err = require("godwit.err")
local guard = require("godwit.core.http").guard
local head = require("godwit.workflow.head")
local outcome = require("godwit.workflow.outcome")
local rights = require("godwit.rights")

local M = {}

-- Seconds that a script has to tidy up when its time is over.
local GRACE = 5

---@class godwit.workflow.RunOptions
---@field dry_run? boolean
---@field jobs? integer
---@field yes? boolean
---@field progress? fun(ref: string, phase: string, detail: string?)
---@field withhold? fun(p: godwit.workflow.Param): boolean Clusters that stay read-only.
---@field on_clusters? fun(drivers: table<string, table[]>)
---@field given? table<string, boolean> Parameters that were given, not taken by default.
---@field closed? boolean The workflow is a script, which has no files.
---@field find? fun(name: string): godwit.workflow.Head? A bundled workflow, for cx:call.

local function open_cluster(spec, name, count)
  return cluster.open(rights.param(name, function()
    return config.profile(spec, {
      role = (name == "from" or name == "to") and name or nil,
      to_count = count,
    })
  end))
end

-- Handles for scripts, drivers for the library. A cluster that came through a
-- parameter may be written to.
local function open_clusters(h, values, opts)
  local drivers = {}

  for _, p in ipairs(h.order) do
    local v = values[p.name]
    if p.type == "cluster" and v ~= nil then
      local specs, handles = p.many and v or { v }, {}
      drivers[p.name] = {}
      for i, spec in ipairs(specs) do
        local driver = open_cluster(spec, p.name, #specs)
        drivers[p.name][i] = driver
        handles[i] = cluster.handle(driver)
        if not h.permissions
            and not (opts.withhold and opts.withhold(p)) then
          effect.allow_write(driver.name)
        end
      end
      values[p.name] = p.many and handles or handles[1]
    end
  end
  if opts.on_clusters then
    opts.on_clusters(drivers)
  end
end

-- Runs fn(...) in a task of its own; after that many seconds it is cancelled,
-- and after GRACE more nobody waits for it: a script's `<close>` need not end.
-- Returns what xpcall does, and whether the time was over.
---@async
local function within(seconds, fn, ...)
  local result, ticket, late, left
  local function wake()
    if ticket then
      core_task.wake(ticket)
    end
  end
  local child = core_task.spawn(function(...)
    result = table.pack(xpcall(fn, err.traced, ...))
    wake()
  end, ...)
  local clock = core_task.spawn(function()
    core_task.sleep(seconds)
    late = true
    core_task.cancel(child)
    core_task.sleep(GRACE)
    left = true
    wake()
  end)
  while not result and not left do
    local ok, e = pcall(function()
      ticket = core_task.ticket()
      core_task.wait(ticket)
    end)
    ticket = nil
    if not ok and not err.is(e, "cancelled") then
      error(e, 0)
    elseif not ok then -- a Ctrl-C: the script's to end by
      core_task.cancel(child)
    end
  end
  core_task.cancel(clock)
  core_task.join(clock)
  result = result or { false }
  return result[1], result[2], late
end

-- Calls run(cx), for so many minutes if there is a limit: from then on the host
-- lets nothing out, either.
local function call(h, context)
  local minutes = h.permissions and h.permissions.budgets.minutes
  if not minutes then
    return xpcall(h.run, err.traced, context)
  end
  local ok, e, late = within(minutes * 60, h.run, context)
  if not late then
    return ok, e
  end
  return false, err.new({ kind = "budget", message = ("the budget minutes = %g "
    .. "is used up: what was under way was stopped"):format(minutes) })
end

-- What the time ended looks as if somebody had.
local function end_items(result, e)
  for i, item in ipairs(result.items) do
    if item.kind == "cancelled" then
      local record = outcome.failure(e)
      record.ref, record.type, record.to = item.ref, item.type, item.to
      result.items[i] = record
    end
  end
  result.interrupted, result.budget = nil, e.message
end

-- A budget that is used up counts also when the script made nothing of it.
local function note_used(context)
  local used = guard.used()
  context.result.used = { requests = used.requests, writes = used.writes,
    deletes = used.deletes, bytes = used.bytes }
  context.result.budget = context.result.budget or used.spent
end

-- A workflow that lists no items has no records of what it wrote.
local function note_writes(result, dry_run)
  if #result.items > 0 then
    return
  elseif dry_run then
    result.planned, result.writes = effect.describe_all(), #effect.planned
  else
    result.writes = effect.counts.writes
  end
end

--- Runs a workflow. Raises what is wrong with the command line or the
--- configuration; what goes wrong with items is in the result.
---@async
---@param declared table The workflow's head, checked or not.
---@param given table<string, any>
---@param opts godwit.workflow.RunOptions
---@return godwit.workflow.Result
function M.start(declared, given, opts)
  local h = declared.order and declared or head.check(declared, "workflow")
  local values = head.values(h, given)

  if opts.dry_run then
    effect.plan()
  end
  if h.check then
    h.check(values, true) -- nobody is asked about what cannot be meant
  end
  effect.allow_write(nil)
  if h.permissions then
    rights.declare(h.permissions, values, h.name)
  end
  open_clusters(h, values, opts)
  local context = cx.new(values, opts)

  if h.permissions then
    rights.begin()
  end
  local ok, e = call(h, context)
  if not ok then
    e = err.from(e)
    if e.kind == "budget" then
      end_items(context.result, e)
    elseif e.kind == "cancelled" then
      context.result.interrupted = true
    else
      error(e, 0)
    end
  end
  if h.permissions then
    note_used(context)
  end
  note_writes(context.result, opts.dry_run)
  return context:finish()
end

return M
