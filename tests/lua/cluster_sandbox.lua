-- The http driver and the handles against a sandbox.
local cluster = require("godwit.cluster")
local err = require("godwit.err")
local pages = require("godwit.cluster.pages")
local places = require("godwit.config.places")
local sandboxes = require("support.sandboxes")
local secret = require("godwit.core.secret")
local task = require("godwit.task")

local function profile(s, more)
  local p = { name = "box", kind = "http", api = s.api,
    key = secret.new(s:key("acme"), { label = "acme key",
      origins = { s.api } }) }
  for k, v in pairs(more or {}) do
    p[k] = v
  end
  return p
end

local function start(t, more)
  local s = sandboxes.start(t)
  local cache = t:tmpdir()
  places.cache_dir = function()
    return cache
  end
  return cluster.open(profile(s, more)), s
end

local function request(driver, name, settings)
  local env
  for _, e in ipairs(driver:list_environments()) do
    if e.display_name == "Python 3.8" then
      env = e.id
    end
  end
  local body = { name = name, details = { label = name }, settings = {
    source_visibility = "closed", license = "apl", network_access = "full",
    pipeline_enabled = true, algorithm_environment = env } }
  for k, v in pairs(settings or {}) do
    body.settings[k] = v
  end
  return body
end

test("from nothing to a published version", function(t)
  local driver = start(t)
  t:eq(driver:whoami(), "acme")
  t:no(driver:try_get_algorithm("acme", "Hello"))
  t:raises("notfound", driver.get_algorithm, "No such algorithm", driver,
    "acme", "Hello")
  local doc = driver:create_algorithm("acme", request(driver, "Hello"))
  t:eq(doc.name, "Hello")
  t:eq(#doc.id, 36)
  t:raises("exists", driver.create_algorithm, nil, driver, "acme",
    request(driver, "Hello"))
  t:eq(driver:list_algorithms("acme")[1].algoname, "Hello")
  t:eq(pages.all(driver:each_build("acme", "Hello")), {})

  local compiled = driver:compile("acme", "Hello")
  t:ok(compiled.compilation.successful)
  local build = driver:each_build("acme", "Hello")()
  t:eq(build.status, "succeeded")
  t:eq(driver:get_build("acme", "Hello", build.build_id).commit_sha,
    build.commit_sha)
  t:ok(#driver:get_build_logs("acme", "Hello", build.build_id) > 0)

  local answer = driver:call("acme", "Hello", build.commit_sha,
    { text = "you" })
  t:match(tostring(answer.result), "you")

  local published = driver:publish("acme", "Hello", {
    version_info = { version_type = "minor", release_notes = "first" },
    settings = { algorithm_callability = "private" } })
  t:eq(published.version_info.semantic_version, "0.1.0")
  t:eq(published.version_info.git_hash, build.commit_sha)
  local e = t:raises("conflict", driver.publish, nil, driver, "acme", "Hello",
    {})
  t:eq(e.code, 1007)
  t:eq(driver:get_version("acme", "Hello", "0.1.0").version_info.git_hash,
    build.commit_sha)
  t:eq(#pages.all(driver:each_version("acme", "Hello",
    { published = true })), 1)
  t:eq(#pages.all(driver:each_version("acme", "Hello",
    { published = false })), 0)
end)

test("an update keeps what it does not name", function(t)
  local driver = start(t)
  driver:create_algorithm("acme", request(driver, "Hello"))
  local doc = driver:update_algorithm("acme", "Hello",
    { settings = { network_access = "isolated" },
      details = { tagline = "short" } })
  doc = driver:get_algorithm("acme", "Hello")
  t:eq(doc.settings.network_access, "isolated")
  t:eq(doc.settings.pipeline_enabled, true)
  t:eq(doc.details, { label = "Hello", tagline = "short" })
end)

test("the catalogue", function(t)
  local driver = start(t)
  t:ok(#driver:list_environments() > 1)
  t:ok(driver:list_environments()[1].language.name)
  t:ok(#driver:list_languages() > 0)
  t:eq(driver:list_scms()[1].id, "internal")
  driver:create_algorithm("acme", request(driver, "Hello"))
  t:eq(driver:list_secrets("acme", "Hello"), {})
  t:eq(driver:get_scm_status("acme", "Hello").scm_connection_status, "active")
end)

test("lists longer than a page come whole, without repeats", function(t)
  local driver = start(t)
  driver:create_algorithm("acme", request(driver, "Hello"))
  for _ = 1, 3 do
    driver:compile("acme", "Hello")
  end
  driver.page_size.limit = 1
  local seen = {}
  for build in driver:each_build("acme", "Hello") do
    t:no(seen[build.build_id])
    seen[build.build_id] = true
  end
  local n = 0
  for _ in pairs(seen) do
    n = n + 1
  end
  t:eq(n, 3)
  -- Beyond what the cluster allows: it says so, and less is asked for.
  driver.page_size.limit = 500
  t:eq(#pages.all(driver:each_build("acme", "Hello")), 3)
  t:eq(driver.page_size.limit, 100)
end)

test("a wrong key is refused in one sentence, and not as ours", function(t)
  local s = sandboxes.start(t)
  local driver = cluster.open(profile(s, { key = secret.new(
    "simWrongWrongWrongWrongWrong", { label = "wrong",
      origins = { s.api } }) }))
  local e = t:raises("auth", driver.list_algorithms, nil, driver, "acme")
  t:eq(e.code, 2002)
  t:no(tostring(e):find("simWrong"))
  t:match(tostring(e), "box was asked with %[secret wrong%]")
end)

test("many requests at once share the cluster's one limiter", function(t)
  local s = sandboxes.start(t)
  local a = cluster.open(profile(s, { max_in_flight = 3 }))
  local b = cluster.open(profile(s, { name = "again" }))
  t:ok(a.limiter == b.limiter)
  t:ok(a:git_remote("acme", "Hello").limiter == a.limiter)
  local most = 0
  local items = {}
  for i = 1, 20 do
    items[i] = i
  end
  task.each(items, function(i)
    local driver = i % 2 == 0 and a or b
    driver:try_get_algorithm("acme", "Nope")
    most = math.max(most, a.limiter.in_flight)
  end, { jobs = 20 })
  t:ok(most <= 3)
end)

--- Handles -------------------------------------------------------------------

test("a script's view of a cluster", function(t)
  local driver = start(t)
  local box = cluster.handle(driver)
  t:eq(tostring(box), "cluster box")
  local env = box.environments:get("Python 3.8")
  local spec = { owner = "acme", name = "Hello",
    details = { label = "Hello" },
    settings = { source_visibility = "closed", license = "apl",
      network_access = "full", pipeline_enabled = true,
      algorithm_environment = env.id } }
  local a, word = box.algorithms:ensure(spec)
  t:eq(word, "created")
  t:eq(a.ref, "acme/Hello")
  t:eq(tostring(a), "box:acme/Hello")
  t:eq(a.id, a:get().id)
  a, word = box.algorithms:ensure(spec)
  t:eq(word, "unchanged")
  spec.settings.network_access = "isolated"
  a, word = box.algorithms:ensure(spec)
  t:eq(word, "updated")
  t:eq(a:get().settings.network_access, "isolated")

  local doc
  doc, word = a:update({ details = { tagline = "" },
    settings = { network_access = "isolated" } })
  t:eq({ doc.name, word }, { "Hello", "unchanged" })
  doc = a:compile()
  local build = a:wait_build(doc.version_info.git_hash)
  t:eq(build.status, "succeeded")
  t:eq(a:builds()().build_id, build.build_id)
  t:eq(a:publish({ step = "major", callability = "private" })
    .version_info.semantic_version, "1.0.0")
  t:eq(a:versions({ published = true })().version_info.git_hash,
    build.commit_sha)
  t:eq(a:get("1.0.0").version_info.git_hash, build.commit_sha)
  local result, metadata = a:call("you", { version = "1.0.0" })
  t:match(tostring(result), "you")
  t:ok(metadata.content_type)
  t:eq(a:secrets(), {})
  t:raises("usage", a.publish, "major, minor or revision", a,
    { step = "huge" })
end)

test("algorithms are found by owner and glob", function(t)
  local driver = start(t)
  for _, name in ipairs({ "FraudA", "FraudB", "Other" }) do
    driver:create_algorithm("acme", request(driver, name))
  end
  local box = cluster.handle(driver)
  local names = {}
  for a in box.algorithms:each({ owner = "acme", name = "Fraud*" }) do
    names[#names + 1] = a.name
  end
  table.sort(names)
  t:eq(names, { "FraudA", "FraudB" })
  local count = 0
  task.each(box.algorithms:each(), function()
    count = count + 1
  end)
  t:eq(count, 3)
  t:no(box.algorithms:try_get("acme/Nope"))
  t:eq(select(2, box.algorithms:try_get("acme/Nope")).kind, "notfound")
  t:raises("usage", box.algorithms.get, "OWNER/NAME", box.algorithms, "Nope")
end)

test("no field of a handle reaches the network", function(t)
  local driver, s = start(t)
  local box = cluster.handle(driver)
  driver:create_algorithm("acme", request(driver, "Hello"))
  local a = box.algorithms:get("acme/Hello")
  s:stop()
  for _, key in ipairs({ "cluster", "owner", "name", "ref", "id" }) do
    t:ok(a[key])
  end
  t:raises(nil, function() return box.driver end, "a cluster has no driver")
  local ok, e = pcall(a.get, a)
  t:no(ok)
  t:ok(err.is(e, "net"))
end)

test("a misspelt name of a handle is an error, not nil", function(t)
  local driver = start(t)
  local box = cluster.handle(driver)
  driver:create_algorithm("acme", request(driver, "Hello"))
  local a = box.algorithms:get("acme/Hello")
  t:raises(nil, function() return a.nmae end,
    "an algorithm has no nmae.*'name'")
  t:raises(nil, function() return a:complie() end, "'compile'")
  t:raises(nil, function() return box.algoritms end, "'algorithms'")
  t:raises(nil, function() return box.algorithms.ech end, "'each'")
  t:eq(box.owner, nil)
end)

test("waiting for a build that failed raises the end of its log", function(t)
  local driver, s = start(t)
  driver:create_algorithm("acme", request(driver, "Hello"))
  local a = cluster.handle(driver).algorithms:get("acme/Hello")
  local dir = s:clone(t, "Hello")
  local commit = sandboxes.commit(dir, ".sandbox-build-fails", "")
  sandboxes.push(dir)
  t:raises("remote", a.wait_build, "failed; its log ends", a, commit)
  t:raises("timeout", a.wait_build, "no build of", a, ("0"):rep(40),
    { timeout = 0.2 })
end)

test("a push by the driver is built", function(t)
  local git = require("godwit.core.git")
  local driver = start(t)
  driver:create_algorithm("acme", request(driver, "Hello"))
  local tip = driver:git_tip("acme", "Hello")
  t:eq(tip.branch, "refs/heads/master")
  local store = err.check(git.open_store(t:tmpdir() .. "/s.git"))
  t:defer(function()
    store:close()
  end)
  driver:git_fetch("acme", "Hello", store, { commit = tip.commit })
  local was = store:commit(tip.commit)
  local tree = store:edit(was.tree, { { path = "new.txt", data = "x" } })
  local who = { name = "T", email = "t@example.com", time = 1, offset = 0 }
  local commit = store:make_commit({ tree = tree, parents = { tip.commit },
    author = who, committer = who, message = "change\n" })
  t:ok(store:has(commit))
  driver:push("acme", "Hello", { store = store, commit = commit,
    expected = tip.commit })
  t:eq(driver:git_tip("acme", "Hello").commit, commit)
  t:eq(driver:each_build("acme", "Hello")().commit_sha, commit)
  -- A version has an address of its own, which stays at its commit.
  driver:publish("acme", "Hello", {})
  driver:compile("acme", "Hello")
  local of = driver:git_tip("acme", "Hello", { version = "0.1.0" })
  t:eq(of.commit, commit)
  local other = err.check(git.open_store(t:tmpdir() .. "/o.git"))
  t:defer(function()
    other:close()
  end)
  driver:git_fetch("acme", "Hello", other, { commit = of.commit,
    version = "0.1.0", advert = of.advert })
  t:ok(other:has(commit))
  -- The same again is refused: the tip has moved.
  t:raises("conflict", driver.push, nil, driver, "acme", "Hello",
    { store = store, commit = commit, expected = tip.commit })
end)

test("two repositories in one store keep their own names", function(t)
  local driver = start(t)
  local git = require("godwit.core.git")
  local store = err.check(git.open_store(t:tmpdir() .. "/s.git"))
  t:defer(function()
    store:close()
  end)
  local address = require("godwit.cluster.address")
  for _, name in ipairs({ "One", "Two" }) do
    driver:create_algorithm("acme", request(driver, name))
    driver:git_fetch("acme", name, store,
      { commit = driver:git_tip("acme", name).commit })
  end
  for _, name in ipairs({ "One", "Two" }) do
    t:eq(store:ref(address.fetched(driver.id, "acme", name) .. "/heads/master"),
      driver:git_tip("acme", name).commit)
  end
end)

test("files are changed without a checkout", function(t)
  local driver = start(t)
  driver:create_algorithm("acme", request(driver, "Hello"))
  local a = cluster.handle(driver).algorithms:get("acme/Hello")
  local was = a:commit()
  local function pin(files)
    files:write("requirements.txt", "numpy<2\n")
    files:remove("src/*_test.py")
    files:chmod("algorithmia.conf", "+x")
  end
  local commit = a:edit("Cap numpy below 2", pin)
  t:eq(a:commit("head"), commit)
  t:eq(a:wait_build(commit).status, "succeeded")
  local files = a:tree()
  t:eq(files:read("requirements.txt"), "numpy<2\n")
  t:eq(files:mode("algorithmia.conf"), "100755")
  t:no(files:try_read("src/Hello_test.py"))
  t:eq(a:tree(was):try_read("requirements.txt") ~= "numpy<2\n", true)
  -- Once more: there is nothing to do, and nothing is pushed.
  t:eq(a:edit("Cap numpy below 2", pin), nil)
  t:eq(a:commit(), commit)
  a:publish({ step = "revision" })
  t:eq(a:commit("latest"), commit)
  t:eq(a:commit("0.0.1"), commit)
end)

test("a plan's edit gives the commit that applying it will", function(t)
  local overlay = require("godwit.cluster.overlay")
  local driver = start(t)
  driver:create_algorithm("acme", request(driver, "Hello"))
  local plan = overlay.new(driver, {})
  local function change(text)
    return function(files)
      files:write("new.txt", text)
    end
  end
  local planned = cluster.handle(plan).algorithms:get("acme/Hello")
  local real = cluster.handle(driver).algorithms:get("acme/Hello")
  local first = planned:edit("one", change("1"))
  local second = planned:edit("two", change("2"))
  t:eq(planned:tree():read("new.txt"), "2")
  t:no(real:tree():try_read("new.txt"))
  t:eq(real:edit("one", change("1")), first)
  t:eq(real:edit("two", change("2")), second)
  t:eq(#plan:planned(), 2)
end)

test("somebody's push in between is a conflict, and nothing is lost",
  function(t)
    local driver, s = start(t)
    driver:create_algorithm("acme", request(driver, "Hello"))
    local a = cluster.handle(driver).algorithms:get("acme/Hello")
    local theirs
    t:raises("conflict", a.edit, nil, a, "mine", function(files)
      local dir = s:clone(t, "Hello")
      theirs = sandboxes.commit(dir, "theirs.txt", "x")
      sandboxes.push(dir)
      files:write("mine.txt", "x")
    end)
    t:eq(a:commit(), theirs)
  end)
