-- Code at a Git host elsewhere as scripts see it, and the webhook as the host
-- calls it.
local archive = require("godwit.cluster.archive")
local e2e = require("support.e2e")
local err = require("godwit.err")
local external = require("support.external")
local fs = require("godwit.core.fs")
local git = require("support.gitrepo")
local handle = require("godwit.cluster.handle")

local HELLO = "acme/Hello"

local function world(t, opts)
  local host = external.start(t)
  host:make("acme/hello", { branch = "trunk", late = 0.1 })
  host:commit("acme/hello", { { path = "one.txt", data = "1\n" } })
  local w = e2e.world(t, opts and opts.prepare)
  host:connect(w.dev, "gh")
  host:create(w.dev, "gh", HELLO, "acme/hello")
  w:configure({ dev = { more = external.hosts({ host }) } })
  return w, host
end

local function run(w, code, more)
  local path = w.home .. "/script.lua"
  err.check(fs.write(path, code, 384))
  local argv = { "run", path }
  table.move(more or {}, 1, #(more or {}), 3, argv)
  return w:run(argv, external.ENV)
end

local READ = [[
local a = godwit.cluster("dev").algorithms:get("acme/Hello")
print((a:tree():read("one.txt")))
print(a:commit())
print(table.concat(a:tags("v*"), " "))
local remote = a:remote()
print(remote.url)
print(git.ls_remote(remote).head)
print(tostring(remote.auth))
]]

test("files, head, tags and remote of an algorithm elsewhere", function(t)
  local w, host = world(t)
  local dir = host:dir("acme/hello")
  for _, tag in ipairs({ "v1.9", "v1.10", "v1.10-rc1", "other" }) do
    git.git(dir, "tag", tag, "refs/heads/trunk")
  end
  local r = e2e.expect(run(w, READ), 0)
  t:match(r.out, "^1\n\n" .. host:head("acme/hello")
    .. "\nv1.10 v1.10%-rc1 v1.9\n")
  t:match(r.out, host:url("acme/hello"):gsub("%-", "%%-")
    .. "\nrefs/heads/trunk\n%[secret")
  t:no(r.all:find(external.PASSWORD, 1, true))
end)

local EDIT = [[
local a = godwit.cluster("dev").algorithms:get("acme/Hello")
local commit = a:edit("Add two", function(tree) tree:write("two.txt", "2\n") end)
print(commit)
local build = a:wait_build(commit, { timeout = 30 })
print(build.status)
]]

test("an edit is pushed to the default branch and built by its webhook",
  function(t)
    local w, host = world(t)
    local before = host:head("acme/hello")
    local r = e2e.expect(run(w, EDIT), 9)
    t:match(r.err, "%-%-allow%-write dev")
    t:eq(host:head("acme/hello"), before)
    -- A plan goes all the way, and nothing leaves it.
    local planned = e2e.expect(run(w, EDIT, { "-n" }), 0)
    t:match(planned.out, "succeeded")
    t:eq(host:head("acme/hello"), before)
    r = e2e.expect(run(w, EDIT, { "--allow-write", "dev" }), 0)
    t:match(r.out, "^" .. host:head("acme/hello") .. "\nsucceeded")
    t:eq(r.out:match("^%x+"), planned.out:match("^%x+"))
    t:eq(host:files("acme/hello"), { ["one.txt"] = "1\n", ["two.txt"] = "2\n" })
    t:eq(host:log("acme/hello", "%cn")[1], "godwit")
    t:no(w.said:find(external.PASSWORD, 1, true))
  end)

test("the credential is for its host only, whoever asks", function(t)
  local w = world(t)
  local r = run(w, [[
local a = godwit.cluster("dev").algorithms:get("acme/Hello")
local remote = a:remote()
local ok, e = pcall(http.get, "http://127.0.0.1:1/", { auth = remote.auth })
print(ok, e.kind)
print(pcall(function() return "x" .. remote.auth end))
]])
  e2e.expect(r, 0)
  t:match(r.out, "false\tdenied\nfalse\t")
  t:no(r.all:find(external.PASSWORD, 1, true))
end)

test("a project's file refers to a credential of one's own", function(t)
  local w, host = world(t)
  local user = ([[return { secrets = {
    dev = { host = %q, value = env "DEV_KEY" },
    git = { host = %q, value = env "HOST_TOKEN" },
    elsewhere = { host = "https://other.example.com", value = env "HOST_TOKEN" },
  } }]]):format(w.dev.api, host.origin)
  err.check(fs.write(w.home .. "/.config/godwit/config.lua", user, 384))
  local function project(key)
    err.check(fs.write(w.home .. "/godwit.config.lua", ([[return { clusters = {
      team = { api = %q, key = secret "dev",
        hosts = { [%q] = { user = "bot", key = %s } } } } }]]):format(
        w.dev.api, host.origin, key), 384))
    return run(w, (READ:gsub('"dev"', '"team"')))
  end
  t:match(e2e.expect(project('secret "git"'), 0).out, host:head("acme/hello"))
  -- One that is for another host does not go to this one.
  local r = project('secret "elsewhere"')
  t:ok(r.code ~= 0)
  t:match(r.err, "elsewhere")
  t:match(e2e.expect(project('env "HOST_TOKEN"'), 2).err, "godwit trust")
  t:match(e2e.expect(project('"literal"'), 2).err, "godwit trust")
  t:no(w.said:find(external.PASSWORD, 1, true))
end)

test("an archive has a copy, to read and to change", function(t)
  local w, host = world(t)
  git.git(host:dir("acme/hello"), "tag", "v1", "refs/heads/trunk")
  w.dev:stop()
  local driver = archive.open({ kind = "archive", name = "dev",
    dir = w.dev.dir })
  t:defer(function() driver:close() end)
  local a = handle.new(driver).algorithms:get(HELLO)
  t:eq(a:commit(), host:head("acme/hello"))
  t:eq(a:tags(), {}) -- the copy is of the default branch
  local repo = w.dev.dir .. "/git/acme/Hello.git"
  git.git(repo, "tag", "v2", "refs/heads/master")
  t:eq(a:tags(), { "v2" })
  t:eq(driver:git_place("acme", "Hello"), nil)
end)

-- The webhook -------------------------------------------------------------

local SHA = ("ab12"):rep(10)

local function count_builds(w)
  local n = 0
  for _ in w.dev:driver():each_build("acme", "Hello") do n = n + 1 end
  return n
end

test("a webhook builds the head of the default branch, once", function(t)
  local w, host = world(t)
  t:eq(count_builds(w), 0) -- the first commits are not built
  local commit = host:commit("acme/hello", { { path = "x", data = "x" } })
  t:eq((host:notify(w.dev, HELLO, { ref = "refs/heads/side", after = SHA })),
    202)
  t:eq((host:notify(w.dev, HELLO, { ref = "refs/tags/v1", after = SHA })), 202)
  t:eq((host:notify(w.dev, HELLO, { zen = "hello", hook_id = 1 })), 202)
  t:eq((host:notify(w.dev, HELLO, { hello = "?" })), 400)
  t:eq(count_builds(w), 0)
  -- What it says of the commit is not believed: the host is asked.
  for _ = 1, 2 do
    t:eq((host:notify(w.dev, HELLO, { ref = "refs/heads/trunk", after = SHA })),
      204)
    external.built(w.dev, HELLO, commit)
  end
  t:eq(count_builds(w), 1)
end)

test("a forced push at the host is followed", function(t)
  local w, host = world(t)
  host:release(w.dev, HELLO, "acme/hello", { { path = "x", data = "x" } })
  local dir = host:dir("acme/hello")
  local first = git.git(dir, "rev-parse", "HEAD~1")
  git.git(dir, "update-ref", "refs/heads/trunk", first)
  local other = host:release(w.dev, HELLO, "acme/hello",
    { { path = "y", data = "y" } })
  t:eq(w.dev:driver():get_algorithm("acme", "Hello").version_info.git_hash,
    other)
end)

test("another default branch is followed", function(t)
  local w, host = world(t)
  local dir = host:dir("acme/hello")
  git.git(dir, "update-ref", "refs/heads/next", "refs/heads/trunk")
  git.git(dir, "symbolic-ref", "HEAD", "refs/heads/next")
  host.branches["acme/hello"] = "next"
  local commit = host:commit("acme/hello", { { path = "x", data = "x" } })
  local doc = w.dev:driver():compile("acme", "Hello") -- looks at the host, too
  t:eq(doc.version_info.git_hash, commit)
  commit = host:release(w.dev, HELLO, "acme/hello",
    { { path = "y", data = "y" } })
  t:eq(w.dev:driver():get_algorithm("acme", "Hello").version_info.git_hash,
    commit)
end)

test("a webhook that is looked at later", function(t)
  local w, host = world(t, { prepare = function(dev)
    dev:options({ webhook_delay = 3 })
  end })
  local commit = host:commit("acme/hello", { { path = "x", data = "x" } })
  t:eq((host:notify(w.dev, HELLO, { ref = "refs/heads/trunk", after = commit })),
    204)
  t:eq(count_builds(w), 0)
  external.built(w.dev, HELLO, commit)
  t:eq(count_builds(w), 1)
end)

test("an empty repository gets the platform's two commits", function(t)
  local w, host = world(t)
  host:make("acme/other", { branch = "main" })
  host:create(w.dev, "gh", "acme/Other", "acme/other", { silent = true })
  t:eq(host:log("acme/other", "%s"), { "Adding Algorithmia files",
    "Initial commit" })
  local conf = host:files("acme/other")["algorithmia.conf"]
  t:match(conf, '"algoname" : "Other"')
  t:no(conf:find("submitted_at", 1, true))
end)
