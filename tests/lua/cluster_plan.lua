-- Plan mode: nothing but reads leaves, and later reads see what was planned.
-- It cannot be switched off again, so this file runs in it from the start.
local body = require("godwit.cluster.body")
local cluster = require("godwit.cluster")
local core = require("godwit.core.http")
local effect = require("godwit.effect")
local err = require("godwit.err")
local json = require("godwit.core.json")
local odd = require("support.oddcluster")
local pages = require("godwit.cluster.pages")
local step = require("godwit.step")
local unknown = require("godwit.unknown")

effect.plan()

local COMMIT, NEXT = ("a"):rep(40), ("b"):rep(40)
local HELLO = "/v1/algorithms/acme/Hello"

local function page(...)
  return { json = { results = json.array({ ... }) } }
end

-- acme/Hello: published as 0.1.0 from its only build.
local function start(t)
  local doc = { id = "1", name = "Hello", details = { label = "Hello" },
    settings = { algorithm_callability = "public", network_access = "full",
      license = "apl", source_visibility = "closed",
      algorithm_environment = "e1" },
    version_info = { git_hash = COMMIT, semantic_version = "0.1.0" } }
  local build = { build_id = "b1", status = "succeeded", commit_sha = COMMIT,
    started_at = "2022-01-01T00:00:00.000Z",
    version_info = { semantic_version = "0.1.0" } }
  local server = odd.start(t, {
    ["GET " .. HELLO] = { json = doc },
    ["GET " .. HELLO .. "/builds"] = page(build),
    ["GET " .. HELLO .. "/versions"] = page(doc),
    ["GET " .. HELLO .. "/versions/" .. COMMIT] = { json = doc },
    ["GET /v1/users/acme/algorithms"] = { json = json.array({
      { id = "1", algoname = "Hello", username = "acme" } }) },
    ["GET /v1/data/"] = { json = { folders = json.array({
      { name = "acme" } }) } },
  })
  local driver = cluster.open(server:profile())
  t:eq(driver.kind, "overlay")
  return driver, server
end

local function only_reads(t, server)
  for _, line in ipairs(server:log()) do
    t:match(line, "^GET ")
  end
end

test("the host refuses every request that is not a read", function(t)
  local _, server = start(t)
  for _, method in ipairs({ "POST", "PUT", "PATCH", "DELETE" }) do
    local answer, e = core.send({ method = method, url = server.url .. "/x",
      body = "x" })
    t:no(answer)
    t:eq(e.kind, "denied")
  end
  t:eq(server:log(), {})
end)

test("what was created can be read, with what only the cluster knows unknown",
  function(t)
    local driver, server = start(t)
    local doc = driver:create_algorithm("acme", { name = "New",
      details = { label = "New" }, settings = { license = "apl",
        algorithm_callability = "public" } })
    t:ok(unknown.is(doc.id))
    t:eq(driver:get_algorithm("acme", "New").details.label, "New")
    t:eq(driver:get_algorithm("acme", "New").settings.algorithm_callability,
      "private")
    t:eq(pages.all(driver:each_build("acme", "New")), {})
    t:eq(driver:list_secrets("acme", "New"), {})
    local tip = driver:git_tip("acme", "New")
    t:ok(unknown.is(tip.commit))
    t:ok(tip.template)
    local names = {}
    for i, row in ipairs(driver:list_algorithms("acme")) do
      names[i] = row.algoname
    end
    t:eq(names, { "Hello", "New" })
    -- A second one of that name is refused as there.
    t:raises("exists", driver.create_algorithm, nil, driver, "acme",
      { name = "New" })
    t:raises("exists", driver.create_algorithm, nil, driver, "acme",
      { name = "Hello" })
    only_reads(t, server)
  end)

test("an update is seen by the next read, and shown as a difference",
  function(t)
    local driver, server = start(t)
    driver:update_algorithm("acme", "Hello",
      { settings = { network_access = "isolated" } })
    local settings = driver:get_algorithm("acme", "Hello").settings
    t:eq(settings.network_access, "isolated")
    t:eq(settings.license, "apl")
    local entries = driver:planned()
    t:eq(#entries, 1)
    t:eq(effect.describe(entries[1]), {
      "algorithm.update odd:acme/Hello",
      '  settings.network_access: "full" -> "isolated"',
    })
    only_reads(t, server)
  end)

local function plan_push(driver, commit, expected)
  return driver:push("acme", "Hello", { commit = commit,
    expected = expected, store = { path = function()
      return "/nowhere"
    end } })
end

test("a push is built, published under the next number, and called",
  function(t)
    local driver, server = start(t)
    -- The tip underneath is asked of Git; here it is planned, too.
    driver.under.git_tip = function()
      return { commit = COMMIT, branch = "refs/heads/master" }
    end
    plan_push(driver, NEXT, COMMIT)
    t:eq(driver:git_tip("acme", "Hello").commit, NEXT)
    local build = driver:each_build("acme", "Hello")()
    t:eq(build.commit_sha, NEXT)
    t:eq(build.status, "succeeded")
    t:eq(driver:get_algorithm("acme", "Hello").version_info.git_hash, NEXT)
    local doc = driver:publish("acme", "Hello", {
      version_info = { version_type = "minor" },
      settings = { algorithm_callability = "public" } })
    t:eq(doc.version_info.semantic_version, "0.2.0")
    t:eq(doc.version_info.git_hash, NEXT)
    t:eq(driver:each_version("acme", "Hello", { published = true })()
      .version_info.semantic_version, "0.2.0")
    t:eq(driver:get_version("acme", "Hello", "0.2.0").version_info.git_hash,
      NEXT)
    t:eq(#pages.all(driver:each_version("acme", "Hello", {})), 2)
    -- Once a build.
    local e = t:raises("conflict", driver.publish, nil, driver, "acme",
      "Hello", {})
    t:eq(e.code, 1007)
    driver:compile("acme", "Hello")
    t:eq(driver:publish("acme", "Hello", { version_info = {
      version_type = "revision" } }).version_info.semantic_version, "0.2.1")
    local answer = driver:call("acme", "Hello", NEXT, { text = "x" })
    t:ok(unknown.is(answer.result))
    local kinds = {}
    for i, entry in ipairs(driver:planned()) do
      kinds[i] = entry.kind
    end
    t:eq(kinds, { "git.push", "algorithm.publish", "algorithm.compile",
      "algorithm.publish", "algorithm.call" })
    t:eq(driver:planned()[4].ordinal > driver:planned()[2].ordinal, true)
    only_reads(t, server)
  end)

test("a push onto another tip is refused", function(t)
  local driver = start(t)
  driver.under.git_tip = function()
    return { commit = COMMIT, branch = "refs/heads/master" }
  end
  t:raises("conflict", plan_push, nil, driver, NEXT, NEXT)
  t:eq(#driver:planned(), 0)
end)

test("a commit onto an unknown one is unknown, and goes on", function(t)
  local driver = start(t)
  driver:create_algorithm("acme", { name = "New" })
  local commit = unknown.new("the commit")
  driver:push("acme", "New", { commit = commit,
    expected = driver:git_tip("acme", "New").commit })
  local build = require("godwit.copy.build").wait(driver, "acme", "New",
    commit, { timeout = 1 })
  t:eq(build.status, "succeeded")
  local doc = driver:publish("acme", "New", {})
  t:eq(doc.version_info.semantic_version, "0.1.0")
  -- A number nobody documents is not invented, nor what follows it.
  driver:create_algorithm("acme", { name = "Other" })
  driver:compile("acme", "Other")
  doc = driver:publish("acme", "Other", { version_info = {
    version_type = "revision" } })
  t:ok(unknown.is(doc.version_info.semantic_version))
  t:eq(#pages.all(driver:each_version("acme", "Other",
    { published = true })), 1)
  driver:compile("acme", "Other")
  doc = driver:publish("acme", "Other", {})
  t:ok(unknown.is(doc.version_info.semantic_version))
end)

test("what the platform refuses is refused in a plan", function(t)
  local driver = start(t)
  t:raises("notfound", driver.update_algorithm, nil, driver, "acme", "Nope",
    { details = { label = "x" } })
  t:raises("remote", driver.create_algorithm, "open source", driver, "acme",
    { name = "Open", settings = { source_visibility = "closed",
      license = "mit" } })
  driver:create_algorithm("acme", { name = "Empty" })
  local e = t:raises("remote", driver.publish, nil, driver, "acme", "Empty",
    {})
  t:eq(e.code, 2012)
  driver.under.git_tip = function()
    return { commit = COMMIT, branch = "refs/heads/master" }
  end
  driver:compile("acme", "Hello")
  e = t:raises("remote", driver.publish, "major", driver, "acme", "Hello",
    { settings = { algorithm_callability = "private" },
      version_info = { version_type = "minor" } })
  t:eq(e.code, 2015)
end)

test("two names of one cluster see the same plan", function(t)
  local driver, server = start(t)
  driver:create_algorithm("acme", { name = "New" })
  local other = cluster.open(server:profile({ name = "again" }))
  t:ok(other:try_get_algorithm("acme", "New"))
end)

test("documents that are handed out are copies", function(t)
  local driver = start(t)
  driver:create_algorithm("acme", { name = "New",
    details = { label = "New" } }).details.label = "changed"
  driver:get_algorithm("acme", "New").details.label = "changed"
  t:eq(driver:get_algorithm("acme", "New").details.label, "New")
  t:eq(body.copy({ a = { 1, 2 } }), { a = { 1, 2 } })
end)

test("doing something with the unknown raises with the script's line",
  function(t)
    local driver = start(t)
    local a = cluster.handle(driver).algorithms:create({ owner = "acme",
      name = "New" })
    local chunk = assert(require("godwit.core.sys").load([[
      local a = ...
      local result = a:call("x")
      return result .. "!"
    ]], "@fix.lua", {}))
    local ok, e = xpcall(chunk, err.traced, a)
    t:no(ok)
    t:match(tostring(e), "known after apply")
    t:eq(err.script_line(e), "fix.lua:3")
  end)

test("a script's own request is remembered, not sent", function(t)
  local _, server = start(t)
  local n = #effect.planned
  local result = require("godwit.http").post(server.url .. "/x",
    { json = { a = 1 } })
  t:ok(unknown.is(result))
  t:eq(effect.describe(effect.planned[n + 1]),
    { "http.post " .. server.url .. "/x", "  json.a: 1" })
  t:eq(server:log(), {})
end)

test("step.once hands an unknown on and stores nothing", function(t)
  local n = 0
  for i = 1, 2 do
    local v = step.once("unknown", function()
      n = n + 1
      return { deep = unknown.new("x") }
    end)
    t:ok(unknown.is(rawget(v, "deep")))
    t:eq(n, i)
  end
  for _ = 1, 2 do
    t:eq(step.once("known", function()
      n = n + 1
      return { list = json.array({}), n = n, none = json.null }
    end), { list = json.array({}), n = 3, none = json.null })
  end
  t:eq(step.once("nothing", function() end), nil)
  t:raises("usage", step.once, "a function computes the value", "no function")
  t:raises("usage", step.once, "not JSON", "function", function()
    return tostring
  end)
end)
