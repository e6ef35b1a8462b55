local core = require("godwit.core.task")
local err = require("godwit.err")
local task = require("godwit.task")

test("each runs every item and counts", function(t)
  local seen = {}
  local n = task.each({ 1, 2, 3, 4 }, function(i)
    task.sleep(0.001)
    seen[i] = true
  end, { jobs = 2 })
  t:eq(n, 4)
  t:eq(seen, { true, true, true, true })
end)

test("a stale wake wakes nobody", function(t)
  local first = core.ticket()
  t:ok(core.wake(first, "a"))
  t:eq(core.wait(first), "a")
  local second = core.ticket()
  t:no(core.wake(first, "stale"))
  t:ok(core.wake(second, "b"))
  t:eq(core.wait(second), "b")
end)
