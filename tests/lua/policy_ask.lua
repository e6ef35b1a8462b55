-- Asking a policy: each point with its use and its misuse. Whatever it does
-- wrong is one sentence with the file, the line and the point.
local ask = require("godwit.policy.ask")
local core = require("godwit.core.task")
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local given = require("godwit.policy.given")
local json = require("godwit.json")
local policy = require("godwit.policy")
local task = require("godwit.task")

local FROM = { name = "dev", id = "id-dev", kind = "http" }
local TO = { name = "prod", id = "id-prod", kind = "http" }
local COMMIT = { id = ("a"):rep(40), message = "Fix OPS-7\n\nAll of it.\n",
  author = { name = "Ann", email = "ann@example.com", time = 5 },
  parents = {} }
local WHERE = { from = FROM, to = TO, commit = COMMIT, owner = "acme",
  name = "Fraud", params = { publish = "minor", nested = { x = 1 } },
  dry_run = true }
local A = given.algorithm(FROM, "acme", "Fraud", "an-id")

--- The policy `return { <text> }`, its points from line 2 on.
local function of(t, text)
  local dir = t:tmpdir()
  err.check(fs.write(dir .. "/acme.lua", "return {\n" .. text .. "\n}\n"))
  local driver = { name = "prod", id = "id-prod",
    profile = { policy = dir .. "/acme.lua" } }
  local p = policy.set():of("acme", driver)
  return p, function(kind, fn, pattern)
    return t:raises(kind, fn, (pattern:gsub("^acme", "[^ ]*acme")))
  end
end

test("select: globs, with exclusions", function(t)
  local p = of(t, [[select = { "acme/*", "!acme/Test*", "bob/One" }]])
  local function yes(ref)
    local owner, name = ref:match("(.*)/(.*)")
    return (p:select(WHERE, given.algorithm(FROM, owner, name)))
  end
  t:eq(yes("acme/Fraud"), true)
  t:eq(yes("acme/TestFraud"), false)
  t:eq(yes("bob/One"), true)
  t:eq(yes("bob/Two"), false)
  p = of(t, [[select = { "!acme/Test*" }]])
  t:eq(yes("bob/Two"), true)
  t:eq(yes("acme/TestFraud"), false)
  local _, why = p:select(WHERE, given.algorithm(FROM, "acme", "Tests"))
  t:match(why, "^not selected %(.*acme.lua%)$")
end)

test("select: a function, with a reason", function(t)
  local p, raises = of(t, [[select = function(a, cx)
    if a.name == "Bad" then return 5 elseif a.name == "Odd" then return false, 5 end
    if a.name == "No" then cx:refuse("not that") end
    return a.ref == "acme/Fraud" and cx.to.name == "prod", "not ready"
  end]])
  t:eq(p:select(WHERE, A), true)
  local yes, why = p:select(WHERE, given.algorithm(FROM, "acme", "Other"))
  t:eq(yes, false)
  t:match(why, "^not ready %(.*acme.lua, select%)$")
  raises("policy", function()
    p:select(WHERE, given.algorithm(FROM, "acme", "Bad"))
  end, "acme.lua:2: select: it returned a number: expected true or false")
  raises("policy", function()
    p:select(WHERE, given.algorithm(FROM, "acme", "Odd"))
  end, "acme.lua:2: select: the reason it returned is a number, not a text")
  raises("refused", function()
    p:select(WHERE, given.algorithm(FROM, "acme", "No"))
  end, "^not that %(.*acme.lua, select%)")
end)

test("revision: a text, a function, none", function(t)
  t:eq({ of(t, [[revision = "latest"]]):revision(WHERE, A) },
    { true, "latest" })
  t:eq({ of(t, [[gate = print]]):revision(WHERE, A) }, { false })
  t:eq({ of(t, [[revision = function(a) return "v1.2" end]]):revision(WHERE, A) },
    { true, "v1.2" })
  t:eq({ of(t, [[revision = function(a) end]]):revision(WHERE, A) },
    { true, nil })
  local p, raises = of(t, "\nrevision = function(a) return { 'v1' } end")
  raises("policy", function()
    p:revision(WHERE, A)
  end, "acme.lua:3: revision: expected the name of a revision, not a table")
  p, raises = of(t, "revision = function(a) return '' end")
  raises("policy", function()
    p:revision(WHERE, A)
  end, "acme.lua:2: revision: '' names no version")
end)

test("map_owner and map_name: tables and functions, checked", function(t)
  local p, raises = of(t, [[map_owner = { acme = "labs" },
    map_name = function(name, cx)
      return name == "Fraud" and name .. "_" .. cx.to.name or name == "X" and "a/b"
        or name == "Long" and ("x"):rep(65) or nil
    end]])
  t:eq(p:map_owner(WHERE, "acme"), "labs")
  t:eq(p:map_owner(WHERE, "bob"), "bob")
  t:eq(p:map_name(WHERE, "Fraud"), "Fraud_prod")
  t:eq(p:map_name(WHERE, "Other"), "Other")
  raises("policy", function() p:map_name(WHERE, "X") end,
    "acme.lua:3: map_name: 'a/b' is not a name")
  raises("policy", function() p:map_name(WHERE, "Long") end, "at most 64")
end)

test("map_environment: by display name", function(t)
  local env = { id = "1", display_name = "Python 3.8", machine_type = "CPU",
    language = { name = "python3" } }
  local p = of(t, [[map_environment = { ["Python 3.8"] = "Python 3.8 + CUDA" }]])
  t:eq(p:map_environment(WHERE, env), "Python 3.8 + CUDA")
  t:eq(p:map_environment(WHERE, { display_name = "R" }), nil)
  local f, raises = of(t, [[map_environment = function(env, cx)
    if env.language.name == "r" then return 5 end
    return env.display_name .. " on " .. env.machine_type
  end]])
  t:eq(f:map_environment(WHERE, env), "Python 3.8 on CPU")
  raises("policy", function()
    f:map_environment(WHERE, { language = { name = "r" } })
  end, "acme.lua:2: map_environment: expected the name of an environment")
end)

test("settings: a table of what is to be different", function(t)
  t:eq(of(t, [[settings = { label = "A" }]]):settings(WHERE, {}),
    { label = "A" })
  local p, raises = of(t, [[settings = function(s, cx)
    if s.license == "x" then return { licence = "mit" } end
    if s.license == "y" then return "mit" end
    return { tagline = s.tagline .. " (" .. cx.to.name .. ")" }
  end]])
  t:eq(p:settings(WHERE, { tagline = "greets" }),
    { tagline = "greets (prod)" })
  raises("policy", function() p:settings(WHERE, { license = "x" }) end,
    "acme.lua:2: settings: there is no setting 'licence'; did you mean 'license'")
  raises("policy", function() p:settings(WHERE, { license = "y" }) end,
    "settings: expected a table of settings, not 'mit'")
end)

-- A tree without a store.
local function fake_tree(files)
  local tree = { files = files, store = "the store" }
  function tree:read(path) return self.files[path] end
  function tree:write(path, text) self.files[path] = text end
  function tree:save() error("not for policies") end
  function tree:remove() self.files = {} end
  function tree:each()
    local path
    return function()
      path = next(self.files, path)
      return path
    end
  end
  return tree
end

test("transform: edits a tree, and has no more than that", function(t)
  local p = of(t, [[transform = function(tree, cx)
    tree:write("a.txt", tree:read("a.txt") .. cx.to.name)
    assert(tree.store == nil and tree.save == nil and tree.files == nil)
  end]])
  local tree = fake_tree({ ["a.txt"] = "on " })
  p:transform(WHERE, tree)
  t:eq(tree.files["a.txt"], "on prod")
  local q, raises = of(t, [[transform = function(tree, cx) return 5 end]])
  raises("policy", function() q:transform(WHERE, tree) end,
    "acme.lua:2: transform: it returned a number, but nothing is asked of it")
  q, raises = of(t, [[transform = function(tree, cx)
    tree.read = nil end]])
  raises("policy", function() q:transform(WHERE, tree) end,
    "acme.lua:3: transform: tree is read%-only")
  q, raises = of(t, [[transform = function(tree, cx)
    tree.read("a.txt") end]])
  raises("policy", function() q:transform(WHERE, tree) end,
    "acme.lua:3: transform: call it as tree:read%(")
  q, raises = of(t, [[transform = function(tree, cx)
    tree:remove("**") end]])
  raises("policy", function() q:transform(WHERE, tree) end,
    "acme.lua:2: transform: it left no file")
end)

test("message: a text, from the commit", function(t)
  t:eq(of(t, [[message = "Promoted"]]):message(WHERE), "Promoted")
  t:eq(of(t, [[gate = print]]):message(WHERE), nil)
  t:eq(of(t, [[message = function(c) return c.message:match "OPS%-%d+"
    .. " by " .. c.author.name end]]):message(WHERE), "OPS-7 by Ann")
  local p, raises = of(t, [[message = function(c) return "" end]])
  raises("policy", function() p:message(WHERE) end,
    "acme.lua:2: message: the message of a commit is empty")
  p, raises = of(t, [[message = function(c) return c.parents end]])
  raises("policy", function() p:message(WHERE) end,
    "message: expected the text of a message, not a table")
end)

test("version_step: minor, major, revision, not at all", function(t)
  t:eq(of(t, [[version_step = "major"]]):version_step(WHERE, A), "major")
  t:eq(of(t, [[version_step = false]]):version_step(WHERE, A), "no")
  t:eq(of(t, [[version_step = function(a) return false end]])
    :version_step(WHERE, A), "no")
  t:eq(of(t, [[version_step = function(a) end]]):version_step(WHERE, A), nil)
  local p, raises = of(t, [[version_step = function(a) return "patch" end]])
  raises("policy", function() p:version_step(WHERE, A) end,
    "acme.lua:2: version_step: expected minor, major, revision or no, not 'patch'")
end)

test("gate: nothing, refuse, wait", function(t)
  local function gate(text)
    local p, raises = of(t, "gate = function(a, cx)\n" .. text .. "\nend")
    return p, raises
  end
  t:eq(gate(""):gate(WHERE, A), nil)
  local v = gate([[return cx:refuse("no " .. a.name)]]):gate(WHERE, A)
  t:eq(v.outcome, "refused")
  t:match(v.why, "^no Fraud %(.*acme.lua, gate%)$")
  v = gate([[cx:wait "first" cx:wait "second"]]):gate(WHERE, A)
  t:eq(v.outcome, "waiting")
  t:match(v.why, "^first ")
  v = gate([[cx:wait "first" return cx:refuse "second"]]):gate(WHERE, A)
  t:eq(v.outcome, "refused")
  local p, raises = gate([[return false]])
  raises("policy", function() p:gate(WHERE, A) end,
    "acme.lua:2: gate: it returned false, but nothing is asked of it; refuse "
    .. "with cx:refuse%(why%), wait with cx:wait%(why%)")
  for _, text in ipairs({ "cx:refuse()", "cx:refuse ''", "cx:refuse(5)" }) do
    p, raises = gate(text)
    raises("policy", function() p:gate(WHERE, A) end,
      "acme.lua:3: gate: cx:refuse takes a text that says why")
  end
  p, raises = gate([[cx.wait "why"]])
  raises("policy", function() p:gate(WHERE, A) end,
    "acme.lua:3: gate: call it as cx:wait%(why%)")
  v = gate([[cx:refuse(("x\n"):rep(5000))]]):gate(WHERE, A)
  t:ok(#v.why < 1200)
  t:no(v.why:find("\n"))
end)

test("on_drift: refuse, overwrite, merge, or left open", function(t)
  local state = { kind = "drifted", commits = { { id = "1", author = "Eve",
    subject = "Hotfix" } }, files = { { status = "modified", path = "a" } } }
  t:eq(of(t, [[on_drift = "overwrite"]]):on_drift(WHERE, state), "overwrite")
  t:eq(of(t, [[on_drift = function(s) return s.commits[1].author == "Eve"
    and #s.files == 1 and "merge" or nil end]]):on_drift(WHERE, state), "merge")
  t:eq(of(t, [[on_drift = function(s) end]]):on_drift(WHERE, state), nil)
  local p, raises = of(t, [[on_drift = function(s) return true end]])
  raises("policy", function() p:on_drift(WHERE, state) end,
    "acme.lua:2: on_drift: expected refuse, overwrite or merge, not true")
end)

test("compare: of results, false or a refusal keep the old one", function(t)
  local function compare(text)
    return of(t, "compare = function(old, new, cx) " .. text .. " end")
  end
  local old, new = { result = { score = 1 } }, { result = { score = 2 } }
  t:eq(compare("return old.result.score < new.result.score")
    :compare(WHERE, old, new), nil)
  t:eq(compare(""):compare(WHERE, old, new), nil)
  t:match(compare("return false"):compare(WHERE, old, new),
    "^its results are not what they were %(.*acme.lua, compare%)")
  t:match(compare("return false, 'score ' .. new.result.score")
    :compare(WHERE, old, new), "^score 2 %(")
  t:match(compare("cx:refuse 'worse'"):compare(WHERE, old, new), "^worse %(")
  local p, raises = compare("return 'worse'")
  raises("policy", function() p:compare(WHERE, old, new) end,
    "acme.lua:2: compare: it returned 'worse': expected true, false and why")
end)

test("after: is told, and can refuse nothing", function(t)
  local record = { outcome = "updated", ref = "acme/Fraud", warnings = {} }
  of(t, [[after = function(record, cx)
    assert(record.outcome == "updated" and #record.warnings == 0)
  end]]):after(WHERE, record)
  local p, raises = of(t, [[after = function(record, cx)
    cx:refuse "too late" end]])
  raises("policy", function() p:after(WHERE, record) end,
    "acme.lua:3: after: cx:refuse: the promotion has ended")
  p, raises = of(t, [[after = function(record, cx) return 1 end]])
  raises("policy", function() p:after(WHERE, record) end,
    "acme.lua:2: after: it returned a number")
end)

test("cx:wait is for the gate alone", function(t)
  local p, raises = of(t, [[version_step = function(a, cx)
    cx:wait "later" end]])
  raises("policy", function() p:version_step(WHERE, A) end,
    "acme.lua:3: version_step: cx:wait is for the point gate")
end)

-- What is given ------------------------------------------------------------

local WRITES = {
  { "a.owner = 'x'", "a is read%-only" },
  { "a.cluster.name = 'x'", "a.cluster is read%-only" },
  { "cx.params.publish = 'no'", "cx.params is read%-only" },
  { "cx.params.nested.y = 1", "cx.params.nested is read%-only" },
  { "cx.commit.message = 'x'", "cx.commit is read%-only" },
  { "cx.commit.author.name = 'x'", "cx.commit.author is read%-only" },
  { "table.insert(cx.commit.parents, 'x')", "cx.commit.parents is read%-only" },
  { "cx.refuse = nil", "cx is read%-only" },
  { "rawset(cx, 'dry_run', false)", "cx is read%-only" },
  { "rawset(cx.commit, 'id', 1)", "cx.commit is read%-only" },
  { "setmetatable(cx, {})", "protected metatable" },
  { "getmetatable(a).__newindex = nil", "attempt to index" },
}

for _, case in ipairs(WRITES) do
  test("modifying what was given: " .. case[1], function(t)
    local before = json.encode(COMMIT)
    local p, raises = of(t, "gate = function(a, cx)\n\n" .. case[1] .. " end")
    raises("policy", function() p:gate(WHERE, A) end,
      "acme.lua:4: gate: .*" .. case[2])
    t:eq(json.encode(COMMIT), before)
    t:eq(WHERE.params.publish, "minor")
    t:eq(A.owner, "acme")
  end)
end

test("what is given can be read in every way", function(t)
  local p = of(t, [[gate = function(a, cx)
    local c = cx.commit
    local keys = {}
    for k in pairs(c) do keys[#keys + 1] = k end
    table.sort(keys)
    assert(table.concat(keys, " ") == "author id message parents")
    assert(next(c) ~= nil and next(c.parents) == nil and #c.parents == 0)
    assert(json.decode(json.encode(c)).author.name == "Ann")
    assert(json.encode(c.parents) == "[]" or json.encode(c.parents) == "{}")
    assert(a.ref == "acme/Fraud" and a.id == "an-id")
    assert(tostring(a) == "dev:acme/Fraud" and a.cluster.name == "dev")
    assert(cx.from.name == "dev" and cx.to.name == "prod")
    assert(cx.owner == "acme" and cx.name == "Fraud" and cx.dry_run)
    assert(cx.params.publish == "minor" and cx.params.nested.x == 1)
    assert(cx.policy:find("acme.lua") and cx.nonsense == nil)
    assert(a.cluster == cx.from)
  end]])
  t:eq(p:gate(WHERE, A), nil)
end)

test("methods that read work on what is given", function(t)
  local asked = {}
  local from = { name = "dev", id = "d", kind = "http",
    get_algorithm = function(_, owner, name)
      asked[1] = owner .. "/" .. name
      return { details = { label = "A label" } }
    end,
    list_environments = function()
      return { { id = "e1", display_name = "Python" } }
    end }
  local p = of(t, [[gate = function(a, cx)
    assert(a:get().details.label == "A label")
    assert(cx.from.environments:get("Python").id == "e1")
    for env in a.cluster.environments:each() do assert(env.id == "e1") end
  end]])
  t:eq(p:gate({ from = from, to = TO }, given.algorithm(from, "acme", "Fraud")),
    nil)
  t:eq(asked, { "acme/Fraud" })
end)

-- What goes wrong ----------------------------------------------------------

local WRONG = {
  ["raising a text"] = { "error('no good')", "policy",
    "acme.lua:3: gate: no good" },
  ["raising without a place"] = { "error('no good', 0)", "policy",
    "acme.lua:[23]: gate: no good" },
  ["raising a table"] = { "error({ code = 5 })", "policy",
    "acme.lua:[23]: gate: raised a table instead of a text" },
  ["raising nothing"] = { "error()", "policy",
    "acme.lua:[23]: gate: raised nothing that says why" },
  ["indexing nil"] = { "return cx.b.c", "policy",
    "acme.lua:3: gate: attempt to index a nil value" },
  ["a field that a handle has not"] = { "local x = a.ownr", "policy",
    "acme.lua:3: gate: an algorithm has no ownr; did you mean 'owner'" },
  ["a library's usage error"] = { "cx.from.algorithms:get(5)", "policy",
    "acme.lua:3: gate: an algorithm is named OWNER/NAME" },
  ["a glob that is none"] = { "cx.from.algorithms:each { name = 5 }",
    "policy", "acme.lua:3: gate: a glob is a text, not a number" },
  ["waiting in sort"] = { "table.sort({ 2, 1 }, function() task.sleep(0) end)",
    "policy", "acme.lua:3: gate: cannot wait in a callback of 'sort'" },
  ["waiting in gsub"] = { "('x'):gsub('.', function() task.sleep(0) end)",
    "policy", "acme.lua:3: gate: cannot wait in a callback of 'gsub'" },
  ["waiting in a metamethod of tostring"] = {
    "tostring(setmetatable({}, { __tostring = function() task.sleep(0) end }))",
    "policy", "acme.lua:3: gate: cannot wait in a callback of 'tostring'" },
  ["waiting in a coroutine"] = {
    "coroutine.wrap(function() task.sleep(0) end)()", "policy",
    "acme.lua:3: gate: cannot wait inside a coroutine" },
  ["yielding"] = { "coroutine.yield(1)", "policy",
    "acme.lua:3: gate: coroutine.yield outside a coroutine" },
  ["endless recursion"] = { "local function f() return 1 + f() end f()",
    "policy", "acme.lua:3: gate: stack overflow" },
  ["the files of the machine"] = { "io.open('/etc/passwd')", "policy",
    "acme.lua:3: gate: attempt to index a nil value %(global 'io'%)" },
  ["a module that is none"] = { "require 'godwit.effect'", "policy",
    "acme.lua:3: gate: module 'godwit.effect' not found" },
  ["no answer from a server"] = {
    "http.get('http://127.0.0.1:1/', { retry = false })", "net",
    "acme.lua:3: gate: " },
  ["a secret nobody has"] = { "godwit.secret 'jira'", "policy",
    "acme.lua:3: gate: there is no secret 'jira'" },
}

for name, case in pairs(WRONG) do
  test("one sentence: " .. name, function(t)
    local p, raises = of(t, "gate = function(a, cx)\n" .. case[1] .. " end")
    local e = raises(case[2], function() p:gate(WHERE, A) end, case[3])
    t:no(tostring(e):find("\n"))
    t:eq(e.retryable, case[2] == "net")
  end)
end

local function quick(t)
  local before = ask.SECONDS
  ask.SECONDS = 0.1
  t:defer(function() ask.SECONDS = before end)
end

for name, code in pairs({
  ["at once"] = "while true do end",
  ["though it catches everything"] = "while true do pcall(function() while true do end end) end",
  ["in a coroutine"] = "coroutine.wrap(function() while true do end end)()",
  ["while it waits in between"] = "while true do for i = 1, 1e5 do end task.sleep(0) end",
}) do
  test("a point that computes for ever is stopped: " .. name, function(t)
    quick(t)
    local p, raises = of(t, "gate = function(a, cx)\n" .. code .. " end,\n"
      .. "message = 'still asked'")
    raises("policy", function() p:gate(WHERE, A) end,
      "acme.lua:3: gate: stopped: it computed for 0.1 seconds")
    t:eq(p:message(WHERE), "still asked")
  end)
end

test("a transform may compute longer than the others", function(t)
  local before = ask.SECONDS
  ask.SECONDS = 0.01
  t:defer(function() ask.SECONDS = before end)
  local work = "function() for i = 1, 5e7 do end end"
  local p, raises = of(t, "transform = " .. work .. ", gate = " .. work)
  p:transform(WHERE, fake_tree({ a = "a" }))
  raises("policy", function() p:gate(WHERE, A) end, "it computed for 0.01 seconds")
end)

test("what it holds without end is given back", function(t)
  local p = of(t, [[gate = function(a, cx)
    task.sleep(0.2) -- longer than any limit of computing
  end]])
  quick(t)
  t:eq(p:gate(WHERE, A), nil)
end)

test("a run that is cancelled cancels the policy that waits", function(t)
  local p = of(t, [[gate = function(a, cx)
    local ok, e = pcall(task.sleep, 1000)
    error("caught", 0)
  end]])
  local asker = core.spawn(function()
    p:gate(WHERE, A)
  end)
  task.sleep(0.01)
  core.cancel(asker)
  local ok, e = core.join(asker)
  t:no(ok)
  t:ok(err.is(e, "cancelled"), tostring(e))
end)

test("require inside a point is of what was required at the top", function(t)
  local p, raises = of(t, [[gate = function(a, cx)
    require "other" end]])
  local dir = p.file.path:match("^(.*)/")
  err.check(fs.write(dir .. "/other.lua", "return 1"))
  raises("policy", function() p:gate(WHERE, A) end,
    "acme.lua:3: gate: require \"other\" at the top of the policy")
end)

test("print goes to the log", function(t)
  local p = of(t, [[gate = function(a, cx) print(a, 5) end]])
  local log = require("godwit.log")
  local said = {}
  local info = log.info
  log.info = function(fmt, ...) said[#said + 1] = fmt:format(...) end
  t:defer(function() log.info = info end)
  p:gate(WHERE, A)
  t:match(said[1], "acme.lua: dev:acme/Fraud\t5$")
end)
