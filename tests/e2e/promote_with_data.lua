-- promote --with-data: the collections that the code names are there before it.
local e2e = require("support.e2e")
local json = require("godwit.core.json")
local relay = require("support.relay")

local PUBLIC = json.array({ "user://*" })

-- What waits between the program and a cluster may misbehave.
local function behind(t, w, on)
  local r = relay.start(t, w.prod.api, on)
  w:configure({ prod = { api = r.url } })
  return r
end

local function names(box, ref, text)
  box:commit(ref, { { path = "src/extra.py", data = text } })
end

local function world(t, more)
  return e2e.world(t, function(dev, prod)
    e2e.seed(dev, "acme/One")
    e2e.seed(dev, "acme/Two")
    dev:put("acme", "models", "a.bin", "first", PUBLIC)
    dev:put("acme", "models", "b c+d%.bin", "second")
    names(dev, "acme/One", "M = 'data://acme/models/a.bin'\n")
    names(dev, "acme/Two", "M = 'data://.my/models'\nG = 'data://acme/gone'\n")
    if more then
      more(dev, prod)
    end
  end)
end

local function step(item, name)
  for _, s in ipairs(item.steps) do
    if s.step == name then
      return s.symbol .. " " .. s.text
    end
  end
end

test("its collections come first, and again when they changed", function(t)
  local w = world(t)
  local r = e2e.expect(w:promote({ "acme/One", "--with-data", "-n" }), 0)
  t:eq(step(r.items[1], "data"), "+ data://acme/models, 2 files")
  t:eq(w.prod:files("acme", "models"), nil)

  r = e2e.expect(w:promote({ "acme/One", "--with-data" }), 0)
  t:eq(r.items[1].steps[1].step, "data")
  local files, acl = w.prod:files("acme", "models")
  t:eq(files, { ["a.bin"] = "first", ["b c+d%.bin"] = "second" })
  t:eq(acl, PUBLIC)

  r = e2e.expect(w:promote({ "acme/One", "--with-data" }), 0)
  t:eq(r.items[1].outcome, "unchanged")
  w.dev:put("acme", "models", "a.bin", "third")
  -- Without the flag nothing is asked about data.
  r = e2e.expect(w:promote({ "acme/One" }), 0)
  t:eq(r.items[1].outcome, "unchanged")
  r = e2e.expect(w:promote({ "acme/One", "--with-data" }), 0)
  t:eq(r.items[1].outcome, "updated")
  t:eq(w.prod:files("acme", "models")["a.bin"], "third")
  t:eq(w.prod:versions("acme/One"), { "0.1.0" })
end)

test("what several name is copied once; what is not there is named", function(t)
  local w = world(t)
  local r = e2e.expect(w:promote({ "acme/One", "acme/Two", "--with-data" }), 0)
  t:eq(step(r.items[1], "data"), "+ data://acme/models, 2 files")
  t:eq(step(r.items[2], "data"), "+ data://acme/models, 2 files")
  t:match(table.concat(r.items[2].warnings, "\n"),
    "src/extra.py:2 names data://acme/gone, which dev does not have")
end)

test("to another owner it is the other owner's", function(t)
  local w = world(t)
  e2e.expect(w:promote({ "acme/One", "--to-owner", "alice", "--with-data" }), 0)
  t:eq(w.prod:files("alice", "models")["a.bin"], "first")
  t:eq(w.prod:files("acme", "models"), nil)
end)

test("without its data an algorithm is not begun", function(t)
  local w = world(t, function(_, prod)
    prod:options({ refuse_acl = true })
  end)
  local r = e2e.expect(w:promote({ "acme/One", "acme/Two", "--with-data" }), 1)
  for _, item in ipairs(r.items) do
    t:eq(item.outcome, "failed")
    t:match(item.why, "the collection acme/models was not copied")
  end
  t:eq(w.prod:get("acme/One"), nil)
end)

test("which file did not arrive, and why, is said", function(t)
  local w = world(t)
  behind(t, w, function(seen)
    if seen.method == "PUT" and seen.path:find("/models/a%.bin$") then
      return { status = 403, headers = { ["Content-Type"] =
        "application/json" }, body = '{"error":{"message":"read-only"}}' }
    end
  end)
  local r = e2e.expect(w:promote({ "acme/One", "--with-data" }), 1)
  t:match(r.items[1].why, 'acme/models was not copied: 1 of %d files? failed; '
    .. 'the first: "a.bin": writing it: .*403: read%-only')
end)

-- What stands against it, in the words of a person who reads it.
local BOTH = "data://acme/models and data://alice/models would both be "
  .. "data://alice/models on prod"

test("two collections of the source never become one", function(t)
  local w = world(t, function(dev)
    e2e.seed(dev, "alice/Lab")
    e2e.seed(dev, "acme/Both")
    dev:put("alice", "models", "c.bin", "of alice", PUBLIC)
    names(dev, "alice/Lab", "M = 'data://.my/models'\n")
    names(dev, "acme/Both", "M = 'data://acme/models data://alice/models'\n")
  end)
  local function refused(refs)
    for _, more in ipairs({ "-n", "--keep-going", "--fail-fast" }) do
      local r = w:promote({ more, "--to-owner", "alice", "--with-data",
        table.unpack(refs) })
      e2e.expect(r, 6)
      t:eq(#r.items, #refs)
      for i, item in ipairs(r.items) do
        t:eq({ item.ref, item.outcome, item.problems }, { refs[i], "refused",
          { BOTH } })
      end
      t:eq(w.prod:files("alice", "models"), nil)
    end
  end
  refused({ "acme/One", "alice/Lab" })
  refused({ "acme/Both" })
  -- A script's steps are the same ones.
  local r = w:run({ "eval", [[local dev, prod = godwit.cluster "dev",
    godwit.cluster "prod"
    log.info("%s", copy.algorithm(dev.algorithms:get "acme/Both", prod,
      { to_owner = "alice", with_data = true }).why)]], "--allow-write",
    "prod" })
  t:match(r.all, BOTH)
  -- Without the other each goes its way.
  r = w:promote({ "acme/One", "--to-owner", "alice", "--with-data" })
  t:eq(e2e.expect(r, 0).item.outcome, "created")
  t:eq(w.prod:files("alice", "models")["a.bin"], "first")
end)

test("within one cluster what keeps its place stays", function(t)
  local w = world(t, function(dev)
    dev:put("bob", "pub", "p.bin", "of bob", PUBLIC)
    names(dev, "acme/One", "M = 'data://.my/models data://bob/pub'\n")
  end)
  local function within(...)
    local r = w:run({ "promote", "acme/One", "--from", "dev", "--to", "dev",
      "--to-owner", "alice", "--with-data", "--json", ... })
    return e2e.expect(r, 0).doc.items[1]
  end
  local function data_steps(item)
    local list = {}
    for _, s in ipairs(item.steps) do
      list[#list + 1] = s.step == "data" and s.symbol .. " " .. s.text or nil
    end
    return list
  end
  local STAYS = "= data://bob/pub, which dev has already"
  for _, flag in ipairs({ "-n", "--quiet" }) do
    t:eq(data_steps(within(flag)), { "+ data://alice/models, 2 files", STAYS })
  end
  t:eq(w.dev:files("alice", "models")["a.bin"], "first")
  t:eq(w.dev:files("bob", "pub"), { ["p.bin"] = "of bob" })
  local item = within()
  t:eq(item.outcome, "unchanged")
  t:eq(data_steps(item), { "= data://alice/models, 2 files", STAYS })
end)

local function is_put(seen, name)
  return seen.method == "PUT" and seen.path:find(name, 1, true) ~= nil
end

test("one that does not arrive whole among good ones", function(t)
  local w = world(t, function(dev)
    dev:put("acme", "good", "g.bin", "good", PUBLIC)
    e2e.seed(dev, "acme/Three")
    names(dev, "acme/Three", "M = 'data://acme/models data://acme/good'\n")
    names(dev, "acme/Two", "M = 'data://acme/good'\n")
  end)
  behind(t, w, function(seen)
    if is_put(seen, "/models/a.bin") then
      return { status = 400, headers = { ["Content-Type"] =
        "application/json" }, body = '{"error":{"message":"no a here"}}' }
    end
  end)
  local words = { "acme/One", "acme/Two", "acme/Three", "--with-data" }
  local r = e2e.expect(w:promote(words), 3)
  t:eq(r.doc.counts.failed, 2)
  t:eq({ r.items[1].outcome, r.items[2].outcome, r.items[3].outcome },
    { "failed", "created", "failed" })
  for _, i in ipairs({ 1, 3 }) do
    t:match(r.items[i].why, "the collection acme/models was not copied")
    t:eq(w.prod:get(r.items[i].ref), nil)
  end
  t:eq(w.prod:files("acme", "good"), { ["g.bin"] = "good" })
  local files, acl = w.prod:files("acme", "models")
  t:eq(files, { ["b c+d%.bin"] = "second" })
  t:eq(acl, {}) -- nobody reads half of it

  w:configure()
  r = e2e.expect(w:promote(words), 0)
  t:eq({ r.items[1].outcome, r.items[2].outcome, r.items[3].outcome },
    { "created", "unchanged", "created" })
  t:eq(step(r.items[2], "data"), "= data://acme/good, 1 file")
  files, acl = w.prod:files("acme", "models")
  t:eq(files, { ["a.bin"] = "first", ["b c+d%.bin"] = "second" })
  t:eq(acl, PUBLIC)
end)

-- Each write of a first run; the collection's come before the algorithm's.
local WRITES = {
  { "the collection", "POST", "^/v1/data/acme$" },
  { "its file", "PUT", "/models/b" },
  { "its readers", "PATCH", "^/v1/data/acme/models$" },
  { "the algorithm", "POST", "^/v1/algorithms/acme$" },
  { "the push", "POST", "/git%-receive%-pack$" },
  { "the publish", "POST", "/versions$" },
}

test("killed at a write and run again: nothing comes twice", function(t)
  for _, after in ipairs({ false, true }) do
    local w = world(t)
    local to = behind(t, w)
    for _, write in ipairs(WRITES) do
      w:killed_at(t, to, write, after, { "promote", "acme/One", "--from",
        "dev", "--to", "prod", "--with-data" })
    end
    local r = e2e.expect(w:promote({ "acme/One", "--with-data" }), 0)
    t:eq(step(r.item, "data"), "= data://acme/models, 2 files")
    local files, acl = w.prod:files("acme", "models")
    t:eq(files, { ["a.bin"] = "first", ["b c+d%.bin"] = "second" })
    t:eq(acl, PUBLIC)
    t:eq(w.prod:versions("acme/One"), { "0.1.0" })
    t:eq(#w.prod:builds("acme/One"), 1)
    t:eq(w.prod:read("acme/One").files, w.dev:read("acme/One").files)
    to:clear()
    r = e2e.expect(w:promote({ "acme/One", "--with-data" }), 0)
    t:eq(r.item.outcome, "unchanged")
    for _, method in ipairs({ "PUT", "PATCH", "POST", "DELETE" }) do
      t:eq(to:count(method), 0)
    end
  end
end)

test("changed at the destination: as the source again, nothing deleted",
  function(t)
    local w = world(t)
    e2e.expect(w:promote({ "acme/One", "--with-data" }), 0)
    -- From its second run on a ledger knows a file by its own time.
    e2e.expect(w:promote({ "acme/One", "--with-data" }), 0)
    w.prod:put("acme", "models", "a.bin", "FIRST") -- of the same size
    w.prod:put("acme", "models", "more.bin", "theirs", {})
    local r = e2e.expect(w:promote({ "acme/One", "--with-data", "-n" }), 0)
    t:eq(step(r.item, "data"), "~ data://acme/models, 2 files")
    t:eq(w.prod:files("acme", "models")["a.bin"], "FIRST")
    r = e2e.expect(w:promote({ "acme/One", "--with-data" }), 0)
    t:eq({ r.item.outcome, step(r.item, "data") },
      { "updated", "~ data://acme/models, 2 files" })
    local files, acl = w.prod:files("acme", "models")
    t:eq(files, { ["a.bin"] = "first", ["b c+d%.bin"] = "second",
      ["more.bin"] = "theirs" })
    t:eq(acl, PUBLIC)
    t:eq(w.prod:versions("acme/One"), { "0.1.0" })
    r = e2e.expect(w:promote({ "acme/One", "--with-data" }), 0)
    t:eq(r.item.outcome, "unchanged")
  end)
