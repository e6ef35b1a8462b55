local core = require("godwit.core.task")
local err = require("godwit.err")
local limiter = require("godwit.limiter")
local sys = require("godwit.core.sys")
local task = require("godwit.task")

test("never more than the limit, who waits longest first", function(t)
  local l = limiter.new({ start = 2, max = 2 })
  local order, most, now = {}, 0, 0
  local jobs = {}
  for i = 1, 8 do
    jobs[i] = function()
      local p = l:acquire()
      now = now + 1
      most = math.max(most, now)
      order[#order + 1] = i
      task.sleep(0.005)
      now = now - 1
      l:release(p, "ok")
    end
  end
  task.all(jobs)
  t:eq(most, 2)
  t:eq(order, { 1, 2, 3, 4, 5, 6, 7, 8 })
  t:eq(l.in_flight, 0)
end)

test("it grows while used and well, and halves when it is too much", function(t)
  local l = limiter.new({ max = 20, start = 4 })
  local function round(outcome)
    local permits = {}
    for i = 1, math.floor(l.limit) do permits[i] = l:acquire() end
    for _, p in ipairs(permits) do l:release(p, outcome) end
  end
  round("ok")
  t:ok(l.limit > 4)
  for _ = 1, 10 do round("ok") end
  t:ok(l.limit > 10)
  local before = l.limit
  round("busy") -- many at once are one sign
  t:eq(l.limit, before / 2)
  before = l.limit
  round("ok")
  t:ok(l.limit > before and l.limit < before + 1.5)
  for _ = 1, 10 do round("busy") end
  t:eq(l.limit, 1)
  for _ = 1, 200 do round("ok") end
  t:ok(l.limit <= 20)
end)

test("room that nobody uses does not grow", function(t)
  local l = limiter.new({ max = 64, start = 8 })
  for _ = 1, 50 do l:release(l:acquire(), "ok") end
  t:eq(l.limit, 8)
end)

test("rising latency takes a little", function(t)
  local now = 0
  local l = limiter.new({ max = 64, start = 8, clock = function() return now end })
  local function one(seconds)
    local p = l:acquire()
    now = now + seconds
    l:release(p, "ok", true)
  end
  for _ = 1, 20 do one(0.1) end
  t:eq(l.limit, 8)
  for _ = 1, 20 do one(2) end
  t:ok(l.limit < 8)
end)

test("a pause holds everybody back, then they go on in order", function(t)
  local l = limiter.new({ start = 1, max = 4 })
  local began, order = sys.monotonic(), {}
  l:pause(0.1)
  local jobs = {}
  for i = 1, 3 do
    jobs[i] = function()
      local p = l:acquire()
      t:ok(sys.monotonic() - began > 0.09)
      order[#order + 1] = i
      l:release(p, "ok")
    end
  end
  task.all(jobs)
  t:eq(order, { 1, 2, 3 })
end)

test("a cancelled waiter takes nothing with it", function(t)
  local l = limiter.new({ start = 1, max = 1 })
  local held = l:acquire()
  local waiters = {}
  for i = 1, 5 do
    waiters[i] = core.spawn(function() l:release(l:acquire(), "ok") end)
  end
  task.sleep(0.01)
  core.cancel(waiters[1])
  core.cancel(waiters[3])
  task.sleep(0.01)
  l:release(held, "ok")
  core.cancel(waiters[2]) -- it has its permit already, perhaps
  for _, w in ipairs(waiters) do pcall(task.join, w) end
  t:eq(l.in_flight, 0)
  l:release(l:acquire(), "ok") -- nobody lost it
  local ok, e = core.join(waiters[1])
  t:ok(not ok and err.is(e, "cancelled"))
end)

test("a pause with waiters that all leave keeps no task", function(t)
  local l = limiter.new({ start = 1 })
  l:pause(60)
  local w = core.spawn(function() l:acquire() end)
  task.sleep(0.01)
  core.cancel(w)
  pcall(task.join, w)
  t:eq(l.in_flight, 0)
end)

test("a pause longer than anybody waits is told at once, to all", function(t)
  local l = limiter.new({ max = 1 })
  local p = l:acquire()
  local waiting = core.spawn(function() return l:acquire() end)
  task.sleep(0.01)
  l:pause(3600)
  l:release(p, "busy")
  for _, e in ipairs({ select(2, core.join(waiting)),
      select(2, pcall(l.acquire, l)) }) do
    t:eq(e.kind, "limit")
    t:ok(e.retryable and e.retry_after > 3500)
  end
  t:eq(l.in_flight, 0)
end)

test("one for each cluster", function(t)
  t:ok(limiter.of("a", { max = 3 }) == limiter.of("a"))
  t:ok(limiter.of("a") ~= limiter.of("b"))
  t:eq(limiter.of("a").limit, 3)
end)

-- With real requests: the server counts how many it has at once.
local function counting(t, answer)
  local seen = { now = 0, most = 0, count = 0 }
  local s = assert(require("godwit.core.serve").listen({ handler = function(req)
    seen.now, seen.count = seen.now + 1, seen.count + 1
    seen.most = math.max(seen.most, seen.now)
    local n = seen.count
    task.sleep(0.005)
    seen.now = seen.now - 1
    answer(req, n)
  end }))
  t:defer(function() s:close(1) end)
  return seen, "http://127.0.0.1:" .. s.port
end

local function items(n)
  local list = {}
  for i = 1, n do list[i] = i end
  return list
end

test("requests of a cluster are bounded in flight", function(t)
  local http = require("godwit.http")
  local seen, url = counting(t, function(req) req:respond(200) end)
  local l = limiter.new({ start = 2, max = 5 })
  task.each(items(60), function() http.get(url, { limiter = l }) end, { jobs = 30 })
  t:eq({ seen.count, l.in_flight }, { 60, 0 })
  t:ok(seen.most <= 5 and seen.most > 2, tostring(seen.most))
end)

test("429 with Retry-After holds all of them back", function(t)
  local http = require("godwit.http")
  local at
  local seen, url = counting(t, function(req, n)
    if n == 1 then
      at = sys.monotonic()
      return req:respond(429, { ["Retry-After"] = "1" })
    end
    t:ok(n <= 2 or sys.monotonic() - at > 0.9)
    req:respond(200)
  end)
  local l = limiter.new({ start = 2, max = 2 })
  task.each(items(6), function()
    http.post(url, { limiter = l, retry = { base = 0.001 } })
  end, { jobs = 6 })
  t:eq(seen.count, 7)
  t:no(l.growing)
end)

test("a cancelled request gives its permit back", function(t)
  local http = require("godwit.http")
  local _, url = counting(t, function(req)
    for _ = 1, 100 do
      if req:closed() then return end
      task.sleep(0.01)
    end
    req:respond(200)
  end)
  local l = limiter.new({ start = 1, max = 1 })
  local first = core.spawn(http.get, url, { limiter = l })
  local second = core.spawn(http.get, url, { limiter = l })
  task.sleep(0.05)
  t:eq(l.in_flight, 1)
  core.cancel(first)
  core.cancel(second)
  pcall(task.join, first)
  pcall(task.join, second)
  t:eq(l.in_flight, 0)
end)
