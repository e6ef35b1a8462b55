-- godwit doctor: this machine's side, keys, Git, what does not map.
local cli = require("support.cli")
local e2e = require("support.e2e")
local fs = require("godwit.core.fs")
local json = require("godwit.core.json")
local oddcluster = require("support.oddcluster")
local relay = require("support.relay")
local sys = require("godwit.core.sys")

local KEY = "simSECRETsecret0123456789abc"

-- The checks of a group by id; a later one of the same id is in `all`.
local function by_id(checks)
  local found = { all = checks }
  for _, check in ipairs(checks) do
    found[check.id] = found[check.id] or check
  end
  return found
end

local function doc_of(r)
  local doc = json.decode(r.out)
  if not doc then
    error("no document: " .. r.all, 2)
  end
  local profiles = {}
  for _, p in ipairs(doc.profiles) do
    profiles[p.name] = by_id(p.checks)
  end
  return doc, profiles, by_id(doc.configuration.checks)
end

local function doctor(t, w, code, words, env)
  local r = e2e.expect(w:run({ "doctor", "--json", table.unpack(words) }, env),
    code)
  for _, box in ipairs({ w.dev, w.prod }) do
    for _, key in pairs(box.keys) do
      t:no(r.all:find(key, 1, true))
    end
    t:no(r.all:find(box.admin_key, 1, true))
  end
  return doc_of(r)
end

local function status(t, checks, wanted)
  for id, word in pairs(wanted) do
    local check = checks[id]
    if (check and check.status or "absent") ~= word then
      error(("%s is %s: %s"):format(id, check and check.status or "absent",
        json.encode(checks.all)), 2)
    end
  end
end

local function each_name(dir, fn)
  for _, e in ipairs(fs.list(dir) or {}) do
    fn(dir .. "/" .. e.name, e)
    if e.type == "dir" then
      each_name(dir .. "/" .. e.name, fn)
    end
  end
end

local function snapshot(dir)
  local names = {}
  each_name(dir, function(path, e)
    names[#names + 1] = ("%s %s %s %s"):format(path, e.size, e.mtime, e.mode)
  end)
  return names
end

test("all is well, and nothing is written", function(t)
  local w = e2e.seeded(t)
  w.prod:stop()
  local archive = e2e.copy(w.dev, w.dir .. "/archive", "archive")
  w.prod:start()
  w:configure()
  local before = { snapshot(w.home), snapshot(archive.dir) }
  local doc, found, here = doctor(t, w, 0, { "dev", "prod", archive.dir })
  t:eq(doc.exit, 0)
  t:eq(doc.counts.fail, 0)
  status(t, here, { ["config.file"] = "ok", ["config.project"] = "ok",
    ["folder.state"] = "ok", ["folder.cache"] = "ok" })
  status(t, found.dev, { profile = "ok", proxy = "ok", connection = "ok",
    tls = "ok", clock = "ok", api = "ok", key = "ok", ["key.data"] = "ok",
    ["key.user"] = "ok", ["key.owners"] = "ok", ["key.algorithms"] = "ok",
    ["key.scms"] = "ok", ["key.writes"] = "skip", ["git.read"] = "ok",
    ["git.push"] = "ok", admin = "absent" })
  t:match(found.dev.key.text, "a standard key")
  t:match(found.dev["key.user"].text, "alice")
  t:match(found.dev["key.owners"].text, "alice, acme")
  t:match(found.dev["git.push"].text, "acme/Hello")
  status(t, found.prod, { key = "ok", ["git.read"] = "skip" })
  status(t, found[archive.dir], { archive = "ok", ["archive.lock"] = "ok",
    ["archive.content"] = "ok", ["archive.repository"] = "absent" })
  t:match(found[archive.dir]["archive.content"].text, "1 algorithm of 3")
  t:eq({ #doc.pairs, doc.pairs[1].from, doc.pairs[1].to }, { 2, "dev", "prod" })
  status(t, by_id(doc.pairs[1].checks), { ["map.environments"] = "ok",
    ["map.scms"] = "ok" })
  t:eq({ snapshot(w.home), snapshot(archive.dir) }, before)
end)

test("only reads are sent, and none that gives out keys", function(t)
  local w = e2e.seeded(t)
  local seen = {}
  local between = relay.start(t, w.dev.api, function(request)
    seen[#seen + 1] = request.method .. " " .. request.path
  end)
  w:configure({ dev = { api = between.url,
    more = string.format("admin_key = %q", w.dev.admin_key) } })
  local _, found = doctor(t, w, 0, { "dev" })
  status(t, found.dev, { admin = "ok", ["admin.lists"] = "ok",
    ["git.push"] = "ok" })
  t:ok(#seen > 5)
  for _, line in ipairs(seen) do
    t:match(line, "^GET ")
    t:no(line:find("keys", 1, true), line)
  end
end)

test("a command line without clusters looks at every profile", function(t)
  local w = e2e.world(t)
  local doc, found = doctor(t, w, 0, {})
  t:ok(found.dev and found.prod)
  t:eq(#doc.pairs, 0)
end)

test("keys of the wrong kind, and keys of nobody", function(t)
  local w = e2e.world(t)
  local function with(field, key, more)
    e2e.expect(w:run({ "version" }), 0)
    fs.write(w.home .. "/.config/godwit/config.lua", string.format(
      "return { clusters = { dev = { api = %q, %s = %q, %s } } }", w.dev.api,
      field, key, more or ""), 384)
  end
  with("key", KEY)
  local _, found = doctor(t, w, 1, { "dev" })
  status(t, found.dev, { api = "ok", key = "fail", ["git.read"] = "skip" })
  t:match(found.dev.key.text, "is not accepted")
  t:match(found.dev.key.hint, "key of 'dev' %(~/%.config/godwit/config%.lua%)")

  with("key", w.dev.admin_key)
  _, found = doctor(t, w, 1, { "dev" })
  t:match(found.dev.key.text, "an administrator's key")
  t:match(found.dev.key.hint, "write it as admin_key")

  with("key", w.dev.keys.alice, ("admin_key = %q"):format(w.dev.keys.bob))
  _, found = doctor(t, w, 1, { "dev" })
  status(t, found.dev, { key = "ok", admin = "fail" })
  t:match(found.dev.admin.text, "admin_key is a standard key")

  with("key", w.dev.keys.alice, ("admin_key = %q"):format(KEY))
  _, found = doctor(t, w, 1, { "dev" })
  t:match(found.dev.admin.text, "is not accepted")

  with("admin_key", w.dev.admin_key)
  _, found = doctor(t, w, 0, { "dev" })
  status(t, found.dev, { key = "warn", admin = "ok" })

  with("key", w.dev.keys.alice, 'user = "carol"')
  _, found = doctor(t, w, 0, { "dev" })
  t:match(found.dev["key.user"].text, "says user carol, the key acts for alice")

  with("bearer_token", KEY)
  _, found = doctor(t, w, 1, { "dev" })
  status(t, found.dev, { key = "fail", ["key.token"] = "skip" })
end)

test("one key for everything; a key that may not read data", function(t)
  local w = e2e.world(t, function(dev, prod)
    dev:options({ one_key = true })
    prod:options({})
  end)
  local _, found = doctor(t, w, 0, { "dev" }, { DEV_KEY = w.dev.admin_key })
  t:match(found.dev.key.text, "one key for everything")
  w.prod:stop()
  w.prod:permissions("alice", { allow_data = false })
  w.prod:start()
  w:configure()
  _, found = doctor(t, w, 0, { "prod" })
  status(t, found.prod, { key = "warn", ["key.data"] = "warn" })
  t:match(found.prod["key.data"].hint, "user = ")
  w:configure({ prod = { more = 'user = "alice"' } })
  _, found = doctor(t, w, 0, { "prod", "--owner", "acme" })
  status(t, found.prod, { ["key.user"] = "ok", ["key.algorithms"] = "ok" })
end)

test("keys by owner", function(t)
  local w = e2e.seeded(t)
  fs.write(w.home .. "/.config/godwit/config.lua", string.format([[
return { clusters = { dev = { api = %q, key = function(owner)
  return owner == "acme" and env "DEV_KEY" or owner == "bob" and %q or nil
end } } }]], w.dev.api, KEY), 384)
  local _, found = doctor(t, w, 0, { "dev" })
  t:match(found.dev.key.hint, "%-%-owner")
  fs.write(w.home .. "/.config/godwit/config.lua", string.format([[
return { clusters = {
  dev = { api = %q, key = function(owner) return env(owner .. "_KEY") end },
  prod = { api = %q, key = env "PROD_KEY" },
} }]], w.dev.api, w.prod.api), 384)
  local doc = doctor(t, w, 0, { "dev", "prod" })
  t:eq(#doc.pairs[1].checks, 1)
  t:eq({ doc.pairs[1].checks[1].id, doc.pairs[1].checks[1].status,
    doc.pairs[1].checks[1].hint }, { "map", "skip", "give --owner OWNER" })
  fs.write(w.home .. "/.config/godwit/config.lua", string.format([[
return { clusters = { dev = { api = %q, key = function(owner)
  return owner == "acme" and env "DEV_KEY" or owner == "bob" and %q or nil
end } } }]], w.dev.api, KEY), 384)
  _, found = doctor(t, w, 1, { "dev", "--owner", "acme", "--owner", "bob",
    "--owner", "none" })
  local text = json.encode(found.dev.all)
  t:match(text, "the key for acme is accepted")
  t:match(text, "acme has 1 algorithm")
  t:match(text, "the key for bob is not accepted")
  t:match(text, "no key for the owner none")
  w:configure()
  _, found = doctor(t, w, 1, { "dev", "--owner", "nobody_there" })
  status(t, found.dev, { key = "ok", ["key.algorithms"] = "fail" })
end)

test("what does not map from one to the other", function(t)
  local other = { { spec = "x", name = "Python 9", machine = "CPU",
    language = "python3" }, e2e.ENVIRONMENTS[1] }
  local w = e2e.world(t, function(dev)
    fs.write(dev.dir .. "/scms.json", json.encode({
      { id = "internal", provider = "internal", enabled = true },
      { id = "a", provider = "github", name = "GitHub", enabled = true,
        urls = { web = "https://github.com" } },
      { id = "b", provider = "gitlab", enabled = false,
        urls = { web = "https://gitlab.com" } } }), 384)
  end, { prod = { environments = other } })
  local doc = doctor(t, w, 0, { "dev", "prod" })
  local checks = doc.pairs[1].checks
  t:eq(#checks, 2)
  t:eq({ checks[1].id, checks[1].status, checks[1].text },
    { "map.environments", "warn",
      "prod has no environment like Java 11 (java11, CPU)" })
  t:match(checks[1].hint, "map_environment")
  t:eq({ checks[2].id, checks[2].status }, { "map.scms", "warn" })
  t:match(checks[2].text, "GitHub.-github%.com.-prod has none")
  doc = doctor(t, w, 0, { "prod", "dev" })
  t:match(doc.pairs[1].checks[1].text, "^dev has no environment like Python 9")
  doc = doctor(t, w, 0, { "dev", "dev" })
  t:eq(doc.pairs[1].checks[1].id, "map.same")
end)

test("this machine's side", function(t)
  local home = cli.home(t)
  local function run(code, words, env)
    return doc_of(home:expect(code, { "doctor", "--json", env = env,
      table.unpack(words or {}) }))
  end
  local _, _, here = run(0)
  status(t, here, { ["config.file"] = "skip", ["config.clusters"] = "warn" })
  _, _, here = run(0, {}, { GODWIT_PUBLSH = "no" })
  t:match(here["config.variables"].text, "GODWIT_PUBLSH.-GODWIT_PUBLISH")

  home:config("return { clusters = { dev = { apy = 1 } } }")
  _, _, here = run(1, { "dev" })
  t:match(here["config.file"].text, "did you mean 'api'")
  home:config("return {}")
  home:run { argv = { "chmod", "666", home.dir
    .. "/.config/godwit/config.lua" } }
  _, _, here = run(1)
  t:match(here["config.file"].text, "others can change this file")
  home:config("return {}", 384)
  fs.remove(home.dir .. "/.config/godwit/config.lua")
  home:project('return { clusters = { dev = { api = "http://127.0.0.1:9", '
    .. 'key = env "K" } } }')
  _, _, here = run(1)
  t:match(here["config.project"].text, "godwit trust")

  home:project("return {}")
  fs.mkdir(home.dir .. "/open", 493)
  home:write("file", "x")
  _, _, here = run(0, { "--state-dir", home.dir .. "/open" })
  t:match(here["folder.state"].hint, "chmod 700")
  _, _, here = run(1, { "--state-dir", home.dir .. "/file" })
  status(t, here, { ["folder.state"] = "fail" })
end)

test("a key that is not there leaves the way to be looked at", function(t)
  local w = e2e.world(t)
  local _, found = doctor(t, w, 1, { "dev", w.prod.api }, { DEV_KEY = false })
  status(t, found.dev, { profile = "fail", connection = "ok", api = "ok",
    key = "absent" })
  t:match(found.dev.profile.text, "DEV_KEY is not set")
  t:eq(found[w.prod.api].key.status, "ok") -- the address of 'prod'
  w:configure({ prod = { api = "http://127.0.0.1:9" } })
  _, found = doctor(t, w, 1, { w.prod.api })
  status(t, found[w.prod.api], { profile = "fail", api = "ok" })
  t:match(found[w.prod.api].profile.text, "no key for")
  _, found = doctor(t, w, 0, { w.prod.api },
    { SOURCE_ACCOUNT_API_KEY = w.prod.keys.alice })
  status(t, found[w.prod.api], { profile = "ok", key = "ok" })
  _, found = doctor(t, w, 0, { w.prod.api },
    { DEST_ACCOUNT_API_KEY = w.prod.keys.alice })
  status(t, found[w.prod.api], { key = "ok" })
end)

test("names, sandboxes and folders that are not there", function(t)
  local home = cli.home(t)
  home:config('return { clusters = { prod = { api = "http://127.0.0.1:9" } } }')
  t:match(home:expect(2, { "doctor", "pord" }).err, "did you mean 'prod'")
  home:expect(2, { "doctor", "--timeout", "0" })
  local _, found = doc_of(home:expect(1, { "doctor", "sandbox:none",
    "./none", "--json" }))
  t:match(found["sandbox:none"].sandbox.text, "godwit sandbox %-%-name none")
  t:match(found["./none"].profile.text, "no archive folder")
end)

test("an archive in use, and one with a broken repository", function(t)
  local w = e2e.seeded(t)
  local _, found = doctor(t, w, 0, { w.dev.dir })
  status(t, found[w.dev.dir], { archive = "ok", ["archive.lock"] = "warn" })
  w.prod:stop()
  local copy = e2e.copy(w.dev, w.dir .. "/copy", "copy")
  w.prod:start()
  fs.remove(copy.dir .. "/git/acme/Hello.git/HEAD")
  _, found = doctor(t, w, 1, { copy.dir })
  status(t, found[copy.dir], { archive = "ok",
    ["archive.repository"] = "fail" })
  fs.write(copy.dir .. "/archive.json", "{}", 384)
  _, found = doctor(t, w, 1, { copy.dir })
  status(t, found[copy.dir], { archive = "fail" })
end)

test("what a server says steers nothing and leaks nothing", function(t)
  local home = cli.home(t)
  local odd = oddcluster.start(t, { ["*"] = function(seen)
    local said = seen.headers.authorization or "nothing"
    return { status = seen.headers.authorization and 500 or 401, json = {
      error = { code = 5001, message = "\27[2J\r\n" .. said .. "\u{202e}" } } }
  end })
  home:config(([[return { clusters = { dev = { api = %q, key = %q } } }]])
    :format(odd.url, KEY))
  local r = home:run { "doctor", "dev" }
  t:no(r.all:find("[\27\r]"))
  t:no(r.all:find("\u{202e}", 1, true))
  t:no(r.all:find(KEY, 1, true))
  t:match(r.out, "5001")
  t:eq(r.code, 5, r.all)
end)

test("lists that are none", function(t)
  local home = cli.home(t)
  local odd = { 1, "x", json.array {}, {}, { id = 7, urls = "y", oauth = 1 },
    { id = json.null, provider = {}, urls = { web = 3 }, scm = true,
      environment_specification_id = {}, language = "z" } }
  local routes = {
    ["GET /v1/data/"] = { json = { folders = { 1, { name = "a/b" }, {},
      { name = "me" } } } },
    ["GET /v1/scms"] = { json = { results = odd } },
    ["GET /v1/users/me/algorithms"] = { json = json.array {} },
    ["GET /v1/algorithm-environments/edge/languages"] = {
      json = { { name = "python3" } } },
    ["GET /v1/algorithm-environments/edge/languages/python3/environments"] = {
      json = { environments = { 1, odd[4], odd[5], odd[6], { id = "e" } } } },
    ["GET /webapi/v1/algorithm-environments/environments/current"] = {
      json = odd },
  }
  local a, b = oddcluster.start(t, routes), oddcluster.start(t, routes)
  home:config(([[return { clusters = { a = { api = %q, key = %q },
    b = { api = %q, key = %q } } }]]):format(a.url, KEY, b.url, KEY))
  local r = home:run { "doctor", "a", "b", "--json" }
  t:no(r.all:find("bug", 1, true), r.all)
  local doc, found = doc_of(r)
  status(t, found.a, { key = "ok", ["key.scms"] = "ok" })
  t:eq(#doc.pairs, 1)
  status(t, by_id(doc.pairs[1].checks), { ["map.environments"] = "ok" })
end)

test("tokens end", function(t)
  local home = cli.home(t)
  local odd = oddcluster.start(t, { ["*"] = { status = 401, json = {
    error = { code = 2002, message = "no" } } } })
  local function ends(seconds)
    local token = "eyJhbGciOiJub25lIn0." .. sys.base64(('{"sub":"geheim",'
      .. '"exp":%d}'):format(math.floor(sys.time()) + seconds)) .. ".c2lnbmF0dXJl"
    home:config(([[return { clusters = { dev = { api = %q,
      bearer_token = %q } } }]]):format(odd.url, token))
    local r = home:expect(1, { "doctor", "dev", "--json" })
    t:no(r.all:find("geheim", 1, true))
    local _, found = doc_of(r)
    return found.dev["key.token"].status
  end
  t:eq({ ends(-60), ends(600), ends(86400) }, { "fail", "warn", "ok" })
end)

test("as text: a line each, what to do below it, counts at the end",
function(t)
  local home = cli.home(t)
  home:config(('return { clusters = { dev = { api = "http://127.0.0.1:9", '
    .. 'key = %q } } }'):format(KEY))
  local r = home:expect(5, { "doctor" })
  t:match(r.out, "\ndev\n")
  t:match(r.out, "\n  fail  127%.0%.0%.1, port 9: .-\n        %-> is it")
  t:match(r.out, "\n%d+ ok, [%d %a,]*1 fail, 1 skip%.\n$")
  r = home:expect(5, { "doctor", "-q" })
  t:no(r.out:find("\n  ok"))
  t:match(home:expect(5, { "doctor", "-v" }).out, "%[connection%]")
end)
