--- cx: what a workflow's run(cx) is given: its parameters, the list of items
--- with an outcome each, and ways to refuse, wait and tell progress.

local err = require("godwit.err")
local log = require("godwit.log")
local methods = require("godwit.methods")
local outcome = require("godwit.workflow.outcome")
local task = require("godwit.task")

local M = {}

--- Items worked on at once unless -j says otherwise.
M.JOBS = 16

---@class godwit.workflow.Cx
---@field params table<string, any>
---@field given table<string, boolean> Which of them were given, not taken by default.
---@field dry_run boolean
---@field from? table The cluster of the parameter `from`.
---@field to? table The cluster of the parameter `to`; a list if it takes many.
---@field result godwit.workflow.Result
local Cx = {}
Cx.__index = methods.of(Cx)

---@class godwit.workflow.Result
---@field items godwit.Outcome[]
---@field counts table<string, integer>
---@field destinations? { name: string, counts: table<string, integer> }[] Where the items went.
---@field exit integer
---@field notes string[] Said once for the whole run.
---@field interrupted? boolean
---@field used? { requests: integer, writes: integer, deletes: integer, bytes: integer } With permissions.
---@field budget? string Which budget ended the run, and what for.
---@field dry_run? boolean
---@field writes? integer Made or, in a plan, to be made, where no items are listed.
---@field planned? string[] What they would be.

-- Beside the contexts, not in them: not a script's to change.
local vocabularies = setmetatable({}, { __mode = "k" })
local began_with = setmetatable({}, { __mode = "k" })

local function words_of(cx)
  return vocabularies[cx] or outcome
end

--- Lets a context's items end with other words than those of a run that
--- writes.
---@param cx godwit.workflow.Cx
---@param vocabulary table Like godwit.workflow.outcome.
function M.speak(cx, vocabulary)
  vocabularies[cx] = vocabulary
end

--- A context for one run.
---@param params table<string, any>
---@param opts {dry_run: boolean?, jobs: integer?, given: table<string, boolean>?, progress: fun(ref: string, phase: string?, detail: string?)?} A nil phase: it has ended.
---@return godwit.workflow.Cx
function M.new(params, opts)
  local cx = setmetatable({
    params = params, from = params.from, to = params.to,
    given = opts.given or {},
    dry_run = opts.dry_run or false,
    jobs = math.tointeger(tonumber(opts.jobs)) or M.JOBS,
    on_progress = opts.progress, on_count = opts.count,
    result = { items = {}, counts = outcome.counts({}), exit = 0, notes = {},
      dry_run = opts.dry_run or nil },
  }, Cx)
  began_with[cx] = opts
  return cx
end

--- Says where an item is; without a phase it has ended.
---@param ref string
---@param phase? string
---@param detail? string
function Cx:progress(ref, phase, detail)
  if self.on_progress then
    self.on_progress(ref, phase, detail)
  elseif phase then
    log.debug("%s: %s%s", ref, phase, detail and " " .. detail or "")
  end
end

--- Says something about the whole run, once.
---@param fmt string
---@param ... any
function Cx:note(fmt, ...)
  local text = fmt:format(...)
  for _, known in ipairs(self.result.notes) do
    if known == text then
      return
    end
  end
  self.result.notes[#self.result.notes + 1] = text
end

--- An outcome: this item is refused.
---@param why string
---@return godwit.Outcome
function Cx:refuse(why)
  return { outcome = "refused", why = why }
end

--- An outcome: this item waits for something outside.
---@param why string
---@return godwit.Outcome
function Cx:wait(why)
  return { outcome = "waiting", why = why }
end

local function name_of(item)
  if type(item) == "table" and item.ref then
    return tostring(item.ref)
  end
  return type(item) == "string" and item or nil
end

local function listed(items)
  if type(items) ~= "function" then
    return items
  end
  local list = {}
  for item in items do
    list[#list + 1] = item
  end
  return list
end

-- Runs one item; always gives a record, and says whether to stop.
local function attempt(outcomes, fn, item, failed)
  local ok, value = xpcall(function()
    return outcomes.record(fn(item))
  end, err.traced)
  if ok then
    return value
  end
  local e = err.from(value)
  local record = e.record or outcomes.failure(e)
  if e.kind == "bug" or e.kind == "usage" then
    log.debug("%s", tostring(e.traceback))
  end
  return failed and failed(item, record) or record,
    (e.kind == "cancelled" or e.kind == "budget") and e
end

-- What was under way or not begun when a loop was stopped.
local function stopped(outcomes, e)
  if e.kind == "budget" then
    return outcomes.failure(e)
  end
  return outcomes.failure(err.new({ kind = "cancelled",
    message = "interrupted" }))
end

--- Runs a function over items, several at a time. It returns an outcome word
--- or a table with one; what it raises becomes "failed". One item never hides
--- another: every one gets a record, in the run's result or in `into`. A
--- budget that is used up (kind "budget") and a Ctrl-C end the loop.
---@async
---@param items table|fun(): any
---@param fn fun(item: any): any
---@param opts? {kind: string?, jobs: integer?, into: godwit.Outcome[]?, failed: (fun(item: any, record: godwit.Outcome): godwit.Outcome)?}
---@return godwit.Outcome[]
function Cx:each(items, fn, opts)
  opts = opts or {}
  local list, records = listed(items), {}
  local order, into = {}, opts.into or self.result.items

  for i, item in ipairs(list) do
    order[i] = { index = i, item = item }
  end
  local ok, e = pcall(task.each, order, function(entry)
    local record, stop = attempt(words_of(self), fn, entry.item,
      opts.failed)
    record.ref = record.ref or name_of(entry.item)
    record.type = record.type or opts.kind
    records[entry.index] = record
    if self.on_progress and record.ref then
      self.on_progress(record.ref, nil) -- no longer in progress
    end
    if stop then
      error(stop, 0)
    end
  end, { jobs = opts.jobs or self.jobs })

  e = not ok and err.from(e) or nil
  for i, item in ipairs(list) do
    if not records[i] or e and e.kind == "budget"
      and records[i].kind == "cancelled" then
      local record = stopped(words_of(self), e)
      record.ref, record.type = name_of(item), opts.kind
      records[i] = opts.failed and opts.failed(item, record) or record
    end
    into[#into + 1] = records[i]
  end
  if not ok then
    self.result.interrupted = e.kind == "cancelled" or nil
    error(e, 0)
  end
  return records
end

--- Runs a bundled workflow with parameters of its own, by their names; a
--- cluster is a handle or a name. It writes only where this run may write. What
--- it came to is returned, and is no part of this run's result.
---@async
---@param name string
---@param params? table<string, any>
---@return godwit.workflow.Result
function Cx:call(name, params)
  return require("godwit.workflow.call").run(self, name, params or {},
    began_with[self])
end

--- Counts and exit code, once everything is in.
---@return godwit.workflow.Result
function Cx:finish()
  local result = self.result

  result.counts = words_of(self).counts(result.items)
  result.exit = words_of(self).exit_code(result.items)
  if result.budget and result.exit ~= 9 then
    result.exit = 8
  end
  return result
end

return M
