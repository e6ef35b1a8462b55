local core = require("godwit.core.task")
local err = require("godwit.err")
local task = require("godwit.task")

-- tickets ------------------------------------------------------------------

test("a wake before the wait is kept, with its values", function(t)
  local ticket = core.ticket()
  t:ok(core.wake(ticket, "a", nil, 3))
  t:eq(table.pack(core.wait(ticket)), { "a", nil, 3, n = 3 })
end)

test("a stale wake wakes nobody", function(t)
  local first = core.ticket()
  t:ok(core.wake(first, "a"))
  t:no(core.wake(first, "again"))
  t:eq(core.wait(first), "a")
  local second = core.ticket()
  t:no(core.wake(first, "stale"))
  t:ok(core.wake(second, "b"))
  t:eq(core.wait(second), "b")
  t:raises(nil, core.wait, "over", second - (1 << 24))
  t:no(core.wake(0))
  t:no(core.wake(-1))
  t:no(core.wake(math.maxinteger))
end)

test("a wake for a dead task wakes nobody who took its place", function(t)
  local ticket
  local child = task.spawn(function()
    ticket = core.ticket()
    core.wait(ticket)
  end)
  task.sleep(0)
  task.cancel(child)
  core.join(child)
  local other = task.spawn(function() return core.wait(core.ticket()) end)
  task.sleep(0)
  t:no(core.wake(ticket, "stale"))
  task.sleep(0)
  t:no(core.ended(other))
  task.cancel(other)
  core.join(other)
end)

test("a timer that fires after its task was cancelled wakes nobody", function(t)
  local woken, ticket = 0, nil
  local child = task.spawn(function()
    pcall(task.sleep, 0.01)
    ticket = core.ticket()
    core.wait(ticket)
    woken = woken + 1
  end)
  task.sleep(0)
  task.cancel(child)
  task.sleep(0.03)
  t:eq(woken, 0)
  core.wake(ticket)
  core.join(child)
  t:eq(woken, 1)
end)

-- joining, errors ----------------------------------------------------------

test("join gives results, or the error with its traceback", function(t)
  t:eq(table.pack(core.join(task.spawn(function(...) return ... end, 1, nil))),
    { true, 1, nil, n = 3 })
  local ok, e = core.join(task.spawn(function()
    local x = nil
    return x.y
  end))
  t:no(ok)
  t:eq(e.kind, "bug")
  t:match(e.message, "task.lua:%d+: attempt to index")
  t:match(e.traceback, "tests/lua/task.lua:%d+: in function")
  ok, e = core.join(task.spawn(error, { some = "table" }))
  t:no(ok)
  t:eq(e.value.some, "table")
  ok, e = core.join(task.spawn(error, nil))
  t:no(ok)
  t:ok(err.is(e))
end)

test("many join one task", function(t)
  local slow = task.spawn(function() task.sleep(0.01) return 7 end)
  local sum = 0
  task.each({ 1, 2, 3 }, function()
    local v = task.join(slow)
    sum = sum + v
  end)
  t:eq(sum, 21)
  t:eq(task.join(slow), 7)
end)

test("a task cannot wait for itself", function(t)
  t:raises(nil, core.join, "for itself", core.self())
end)

test("the traceback is the innermost one, kept through rethrows", function(t)
  local function deep() err.throw("limit", "x") end
  local ok, e = pcall(task.each, { 1 }, function() deep() end)
  t:no(ok)
  t:match(e.traceback, "in upvalue 'deep'")
  ok, e = pcall(task.all, { function() deep() end })
  t:no(ok)
  t:match(e.traceback, "in upvalue 'deep'")
end)

-- where one cannot wait ------------------------------------------------------

test("waiting in a wrong place is named", function(t)
  local nap = function() task.sleep(0) end
  t:raises("usage", table.sort, "callback of 'sort'", { 2, 1 }, nap)
  t:raises("usage", string.gsub, "callback of 'gsub'", "x", "x", nap)
  t:raises("usage", coroutine.wrap(nap), "script's own")
  local obj = setmetatable({}, { __tostring = nap })
  t:raises("usage", tostring, "callback of", obj)
  t:raises("usage", function() table.sort({ 2, 1 }, function()
    task.each({ 1 }, print)
  end) end, "callback of 'sort'")
  t:raises("usage", require, "top level of module 'support.waits'",
    "support.waits")
  t:raises("usage", function()
    for _ in coroutine.wrap(function() task.all({ nap }) end) do end
  end, "script's own")
end)

test("waiting in metamethods, iterators, pcall and close works", function(t)
  local log = {}
  do
    local v = setmetatable({}, {
      __index = function(_, k) task.sleep(0) return k end,
      __add = function() task.sleep(0) return "sum" end,
      __close = function() task.sleep(0) log[#log + 1] = "closed" end,
    })
    local c <close> = v
    log[#log + 1] = v.x
    log[#log + 1] = v + 1
    for i in function(_, i) task.sleep(0) i = (i or 0) + 1
      if i < 3 then return i end end do
      log[#log + 1] = i
    end
    log[#log + 1] = select(2, pcall(function() task.sleep(0) error("e", 0) end))
  end
  t:eq(log, { "x", "sum", 1, 2, "e", "closed" })
end)

test("a yield that is not ours ends the task with a clear error", function(t)
  local closed
  local ok, e = core.join(task.spawn(function()
    local c <close> = setmetatable({}, { __close = function() closed = true end })
    coroutine.yield(1)
  end))
  t:no(ok)
  t:eq(e.kind, "usage")
  t:match(e.message, "coroutine.yield")
  t:match(e.traceback, "tests/lua/task.lua")
  t:ok(closed)
end)

-- cancelling -----------------------------------------------------------------

local waits = {
  sleep = function() task.sleep(100) end,
  ticket = function() core.wait(core.ticket()) end,
  join = function()
    local other = task.spawn(task.sleep, 0.02)
    task.join(other)
  end,
  each = function() task.each({ 1, 2 }, function() task.sleep(100) end) end,
  deadline = function() task.deadline(100, task.sleep, 100) end,
  semaphore = function()
    local s = task.semaphore(0)
    s:with(print)
  end,
  pcall = function() pcall(task.sleep, 0) task.sleep(100) end,
  close = function()
    local c <close> = setmetatable({}, { __close = function()
      task.sleep(100) end })
  end,
}

for name, fn in pairs(waits) do
  test("cancelled while waiting: " .. name, function(t)
    local closed = 0
    local child = task.spawn(function()
      local c <close> = setmetatable({}, { __close = function()
        task.sleep(0.001) -- cleaning up may wait
        closed = closed + 1
      end })
      fn()
    end)
    task.sleep(0.005)
    t:no(core.ended(child))
    task.cancel(child)
    local ok, e = core.join(child)
    t:no(ok)
    t:eq(e.kind, "cancelled")
    t:eq(closed, 1)
    t:ok(core.cancelled(child))
    task.sleep(0.03)
  end)
end

test("cancelled before it began: it does not run", function(t)
  local ran = false
  local child = task.spawn(function() ran = true end)
  task.cancel(child)
  local ok, e = core.join(child)
  t:no(ok)
  t:eq(e.kind, "cancelled")
  t:no(ran)
end)

test("cancelled between two waits: the next one raises", function(t)
  local second
  local child = task.spawn(function()
    task.cancel(core.self())
    local ok, e = pcall(task.sleep, 100)
    second = pcall(task.sleep, 0) -- told once
    error(e, 0)
  end)
  local ok, e = core.join(child)
  t:no(ok)
  t:eq(e.kind, "cancelled")
  t:eq(second, true)
end)

test("cancelled in the same turn it was woken: it keeps what it got", function(t)
  local ticket, got
  local child = task.spawn(function()
    ticket = core.ticket()
    got = core.wait(ticket)
    task.sleep(100)
  end)
  task.sleep(0)
  core.wake(ticket, "value")
  task.cancel(child)
  local ok, e = core.join(child)
  t:eq(got, "value")
  t:no(ok)
  t:eq(e.kind, "cancelled")
end)

test("cancelling what has ended does nothing", function(t)
  local child = task.spawn(function() return 1 end)
  t:eq(task.join(child), 1)
  task.cancel(child)
  t:eq(task.join(child), 1)
end)

test("an error in cleaning up replaces the first, as in Lua", function(t)
  local ok, e = core.join(task.spawn(function()
    local c <close> = setmetatable({}, { __close = function()
      err.throw("io", "second") end })
    err.throw("limit", "first")
  end))
  t:no(ok)
  t:eq(e.kind, "io")
end)

-- each ----------------------------------------------------------------------

test("each runs every item, no more than jobs at once", function(t)
  local seen, now, most = {}, 0, 0
  local n = task.each({ 1, 2, 3, 4, 5 }, function(i)
    now = now + 1
    most = math.max(most, now)
    task.sleep(0.001)
    now = now - 1
    seen[i] = true
  end, { jobs = 2 })
  t:eq(n, 5)
  t:eq(most, 2)
  t:eq(seen, { true, true, true, true, true })
end)

test("each: of nothing; of an iterator that waits; of several values", function(t)
  t:eq(task.each({}, error), 0)
  local i, got, inside = 0, {}, 0
  local n = task.each(function()
    inside = inside + 1
    t:eq(inside, 1) -- asked by one at a time
    task.sleep(0.001)
    inside = inside - 1
    i = i + 1
    if i <= 5 then return i, i * i end
  end, function(a, b)
    task.sleep(0.002)
    got[a] = b
  end, { jobs = 3 })
  t:eq(n, 5)
  t:eq(got, { 1, 4, 9, 16, 25 })
  t:raises(nil, task.each, "jobs", {}, print, { jobs = 0 })
end)

test("each: the first failure cancels the others and is raised", function(t)
  local log = {}
  local e = t:raises("limit", task.each, "two", { 1, 2, 3, 4 }, function(i)
    log[#log + 1] = i
    if i == 2 then
      task.sleep(0.001)
      err.throw("limit", "two")
    end
    local ok, why = pcall(task.sleep, 100)
    log[#log + 1] = why.kind
    error(why, 0)
  end, { jobs = 3 })
  t:eq(log, { 1, 2, 3, "cancelled", "cancelled" })
  t:ok(e.traceback)
end)

test("each: keep_going runs the rest and collects", function(t)
  local done = 0
  local e = t:raises("net", task.each, "2 of 4 failed; the first: x1", { 1, 2,
    3, 4 }, function(i)
    task.sleep(0)
    done = done + 1
    if i % 2 == 1 then err.throw("net", "x%d", i) end
  end, { keep_going = true, jobs = 2 })
  t:eq(done, 4)
  t:eq(#e.errors, 2)
  t:eq(e.retryable, true)
  t:eq(e.errors[2].message, "x3")
end)

test("each: what was not allowed speaks for all, its kind once", function(t)
  local e = t:raises("denied", task.each, "3 of 3 failed", { 1, 2, 3 },
    function(i)
      task.sleep(0)
      if i == 1 then err.throw("notfound", "no such thing") end
      err.throw("denied", "add --allow-write dev")
    end, { keep_going = true, jobs = 3 })
  t:eq(tostring(e),
    "3 of 3 failed; the first: add --allow-write dev (denied)")
end)

test("each: a failing iterator ends it", function(t)
  local i, done = 0, 0
  t:raises("io", task.each, "list", function()
    i = i + 1
    if i == 3 then err.throw("io", "list") end
    return i
  end, function()
    task.sleep(0.001)
    done = done + 1
  end, { keep_going = true, jobs = 4 })
  t:eq(done, 2)
end)

test("each: a cancelled parent cancels its children and waits for them",
  function(t)
    local began, ended = 0, 0
    local parent = task.spawn(function()
      task.each({ 1, 2, 3 }, function()
        began = began + 1
        local c <close> = setmetatable({}, { __close = function()
          task.sleep(0.002)
          ended = ended + 1
        end })
        task.sleep(100)
      end)
    end)
    task.sleep(0.002)
    task.cancel(parent)
    task.sleep(0)
    task.cancel(parent) -- told once: cleaning up is not cut
    local ok, e = core.join(parent)
    t:no(ok)
    t:eq(e.kind, "cancelled")
    t:eq({ began, ended }, { 3, 3 })
  end)

test("each: with keep_going a cancelled parent still stops", function(t)
  local began = 0
  local parent = task.spawn(task.each, { 1, 2, 3, 4, 5, 6 }, function()
    began = began + 1
    task.sleep(100)
  end, { keep_going = true, jobs = 2 })
  task.sleep(0.002)
  task.cancel(parent)
  local ok, e = core.join(parent)
  t:no(ok)
  t:eq(e.kind, "cancelled")
  t:eq(began, 2)
end)

test("each within each", function(t)
  local n = 0
  task.each({ 1, 2, 3 }, function()
    task.each({ 1, 2, 3 }, function()
      task.sleep(0.001)
      n = n + 1
    end)
  end)
  t:eq(n, 9)
end)

-- all, deadline, semaphore ----------------------------------------------------

test("all returns in order; the first failure is raised", function(t)
  t:eq(task.all({
    function() task.sleep(0.003) return "a" end,
    function() return "b" end,
  }), { "a", "b" })
  local cancelled
  t:raises("limit", task.all, nil, {
    function() local _, e = pcall(task.sleep, 100) cancelled = e.kind end,
    function() err.throw("limit", "x") end,
  })
  t:eq(cancelled, "cancelled")
  t:eq(task.all({}), {})
end)

test("deadline passes results and errors, and raises timeout", function(t)
  t:eq(table.pack(task.deadline(10, function(...) task.sleep(0) return ... end,
    1, nil, 3)), { 1, nil, 3, n = 3 })
  t:raises("limit", task.deadline, "x", 10, err.throw, "limit", "x")
  local closed
  t:raises("timeout", task.deadline, "0.01 seconds", 0.01, function()
    local c <close> = setmetatable({}, { __close = function() closed = true end })
    task.sleep(100)
  end)
  t:ok(closed)
end)

test("semaphore: first come, first served; a cancelled waiter gives way",
  function(t)
    local s, order = task.semaphore(1), {}
    s:acquire()
    local list = {}
    for i = 1, 4 do
      list[i] = task.spawn(function()
        s:with(function() order[#order + 1] = i task.sleep(0) end)
      end)
    end
    task.sleep(0)
    task.cancel(list[2])
    s:release()
    for i = 1, 4 do
      core.join(list[i])
    end
    t:eq(order, { 1, 3, 4 })
    t:eq(s.free, 1)
  end)

test("semaphore: cancelled after it was given the permit, it gives it back",
  function(t)
    local s = task.semaphore(1)
    s:acquire()
    local child = task.spawn(function()
      s:with(function() task.sleep(100) end)
    end)
    task.sleep(0)
    s:release()
    task.cancel(child)
    core.join(child)
    t:eq(s.free, 1)
    t:raises("limit", s.with, "x", s, err.throw, "limit", "x")
    t:eq(s.free, 1)
  end)

-- faults ------------------------------------------------------------------

test("tasks survive every failed allocation", function(t)
  local runs = t:starve(function()
    local sum = 0
    task.each({ 1, 2, 3 }, function(i)
      task.sleep(0)
      sum = sum + i
    end, { jobs = 2 })
    t:eq(sum, 6)
    local ticket = core.ticket()
    core.wake(ticket, 1, 2)
    core.wait(ticket)
    task.deadline(10, task.sleep, 0)
  end)
  t:ok(runs > 50)
end)

test("many tasks", function(t)
  local many = os.getenv("GODWIT_GC_STRESS") and 200 or 10000
  local n = 0
  local list = {}
  for i = 1, many do
    list[i] = task.spawn(function()
      task.sleep(0)
      n = n + 1
    end)
  end
  for _, child in ipairs(list) do
    core.join(child)
  end
  t:eq(n, many)
end)
