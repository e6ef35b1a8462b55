-- step.once: a value that decides something is taken once in a run.
local err = require("godwit.err")
local json = require("godwit.json")
local step = require("godwit.step")
local task = require("godwit.task")

test("several that ask wait for the first, and get the same", function(t)
  local calls, got = 0, {}
  task.each({ 1, 2, 3, 4 }, function(i)
    got[i] = step.once("step.lua/several", function()
      calls = calls + 1
      task.sleep(0.02)
      return { n = calls, list = json.array {}, big = 1 << 62 }
    end)
  end, { jobs = 4 })
  t:eq(calls, 1)
  for i = 1, 4 do
    t:eq(got[i], { n = 1, list = {}, big = 1 << 62 })
  end
  -- Each has a copy of its own.
  got[1].n = 7
  t:eq(step.once("step.lua/several", error).n, 1)
end)

test("a failure leaves nothing, and the next in line tries", function(t)
  local calls, outcomes = 0, {}
  task.each({ 1, 2, 3 }, function()
    local ok, e = pcall(step.once, "step.lua/failing", function()
      calls = calls + 1
      task.sleep(0.01)
      if calls == 1 then
        err.throw("remote", "not now")
      end
      return calls
    end)
    outcomes[#outcomes + 1] = ok and e or e.kind
  end, { jobs = 3 })
  t:eq(calls, 2)
  t:eq(outcomes, { "remote", 2, 2 })
end)

test("what is no JSON is refused by the key's name", function(t)
  local cycle = {}
  cycle.me = cycle
  for name, value in pairs { ["function"] = print, cycle = cycle,
    nan = 0 / 0, keys = { [1.5] = 1 }, bytes = "\xff" } do
    t:raises("usage", step.once, 'step.once%("step.lua/' .. name
      .. '"%): the value is not JSON', "step.lua/" .. name, function()
      return value
    end)
  end
  t:raises("usage", step.once, "key must be a text", 1, print)
  t:raises("usage", step.once, "a function computes the value", "step.lua/x")
end)
