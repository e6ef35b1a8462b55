-- Many algorithms by glob and by file, and what several destinations give.
local e2e = require("support.e2e")
local fs = require("godwit.core.fs")
local relay = require("support.relay")

local function world(t, more)
  return e2e.world(t, function(dev, prod)
    for _, name in ipairs({ "FraudA", "FraudB", "Tokenize" }) do
      e2e.seed(dev, "acme/" .. name)
    end
    e2e.seed(dev, "alice/FraudC")
    if more then
      more(dev, prod)
    end
  end)
end

local function refs(r)
  local list = {}
  for i, item in ipairs(r.items) do
    list[i] = item.ref
  end
  return list
end

test("a glob means what its owner has; the file adds to it", function(t)
  local w = world(t)
  local r = e2e.expect(w:promote({ "acme/Fraud*", "-n" }), 0)
  t:eq(refs(r), { "acme/FraudA", "acme/FraudB" })
  assert(fs.write(w.home .. "/list.txt",
    "# what they want\nacme/Tokenize\nacme/*B\n"))
  r = e2e.expect(w:promote({ "acme/FraudA", "--algorithms-from", "list.txt",
    "-n" }), 0)
  t:eq(refs(r), { "acme/FraudA", "acme/Tokenize", "acme/FraudB" })
  -- As editors elsewhere write it.
  assert(fs.write(w.home .. "/list.txt", "\u{FEFF}acme/FraudA\r\n\r\n"
    .. "acme/Fraud?\t# both\r\n"))
  r = e2e.expect(w:promote({ "--algorithms-from", "list.txt", "-n" }), 0)
  t:eq(refs(r), { "acme/FraudA", "acme/FraudB" })
  assert(fs.write(w.home .. "/list.txt", "acme/FraudA\n\u{FEFF}acme/FraudB\n"))
  r = e2e.expect(w:promote({ "--algorithms-from", "list.txt", "-n" }), 2)
  t:match(r.doc.error.message, "list%.txt:2: ")
end)

test("the list may come from stdin", function(t)
  local w = world(t)
  local r = w:finish(w:start_as({ "sh", "-c", "printf 'acme/FraudA\\n# x\\n"
    .. "acme/Tokenize\\n' | " .. e2e.PROGRAM .. " promote --algorithms-from - "
    .. "--from dev --to prod --json -n" }))
  e2e.expect(r, 0)
  t:eq(#r.doc.items, 2)
end)

test("a glob that matches nothing, and a bad line, end it with 2", function(t)
  local w = world(t)
  local r = e2e.expect(w:promote({ "acme/X*", "acme/FraudA", "nobody/*" }), 2)
  t:match(r.doc.error.message, "'acme/X%*', 'nobody/%*'")
  assert(fs.write(w.home .. "/list.txt", "acme/FraudA\nacme FraudB\n"))
  r = e2e.expect(w:promote({ "--algorithms-from", "list.txt" }), 2)
  t:match(r.doc.error.message, "list%.txt:2: ")
  t:eq(w.prod:get("acme/FraudA"), nil)
end)

test("owners without a key are all named, before anything else", function(t)
  local w = world(t, function(dev)
    e2e.seed(dev, "bob/Other")
  end)
  w:configure({ prod = { more = "user = 'alice'" } })
  local path = w.home .. "/.config/godwit/config.lua"
  local text = fs.read(path, 65536):gsub('prod = (.-)key = env "PROD_KEY"',
    'prod = %1key = function(owner) return ({ acme = env "PROD_KEY" })[owner] '
    .. 'end')
  assert(fs.write(path, text, 384))
  local r = e2e.expect(w:promote({ "acme/Fraud*", "alice/FraudC", "bob/Other",
    "--no-call" }), 3)
  t:match(r.err, "no usable key for alice on prod, bob on prod")
  t:eq(r.doc.counts.created, 2)
  t:eq(r.doc.counts.refused, 2)
  t:match(r.items[3].why, "no key for the owner alice")
  -- With --fail-fast nothing is begun.
  w.dev:commit("acme/FraudA", { { path = "x", data = "1" } })
  r = e2e.expect(w:promote({ "acme/Fraud*", "bob/Other", "--fail-fast" }), 3)
  t:eq(r.doc.counts.updated, 0)
end)

test("counts are given per destination, in text and JSON", function(t)
  local w = world(t)
  local stage = w.dir .. "/stage"
  e2e.archive(stage, "stage")
  w.prod:options({ fail_builds = { ["acme/FraudB"] = true } })
  w.prod:stop()
  w.prod:start()
  w:configure()
  local r = e2e.expect(w:promote({ "acme/Fraud*", "--to", stage }), 3)
  t:eq(#r.doc.destinations, 2)
  local first, second = r.doc.destinations[1], r.doc.destinations[2]
  t:eq({ first.name, first.counts.created, first.counts.failed },
    { "prod", 1, 1 })
  t:eq({ second.counts.created, second.counts.failed }, { 2, 0 })
  r = w:run({ "promote", "acme/Fraud*", "--from", "dev", "--to", "prod",
    "--to", stage, "-n" })
  t:match(r.out, "\nprod: [^\n]+%.\n")
  t:match(r.out, "stage: 2 unchanged%.\n")
end)

test("a glob over owners asks who there is, with the admin key", function(t)
  local w = world(t)
  local r = w:promote({ "*/Fraud*", "-n" })
  t:ok(r.code ~= 0)
  t:match(r.doc.error.message, "admin_key")
  w:configure({ dev = { more = 'admin_key = env "ADMIN"' } })
  r = e2e.expect(w:promote({ "*/Fraud*", "-n" }, { ADMIN = w.dev.admin_key }),
    0)
  t:eq(refs(r), { "acme/FraudA", "acme/FraudB", "alice/FraudC" })
  r = e2e.expect(w:promote({ "a*e/*C", "-n" }, { ADMIN = w.dev.admin_key }), 0)
  t:eq(refs(r), { "alice/FraudC" })
end)

test("--fail-fast: a hole at one destination stops all of them", function(t)
  local w = world(t)
  local stage = w.dir .. "/stage"
  e2e.archive(stage, "stage")
  e2e.expect(w:promote({ "acme/FraudA" }), 0)
  w.prod:commit("acme/FraudA", { { path = "x", data = "theirs" } })
  local r = e2e.expect(w:promote({ "acme/Fraud*", "--to", stage,
    "--fail-fast" }), 6)
  t:eq(r.doc.counts.refused, 4)
  t:match(r.items[1].why, "drifted")
  t:match(r.items[4].why, "not started")
end)

test("an owner that cannot be listed is an item, not nothing", function(t)
  local w = world(t)
  local stage = w.dir .. "/stage"
  e2e.archive(stage, "stage")
  local from = relay.start(t, w.dev.api, function(seen)
    if seen.path == "/v1/users/alice/algorithms" then
      return { status = 500, headers = {}, body = "broken" }
    end
  end)
  w:configure({ dev = { api = from.url, more = 'admin_key = env "ADMIN"' } })
  local words = { "*/Fraud*", "--to", stage }
  local r = e2e.expect(w:promote(words, { ADMIN = w.dev.admin_key }), 3)
  t:eq(r.doc.counts.created, 4)
  t:eq(r.doc.counts.failed, 2)
  t:eq(#r.items, 6)
  for i = 1, 4, 3 do
    t:eq(r.items[i].ref, "alice/Fraud*")
    t:match(r.items[i].why, "cannot be listed")
  end
  t:eq(r.items[1].to, "prod:alice/Fraud*")
  w:configure({ dev = { more = 'admin_key = env "ADMIN"' } })
  w.dev:commit("acme/FraudA", { { path = "x", data = "1" } })
  w:configure({ dev = { api = from.url, more = 'admin_key = env "ADMIN"' } })
  -- With --fail-fast it stops all of it.
  words[#words + 1] = "--fail-fast"
  r = w:promote(words, { ADMIN = w.dev.admin_key })
  t:ok(r.code ~= 0)
  t:eq(r.doc.counts.updated, 0)
end)
