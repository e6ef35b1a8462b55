-- memo, effect.order: what several tasks do at once.
local err = require("godwit.err")
local memo = require("godwit.memo")
local order = require("godwit.effect.order")
local task = require("godwit.task")

test("a value is computed once, also for those who ask meanwhile", function(t)
  local m, computed = memo.new(), 0
  local function get()
    return m:get("k", function()
      computed = computed + 1
      task.sleep(0.005)
      return "v"
    end)
  end
  local got = task.all({ get, get, get })
  t:eq(got, { "v", "v", "v" })
  t:eq(computed, 1)
end)

test("a failure leaves nothing behind and the next one tries", function(t)
  local m, tries = memo.new(), 0
  local function get()
    return m:get("k", function()
      tries = tries + 1
      task.sleep(0.001)
      if tries == 1 then
        err.throw("net", "down")
      end
      return tries
    end)
  end
  local results = {}
  task.each({ 1, 2 }, function(i)
    local ok, v = pcall(get)
    results[i] = ok and v or err.from(v).kind
  end)
  t:eq(results, { "net", 2 })
  t:eq(get(), 2)
end)

test("a value may be handed on without being kept", function(t)
  local m, n = memo.new(), 0
  for i = 1, 2 do
    t:eq(m:get("k", function()
      n = n + 1
      return n, true
    end), i)
  end
end)

test("computing that asks for itself is an error, not a hang", function(t)
  local m = memo.new()
  t:raises("usage", function()
    m:get("k", function()
      return m:get("k", function() end)
    end)
  end, "asks for itself")
end)

test("two tasks that write one target at once are told", function(t)
  local ok, e = pcall(task.each, { "a", "b" }, function(kind)
    local turn <close> = order.enter("prod:acme/Hello", kind)
    task.sleep(0.01)
  end)
  t:no(ok)
  t:ok(err.is(e, "conflict"))
  t:match(tostring(e), "two tasks write prod:acme/Hello without order")
end)

test("items of one loop have no order, also when they did not meet",
  function(t)
    local function write()
      local turn <close> = order.enter("u", "k")
    end
    t:raises("conflict", function()
      task.each({ 1, 2 }, write, { jobs = 2 })
    end, "without order")
    -- In different loops, and in a loop within an item, they have one.
    task.each({ 1 }, function()
      local turn <close> = order.enter("v", "k")
      task.each({ 1 }, function()
        local inner <close> = order.enter("w", "k")
      end)
      task.each({ 1, 2, 3 }, function(i)
        if i == 2 then
          local inner <close> = order.enter("w", "k")
        end
      end)
    end)
    local later <close> = order.enter("w", "k")
  end)

test("one after the other, and one inside the other, is order", function()
  for _ = 1, 2 do
    local turn <close> = order.enter("t", "a")
    local inner <close> = order.enter("t", "b")
  end
  task.each({ 1, 2 }, function()
    local turn <close> = order.enter("t", "a")
    task.sleep(0.001)
  end, { jobs = 1 })
end)
