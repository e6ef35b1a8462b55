-- Code at a Git host elsewhere: what is refused before anything is written,
-- and in which words.
local e2e = require("support.e2e")
local err = require("godwit.err")
local external = require("support.external")
local fs = require("godwit.core.fs")
local json = require("godwit.core.json")

local HELLO = "acme/Hello"
local FILES = { { path = "src/Hello.py", data = "print('hello')\n" } }

-- dev has acme/Hello at the host, as acme/hello; prod is connected to it.
local function world(t, opts)
  opts = opts or {}
  local host = external.start(t, { open = opts.open })
  host:make("acme/hello", { branch = opts.branch })
  host:commit("acme/hello", FILES)
  local w = e2e.world(t)
  host:connect(w.dev, "gh")
  host:connect(w.prod, "hub", opts.prod)
  host:create(w.dev, "gh", HELLO, "acme/hello")
  local more = { more = external.hosts({ host }) }
  w:configure({ dev = more, prod = more })
  return w, host
end

local function promote(w, words, env)
  return w:promote(words or { HELLO }, env or external.ENV)
end

local function untouched(t, w)
  local owner, name = HELLO:match("^(.-)/(.*)$")
  t:no(w.prod:driver():try_get_algorithm(owner, name))
end

test("a credential that is wrong, and none", function(t)
  local w, host = world(t)
  local r = e2e.expect(promote(w, nil, { HOST_TOKEN = "wrong-token-91" }), 6)
  t:match(r.item.why, "asked with the credential of the profile 'dev' for "
    .. "http://127.0.0.1:%d+")
  t:no(r.all:find("wrong-token-91", 1, true))
  w:configure({})
  r = e2e.expect(promote(w), 6)
  t:match(r.item.why, "asked without a credential; if it needs one, add to "
    .. "the profile 'dev': hosts = { %[\"" .. host.origin .. '"%]')
  untouched(t, w)
end)

test("a public repository needs no credential to be read", function(t)
  local w = world(t, { open = true })
  w:configure({})
  w.prod:create(HELLO)
  local r = e2e.expect(promote(w), 0)
  t:eq(r.item.outcome, "updated")
  t:eq(w.prod:read(HELLO).texts["src/Hello.py"], FILES[1].data)
end)

test("writing needs a credential, and says which lines to add", function(t)
  local w, host = world(t, { open = true })
  host:make("ops/hello", { branch = "main" })
  host:create(w.prod, "hub", HELLO, "ops/hello", { silent = true })
  w:configure({})
  local before = host:head("ops/hello")
  for _, words in ipairs({ { HELLO }, { HELLO, "-n" } }) do
    local r = e2e.expect(promote(w, words), 6)
    t:match(r.item.why, "there is no credential for it; add to the profile "
      .. "'prod': hosts = { %[\"" .. host.origin .. '"%] = { user = "NAME", '
      .. 'key = env "TOKEN" } }')
  end
  t:eq(host:head("ops/hello"), before)
end)

test("the source's own repository is not taken for the new one", function(t)
  local host = external.start(t)
  host:make("acme/Hello")
  host:commit("acme/Hello", FILES)
  local w = e2e.world(t)
  host:connect(w.dev, "gh")
  host:connect(w.prod, "hub")
  host:create(w.dev, "gh", HELLO, "acme/Hello")
  local more = { more = external.hosts({ host }) }
  w:configure({ dev = more, prod = more })
  local r = e2e.expect(promote(w), 6)
  t:match(r.item.why, "would be made in the repository of the source")
  untouched(t, w)
end)

test("an SCM nobody connected, and one that is disabled", function(t)
  local w = world(t, { prod = { unauthorized = true } })
  local r = e2e.expect(promote(w), 6)
  t:match(r.item.why, "has not connected the SCM hub.*web site")
  local path = w.prod.dir .. "/scms.json"
  local list = err.check(json.decode(fs.read(path, 1 << 20)))
  list[2].enabled = false
  err.check(fs.write(path, json.encode(list), 384))
  r = e2e.expect(promote(w), 6)
  t:match(r.item.why, "no such SCM; it has: internal .*hub.*disabled")
  untouched(t, w)
end)

test("a repository without the default branch it names", function(t)
  local w, host = world(t)
  w.prod:create(HELLO)
  local dir = host:dir("acme/hello")
  err.check(fs.write(dir .. "/HEAD", "ref: refs/heads/gone\n", 384))
  local r = e2e.expect(promote(w), 6)
  t:match(r.item.why, "has branches but no default one")
end)

test("a source repository that is empty", function(t)
  local w, host = world(t)
  w.prod:create(HELLO)
  fs.remove_tree(host:dir("acme/hello"))
  host:make("acme/hello")
  local r = e2e.expect(promote(w), 6)
  t:match(r.item.why, "acme/Hello has no commit")
end)

test("a repository that is gone", function(t)
  local w, host = world(t)
  w.prod:create(HELLO)
  fs.remove_tree(host:dir("acme/hello"))
  local r = e2e.expect(promote(w), 6)
  t:match(r.item.why, "/git/acme/hello.git")
end)

test("a connection that is not active", function(t)
  local w, host = world(t)
  host:make("ops/hello")
  host:create(w.prod, "hub", HELLO, "ops/hello")
  w.prod:stop()
  w.prod:options({ scm_status = "deploy_key_error" })
  w.prod:start()
  local more = { more = external.hosts({ host }) }
  w:configure({ dev = more, prod = more })
  local before = host:head("ops/hello")
  local r = e2e.expect(promote(w), 6)
  t:match(r.item.why, "deploy_key_error: the cluster's deploy key is not "
    .. "accepted")
  t:eq(host:head("ops/hello"), before)
end)

test("an address of a document that is not used", function(t)
  local w = world(t)
  w.prod:create(HELLO)
  local path = w.dev.dir .. "/algorithms/acme/Hello/algorithm.json"
  local doc = e2e.read_json(path)
  for _, url in ipairs({ "http://git.example.com/acme/hello.git",
    "file:///etc", "https://a:b@git.example.com/x" }) do
    doc.source.repository_https_url = url
    err.check(fs.write(path, json.encode(doc), 384))
    local r = e2e.expect(promote(w), 6)
    t:match(r.item.why, "the address the cluster gives for the repository")
  end
end)
