-- A whole fleet to three destinations: one that fails at random steps, one that
-- is slow, one that is fine. What fails there harms no other; a second run
-- brings everything to its end.
local e2e = require("support.e2e")
local relay = require("support.relay")
local sys = require("godwit.core.sys")

local COUNT = math.tointeger(tonumber(sys.env("GODWIT_TEST_FLEET") or "300"))
local SEED = math.tointeger(tonumber(sys.env("GODWIT_TEST_SEED") or "7"))
local FAULTS = 25 -- one request of so many goes wrong
local BAD_BUILDS = 17 -- one algorithm of so many does not build there

-- A generator of our own: the same faults on every machine.
local function dice(seed)
  local state = seed
  return function(n)
    state = (state * 6364136223846793005 + 1442695040888963407)
    return (state >> 33) % n
  end
end

local function answer(status, headers)
  return { status = status, headers = headers or {}, body = "told to fail" }
end

-- What goes wrong: the answer is lost, the connection is cut before anything
-- was done, the server is broken or busy.
local function faulty(roll, faults)
  return function(seen, pass)
    if faults.off or roll(FAULTS) > 0 then
      return nil
    end
    faults.count = faults.count + 1
    local what = roll(8)
    if what < 3 then
      pass()
      return "cut"
    elseif what < 4 and not seen.path:find("receive%-pack") then
      return "cut"
    elseif what < 6 then
      return answer(500)
    end
    return answer(503, { ["Retry-After"] = "0" })
  end
end

local function small(dev, ref)
  dev:create(ref)
  dev:commit(ref, { { path = "src/a.txt", data = "1" } })
  dev:publish(ref)
end

local function world(t)
  local w = e2e.world(t, function(dev)
    e2e.seed_fleet(dev, COUNT, small)
  end)
  w:add("slow", { args = { "--delay", "0.05", "--build-seconds", "0" } })
  local fail = {}
  for i = BAD_BUILDS, COUNT, BAD_BUILDS do
    fail["acme/A" .. i] = true
  end
  w:add("flaky", { options = { fail_builds = fail } })
  return w
end

local function promote(w)
  return w:run({ "promote", "acme/*", "--from", "dev", "--to", "prod", "--to",
    "slow", "--to", "flaky", "--json", "--quiet" })
end

local function sum(counts)
  local n = 0
  for _, one in pairs(counts) do
    n = n + one
  end
  return n
end

local function counts_of(t, r)
  local of, all = {}, 0
  for _, d in ipairs(r.doc.destinations) do
    of[d.name] = d.counts
    all = all + sum(d.counts)
    t:eq(sum(d.counts), COUNT, d.name)
  end
  t:eq(all, 3 * COUNT)
  t:eq(#r.doc.items, 3 * COUNT)
  t:eq(sum(r.doc.counts), 3 * COUNT)
  return of
end

-- How often the busiest line of an algorithm was asked for.
local function most(log)
  local times, max = {}, 0
  for _, line in ipairs(log) do
    times[line] = (times[line] or 0) + 1
    max = line:find("A%d") and math.max(max, times[line]) or max
  end
  return max
end

test("a fleet to three destinations, one of them failing, one slow",
function(t)
  local w = world(t)
  local faults = { count = 0 }
  local from = relay.start(t, w.dev.api)
  local flaky = relay.start(t, w.flaky.api, faulty(dice(SEED), faults))
  -- Its identity is not its address: the second run comes another way.
  w:configure({ dev = { api = from.url },
    flaky = { api = flaky.url, more = 'id = "flaky"' } })

  local r = e2e.expect(promote(w), 3)
  local of = counts_of(t, r)
  t:eq(of.prod.created, COUNT)
  t:eq(of.slow.created, COUNT)
  t:ok(of.flaky.failed >= COUNT // BAD_BUILDS, "nothing failed")
  t:ok(of.flaky.created > 0, "nothing arrived")
  t:ok(faults.count > 0, "nothing went wrong")
  -- Each thing of the source is read once, however many want it.
  t:eq(most(from.log), 1)

  w.flaky:stop()
  w.flaky:options({})
  w.flaky:start()
  w:configure({ flaky = { more = 'id = "flaky"' } })
  r = e2e.expect(promote(w), 0)
  of = counts_of(t, r)
  t:eq(of.prod.unchanged, COUNT)
  t:eq(of.slow.unchanged, COUNT)
  for i = 1, COUNT, 7 do
    t:eq(w.flaky:versions("acme/A" .. i), { "0.1.0" })
  end
end, 800)
