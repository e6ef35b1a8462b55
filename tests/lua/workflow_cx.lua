-- What a workflow's run is given: every item gets an outcome, in order.
local cx = require("godwit.workflow.cx")
local err = require("godwit.err")
local task = require("godwit.task")

local function outcomes(context)
  local words = {}
  for i, item in ipairs(context.result.items) do
    words[i] = (item.ref or "?") .. " " .. item.outcome
  end
  return words
end

test("items keep their order, whichever ends first", function(t)
  local c = cx.new({}, { jobs = 4 })
  c:each({ 3, 2, 1 }, function(n)
    task.sleep(n / 100)
    return { outcome = "created", ref = tostring(n) }
  end)
  t:eq(outcomes(c), { "3 created", "2 created", "1 created" })
  t:eq(c:finish().counts.created, 3)
end)

test("one that raises is failed and hides no other", function(t)
  local c = cx.new({}, {})
  c:each({ "a", "b", "c" }, function(name)
    if name == "b" then
      err.throw("net", "gone")
    end
    return name == "c" and c:refuse("no") or "unchanged"
  end, { kind = "letter" })
  t:eq(outcomes(c), { "a unchanged", "b failed", "c refused" })
  t:eq(c.result.items[2].retryable, true)
  t:eq(c.result.items[2].type, "letter")
  t:eq(c:finish().exit, 3)
end)

test("an iterator does as well as a list; no outcome is an error", function(t)
  local c, n = cx.new({}, {}), 0
  c:each(function()
    n = n + 1
    return n <= 3 and { ref = "x" .. n } or nil
  end, function(item)
    return item.ref ~= "x2" and "skipped" or nil
  end)
  t:eq(outcomes(c), { "x1 skipped", "x2 failed", "x3 skipped" })
  t:match(c.result.items[2].why, "instead of an outcome")
end)

test("interrupted, every item is still accounted for", function(t)
  local c = cx.new({}, { jobs = 2 })
  local run = task.spawn(function()
    c:each({ "a", "b", "c", "d" }, function(name)
      if name ~= "a" then
        task.sleep(30)
      end
      return "created"
    end)
  end)
  task.sleep(0.05)
  task.cancel(run)
  t:raises("cancelled", task.join, nil, run)
  t:eq(outcomes(c), { "a created", "b failed", "c failed", "d failed" })
  t:eq(c.result.items[4].why, "interrupted")
  t:eq(c.result.interrupted, true)
  t:eq(c:finish().counts.failed, 3)
end)

test("a budget that is used up ends the loop, not one item of it", function(t)
  local c = cx.new({}, { jobs = 2 })
  local e = t:raises("budget", function()
    c:each({ "a", "b", "c", "d" }, function(name)
      if name == "b" then
        err.throw("budget", "bytes = 10 is used up")
      elseif name ~= "a" then
        task.sleep(30)
      end
      return "created"
    end)
  end)
  t:match(e.message, "bytes = 10")
  t:eq(outcomes(c), { "a created", "b failed", "c failed", "d failed" })
  for i = 2, 4 do
    t:eq(c.result.items[i].kind, "budget")
    t:eq(c.result.items[i].why, "bytes = 10 is used up")
  end
  t:eq(c.result.interrupted, nil)
  t:eq(c:finish().exit, 8)
end)

test("a note is said once", function(t)
  local c = cx.new({}, {})
  c:note("only %s", "once")
  c:note("only once")
  t:eq(c.result.notes, { "only once" })
end)
