-- Promotion of algorithms whose code is kept at a Git host elsewhere.
local e2e = require("support.e2e")
local external = require("support.external")
local fs = require("godwit.core.fs")
local git = require("support.gitrepo")
local sys = require("godwit.core.sys")
local task = require("godwit.task")

local HELLO = "acme/Hello"
local FILES = {
  { path = "src/Hello.py", data = "print('hello')\n" },
  { path = ".dockerignore", data = "x\n" },
  { path = "bin/run", data = "#!/bin/sh\n", mode = "100755" },
}

-- A world and hosts: each box is connected to those named.
local function world(t, dev, prod, prepare)
  local w = e2e.world(t, prepare)
  for id, host in pairs(dev) do host:connect(w.dev, id) end
  for id, host in pairs(prod) do host:connect(w.prod, id) end
  local function list(hosts)
    local out = {}
    for _, host in pairs(hosts) do out[#out + 1] = host end
    return { more = external.hosts(out) }
  end
  w:configure({ dev = list(dev), prod = list(prod) })
  return w
end

local function promote(w, words)
  return w:promote(words or { HELLO }, external.ENV)
end

-- The credential is in no file of the home (configuration, stores, map) or of
-- the host's logs, and in nothing that was said.
local function no_credential(t, w, hosts)
  local forms = { external.PASSWORD,
    (sys.base64(external.USER .. ":" .. external.PASSWORD)) }
  local function clean(text, where)
    for _, form in ipairs(forms) do
      if text:find(form, 1, true) then error("the credential is in " .. where) end
    end
  end
  local function walk(dir)
    for _, e in ipairs(fs.list(dir) or {}) do
      local path = dir .. "/" .. e.name
      if e.type == "dir" then
        walk(path)
      elseif e.type == "file" and e.name ~= "keys.json" then
        clean(fs.read(path, 1 << 26) or "", path)
      end
    end
  end
  walk(w.dir)
  for _, host in ipairs(hosts) do
    clean(fs.read(host.server.dir .. "/access.log", 1 << 22) or "", "its log")
  end
  clean(w.said, "what was said")
  t:ok(fs.stat(w.home .. "/.cache/godwit/git")) -- there was something to see
end

test("a source at a host, to a cluster's own repository", function(t)
  local host = external.start(t)
  host:make("acme/hello", { branch = "trunk" })
  host:commit("acme/hello", FILES)
  local w = world(t, { gh = host }, {})
  host:create(w.dev, "gh", HELLO, "acme/hello")
  local commit = host:release(w.dev, HELLO, "acme/hello",
    { { path = "README.md", data = "# Hello\n" } }, "Say what it is")
  t:eq(w.dev:publish(HELLO), "0.1.0")

  -- The destination's SCM is the source's, so it has to be said otherwise;
  -- there it is made beforehand.
  w.prod:create(HELLO)
  local r = e2e.expect(promote(w), 0)
  t:eq(r.item.outcome, "updated")
  t:eq(r.item.source_commit, commit)
  t:eq(r.item.source_version, "0.1.0")
  t:eq(r.item.version, "0.1.0")
  local there = w.prod:read(HELLO)
  t:eq(there.texts["src/Hello.py"], FILES[1].data)
  t:eq(there.files["bin/run"]:sub(1, 6), "100755")
  t:match(there.commit.message, "Godwit%-Source: .* acme/Hello " .. commit)
  t:eq(e2e.expect(promote(w), 0).item.outcome, "unchanged")

  commit = host:release(w.dev, HELLO, "acme/hello",
    { { path = "src/Hello.py", data = "print('again')\n" } })
  r = e2e.expect(promote(w, { HELLO, "-vv" }), 0)
  t:eq(r.item.source_commit, commit)
  t:eq(r.item.version, "0.2.0")
  t:eq(w.prod:read(HELLO).texts["src/Hello.py"], "print('again')\n")
  no_credential(t, w, { host })
end)

-- Registers the webhook as soon as the algorithm is there.
local function tell_when_created(host, name, w)
  return task.spawn(function()
    for _ = 1, 600 do
      if w.prod:driver():try_get_algorithm("acme", "Hello") then
        return host:tell(name, w.prod, HELLO)
      end
      task.sleep(0.05)
    end
  end)
end

test("a new algorithm at a host: template, commit, late webhook", function(t)
  local here, there = external.start(t), external.start(t)
  here:make("team/hello", { branch = "main" })
  here:commit("team/hello", FILES)
  there:make("acme/Hello", { branch = "main", late = 1.2 })
  -- The same SCM for both: one provider at one address.
  local w = world(t, { gh = here, far = there }, { there = there })
  here:create(w.dev, "far", "acme/Other", "acme/Hello", { silent = true })
  here:create(w.dev, "gh", HELLO, "team/hello")
  local commit = here:release(w.dev, HELLO, "team/hello",
    { { path = "extra", data = "x" } })

  local r = e2e.expect(promote(w), 6)
  t:match(r.item.why, "prod has no such SCM; it has: .*there %(github")
  t:match(r.item.why, 'settings = { scm = "ID"')
  t:no(w.prod:driver():try_get_algorithm("acme", "Hello"))

  -- As the destination knows the source's host too, it goes there.
  here:connect(w.prod, "same")
  here:make("acme/Hello", { branch = "main", late = 1.2 })
  w:configure({ dev = { more = external.hosts({ here, there }) },
    prod = { more = external.hosts({ here, there }) } })
  local telling = tell_when_created(here, "acme/Hello", w)
  r = e2e.expect(promote(w, { HELLO, "-v" }), 0)
  task.join(telling)
  t:eq(r.item.outcome, "created")
  t:eq(r.item.version, "0.1.0")
  t:eq(here:log("acme/Hello", "%s"), { "Change extra",
    "Adding Algorithmia files", "Initial commit" })
  t:eq(here:files("acme/Hello"), here:files("team/hello"))
  t:eq(here:head("acme/Hello"), r.item.commit)
  t:eq(r.item.source_commit, commit)
  t:match(r.err, "webhook")
  local doc = w.prod:driver():get_algorithm("acme", "Hello")
  t:eq(doc.source.repository_name, "Hello")
  t:eq(e2e.expect(promote(w), 0).item.outcome, "unchanged")
  no_credential(t, w, { here, there })
end)

test("from one host to another, and drift there", function(t)
  local a, b = external.start(t), external.start(t)
  a:make("acme/hello")
  a:commit("acme/hello", FILES)
  b:make("ops/hello", { branch = "trunk", late = 0.6 })
  b:commit("ops/hello", { { path = "README.md", data = "# Hello\n" } },
    "Initial commit")
  b:commit("ops/hello", { { path = "algorithmia.conf", data = "{}" } },
    "Adding Algorithmia files")
  local w = world(t, { gh = a }, { gl = b })
  a:create(w.dev, "gh", HELLO, "acme/hello")
  local commit = a:release(w.dev, HELLO, "acme/hello",
    { { path = "one", data = "1" } })
  b:create(w.prod, "gl", HELLO, "ops/hello")

  local planned = e2e.expect(promote(w, { HELLO, "-n" }), 0)
  t:eq(#b:log("ops/hello", "%s"), 2)
  local r = e2e.expect(promote(w), 0)
  t:eq(r.item.commit, planned.item.commit)
  t:eq(b:head("ops/hello"), r.item.commit)
  t:eq(r.item.version, "0.1.0")
  t:eq(b:files("ops/hello").one, "1")
  t:eq(b:files("ops/hello")["algorithmia.conf"], nil)

  b:release(w.prod, HELLO, "ops/hello", { { path = "two", data = "2" } },
    "A quick fix")
  a:release(w.dev, HELLO, "acme/hello", { { path = "one", data = "11" } })
  r = e2e.expect(promote(w), 6)
  t:match(r.item.why, "drifted.*A quick fix.*added two")
  t:eq(b:files("ops/hello").two, "2")
  r = e2e.expect(promote(w, { HELLO, "--overwrite-drift" }), 0)
  t:eq(b:files("ops/hello").two, nil)
  t:eq(b:files("ops/hello").one, "11")
  t:eq(r.item.version, "0.2.0")
  t:ok(commit ~= r.item.source_commit)
  no_credential(t, w, { a, b })
end)

test("both sides are built from one repository", function(t)
  local host = external.start(t)
  host:make("acme/hello")
  host:commit("acme/hello", FILES)
  local w = world(t, { gh = host }, { hub = host })
  host:create(w.dev, "gh", HELLO, "acme/hello")
  host:create(w.prod, "hub", HELLO, "acme/hello")
  local first = host:head("acme/hello")
  local commit = host:release(w.dev, HELLO, "acme/hello",
    { { path = "one", data = "1" } })
  local r = e2e.expect(promote(w), 0)
  t:eq(r.item.commit, commit)
  t:eq(r.item.version, "0.1.0")
  local said = false
  for _, step in ipairs(r.item.steps) do
    said = said or step.text:find("nothing to push", 1, true) ~= nil
  end
  t:ok(said)
  t:eq(host:head("acme/hello"), commit)
  t:eq(e2e.expect(promote(w), 0).item.outcome, "unchanged")
  -- A cluster builds the head and nothing else of it.
  r = e2e.expect(promote(w, { HELLO .. "/" .. first }), 6)
  t:match(r.item.why, "same repository.*promote the head")
end)

test("a tag of a host's repository, and of an archive's", function(t)
  local host = external.start(t)
  host:make("acme/hello")
  local first = host:commit("acme/hello", FILES)
  git.git(host:dir("acme/hello"), "tag", "-a", "-m", "x", "v1", first)
  host:commit("acme/hello", { { path = "later", data = "1" } })
  local w = world(t, { gh = host }, {})
  host:create(w.dev, "gh", HELLO, "acme/hello")
  w.prod:create(HELLO)
  w.prod:create("alice/Hello")
  local words = { HELLO, "--source-version", "v1", "--publish", "no" }
  local r = e2e.expect(promote(w, words), 0)
  t:eq(r.item.source_commit, first)
  t:eq(w.prod:read(HELLO).files.later, nil)
  words[3] = "v2"
  t:match(e2e.expect(promote(w, words), 6).item.why, "has no tag v2")

  w.dev:stop()
  local repo = w.dev.dir .. "/git/acme/Hello.git"
  -- Beside the main branch.
  local side = git.commit(repo, git.git(repo, "rev-parse", first .. "^{tree}"),
    "beside", { first })
  git.git(repo, "tag", "-a", "-m", "x", "v1", side)
  r = e2e.expect(w:run({ "promote", HELLO, "--source-version", "v1",
    "--publish", "no", "--from", w.dev.dir, "--to", "prod", "--to-owner",
    "alice", "--json" }), 0)
  t:eq(r.doc.items[1].source_commit, side)
end)

local function policy(w, settings)
  local dir = w.home .. "/policies"
  fs.mkdir(dir, 448)
  assert(fs.write(dir .. "/acme.lua", "return { settings = { " .. settings
    .. " } }\n", 384))
end

test("a policy says where a new algorithm's code is kept", function(t)
  local a, b = external.start(t), external.start(t)
  a:make("acme/hello")
  a:commit("acme/hello", FILES)
  b:make("team/greeter", { branch = "main" })
  local w = world(t, { gh = a }, { gl = b })
  a:create(w.dev, "gh", HELLO, "acme/hello")
  policy(w, 'scm = "Nowhere"')
  local r = e2e.expect(promote(w), 6)
  t:match(r.item.why, "prod has no open SCM Nowhere, which the policy names; "
    .. "it has: internal")
  policy(w, 'scm = "Host gl", repository_owner = "team", '
    .. 'repository_name = "greeter"')
  local planned = e2e.expect(promote(w, { HELLO, "-n" }), 0)
  t:eq(planned.item.outcome, "created")
  t:eq(b:head("team/greeter"), nil)
  local telling = tell_when_created(b, "team/greeter", w)
  r = e2e.expect(promote(w), 0)
  task.join(telling)
  t:eq(r.item.version, "0.1.0")
  t:eq(b:files("team/greeter"), a:files("acme/hello"))
end)

test("an archive keeps all code itself", function(t)
  local host = external.start(t)
  host:make("acme/hello")
  host:commit("acme/hello", FILES)
  local w = world(t, { gh = host }, {})
  host:create(w.dev, "gh", HELLO, "acme/hello")
  w.prod:stop()
  local words = { "promote", HELLO, "--from", "dev", "--to", w.prod.dir,
    "--json" }
  local r = e2e.expect(w:run(words, external.ENV), 0)
  t:eq(r.doc.items[1].outcome, "created")
  t:eq(w.prod:read(HELLO).texts["src/Hello.py"], FILES[1].data)
  t:eq(e2e.expect(w:run(words, external.ENV), 0).doc.items[1].outcome,
    "unchanged")
end)

test("a policy takes the code to the cluster itself", function(t)
  local host = external.start(t)
  host:make("acme/hello")
  host:commit("acme/hello", FILES)
  local w = world(t, { gh = host }, {})
  host:create(w.dev, "gh", HELLO, "acme/hello")
  policy(w, 'scm = "internal"')
  local r = e2e.expect(promote(w), 0)
  t:eq(r.item.outcome, "created")
  t:eq(w.prod:driver():get_algorithm("acme", "Hello").source.scm.id, "internal")
  t:eq(w.prod:read(HELLO).texts["src/Hello.py"], FILES[1].data)
end)

test("two clusters that are built from one repository, at once", function(t)
  local host = external.start(t)
  host:make("acme/hello", { branch = "main", late = 0.4 })
  local w = world(t, { hub = host }, { hub = host })
  host:create(w.dev, "hub", HELLO, "acme/hello")
  host:create(w.prod, "hub", HELLO, "acme/hello")
  local third = e2e.archive(w.dir .. "/third", "third")
  third.scratch = w.dir
  e2e.seed(third)
  third:stop()
  third:driver():close()
  local r = e2e.expect(w:run({ "promote", HELLO, "--from", third.dir, "--to",
    "dev", "--to", "prod", "--json" }, external.ENV), 0)
  for _, item in ipairs(r.doc.items) do
    t:eq(item.outcome, "updated")
    t:eq(item.version, "0.1.0")
    t:eq(item.commit, host:head("acme/hello"))
  end
  t:eq(#r.doc.items, 2)
  t:eq(#host:log("acme/hello", "%s"), 3)
end)

test("a webhook that never comes, and the way on", function(t)
  local host = external.start(t)
  host:make("acme/hello", { silent = true })
  local w = world(t, {}, { gh = host }, function(dev)
    e2e.seed(dev)
  end)
  host:create(w.prod, "gh", HELLO, "acme/hello", { silent = true })
  local r = e2e.expect(promote(w, { HELLO, "--build-timeout", "2" }), 5)
  t:eq(r.item.outcome, "failed")
  t:match(r.item.why, "the webhook has not come.*deliveries of the "
    .. "repository's webhook.*scm/status.*promote again")
  t:no(r.all:find("/scm/webhook", 1, true))
  local pushed = host:head("acme/hello")
  t:eq(host:log("acme/hello", "%cn")[1], "godwit")
  -- Nothing is pushed twice; the head is compiled.
  r = e2e.expect(promote(w), 0)
  t:eq(r.item.commit, pushed)
  t:eq(r.item.version, "0.1.0")
  t:eq(host:head("acme/hello"), pushed)
end)
