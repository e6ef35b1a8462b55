-- Plain git against the sandbox: clones, pushes, builds, refusals.
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local git = require("godwit.cluster.platform.git")
local process = require("godwit.core.process")
local sandboxes = require("support.sandboxes")
local sys = require("godwit.core.sys")
local task = require("godwit.task")

local function hello(t, opts)
  local s = sandboxes.start(t, opts)
  s:create("Hello")
  return s, s:clone(t, "Hello")
end

local function curl(s, path, user, ...)
  local argv = { "curl", "-s", "-o", "/dev/null", "-D", "-", "--max-time",
    "20" }
  if user then
    argv[#argv + 1] = "-u"
    argv[#argv + 1] = user
  end
  for _, a in ipairs({ ... }) do argv[#argv + 1] = a end
  argv[#argv + 1] = s.api .. path
  local _, out = sandboxes.run(argv)
  return math.tointeger(tonumber(out:match("HTTP/%S+ (%d+)"))), out
end

test("a push is built, its answer tells the result", function(t)
  local s, dir = hello(t)
  local sha = sandboxes.commit(dir, "a", "1")
  local code, out = sandboxes.push(dir)
  t:eq(code, 0, out)
  t:match(out, "remote: Updating references")
  t:match(out, "remote: Build successful for algo://acme/Hello/" .. sha)
  local builds = s:builds("Hello")
  t:eq({ #builds, builds[1].commit_sha, builds[1].status },
    { 1, sha, "succeeded" })
  local doc = s:send("GET", "/v1/algorithms/acme/Hello").doc
  t:eq(doc.version_info.git_hash, sha)
end)

test("several commits are one build", function(t)
  local s, dir = hello(t)
  sandboxes.commit(dir, "a", "1")
  sandboxes.commit(dir, "b", "1")
  local sha = sandboxes.commit(dir, "c", "1")
  t:eq((sandboxes.push(dir)), 0)
  local builds = s:builds("Hello")
  t:eq({ #builds, builds[1].commit_sha }, { 1, sha })
end)

test("a failing build is told, the push stays", function(t)
  local s, dir = hello(t)
  local sha = sandboxes.commit(dir, ".sandbox-build-fails", "no luck\n")
  local code, out = sandboxes.push(dir)
  t:eq(code, 0)
  t:match(out, "Build failed for algo://acme/Hello/" .. sha)
  local b = s:builds("Hello")[1]
  t:eq(b.status, "failed")
  t:match(s:send("GET", "/v1/algorithms/acme/Hello/builds/" .. b.build_id
    .. "/logs").doc.logs, "no luck")
  local r = s:send("POST", "/v1/algorithms/acme/Hello/versions", { json = {} })
  t:eq({ r.status, sandboxes.code(r) }, { 400, 2012 })
  sandboxes.git("-C", dir, "rm", "-q", ".sandbox-build-fails")
  sandboxes.commit(dir, "requirements.txt", "six\nsandbox-build-fails\n")
  sandboxes.push(dir)
  t:eq(s:builds("Hello")[1].status, "failed")
  t:eq(#s:send("GET", "/v1/algorithms/acme/Hello/versions").doc.results, 0)
  s.sandbox.options.fail_builds = true
  sandboxes.commit(dir, "requirements.txt", "six\n")
  sandboxes.push(dir)
  t:eq(s:builds("Hello")[1].status, "failed")
end)

test("the answer is held for the build, visible meanwhile", function(t)
  local s, dir = hello(t, { build_seconds = 60 })
  local sha = sandboxes.commit(dir, "a", "1")
  local code
  local pushing = task.spawn(function() code = sandboxes.push(dir) end)
  s:wait_builds("Hello", 1)
  local b = s:builds("Hello")[1]
  t:eq({ b.status, b.commit_sha, b.finished_at }, { "in-progress", sha })
  local r = s:send("GET", "/v1/algorithms/acme/Hello/builds/" .. b.build_id
    .. "/logs")
  t:eq({ r.status, sandboxes.code(r) }, { 404, 1011 })
  r = s:send("POST", "/v1/algorithms/acme/Hello/versions", { json = {} })
  t:eq({ r.status, sandboxes.code(r) }, { 400, 2012 })
  r = s:send("POST", "/v1/algo/acme/Hello/" .. sha,
    { body = "x", type = "text/plain" })
  t:match(r.doc.error.message, "version hash")
  t:eq(code, nil)
  s:end_builds("Hello")
  task.join(pushing)
  t:eq(code, 0)
  t:eq(s:builds("Hello")[1].status, "succeeded")
end)

test("a build takes its time", function(t)
  local s = hello(t, { build_seconds = 0.5 })
  local started = sys.monotonic()
  s:send("POST", "/v1/algorithms/acme/Hello/compile", { json = {} })
  t:ok(sys.monotonic() - started > 0.49)
end)

test("a client that goes away during the hold loses no build", function(t)
  local s, dir = hello(t, { build_seconds = 60 })
  local sha = sandboxes.commit(dir, "a", "1")
  local p <close> = err.check(process.start({ group = true, stdout = true,
    argv = { "git", "-C", dir, "push", "-q", "origin", "HEAD:master" } }))
  s:wait_builds("Hello", 1)
  p:kill(9)
  p:wait()
  local b = s:builds("Hello")[1]
  t:eq({ b.commit_sha, b.status }, { sha, "in-progress" })
  s:end_builds("Hello")
  t:eq(s:builds("Hello")[1].status, "succeeded")
end)

test("a rewind is refused, master cannot be deleted", function(t)
  local s, dir = hello(t)
  sandboxes.commit(dir, "a", "1")
  t:eq((sandboxes.push(dir)), 0)
  sandboxes.git("-C", dir, "reset", "-q", "--hard", "HEAD~1")
  sandboxes.commit(dir, "b", "1")
  local code, out = sandboxes.push(dir, "--force")
  t:ok(code ~= 0)
  t:match(out, "non%-fast%-forward")
  code, out = sandboxes.run({ "git", "-C", dir, "push", "origin", ":master" })
  t:ok(code ~= 0)
  t:match(out, "rejected")
  t:eq(#s:builds("Hello"), 1)
end)

test("other branches and tags are taken and not built", function(t)
  local s, dir = hello(t)
  sandboxes.commit(dir, "a", "1")
  t:eq((sandboxes.run({ "git", "-C", dir, "push", "origin",
    "HEAD:refs/heads/side", "HEAD:refs/tags/v1" })), 0)
  t:eq(#s:builds("Hello"), 0)
  local out = sandboxes.git("-C", dir, "ls-remote", "origin")
  t:match(out, "refs/heads/side")
  t:match(out, "refs/tags/v1")
end)

test("a changed README becomes the summary", function(t)
  local s, dir = hello(t)
  sandboxes.commit(dir, "README.md", "# Hi <there>\n")
  sandboxes.push(dir)
  local function summary()
    return s:send("GET", "/v1/algorithms/acme/Hello").doc.details.summary
  end
  t:eq(summary(), "<h1>Hi &lt;there&gt;</h1>")
  s:send("PUT", "/v1/algorithms/acme/Hello",
    { json = { details = { summary = "mine" } } })
  sandboxes.commit(dir, "a", "1")
  sandboxes.push(dir)
  t:eq(summary(), "mine")
end)

test("who may clone and push", function(t)
  local s, dir = hello(t)
  local refs = "/git/acme/Hello.git/info/refs?service=git-"
  local status, out = curl(s, refs .. "upload-pack")
  t:eq(status, 401)
  t:match(out, 'WWW%-Authenticate: Basic realm="Algorithmia"')
  local function user(name, key_of, label)
    return name .. ":" .. s:key(key_of or name, label)
  end
  t:eq(curl(s, refs .. "upload-pack", "acme:wrong"), 401)
  t:eq(curl(s, refs .. "upload-pack", user("acme")), 200)
  t:eq(curl(s, refs .. "upload-pack", user("bob")), 200)
  t:eq(curl(s, refs .. "upload-pack", user("acme", "bob")), 200)
  t:eq(curl(s, refs .. "upload-pack", user("carol", "bob")), 401)
  t:eq(curl(s, refs .. "upload-pack", user("admin")), 401)
  t:eq(curl(s, refs .. "upload-pack", user("carol")), 404)
  t:eq(curl(s, refs .. "receive-pack", user("carol")), 404)
  t:eq(curl(s, "/git/acme/None.git/info/refs?service=git-upload-pack",
    user("acme")), 404)
  s:send("PUT", "/v1/algorithms/acme/Hello",
    { json = { settings = { source_visibility = "open" } } })
  t:eq(curl(s, refs .. "upload-pack", user("carol")), 200)
  t:eq(curl(s, refs .. "receive-pack", user("carol")), 403)
  t:eq(curl(s, "/git/acme/Hello.git/HEAD", user("acme")), 403)
  t:eq(curl(s, "/git/acme/Hello.git/config", user("acme")), 403)
  t:eq(curl(s, "/git/acme/Hello.git/info/refs", user("acme")), 403)
  t:eq(curl(s, "/git/acme/Hello.git/%2e%2e/%2e%2e/keys.json", user("acme")),
    400)
  t:eq(curl(s, "/git/..%2facme/Hello.git/info/refs?service=git-upload-pack",
    user("acme")), 400)
  t:eq(curl(s, refs .. "upload-archive", user("acme")), 403)
  t:no(fs.read(dir .. "/.git/config"):find("sandbox", 1, true))
end)

test("a version has a read-only repository of its own", function(t)
  local s, dir = hello(t)
  local sha = sandboxes.commit(dir, "a", "1")
  sandboxes.push(dir)
  s:send("POST", "/v1/algorithms/acme/Hello/versions", { json = {} })
  sandboxes.commit(dir, "b", "1")
  sandboxes.push(dir)
  for _, version in ipairs({ "0.1.0", sha }) do
    local out = sandboxes.git("ls-remote", s:url("acme/Hello/" .. version))
    t:eq(out, sha .. "\tHEAD\n" .. sha .. "\trefs/heads/master\n")
    local copy = t:tmpdir() .. "/v"
    sandboxes.git("clone", "-q", s:url("acme/Hello/" .. version), copy)
    t:ok(fs.stat(copy .. "/a"))
    t:no(fs.stat(copy .. "/b"))
    local code, said = sandboxes.run({ "git", "-C", copy, "push",
      s:url("acme/Hello/" .. version), "HEAD:refs/heads/x" })
    t:ok(code ~= 0)
    t:match(said, "403")
  end
  local refs = "/git/acme/Hello/9.9.9.git/info/refs?service=git-upload-pack"
  t:eq(curl(s, refs, "acme:" .. s:key("acme")), 404)
  refs = "/git/acme/Hello/0.1.0.git/info/refs?service=git-upload-pack"
  t:eq(curl(s, refs, "carol:" .. s:key("carol")), 404)
end)

test("clones and pushes at once", function(t)
  local s, dir = hello(t)
  for i = 1, 4 do
    s:create("Other" .. i)
  end
  local jobs = {}
  for i = 1, 4 do
    jobs[#jobs + 1] = function()
      local copy = s:clone(t, "Other" .. i)
      sandboxes.commit(copy, "x", tostring(i))
      local code, out = sandboxes.push(copy)
      assert(code == 0, out)
    end
  end
  for _ = 1, 8 do
    jobs[#jobs + 1] = function() s:clone(t, "Hello") end
  end
  task.all(jobs)
  for i = 1, 4 do t:eq(#s:builds("Other" .. i), 1) end
  t:ok(dir)
end)

test("of pushes to one place at once one wins, each build is a head", function(t)
  local s = hello(t, { build_seconds = 0.1 })
  local won = {}
  local jobs = {}
  for i = 1, 4 do
    local copy = s:clone(t, "Hello")
    local sha = sandboxes.commit(copy, "x", tostring(i))
    jobs[#jobs + 1] = function()
      if sandboxes.push(copy) == 0 then won[#won + 1] = sha end
    end
  end
  task.all(jobs)
  t:eq(#won, 1)
  local builds = s:builds("Hello")
  t:eq({ #builds, builds[1].commit_sha }, { 1, won[1] })
end)

test("pushes during a build queue, each has its build", function(t)
  local s, dir = hello(t, { build_seconds = 60 })
  local first = sandboxes.commit(dir, "a", "1")
  local other = s:clone(t, "Hello")
  local a = task.spawn(function() assert(sandboxes.push(dir) == 0) end)
  s:wait_builds("Hello", 1)
  sandboxes.git("-C", other, "pull", "-q", "--ff-only")
  local second = sandboxes.commit(other, "b", "1")
  local b = task.spawn(function() assert(sandboxes.push(other) == 0) end)
  s:wait_builds("Hello", 2)
  s:end_builds("Hello")
  task.join(a)
  task.join(b)
  local builds = s:builds("Hello")
  t:eq({ builds[1].commit_sha, builds[2].commit_sha }, { second, first })
  t:ok(builds[1].finished_at >= builds[2].finished_at)
end)

test("large packs stream both ways, old and new protocol", function(t)
  local s, dir = hello(t)
  local big = require("godwit.sandbox.seed_files").bytes(5 << 20, 3)
  sandboxes.commit(dir, "big.bin", big)
  local code, out = sandboxes.push(dir)
  t:eq(code, 0, out)
  for _, v in ipairs({ "0", "1", "2" }) do
    local copy = t:tmpdir() .. "/c"
    sandboxes.git("-c", "protocol.version=" .. v, "clone", "-q",
      s:url("acme/Hello"), copy)
    t:ok(fs.stat(copy .. "/big.bin").size == #big)
  end
end)

test("a gzip-encoded request works", function(t)
  local s, dir = hello(t)
  local head = sandboxes.git("-C", dir, "rev-parse", "HEAD"):sub(1, 40)
  local file = t:tmpdir() .. "/request"
  fs.write(file, "0032want " .. head .. "\n00000009done\n", 384)
  t:eq((sandboxes.run({ "gzip", file })), 0)
  local answer = file .. ".out"
  local code = sandboxes.run({ "curl", "-s", "--max-time", "20", "-o", answer,
    "-u", "acme:" .. s:key("acme"), "-H", "Content-Encoding: gzip", "-H",
    "Content-Type: application/x-git-upload-pack-request", "--data-binary",
    "@" .. file .. ".gz", s.api .. "/git/acme/Hello.git/git-upload-pack" })
  t:eq(code, 0)
  t:match(fs.read(answer), "^0008NAK\nPACK")
end)

test("config, hooks and foreign objects of an archive are not used", function(t)
  local s = hello(t)
  local repo = s.dir .. "/git/acme/Hello.git"
  s:stop()
  local flag = t:tmpdir() .. "/ran"
  fs.mkdir(repo .. "/hooks", 448)
  for _, hook in ipairs({ "pre-receive", "update", "post-receive",
    "post-update", "reference-transaction" }) do
    fs.write(repo .. "/hooks/" .. hook, "#!/bin/sh\ntouch " .. flag .. "\n",
      448)
  end
  fs.write(repo .. "/config", "[core]\n\trepositoryformatversion = 0\n"
    .. "\tbare = true\n\thooksPath = " .. repo .. "/hooks\n"
    .. "\tfsmonitor = \"touch " .. flag .. "\"\n"
    .. "[receive]\n\tdenyNonFastForwards = false\n"
    .. "[uploadpack]\n\tpackObjectsHook = \"touch " .. flag .. "\"\n", 384)
  s = sandboxes.start(t, { dir = s.dir })
  local dir = s:clone(t, "Hello")
  sandboxes.commit(dir, "a", "1")
  t:eq((sandboxes.push(dir)), 0)
  sandboxes.git("-C", dir, "reset", "-q", "--hard", "HEAD~1")
  sandboxes.commit(dir, "b", "1")
  t:ok(sandboxes.push(dir, "--force") ~= 0)
  t:no(fs.stat(flag))
  for _, trick in ipairs({ "objects/info/alternates", "info/grafts",
    "commondir", "shallow" }) do
    s:stop()
    fs.mkdir(repo .. "/info", 448)
    fs.write(repo .. "/" .. trick, "/tmp\n", 384)
    s = sandboxes.start(t, { dir = s.dir })
    local code, out = sandboxes.run({ "git", "ls-remote",
      s:url("acme/Hello") })
    t:ok(code ~= 0, trick)
    t:match(out, "50%d")
    fs.remove(repo .. "/" .. trick)
  end
  s:stop()
  fs.symlink("/etc", repo .. "/objects/zz")
  s = sandboxes.start(t, { dir = s.dir })
  t:ok(sandboxes.run({ "git", "ls-remote", s:url("acme/Hello") }) ~= 0)
end)

test("the template commit is a pure function", function(t)
  local dir = t:tmpdir()
  local who = { name = "acme", email = "acme@example.com" }
  local heads = {}
  for i = 1, 2 do
    local repo = dir .. "/" .. i .. ".git"
    git.init(repo, dir .. "/hooks")
    git.commit(repo, { { message = "m", author = who, time = 1588888888,
      files = { { path = "a", data = "1" }, { path = 'q"\\\n', data = "" } },
    } })
    heads[i] = git.head(repo)
  end
  t:eq(#heads[1], 40)
  t:eq(heads[1], heads[2])
end)
