-- Somebody else, slow builds, lost answers: what a promotion does when it is
-- not alone.
local e2e = require("support.e2e")
local relay = require("support.relay")
local task = require("godwit.task")

local HELLO = "acme/Hello"

-- A world whose destination is reached through a relay.
local function through(t, on, opts)
  local w, source = e2e.seeded(t, opts)
  local to = relay.start(t, w.prod.api, on and function(seen, pass)
    return on(w, seen, pass)
  end)
  w:configure({ prod = { api = to.url } })
  return w, to, source
end

local function is_builds(seen)
  return seen.method == "GET" and seen.path:find("/builds$") ~= nil
end

local function is_publish(seen)
  return seen.method == "POST" and seen.path:find("/versions$") ~= nil
end

local function is_push(seen)
  return seen.method == "POST"
    and seen.path:find("/git%-receive%-pack$") ~= nil
end

test("a push between our build and our check: not published, told whose",
function(t)
  local foreign
  local w, to = through(t, function(w, seen, pass)
    -- After our call, before the builds are looked at for publishing.
    if seen.method == "POST" and seen.path:find("^/v1/algo/") then
      local answer = pass()
      foreign = w.prod:commit(HELLO, { { path = "theirs", data = "1" } },
        { author = "Mallory", message = "quick fix\n" })
      return answer
    end
  end)
  local r = e2e.expect(w:promote({ HELLO }), 1)
  t:ok(foreign)
  t:eq(r.item.outcome, "failed")
  t:match(r.item.why, "not published")
  t:match(r.item.why, foreign)
  t:match(r.item.why, "Mallory")
  t:eq(w.prod:versions(HELLO), {})
  t:eq(to:count("POST /v1/algorithms/acme/Hello/versions"), 0)
end)

test("a push between check and publish is reported as what it is",
function(t)
  local foreign
  local w = through(t, function(w, seen)
    if is_publish(seen) and not foreign then
      foreign = w.prod:commit(HELLO, { { path = "theirs", data = "1" } },
        { author = "Mallory", message = "quick fix\n" })
    end
  end)
  local r = e2e.expect(w:promote({ HELLO }), 1)
  t:eq(r.item.outcome, "failed")
  t:match(r.item.why, "released as 0%.1%.0")
  t:match(r.item.why, foreign)
  t:match(r.item.why, "Mallory")
  t:eq(w.prod:versions(HELLO), { "0.1.0" })
end)

-- (A build longer than the stall limit: tests/lua/git_nginx.lua.)
test("a build of some seconds is waited for with the push", function(t)
  local w = e2e.seeded(t, { prod = { args = { "--build-seconds", "4" } } })
  local r = e2e.expect(w:promote({ HELLO }), 0)
  t:eq(r.item.version, "0.1.0")
end)

test("a proxy that cuts the waiting push: settled by looking, pushed once",
function(t)
  local w, to = through(t, function(_, seen, pass)
    if is_push(seen) then
      task.spawn(pass)
      task.sleep(0.5)
      return "cut"
    end
  end, { prod = { args = { "--build-seconds", "2" } } })
  local r = e2e.expect(w:promote({ HELLO }), 0)
  t:eq(r.item.version, "0.1.0")
  t:eq(to:count("POST /git/acme/Hello.git/git-receive-pack"), 1)
  t:eq(#w.prod:read(HELLO).history, 2)
  t:eq(#w.prod:builds(HELLO), 1)
end)

test("a build that fails is told with its log's end and never published",
function(t)
  local w = e2e.world(t, function(dev, prod)
    e2e.seed(dev)
    prod:options({ fail_builds = true })
  end)
  local r = e2e.expect(w:promote({ HELLO }), 1)
  t:eq(r.item.outcome, "failed")
  t:match(r.item.why, "the build of %x+ failed; its log ends:$")
  t:ok(#r.item.log > 0 and not r.item.log[1]:find("\n"))
  t:match(table.concat(r.item.log, "\n"), "ERROR")
  t:eq(w.prod:versions(HELLO), {})
  -- Repaired there, the same command goes on without a second commit.
  w.prod:stop()
  w.prod:options({})
  w.prod:start()
  w:configure()
  r = e2e.expect(w:promote({ HELLO }), 0)
  t:eq(r.item.version, "0.1.0")
  t:eq(#w.prod:read(HELLO).history, 2)
end)

test("a build that takes longer than --build-timeout is given up on",
function(t)
  local w = e2e.seeded(t, { prod = { args = { "--build-seconds", "60" } } })
  local r = e2e.expect(w:promote({ HELLO, "--build-timeout", "2" }), 5)
  t:eq(r.item.outcome, "failed")
  t:eq(r.item.retryable, true)
  t:eq(w.prod:versions(HELLO), {})
end)

test("a lost answer to publish is settled by looking: published once",
function(t)
  local w, to = through(t, function(_, seen, pass)
    if is_publish(seen) and seen.n == 1 then
      pass()
      return "cut"
    end
  end)
  local r = e2e.expect(w:promote({ HELLO }), 0)
  t:eq(r.item.version, "0.1.0")
  t:eq(w.prod:versions(HELLO), { "0.1.0" })
  t:eq(to:count("POST /v1/algorithms/acme/Hello/versions"), 1)
end)

test("a lost answer to create is settled by looking", function(t)
  local w = through(t, function(_, seen, pass)
    if seen.method == "POST" and seen.path == "/v1/algorithms/acme"
        and seen.n == 1 then
      pass()
      return "cut"
    end
  end)
  local r = e2e.expect(w:promote({ HELLO }), 0)
  t:eq(r.item.outcome, "created")
end)

test("an algorithm that raises when called is not published", function(t)
  local w = through(t, function(_, seen)
    if seen.path:find("^/v1/algo/") then
      return { status = 200, headers = { ["Content-Type"] =
        "application/json" }, body =
        '{"error":{"message":"no module named numpy","stacktrace":"x"},'
        .. '"metadata":{"duration":0.1}}' }
    end
  end)
  local r = e2e.expect(w:promote({ HELLO }), 1)
  t:match(r.item.why, "no module named numpy")
  t:eq(w.prod:versions(HELLO), {})
  r = e2e.expect(w:promote({ HELLO, "--no-call" }), 0)
  t:eq(r.item.version, "0.1.0")
  t:eq(#w.prod:builds(HELLO), 1)
end)

test("a fresh build that callers do not know yet is called again",
function(t)
  local w = through(t, function(_, seen)
    if seen.path:find("^/v1/algo/") and seen.n <= 2 then
      return { status = 200, headers = { ["Content-Type"] =
        "application/json" }, body =
        '{"error":{"message":"unknown version hash"}}' }
    end
  end)
  e2e.expect(w:promote({ HELLO }), 0)
end)

test("somebody pushing at the same time: refused by the server, told",
function(t)
  local pushed
  local w = through(t, function(w, seen)
    if is_push(seen) and not pushed then
      pushed = w.prod:commit(HELLO, { { path = "theirs", data = "1" } })
    end
  end)
  local r = w:promote({ HELLO })
  t:eq(r.item.outcome, "failed")
  t:eq(r.code, 1)
  t:match(r.item.why, "somebody pushed")
  t:eq(w.prod:tip(HELLO), pushed)
  t:eq(w.prod:versions(HELLO), {})
end)

test("killed between push and publish, a repeat publishes once", function(t)
  local w, to
  local run
  w, to = through(t, function(_, seen)
    if is_publish(seen) and run then
      run.process:kill(9)
      run = nil
      return "cut"
    end
  end)
  run = w:start({ "promote", HELLO, "--from", "dev", "--to", "prod" })
  w:finish(run or error("not started"))
  t:eq(w.prod:versions(HELLO), {})
  local tip = w.prod:tip(HELLO)
  to:clear()
  local r = e2e.expect(w:promote({ HELLO }), 0)
  t:eq(r.item.version, "0.1.0")
  t:eq(w.prod:versions(HELLO), { "0.1.0" })
  t:eq(w.prod:tip(HELLO), tip)
  t:eq(to:count("POST /git/"), 0)
  e2e.expect(w:promote({ HELLO }), 0)
  t:eq(w.prod:versions(HELLO), { "0.1.0" })
end)

test("killed after publish, before it was recorded: nothing twice",
function(t)
  local w, run
  w = through(t, function(_, seen, pass)
    if is_publish(seen) and run then
      pass()
      run.process:kill(9)
      run = nil
      return "cut"
    end
  end)
  run = w:start({ "promote", HELLO, "--from", "dev", "--to", "prod" })
  w:finish(run)
  t:eq(w.prod:versions(HELLO), { "0.1.0" })
  local r = e2e.expect(w:promote({ HELLO }), 0)
  t:eq(r.item.outcome, "unchanged")
  t:eq(r.item.version, "0.1.0")
  t:eq(w.prod:versions(HELLO), { "0.1.0" })
end)

test("the destination's server dies during the build: the same command goes on",
function(t)
  local w = e2e.seeded(t, { prod = { args = { "--build-seconds", "3" } } })
  local run = w:start({ "promote", HELLO, "--from", "dev", "--to", "prod",
    "--json" })
  for _ = 1, 100 do
    task.sleep(0.1)
    if w.prod:get(HELLO) and #w.prod:builds(HELLO) > 0 then
      break
    end
  end
  w.prod:stop(9)
  task.sleep(0.3)
  w.prod:start()
  w:finish(run)
  local r = e2e.expect(w:promote({ HELLO }), 0)
  t:eq(w.prod:versions(HELLO), { "0.1.0" })
  t:eq(#w.prod:read(HELLO).history, 2)
  t:ok(r.item.outcome == "updated" or r.item.outcome == "unchanged")
end)

test("SIGUSR1 while a push waits for its build says where it is", function(t)
  local w = e2e.seeded(t, { prod = { args = { "--build-seconds", "3" } } })
  local run = w:start({ "promote", HELLO, "--from", "dev", "--to", "prod" })
  for _ = 1, 100 do
    task.sleep(0.1)
    if w.prod:get(HELLO) and #w.prod:builds(HELLO) > 0 then
      break
    end
  end
  run.process:kill(10)
  e2e.expect(w:finish(run), 0)
  t:match(run.err, "In progress: 1, for %d+ s\n  acme/Hello: %w+ing")
  t:no(run.err:find("table:", 1, true))
end)

test("Ctrl-C: no new work, what was done is told, and the way to go on",
function(t)
  local w = e2e.seeded(t, { prod = { args = { "--build-seconds", "30" } } })
  local run = w:start({ "promote", HELLO, "--from", "dev", "--to", "prod",
    "--json" })
  for _ = 1, 100 do
    task.sleep(0.1)
    if w.prod:get(HELLO) and #w.prod:builds(HELLO) > 0 then
      break
    end
  end
  run.process:kill(2)
  w:finish(run)
  t:eq(run.code, 130)
  t:match(run.err, "godwit promote acme/Hello")
  t:eq(run.doc.items[1].outcome, "failed")
  t:match(run.doc.items[1].why, "interrupted at the step push")
  t:eq(run.doc.items[1].steps[1].step, "create")
end)

test("a cached repository in use is not pruned", function(t)
  local w = e2e.seeded(t, { prod = { args = { "--build-seconds", "2" } } })
  local run = w:start({ "promote", HELLO, "--from", "dev", "--to", "prod",
    "--json" })
  for _ = 1, 100 do
    task.sleep(0.05)
    if w.prod:get(HELLO) and #w.prod:builds(HELLO) > 0 then
      break
    end
  end
  local prune = { "cache", "prune", "--max-size", "0", "--json" }
  t:eq(#e2e.expect(w:run(prune), 0).doc.in_use, 1)
  e2e.expect(w:finish(run), 0)
  t:eq(#e2e.expect(w:run(prune), 0).doc.removed, 1)
  t:eq(e2e.expect(w:promote({ HELLO }), 0).item.outcome, "unchanged")
end)
