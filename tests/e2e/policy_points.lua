-- Each point of a policy, asked by a promotion between two sandboxes, and what
-- becomes of the item when the policy is wrong.
local e2e = require("support.e2e")
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local json = require("godwit.core.json")

local HELLO = "acme/Hello"

local PROD = { environments = {
  { spec = "5b0c2b6e-0000-4000-8000-0000000000a1", name = "Python 3.8",
    machine = "CPU", language = "python3" },
  { spec = "5b0c2b6e-0000-4000-8000-0000000000b1", name = "Python 3.8 + CUDA",
    machine = "GPU", language = "python3" },
  { spec = "5b0c2b6e-0000-4000-8000-0000000000b2", name = "Twice",
    machine = "CPU", language = "python3" },
  { spec = "5b0c2b6e-0000-4000-8000-0000000000b3", name = "Twice",
    machine = "GPU", language = "python3" },
} }

local function write(w, path, text)
  path = w.home .. "/" .. path
  err.check(fs.mkdir(path:match("^(.*)/"), 448))
  err.check(fs.write(path, text, 384))
end

local function policy(w, text, name)
  write(w, "policies/" .. (name or "acme") .. ".lua", text)
end

local function seeded(t, text, opts)
  local w, source = e2e.seeded(t, opts)
  if text then
    policy(w, text)
  end
  return w, source
end

test("the policy of the owner counts, and is named", function(t)
  local w = seeded(t, "return { message = 'From acme.lua' }")
  policy(w, "return { message = 'From default.lua' }", "default")
  local r = e2e.expect(w:promote({ HELLO }), 0)
  t:match(r.err, "policy policies/acme%.lua %(policies%) for acme to prod")
  t:eq(r.item.policy, "policies/acme.lua")
  t:match(w.prod:read(HELLO).commit.message, "^From acme.lua\n\nGodwit%-Source")
  fs.remove(w.home .. "/policies/acme.lua")
  r = e2e.expect(w:promote({ HELLO, "-n" }), 0)
  t:eq(r.item.policy, "policies/default.lua")
end)

test("--policy instead, a file or a folder; the profile's before it",
function(t)
  local w = seeded(t, "return { gate = function() error 'not this' end }")
  write(w, "strict/acme.lua", "return { message = 'strict' }")
  local r = e2e.expect(w:promote({ HELLO, "--policy", "strict", "-n" }), 0)
  t:eq(r.item.policy, "strict/acme.lua")
  r = e2e.expect(w:promote({ HELLO, "--policy", "strict/acme.lua", "-n" }), 0)
  t:eq(r.item.policy, "strict/acme.lua")
  r = e2e.expect(w:promote({ HELLO, "--policy", "gone.lua" }), 2)
  t:match(r.err, "%-%-policy: there is no gone.lua")
  write(w, ".config/godwit/theirs/default.lua",
    "return { version_step = 'major' }")
  w:configure({ prod = { more = "policy = \"theirs\"" } })
  r = e2e.expect(w:promote({ HELLO, "--policy", "strict" }), 2)
  t:match(r.err, "the profile of prod has a policy of its own")
  t:eq(w.prod:get(HELLO), nil)
  -- It wins over what was typed, and says so.
  r = e2e.expect(w:promote({ HELLO, "--publish", "minor" }), 0)
  t:match(r.item.policy, "theirs/default%.lua$")
  t:eq(r.item.version, "1.0.0")
  t:match(table.concat(r.item.warnings, "\n"),
    "version_step of the profile of prod decides .*%-%-publish counts no more")
end)

test("where things go is the profile's to say, also to a script", function(t)
  local w = seeded(t)
  write(w, ".config/godwit/theirs.lua", [[return { revision = "latest",
    select = function(a, cx)
      if a.name == "Other" then cx:refuse "not this one" end
      return true
    end,
    map_owner = { acme = "alice" } }]])
  w.dev:create("acme/Other")
  w.dev:commit(HELLO, { { path = "later.txt", data = "x" } })
  w:configure({ prod = { more = "policy = \"theirs.lua\"" } })
  local function says_so(warnings)
    local said = table.concat(warnings, "\n")
    t:match(said, "map_owner of the profile of prod decides with %S+; "
      .. "%-%-to%-owner counts no more")
    t:match(said, "revision of the profile of prod decides with")
  end
  local r = e2e.expect(w:promote({ HELLO .. "/head", "--to-owner", "bob",
    "-n" }), 0)
  t:eq(r.item.to, "prod:alice/Hello")
  t:eq(r.item.source_version, "0.1.0")
  says_so(r.item.warnings)
  write(w, "one.lua", [[
    local prod = godwit.cluster "prod"
    local function one(name, opts)
      local r = copy.algorithm(godwit.cluster "dev".algorithms:get(name), prod,
        opts)
      print(json.encode(r))
    end
    one("acme/Hello", { to_owner = "bob", version = "head" })
    one("acme/Other")
    print(select(2, pcall(one, "acme/Hello", { policy = "other.lua" })))]])
  r = e2e.expect(w:run({ "run", "one.lua", "--allow-write", "prod" }), 0)
  local lines = {}
  for line in r.out:gmatch("[^\n]+") do
    lines[#lines + 1] = line
  end
  local made, refused = json.decode(lines[1]), json.decode(lines[2])
  t:eq({ made.outcome, made.to, made.source_version },
    { "created", "prod:alice/Hello", "0.1.0" })
  says_so(made.warnings)
  t:eq(refused.outcome, "refused")
  t:match(refused.why, "^not this one %(%S+theirs.lua, select%)")
  t:match(lines[3], "the profile of prod has a policy of its own")
end)

test("a profile's settings leave --callability alone unless they name it",
function(t)
  local w = seeded(t)
  w:configure({ prod = { more = "policy = \"theirs.lua\"" } })
  local words = { HELLO, "--callability", "public", "-n" }
  write(w, ".config/godwit/theirs.lua", "return { settings = { label = 'x' } }")
  local r = e2e.expect(w:promote(words), 0)
  t:no(table.concat(r.item.warnings, "\n"):find("counts no more", 1, true))
  t:match(json.encode(r.item.steps), "%(minor, public%)")
  write(w, ".config/godwit/theirs.lua",
    "return { settings = { callability = 'private' } }")
  r = e2e.expect(w:promote(words), 0)
  t:match(table.concat(r.item.warnings, "\n"), "%-%-callability counts no more")
  t:match(json.encode(r.item.steps), "%(minor, private%)")
end)

test("a hole that a policy makes is said once", function(t)
  local w = seeded(t, "return { settings = { environment = 'Python 9' } }")
  local r = e2e.expect(w:promote({ HELLO }), 6)
  t:eq(#r.item.problems, 1)
end)

test("each destination has its own rules, the source is read for both",
function(t)
  local w, first = seeded(t, "return { map_name = { Hello = 'Other' } }")
  local head = w.dev:commit(HELLO, { { path = "later.txt", data = "x" } })
  write(w, ".config/godwit/strict.lua", "return { revision = 'latest' }")
  w:configure({ prod = { more = "policy = \"strict.lua\"" } })
  e2e.archive(w.home .. "/dr", "dr"):driver():close()
  local r = e2e.expect(w:run({ "promote", HELLO, "--from", "dev", "--to",
    "prod", "--to", "./dr", "--json" }), 0)
  local by_policy = {}
  for _, item in ipairs(r.doc.items) do
    by_policy[item.policy:match("[^/]*$")] = item
  end
  t:match(by_policy["strict.lua"].to, "^prod:acme/Hello$")
  t:eq(by_policy["strict.lua"].source_commit, first)
  t:match(by_policy["acme.lua"].to, "dr:acme/Other$")
  t:eq(by_policy["acme.lua"].source_commit, head)
end)

test("a configuration names the folder of policies", function(t)
  local w = seeded(t)
  write(w, "rules/acme.lua", "return { message = 'by the rules' }")
  write(w, "godwit.config.lua", "return { policies = 'rules' }")
  local r = e2e.expect(w:promote({ HELLO, "-n" }), 0)
  t:eq(r.item.policy, "rules/acme.lua")
end)

test("a policy that cannot be used stops the run before anything is written",
function(t)
  local w = seeded(t, "return {\n  gaet = function() end }")
  local r = e2e.expect(w:promote({ HELLO }), 2)
  t:match(r.err, "policies/acme.lua:2: there is no point 'gaet' in a policy; "
    .. "did you mean 'gate'")
  t:eq(w.prod:get(HELLO), nil)
end)

test("select leaves out, with a reason; the others go", function(t)
  local w = seeded(t, [[return {
    select = function(a, cx)
      if a:get().details.label == "Hello there" then return true end
      return false, "no label of ours"
    end }]])
  w.dev:create("acme/Other")
  local r = e2e.expect(w:promote({ HELLO, "acme/Other" }), 0)
  t:eq(r.items[1].outcome, "created")
  t:eq(r.items[2].outcome, "skipped")
  t:match(r.items[2].why, "^no label of ours %(policies/acme.lua, select%)")
  t:eq(r.doc.counts.skipped, 1)
  t:eq(w.prod:get("acme/Other"), nil)
end)

test("revision: the newest version by default, what was typed before it, none",
function(t)
  local w, source = seeded(t, "return { revision = 'latest' }")
  w.dev:commit(HELLO, { { path = "later.txt", data = "x" } })
  local r = e2e.expect(w:promote({ HELLO, "-n" }), 0)
  t:eq(r.item.source_commit, source)
  r = e2e.expect(w:promote({ HELLO, "--source-version", "head", "-n" }), 0)
  t:ok(r.item.source_commit ~= source)
  r = e2e.expect(w:promote({ HELLO .. "/head", "-n" }), 0)
  t:ok(r.item.source_commit ~= source)
  policy(w, "return { revision = function(a, cx) return nil end }")
  r = e2e.expect(w:promote({ HELLO }), 0)
  t:eq(r.item.outcome, "skipped")
  t:match(r.item.why, "^the policy chose no revision %(policies/acme.lua%)")
end)

test("a tag names a revision, annotated or not, also by hand", function(t)
  local w, first = seeded(t, "return { revision = 'v1.2' }")
  w.dev:commit(HELLO, { { path = "later.txt", data = "x" } })
  w.dev:tag(HELLO, "v1.2", first, "Release 1.2")
  w.dev:tag(HELLO, "light", first)
  local r = e2e.expect(w:promote({ HELLO, "-n" }), 0)
  t:eq(r.item.source_commit, first)
  t:eq(r.item.source_version, "0.1.0")
  for _, name in ipairs({ "light", "refs/tags/v1.2" }) do
    r = e2e.expect(w:promote({ HELLO, "--source-version", name, "-n" }), 0)
    t:eq(r.item.source_commit, first)
  end
  r = e2e.expect(w:promote({ HELLO .. "/v1.3", "-n" }), 6)
  t:match(r.item.why, "acme/Hello has no tag v1.3; did you mean 'v1.2'")
end)

test("a tag beside the main branch is fetched", function(t)
  local w
  w = e2e.world(t, function(dev)
    e2e.seed(dev)
    local tip = dev:tip(HELLO)
    local side = dev:commit(HELLO, { { path = "side.txt", data = "s" } })
    dev:tag(HELLO, "side", side, "a side")
    dev:reset(HELLO, tip)
  end)
  local r = e2e.expect(w:promote({ HELLO, "--source-version", "side" }), 0)
  t:eq(w.prod:read(HELLO).texts["side.txt"], "s")
  t:eq(r.item.version, "0.1.0")
end)

test("map_owner and map_name; typed words win; two may not meet", function(t)
  local w = seeded(t, [[return {
    map_owner = { acme = "alice" },
    map_name = function(name, cx) return name .. "_" .. cx.to.name end,
  }]])
  local r = e2e.expect(w:promote({ HELLO }), 0)
  t:eq(r.item.to, "prod:alice/Hello_prod")
  t:eq(w.prod:versions("alice/Hello_prod"), { "0.1.0" })
  t:match(w.prod:read("alice/Hello_prod").texts["algorithmia.conf"],
    '"username"%s*:%s*"alice"')
  r = e2e.expect(w:promote({ HELLO }), 0)
  t:eq(r.item.outcome, "unchanged")
  r = e2e.expect(w:promote({ HELLO, "--to-owner", "bob", "-n" }), 0)
  t:eq(r.item.to, "prod:bob/Hello_prod")
  w.dev:create("acme/Other")
  policy(w, "return { map_name = function() return 'One' end }")
  r = e2e.expect(w:promote({ HELLO, "acme/Other" }), 2)
  t:match(r.err, "acme/Hello and acme/Other would both become prod:acme/One")
  t:eq(w.prod:get("acme/One"), nil)
end)

test("map_environment: by display name, and what is there when it is not",
function(t)
  local w = seeded(t,
    [[return { map_environment = { ["Python 3.8"] = "Python 3.8 + CUDA" } }]],
    { prod = PROD })
  e2e.expect(w:promote({ HELLO }), 0)
  local env = w.prod:get(HELLO).settings.algorithm_environment
  local named = {}
  for _, e in ipairs(w.prod:driver():list_environments()) do
    named[e.id] = e.display_name .. " " .. e.machine_type
  end
  t:eq(named[env], "Python 3.8 + CUDA GPU")
  -- Of two of one name the source's machine decides.
  policy(w, [[return { map_environment = function(env, cx)
    return env.machine_type == "CPU" and "Twice" or nil end,
    map_name = { Hello = "Second" } }]])
  e2e.expect(w:promote({ HELLO }), 0)
  t:eq(named[w.prod:get("acme/Second").settings.algorithm_environment],
    "Twice CPU")
  policy(w, [[return { map_environment = { ["Python 3.8"] = "Python 3.9" },
    map_name = { Hello = "Third" } }]])
  local r = e2e.expect(w:promote({ HELLO }), 6)
  t:match(r.item.why, "map_environment of policies/acme.lua asks for the "
    .. "environment 'Python 3.9', which prod does not have; did you mean "
    .. "'Python 3.8'%?; it has: Python 3.8, Python 3.8 %+ CUDA, Twice")
end)

test("settings are created by name, and differences seen against them",
function(t)
  local w = seeded(t, [[return { settings = function(settings, cx)
    assert(settings.environment == "Python 3.8", settings.environment)
    assert(settings.callability == "private")
    return { tagline = settings.tagline .. " in " .. cx.to.name,
      license = "apl", network_access = "full", callability = "public",
      environment = "Python 3.8 + CUDA", sample_input = '"policy"' }
  end }]], { prod = PROD })
  local r = e2e.expect(w:promote({ HELLO }), 0)
  local doc = w.prod:get(HELLO)
  t:eq(doc.details.tagline, "greets in prod")
  t:eq(doc.settings.license, "apl")
  t:eq(doc.settings.network_access, "full")
  t:eq(doc.settings.algorithm_callability, "public")
  t:eq(doc.settings.source_visibility, "open")
  t:eq(r.item.differences, {})
  r = e2e.expect(w:promote({ HELLO }), 0)
  t:eq(r.item.outcome, "unchanged")
  -- An edited policy is looked at again, though nothing else changed.
  policy(w, [[return { settings = { tagline = "another",
    license = "apl", network_access = "full", callability = "public",
    environment = "Python 3.8 + CUDA" } }]])
  r = e2e.expect(w:promote({ HELLO }), 0)
  t:eq(r.item.outcome, "unchanged")
  t:eq(r.item.differences[1].field, "details.tagline")
  t:eq(#r.item.differences, 1)
  r = e2e.expect(w:promote({ HELLO, "--update-settings" }), 0)
  t:eq(r.item.outcome, "updated")
  t:eq(w.prod:get(HELLO).details.tagline, "another")
end)

test("transform edits the files, and the result is what is expected",
function(t)
  local w = seeded(t, [[return { transform = function(tree, cx)
    tree:write("where.txt", cx.to.name .. " " .. cx.commit.id .. "\n")
    tree:remove("model/*")
    tree:move("bin/run.sh", "bin/start.sh")
    tree:replace("*.conf", "Hello", "Hello")
  end }]])
  local r = e2e.expect(w:promote({ HELLO }), 0)
  local there = w.prod:read(HELLO)
  t:eq(there.texts["where.txt"], "prod " .. r.item.source_commit .. "\n")
  t:no(there.files["model/weights.bin"])
  t:ok(there.files["bin/start.sh"]:find("^100755"))
  r = e2e.expect(w:promote({ HELLO }), 0)
  t:eq(r.item.outcome, "unchanged")
  -- Without any state it is recognized as ours all the same.
  r = e2e.expect(w:promote({ HELLO }, { XDG_STATE_HOME = w.dir .. "/s2",
    XDG_CACHE_HOME = w.dir .. "/c2" }), 0)
  t:eq(r.item.outcome, "unchanged")
  -- A policy that makes other files is promoted though the source is as it was.
  policy(w, "return { transform = function(tree) tree:write('a', 'b') end }")
  r = e2e.expect(w:promote({ HELLO }), 0)
  t:eq(r.item.outcome, "updated")
  t:ok(w.prod:read(HELLO).files["model/weights.bin"])
  policy(w, "return {\n transform = function(tree) tree:write('../a', 'b') end }")
  r = e2e.expect(w:promote({ HELLO }), 1)
  t:eq(r.item.outcome, "failed")
  t:match(r.item.why, "^policies/acme.lua:2: transform: ")
end)

test("message and version_step, and the flags before them", function(t)
  local w = seeded(t, [[return {
    message = function(commit, cx)
      return commit.message:match("^[^\n]*") .. " (" .. commit.author.name .. ")"
    end,
    version_step = function(a, cx)
      return cx.commit.message:find "model" and "major" or "minor"
    end }]])
  local r = e2e.expect(w:promote({ HELLO }), 0)
  t:eq(r.item.version, "1.0.0")
  t:match(w.prod:read(HELLO).commit.message, "^Add a model %(Ann Author%)\n")
  w.dev:commit(HELLO, { { path = "a", data = "a" } })
  r = e2e.expect(w:promote({ HELLO, "--message", "Mine", "--publish",
    "revision" }), 0)
  t:eq(r.item.version, "1.0.1")
  t:match(w.prod:read(HELLO).commit.message, "^Mine\n")
  policy(w, "return { version_step = 'no' }")
  w.dev:commit(HELLO, { { path = "b", data = "b" } })
  r = e2e.expect(w:promote({ HELLO }), 0)
  t:eq(r.item.outcome, "updated")
  t:eq(r.item.version, nil)
  t:eq(w.prod:versions(HELLO), { "1.0.1", "1.0.0" })
  r = e2e.expect(w:promote({ HELLO }), 0)
  t:eq(r.item.outcome, "unchanged")
  t:no(r.err:find("comparing", 1, true)) -- the map says it all
  policy(w, "return { version_step = function() return false end }")
  r = e2e.expect(w:promote({ HELLO }), 0)
  t:eq(r.item.outcome, "unchanged")
end)

test("a message that is none fails before anything is written", function(t)
  local w = seeded(t, "return { message = function() return 5 end }")
  for _, words in ipairs({ { HELLO, "-n" }, { HELLO } }) do
    local r = e2e.expect(w:promote(words), 1)
    t:match(r.item.why, "^policies/acme.lua:1: message: expected the text")
    t:eq(w.prod:get(HELLO), nil)
  end
end)

test("gate: refused, waiting, through; asked only when there is work",
function(t)
  local w = seeded(t, [[return { gate = function(a, cx)
    local word = cx.commit.message:match "^%S+"
    if word == "Add" then return cx:wait(a.name .. " is not approved") end
    if word == "Bad" then return cx:refuse "bad" end
    print("asked about " .. cx.owner .. "/" .. cx.name)
  end }]])
  local r = e2e.expect(w:promote({ HELLO }), 3)
  t:eq(r.item.outcome, "waiting")
  t:match(r.item.why, "^Hello is not approved %(policies/acme.lua, gate%)")
  t:eq(r.item.commit, nil)
  t:eq(w.prod:get(HELLO), nil)
  w.dev:commit(HELLO, { { path = "a", data = "a" } }, { message = "Bad one" })
  r = e2e.expect(w:promote({ HELLO }), 6)
  t:eq(r.item.outcome, "refused")
  t:eq(w.prod:get(HELLO), nil)
  w.dev:commit(HELLO, { { path = "a", data = "b" } }, { message = "Good one" })
  r = e2e.expect(w:promote({ HELLO }), 0)
  t:eq(r.item.outcome, "created")
  t:match(r.err, "asked about acme/Hello")
  -- Nor when it takes a closer look to see that there is nothing to do.
  for _, env in ipairs({ {}, { XDG_STATE_HOME = w.dir .. "/s2" } }) do
    r = e2e.expect(w:promote({ HELLO }, env), 0)
    t:eq(r.item.outcome, "unchanged")
    t:no(r.err:find("asked about", 1, true))
  end
end)

test("on_drift: refused, overwritten, merged, by who changed what", function(t)
  local w = seeded(t, [[return { on_drift = function(state, cx)
    assert(state.kind == "drifted" and #state.commits == 1)
    local c = state.commits[1]
    if c.author == "Eve" then return "refuse" end
    if c.subject == "keep" then return "merge" end
    assert(state.files[1].path == "hot.txt", state.files[1].path)
    return "overwrite"
  end }]])
  e2e.expect(w:promote({ HELLO }), 0)
  w.prod:commit(HELLO, { { path = "hot.txt", data = "1" } },
    { author = "Eve", message = "x" })
  w.dev:commit(HELLO, { { path = "n.txt", data = "1" } })
  local r = e2e.expect(w:promote({ HELLO }), 6)
  t:match(r.item.why, "has drifted")
  r = e2e.expect(w:promote({ HELLO, "--overwrite-drift" }), 0)
  t:no(w.prod:read(HELLO).files["hot.txt"])
  w.prod:commit(HELLO, { { path = "hot.txt", data = "2" } },
    { author = "Bob", message = "keep" })
  w.dev:commit(HELLO, { { path = "n.txt", data = "2" } })
  e2e.expect(w:promote({ HELLO }), 0)
  t:eq(w.prod:read(HELLO).texts["hot.txt"], "2")
end)

test("on_drift is asked for an unknown destination, too", function(t)
  local w = e2e.world(t, function(dev, prod)
    e2e.seed(dev)
    prod:create(HELLO)
    prod:commit(HELLO, { { path = "by-hand.txt", data = "x" } })
  end)
  policy(w, [[return { on_drift = function(state)
    return state.kind == "unknown" and "overwrite" or "refuse" end }]])
  local r = e2e.expect(w:promote({ HELLO }), 0)
  t:eq(r.item.outcome, "updated")
  t:eq(w.prod:read(HELLO).files, w.dev:read(HELLO).files)
end)

test("compare: what answers otherwise is built and not published", function(t)
  local w = seeded(t, [[return { compare = function(old, new, cx)
    if old.result ~= new.result then
      return false, ("%s became %s"):format(old.result, new.result)
    end
  end }]])
  e2e.expect(w:promote({ HELLO }), 0) -- nothing to compare with
  w.dev:commit(HELLO, { { path = "a", data = "a" } })
  local r = w:promote({ HELLO })
  -- A sandbox's answer names the input, so both are the same.
  e2e.expect(r, 0)
  t:eq(r.item.version, "0.2.0")
  policy(w, "return { compare = function() return false, 'worse' end }")
  w.dev:commit(HELLO, { { path = "a", data = "b" } })
  r = w:promote({ HELLO })
  t:eq(r.item.outcome, "refused")
  t:match(r.item.why, "built but not published: worse %(policies/acme.lua, "
    .. "compare%)")
  t:eq(w.prod:versions(HELLO), { "0.2.0", "0.1.0" })
end)

test("after is told of every item, whatever became of it, and of a plan",
function(t)
  local w = seeded(t, [[return {
    select = { "!acme/Skipped" },
    gate = function(a, cx) if a.name == "Held" then cx:wait "later" end end,
    after = function(record, cx)
      print(("after %s %s %s"):format(record.ref, record.outcome, cx.dry_run))
    end }]])
  w.dev:create("acme/Skipped")
  w.dev:create("acme/Held")
  local r = w:promote({ HELLO, "acme/Skipped", "acme/Held", "acme/None", "-n" })
  t:match(r.err, "after acme/Hello created true")
  r = w:promote({ HELLO, "acme/Skipped", "acme/Held", "acme/None" })
  t:match(r.err, "after acme/Hello created false")
  t:match(r.err, "after acme/Skipped skipped false")
  t:match(r.err, "after acme/Held waiting false")
  local _, told = r.err:gsub("after acme/", "")
  t:eq(told, #r.items) -- of each once
  t:match(r.err, "after acme/None refused false")
  r = w:promote({ HELLO })
  t:match(r.err, "after acme/Hello unchanged false")
  r = w:promote({ HELLO, "acme/None", "--fail-fast" })
  t:match(r.err, "after acme/Hello unchanged false")
  t:match(r.err, "after acme/None refused false")
end)

test("when after raises the item has failed, and says how it ended itself",
function(t)
  local w = seeded(t, "return {\n  after = function(r) error 'no news' end }")
  local r = e2e.expect(w:promote({ HELLO }), 1)
  t:eq(r.item.outcome, "failed")
  t:eq(r.item.wrote, true)
  t:match(r.item.why, "^policies/acme.lua:2: after: no news; the promotion "
    .. "itself ended as created")
  t:eq(w.prod:versions(HELLO), { "0.1.0" })
end)

test("a policy that raises fails its item; the others go on", function(t)
  local w = seeded(t, [[return {
  gate = function(a)
    if a.name == "Other" then
      error("no such thing")
    end
  end }]])
  w.dev:create("acme/Other")
  local r = e2e.expect(w:promote({ HELLO, "acme/Other" }), 3)
  t:eq(r.items[1].outcome, "created")
  t:eq(r.items[2].outcome, "failed")
  t:match(r.items[2].why, "^policies/acme.lua:4: gate: no such thing")
  t:eq(w.prod:get("acme/Other"), nil)
end)

test("a gate that does not end fails its item, and the run ends", function(t)
  local w = seeded(t, [[return {
  gate = function(a)
    while true do pcall(function() while true do end end) end
  end }]])
  local r = e2e.expect(w:promote({ HELLO }), 1)
  t:match(r.item.why, "^policies/acme.lua:3: gate: stopped: it computed for 5 "
    .. "seconds")
  t:eq(w.prod:get(HELLO), nil)
end)

test("a gate that wants all memory fails its item, and the run ends",
function(t)
  local w = seeded(t, [[return {
  gate = function(a)
    local all = {}
    for i = 1, 1e9 do all[i] = ("x"):rep(1e6) .. i end
  end }]])
  local r = e2e.expect(w:promote({ HELLO }, { GODWIT_MEMORY = "64" }), 1)
  t:match(r.item.why, "^policies/acme.lua:[24]: gate: not enough memory")
  t:eq(w.prod:get(HELLO), nil)
end)

test("what a policy writes needs permission, and is planned with -n",
function(t)
  local w = seeded(t, [[return { after = function(record, cx)
    http.post(cx.params.from.name == "dev" and "]] .. "http://127.0.0.1:1"
    .. [[/hook", { json = { item = record } })
  end }]])
  local r = e2e.expect(w:promote({ HELLO, "-n" }), 0)
  t:eq(r.item.outcome, "created")
  r = e2e.expect(w:promote({ HELLO }), 9)
  t:match(r.item.why, "%-%-allow%-write")
  t:match(r.item.why, "policies/acme.lua:2: after: ")
  -- Also of an item that has failed already.
  policy(w, [[return { gate = function() error "no" end,
    after = function() http.post("http://127.0.0.1:1/hook", {}) end }]])
  r = e2e.expect(w:promote({ HELLO, "--publish", "major" }), 9)
end)

test("a policy does not write to the source", function(t)
  for _, write in ipairs({ "a:update{ details = { tagline = 'x' } }",
    "a:set_secret{ key = 'X', value = 'long enough' }",
    "a:edit('x', function(files) files:write('x', 'y') end)",
    "a:compile()", "a:publish()", "cx.from.algorithms:create{ owner = 'acme', name = 'X' }",
    "http.post(cx.from.id .. '/v1/algorithms/acme/Hello/compile')" }) do
    local w = seeded(t, "return { gate = function(a, cx) " .. write .. " end }")
    local before = w.dev:read(HELLO).commit.id
    local r = e2e.expect(w:promote({ HELLO }), 9)
    t:match(r.item.why, "%-%-allow%-write")
    t:eq(w.dev:read(HELLO).commit.id, before)
    t:eq(w.prod:get(HELLO), nil)
  end
end)

test("a policy does not change what the run has read", function(t)
  local w = seeded(t, [[return { gate = function(a, cx)
    assert(a:remote().limiter == nil)
    assert(cx.from.users:try_get "nobody" == nil)
    for _, name in ipairs { "environments", "scms" } do
      local rows = cx.to[name]
      for _, inner in ipairs { "list", "names", "what" } do
        assert(not pcall(function() return rows[inner]() end))
      end
      for row in rows:each() do row.id = "changed" end
      for row in rows:each() do assert(row.id ~= "changed") end
    end
  end }]])
  e2e.expect(w:promote({ HELLO }), 0)
end)

test("Ctrl-C ends a run whose policy waits", function(t)
  local w = seeded(t, [[return { gate = function(a, cx)
    log.info("waiting now")
    task.sleep(1000)
  end }]])
  local run = w:start({ "promote", HELLO, "--from", "dev", "--to", "prod",
    "--json" })
  local task = require("godwit.task")
  while not table.concat(run.err_parts):find("waiting now", 1, true) do
    task.sleep(0.02)
  end
  run.process:kill(2)
  local r = w:finish(run)
  t:eq(r.code, 130)
  t:match(r.doc.items[1].why, "^interrupted at the step gate; it changed nothing")
  t:eq(w.prod:get(HELLO), nil)
end)

test("a script's copy.algorithm asks the policy, too", function(t)
  local w = seeded(t, [[return {
    map_name = { Hello = "Renamed" },
    gate = function(a, cx) if cx.params.publish then cx:wait "not by hand" end end,
  }]])
  write(w, "one.lua", [[
    local a = godwit.cluster "dev".algorithms:get "acme/Hello"
    local r = copy.algorithm(a, godwit.cluster "prod", { publish = "minor" })
    print(r.outcome, r.why)
    r = copy.algorithm(a, godwit.cluster "prod")
    print(r.outcome, r.to)]])
  local r = e2e.expect(w:run({ "run", "one.lua", "--allow-write", "prod" }), 0)
  t:match(r.out, "waiting\tnot by hand %(policies/acme.lua, gate%)\n"
    .. "created\tprod:acme/Renamed\n")
end)
