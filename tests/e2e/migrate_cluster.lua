-- migrate-cluster: everything, in an order in which it works, under one look.
local e2e = require("support.e2e")
local cluster = require("godwit.cluster")
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local json = require("godwit.core.json")
local relay = require("support.relay")
local sandbox = require("godwit.sandbox")
local task = require("godwit.task")

local function words(items)
  local out = {}
  for i, item in ipairs(items) do
    out[i] = item.type .. " " .. item.ref .. " " .. item.outcome
  end
  return out
end

-- Nobody is on prod but its administrator.
local function world(t, more)
  return e2e.world(t, function(dev, prod)
    e2e.seed(dev, "acme/One")
    e2e.seed(dev, "acme/Two")
    dev:commit("acme/One", { { path = "src/x.py",
      data = "client.algo('acme/Two')\nM = 'data://acme/models'\n" } })
    dev:put("acme", "models", "a.bin", "model", json.array({ "user://*" }))
    dev:put("alice", "notes", "n.txt", "note")
    local path = dev.dir .. "/organizations/acme.json"
    local acme = e2e.read_json(path)
    acme.org_contact_name = "Alice"
    err.check(fs.write(path, json.encode(acme), 384))
    for _, place in ipairs({ "users/alice", "users/bob",
      "organizations/acme" }) do
      fs.remove(("%s/%s.json"):format(prod.dir, place))
    end
    if more then
      more(dev, prod)
    end
  end)
end

-- With the keys that are there by now.
local function open(box)
  return cluster.open(sandbox.load_profile(box.dir))
end

local function file(box, owner, name, path)
  return open(box):read_file(owner, name, path, {})
end

local function version(box, owner, name)
  local doc = open(box):each_version(owner, name, { published = true })()
  return doc and doc.version_info.semantic_version
end

local function migrate(w, ...)
  local r = w:run({ "migrate-cluster", "--from", "sandbox:" .. w.dev.dir,
    "--to", "sandbox:" .. w.prod.dir, "--json", ... })
  r.items = r.doc and r.doc.items or {}
  return r
end

test("all of a cluster moves, and again there is nothing to do", function(t)
  local w = world(t)
  local plan = e2e.expect(migrate(w, "-n"), 0)
  t:eq(open(w.prod):try_get_user("alice"), nil)
  local r = e2e.expect(migrate(w), 0)
  t:eq(words(r.items), { "user alice created", "user bob created",
    "organization acme created", "collection alice/notes created",
    "collection acme/models created", "algorithm acme/Two created",
    "algorithm acme/One created" })
  t:eq(words(plan.items), words(r.items))
  t:eq(file(w.prod, "acme", "models", "a.bin"), "model")
  t:eq(version(w.prod, "acme", "One"), "0.1.0")
  r = e2e.expect(migrate(w), 0)
  for _, item in ipairs(r.items) do
    t:eq(item.outcome, "unchanged", item.ref)
  end
end)

test("what changed at the source since goes, and nothing else", function(t)
  local w = world(t)
  e2e.expect(migrate(w), 0)
  open(w.dev):create_user({ username = "carol",
    email = "carol@example.com" })
  w.dev:put("acme", "models", "a.bin", "MODEL")
  w.dev:put("acme", "models", "b.bin", "more")
  w.dev:commit("acme/Two", { { path = "src/new.py", data = "x = 1\n" } })
  local r = e2e.expect(migrate(w), 0)
  t:eq(words(r.items), { "user alice unchanged", "user bob unchanged",
    "user carol created", "organization acme unchanged",
    "collection alice/notes unchanged", "collection acme/models updated",
    "algorithm acme/One unchanged", "algorithm acme/Two updated" })
  t:eq(file(w.prod, "acme", "models", "a.bin"), "MODEL")
  t:eq(file(w.prod, "acme", "models", "b.bin"), "more")
  t:eq(version(w.prod, "acme", "Two"), "0.2.0")
  r = e2e.expect(migrate(w), 0)
  for _, item in ipairs(r.items) do
    t:eq(item.outcome, "unchanged", item.ref)
  end
end)

test("kinds and owners can be chosen", function(t)
  local w = world(t)
  local r = e2e.expect(migrate(w, "--only", "users", "--owner", "alice"), 0)
  t:eq(words(r.items), { "user alice created" })
  r = e2e.expect(migrate(w, "--owner", "alice", "--skip", "algorithms"), 0)
  t:eq(words(r.items), { "user alice unchanged",
    "collection alice/notes created" })
  r = e2e.expect(migrate(w, "--owner", "nobody"), 2)
  t:match(r.err, "no user and no organization nobody")
  r = e2e.expect(migrate(w, "--owner", "alice", "--only", "users,data"), 0)
  t:eq(words(r.items), { "user alice unchanged",
    "collection alice/notes unchanged" })
  r = e2e.expect(migrate(w, "--only", "user"), 2)
  t:match(r.err, "there is no kind 'user'; did you mean 'users'")
  r = e2e.expect(migrate(w, "--only", "users", "--skip", "users"), 2)
  t:match(r.err, "leave nothing to do")
  -- A member who is nobody there is a hole, and what depends on it waits.
  r = e2e.expect(migrate(w, "--owner", "acme"), 6)
  t:eq(words(r.items), { "organization acme refused",
    "collection acme/models refused", "algorithm acme/One refused",
    "algorithm acme/Two refused" })
  t:match(r.items[1].why, "bob")
  t:match(r.items[2].why, "its owner acme is not there")
end)

test("who gets another name keeps what is his", function(t)
  local w = world(t)
  local r = e2e.expect(migrate(w, "--map-user", "*=*_prod"), 0)
  t:eq(r.items[1].to:match("[^:]*$"), "alice_prod")
  t:eq(file(w.prod, "alice_prod", "notes", "n.txt"), "note")
  local members = {}
  for m in open(w.prod):each_member("acme") do
    members[#members + 1] = m.username
  end
  table.sort(members)
  t:eq(members, { "admin", "alice_prod", "bob_prod" })
end)

test("a hole stops what it concerns, or with --fail-fast everything", function(t)
  local w = world(t, function(dev)
    local path = dev.dir .. "/users/bob.json"
    local bob = e2e.read_json(path)
    bob.email = "no address"
    err.check(fs.write(path, json.encode(bob), 384))
  end)
  local r = e2e.expect(migrate(w, "--fail-fast"), 6)
  for _, item in ipairs(r.items) do
    t:eq(item.outcome, "refused", item.ref)
  end
  t:eq(open(w.prod):try_get_user("alice"), nil)
  r = e2e.expect(migrate(w, "--without-missing-members"), 3)
  t:eq(words(r.items), { "user alice created", "user bob refused",
    "organization acme created", "collection alice/notes created",
    "collection acme/models created", "algorithm acme/Two created",
    "algorithm acme/One created" })
end)

test("nothing goes to somebody else of the same name", function(t)
  local w = world(t, function(dev, prod)
    e2e.seed(dev, "alice/Hers")
    err.check(fs.write(prod.dir .. "/users/alice.json", json.encode({
      id = "5b0c2b6e-0000-4000-8000-0000000000f1", username = "alice",
      email = "alice@elsewhere.org" }), 384))
  end)
  for _, flag in ipairs({ "-n", "--json" }) do
    local r = e2e.expect(migrate(w, "--owner", "alice", flag), 6)
    t:eq(words(r.items), { "user alice refused",
      "collection alice/notes refused", "algorithm alice/Hers refused" })
    t:match(r.items[1].why, "another e%-mail address")
    t:eq(r.items[2].why, "its owner alice was refused: see user alice")
  end
  t:eq(open(w.prod):try_get_collection("alice", "notes"), nil)
  -- Two that would become one are both refused, also who is there already.
  local r = e2e.expect(migrate(w, "--map-user", "bob=alice", "--owner",
    "alice", "--owner", "bob", "--map-email",
    "alice@dev.example.com=alice@elsewhere.org"), 6)
  for _, item in ipairs(r.items) do
    t:eq(item.outcome, "refused", item.ref)
  end
end)

test("a type that is missing is told once, of its organization", function(t)
  local lost = "ed727483-0000-4000-8000-000000000001"
  local w = world(t)
  e2e.expect(migrate(w, "--only", "users", "--only", "organizations"), 0)
  local path = w.dev.dir .. "/organizations/acme.json"
  local acme = e2e.read_json(path)
  acme.type_id = lost
  err.check(fs.write(path, json.encode(acme), 384))
  local r = e2e.expect(migrate(w, "--owner", "acme"), 6)
  t:eq(words(r.items), { "organization acme refused",
    "collection acme/models refused", "algorithm acme/One refused",
    "algorithm acme/Two refused" })
  t:ok(r.items[1].why:find("does not list the organization type " .. lost, 1,
    true))
  -- where there are no types, none is the one that works
  t:ok(r.items[1].why:find("--map-type " .. lost .. "=none", 1, true))
  t:eq(select(2, r.items[1].why:gsub("does not list", "")), 1)
  for i = 2, 4 do
    t:eq(r.items[i].why, "its owner acme was refused: see organization acme")
  end
  -- Of which type its owner is does not matter to what is the owner's.
  r = e2e.expect(migrate(w, "--owner", "acme", "--only", "data", "--only",
    "algorithms"), 0)
  t:eq(r.doc.counts.created, 3)
  r = e2e.expect(migrate(w, "--owner", "acme", "--map-type", lost .. "=none"),
    0)
  t:eq(r.items[1].type, "organization")
end)

test("what is printed says of what kind each thing is", function(t)
  local w = world(t)
  local r = w:run({ "migrate-cluster", "--from", "sandbox:" .. w.dev.dir,
    "--to", "sandbox:" .. w.prod.dir, "-n" })
  t:match(r.out, "created    user alice %-> ")
  t:match(r.out, "created    collection acme/models %-> ")
  t:match(r.out, "created    algorithm acme/One %-> ")
end)

test("one that fails never hides the others", function(t)
  local w = world(t, function(_, prod)
    prod:options({ fail_builds = { ["acme/Two"] = true } })
  end)
  local r = e2e.expect(migrate(w), 3)
  t:eq({ r.items[6].ref, r.items[6].outcome, r.items[7].outcome },
    { "acme/Two", "failed", "created" })
  t:eq(r.doc.counts.created, 6)
end)

test("killed anywhere, the same command goes on", function(t)
  local w = world(t)
  local at = 0
  repeat
    local run = w:start({ "migrate-cluster", "--from", "sandbox:" .. w.dev.dir,
      "--to", "sandbox:" .. w.prod.dir, "--json" })
    at = at + 0.15
    task.sleep(at)
    run.process:kill(9)
    w:finish(run)
  until run.code == 0 or at > 3
  e2e.expect(migrate(w), 0)
  local r = e2e.expect(migrate(w), 0)
  for _, item in ipairs(r.items) do
    t:eq(item.outcome, "unchanged", item.ref)
  end
  t:eq(#r.items, 7)
  local versions = {}
  for doc in open(w.prod):each_version("acme", "One", { published = true }) do
    versions[#versions + 1] = doc.version_info.semantic_version
  end
  t:eq(#versions, 1)
end)

test("owners get keys on the way, and keep them", function(t)
  local w = world(t)
  local path = w.dir .. "/prod.keys"
  local r = e2e.expect(migrate(w, "--issue-keys", path, "-n"), 0)
  t:eq(#r.items, 10)
  t:eq(fs.stat(path), nil)
  r = e2e.expect(migrate(w, "--issue-keys", path), 0)
  t:eq(words({ r.items[4], r.items[5], r.items[6] }), { "key alice created",
    "key bob created", "key acme created" })
  t:eq(#r.items, 10)
  t:eq(fs.stat(path).mode & 511, 384)
  local text = err.check(fs.read(path, 1 << 16))
  t:match(text, "\nacme sim")
  for key in text:gmatch("sim%x+") do
    t:no(r.all:find(key, 1, true))
  end
  r = e2e.expect(migrate(w, "--issue-keys", path), 0)
  for _, item in ipairs(r.items) do
    t:eq(item.outcome, "unchanged", item.ref)
  end
end)

-- prod as a live cluster of somebody's configuration, who has its admin key.
local function live(w, ...)
  err.check(fs.write(w.home .. "/.config/godwit/config.lua", ("return { "
    .. "clusters = { prod = { api = %q, admin_key = env 'PROD_ADMIN', %s } } }")
    :format(w.prod.api, w.prod_key or ""), 384))
  local r = w:run({ "migrate-cluster", "--from", "sandbox:" .. w.dev.dir,
    "--to", "prod", "--json", ... }, { PROD_ADMIN = w.prod.admin_key })
  r.items = r.doc and r.doc.items or {}
  return r
end

local function outcomes(items)
  local out = {}
  for i, item in ipairs(items) do
    out[i] = item.type .. " " .. item.outcome
  end
  return table.concat(out, ", ")
end

local AS_IT_WAS = "user unchanged, user unchanged, organization unchanged, "
local KEYS = "key created, key created, key created, "

-- Who refuses a key like that may know it.
local function doubtful(seen)
  return seen.path == "/v1/data/" and { status = 403,
    body = '{"error":"Invalid API key"}' } or nil
end

test("who is there and has no key gets one before the data", function(t)
  local w = world(t)
  e2e.expect(migrate(w, "--only", "users", "--only", "organizations"), 0)
  local path = w.dir .. "/prod.keys"
  -- Nothing can be seen of them before, and that is said.
  local plan = e2e.expect(live(w, "--issue-keys", path, "-n"), 0)
  t:eq(outcomes(plan.items), AS_IT_WAS .. KEYS .. "collection created, "
    .. "collection created, algorithm created, algorithm created")
  t:match(table.concat(plan.items[7].warnings, "\n"), "when there is a key for")
  t:match(table.concat(plan.doc.notes, "\n"), "only trying can tell what prod "
    .. "says of the algorithms of acme, whose key is made first")
  local r = e2e.expect(live(w, "--issue-keys", path), 0)
  t:eq(words(r.items), words(plan.items))
  -- Keys that were revoked stay so, and what needs them is refused.
  local text = err.check(fs.read(path, 1 << 16))
  local n = 0
  text = text:gsub("sim%x+", function()
    n = n + 1
    return ("sim%025d"):format(n)
  end)
  err.check(fs.write(path, text, 384))
  r = e2e.expect(live(w, "--issue-keys", path), 3)
  t:eq(outcomes(r.items), AS_IT_WAS .. KEYS:gsub("created", "refused")
    .. "collection refused, collection refused, algorithm refused, "
    .. "algorithm refused")
  t:match(r.items[4].why, "prod does not know the key 'godwit%-alice.*"
    .. "issue%-keys alice %-%-to prod %-%-out .*prod.keys %-%-renew")
  t:eq(fs.read(path, 1 << 16), text)
  e2e.expect(w:run({ "issue-keys", "alice", "bob", "acme", "--to", "prod",
    "--out", path, "--renew" }, { PROD_ADMIN = w.prod.admin_key }), 0)
  -- The file is read in a plan, too.
  r = e2e.expect(live(w, "--issue-keys", path, "-n"), 0)
  for _, item in ipairs(r.items) do
    t:eq(item.outcome, "unchanged", item.ref)
  end
  -- Where it cannot be told whether a key works none is made, so a plan looks
  -- with the one there is.
  local to = relay.start(t, w.prod.api, doubtful)
  w.prod.api = to.url
  for _, plan_only in ipairs({ "-n", "-v" }) do
    r = e2e.expect(live(w, "--issue-keys", path, plan_only), 0)
    for _, item in ipairs(r.items) do
      t:eq(item.outcome, "unchanged", item.ref)
    end
    t:match(r.items[4].warnings[1], "cannot be told: Invalid API key")
  end
end)

test("a key that nobody can tell about is used, and no other is made",
  function(t)
    local w = world(t)
    e2e.expect(migrate(w, "--only", "users,organizations"), 0)
    local path, api = w.dir .. "/prod.keys", w.prod.api
    local argv = { "--only", "data,algorithms", "--issue-keys", path }
    local function run(...)
      return live(w, ..., table.unpack(argv))
    end
    e2e.expect(live(w, "--only", "users", "--issue-keys", path), 0)
    local to = relay.start(t, api, doubtful)
    w.prod.api = to.url
    local plan = e2e.expect(run("-n"), 0)
    t:no(table.concat(plan.doc.notes, "\n"):find("made first", 1, true))
    for _, item in ipairs(plan.items) do
      local said = table.concat(item.warnings or {}, "\n")
      t:no(said:find("when there is a key for", 1, true), item.ref)
    end
    -- One that does not work is seen before anything is written.
    local text = err.check(fs.read(path, 1 << 16))
    err.check(fs.write(path, (text:gsub("sim%x+", ("sim%025d"):format(7))),
      384))
    for _, flag in ipairs({ "-n", "-v" }) do
      local r = e2e.expect(run(flag), 3)
      t:eq(outcomes(r.items), "key unchanged, key unchanged, key unchanged, "
        .. "collection failed, collection failed, algorithm refused, "
        .. "algorithm refused")
    end
    t:eq({ to:count("POST"), to:count("PUT") }, { 0, 0 })
    -- Nor is one made beside the profile's own.
    err.check(fs.write(w.dir .. "/own", text, 384))
    w.prod_key = ("key = keys %q"):format(w.dir .. "/own")
    fs.remove(path)
    local r = e2e.expect(run("-v"), 0)
    t:eq(outcomes(r.items), "key unchanged, key unchanged, key unchanged, "
      .. "collection created, collection created, algorithm created, "
      .. "algorithm created")
    t:match(r.items[1].warnings[1], "whether prod knows the profile's key for "
      .. "alice cannot be told: Invalid API key; if it does not work, godwit "
      .. "issue%-keys alice %-%-to prod %-%-out .*prod.keys %-%-renew makes one")
    t:no(fs.stat(path))
  end)

test("a key that may have been made is not made again unasked", function(t)
  local w = world(t)
  local path = w.dir .. "/prod.keys"
  local lost = "#? acme godwit-acme-2026-01-01-abcdef\n"
  err.check(fs.write(path, lost, 384))
  -- Also before there is such an owner, and then as often as it is tried.
  for _, n in ipairs({ "-n", "-v", "-v" }) do
    local r = e2e.expect(live(w, "--issue-keys", path, n), 3)
    t:match(outcomes(r.items), "key refused, collection %a+, collection "
      .. "refused, algorithm refused, algorithm refused$")
    t:match(r.items[6].why, "may have made a key 'godwit%-acme%-2026%-01%-01%-"
      .. "abcdef'.*issue%-keys acme .* %-%-renew makes a new one")
    for i = 8, 10 do -- what waits for it says it, too
      t:match(r.items[i].why, "there is no key for its owner acme, and none "
        .. "could be made: see key acme %(.*issue%-keys acme .* %-%-renew makes "
        .. "a new one%)$")
    end
  end
  e2e.expect(w:run({ "issue-keys", "acme", "--to", "prod", "--out", path,
    "--renew" }, { PROD_ADMIN = w.prod.admin_key }), 0)
  e2e.expect(live(w, "--issue-keys", path), 0)
end)

test("a key whose import nobody saw end is no longer marked", function(t)
  local w = world(t)
  local path = w.dir .. "/prod.keys"
  e2e.expect(live(w, "--owner", "alice", "--issue-keys", path), 0)
  local text = err.check(fs.read(path, 1 << 16))
  err.check(fs.write(path, (text:gsub("\nalice %S+ (%S+)", "\n#+ alice %1%0")),
    384))
  local r = e2e.expect(live(w, "--owner", "alice", "--issue-keys", path), 0)
  for _, item in ipairs(r.items) do
    t:eq(item.outcome, "unchanged", item.ref)
  end
  t:eq(fs.read(path, 1 << 16), text)
end)

test("an organization that was made, and not all of it, is there", function(t)
  local w = world(t)
  local api = w.prod.api
  local to = relay.start(t, api, function(seen)
    if seen.path:find("/acme/members/bob$") then
      return { status = 404, body = '{"error":{"code":3000,"message":"gone"}}' }
    end
  end)
  w.prod.api = to.url
  local r = e2e.expect(live(w, "--issue-keys", w.dir .. "/prod.keys"), 3)
  t:eq(outcomes(r.items):match("organization.*"), "organization failed, "
    .. "key created, key created, key refused, collection created, "
    .. "collection refused, algorithm refused, algorithm refused")
  for i = 6, 10 do
    if r.items[i].outcome == "refused" then
      t:eq(r.items[i].why, "its owner acme was created, and not all of it: see "
        .. "organization acme")
    end
  end
  w.prod.api = api
  e2e.expect(live(w, "--issue-keys", w.dir .. "/prod.keys"), 0)
end)

test("owners who will have no key are named before anything is made",
  function(t)
    local w = world(t)
    local r = e2e.expect(live(w, "-n"), 3)
    t:eq(outcomes(r.items), "user created, user created, organization created, "
      .. "collection refused, collection refused, algorithm refused, "
      .. "algorithm refused")
    t:match(r.items[4].why, "there is no key;.*%-%-issue%-keys FILE")
    r = e2e.expect(live(w, "--fail-fast"), 6)
    t:eq(open(w.prod):try_get_user("alice"), nil)
  end)

test("without its data no algorithm is published", function(t)
  local w = world(t, function(_, prod)
    prod:options({ refuse_acl = "public" })
  end)
  local r = e2e.expect(migrate(w), 3)
  t:eq(outcomes(r.items), "user created, user created, organization created, "
    .. "collection created, collection failed, algorithm created, "
    .. "algorithm refused")
  t:match(r.items[7].why, "^src/x.py:2 names data://acme/models, which was not "
    .. "copied whole")
  r = e2e.expect(migrate(w, "--skip", "data"), 0)
  t:eq(outcomes(r.items), "user unchanged, user unchanged, "
    .. "organization unchanged, algorithm unchanged, algorithm created")
end)

test("a budget ends all of it cleanly", function(t)
  local w = world(t)
  local r = e2e.expect(migrate(w, "-j", "1", "--max-transfer", "4"), 8)
  t:eq(outcomes(r.items), "user created, user created, organization created, "
    .. "collection created, collection failed, algorithm failed, "
    .. "algorithm failed")
  t:match(r.items[6].why, "max%-transfer of 4 B is used up; it was not begun")
  r = e2e.expect(migrate(w, "--max-duration", "0.001s", "--skip", "data"), 8)
  t:match(r.doc.budget, "max%-duration")
  r = e2e.expect(migrate(w, "--skip", "data", "--max-duration", "soon"), 2)
  t:match(r.err, "%-%-max%-duration")
  e2e.expect(migrate(w), 0)
end)

test("a policy's names hold for people, organizations and what is theirs",
  function(t)
    local w = world(t, function(dev) e2e.seed(dev, "alice/Hers") end)
    local path = w.home .. "/pol.lua"
    -- It knows only what it is written for: people have addresses, and other
    -- owners keep their name.
    err.check(fs.write(path, [[return {
      map_user = function(u, cx)
        return { username = u.username .. "_p", email = u.email:lower() }
      end,
      map_owner = function(o, cx) return o == "acme" and "acme_p" or o end,
      map_name = function(n, cx) return n .. "P" end,
    }]], 384))
    local r = e2e.expect(migrate(w, "--policy", path), 0)
    local there = {}
    for i, item in ipairs(r.items) do
      there[i] = item.to:match("[^:]*$")
    end
    t:eq(there, { "alice_p", "bob_p", "acme_p", "alice_p/notes",
      "acme_p/models", "alice_p/HersP", "acme_p/TwoP", "acme_p/OneP" })
    local v = w:run({ "verify", "--from", "sandbox:" .. w.dev.dir, "--to",
      "sandbox:" .. w.prod.dir, "--policy", path, "--json" })
    t:eq(v.code, 0, v.all)
    t:eq(v.doc.counts.equal, 8)
  end)

test("named owners move without an administrator's key", function(t)
  local w = e2e.world(t, function(dev)
    e2e.seed(dev, "acme/One")
    dev:put("acme", "models", "a.bin", "model")
  end)
  local function only(...)
    local r = w:run({ "migrate-cluster", "--from", "dev", "--to", "prod",
      "--only", "data", "--only", "algorithms", "--json", ... })
    r.items = r.doc and r.doc.items or {}
    return r
  end
  local r = e2e.expect(only("--owner", "acme"), 0)
  t:eq(words(r.items), { "collection acme/models created",
    "algorithm acme/One created" })
  r = only("--owner", "acm*")
  t:ok(r.code ~= 0)
  t:match(r.all, "administrator")
end)

test("two algorithms that would become one are both refused", function(t)
  local w = world(t, function(dev)
    e2e.seed(dev, "alice/Lab")
    e2e.seed(dev, "alice/Lab2")
    e2e.seed(dev, "alice/Other")
  end)
  local path = w.home .. "/pol.lua"
  local function policy(text)
    err.check(fs.write(path, "return { " .. text .. " }", 384))
  end
  local function run(...)
    return migrate(w, "--owner", "alice", "--skip", "data", "--policy", path,
      "--adopt", "--overwrite-drift", ...)
  end
  policy("map_name = { Lab2 = 'Lab' }")
  local plan = e2e.expect(run("-n"), 3)
  local r = e2e.expect(run(), 3)
  t:eq(words(plan.items), words(r.items))
  t:eq(words(r.items), { "user alice created", "algorithm alice/Lab refused",
    "algorithm alice/Lab2 refused", "algorithm alice/Other created" })
  for i = 2, 3 do
    t:match(r.items[i].why, "alice/Lab and alice/Lab2 would both become "
      .. "%S*prod:alice/Lab")
  end
  t:eq(open(w.prod):try_get_algorithm("alice", "Lab"), nil)
  -- Who is left out is in nobody's way; and what is there already of one is not
  -- overwritten with the other.
  policy("map_name = { Lab2 = 'Lab' }, select = { '!alice/Lab' }")
  r = e2e.expect(run(), 0)
  t:eq({ r.items[2].outcome, r.items[3].outcome }, { "skipped", "created" })
  policy("map_name = { Lab2 = 'Lab' }")
  r = e2e.expect(run(), 3)
  t:eq(words(r.items), { "user alice unchanged", "algorithm alice/Lab refused",
    "algorithm alice/Lab2 refused", "algorithm alice/Other unchanged" })
end)

test("a secret that is given and not at the source is said once", function(t)
  local w = world(t)
  local path = w.home .. "/values.lua"
  err.check(fs.write(w.dev.dir .. "/algorithms/acme/Two/secrets.json",
    json.encode(json.array({ { id = "s1", short_name = "chat",
      secret_key = "CHAT_TOKEN", description = "what it is",
      owner_type = "algorithm" } })), 384))
  err.check(fs.write(path, [[return {
    ["acme/*"] = { CHAT_TOKN = "xxxxxxxx" },
    ["labs/*"] = { OTHER = "zzzzzzzz" },
  }]], 384))
  for _, flag in ipairs({ "-n", "--json" }) do
    local r = e2e.expect(migrate(w, "--secrets", path, "--without-secrets",
      flag), 0)
    t:eq(select(2, r.err:gsub("CHAT_TOKN", "")), 1)
    t:match(r.err, "gives CHAT_TOKN for acme/%*, but the source has no such")
    t:no(r.err:find("OTHER", 1, true))
  end
end)
