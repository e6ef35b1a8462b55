local core = require("godwit.core.task")
local err = require("godwit.err")
local methods = require("godwit.methods")

--- Tasks: several things at once, structured. What starts children returns
--- when every one of them has ended; no failure is lost.
local M = {}

local DEFAULT_JOBS = 8
local ALL = {} -- the option that says who asks

--- Starts a task that runs by itself; for library code, which joins it.
---@param fn function
---@param ... any
---@return userdata
M.spawn = core.spawn
M.cancel = core.cancel
M.self = core.self
M.cancelled = core.cancelled

--- Waits for a task; raises its error.
---@async
---@param task userdata
---@return any ...
function M.join(task)
  local r = table.pack(core.join(task))
  if not r[1] then error(r[2], 0) end
  return table.unpack(r, 2, r.n)
end

--- Waits that many seconds.
---@async
---@param seconds number
function M.sleep(seconds)
  core.sleep(seconds)
end

--- Raises where this cannot wait, before anything is started.
local function must_wait()
  local ok, why = core.waitable()
  if not ok then err.throw("usage", "%s", why) end
end

--- Waits until a task has ended, whatever happens to this one meanwhile: a
--- cancellation is passed on by `stop` and returned, with the task's error.
local function settle(task, stop)
  local interrupted
  while not core.ended(task) do
    local ok, e = pcall(core.join, task)
    if not ok then
      if not err.is(e, "cancelled") then error(e, 0) end
      interrupted = e
      stop()
    end
  end
  local ok, e = core.join(task)
  return interrupted, not ok and e or nil
end

--- For <close>: whatever ends the scope, no child outlives it for long.
local Scope = { __close = function(children)
  for _, child in ipairs(children) do
    if child then core.cancel(child) end
  end
end }

--- Spawns into a scope; its place there is made first, so that want of memory
--- cannot come in between.
local function spawn_in(children, fn, ...)
  local at = #children + 1
  children[at] = false
  children[at] = core.spawn(fn, ...)
  return children[at]
end

-- The one that speaks for all: what this program did not allow or a budget
-- ended, since that is for the user to decide, else the first.
local function foremost(errors)
  for _, kind in ipairs({ "denied", "budget" }) do
    for _, e in ipairs(errors) do
      if err.is(e, kind) then return e end
    end
  end
  return errors[1]
end

--- One error for several: the foremost one's kind, all of them in `errors`.
local function collect(errors, count)
  if #errors == 1 and count == 1 then return errors[1] end
  local first = err.from(foremost(errors))
  local all_retryable = true
  for _, e in ipairs(errors) do
    if not (err.is(e) and e.retryable) then all_retryable = false end
  end
  return err.new({
    kind = first.kind,
    -- The kind and status are not said twice.
    message = ("%d of %d failed; the first: %s"):format(#errors, count,
      (first.op and first.op .. ": " or "") .. tostring(first.message)),
    status = first.status,
    retryable = all_retryable,
    cause = first,
    errors = errors,
    traceback = first.traceback,
  })
end

--- Of several errors the one that came first and is no mere consequence.
local function first_cause(errors)
  for _, e in ipairs(errors) do
    if not err.is(e, "cancelled") then return e end
  end
  return errors[1]
end

--- Items one by one: an array, or an iterator closure (which may wait, but is
--- asked by one child at a time).
local function can_be_called(v)
  local meta = type(v) == "table" and getmetatable(v)
  return type(v) == "function"
    or type(meta) == "table" and type(meta.__call) == "function"
end

local function check_each(items, fn)
  if type(items) ~= "table" and not can_be_called(items) then
    err.throw("usage", "task.each: the items are a list or an iterator, not "
      .. "a %s", type(items))
  elseif not can_be_called(fn) then
    err.throw("usage", "task.each: what is called for each item is a "
      .. "function, not a %s", type(fn))
  end
end

local function source(items)
  if type(items) == "table" and not (getmetatable(items) or {}).__call then
    local i = 0
    return function()
      i = i + 1
      return items[i]
    end
  end
  return items
end

-- Which item of which loop a task works on, and so on upwards.
local lineages = setmetatable({}, { __mode = "k" })

---@class godwit.task.Lineage
---@field above? godwit.task.Lineage
---@field scope table   The loop
---@field item integer

--- Where the calling task stands: what effect.order compares. Nil outside of
--- any loop that runs several items at once.
---@return godwit.task.Lineage?
function M.lineage()
  return lineages[core.self()]
end

---@class godwit.task.EachOpts
---@field jobs? integer How many at once. Default 8.
---@field keep_going? boolean Collect errors instead of stopping at the first.

--- Calls fn(item, ...) for every item, several at once. Returns the number of
--- items when all have ended. The first failure cancels the others and is
--- raised; with `keep_going` the rest runs and one error holds them all in
--- `errors`.
---@async
---@param items table|function An array or an iterator.
---@param fn function
---@param opts? godwit.task.EachOpts
---@return integer count
function M.each(items, fn, opts)
  opts = opts or {}
  local jobs = opts.jobs or DEFAULT_JOBS
  if math.type(jobs) ~= "integer" or jobs < 1 then
    error("bad option 'jobs' (a number from 1 expected)", 2)
  end
  check_each(items, fn)
  must_wait()
  local nextitem, turn = source(items), M.semaphore(1)
  local errors, count, stop = {}, 0, false
  local scope, above = {}, M.lineage()
  local workers <close> = setmetatable({}, Scope)

  local function take()
    if stop then return nil end
    local item = table.pack(nextitem())
    if item[1] == nil then
      stop = true
      return nil
    end
    count = count + 1
    item.index = count
    return item
  end

  local function cancel_others()
    stop = true
    local me = core.self()
    for _, w in ipairs(workers) do
      if w and w ~= me then core.cancel(w) end
    end
  end

  local function fail(e)
    errors[#errors + 1] = e
    if not opts.keep_going then cancel_others() end
  end

  local start

  local function worker()
    while not core.cancelled() do
      local got, item = xpcall(turn.with, err.traced, turn, take)
      if not got then -- the iterator itself: nothing more to come
        stop = true
        return fail(item)
      end
      if not item then return end
      start()
      lineages[core.self()] = jobs > 1
        and { above = above, scope = scope, item = item.index } or above
      local ok, e = xpcall(fn, err.traced, table.unpack(item, 1, item.n))
      if not ok then fail(e) end
    end
  end

  -- A further worker starts when the last one found an item: an empty list
  -- costs one, a short one as many as it has items.
  function start()
    if not stop and #workers < jobs then
      spawn_in(workers, worker)
    end
  end

  start()
  local interrupted, i = nil, 1
  while workers[i] do
    local cut, e = settle(workers[i], cancel_others)
    interrupted = interrupted or cut
    if e and not err.is(e, "cancelled") then fail(e) end
    i = i + 1
  end
  if interrupted then error(interrupted, 0) end
  if #errors > 0 then
    local e = opts.keep_going and collect(errors, count) or first_cause(errors)
    error(err._through(e, opts[ALL] and "task.all" or "task.each"), 0)
  end
  return count
end

--- Runs all functions at once; returns an array of their first results, in
--- order. The first failure cancels the others and is raised.
---@async
---@param fns function[]
---@return any[]
function M.all(fns)
  local results = {}
  local list = {}
  if type(fns) ~= "table" then
    err.throw("usage", "task.all: what it runs is a list of functions, not "
      .. "a %s", type(fns))
  end
  for i, fn in ipairs(fns) do
    if not can_be_called(fn) then
      err.throw("usage", "task.all: number %d of the list is a %s, not a "
        .. "function", i, type(fn))
    end
    list[i] = { i, fn }
  end
  M.each(list, function(job)
    results[job[1]] = job[2]()
  end, { jobs = math.max(#list, 1), [ALL] = true })
  return results
end

--- Runs fn(...) and returns its results; after that many seconds it is
--- cancelled and an error of kind `timeout` is raised.
---@async
---@param seconds number
---@param fn function
---@param ... any
---@return any ...
function M.deadline(seconds, fn, ...)
  must_wait()
  local late = false
  local above = M.lineage()
  local children <close> = setmetatable({}, Scope)
  local child = spawn_in(children, function(...)
    lineages[core.self()] = above
    return fn(...)
  end, ...)
  local timer = spawn_in(children, function()
    core.sleep(seconds)
    late = true
    core.cancel(child)
  end)
  local interrupted = settle(child, function()
    core.cancel(child)
  end)
  core.cancel(timer)
  interrupted = settle(timer, function() end) or interrupted
  if interrupted then error(interrupted, 0) end
  local r = table.pack(core.join(child))
  if r[1] then return table.unpack(r, 2, r.n) end
  if late and err.is(r[2], "cancelled") then
    error(err.new({
      kind = "timeout",
      message = ("not finished after %g seconds"):format(seconds),
      traceback = r[2].traceback,
    }), 0)
  end
  error(err._through(r[2], "task.deadline"), 0)
end

--- Runs fn(...) in a task of its own that may compute so many seconds in all,
--- waiting not counted. Returns true and its results, or false and its error;
--- raises only when the caller is cancelled, which is passed on. For library
--- code: what fn does cannot harm the caller.
---@async
---@param seconds number
---@param fn function
---@param ... any
---@return boolean ok
---@return any ...
function M.limited(seconds, fn, ...)
  must_wait()
  local above = M.lineage()
  local children <close> = setmetatable({}, Scope)
  local child = spawn_in(children, function(...)
    lineages[core.self()] = above
    core.limit(seconds)
    return fn(...)
  end, ...)
  local interrupted = settle(child, function()
    core.cancel(child)
  end)
  if interrupted then error(interrupted, 0) end
  return core.join(child)
end

---@class godwit.task.Semaphore
local Semaphore = {}
Semaphore.__index = methods.of(Semaphore)
Semaphore.__name = "semaphore"
Semaphore.__metatable = "semaphore"

--- At most n inside at once; who waits longest comes first.
---@param n integer
---@return godwit.task.Semaphore
function M.semaphore(n)
  return setmetatable({ free = n, first = 1, last = 0, queue = {} }, Semaphore)
end

--- Takes a permit; waits for one.
---@async
function Semaphore:acquire()
  if self.free > 0 then
    self.free = self.free - 1
    return
  end
  local ticket = core.ticket()
  self.last = self.last + 1
  self.queue[self.last] = ticket
  -- Raises only if this task is cancelled before it was given a permit:
  -- release() then finds a ticket that wakes nobody.
  core.wait(ticket)
end

--- Gives a permit to who waits longest, else back.
function Semaphore:release()
  while self.first <= self.last do
    local ticket = self.queue[self.first]
    self.queue[self.first] = nil
    self.first = self.first + 1
    if core.wake(ticket) then return end
  end
  self.free = self.free + 1
end

local function leave(self, ok, ...)
  self:release()
  if not ok then error((...), 0) end
  return ...
end

--- Runs fn(...) holding one permit; returns its results.
---@async
---@param fn function
---@param ... any
---@return any ...
function Semaphore:with(fn, ...)
  self:acquire()
  return leave(self, xpcall(fn, err.traced, ...))
end

return M
