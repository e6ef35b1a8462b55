-- The archive driver: the platform's rules without a server.
local archive = require("godwit.cluster.archive")
local builds = require("godwit.copy.build")
local effect = require("godwit.effect")
local git = require("godwit.core.git")
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local sandbox = require("godwit.sandbox")
local seed = require("godwit.sandbox.seed")

local function open(t, what)
  local dir = t:tmpdir() .. "/archive"
  sandbox.create({ dir = dir, seed = what or "empty" })
  local a = archive.open({ name = "shelf", dir = dir })
  t:defer(function() a:close() end)
  return a, dir
end

local function body(a, name)
  return { name = name, details = { label = name }, settings = {
    source_visibility = "closed", license = "apl", network_access = "full",
    pipeline_enabled = true,
    algorithm_environment = seed.environment(a.store, "Python 3.8") } }
end

local function first(iterator) return iterator() end

--- Puts a commit with one more file on top of an algorithm's tip.
local function commit_on(store, a, name, path, data)
  local tip = a:git_tip("acme", name)
  a:git_fetch("acme", name, store, { commit = tip.commit, into = "refs/godwit/tip" })
  local parent = store:commit(tip.commit)
  local tree = store:edit(parent.tree, { { path = path, data = data } })
  local who = { name = "T", email = "t@example.com", time = 1700000000,
    offset = 0 }
  return store:make_commit({ tree = tree, parents = { tip.commit },
    author = who, committer = who, message = "change" }), tip.commit
end

test("create, push, build, call and publish, in place", function(t)
  local a = open(t)
  local made = a:create_algorithm("acme", body(a, "Hello"))
  t:ok(made.id)
  t:eq(a:try_get_algorithm("acme", "None"), nil)
  t:raises("notfound", a.get_algorithm, "No such algorithm", a, "acme", "None")
  t:raises("exists", a.create_algorithm, "taken", a, "acme", body(a, "Hello"))
  t:eq(first(a:each_build("acme", "Hello")), nil)
  local store = err.check(git.open_store(t:tmpdir() .. "/s.git"))
  t:defer(function() store:close() end)
  local commit, tip = commit_on(store, a, "Hello", "x.txt", "1")
  local r = a:push("acme", "Hello", { store = store, commit = commit,
    expected = tip })
  t:match(r.messages, "Build successful for algo://acme/Hello/" .. commit)
  t:eq(a:git_tip("acme", "Hello").commit, commit)
  local b = first(a:each_build("acme", "Hello"))
  t:eq({ b.commit_sha, b.status }, { commit, "succeeded" })
  t:match(a:get_build_logs("acme", "Hello", b.build_id), "Build succeeded")
  t:eq(a:call("acme", "Hello", commit, { text = "Jane" }).result, "hello Jane")
  t:raises("remote", a.call, "not found", a, "acme", "Hello", "9.9.9", "x")
  local v = a:publish("acme", "Hello", { version_info = {
    version_type = "major" } })
  t:eq(v.version_info.semantic_version, "1.0.0")
  t:raises("conflict", a.publish, "already published", a, "acme", "Hello", {})
  t:eq(a:get_version("acme", "Hello", "1.0.0").version_info.git_hash, commit)
  t:eq(a:git_tip("acme", "Hello", { version = "1.0.0" }).commit, commit)
  local e = t:raises("conflict", a.push, nil, a, "acme", "Hello",
    { store = store, commit = commit, expected = tip })
  t:ok(e)
  t:eq(a:update_algorithm("acme", "Hello", { details = { tagline = "T" } })
    .details.tagline, "T")
  t:eq(a:compile("acme", "Hello").version_info.git_hash, commit)
end)

test("a build whose process was killed is ended by who waits for it", function(t)
  local a, dir = open(t)
  a:create_algorithm("acme", body(a, "Hello"))
  local store = err.check(git.open_store(t:tmpdir() .. "/s.git"))
  t:defer(function() store:close() end)
  local commit, tip = commit_on(store, a, "Hello", "x.txt", "1")
  a:push("acme", "Hello", { store = store, commit = commit, expected = tip })
  local b = a.store:builds("acme", "Hello")[1]
  b.status, b.ended_at = "in-progress", nil
  a.store:write_build("acme", "Hello", b)
  a:close()
  local again = archive.open({ name = "shelf", dir = dir })
  t:defer(function() again:close() end)
  local built = builds.wait(again, "acme", "Hello", commit, { timeout = 3 })
  t:eq({ built.commit_sha, built.status }, { commit, "succeeded" })
end)

test("a failing build and a raising call are told", function(t)
  local a = open(t)
  a:create_algorithm("acme", body(a, "Bad"))
  local store = err.check(git.open_store(t:tmpdir() .. "/s.git"))
  t:defer(function() store:close() end)
  local commit, tip = commit_on(store, a, "Bad", ".sandbox-build-fails", "no")
  local r = a:push("acme", "Bad", { store = store, commit = commit,
    expected = tip })
  t:match(r.messages, "Build failed")
  t:raises(nil, a.publish, "no successful build", a, "acme", "Bad", {})
end)

test("the demo's archive is read as a cluster", function(t)
  local a = open(t, "demo")
  t:eq(#a:list_algorithms("acme"), 6)
  t:eq(a:list_secrets("acme", "Notify")[1].secret_key, "CHAT_TOKEN")
  t:eq(#a:list_environments(), 5)
  t:eq(#a:list_languages(), 3)
  t:eq(a:list_scms()[1].id, "internal")
  t:eq(a:get_scm_status("acme", "Notify").scm_connection_status, "active")
  t:eq(a:whoami("acme"), "acme")
  local numbers = {}
  for v in a:each_version("acme", "FraudScore", { published = true }) do
    numbers[#numbers + 1] = v.version_info.semantic_version
  end
  t:eq(numbers, { "0.1.1", "0.1.0" })
end)

test("a folder a sandbox serves is not written by others", function(t)
  local dir = t:tmpdir() .. "/archive"
  local running = sandbox.start({ dir = dir, seed = "empty" })
  t:defer(function() running:stop() end)
  local a = archive.open({ name = "shelf", dir = dir })
  t:raises("locked", a.create_algorithm, nil, a, "acme", body(a, "Hello"))
  t:raises("notfound", archive.open, "is not an archive",
    { dir = t:tmpdir() })
end)

test("writes are effects", function(t)
  local a = open(t)
  local before = effect.counts.writes
  a:create_algorithm("acme", body(a, "Hello"))
  t:eq(effect.counts.writes, before + 1)
  t:ok(fs.stat(a.store:repo("acme", "Hello")))
end)

test("an archive passes for nothing else in maps and ledgers", function(t)
  local a, dir = open(t)
  a:close()
  local path = dir .. "/archive.json"
  local text = fs.read(path, 1 << 20)
  for _, id in ipairs({ "https://api.example.com", "prod", "", "a\\nb" }) do
    fs.write(path, (text:gsub(a.id:gsub("%p", "%%%0"), id)))
    t:raises("io", archive.open, "id is a UUID", { name = "x", dir = dir })
  end
  fs.write(path, text)
  archive.open({ name = "x", dir = dir }):close()
end)

test("a damaged document is named, whoever damaged it", function(t)
  local a, dir = open(t)
  a:create_algorithm("acme", body(a, "Hello"))
  local folder = "/algorithms/acme/Hello/"
  a:close()
  local function damage(name, text, words)
    local path = dir .. name
    local before = fs.read(path, 1 << 20)
    fs.write(path, text or before:gsub('"details"', '"detail"'), 384)
    local other = archive.open({ name = "x", dir = dir })
    t:raises("io", other.get_algorithm, words, other, "acme", "Hello")
    other:close()
    fs.write(path, before or "{}", 384)
  end
  for _, text in ipairs({ "5", "[]", "[5]", '{"id":"x"}' }) do
    damage(folder .. "algorithm.json", text, "algorithm.json is damaged: ")
  end
  damage(folder .. "algorithm.json", nil, "details of the algorithm is missing")
  damage(folder .. "algorithm.json", '{"id":"x","name":"Hello","details":{},'
    .. '"settings":{},"publishes_applied":-1}', "publishes_applied is no count")
  damage(folder .. "versions.json", '{"publishes":[[]]}', "version 1 is no obj")
  damage(folder .. "versions.json", '{"publishes":5}', "it is no list")
  damage(folder .. "versions.json", '{"publishes":[{"commit":"c","version":'
    .. '"0.1.0","settings":{},"patch":{"details":5}}]}', "patch.details of")
  damage("/scms.json", "-1", "scms.json is damaged: it is no list")
  damage("/scms.json", "[true]", "entry 1 is no object")
  damage("/environments.json", '[{"id":5}]', "id of entry 1 is of another type")
end)
