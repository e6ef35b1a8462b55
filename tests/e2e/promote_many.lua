-- Several at once: one never hides another, counts reconcile, the exit code
-- says what became of them.
local e2e = require("support.e2e")
local relay = require("support.relay")
local task = require("godwit.task")

local function world(t)
  return e2e.world(t, function(dev, prod)
    for _, name in ipairs({ "One", "Two", "Three" }) do
      e2e.seed(dev, "acme/" .. name)
    end
    prod:options({ fail_builds = { ["acme/Two"] = true } })
  end)
end

test("one that fails never hides the others", function(t)
  local w = world(t)
  local r = e2e.expect(w:promote({ "acme/One", "acme/Two", "acme/Three" }),
    3)
  local words = {}
  for i, item in ipairs(r.items) do
    words[i] = item.ref .. " " .. item.outcome
  end
  t:eq(words, { "acme/One created", "acme/Two failed", "acme/Three created" })
  local sum = 0
  for _, n in pairs(r.doc.counts) do
    sum = sum + n
  end
  t:eq(sum, 3)
  t:eq(r.doc.exit, 3)
  t:eq(w.prod:versions("acme/Three"), { "0.1.0" })
end)

test("one that drifted is refused, the others go on", function(t)
  local w = e2e.world(t, function(dev)
    e2e.seed(dev, "acme/One")
    e2e.seed(dev, "acme/Two")
  end)
  e2e.expect(w:promote({ "acme/One", "acme/Two" }), 0)
  w.prod:commit("acme/One", { { path = "x", data = "1" } })
  w.dev:commit("acme/Two", { { path = "y", data = "1" } })
  local r = e2e.expect(w:promote({ "acme/One", "acme/Two" }), 3)
  t:eq(r.items[1].outcome, "refused")
  t:eq(r.items[2].outcome, "updated")
end)

test("a destination that is not there is temporary", function(t)
  local w = e2e.seeded(t)
  w:configure({ prod = { api = "http://127.0.0.1:1" } })
  local r = e2e.expect(w:promote({ "acme/Hello" }), 5)
  t:eq(r.item.outcome, "failed")
  t:eq(r.item.retryable, true)
end)

test("stdout is one JSON document, also when it fails", function(t)
  local w = world(t)
  for _, words in ipairs({ { "acme/Two" }, { "acme/One" }, { "acme/None" },
      { "bad name" } }) do
    local r = w:promote(words)
    t:ok(r.doc, r.out)
  end
end)

test("many at once, with a collection at every step of the program",
function(t)
  local names = {}
  local w = e2e.world(t, function(dev)
    for i = 1, 12 do
      names[i] = "acme/A" .. i
      e2e.seed(dev, names[i])
    end
  end)
  local r = e2e.expect(w:promote({ "--jobs", "12", table.unpack(names) },
    { GODWIT_GC_STRESS = "1" }), 0)
  t:eq(r.doc.counts.created, 12)
  r = e2e.expect(w:promote(names), 0)
  t:eq(r.doc.counts.unchanged, 12)
end)

test("two destinations: the source is fetched once, each gets its commit",
function(t)
  local w = e2e.world(t, function(dev)
    e2e.seed(dev, "acme/One")
    e2e.seed(dev, "acme/Two")
  end)
  local folder = w.dir .. "/stage"
  e2e.archive(folder, "stage")
  local words = { "acme/One", "acme/Two", "--to", folder }
  local r = e2e.expect(w:promote(words), 0)
  t:eq(r.doc.counts.created, 4)
  t:eq(r.items[1].to, "prod:acme/One")
  t:match(r.items[4].to, "stage:acme/Two")
  t:eq(r.items[1].source_commit, r.items[3].source_commit)
  r = e2e.expect(w:promote(words), 0)
  t:eq(r.doc.counts.unchanged, 4)
  r = w:promote({ "acme/One", "--to", "prod" })
  t:eq(r.code, 2)
  t:match(r.err .. r.out, "are one cluster")
end)

-- Four attempts are all there are: the first to ask has lost.
local function four_times(path)
  return function(seen)
    if seen.method == "GET" and seen.path == path and seen.n <= 4 then
      return { status = 502, headers = {}, body = "not now" }
    end
  end
end

test("what fails in passing for the first that reads a source is read again "
  .. "for the next", function(t)
  for _, path in ipairs({ "/v1/algorithms/acme/Hello",
      "/v1/algorithms/acme/Hello/versions" }) do
    local w = e2e.seeded(t)
    e2e.archive(w.dir .. "/stage", "stage")
    local from = relay.start(t, w.dev.api, four_times(path))
    w:configure({ dev = { api = from.url } })
    local words = { "acme/Hello", "--to", w.dir .. "/stage" }
    local r = e2e.expect(w:promote(words), 3)
    t:eq(r.doc.counts.created, 1, path)
    t:eq(r.doc.counts.failed, 1, path)
    r = e2e.expect(w:promote(words), 0)
    t:eq(r.doc.counts.created, 1)
    t:eq(r.doc.counts.unchanged, 1)
  end
end)

test("more jobs than the limit of open files has room for", function(t)
  local names = {}
  local w = e2e.world(t, function(dev)
    e2e.seed(dev, "acme/A1")
    for i = 2, 40 do
      names[i - 1] = "A" .. i
    end
    e2e.multiply(dev, "acme/A1", names)
  end)
  e2e.archive(w.dir .. "/stage", "stage")
  local r = w:finish(w:start_as({ "sh", "-c", "ulimit -n 128; exec "
    .. e2e.PROGRAM .. " promote 'acme/*' --from dev --to prod --to " .. w.dir
    .. "/stage -j 256 --json" }))
  e2e.expect(r, 0)
  t:eq(r.doc.counts.created, 80)
  t:match(r.err, "2 at a time for each destination instead of 256: the limit of "
    .. "open files is 128")
end)

test("--fail-fast: once one has failed nothing more is begun", function(t)
  local w = e2e.world(t, function(dev, prod)
    for _, name in ipairs({ "One", "Two", "Three" }) do
      e2e.seed(dev, "acme/" .. name)
    end
    prod:options({ fail_builds = { ["acme/One"] = true } })
  end)
  local words = { "acme/One", "acme/Two", "acme/Three" }
  local r = e2e.expect(w:promote({ "--fail-fast", "-j", "1",
    table.unpack(words) }), 1)
  t:eq(r.items[1].outcome, "failed")
  for i = 2, 3 do
    t:eq(r.items[i].outcome, "refused")
    t:match(r.items[i].why, "not started: acme/One failed")
    t:eq(w.prod:get(words[i]), nil)
  end
  -- What is under way comes to its end.
  local both
  local to = relay.start(t, w.prod.api, function(seen, pass)
    if seen.method ~= "POST" or not seen.path:find("receive%-pack$") then
      return nil
    elseif seen.path:find("One") then
      while not both do
        task.sleep(0.02)
      end
    else
      both = true
      local answer = pass()
      task.sleep(1)
      return answer
    end
  end)
  w:configure({ prod = { api = to.url, more = 'id = "prod"' } })
  w.dev:commit("acme/One", { { path = "x", data = "1" } })
  r = w:promote({ "--fail-fast", "-j", "2", "acme/One", "acme/Two" })
  t:eq({ r.items[1].outcome, r.items[2].outcome }, { "failed", "created" })
  t:eq(w.prod:versions("acme/Two"), { "0.1.0" })
end)
