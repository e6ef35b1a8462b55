-- Two runs at once: each algorithm of a destination belongs to one of them at
-- a time, and nothing is done twice.
local e2e = require("support.e2e")
local fs = require("godwit.core.fs")
local relay = require("support.relay")
local sys = require("godwit.core.sys")
local task = require("godwit.task")

local HELLO = "acme/Hello"

-- The one lock file there is after a promotion of one algorithm.
local function lock_file(w)
  local dir = w.home .. "/.local/state/godwit/locks"
  local list = fs.list(dir)
  assert(#list == 1, #list)
  return dir .. "/" .. list[1].name
end

test("a run that finds another one at work waits, then says whose it is",
function(t)
  local w = e2e.seeded(t)
  e2e.expect(w:promote({ HELLO }), 0)
  local path = lock_file(w)
  t:match(path, "%-acme%-Hello%-%x+%.lock$")
  t:eq(fs.stat(path).mode & 511, 384)
  t:eq(fs.stat(path:match("^(.*)/")).mode & 511, 448)
  w.dev:commit(HELLO, { { path = "x", data = "1" } })
  local lock = assert(fs.lock(path))
  local run = w:start({ "promote", HELLO, "--from", "dev", "--to", "prod",
    "--json" }, { GODWIT_TEST_LOCK_PATIENCE = "1" })
  w:finish(run)
  e2e.expect(run, 11)
  t:eq(run.doc.items[1].kind, "locked")
  t:eq(run.doc.items[1].retryable, true)
  t:match(run.doc.items[1].why, "another run %(process %d+%) is promoting to "
    .. "prod:acme/Hello")
  t:match(run.err, "waiting for another run")
  -- Nothing to do takes no lock, and a plan none either.
  e2e.expect(w:promote({ HELLO, "-n" }), 0)
  run = w:start({ "promote", HELLO, "--from", "dev", "--to", "prod", "--json" })
  repeat
    task.sleep(0.05)
  until table.concat(run.err_parts):find("waiting for another run", 1, true)
  lock:close()
  w:finish(run)
  e2e.expect(run, 0)
  t:eq(run.doc.items[1].outcome, "updated")
end)

test("who waited looks again when the other one wrote", function(t)
  local w = e2e.seeded(t)
  e2e.expect(w:promote({ HELLO }), 0)
  w.dev:commit(HELLO, { { path = "x", data = "1" } })
  -- Held by us until the first run waits; then "another run" does all of it.
  local path = lock_file(w)
  local lock = assert(fs.lock(path))
  local run = w:start({ "promote", HELLO, "--from", "dev", "--to", "prod",
    "--json" })
  repeat
    task.sleep(0.05)
  until table.concat(run.err_parts):find("waiting for another run", 1, true)
  e2e.expect(w:promote({ HELLO, "--state-dir", w.dir .. "/other" }), 0)
  lock:note("0123456789abcdef done")
  lock:close()
  w:finish(run)
  e2e.expect(run, 0)
  t:eq(run.doc.items[1].outcome, "unchanged")
  t:eq(#w.prod:builds(HELLO), 2)
  t:eq(#w.prod:versions(HELLO), 2)
end)

test("a writer that was killed makes the next one look again", function(t)
  local w = e2e.seeded(t)
  e2e.expect(w:promote({ HELLO }), 0)
  local path = lock_file(w)
  local lock = assert(fs.lock(path))
  lock:note("0123456789abcdef at work")
  lock:close()
  w.dev:commit(HELLO, { { path = "x", data = "1" } })
  local r = e2e.expect(w:promote({ HELLO }), 0)
  t:eq(r.item.outcome, "updated")
  local _, looked = r.err:gsub("looking at both sides", "")
  t:eq(looked, 2)
end)

test("two runs of the same algorithms at once: each is published once",
function(t)
  local count = math.tointeger(tonumber(sys.env("GODWIT_TEST_LOCKS") or "50"))
  local w = e2e.world(t, function(dev)
    e2e.seed_fleet(dev, count)
  end)
  local argv = { "promote", "acme/*", "--from", "dev", "--to", "prod",
    "--json" }
  local runs = { w:start(argv), w:start(argv) }
  local made = 0
  for _, run in ipairs(runs) do
    e2e.expect(w:finish(run), 0)
    local c = run.doc.counts
    t:eq(c.created + c.unchanged, count)
    made = made + c.created
  end
  t:eq(made, count)
  for i = 1, count do
    t:eq(w.prod:versions("acme/A" .. i), { "0.1.0" })
    t:eq(#w.prod:builds("acme/A" .. i), 1)
  end
end)

-- The first run keeps the source's cached repository while its push waits for
-- the build; the second works in one of its own, which it closes in between.
local function beside_a_push(t, prepare)
  local w = e2e.seeded(t)
  w:add("far")
  prepare(w)
  local pushed, over
  local hangs = relay.start(t, w.prod.api, function(seen)
    while seen.method == "POST" and seen.path:find("receive%-pack$")
        and not over do
      pushed = true
      task.sleep(0.05)
    end
  end)
  w:configure({ prod = { api = hangs.url } })
  local one = w:start({ "promote", HELLO, "--from", "dev", "--to", "prod" })
  repeat
    task.sleep(0.02)
  until pushed
  local two = w:run({ "promote", HELLO, "--from", "dev", "--to", "far",
    "--json", "-v" })
  over = true
  e2e.expect(w:finish(one), 0)
  e2e.expect(two, 0)
  t:match(two.err, "fetching into a store of our own")
  return w, two.doc.items[1]
end

test("beside a run that keeps the cached repository: an update", function(t)
  local w, item = beside_a_push(t, function(w)
    e2e.expect(w:promote({ HELLO, "--to", "far" }), 0)
    w.dev:commit(HELLO, { { path = "x", data = "1" } })
  end)
  t:eq(item.outcome, "updated")
  t:eq(w.far:tip(HELLO), item.commit)
  t:eq(w.far:versions(HELLO), { "0.2.0", "0.1.0" })
end)

test("beside a run that keeps the cached repository: a new one", function(t)
  local w, item = beside_a_push(t, function() end)
  t:eq(item.outcome, "created")
  t:eq(w.far:tip(HELLO), item.commit)
  t:eq(w.far:versions(HELLO), { "0.1.0" })
  local cache = w.home .. "/.cache/godwit/git"
  t:eq(#fs.list(cache), 1) -- nothing of its own is left
end)
