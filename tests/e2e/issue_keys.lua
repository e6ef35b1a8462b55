-- godwit issue-keys: least-privilege keys into a private file, which a profile
-- reads; nothing of a key is ever said.
local e2e = require("support.e2e")
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local json = require("godwit.core.json")
local people = require("support.people")
local relay = require("support.relay")
local sys = require("godwit.core.sys")

local function world(t)
  return people.world(t, function(_, prod)
    people.organization(prod, "labs", { "carol", "bob:owner" })
    people.organization(prod, "void", {})
    people.organization(prod, "invites", { "bob:invited" })
    people.organization(prod, "both", { "bob:invited", "carol" })
    people.user(prod, "carol")
  end)
end

local function run(w, words, env)
  local argv = { "issue-keys", "--to", "prod", "--json" }
  table.move(words, 1, #words, #argv + 1, argv)
  local r = people.godwit(w, argv, env)
  r.items, r.by = r.doc and r.doc.items or {}, {}
  for _, item in ipairs(r.items) do r.by[item.ref] = item end
  return r
end

local function path(w) return w.home .. "/keys" end

-- The file as { owner = { key =, label = } }, and its mode.
local function read(w)
  local text, out, n = assert(fs.read(path(w))), {}, 0
  for line in text:gmatch("[^\n]+") do
    local owner, key, label = line:match("^(%w+) (sim%S+) (%S+)$")
    if owner then
      n, out[owner] = n + 1, { key = key, label = label }
    end
  end
  return out, n, text
end

-- No key of the file, and no administrator's, was ever said.
local function nothing_said(t, w)
  for _, entry in pairs((read(w))) do
    t:no(w.said:find(entry.key, 1, true))
  end
  t:no(w.said:find(w.prod.admin_key, 1, true))
end

-- What the server has of a key.
local function stored(w, key)
  for _, a in ipairs(e2e.read_json(w.prod.dir .. "/keys.json").accounts) do
    if a.key == key then return a end
  end
end

test("plan, first run, repeat, and a profile that reads the file", function(t)
  local w = world(t)
  local r = e2e.expect(run(w, { "labs", "carol", "--out", "keys", "-n" }), 0)
  t:eq(r.doc.counts.created, 2)
  t:no(fs.stat(path(w)))

  r = e2e.expect(run(w, { "labs", "carol", "labs", "--out", "keys" }), 0)
  t:eq(people.words(r), { "labs created", "carol created" })
  people.reconcile(t, r, { "labs", "carol" })
  t:match(r.by.labs.steps[1].text,
    "^key godwit%-labs%-%d+%-%d+%-%d+%-%x+ of the organization, through bob$")
  t:match(r.by.carol.steps[1].text, "^key godwit%-carol.* imported$")
  t:match(table.concat(r.doc.notes, "\n"), 'key = keys "/[^"]*/keys"')
  t:eq(fs.stat(path(w)).mode & 511, 384)
  local keys, n = read(w)
  t:eq(n, 2)
  local labs = stored(w, keys.labs.key)
  t:eq({ labs.username, labs.label }, { "labs", keys.labs.label })
  t:eq(labs.permissions, { allow_algo = true, allow_web_algo = false,
    algo_acl = { "algo://labs/*" }, allow_data = true, allow_data_write = true,
    allow_algo_management = true })
  t:eq(stored(w, keys.carol.key).username, "carol")

  local before = select(3, read(w))
  r = e2e.expect(run(w, { "labs", "carol", "--out", "keys" }), 0)
  t:eq(r.doc.counts.unchanged, 2)
  t:eq(select(3, read(w)), before)

  people.configure(w, { prod = { more =
    'key = keys("../../keys", env "PROD_KEY"),' } })
  r = people.godwit(w, { "ls", "prod", "labs" })
  t:eq(r.code, 0, r.all)
  r = people.godwit(w, { "eval",
    'print(godwit.cluster("prod"):whoami("labs"))' })
  t:match(r.out, "labs")
  r = people.godwit(w, { "eval",
    'print(godwit.cluster("prod"):whoami("alice"))' })
  t:match(r.out, "alice")
  nothing_said(t, w)
end)

test("--renew makes new ones, keeps the others, names the old labels",
  function(t)
    local w = world(t)
    e2e.expect(run(w, { "labs", "carol", "--out", "keys" }), 0)
    local before = read(w)
    local r = e2e.expect(run(w, { "labs", "--out", "keys", "--renew" }), 0)
    t:eq(r.by.labs.outcome, "updated")
    local after, n = read(w)
    t:eq({ n, after.carol.key == before.carol.key,
      after.labs.key == before.labs.key }, { 2, true, false })
    t:match(table.concat(r.doc.notes, "\n"), "to be removed by hand, since no "
      .. "call of the platform does: " .. before.labs.label:gsub("%p", "%%%0")
      .. " of labs")
    nothing_said(t, w)
  end)

test("flags narrow what a key may do", function(t)
  local w = world(t)
  e2e.expect(run(w, { "labs", "--out", "keys", "--no-data-write",
    "--no-manage", "--algorithm", "Hello", "--algorithm", "Other" }), 0)
  t:eq(stored(w, read(w).labs.key).permissions, { allow_algo = true,
    allow_web_algo = false, allow_data = true, allow_data_write = false,
    algo_acl = { "algo://labs/Hello/*", "algo://labs/Other/*" },
    allow_algo_management = false })
  -- a key that may not even see data is known all the same
  e2e.expect(run(w, { "carol", "--out", "keys", "--no-data", "--no-call" }), 0)
  local r = e2e.expect(run(w, { "carol", "--out", "keys" }), 0)
  t:eq(r.by.carol.outcome, "unchanged")
end)

test("what is refused before anything is made", function(t)
  local w = world(t)
  local r = e2e.expect(run(w, { "nobody", "void", "9x", "labs", "invites",
    "both", "--out", "keys" }), 3)
  t:match(r.by.nobody.why, "neither a user nor an organization nobody")
  t:match(r.by.void.why, "void has no member on prod")
  t:match(r.by["9x"].why, "is no name")
  t:match(r.by.invites.why, "invites has no member on prod")
  t:match(r.by.both.steps[1].text, "through carol")
  t:match(e2e.expect(run(w, { "both", "--out", "keys", "--renew", "--member",
    "bob" }), 6).by.both.why, "bob is no member of both")
  t:eq(r.by.labs.outcome, "created")
  r = e2e.expect(run(w, { "labs", "--out", "keys", "--renew", "--member",
    "alice" }), 6)
  t:match(r.by.labs.why, "alice is no member of labs")
  r = e2e.expect(run(w, { "labs", "--out", "keys", "--renew", "--member",
    "carol" }), 0)
  t:match(r.by.labs.steps[1].text, "through carol")
  for _, words in ipairs({ { "labs" }, { "labs", "--out", "none/keys" },
      { "labs", "--out", "." }, { "labs", "--out", "keys", "--list" },
      { "labs", "--out", "keys", "--no-call", "--algorithm", "X" } }) do
    t:eq(run(w, words).code, 2)
  end
  local before = select(3, read(w))
  err.check(fs.write(path(w), before, 420)) -- 0644
  r = e2e.expect(run(w, { "labs", "--out", "keys" }), 2)
  t:match(r.err, "others can read it; run: chmod 600")
  nothing_said(t, w)
end)

test("a file's key that is somebody else's, or is no line", function(t)
  local w = world(t)
  err.check(fs.write(path(w), "labs " .. w.prod.keys.alice .. " x\n", 384))
  local r = e2e.expect(run(w, { "labs", "--out", "keys" }), 6)
  t:match(r.by.labs.why, "for labs is somebody else's; take the line out")
  err.check(fs.write(path(w), "# ours\nlabs\n", 384))
  r = e2e.expect(run(w, { "labs", "--out", "keys" }), 2)
  t:match(r.err, "keys:2: expected OWNER KEY LABEL")
  err.check(fs.write(path(w), "# ours\nlabs simGoneGoneGoneGoneGoneGone1 old\n",
    384))
  r = e2e.expect(run(w, { "labs", "--out", "keys" }), 6)
  t:match(r.by.labs.why, "prod does not know the key 'old' that .*/keys has "
    .. "for labs: it was revoked, or is another cluster's; godwit issue%-keys "
    .. "labs %-%-to prod %-%-out .*/keys %-%-renew makes a new one")
  r = e2e.expect(run(w, { "labs", "--out", "keys", "--renew" }), 0)
  t:eq(r.by.labs.outcome, "updated")
  local _, n, text = read(w)
  t:eq(n, 1)
  t:match(text, "# ours\n")
end)

test("a revoked key stays revoked, whatever its label", function(t)
  local w = world(t)
  local to = relay.start(t, w.prod.api)
  people.configure(w, { prod = { api = to.url } })
  local gone = "simGoneGoneGoneGoneGoneGone1"
  local line = ("carol %s godwit-carol-2024-01-01-aaaaaa\n"):format(gone)
  err.check(fs.write(path(w), line, 384))
  for _, more in ipairs({ "-n", "-v" }) do
    local r = e2e.expect(run(w, { "carol", "--out", "keys", more }), 6)
    t:match(r.by.carol.why, "prod does not know the key 'godwit%-carol%-2024.*"
      .. "revoked.*%-%-renew makes a new one")
  end
  t:eq({ to:count("POST"), fs.read(path(w)) }, { 0, line })
  local r = e2e.expect(run(w, { "carol", "--out", "keys", "--renew" }), 0)
  t:eq(r.by.carol.outcome, "updated")
  t:match(r.by.carol.steps[1].text, "^key godwit%-carol%-20[2-9][5-9]")
  t:eq({ read(w).carol.key == gone, stored(w, gone) }, { false })
  t:match(table.concat(r.doc.notes, "\n"), "by hand.*godwit%-carol%-2024%-")
  -- nor is one that is marked, when new ones are asked for
  err.check(fs.write(path(w), "#+ carol godwit-carol-2024-01-01-aaaaaa\n"
    .. line, 384))
  e2e.expect(run(w, { "carol", "--out", "keys", "--renew" }), 0)
  local keys, n, text = read(w)
  t:eq({ n, keys.carol.key == gone, stored(w, gone) }, { 1, false })
  t:no(text:find("#+", 1, true))
  nothing_said(t, w)
end)

test("a cluster that does not tell whether it knows a key", function(t)
  local w = world(t)
  local refusal = { status = 403, body = '{"error":"Invalid API key"}' }
  local to = relay.start(t, w.prod.api, function(seen)
    return seen.path == "/v1/data/" and refusal or nil
  end)
  people.configure(w, { prod = { api = to.url } })
  err.check(fs.write(path(w), "labs simGoneGoneGoneGoneGoneGone1 old\n", 384))
  local r = e2e.expect(run(w, { "labs", "--out", "keys" }), 0)
  t:eq({ r.by.labs.outcome, to:count("POST") }, { "unchanged", 0 })
  t:match(r.by.labs.warnings[1], "whether prod knows the file's key old cannot "
    .. "be told: Invalid API key; if it does not work, godwit issue%-keys labs "
    .. "%-%-to prod %-%-out .*/keys %-%-renew makes a new one")
  t:no(r.all:find("key works", 1, true))
  r = e2e.expect(run(w, { "labs", "--out", "keys", "--renew" }), 0)
  t:eq({ r.by.labs.outcome, to:count("POST") }, { "updated", 1 })
  t:match(r.by.labs.warnings[1], "whether prod accepts the new key cannot be "
    .. "told: Invalid API key")
  -- one whose import was begun is imported again, as it is
  err.check(fs.write(path(w), ("#+ carol coming\ncarol %s coming\n"):format(
    "simComingComingComingComing1"), 384))
  r = e2e.expect(run(w, { "carol", "--out", "keys" }), 0)
  t:eq({ r.by.carol.outcome, to:count("POST"), read(w).carol.key,
    stored(w, read(w).carol.key).label }, { "updated", 2,
    "simComingComingComingComing1", "coming" })
  nothing_said(t, w)
end)

test("a lost answer is reported with the label, and never repeated",
  function(t)
    local w = world(t)
    local to = relay.start(t, w.prod.api, function(seen, pass)
      if seen.method == "POST" and seen.path:find("/members/bob/keys$") then
        pass()
        return "cut"
      end
    end)
    people.configure(w, { prod = { api = to.url } })
    local r = run(w, { "labs", "--out", "keys" })
    -- The same command will not succeed later: not 5, and no word of it.
    t:eq({ r.code, r.by.labs.outcome, r.by.labs.retryable }, { 1, "failed" })
    t:match(r.by.labs.why, "^the answer was lost: a key 'godwit%-labs%-.*' of "
      .. "labs may have been made.*; godwit issue%-keys labs .*%-%-renew makes "
      .. "a new one")
    t:eq(to:count("POST"), 1)
    to.on = nil
    for _, more in ipairs({ "-n", "-v" }) do
      r = e2e.expect(run(w, { "labs", "--out", "keys", more }), 6)
      t:match(r.by.labs.why, "may have made a key 'godwit%-labs%-[^']*' whose "
        .. "answer it never had, and no call of the platform reads or deletes "
        .. "it: godwit issue%-keys labs %-%-to prod %-%-list shows whether it is "
        .. "there; remove it in the web page; godwit issue%-keys labs "
        .. ".*%-%-renew makes a new one")
    end
    t:eq(to:count("POST"), 1)
    -- A new one that is not made takes no mark away.
    to.on = function(seen)
      return seen.method == "POST" and { status = 400,
        body = '{"error":{"message":"no"}}' } or nil
    end
    t:ok(run(w, { "labs", "--out", "keys", "--renew" }).code ~= 0)
    to.on = nil
    local mark = select(3, read(w)):match("#%? labs godwit%-labs%-%S+\n")
    e2e.expect(run(w, { "labs", "--out", "keys", "--renew", "-n" }), 0)
    r = e2e.expect(run(w, { "labs", "--out", "keys", "--renew" }), 0)
    t:match(r.by.labs.warnings[1], "may have made a key 'godwit%-labs.* "
      .. "%-%-list shows whether it is there; remove it in the web page$")
    t:eq(r.by.labs.outcome, "created")
    -- That was the last time.
    t:no(select(3, read(w)):find("#?", 1, true))
    r = e2e.expect(run(w, { "labs", "--out", "keys" }), 0)
    t:eq({ r.by.labs.outcome, r.by.labs.warnings }, { "unchanged" })
    -- Where a key works it ends by hand, too, and that is said.
    err.check(fs.write(path(w), mark .. select(3, read(w)), 384))
    r = e2e.expect(run(w, { "labs", "--out", "keys" }), 0)
    t:match(r.by.labs.warnings[1], "may have made a key 'godwit%-labs.* take "
      .. "its line %(#%?%) out of .*/keys$")
    nothing_said(t, w)
  end)

test("killed at the request: the next run goes on", function(t)
  local w = world(t)
  local to = relay.start(t, w.prod.api)
  people.configure(w, { prod = { api = to.url } })
  for _, case in ipairs({ { "labs", "/members/bob/keys$", true },
      { "carol", "/admin/users/carol/keys$", false },
      { "carol", "/admin/users/carol/keys$", true } }) do
    local started
    to.on = function(seen, pass)
      if started and seen.method == "POST" and seen.path:find(case[2]) then
        if case[3] then pass() end
        started.process:kill(9)
        started = nil
        return "cut"
      end
    end
    started = people.launch(w, { "issue-keys", case[1], "--to", "prod",
      "--out", "keys" })
    people.finish(w, started)
    to.on = nil
  end
  local keys, _, text = read(w)
  t:match(text, "\n#%+ carol godwit%-carol%-%S+\ncarol ")
  local key = keys.carol.key
  local r = e2e.expect(run(w, { "labs", "carol", "--out", "keys" }), 3)
  t:match(r.by.labs.why, "an earlier run may have made a key")
  -- carol's was written down before it was sent: it is the same one
  keys, _, text = read(w)
  t:eq({ r.by.carol.outcome, keys.carol.key }, { "unchanged", key })
  -- and whoever revokes it now has it revoked
  t:no(text:find("#+", 1, true))
  e2e.expect(run(w, { "labs", "--out", "keys", "--renew" }), 0)
  r = e2e.expect(run(w, { "labs", "carol", "--out", "keys" }), 0)
  t:eq({ r.doc.counts.unchanged, (select(2, read(w))) }, { 2, 2 })
  nothing_said(t, w)
end)

test("killed while renewing: one key is left, the old label is named",
  function(t)
    local w = world(t)
    local to = relay.start(t, w.prod.api)
    people.configure(w, { prod = { api = to.url } })
    for _, passed in ipairs({ false, true }) do
      e2e.expect(run(w, { "carol", "--out", "keys", "--renew" }), 0)
      local before, started = read(w).carol, nil
      to.on = function(seen, pass)
        if started and seen.method == "POST" then
          if passed then pass() end
          started.process:kill(9)
          started = nil
          return "cut"
        end
      end
      started = people.launch(w, { "issue-keys", "carol", "--to", "prod",
        "--out", "keys", "--renew" })
      people.finish(w, started)
      to.on = nil
      local _, _, text = read(w)
      t:ok(text:find(before.key, 1, true)) -- until the other is seen to work
      local r = e2e.expect(run(w, { "carol", "--out", "keys" }), 0)
      t:eq(r.by.carol.outcome, passed and "unchanged" or "updated")
      t:ok(table.concat(r.doc.notes, "\n"):find(before.label, 1, true))
      local after, n
      after, n, text = read(w)
      t:eq({ n, after.carol.key == before.key }, { 1, false })
      t:eq(stored(w, after.carol.key).username, "carol")
      t:no(text:find("#+", 1, true))
    end
    nothing_said(t, w)
  end)

test("an import that is refused leaves no mark; others go on", function(t)
  local w = world(t)
  local to = relay.start(t, w.prod.api, function(seen)
    if seen.path:find("^/v1/admin/users/") then
      return { status = 400, body = '{"error":{"message":"no"}}' }
    end
  end)
  people.configure(w, { prod = { api = to.url } })
  err.check(fs.write(path(w), "carol simGoneGoneGoneGoneGoneGone1 old\n", 384))
  local r = run(w, { "carol", "--out", "keys", "--renew" })
  t:ok(r.code ~= 0)
  t:match(select(3, read(w)), "^# Keys by owner[^\n]*\ncarol simGone%w+ old\n$")
  e2e.expect(run(w, { "carol", "--out", "keys" }), 6)
  nothing_said(t, w)
end)

test("where keys cannot be imported it is said; others go on", function(t)
  local w = world(t)
  local to = relay.start(t, w.prod.api, function(seen)
    if seen.path:find("^/v1/admin/users/") then
      return { status = 404, body = "" }
    end
  end)
  people.configure(w, { prod = { api = to.url } })
  local r = e2e.expect(run(w, { "carol", "labs", "--out", "keys" }), 3)
  t:match(r.by.carol.why, "prod does not take keys for users; make one in its "
    .. "web page, signed in as carol")
  t:eq(r.by.labs.outcome, "created")
  local keys, n = read(w)
  t:eq({ n, keys.carol }, { 1 })
end)

test("a hostile answer ends in no key and no words of it", function(t)
  local w = world(t)
  local canary = "simHostileHostileHostileHost"
  for _, body in ipairs({ '{"api_key":"' .. canary .. '"', canary,
      '{"api_key":["' .. canary .. '"]}', '{"error":"' .. canary .. '"}' }) do
    local to = relay.start(t, w.prod.api, function(seen)
      if seen.method == "POST" then
        return { status = 201, body = body }
      end
    end)
    people.configure(w, { prod = { api = to.url } })
    local r = run(w, { "labs", "--out", "keys", "-vv" })
    t:ok(r.code ~= 0)
    if not body:find("error") then
      t:no(r.all:find(canary, 1, true))
    end
    t:eq(select(2, read(w)), 0)
  end
end)

test("--list shows no key that somebody has put into a label", function(t)
  local w = world(t)
  local canary = "simCanaryCanaryCanaryCanary1"
  local to = relay.start(t, w.prod.api, function(seen)
    return seen.path:find("/labs/keys$") and { status = 200, body =
      json.encode({ { api_key = canary, api_key_mask = canary,
        key_label = "my " .. canary, username = "bob" } }) } or nil
  end)
  people.configure(w, { prod = { api = to.url } })
  local r = e2e.expect(run(w, { "labs", "--list" }), 0)
  t:match(r.by.labs.steps[1].text, "^my sim%*%*%*")
  t:no(r.all:find(canary, 1, true))
end)

test("--list shows labels and masks, of organizations only", function(t)
  local w = world(t)
  local to = relay.start(t, w.prod.api)
  people.configure(w, { prod = { api = to.url } })
  local r = e2e.expect(run(w, { "labs", "--out", "keys" }), 0)
  t:eq(r.doc.mode, "apply")
  t:match(r.err, "^apply: issue%-keys labs")
  -- From here on it is only read, and so nobody is asked.
  people.configure(w, { prod = { api = to.url, more = "protected = true," } })
  t:eq(to:count("GET /v1/organizations/labs/keys"), 0) -- never unasked
  r = e2e.expect(run(w, { "labs", "carol", "--list" }), 3)
  t:eq(r.doc.mode, "read")
  t:match(r.err, "^read, nothing is written: issue%-keys labs carol")
  t:match(r.by.carol.why, "no call of the platform lists the keys of a user")
  local text = json.encode(r.by.labs.steps)
  t:ok(text:find(read(w).labs.label, 1, true))
  t:match(text, "sim[^\"]*%*%*%*")
  nothing_said(t, w)
end)

test("a second run at the same time is told; an archive has no keys",
  function(t)
    local w = world(t)
    local to = relay.start(t, w.prod.api)
    people.configure(w, { prod = { api = to.url } })
    local second
    to.on = function(seen)
      if seen.method == "POST" and not second then
        second = run(w, { "carol", "--out", "./link" })
      end
    end
    t:ok(fs.symlink(path(w), w.home .. "/link"))
    e2e.expect(run(w, { "labs", "--out", "keys" }), 0)
    t:ok(second.code ~= 0)
    t:match(second.err, "another run writes .*keys")
    e2e.expect(run(w, { "carol", "--out", "link" }), 0)
    t:eq(select(2, read(w)), 2)
    t:eq(fs.stat(path(w)).mode & 511, 384)
    local r = people.godwit(w, { "issue-keys", "labs", "--to", w.dev.dir,
      "--out", "keys" })
    t:eq(r.code, 2)
    t:match(r.err, "no live cluster")
  end)

test("what misses a key says how to get one, and then finds it", function(t)
  local w = world(t)
  people.configure(w, { prod = { more = 'key = keys "../../keys",' } })
  local ask = { "eval", 'print(godwit.cluster("prod"):whoami("labs"))' }
  local r = people.godwit(w, ask)
  t:match(r.all, "godwit issue%-keys labs %-%-to prod %-%-out FILE makes one")
  e2e.expect(run(w, { "labs", "--out", "keys" }), 0)
  t:match(e2e.expect(people.godwit(w, ask), 0).out, "labs")
  nothing_said(t, w)
end)

test("a file that cannot be written: nothing is made", function(t)
  local w = world(t)
  local to = relay.start(t, w.prod.api)
  people.configure(w, { prod = { api = to.url } })
  -- The thread sanitizer writes something of its own before we can say that
  -- the signal is not for us.
  local ignore = sys.env("TSAN_OPTIONS") and "trap '' XFSZ; " or ""
  local r = w:finish(w:start_as({ "sh", "-c",
    ignore .. 'ulimit -f 0; exec "$@"', "sh",
    e2e.PROGRAM, "issue-keys", "labs", "carol", "--to", "prod", "--out",
    "keys" }, { PROD_ADMIN = w.prod.admin_key, DEV_ADMIN = "x" }))
  t:eq(r.code, 1, r.all)
  t:match(r.all, "File too large")
  t:eq(to:count("POST"), 0)
  t:no(fs.stat(path(w)))
end)
