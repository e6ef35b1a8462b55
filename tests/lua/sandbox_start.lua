-- Starting, stopping, starting again; killed at any point.
local core = require("godwit.core.http")
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local git = require("godwit.cluster.platform.git")
local json = require("godwit.core.json")
local process = require("godwit.core.process")
local sandbox = require("godwit.sandbox")
local sandboxes = require("support.sandboxes")
local sys = require("godwit.core.sys")
local task = require("godwit.task")

test("the same port, keys and ids at the next start", function(t)
  local s = sandboxes.start(t)
  s:create("Hello")
  local api, key, id = s.api, s:key("acme"), s.sandbox.info.id
  s:stop()
  s = sandboxes.start(t, { dir = s.dir })
  t:eq({ s.api, s:key("acme"), s.sandbox.info.id }, { api, key, id })
  t:eq(s:send("GET", "/v1/algorithms/acme/Hello").status, 200)
end)

test("a taken port is one clear sentence", function(t)
  local s = sandboxes.start(t)
  local port = s.sandbox.port
  local e = t:raises("io", sandbox.start, "is taken; choose another",
    { dir = t:tmpdir() .. "/x", seed = "empty",
      listen = "127.0.0.1:" .. port })
  t:no(tostring(e):find("\n"))
  local other = sandboxes.start(t)
  other:stop()
  local info = json.decode(fs.read(other.dir .. "/sandbox.json"), {})
  info.port = port
  fs.write(other.dir .. "/sandbox.json", json.encode(info), 384)
  t:raises("io", sandbox.start, "which this sandbox had before, is taken",
    { dir = other.dir })
end)

test("two servers never serve one folder", function(t)
  local s = sandboxes.start(t)
  t:raises("locked", sandbox.start, "in use by another", { dir = s.dir })
end)

test("unusable folders, names, seeds and addresses are refused", function(t)
  local dir = t:tmpdir()
  fs.write(dir .. "/mine.txt", "x", 384)
  t:raises("exists", sandbox.start, "is not empty", { dir = dir })
  t:raises("usage", sandbox.start, "no seed",
    { dir = dir .. "/x", seed = "huge" })
  t:eq(#fs.list(dir), 1)
  t:raises("usage", sandbox.start, "ADDRESS:PORT",
    { dir = dir .. "/y", seed = "empty", listen = "here" })
  t:raises("usage", sandbox.folder, "no name", "../x")
end)

test("what a killed process left undone is done at the start", function(t)
  local s = sandboxes.start(t)
  s:create("Hello")
  local path = "/v1/algorithms/acme/Hello"
  local repo = s.dir .. "/git/acme/Hello.git"
  local folder = s.dir .. "/algorithms/acme/Hello"
  local function again()
    s = sandboxes.start(t, { dir = s.dir })
    local b
    repeat
      task.sleep(0.02)
      b = s:builds("Hello")
    until not b[1] or b[1].status ~= "in-progress"
    return b
  end
  s:stop()
  t:eq(again(), {}, "the template is not built by itself")
  s:stop() -- a push whose ref was moved, and nothing more
  git.commit(repo, { { message = "m", time = 1600000000,
    author = { name = "T", email = "t@example.com" },
    files = { { path = "README.md", data = "# Left\n" } } } })
  local b = again()
  t:eq({ #b, b[1].commit_sha, b[1].status }, { 1, git.head(repo),
    "succeeded" })
  t:eq(s:send("GET", path).doc.details.summary, "<h1>Left</h1>")
  s:stop() -- a build that was under way
  local file = folder .. "/builds/00000001-" .. b[1].build_id .. ".json"
  local doc = json.decode(fs.read(file), {})
  doc.status, doc.finished_at = "in-progress", nil
  fs.write(file, json.encode(doc), 384)
  fs.remove(folder .. "/builds/" .. b[1].build_id .. ".log")
  b = again()
  t:eq({ #b, b[1].status }, { 1, "succeeded" })
  t:eq(s:send("GET", path .. "/builds/" .. b[1].build_id .. "/logs").status,
    200)
  -- a publish whose record did not follow
  local before = fs.read(folder .. "/algorithm.json")
  s:send("POST", path .. "/versions", { json = {
    details = { label = "New" }, settings = { network_access = "isolated" },
    version_info = { sample_input = "x" } } })
  s:stop()
  fs.write(folder .. "/algorithm.json", before, 384)
  again()
  doc = s:send("GET", path).doc
  t:eq({ doc.details.label, doc.settings.network_access,
    doc.version_info.sample_input, doc.version_info.semantic_version },
    { "New", "isolated", "x", "0.1.0" })
  s:stop() -- a repository whose algorithm was never recorded
  fs.mkdir(s.dir .. "/git/acme/Ghost.git/objects", 448)
  again()
  t:eq(s:send("GET", "/v1/algorithms/acme/Ghost").status, 404)
  s:create("Ghost")
  s:clone(t, "Ghost")
end)

test("an archive without keys gets some", function(t)
  local s = sandboxes.start(t)
  local key = s:key("acme")
  s:stop()
  fs.remove(s.dir .. "/keys.json")
  fs.remove(s.dir .. "/sandbox.json")
  s = sandboxes.start(t, { dir = s.dir })
  t:ok(s:key("acme") ~= key)
  t:eq(fs.stat(s.dir .. "/keys.json").mode & 511, 384)
  t:eq(s:send("GET", "/v1/data/", { as = "bob" }).status, 200)
  t:eq(s:send("GET", "/v1/scms", { as = "admin" }).status, 200)
end)

test("options.json says how it misbehaves; a wrong one is refused",
  function(t)
    local s = sandboxes.start(t)
    s:stop()
    local file = s.dir .. "/options.json"
    fs.write(file, '{"delay": 0.2, "fail_builds": {"acme/Hello": true}}', 384)
    s = sandboxes.start(t, { dir = s.dir })
    local started = sys.monotonic()
    s:send("GET", "/v1/scms")
    t:ok(sys.monotonic() - started > 0.19)
    s:create("Hello")
    t:eq(s:send("POST", "/v1/algorithms/acme/Hello/compile", { json = {} })
      .doc.compilation.successful, false)
    s:stop()
    for text, why in pairs({ ['{"dealy": 1}'] = "no option",
      ['{"delay": "1"}'] = "must be a number", ["[]"] = "no object",
      ["{"] = "options.json" }) do
      fs.write(file, text, 384)
      t:raises("usage", sandbox.start, why, { dir = s.dir })
    end
  end)

test("without git it says so", function(t)
  local run = git.run
  t:defer(function() git.run = run end)
  git.run = function() return 1, "", "git: 'http-backend' is not a git command" end
  t:raises("usage", sandbox.start, "needs the program git",
    { dir = t:tmpdir() .. "/x", seed = "empty" })
end)

test("an archive with links in it is not served", function(t)
  local s = sandboxes.start(t)
  s:create("Hello")
  s:stop()
  local links = { "git/labs", "git/acme/X.git", "users/x.json",
    "algorithms/acme/Hello/secrets.json", "algorithms/acme/Hello/builds/x.log",
    "keys2.json", "members", "members/acme/0a.json", "connectors/bob.json" }
  for _, link in ipairs(links) do
    fs.mkdir(s.dir .. "/" .. (link:match("^(.*)/") or "."), 448)
    fs.symlink("/etc/passwd", s.dir .. "/" .. link)
    t:raises("io", sandbox.start, "no links", { dir = s.dir })
    fs.remove(s.dir .. "/" .. link)
  end
  s = sandboxes.start(t, { dir = s.dir })
  t:eq(s:send("GET", "/v1/algorithms/acme/Hello").status, 200)
end)

test("it listens where it is told", function(t)
  local s = sandboxes.start(t, { listen = "[::1]:0" })
  t:match(s.api, "^http://%[::1%]:%d+$")
  s:create("Hello")
  s:clone(t, "Hello")
end)

test("a profile has the address, the identity and bound keys", function(t)
  local s = sandboxes.start(t)
  local p = sandbox.load_profile(s.dir)
  t:eq({ p.kind, p.api, p.id }, { "http", s.api, s.sandbox.info.id })
  t:match(tostring(p.key("acme")), "^%[secret")
  t:ok(p.key("labs"))
  t:eq(p.key("nobody"), nil)
  t:ok(p.admin_key)
  -- An account of a moment ago has its key at once, for an opened cluster, too.
  local driver = require("godwit.cluster.http").open(p)
  t:raises("auth", driver.key, "no key for the owner dora", driver, "dora")
  local keys = require("godwit.sandbox.keys")
  local accounts = keys.read(s.dir)
  accounts[#accounts + 1] = { username = "dora", key = keys.new_key() }
  keys.write(s.dir, accounts)
  t:ok(driver:key("dora"))
  t:raises("notfound", sandbox.load_profile, "no sandbox", "never-made")
end)

test("stopping ends builds at once and answers who waits", function(t)
  local s = sandboxes.start(t, { build_seconds = 60 })
  s:create("Hello")
  local done
  local waiting = task.spawn(function()
    done = s:send("POST", "/v1/algorithms/acme/Hello/compile", { json = {} })
  end)
  repeat task.sleep(0.02) until #s:builds("Hello") == 1
  s:stop()
  task.join(waiting)
  t:eq({ done.status, done.doc.compilation.successful }, { 200, true })
end)

--- A sandbox in a process of its own, which a test may kill.
local function serve(t, dir, seconds)
  local script = t:tmpdir() .. "/serve.lua"
  fs.write(script, ([[
    test("serves", function()
      require("godwit.sandbox").run({ dir = %q, seed = "empty",
        build_seconds = %f, ready = function()
          require("godwit.core.sys").write(1, "ready\n")
        end })
    end)]]):format(dir, seconds), 384)
  local p = err.check(process.start({
    argv = { (sys.env("GODWIT_BUILD") or fs.cwd() .. "/build")
      .. "/godwit_luatest", script },
    stdout = true, stderr = false }))
  t:ok((p:read() or ""):find("ready"))
  local info = json.decode(fs.read(dir .. "/sandbox.json"), {})
  return p, info.api
end

test("killed at any moment of a push, the head gets its build", function(t)
  local dir = t:tmpdir() .. "/s"
  local p, api = serve(t, dir, 0.05)
  local s = sandboxes.at(dir, api)
  s:create("Hello")
  local work = s:clone(t, "Hello")
  for i = 1, 8 do
    local sha = sandboxes.commit(work, "x", tostring(i))
    local pushing = task.spawn(function() sandboxes.push(work) end)
    task.sleep(0.02 * i)
    p:kill(9)
    p:wait()
    task.join(pushing)
    p:close()
    for _, f in ipairs(fs.list(dir .. "/algorithms/acme/Hello/builds")) do
      if f.name:find("%.json$") then
        t:ok(json.decode(fs.read(dir .. "/algorithms/acme/Hello/builds/"
          .. f.name), {}), f.name)
      end
    end
    p, api = serve(t, dir, 0.05)
    s = sandboxes.at(dir, api)
    sandboxes.git("-C", work, "remote", "set-url", "origin",
      s:url("acme/Hello"))
    local head = sandboxes.git("ls-remote", s:url("acme/Hello"), "master")
      :sub(1, 40)
    -- Its Git may have outlived the killed process by a little, too.
    local deadline = sys.monotonic() + 30
    local b
    repeat
      task.sleep(0.05)
      b = s:builds("Hello")[1]
    until head ~= sha or sys.monotonic() > deadline
      or b and b.commit_sha == sha and b.status ~= "in-progress"
    if head == sha then t:eq({ b.commit_sha, b.status }, { sha, "succeeded" }) end
    local seen = {}
    for _, each in ipairs(s:builds("Hello")) do
      t:no(seen[each.commit_sha], "one build per push")
      seen[each.commit_sha] = true
    end
    t:eq((sandboxes.push(work)), 0) -- what did not arrive arrives now
  end
  p:kill(9)
  p:wait()
  p:close()
end)

test("a push that outlives the killed process gets its build", function(t)
  local s = sandboxes.start(t)
  s:create("Hello")
  s:stop()
  local file = s.dir .. "/sandbox.json" -- as a killed process leaves it
  local info = json.decode(fs.read(file), {})
  info.pid = 1
  fs.write(file, json.encode(info), 384)
  s = sandboxes.start(t, { dir = s.dir })
  local repo = s.dir .. "/git/acme/Hello.git"
  git.commit(repo, { { message = "m", time = 1600000000,
    author = { name = "T", email = "t@example.com" },
    files = { { path = "late.txt", data = "x" } } } })
  local deadline = sys.monotonic() + 30
  local b
  repeat
    task.sleep(0.05)
    b = s:builds("Hello")[1]
  until b and b.status ~= "in-progress" or sys.monotonic() > deadline
  t:eq({ b and b.commit_sha, b and b.status }, { git.head(repo), "succeeded" })
end)

test("killed while it is made or changed, nothing is half there", function(t)
  local dir = t:tmpdir() .. "/s"
  for i = 1, 6 do
    local p, api = serve(t, dir, 0)
    local s = sandboxes.at(dir, api)
    local busy = true
    local worker = task.spawn(function()
      local n = 0
      while busy do
        n = n + 1
        local ok = pcall(function()
          s:create("A" .. i .. "_" .. n)
          s:send("POST", "/v1/algorithms/acme/A" .. i .. "_" .. n
            .. "/compile", { json = {} })
          s:send("POST", "/v1/algorithms/acme/A" .. i .. "_" .. n
            .. "/versions", { json = {} })
        end)
        if not ok then return end
      end
    end)
    task.sleep(0.05 + 0.03 * i)
    p:kill(9)
    p:wait()
    p:close()
    busy = false
    task.join(worker)
  end
  local s = sandboxes.start(t, { dir = dir })
  local list = s:send("GET", "/v1/users/acme/algorithms").doc
  t:ok(#list > 0)
  for _, a in ipairs(list) do
    local r = s:send("GET", "/v1/algorithms/acme/" .. a.algoname)
    t:eq(r.status, 200)
    sandboxes.git("ls-remote", s:url("acme/" .. a.algoname))
    local builds = s:builds(a.algoname)
    t:ok(#builds <= 1)
    for _, b in ipairs(builds) do
      if b.status == "in-progress" then task.sleep(0.2) end
    end
  end
  s:create("StillWorks")
end)

test("a client that hangs does not hold the others", function(t)
  local s = sandboxes.start(t)
  s:create("Hello")
  local hung = task.spawn(function()
    pcall(core.send, { method = "POST", url = s.api
      .. "/git/acme/Hello.git/git-receive-pack", timeout = 1.5,
      headers = { Authorization = "Basic " .. sys.base64("acme:"
        .. s:key("acme")), ["Content-Length"] = "100",
        ["Content-Type"] = "application/x-git-receive-pack-request" },
      body = "0" })
  end)
  local work = s:clone(t, "Hello")
  sandboxes.commit(work, "a", "1")
  t:eq((sandboxes.push(work)), 0)
  task.cancel(hung)
end)
