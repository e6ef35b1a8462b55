-- Each destination goes at its own pace: a push that waits for its build keeps
-- nobody from anything.
local e2e = require("support.e2e")
local relay = require("support.relay")
local task = require("godwit.task")

local function fleet(t, count, opts)
  return e2e.world(t, function(dev)
    e2e.seed_fleet(dev, count)
  end, opts)
end

local function is_push(seen)
  return seen.method == "POST" and seen.path:find("/git%-receive%-pack$")
end

test("a push gives its permit back while the server builds", function(t)
  local w = fleet(t, 3)
  local pushes = 0
  local to = relay.start(t, w.prod.api, function(seen, pass)
    if not is_push(seen) then
      return nil
    end
    local answer = pass()
    pushes = pushes + 1
    -- Nobody is answered before all have pushed.
    while pushes < 3 do
      task.sleep(0.02)
    end
    return answer
  end)
  -- One request at a time.
  w:configure({ prod = { api = to.url, more = "max_in_flight = 1" } })
  local r = e2e.expect(w:promote({ "acme/*" }), 0)
  t:eq(r.doc.counts.created, 3)
end)

test("pushes that hang at one destination leave the others theirs",
function(t)
  local count = 40 -- more than a cluster's share was ever meant to be
  local w = fleet(t, count)
  w:add("slow")
  local done = 0
  local fine = relay.start(t, w.prod.api, function(seen, pass)
    if seen.method == "POST" and seen.path:find("/versions$") then
      local answer = pass()
      done = done + 1
      return answer
    end
  end)
  local hangs = relay.start(t, w.slow.api, function(seen)
    while is_push(seen) and done < count do
      task.sleep(0.05)
    end
  end)
  w:configure({ prod = { api = fine.url }, slow = { api = hangs.url } })
  local r = e2e.expect(w:promote({ "acme/*", "--to", "slow", "--jobs",
    tostring(count), "--no-call" }), 0)
  t:eq(r.doc.counts.created, 2 * count)
end)

test("interrupted: every item of every destination is accounted for",
function(t)
  local w = fleet(t, 4)
  w:add("far")
  local pushed, over
  local hangs = relay.start(t, w.prod.api, function(seen)
    while is_push(seen) and not over do
      pushed = true
      task.sleep(0.05)
    end
  end)
  w:configure({ prod = { api = hangs.url } })
  local run = w:start({ "promote", "acme/*", "--from", "dev", "--to", "prod",
    "--to", "far", "--json" })
  while not pushed do
    task.sleep(0.02)
  end
  run.process:kill(15)
  w:finish(run)
  over = true
  e2e.expect(run, 143)
  local sum = 0
  for _, d in ipairs(run.doc.destinations) do
    for _, n in pairs(d.counts) do
      sum = sum + n
    end
  end
  t:eq(sum, 8)
  t:eq(#run.doc.items, 8)
  t:eq({ run.doc.interrupted, run.doc.exit }, { true, 143 })
end)

test("interrupted in a pre-flight that waits for all: every item is told",
function(t)
  local w = fleet(t, 3)
  w:add("far")
  local over
  local hangs = relay.start(t, w.prod.api, function(seen)
    while seen.path:find("algorithms/acme/A2$") and not over do
      task.sleep(0.05)
    end
  end)
  w:configure({ prod = { api = hangs.url } })
  local run = w:start_as({ "sh", "-c", "echo 'acme/*' > list; exec < list "
    .. e2e.PROGRAM .. " promote --algorithms-from - --from dev --to prod "
    .. "--to far --fail-fast --json" })
  repeat
    task.sleep(0.05)
  until table.concat(run.err_parts):find("A3 -> far:acme/A3: comparing", 1, true)
  run.process:kill(2)
  w:finish(run)
  over = true
  e2e.expect(run, 130)
  t:eq(#run.doc.items, 6)
  for _, d in ipairs(run.doc.destinations) do
    t:eq(d.counts.failed, 3)
  end
  t:match(run.err, "to go on, give the list of algorithms on stdin again\n"
    .. "Interrupted%. To go on: godwit promote %-%-algorithms%-from %- "
    .. "%-%-from dev %-%-to prod %-%-to far %-%-fail%-fast")
  e2e.expect(w:run({ "promote", "acme/*", "--from", "dev", "--to", "far" }), 0)
end)

test("a destination that answers nobody holds up no other, from its key on",
function(t)
  local w = fleet(t, 2)
  w:add("far")
  local done = 0
  local fine = relay.start(t, w.far.api, function(seen, pass)
    if seen.method == "POST" and seen.path:find("/versions$") then
      local answer = pass()
      done = done + 1
      return answer
    end
  end)
  local silent = relay.start(t, w.prod.api, function()
    while done < 2 do
      task.sleep(0.05)
    end
  end)
  w:configure({ prod = { api = silent.url }, far = { api = fine.url } })
  local r = e2e.expect(w:promote({ "acme/*", "--to", "far" }), 0)
  t:eq(r.doc.counts.created, 4)
end)
