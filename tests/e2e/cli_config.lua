local cli = require("support.cli")
local fs = require("godwit.core.fs")
local json = require("godwit.core.json")

-- Opening a cluster reads its keys and asks nothing of it; `ls` of one that
-- refuses connections shows which address was meant.
local NOWHERE = "http://127.0.0.1:9"
local KEY = "simSECRETsecret0123456789abc"

local function ls(t, home, name, env)
  local r = home:run { "ls", name, "acme", env = env }
  t:no(r.all:find(KEY, 1, true), r.all)
  return r
end

local function open(t, home, name, env)
  local r = home:run { "-q", "eval", ("godwit.cluster(%q).name"):format(name),
    env = env }
  t:no(r.all:find(KEY, 1, true), r.all)
  return r
end

local function works(t, home, name, env)
  local r = open(t, home, name, env)
  if r.code ~= 0 then
    error(("exit %s: %s"):format(r.code, r.err), 2)
  end
end

local function refused(t, home, name, pattern, env)
  local r = open(t, home, name, env)
  t:eq(r.code, 2, r.err)
  t:match(r.err, "^error: [^\n]+\n$")
  t:match(r.err, pattern)
end

local function clusters(fields)
  return ("return { clusters = {\n dev = { api = %q,\n %s } } }"):format(
    NOWHERE, fields)
end

test("a key from the environment, a file, a program, a function", function(t)
  local home = cli.home(t)
  local file = home:write("key", KEY .. "\n", 384)
  for _, fields in ipairs {
    'key = env "DEV_KEY"', ('key = file %q'):format(file),
    'key = file "~/key"', 'key = file "../../key"',
    ('key = command { "echo", %q }'):format(KEY),
    'key = function(owner) return env "DEV_KEY" end',
    ('key = %q'):format(KEY), 'bearer_token = env "DEV_KEY"',
    'key = secret "mine"',
  } do
    home:config(clusters(fields):sub(1, -2)
      .. (', secrets = { mine = { host = %q, value = env "DEV_KEY" } } }')
        :format(NOWHERE))
    works(t, home, "dev", { DEV_KEY = KEY })
  end
end)

test("what is wrong with a key is said without the key", function(t)
  local home = cli.home(t)
  home:write("open", KEY, 420)
  home:write("empty", "", 384)
  home:write("lines", KEY .. "\nmore", 384)
  local wrong = {
    ['key = env "DEV_KEY"'] = "DEV_KEY is not set",
    ['key = env ""'] = "config%.lua:3: env takes a name",
    ['key = env(1)'] = "env takes a name",
    ['key = file "~/none"'] = "there is no file",
    ['key = file "~/open"'] = "others can read it; run: chmod 600",
    ['key = file "~/empty"'] = "is empty",
    ['key = file "~/lines"'] = "line break",
    ['key = command { "false" }'] = "failed with status 1",
    ['key = command { "/nonexistent/program" }'] = "program",
    ['key = command "pass show x"'] = "command takes a list",
    ['key = command {}'] = "command takes a list",
    ['key = secret "nosuch"'] = "there is no secret 'nosuch'",
    ['key = 42'] = "expected env, file, command",
  }
  for fields, words in pairs(wrong) do
    home:config(clusters(fields))
    refused(t, home, "dev", words)
  end
end)

test("a function is asked for each owner when its key is needed", function(t)
  local home = cli.home(t)
  home:config(clusters([[key = function(owner)
    if owner == "acme" then return env "DEV_KEY" end
    error("no key of " .. tostring(owner))
  end]]))
  t:eq(ls(t, home, "dev", { DEV_KEY = KEY }).code, 5)
  local r = home:run { "ls", "dev", "other" }
  t:eq(r.code, 2)
  t:match(r.err, "no key of other")
end)

test("command runs no shell", function(t)
  local home = cli.home(t)
  home:config(clusters('key = command { "echo", "a; touch hacked" }'))
  works(t, home, "dev")
  t:eq(fs.stat(home.cwd .. "/hacked"), nil)
end)

test("wrong fields name file, line and the nearest word", function(t)
  local home = cli.home(t)
  local wrong = {
    [clusters('kye = "x"')] =
      "~/%.config/godwit/config%.lua:3: clusters%.dev%.kye: unknown field; "
      .. "did you mean 'key'",
    ["return { cluster = {} }"] = "cluster: unknown field; did you mean",
    ["return 1"] = "returns a table", [""] = "returns a table",
    ["return {\n\n clusters = 1 }"] = ":3: clusters: expected a table",
    ["return { clusters = { dev = 1 } }"] = "expected a table",
    ["return { clusters = { dev = {} } }"] = "needs either api",
    ["return { clusters = { ['a b'] = {} } }"] = "a name is letters",
    [clusters("max_in_flight = 0")] = "whole number from 1",
    [clusters("protected = 'yes'")] = "expected a boolean",
    [clusters("protected = true, insecure = true")] = "cannot be insecure",
    [clusters("cert_key = 'x'")] = "cert_key without cert",
    ["return { secrets = { x = { value = 'y' } } }"] = "needs host",
    ["return { secrets = { x = { host = 'y' } } }"] = "needs a value",
    ["return { defaults = { yes = true } }"] = "given for each run",
    ["return { defaults = { jobs = {} } }"] = "expected NAME",
    ["return {"] = "config%.lua:1:", ["os.exit(0)"] = "config%.lua:1:",
    ["io.popen 'x'"] = "config%.lua:1:", ["require 'x'"] = "config%.lua:1:",
    ["error 'mine'"] = "config%.lua:1: mine",
    ["local x = nil; x()"] = "config%.lua:1:",
  }
  for text, words in pairs(wrong) do
    home:config(text)
    refused(t, home, "dev", words)
  end
end)

test("addresses", function(t)
  local home = cli.home(t)
  local function api(text)
    return ("return { clusters = { dev = { api = %q, key = %q } } }"):format(
      text, KEY)
  end
  home:config(api("http://me:" .. KEY .. "@127.0.0.1:9"))
  refused(t, home, "dev", "never stands in an address")
  for text, words in pairs {
    ["ftp://127.0.0.1"] = "not an address", ["dev"] = "not an address",
    ["http://api.example.com"] = "plain http to this machine only",
    ["http://127.0.0.1.example.com"] = "plain http to this machine only",
    ["http://localhost.example.com"] = "plain http to this machine only",
  } do
    home:config(api(text))
    refused(t, home, "dev", words)
  end
  for _, text in ipairs { "http://127.0.0.1:9", "http://localhost:9",
    "http://[::1]:9", "http://me@127.0.0.1:9", "http://127.0.0.1:9/v1/" } do
    home:config(api(text))
    works(t, home, "dev")
  end
end)

test("a configuration with a key in it must be private", function(t)
  local home = cli.home(t)
  home:config(clusters(('key = %q'):format(KEY)), 420)
  refused(t, home, "dev", "chmod 600")
  home:config(clusters('key = env "K"'), 420)
  works(t, home, "dev", { K = KEY })
  home:config(clusters('key = env "K"'), 438)
  fs.remove(home.dir .. "/.config/godwit/config.lua")
  home:run { argv = { "sh", "-c",
    "umask 0; echo 'return {}' >$HOME/.config/godwit/config.lua" } }
  refused(t, home, "dev", "others can change this file.-chmod go%-w")
end)

test("a project's file runs and reads nothing", function(t)
  local home = cli.home(t)
  home:write("key", KEY, 384)
  for fields, words in pairs {
    ['key = env "K"'] = "godwit%.config%.lua:3: env works in your own .-"
      .. "godwit trust godwit%.config%.lua",
    ['key = file "~/key"'] = "file works in your own",
    ['key = command { "touch", "hacked" }'] = "command works in your own",
    [('key = %q'):format(KEY)] = "godwit%.config%.lua:3: .-names a secret "
      .. "of your own",
    ['key = function() return "x" end'] = "names a secret of your own",
  } do
    home:project(clusters(fields))
    refused(t, home, "dev", words, { K = KEY })
  end
  t:eq(fs.stat(home.cwd .. "/hacked"), nil)
end)

test("a project does not lead one's keys elsewhere", function(t)
  local home = cli.home(t)
  home:config(('return { secrets = { mine = { host = %q, value = env "K" } } }')
    :format(NOWHERE))
  for _, field in ipairs { "insecure = true", "ca = 'ca.pem'",
    "cert = 'c.pem'", "proxy = 'http://127.0.0.1:3128'" } do
    home:project(clusters('key = secret "mine", ' .. field))
    refused(t, home, "dev", "godwit%.config%.lua:3: clusters%.dev%.%w+: .-"
      .. "does not say how connections are made", { K = KEY })
  end
  home:project('return {\n defaults = { to = "http://127.0.0.1:9" } }')
  local r = home:expect(2, { "promote", "a/b", "--from", "http://127.0.0.1:9",
    env = { DEST_ACCOUNT_API_KEY = KEY, SOURCE_ACCOUNT_API_KEY = KEY } })
  t:match(r.err, ":2: defaults%.to: .-does not make an address the default")
end)

test("a project refers to secrets of one's own by name", function(t)
  local home = cli.home(t)
  home:project(clusters('key = secret "mine"'))
  refused(t, home, "dev", "there is no secret 'mine'")
  home:config(('return { secrets = { mine = { host = %q, value = env "K" } } }')
    :format(NOWHERE))
  works(t, home, "dev", { K = KEY })
end)

test("a secret goes to its own host only, whatever a project says", function(t)
  local home = cli.home(t)
  home:project(clusters('key = secret "mine"'))
  home:config('return { secrets = { mine = { host = "http://127.0.0.1:10", '
    .. 'value = env "K" } } }')
  local r = ls(t, home, "dev", { K = KEY })
  t:ok(r.code ~= 0 and r.code ~= 5, r.err)
  t:match(r.err, "127%.0%.0%.1")
end)

test("trust lifts it for one content", function(t)
  local home = cli.home(t)
  local text = clusters('key = env "K"')
  home:project(text)
  refused(t, home, "dev", "godwit trust", { K = KEY })
  local doc = json.decode(home:expect(0, { "trust", "godwit.config.lua",
    "--json" }).out)
  t:eq(doc.new, true)
  works(t, home, "dev", { K = KEY })
  t:match(home:expect(0, { "trust", "godwit.config.lua" }).out, "Already")
  home:project(text .. " ")
  refused(t, home, "dev", "godwit trust", { K = KEY })
  home:project(text)
  works(t, home, "dev", { K = KEY })
  local store = home.dir .. "/.local/state/godwit/trust.json"
  t:eq(fs.stat(store).mode & 511, 384)
  home:run { argv = { "chmod", "666", store } }
  refused(t, home, "dev", "is not believed", { K = KEY })
end)

test("trust is kept where --state-dir says", function(t)
  local home = cli.home(t)
  home:project(clusters('key = env "K"'))
  home:expect(0, { "trust", "godwit.config.lua", "--state-dir",
    home.dir .. "/s" })
  t:ok(fs.stat(home.dir .. "/s/trust.json"))
  refused(t, home, "dev", "godwit trust", { K = KEY })
  works(t, home, "dev", { K = KEY, GODWIT_STATE_DIR = home.dir .. "/s" })
end)

test("a project cannot put another address under a known name", function(t)
  local home = cli.home(t)
  home:config(clusters('key = env "K"'))
  home:project('return { clusters = { dev = { api = "http://127.0.0.1:10" }, '
    .. 'other = { api = "http://127.0.0.1:10", user = "x" } } }')
  refused(t, home, "dev", "not trusted to replace it", { K = KEY })
  home:expect(0, { "trust", "godwit.config.lua" })
  -- As a whole: the address is the project's, and the key is not there.
  local r = ls(t, home, "dev", { K = KEY })
  t:match(r.err, "dev: there is no key")
end)

test("a configuration named for a run stands in for one's own", function(t)
  local home = cli.home(t)
  home:config("this is no Lua")
  local path = home:write("c.lua", clusters('key = env "K"'))
  local r = home:run { "ls", "dev", "acme", "--config", path,
    env = { K = KEY } }
  t:eq(r.code, 5, r.err)
  r = home:run { "ls", "dev", "acme", env = { K = KEY,
    GODWIT_CONFIG = path } }
  t:eq(r.code, 5, r.err)
  home:expect(2, { "ls", "dev", "--config", "/nonexistent.lua" })
end)

test("XDG_CONFIG_HOME is used, a relative one is not", function(t)
  local home = cli.home(t)
  home:write("xdg/godwit/config.lua", clusters('key = env "K"'))
  works(t, home, "dev", { K = KEY, XDG_CONFIG_HOME = home.dir .. "/xdg" })
  refused(t, home, "dev", "there is no cluster", { K = KEY,
    XDG_CONFIG_HOME = "../xdg" })
end)

test("unknown clusters", function(t)
  local home = cli.home(t)
  home:config([[return { clusters = {
    prod = { api = "https://api.example.com" },
    staging = { api = "https://api2.example.com" } } }]])
  refused(t, home, "pord", "did you mean 'prod'")
  refused(t, home, "xyz", "there are: prod, staging")
  refused(t, home, "./nofolder", "is no archive folder")
  refused(t, home, "sandbox:", "no sandbox")
  refused(t, home, "sandbox:none", "godwit sandbox %-%-name none")
end)

test("the platform's own configuration", function(t)
  local home = cli.home(t)
  local function write(text, mode)
    home:write(".algorithmia/config", text, mode)
  end
  write(('[profiles.default]\napi_key = "%s"\napi_server = "%s"\n'
    .. '[profiles.other]\napi_server = "%s"\nbearer_token = "%s"\n'):format(
    KEY, NOWHERE, NOWHERE, KEY))
  works(t, home, "default")
  works(t, home, "other")
  home:run { argv = { "chmod", "644", home.dir .. "/.algorithmia/config" } }
  refused(t, home, "default", "chmod 600")
  write("[profiles", 384)
  refused(t, home, "default", "~/%.algorithmia/config: line 1")
  -- Not looked at when it is not asked for.
  home:config(clusters('key = env "K"'))
  works(t, home, "dev", { K = KEY })
end)

test("the platform's variables make a profile as a whole", function(t)
  local home = cli.home(t)
  works(t, home, "default", { ALGORITHMIA_API = NOWHERE,
    ALGORITHMIA_API_KEY = KEY })
  works(t, home, "default", { ALGORITHMIA_API = NOWHERE,
    ALGORITHMIA_BEARER_TOKEN = KEY })
  home:write(".algorithmia/config", ('[profiles.default]\napi_key = "%s"\n'
    .. 'api_server = "http://127.0.0.1:10"\n'):format(KEY))
  -- An address alone does not get the file's key.
  local r = ls(t, home, "default", { ALGORITHMIA_API = NOWHERE })
  t:match(r.err, "127%.0%.0%.1:10")
  r = ls(t, home, "default", { ALGORITHMIA_API = NOWHERE,
    ALGORITHMIA_API_KEY = KEY })
  t:match(r.err, "127%.0%.0%.1:9")
end)

local function promote(t, home, from, to, env, more)
  local r = home:run { "promote", "acme/Hello", "--from", from, "--to", to,
    "-n", env = env, table.unpack(more or {}) }
  t:no(r.all:find(KEY, 1, true), r.all)
  return r
end

test("the two variables of the old script", function(t)
  local home = cli.home(t)
  local from, to = NOWHERE, "http://127.0.0.1:10"
  local both = { SOURCE_ACCOUNT_API_KEY = KEY, DEST_ACCOUNT_API_KEY = KEY }
  t:eq(promote(t, home, from, to, both).code, 5)
  local r = promote(t, home, from, to, { SOURCE_ACCOUNT_API_KEY = KEY })
  t:eq(r.code, 2)
  t:match(r.err, "no key for http://127%.0%.0%.1:10: set "
    .. "DEST_ACCOUNT_API_KEY")
  r = promote(t, home, from, to, { DEST_ACCOUNT_API_KEY = KEY })
  t:match(r.err, "set SOURCE_ACCOUNT_API_KEY")
  -- An address that a profile has is the profile.
  home:config(clusters('key = env "MISSING"'))
  r = promote(t, home, from, to, both)
  t:match(r.err, "MISSING is not set")
  -- A key never stands in an address.
  r = promote(t, home, "http://me:" .. KEY .. "@127.0.0.1:9", to, both)
  t:eq(r.code, 2)
  t:match(r.err, "never stands in an address")
end)

test("an address that two profiles have is no name", function(t)
  local home = cli.home(t)
  home:config(([[return { clusters = {
    a = { api = %q, key = env "K", user = "ann" },
    b = { api = %q, key = env "K", user = "bob" } } }]]):format(NOWHERE,
    NOWHERE .. "/"))
  refused(t, home, NOWHERE, "of 'a' and of 'b'", { K = KEY })
  works(t, home, "http://bob@127.0.0.1:9", { K = KEY })
end)

test("certificates: loud, and not for protected clusters", function(t)
  local home = cli.home(t)
  home:config(([[return { clusters = {
    dev = { api = %q, key = env "K" },
    prod = { api = %q, key = env "K", protected = true } } }]]):format(
    NOWHERE, "http://127.0.0.1:10"))
  local r = home:run { "ls", "dev", "acme", "--insecure", env = { K = KEY } }
  t:match(r.err, "INSECURE")
  r = home:run { "ls", "prod", "acme", "--insecure", env = { K = KEY } }
  t:eq(r.code, 2)
  t:match(r.err, "protected, so %-%-insecure is refused")
end)
