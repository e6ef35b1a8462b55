-- The http driver against clusters that do otherwise than the contract says.
local http = require("godwit.cluster.http")
local json = require("godwit.core.json")
local odd = require("support.oddcluster")
local key = require("godwit.copy.key")
local pages = require("godwit.cluster.pages")
local settle = require("godwit.effect.settle")

settle.timing.scale = 0.01

local COMMIT = ("a"):rep(40)
local HELLO = "/v1/algorithms/acme/Hello"

local function algorithm(more)
  local doc = { id = "11111111-1111-1111-1111-111111111111", name = "Hello",
    details = { label = "Hello", tagline = "says it" },
    settings = { algorithm_callability = "private", license = "apl",
      source_visibility = "closed", network_access = "full",
      pipeline_enabled = true, algorithm_environment = "env-1",
      package_set = "ps", royalty_microcredits = 0 },
    version_info = { git_hash = COMMIT }, resource_type = "algorithm" }
  for k, v in pairs(more or {}) do
    doc[k] = v
  end
  return doc
end

local function open(t, routes, more)
  local server = odd.start(t, routes)
  return http.open(server:profile(more)), server
end

local function failing(t, answer)
  local driver = open(t, { ["GET " .. HELLO] = answer })
  local ok, e = pcall(driver.get_algorithm, driver, "acme", "Hello")
  t:no(ok)
  return e
end

--- Errors ------------------------------------------------------------------

test("error shape A", function(t)
  local e = failing(t, { status = 403, json = { error = { id = "x",
    code = 2001, message = "Caller is not authorized" } } })
  t:eq(e.kind, "auth")
  t:eq(e.code, 2001)
  t:eq(e.status, 403)
  t:eq(e.method, "GET")
  t:match(e.url, "/v1/algorithms/acme/Hello$")
  t:match(tostring(e), "Caller is not authorized")
end)

test("error shape B", function(t)
  local e = failing(t, { status = 404, json = { code = 1000,
    message = "gone" } })
  t:eq(e.kind, "notfound")
  t:eq(e.code, 1000)
end)

test("error shape C", function(t)
  local e = failing(t, { status = 404,
    json = { error = "No such algorithm" } })
  t:eq(e.kind, "notfound")
  t:match(tostring(e), "No such algorithm")
end)

test("an error inside a 200 is an error", function(t)
  local e = failing(t, { json = { error = { code = 1000,
    message = "not found" } } })
  t:eq(e.kind, "notfound")
  t:eq(e.status, 200)
  e = failing(t, { json = { error = "something broke" } })
  t:eq(e.kind, "remote")
end)

test("a missing user is a 409 on some clusters", function(t)
  local e = failing(t, { status = 409, json = { error = { code = 3000,
    message = "User not found" } } })
  t:eq(e.kind, "notfound")
end)

test("401 and 403 mean the same", function(t)
  for _, status in ipairs({ 401, 403 }) do
    local e = failing(t, { status = status, json = {} })
    t:eq(e.kind, "auth")
    t:no(e.retryable)
  end
end)

test("a web page is one clear sentence, and proves nothing", function(t)
  local page = "<!DOCTYPE html><html>Sign in</html>"
  local e = failing(t, { body = page, type = "text/html" })
  t:eq(e.kind, "remote")
  t:match(tostring(e), "a web page instead of JSON")
  -- Above all not that there is no such algorithm.
  e = failing(t, { status = 404, body = page, type = "text/html" })
  t:eq(e.kind, "remote")
end)

test("what is no JSON, or too deep, is one sentence", function(t)
  local e = failing(t, { body = '{"id": ' })
  t:eq(e.kind, "remote")
  t:match(tostring(e), "not usable JSON")
  e = failing(t, { body = ("["):rep(100000) })
  t:match(tostring(e), "not usable JSON")
end)

test("a control character of the server does not reach the terminal",
  function(t)
    local e = failing(t, { status = 400,
      json = { error = { message = "a\27[31mb\nc" } } })
    t:no(tostring(e):find("[%c]"))
  end)

test("a failing server is retryable, a refusing one is not", function(t)
  t:ok(failing(t, { status = 500, json = {} }).retryable)
  t:no(failing(t, { status = 400, json = {} }).retryable)
end)

--- Lists -------------------------------------------------------------------

local function build(n)
  return { build_id = "b" .. n, status = "succeeded", commit_sha = COMMIT }
end

test("next_link is never followed, markers are opaque", function(t)
  local driver, server = open(t, {
    ["GET " .. HELLO .. "/builds"] = {
      { json = { marker = "a b&c=", next_link = "http://192.0.2.1/steal",
        results = json.array({ build(1) }) } },
      { json = { marker = json.null, next_link = json.null,
        results = json.array({ build(2) }) } },
    },
  })
  local rows = pages.all(driver:each_build("acme", "Hello"))
  t:eq(#rows, 2)
  t:match(server:log()[2], "marker=a%%20b%%26c%%3D")
end)

test("a marker that comes again is an error, not a loop", function(t)
  local driver, server = open(t, { ["GET " .. HELLO .. "/builds"] = {
    json = { marker = "m", results = json.array({ build(1) }) } } })
  t:raises("remote", pages.all, "never ends",
    driver:each_build("acme", "Hello"))
  t:eq(#server.requests, 2)
end)

test("what is no page does not end a list", function(t)
  local first = { json = { marker = "m", results = json.array({ build(1) }) } }
  for _, second in ipairs({ { body = "" }, { status = 204 },
    { json = { message = "timed out" } } }) do
    local driver = open(t, { ["GET " .. HELLO .. "/builds"] = { first,
      second } })
    t:raises("remote", pages.all, nil, driver:each_build("acme", "Hello"))
  end
  for _, last in ipairs({ {}, { marker = json.null },
    { results = json.null, next_link = json.null } }) do
    local driver = open(t, { ["GET " .. HELLO .. "/builds"] = { first,
      { json = last } } })
    t:eq(#pages.all(driver:each_build("acme", "Hello")), 1)
  end
end)

test("a page that comes again under another marker, too", function(t)
  local n = 0
  local driver, server = open(t, { ["GET " .. HELLO .. "/builds"] = function()
    n = n + 1
    return { json = { marker = "m" .. n, results = json.array({ build(1) }) } }
  end })
  t:raises("remote", pages.all, "never ends",
    driver:each_build("acme", "Hello"))
  t:ok(#server.requests < 50)
end)

test("names that would steer a terminal or go on for ever are none",
function(t)
  for _, bad in ipairs({ ("a"):rep(300), "a\xc2\x9b31m", "a\27[31m", "..",
    "a/b" }) do
    local driver = open(t, { ["GET /v1/users/acme/algorithms"] = {
      json = json.array({ { algoname = bad } }) } })
    t:raises("remote", driver.list_algorithms, "usable name", driver, "acme")
  end
  local driver = open(t, { ["GET " .. HELLO] = { status = 400, json = {
    error = { message = "no", request_id = "\27[31mred" } } } })
  local e = t:raises("remote", driver.get_algorithm, nil, driver, "acme",
    "Hello")
  t:eq(e.request_id, nil)
end)

test("a smaller limit is learned and remembered", function(t)
  local function answer(seen)
    local limit = tonumber(seen.query:match("limit=(%d+)"))
    if limit > 20 then
      return { status = 400, json = { error = { code = 5003,
        message = "limit" } } }
    end
    return { json = { results = json.array({ build(1) }) } }
  end
  local driver, server = open(t, { ["GET " .. HELLO .. "/builds"] = answer })
  t:eq(#pages.all(driver:each_build("acme", "Hello")), 1)
  t:eq(#pages.all(driver:each_build("acme", "Hello")), 1)
  t:eq(server:log(), {
    "GET " .. HELLO .. "/builds?limit=100",
    "GET " .. HELLO .. "/builds?limit=50",
    "GET " .. HELLO .. "/builds?limit=20",
    "GET " .. HELLO .. "/builds?limit=20",
  })
end)

test("lists come wrapped or bare", function(t)
  local row = { id = "1", algoname = "Hello", username = "acme" }
  for _, doc in ipairs({ json.array({ row }),
    { results = json.array({ row }) } }) do
    local driver = open(t, {
      ["GET /v1/users/acme/algorithms"] = { json = doc } })
    t:eq(driver:list_algorithms("acme"), { row })
  end
end)

test("secrets are under results, or under secrets", function(t)
  for _, key in ipairs({ "results", "secrets" }) do
    local driver = open(t, {
      ["GET " .. HELLO] = { json = algorithm() },
      ["GET /v1/algorithms/" .. algorithm().id .. "/secrets"] = {
        json = { [key] = json.array({ { secret_key = "TOKEN" } }) } },
    })
    t:eq(driver:list_secrets("acme", "Hello"), { { secret_key = "TOKEN" } })
  end
end)

local EDGE = "/v1/algorithm-environments/edge/languages"

test("environments come in a wrapper or as a bare array, once each",
  function(t)
    local languages = json.array({ { name = "python3" }, { name = "r36" },
      { name = "java11" } })
    local driver, server = open(t, {
      ["GET " .. EDGE] = { json = languages },
      ["GET " .. EDGE .. "/python3/environments"] = {
        json = { environments = json.array({ { id = "e1" }, { id = "e2" } }) } },
      ["GET " .. EDGE .. "/r36/environments"] = {
        json = json.array({ { id = "e3", language = { name = "r36" } } }) },
    })
    local found = driver:list_environments()
    t:eq(#found, 3)
    t:eq(found[1].language.name, "python3")
    t:eq(driver:list_environments(), found)
    t:eq(#server.requests, 4)
  end)

test("without the documented lists the web application's is tried",
  function(t)
    local driver = open(t, {
      ["GET /webapi/v1/algorithm-environments/environments/current"] = {
        json = json.array({ { id = "e1" } }) } })
    t:eq(driver:list_environments(), { { id = "e1" } })
    -- Neither: the first answer says why.
    t:raises("notfound", function()
      open(t, {}):list_environments()
    end)
  end)

test("the admin key reads SCMs where a standard key may not", function(t)
  local secret = require("godwit.core.secret")
  local server = odd.start(t, { ["GET /v1/scms"] = {
    { status = 403, json = {} },
    { json = { results = json.array({ { id = "internal" } }) } } } })
  local driver = http.open(server:profile({ admin_key =
    secret.new("simAdminAdminAdminAdminAdmin", { label = "admin",
      origins = { server.url } }) }))
  t:eq(driver:list_scms(), { { id = "internal" } })
  t:match(server.requests[1].headers.authorization, "simOddCluster")
  t:match(server.requests[2].headers.authorization, "^Simple simAdmin")
  -- No admin key: the refusal is raised.
  local other = open(t, { ["GET /v1/scms"] = { status = 401, json = {} } })
  t:raises("auth", other.list_scms, nil, other)
end)

--- Identity ----------------------------------------------------------------

test("the key's user is the first folder of the data root", function(t)
  local driver, server = open(t, { ["GET /v1/data/"] = { json = {
    folders = json.array({ { name = "ann" }, { name = "acme" } }) } } })
  t:eq(driver:whoami(), "ann")
  t:eq(driver:whoami("acme"), "ann")
  t:eq(#server.requests, 1)
  t:eq(driver:git_remote("acme", "Hello").auth_user, "ann")
end)

test("a key whose name is not told is a key", function(t)
  for _, doc in ipairs({ {}, { folders = json.null },
    { folders = json.array({}) } }) do
    local driver = open(t, { ["GET /v1/data/"] = { json = doc },
      ["GET /v1/data/acme"] = { json = { folders = json.array({
        { name = "models" } }) } } })
    t:raises("notfound", driver.whoami, "cannot be learned; write it", driver)
    t:eq(driver:git_remote("acme", "Hello").auth_user, "acme")
    local check = { driver = driver, owner = "acme" }
    key.check_all({ check }, 1)
    t:eq(check.problem, nil)
  end
end)

test("the key's organizations may stand on several pages", function(t)
  local function page(marker, ...)
    local rows = json.array({})
    for i, name in ipairs({ ... }) do
      rows[i] = { name = name }
    end
    return { json = { folders = rows, marker = marker } }
  end
  local driver = open(t, { ["GET /v1/data/"] = { page("m", "alice", "acme"),
    page("n", "labs"), page(nil, "ops") } })
  t:eq(driver:unseen_owners({ "alice", "labs", "ops", "bob" }), { "bob" })
end)

test("a key that may not read data pushes as the owner", function(t)
  local driver = open(t, { ["GET /v1/data/"] = { status = 403, json = {} } })
  t:raises("auth", driver.whoami, nil, driver)
  t:eq(driver:git_remote("acme", "Hello").auth_user, "acme")
end)

test("the name in the address is the user, and not sent", function(t)
  local server = odd.start(t, { ["GET " .. HELLO] = { json = algorithm() } })
  local driver = http.open(server:profile({
    api = server.url:gsub("//", "//ann@") .. "/v1/" }))
  t:eq(driver:whoami(), "ann")
  t:eq(driver:get_algorithm("acme", "Hello").name, "Hello")
  t:eq(driver.id, server.url)
  t:eq(driver:git_remote("acme", "Hello", "1.0.0").url,
    server.url .. "/git/acme/Hello/1.0.0.git")
end)

test("where Git is", function(t)
  local address = require("godwit.cluster.address")
  t:eq(address.of({ api = "https://api.prod.example.com/v1" }).git,
    "https://git.prod.example.com")
  t:eq(address.of({ api = "https://api.x.org", git = "https://g.x.org/" }).git,
    "https://g.x.org")
  t:eq(address.of({ api = "https://x.org:8443/" }).git, "https://x.org:8443")
end)

test("a key may depend on the owner and is asked for once each", function(t)
  local secret = require("godwit.core.secret")
  local server = odd.start(t, { ["*"] = { json = algorithm() } })
  local asked = {}
  local driver = http.open(server:profile({ key = function(owner)
    asked[#asked + 1] = owner
    if owner == "nobody" then
      return nil
    end
    return secret.new("simKeyOf" .. owner, { label = owner,
      origins = { server.url } })
  end }))
  driver:get_algorithm("acme", "Hello")
  driver:get_algorithm("ann", "Hello")
  driver:get_algorithm("acme", "Hello")
  t:eq(asked, { "acme", "ann" })
  t:eq(server.requests[2].headers.authorization, "Simple simKeyOfann")
  local e = t:raises("auth", driver.get_algorithm, "owner nobody", driver,
    "nobody", "Hello")
  t:no(e.retryable)
end)

--- Versions ----------------------------------------------------------------

local function version(number, commit, callability)
  return { id = "1", version_info = { semantic_version = number,
    git_hash = commit or COMMIT },
    settings = { algorithm_callability = callability or "private" } }
end

test("filters are checked here, too", function(t)
  local driver, server = open(t, { ["GET " .. HELLO .. "/versions"] = {
    json = { results = json.array({ version("0.1.0"), version(nil, "b"),
      version("0.3.0", "c", "public"), version("0.2.0") }) } } })
  local function numbers(opts)
    local out = {}
    for doc in driver:each_version("acme", "Hello", opts) do
      out[#out + 1] = doc.version_info.semantic_version or "-"
    end
    return table.concat(out, " ")
  end
  t:eq(numbers({ published = true }), "0.1.0 0.3.0 0.2.0")
  t:eq(numbers({ published = false }), "-")
  t:eq(numbers({ callable = true }), "0.3.0")
  t:eq(numbers({}), "0.1.0 - 0.3.0 0.2.0")
  t:match(server:log()[1], "published=true")
  t:match(server:log()[2], "published=false")
end)

test("a number that is not to be asked for is searched", function(t)
  local commit = ("b"):rep(40)
  local driver = open(t, {
    ["GET " .. HELLO .. "/versions"] = { json = { results = json.array({
      version("0.2.0"), version("0.1.0", commit) }) } },
  })
  t:eq(driver:get_version("acme", "Hello", "0.1.0").version_info.git_hash,
    commit)
  t:eq(driver:get_version("acme", "Hello", commit).version_info
    .semantic_version, "0.1.0")
  t:raises("notfound", driver.get_version, nil, driver, "acme", "Hello",
    "9.9.9")
end)

test("a number that answers with another version is searched", function(t)
  local driver = open(t, {
    ["GET " .. HELLO .. "/versions/0.1.0"] = { json = version("0.2.0") },
    ["GET " .. HELLO .. "/versions"] = { json = { results = json.array({
      version("0.2.0"), version("0.1.0", "c") }) } },
  })
  t:eq(driver:get_version("acme", "Hello", "0.1.0").version_info.git_hash,
    "c")
end)

test("the first number of a commit published twice is in its builds",
  function(t)
    local first = build(1)
    first.version_info = { semantic_version = "0.1.0" }
    local driver = open(t, {
      ["GET " .. HELLO .. "/versions"] = { json = { results = json.array({
        version("0.2.0") }) } },
      ["GET " .. HELLO .. "/builds"] = { json = { results = json.array({
        build(2), first }) } },
      ["GET " .. HELLO .. "/versions/" .. COMMIT] = {
        json = version("0.2.0") },
    })
    local doc = driver:get_version("acme", "Hello", "0.1.0")
    t:eq(doc.version_info, { semantic_version = "0.1.0", git_hash = COMMIT })
  end)

--- Writes ------------------------------------------------------------------

local function decoded(server, n)
  return json.decode(server.requests[n].body)
end

test("create takes 200 as well as 201, and an empty answer", function(t)
  for _, answer in ipairs({ { status = 200, json = algorithm() },
    { status = 201, json = algorithm() }, { status = 201 } }) do
    local driver = open(t, {
      ["GET " .. HELLO] = { { status = 404, json = { error = "no" } },
        { json = algorithm() } },
      ["POST /v1/algorithms/acme"] = answer,
    })
    local doc = driver:create_algorithm("acme", { name = "Hello" })
    t:eq(doc.id, algorithm().id)
  end
end)

test("a duplicate is recognised whatever its status", function(t)
  for _, refusal in ipairs({ { status = 400, json = { error = {
    code = 1002, message = "taken" } } }, { status = 409, json = {} },
    { status = 422, json = { error = "?" } } }) do
    local driver = open(t, {
      ["GET " .. HELLO] = { { status = 404, json = { error = "no" } },
        { json = algorithm() } },
      ["POST /v1/algorithms/acme"] = refusal,
    })
    t:raises("exists", driver.create_algorithm, nil, driver, "acme",
      { name = "Hello" })
  end
end)

test("nulls and empty values are never sent", function(t)
  local driver, server = open(t, {
    ["GET " .. HELLO] = { status = 404, json = { error = "no" } },
    ["POST /v1/algorithms/acme"] = { status = 201, json = algorithm() },
  })
  driver:create_algorithm("acme", { name = "Hello",
    details = { label = "Hello", tagline = "", summary = json.null },
    settings = { license = "apl", pipeline_enabled = false },
    source = {}, version_info = { sample_input = json.null } })
  t:eq(decoded(server, 2), { name = "Hello", details = { label = "Hello" },
    settings = { license = "apl", pipeline_enabled = false } })
end)

test("an update sends the full set with one runtime selector", function(t)
  local driver, server = open(t, { ["GET " .. HELLO] = { json = algorithm() },
    ["PUT " .. HELLO] = { json = algorithm() } })
  driver:update_algorithm("acme", "Hello",
    { settings = { network_access = "isolated" }, details = { tagline = "" } })
  t:eq(decoded(server, 2), {
    details = { label = "Hello", tagline = "" },
    settings = { license = "apl", source_visibility = "closed",
      network_access = "isolated", pipeline_enabled = true,
      algorithm_environment = "env-1" },
  })
end)

test("what a patch of an algorithm leaves empty stays as it is", function(t)
  local handle = require("godwit.cluster.handle")
  for _, nothing in ipairs({ json.null, "", {} }) do
    local driver, server = open(t, { ["GET " .. HELLO] = { json = algorithm() },
      ["PUT " .. HELLO] = { json = algorithm() } })
    driver:update_algorithm("acme", "Hello", {
      settings = { network_access = "isolated", license = nothing,
        algorithm_environment = nothing }, details = { label = nothing } })
    t:eq(decoded(server, 2), {
      details = { label = "Hello", tagline = "says it" },
      settings = { license = "apl", source_visibility = "closed",
        network_access = "isolated", pipeline_enabled = true,
        algorithm_environment = "env-1" },
    })
    local a = handle.new(driver).algorithms:get("acme/Hello")
    t:eq(select(2, a:update({ settings = { license = nothing },
      details = { label = nothing } })), "unchanged")
    t:eq(select(2, a:update({ settings = json.null, details = json.null })),
      "unchanged")
  end
end)

test("an already published version is known by code, or by the message",
  function(t)
    local api_error = require("godwit.cluster.api_error")
    for _, body in ipairs({ { error = { code = 1007, message = "x" } },
      { error = "Version already published. Please compile your algorithm." } })
    do
      local driver = open(t, {
        ["GET " .. HELLO] = { json = algorithm() },
        ["GET " .. HELLO .. "/versions"] = { json = { results =
          json.array({}) } },
        ["GET " .. HELLO .. "/builds"] = { json = { results =
          json.array({ build(1) }) } },
        ["POST " .. HELLO .. "/versions"] = { status = 400, json = body },
      })
      local e = t:raises("conflict", driver.publish, nil, driver, "acme",
        "Hello", {})
      t:ok(api_error.is_already_published(e))
    end
  end)

test("a publish names what some clusters demand", function(t)
  local driver, server = open(t, {
    ["GET " .. HELLO] = { json = algorithm() },
    ["GET " .. HELLO .. "/versions"] = { json = { results = json.array({
      version("0.1.0", nil, "public") }) } },
    ["GET " .. HELLO .. "/builds"] = { json = { results = json.array({
      build(1) }) } },
    ["POST " .. HELLO .. "/versions"] = { json = version("0.1.1") },
  })
  driver:publish("acme", "Hello",
    { version_info = { version_type = "patch", release_notes = "" } })
  t:eq(decoded(server, #server.requests), {
    version_info = { version_type = "revision" },
    details = { label = "Hello" },
    settings = { algorithm_callability = "public" } })
end)

test("a failed compile is an answer, also as a 400", function(t)
  local failed = { build_id = "b2", status = "failed", commit_sha = COMMIT }
  local driver = open(t, {
    ["GET " .. HELLO .. "/builds"] = {
      { json = { results = json.array({ build(1) }) } },
      { json = { results = json.array({ failed, build(1) }) } } },
    ["POST " .. HELLO .. "/compile"] = { status = 400,
      json = { error = { code = 2012, message = "it broke" } } },
  })
  local doc = driver:compile("acme", "Hello")
  t:eq(doc.compilation.successful, false)
end)

test("an algorithm's own error is raised with its trace", function(t)
  local driver, server = open(t, { ["POST /v1/algo/acme/Hello/1.0.0"] = {
    json = { error = { message = "division by zero", error_type = "ZeroDiv",
      stack_trace = "line 1" }, metadata = { duration = 0.1 } } } })
  local e = t:raises("remote", driver.call, "division by zero", driver,
    "acme", "Hello", "1.0.0", { json = 1 }, { timeout = 5 })
  t:eq(e.stacktrace, "line 1")
  t:eq(e.error_type, "ZeroDiv")
  t:eq(server:log(), { "POST /v1/algo/acme/Hello/1.0.0?timeout=5" })
  t:eq(server.requests[1].headers["content-type"], "application/json")
end)

test("a busy cluster is asked again when it says", function(t)
  local driver, server = open(t, {
    ["GET " .. HELLO] = { status = 404, json = { error = "no" } },
    ["POST /v1/algorithms/acme"] = {
      { status = 429, json = {}, headers = { ["Retry-After"] = "0" } },
      { status = 201, json = algorithm() } },
  })
  driver:create_algorithm("acme", { name = "Hello" })
  t:eq(#server.requests, 3)
end)

--- Git ---------------------------------------------------------------------

test("without a version's own address its commit is looked up", function(t)
  local driver = open(t, {
    ["GET /git/acme/Hello/0.1.0.git/info/refs"] = { status = 404,
      body = "no", type = "text/plain" },
    ["GET " .. HELLO .. "/versions/0.1.0"] = { json = version("0.1.0") },
    ["GET /v1/data/"] = { json = { folders = json.array({
      { name = "acme" } }) } },
  })
  local tip = driver:git_tip("acme", "Hello", { version = "0.1.0" })
  t:eq(tip, { commit = COMMIT, branch = "refs/heads/master" })
  -- A repository that is not there is not hidden by that.
  t:raises("notfound", driver.git_tip, nil, driver, "acme", "Nope")
end)

test("a list of algorithms with something else in it", function(t)
  for _, row in ipairs({ 7, json.null, { id = "1" }, { name = { "x" } },
    { name = "../x" }, { algoname = "a\27[2J" } }) do
    local driver = open(t, { ["GET /v1/users/acme/algorithms"] =
      { json = { results = json.array { row } } } })
    t:raises("remote", driver.list_algorithms, "without a usable name", driver,
      "acme")
  end
end)
