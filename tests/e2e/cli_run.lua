local cli = require("support.cli")
local fs = require("godwit.core.fs")
local json = require("godwit.core.json")
local task = require("godwit.task")

local NOWHERE = "http://127.0.0.1:9"

local function dev_home(t)
  local home = cli.home(t)
  home.api = home:sandbox(t, "dev", "demo-dev")
  return home
end

test("an expression's value is printed, a table as JSON", function(t)
  local home = cli.home(t)
  t:eq(home:expect(0, { "-q", "eval", "1 + 1" }).all, "2\n")
  t:eq(home:expect(0, { "-q", "eval", "'a', 2" }).out, "a\n2\n")
  t:eq(json.decode(home:expect(0, { "eval", "{ a = json.array {} }" }).out),
    { a = {} })
  t:eq(home:expect(0, { "-q", "eval", "local x = 1 print('hi', x)" }).all,
    "hi\t1\n")
  t:eq(home:expect(0, { "-q", "eval", "nil" }).out, "nil\n")
end)

test("with --json stdout is one document whatever is printed", function(t)
  local home = cli.home(t)
  local r = home:expect(0, { "eval", "print 'hi' return 1, 'x'", "--json" })
  t:eq(json.decode(r.out), { mode = "apply", result = { 1, "x" } })
  t:match(r.err, "hi\n")
  r = home:expect(1, { "eval", "error 'no'", "--json" })
  t:match(json.decode(r.out).error.message, "no")
  t:eq(json.decode(home:expect(0, { "eval", "nil", "--json" }).out).result,
    json.null)
end)

test("the first line says the mode", function(t)
  local home = cli.home(t)
  t:match(home:expect(0, { "eval", "1" }).err, "^apply: eval\n")
  t:match(home:expect(0, { "eval", "1", "-n" }).err, "^plan, nothing is ")
  t:match(home:expect(0, { "eval", "1", "--dry_run" }).err, "^plan, ")
  t:match(home:expect(0, { "eval", "1",
    env = { GODWIT_DRY_RUN = "1" } }).err, "^plan, ")
end)

test("a script's error has its line, and with -v where it came from", function(t)
  local home = cli.home(t)
  home:write("work/fix.lua", "local x\n\nlocal y = x.field\n")
  local r = home:expect(1, { "run", "fix.lua" })
  t:match(r.err, "fix%.lua:3: attempt to index a nil value %(local 'x'%)")
  home:write("work/throw.lua", "local function f()\n  err.throw('remote', "
    .. "'gone')\nend\nf()\n")
  r = home:expect(1, { "run", "throw.lua", "-v" })
  t:match(r.err, "gone")
  t:match(r.err, "throw%.lua:2")
  home:write("work/syntax.lua", "local = 1")
  r = home:expect(2, { "run", "syntax.lua" })
  t:match(r.err, "syntax%.lua:1:")
end)

test("every item that failed is named, not only the first", function(t)
  local home = cli.home(t)
  home:write("work/many.lua", "task.each({ 'a', 'b', 'c' }, function(x)\n"
    .. "  if x ~= 'b' then err.throw('remote', 'no %s', x) end\n"
    .. "end, { keep_going = true })\n")
  local r = home:expect(1, { "run", "many.lua", "--json" })
  t:match(r.err, "2 of 3 failed")
  t:match(r.err, "\n  many.lua:2: no a %(remote%)\n")
  t:match(r.err, "\n  many.lua:2: no c %(remote%)\n")
  t:eq(json.decode(r.out).error.errors, { "no a (remote)", "no c (remote)" })
end)

test("scripts are closed", function(t)
  local home = cli.home(t)
  for _, code in ipairs { "io.open('/etc/passwd')", "os.execute('true')",
    "os.getenv('HOME')", "debug.traceback()", "local fs = require 'godwit.core.fs'",
    "package.path", "dofile('x')", "string.dump(print)" } do
    local r = home:expect(1, { "eval", code })
    t:match(r.err, "eval:1")
  end
end)

test("a script's words", function(t)
  local home = cli.home(t)
  home:write("work/words.lua", "print(#godwit.args, godwit.args[1], "
    .. "godwit.args[2])")
  t:eq(home:expect(0, { "run", "words.lua", "-q", "a", "--", "--b" }).out,
    "2\ta\t--b\n")
  t:eq(home:expect(0, { "-q", "words.lua", "a" }).out, "1\ta\tnil\n")
  local r = home:expect(2, { "run", "words.lua", "--dry-rnu" })
  t:match(r.err, "unknown option %-%-dry%-rnu; did you mean '%-%-dry%-run'")
  t:eq(r.out, "")
end)

test("a write needs --allow-write, a plan does not", function(t)
  local home = dev_home(t)
  local code = [[godwit.cluster("sandbox:dev").algorithms:get("acme/Tokenize")
    :update { details = { label = "New" } }]]
  local label = [[godwit.cluster("sandbox:dev").algorithms:get("acme/Tokenize")
    :get().details.label]]
  local r = home:expect(9, { "eval", code })
  t:match(r.err, "^apply: eval\nerror: eval:1: [^\n]+%-%-allow%-write "
    .. "sandbox:dev[^\n]*\n")
  r = home:expect(9, { "eval", code, "--json" })
  t:eq(json.decode(r.out).error.kind, "denied")
  r = home:expect(0, { "eval", code, "-n", "--json" })
  local doc = json.decode(r.out)
  t:eq(doc.mode, "plan")
  t:ok(#doc.planned > 0)
  t:eq(home:expect(0, { "-q", "eval", label }).out, "Tokenize\n")
  home:expect(0, { "eval", code, "--allow-write", "sandbox:dev" })
  t:eq(home:expect(0, { "-q", "eval", label }).out, "New\n")
  -- Another cluster's permission is none.
  home:config(('return { clusters = { other = { api = %q } } }'):format(
    NOWHERE))
  code = code:gsub("New", "Newer")
  home:expect(9, { "eval", code, "--allow-write", "other" })
  r = home:expect(2, { "eval", code, "--allow-write", "otehr" })
  t:match(r.err, "did you mean 'other'")
end)

test("the host refuses what a script sends by itself, too", function(t)
  local home = dev_home(t)
  local code = ('http.post("%s/v1/algorithms/acme", { json = {} })'):format(
    home.api)
  home:expect(9, { "eval", code })
  home:expect(0, { "eval", code, "-n" })
end)

test("a secret can be handed over, not looked at", function(t)
  local home = cli.home(t)
  home:config([[return { secrets = { jira = {
    host = "https://jira.example.com", value = env "JIRA" } } }]])
  local env = { JIRA = "hunter2-hunter2" }
  local r = home:expect(0, { "-q", "eval", "godwit.secret 'jira'",
    env = env })
  t:eq(r.out, "[secret jira]\n")
  for _, code in ipairs { "'x' .. godwit.secret 'jira'",
    "#godwit.secret 'jira'", "json.encode { godwit.secret 'jira' }",
    ('http.get("%s", { auth = godwit.secret "jira" })'):format(NOWHERE) } do
    r = home:run { "eval", code, env = env }
    t:ok(r.code ~= 0)
    t:no(r.all:find("hunter2", 1, true))
  end
end)

test("a secret is sent the way it was configured", function(t)
  local home = cli.home(t)
  local api = home:sandbox(t, "dev", "demo-dev")
  local keys = json.decode(fs.read(home.dir
    .. "/.local/state/godwit/sandboxes/dev/keys.json", 1 << 20)).accounts
  local key
  for _, a in ipairs(keys) do
    key = a.username == "acme" and a.key or key
  end
  local code = ('http.get("%s/v1/algorithms/acme/FraudScore", '
    .. '{ auth = godwit.secret "s", expect = "any" }).status'):format(api)
  for scheme, status in pairs { Simple = "200", Bearer = "401" } do
    home:config(("return { secrets = { s = { host = %q, scheme = %q, "
      .. "value = env 'S' } } }"):format(api, scheme))
    t:eq(home:expect(0, { "-q", "eval", code, env = { S = key } }).out,
      status .. "\n")
  end
end)

local LIST = [[
return {
  summary = "Looks at algorithms.",
  params = {
    from = { "cluster", help = "Where" },
    owner = { "string", help = "Whose" },
    most = { "integer", default = 3, help = "How many" },
    mode = { "string", default = "unchanged" },
  },
  run = function(cx)
    local p, n = cx.params, 0
    cx:each(p.from.algorithms:each { owner = p.owner }, function(a)
      n = n + 1
      return n > p.most and "skipped" or p.mode
    end, { kind = "algorithm" })
  end,
}
]]

test("a workflow's parameters are flags with help", function(t)
  local home = cli.home(t)
  home:write("work/look.lua", LIST)
  local r = home:expect(0, { "run", "look.lua", "--help" })
  t:match(r.out, "^Usage: godwit run look%.lua %-%-from")
  t:match(r.out, "Looks at algorithms%.")
  t:match(r.out, "%-%-most MOST +How many%. Default: 3%.")
  t:match(home:expect(2, { "run", "look.lua", "--from", "x" }).err,
    "%-%-owner is missing")
  t:match(home:expect(2, { "run", "look.lua", "--from", "x", "--owner", "a",
    "--most", "few" }).err, "%-%-most needs a whole number")
  t:match(home:expect(2, { "run", "look.lua", "--ownr", "a" }).err,
    "did you mean '%-%-owner'")
end)

test("outcomes are printed, counted and make the exit code", function(t)
  local home = dev_home(t)
  home:write("work/look.lua", LIST)
  local function run(code, ...)
    return home:expect(code, { "run", "look.lua", "--from", "sandbox:dev",
      "--owner", "acme", ... })
  end
  local r = run(0)
  t:match(r.out, "unchanged  acme/")
  t:match(r.out, "3 unchanged, 3 skipped%.\n$")
  t:match(r.err, "^apply: look%.lua %-%-from sandbox:dev %-%-owner acme "
    .. "%(by default .-%-%-most 3")
  t:no(r.err:find("\r"))
  local doc = json.decode(run(0, "--json").out)
  t:eq({ #doc.items, doc.counts.skipped, doc.exit, doc.mode },
    { 6, 3, 0, "apply" })
  t:eq(run(3, "--mode", "failed").err:find("\27"), nil)
  t:eq(json.decode(run(1, "--mode", "failed", "--most", "9", "--json").out)
    .counts.failed, 6)
  t:eq(run(0, "--quiet").err, "")
end)

test("values come from flags, variables, files, in this order", function(t)
  local home = dev_home(t)
  home:write("work/look.lua", LIST)
  home:config('return { defaults = { most = 1, owner = "acme" } }')
  home:project('return { defaults = { most = 2 } }')
  local function skipped(words, env)
    local r = home:expect(0, { "run", "look.lua", "--from", "sandbox:dev",
      "--json", env = env, table.unpack(words) })
    return json.decode(r.out).counts.skipped, r.err
  end
  t:eq(skipped {}, 4)
  t:eq(skipped({}, { GODWIT_MOST = "4" }), 2)
  t:eq(skipped({ "--most", "5" }, { GODWIT_MOST = "4" }), 1)
  local _, said = skipped({ "-vv" }, { GODWIT_MOST = "4" })
  t:match(said, "most = 4, from GODWIT_MOST")
  t:match(said, "owner = acme, from ~/%.config/godwit/config%.lua")
end)

test("a protected cluster asks, or refuses where nobody can answer", function(t)
  local home = dev_home(t)
  home:config(([[return { clusters = { prod = { api = %q, protected = true,
    key = env "K" } } }]]):format(home.api))
  local env = { K = "x" }
  local r = home:expect(2, { "eval", "1", "--allow-write", "prod",
    env = env })
  t:match(r.err, "'prod' is protected, and there is no terminal.-add %-y")
  r = home:expect(2, { "eval", "1", "--allow-write", "prod", "--no-input",
    env = env })
  t:match(r.err, "%-%-no%-input was given")
  home:expect(0, { "eval", "1", "--allow-write", "prod", "-y", env = env })
  home:expect(0, { "eval", "1", "--allow-write", "prod", "-n", env = env })
  home:expect(0, { "eval", "godwit.cluster('prod').name", env = env })
end)

test("what cannot be meant is said before anybody is asked", function(t)
  local home = dev_home(t)
  home:config(([[return { clusters = { prod = { api = %q, protected = true,
    key = env "K" } } }]]):format(home.api))
  local function refused(words, more)
    local r = home:expect(2, { "promote", "--from", "sandbox:dev", "--to",
      "prod", env = { K = "x" }, table.unpack(more) })
    t:match(r.err, words)
    t:no(r.err:find("protected", 1, true), r.err)
  end
  refused("'nonsense' is not OWNER/NAME", { "nonsense" })
  refused("name at least one algorithm", {})
  refused("names no version", { "acme/Hello/1.2.3.4" })
  refused("is not the name of an owner", { "acme/Hello", "--to-owner", "a/b" })
  refused("is named twice", { "acme/Hello", "acme/Hello" })
  t:match(home:expect(2, { "promote", "--from", "sandbox:dev", "--to", "prod",
    "acme/Hello", "--no-input", env = { K = "x" } }).err, "is protected")
  -- What is announced can be given again as it stands there.
  t:match(home:expect(2, { "promote", "--from", "sandbox:dev", "--to", "prod",
    "--to", "sandbox:dev", "acme/Hello", "acme/T*", "--no-input",
    env = { K = "x" } }).err, "^apply: promote acme/Hello 'acme/T%*' %-%-from "
    .. "sandbox:dev %-%-to prod %-%-to sandbox:dev ")
  -- A head of one's own may do the same.
  home:write("work/own.lua", [[
return { params = { to = "cluster", n = "integer" },
  check = function(p) if p.n > 3 then error("too many for " .. p.to) end end,
  run = function(cx) cx:note("ran") end }]])
  local r = home:run { "run", "own.lua", "--to", "prod", "--n", "4",
    env = { K = "x" } }
  t:ok(r.code ~= 0)
  t:match(r.err, "too many for prod")
  t:no(r.err:find("protected", 1, true), r.err)
  home:write("work/bad.lua", "return { check = 1, run = print }")
  t:match(home:expect(2, { "run", "bad.lua" }).err, "check is a function")
end)

test("a source is read, not written to", function(t)
  local home = dev_home(t)
  home:config(([[return { clusters = {
    prod = { api = %q, protected = true, key = env "K" },
    free = { api = %q, key = env "K" } } }]]):format(home.api, home.api))
  home:write("work/bad.lua", [[
return { params = { from = "cluster" }, run = function(cx)
  cx:each({ "acme/Tokenize" }, function(ref)
    cx.params.from.algorithms:get(ref):update { details = { label = "X" } }
    return "updated"
  end)
end }]])
  local key = fs.read(home.dir
    .. "/.local/state/godwit/sandboxes/dev/keys.json", 1 << 20)
    :match('"(sim%w+)"')
  local r = home:expect(9, { "run", "bad.lua", "--from", "prod",
    env = { K = key } })
  t:match(r.out, "%-%-allow%-write prod")
  r = home:expect(9, { "run", "bad.lua", "--from", "free", env = { K = key } })
  t:match(r.out, "%-%-allow%-write free")
  home:expect(0, { "run", "bad.lua", "--from", "free", "--allow-write", "free",
    env = { K = key } })
  home:write("work/bad.lua", fs.read(home.dir .. "/work/bad.lua", 1 << 20)
    :gsub('"X"', '"Y"'))
  home:expect(0, { "run", "bad.lua", "--from", "prod", "--allow-write",
    "prod", "-y", env = { K = key } })
end)

local function signalled(t, home, signal, ...)
  local p = home:start { ... }
  local text = ""
  while not text:find("apply") do
    text = text .. assert(p:read_err())
  end
  task.sleep(0.3)
  p:kill(signal)
  while true do
    local chunk = p:read_err()
    if not chunk then break end
    text = text .. chunk
  end
  return p:wait(), text
end

test("a signal ends it with how to go on", function(t)
  local home = cli.home(t)
  local code, text = signalled(t, home, 2, "eval", "task.sleep(60)")
  t:eq(code, 130)
  t:match(text, "Interrupted%. To go on: godwit eval 'task%.sleep%(60%)'\n$")
  code = signalled(t, home, 15, "eval", "task.sleep(60)", "--json")
  t:eq(code, 143)
  -- A script that holds on to its error does not hold on to the program.
  code = signalled(t, home, 15, "eval",
    "while true do pcall(task.sleep, 60) end")
  t:eq(code, 143)
end)

test("SIGUSR1 prints where a run is", function(t)
  local home = dev_home(t)
  home:write("work/slow.lua", [[
return { params = { from = "cluster" }, run = function(cx)
  cx:progress("acme/Hello", "build", "in the queue")
  task.sleep(60)
end }]])
  local p = home:start { "run", "slow.lua", "--from", "sandbox:dev" }
  local text = ""
  while not text:find("building") do
    text = text .. assert(p:read_err())
  end
  p:kill(10)
  while not text:find("In progress: 1") do
    text = text .. assert(p:read_err())
  end
  p:kill(2)
  t:eq(p:wait(), 130)
end)

test("list and ls", function(t)
  local home = dev_home(t)
  t:match(home:expect(0, { "list" }).out, "promote, migrate%-algorithms")
  local doc = json.decode(home:expect(0, { "list", "--json" }).out)
  local aliases = {}
  for _, row in ipairs(doc.workflows) do
    aliases[row.name] = row.alias
  end
  t:eq(aliases.promote, "migrate-algorithms")
  t:match(home:expect(0, { "ls", "sandbox:dev", "acme" }).out,
    "acme/FraudScore\n")
  doc = json.decode(home:expect(0, { "ls", "sandbox:dev", "alice",
    "--json" }).out)
  t:eq({ doc.cluster, doc.owner, doc.algorithms[1].name },
    { "sandbox:dev", "alice", "Hello" })
  -- Without an owner: everybody with the admin key, else whom the key sees.
  doc = json.decode(home:expect(0, { "ls", "sandbox:dev", "--json" }).out)
  local seen = {}
  for _, row in ipairs(doc.algorithms) do
    seen[row.owner .. "/" .. row.name] = true
  end
  t:ok(seen["acme/FraudScore"] and seen["alice/Hello"])
  t:eq(doc.owner, nil)
  t:ok(#doc.owners > 2)
  local keys = json.decode(fs.read(home.dir
    .. "/.local/state/godwit/sandboxes/dev/keys.json", 1 << 20)).accounts
  local function owners_with(username)
    for _, account in ipairs(keys) do
      if account.username == username and account.kind == "standard"
        and account.label ~= "weak" then
        home:config(("return { clusters = { d = { api = %q, key = %q } } }")
          :format(home.api, account.key))
      end
    end
    return json.decode(home:expect(0, { "ls", "d", "--json" }).out).owners
  end
  t:eq(owners_with("acme"), { "acme" })
  t:eq(owners_with("alice"), { "acme", "alice" })
  t:ok(home:run({ "ls", "sandbox:dev", "nobody" }).code ~= 2)
end)

test("a folder in GODWIT_PATH goes before what is built in", function(t)
  local home = cli.home(t)
  home:write("team/scripts/leave.lua",
    'return { summary = "Ours.", run = function() end }')
  local env = { GODWIT_PATH = home.dir .. "/team" }
  t:match(home:expect(0, { "list", env = env }).out, "leave +Ours%.")
  t:match(home:expect(0, { "leave", env = env }).out, "nothing to do")
  home:write("team/scripts/promote.lua",
    'return { summary = "Hidden.", run = function() end }')
  t:match(home:expect(0, { "list", env = env }).err, "promote is taken from")
end)

local TYPES = [[
return {
  summary = "Says what it was given.",
  params = {
    on = { "cluster", help = "Where" },
    out = { "folder", default = "./out", help = "Where to" },
    count = { "integer", default = 3, min = 1, max = 9, help = "How many" },
    rate = { "number", optional = true, help = "How fast" },
    deep = { "boolean", default = true, help = "Below, too" },
    plain = "boolean",
    mode = { "string", choices = { "fast", "slow" }, default = "slow" },
    tag = { "string", many = true, optional = true, short = "t" },
    names = { "string", many = true, positional = true },
  },
  run = function(cx)
    local p = cx.params
    log.info("%s", json.encode { on = p.on.name, out = p.out, count = p.count,
      rate = p.rate, deep = p.deep, plain = p.plain, mode = p.mode,
      tag = p.tag, names = p.names })
  end,
}
]]

test("every type of a parameter, on the command line and in the help",
  function(t)
    local home = cli.home(t)
    home:sandbox(t, "dev", "empty")
    home:write("work/types.lua", TYPES)
    local function given(...)
      local r = home:expect(0, { "run", "types.lua", "--on", "sandbox:dev",
        ... })
      return json.decode(r.err:match("\n(%b{})\n"))
    end
    t:eq(given("a"), { on = "sandbox:dev", out = "./out", count = 3,
      deep = true, mode = "slow", names = { "a" } })
    t:eq(given("a", "b", "--out", "/x", "--count=9", "--rate", "2.5",
      "--no-deep", "--plain", "--mode", "fast", "-t", "x", "--tag", "y", "--",
      "--c"), { on = "sandbox:dev", out = "/x", count = 9, rate = 2.5,
      deep = false, plain = true, mode = "fast", tag = { "x", "y" },
      names = { "a", "b", "--c" } })
    local help = home:expect(0, { "run", "types.lua", "--help" }).out
    for _, text in ipairs { "Usage: godwit run types%.lua NAMES%.%.%. "
      .. "%-%-on ON %[options%]", "%-%-out OUT +Where to%. Default: %./out%.",
      "%-%-count COUNT +How many%. Default: 3%.", "%-%-rate RATE +How fast%.",
      "%-%-%[no%-%]deep +Below, too%.", "%-%-plain\n", "%-%-mode fast|slow",
      "%-t, %-%-tag TAG +May be repeated%." } do
      t:match(help, text)
    end
    for _, case in ipairs {
      { "--count", "many", says = "%-%-count needs a whole number, not 'many'" },
      { "--count", "10", says = "%-%-count must be between 1 and 9, not 10" },
      { "--rate", "nan", says = "%-%-rate needs a number, not 'nan'" },
      { "--mode", "fats", says = "%-%-mode must be one of fast, slow" },
      { "--on", "other", says = "%-%-on is given twice" },
      { "--deep=no", says = "%-%-deep" },
      { "--out", says = "%-%-out needs a value" },
    } do
      local r = home:expect(2, { "run", "types.lua", "--on", "sandbox:dev",
        "a", table.unpack(case) })
      t:match(r.err, "^error: [^\n]*" .. case.says .. "[^\n]*\n$")
    end
    t:match(home:expect(2, { "run", "types.lua", "a", "--on", "nowhere" }).err,
      "there is no cluster 'nowhere'")
    t:match(home:expect(2, { "run", "types.lua", "--on", "sandbox:dev" }).err,
      "names is missing")
  end)

test("a head that asks for what is not there is refused before it runs",
  function(t)
    local home = cli.home(t)
    local run = "run = function() log.info 'RAN' end }"
    home:write("work/typo.lua", "return { sumary = 'x', " .. run)
    local r = home:expect(2, { "run", "typo.lua" })
    t:match(r.err, "the head has the unknown key sumary; did you mean 'summary'")
    home:write("work/taken.lua", "return { params = { json = 'string' }, "
      .. run)
    r = home:expect(2, { "run", "taken.lua" })
    t:match(r.err, "parameter json would be %-%-json, which every command has")
    t:no(r.all:find("RAN"))
  end)
