-- The sandbox's algorithms over HTTP: create, update, builds, publish.
local json = require("godwit.core.json")
local sandboxes = require("support.sandboxes")

local code = sandboxes.code

test("create answers 201 with the template, no build", function(t)
  local s = sandboxes.start(t)
  local r = s:send("POST", "/v1/algorithms/acme", { json = s:body("Hello") })
  t:eq(r.status, 201)
  t:eq({ r.doc.name, r.doc.resource_type }, { "Hello", "algorithm" })
  t:eq(r.doc.settings.algorithm_callability, "private")
  t:eq({ r.doc.build, r.doc.version_info, r.doc.compilation }, {})
  t:eq(#s:builds("Hello"), 0)
  local dir = s:clone(t, "Hello")
  t:eq(sandboxes.git("-C", dir, "log", "--format=%s|%an|%ae"),
    "Algorithmia initial commit|acme|acme@example.com\n")
  t:eq(sandboxes.git("-C", dir, "ls-files"), ".adk\nalgorithmia.conf\n"
    .. "requirements.txt\nsrc/Hello.py\nsrc/Hello_test.py\n"
    .. "src/__init__.py\n")
  local get = s:send("GET", "/v1/algorithms/acme/Hello")
  t:eq({ get.status, get.doc.id }, { 200, r.doc.id })
  t:eq(s:send("GET", "/v1/algorithms/" .. r.doc.id).doc.name, "Hello")
end)

test("create refuses with the platform's codes", function(t)
  local s = sandboxes.start(t)
  local function refused(owner, change, opts)
    local body = s:body("Other")
    change(body)
    opts = opts or {}
    opts.json = body
    local r = s:send("POST", "/v1/algorithms/" .. owner, opts)
    return { r.status, code(r) }
  end
  local function nothing() end
  s:create("Taken")
  t:eq(refused("acme", function(b) b.name = "Taken" end), { 400, 1002 })
  t:eq(refused("nobody", nothing), { 404, 3000 })
  t:eq(refused("labs", nothing), { 403, 2001 })
  t:eq(refused("acme", nothing, { as = "carol" }), { 403, 2001 })
  t:eq(refused("acme", nothing, { as = "admin" }), { 403, 2001 })
  t:eq(refused("acme", nothing, { as = false }), { 401, 2002 })
  t:eq(refused("acme", nothing, { auth = "Simple simWRONG" }), { 401, 2002 })
  t:eq(refused("acme", nothing, { auth = "Bearer a.b.c" }), { 401, 2002 })
  t:eq(refused("acme", function(b) b.name = "a-b" end), { 400, 6001 })
  t:eq(refused("acme", function(b) b.name = nil end), { 400, 6001 })
  t:eq(refused("acme", function(b) b.details.label = nil end), { 400, 6001 })
  t:eq(refused("acme", function(b) b.details = "x" end), { 400, 6001 })
  t:eq(refused("acme", function(b) b.settings.license = "mit" end),
    { 400, 6001 })
  t:eq(refused("acme", function(b) b.settings.license = "wtf" end),
    { 400, 6001 })
  t:eq(refused("acme", function(b)
    b.settings.algorithm_environment = "abcd-123"
  end), { 400, 6001 })
  t:eq(refused("acme", function(b)
    b.settings.algorithm_environment = nil
  end), { 400, 6001 })
  t:eq(refused("acme", function(b)
    b.settings.algorithm_environment, b.settings.language = nil, "cobol"
  end), { 400, 4001 })
  t:eq(refused("acme", function(b) b.source = { scm = "github" } end),
    { 400, 4009 })
  t:eq(refused("acme", function(b) b.name = json.null end), { 400, 6001 })
  t:eq(#s:send("GET", "/v1/users/acme/algorithms").doc, 1)
end)

test("nulls are absent, unknown fields ignored", function(t)
  local s = sandboxes.start(t)
  local body = s:body("Nulls")
  body.source, body.scmsCredentials = json.null, {}
  body.details.tagline, body.future = json.null, { 1 }
  t:eq(s:send("POST", "/v1/algorithms/acme", { json = body }).status, 201)
end)

test("both key forms, schemes in any case", function(t)
  local s = sandboxes.start(t)
  s:create("Hello")
  local key = s:key("acme")
  for _, auth in ipairs({ key, "Simple " .. key, "simple " .. key,
    "SIMPLE  " .. key }) do
    t:eq(s:send("GET", "/v1/algorithms/acme/Hello", { auth = auth }).status,
      200)
  end
end)

test("a missing algorithm has shape C on its own, A below", function(t)
  local s = sandboxes.start(t)
  local r = s:send("GET", "/v1/algorithms/acme/None")
  t:eq({ r.status, r.doc }, { 404, { error = "No such algorithm" } })
  r = s:send("GET", "/v1/algorithms/123e4567-e89b-42d3-a456-426614174000")
  t:eq({ r.status, r.doc }, { 404, { error = "No such algorithm" } })
  r = s:send("GET", "/v1/algorithms/acme/None/builds")
  t:eq({ r.status, code(r) }, { 404, 1000 })
  s:create("Hello")
  r = s:send("GET", "/v1/algorithms/acme/Hello", { as = "carol" })
  t:eq({ r.status, r.doc }, { 404, { error = "No such algorithm" } })
  r = s:send("GET", "/v1/nowhere")
  t:eq(r.status, 404)
  t:ok(code(r))
  t:eq(s:send("PATCH", "/v1/algorithms/acme/Hello").status, 404)
end)

test("update replaces only the keys it has", function(t)
  local s = sandboxes.start(t)
  local made = s:create("Hello", { network_access = "isolated" })
  local r = s:send("PUT", "/v1/algorithms/acme/Hello", { json = {
    details = { tagline = "new" },
    settings = { pipeline_enabled = false, algorithm_callability = "public" },
    version_info = { sample_input = "Jane" } } })
  t:eq(r.status, 200)
  t:eq(r.doc.id, made.id)
  t:eq({ r.doc.details.label, r.doc.details.tagline }, { "Hello", "new" })
  t:eq({ r.doc.settings.network_access, r.doc.settings.pipeline_enabled,
    r.doc.settings.algorithm_callability }, { "isolated", false, "private" })
  r = s:send("PUT", "/v1/algorithms/" .. made.id, { json = {
    settings = { license = "mit" } } })
  t:eq({ r.status, code(r) }, { 400, 6001 })
  r = s:send("PUT", "/v1/algorithms/acme/Hello", {
    body = "details=label&settings=license",
    type = "application/x-www-form-urlencoded" })
  t:eq({ r.status, r.doc.id, r.doc.details.tagline }, { 200, made.id, "new" })
  r = s:send("PUT", "/v1/algorithms/acme/None", { json = {} })
  t:eq(r.status, 404)
end)

test("compile builds the head and publish releases it once", function(t)
  local s = sandboxes.start(t)
  s:create("Hello")
  local path = "/v1/algorithms/acme/Hello"
  local r = s:send("POST", path .. "/versions", { json = {} })
  t:eq({ r.status, code(r) }, { 400, 2012 })
  r = s:send("POST", path .. "/compile", { json = {} })
  t:eq({ r.status, r.doc.compilation.successful }, { 200, true })
  local sha = r.doc.version_info.git_hash
  t:eq({ #sha, r.doc.name, r.doc.version_info.semantic_version },
    { 40, "Hello" })
  local builds = s:builds("Hello")
  t:eq(#builds, 1)
  t:eq({ builds[1].status, builds[1].commit_sha, builds[1].resource_type,
    builds[1].version_info }, { "succeeded", sha, "algorithm_build" })
  t:match(builds[1].started_at, "^%d+%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ$")
  r = s:send("POST", path .. "/versions", { json = { details = {},
    settings = {}, version_info = {}, source = {}, scmsCredentials = {} } })
  t:eq({ r.status, r.doc.version_info.semantic_version }, { 200, "0.1.0" })
  r = s:send("POST", path .. "/version", { json = {} })
  t:eq({ r.status, code(r) }, { 400, 1007 })
  t:match(r.doc.error.message, "already published")
  t:eq(s:builds("Hello")[1].version_info.semantic_version, "0.1.0")
  -- the same commit again, under another number; both stay
  s:send("POST", path .. "/compile", { body = "" })
  r = s:send("POST", path .. "/version",
    { json = { version_info = { version_type = "revision" } } })
  t:eq(r.doc.version_info.semantic_version, "0.1.1")
  r = s:send("GET", path .. "/versions")
  t:eq(#r.doc.results, 1)
  t:eq(r.doc.results[1].version_info.semantic_version, "0.1.1")
  t:eq(s:send("GET", path .. "/versions/0.1.0").doc.version_info
    .semantic_version, "0.1.0")
  t:eq(s:send("GET", path .. "/versions/" .. sha).doc.version_info
    .semantic_version, "0.1.1")
  t:eq(code(s:send("GET", path .. "/versions/9.9.9")), 1014)
  t:eq(code(s:send("GET", path .. "/versions/x")), 1014)
end)

test("numbers, permissions and their majors", function(t)
  local s = sandboxes.start(t)
  s:create("Hello")
  local path = "/v1/algorithms/acme/Hello"
  local function publish(step, settings)
    s:send("POST", path .. "/compile", { json = {} })
    local r = s:send("POST", path .. "/versions", { json = {
      version_info = { version_type = step }, settings = settings } })
    return r.doc.version_info and r.doc.version_info.semantic_version
      or code(r)
  end
  t:eq(publish("revision"), "0.0.1")
  t:eq(publish("minor"), "0.1.0")
  t:eq(publish("patch"), "0.1.1")
  t:eq(publish("minor", { algorithm_callability = "public" }), 2015)
  t:eq(publish("minor", { network_access = "isolated" }), 2015)
  t:eq(publish("revision", { pipeline_enabled = false }), 2015)
  t:eq(publish("minor", { algorithm_callability = "private",
    network_access = "full" }), "0.2.0")
  t:eq(publish("major", { algorithm_callability = "public",
    network_access = "isolated" }), "1.0.0")
  t:eq(publish("silly"), 6001)
  local r = s:send("GET", path)
  t:eq({ r.doc.settings.algorithm_callability, r.doc.settings.network_access },
    { "public", "isolated" })
  -- public is for ever
  r = s:send("DELETE", path)
  t:eq({ r.status, code(r) }, { 403, 2001 })
  t:eq(s:send("GET", path, { as = "carol" }).status, 200)
  t:eq(#s:send("GET", path .. "/versions", { as = "carol" }).doc.results, 1)
  r = s:send("GET", path .. "/builds", { as = "carol" })
  t:eq({ r.status, code(r) }, { 403, 2001 })
  t:eq(s:send("PUT", path, { as = "carol", json = {} }).status, 403)
  t:eq(s:send("DELETE", path, { as = "admin" }).status, 204)
  t:eq(s:send("GET", path).status, 404)
end)

test("a plain member's public publish needs approval", function(t)
  local s = sandboxes.start(t)
  s:create("Hello", nil, { as = "bob" })
  local path = "/v1/algorithms/acme/Hello"
  s:send("POST", path .. "/compile", { json = {}, as = "bob" })
  local body = { settings = { algorithm_callability = "public" } }
  local r = s:send("POST", path .. "/versions", { json = body, as = "bob" })
  t:eq({ r.status, code(r) }, { 403, 2001 })
  r = s:send("POST", path .. "/versions", { json = body, as = "alice" })
  t:eq(r.status, 200)
end)

test("deleted, the repository is gone and the name free", function(t)
  local s = sandboxes.start(t)
  local first = s:create("Hello")
  t:eq(s:send("DELETE", "/v1/algorithms/acme/Hello").status, 204)
  local run = sandboxes.run({ "git", "ls-remote", s:url("acme/Hello") })
  t:ok(run ~= 0)
  t:eq(s:send("GET", "/v1/algorithms/" .. first.id).status, 404)
  t:ok(s:create("Hello").id ~= first.id)
end)

test("a versions list filters and tells what was published", function(t)
  local s = sandboxes.start(t)
  s:create("Hello")
  local dir = s:clone(t, "Hello")
  local path = "/v1/algorithms/acme/Hello"
  local first = s:release(dir, "Hello")
  sandboxes.commit(dir, "later", "x")
  t:eq((sandboxes.push(dir)), 0)
  t:eq(#s:send("GET", path .. "/versions").doc.results, 2)
  local function list(query)
    local out = {}
    for _, v in ipairs(s:send("GET", path .. "/versions?" .. query)
      .doc.results) do
      out[#out + 1] = v.version_info.semantic_version or "-"
    end
    return out
  end
  t:eq(list("published=true"), { "0.1.0" })
  t:eq(list("published=false"), { "-" })
  t:eq(list("callable=true"), {})
  t:eq(list("callable=false"), { "-", "0.1.0" })
  t:eq(list("published=true&callable=false"), { "0.1.0" })
  t:eq(s:send("GET", path .. "/versions?published=maybe").status, 400)
  t:eq(s:send("GET", path).doc.version_info.semantic_version, nil)
  t:match(first.self_link, "/v1/algorithms/acme/Hello/versions/%x+$")
end)

test("logs come with the end of a build", function(t)
  local s = sandboxes.start(t)
  s:create("Hello")
  local path = "/v1/algorithms/acme/Hello"
  s:send("POST", path .. "/compile", { json = {} })
  local b = s:builds("Hello")[1]
  local r = s:send("GET", path .. "/builds/" .. b.build_id .. "/logs")
  t:match(r.doc.logs, "Beginning container customization")
  t:eq(s:send("GET", path .. "/builds/" .. b.build_id).doc.status,
    "succeeded")
  t:eq(code(s:send("GET", path .. "/builds/none")), 1010)
  t:eq(code(s:send("GET", path .. "/builds/none/logs")), 1010)
end)

test("pages: limits, opaque markers, links", function(t)
  local s = sandboxes.start(t)
  s:create("Hello")
  local path = "/v1/algorithms/acme/Hello"
  for _ = 1, 5 do s:send("POST", path .. "/compile", { json = {} }) end
  local seen, marker, pages = {}, nil, 0
  repeat
    local r = s:send("GET", path .. "/builds?limit=2"
      .. (marker and "&marker=" .. marker or ""))
    for _, b in ipairs(r.doc.results) do seen[#seen + 1] = b.build_id end
    marker = r.doc.marker ~= json.null and r.doc.marker
    pages = pages + 1
    if marker then
      t:match(r.doc.next_link, "^http://127%.0%.0%.1:%d+/v1/algorithms/acme/"
        .. "Hello/builds%?limit=2&marker=")
    else
      t:eq(r.doc.next_link, json.null)
    end
  until not marker
  t:eq({ #seen, pages }, { 5, 3 })
  t:eq(s:send("GET", path .. "/builds?limit=56").status, 200)
  for _, bad in ipairs({ "0", "101", "-1", "x", "1.5", "99999999999" }) do
    t:eq(code(s:send("GET", path .. "/builds?limit=" .. bad)), 5003)
  end
  for _, bad in ipairs({ "x", "eyJ4IjoxfQ", "%2e%2e", "e30", "bnVsbA" }) do
    t:eq(code(s:send("GET", path .. "/builds?marker=" .. bad)), 5002)
  end
end)

test("secrets by id, with both keys of the list", function(t)
  local s = sandboxes.start(t)
  local made = s:create("Hello")
  local r = s:send("GET", "/v1/algorithms/" .. made.id .. "/secrets")
  t:eq({ r.status, r.doc.results, r.doc.secrets }, { 200, {}, {} })
  t:eq(s:send("GET", "/v1/algorithms/acme/Hello/secrets").status, 404)
  t:eq(s:send("GET", "/v1/secret-provider").doc[1].isDefault, true)
  r = s:send("POST", "/v1/algorithms/" .. made.id .. "/secrets", { json = {} })
  t:eq({ r.status, code(r) }, { 400, 8001 })
end)

test("errors, log and SCM status of an algorithm", function(t)
  local s = sandboxes.start(t)
  s:create("Hello")
  local path = "/v1/algorithms/acme/Hello"
  t:eq(s:send("GET", path .. "/errors").doc, {})
  t:eq(s:send("GET", path .. "/scm/status").doc,
    { scm_connection_status = "active" })
  local dir = s:clone(t, "Hello")
  local first = sandboxes.git("-C", dir, "rev-parse", "HEAD"):sub(1, 40)
  local a = sandboxes.commit(dir, "a", "1")
  local b = sandboxes.commit(dir, "b", "1")
  sandboxes.push(dir)
  local function ids(query)
    local out = {}
    for _, c in ipairs(s:send("GET", path .. "/log" .. query).doc.commits) do
      out[#out + 1] = c.id
      t:match(c.author, "<.+>")
    end
    return out
  end
  t:eq(ids(""), { b, a, first })
  t:eq(ids("?since=" .. a), { b, a })
  t:eq(ids("?since=" .. first .. "&until=" .. a), { a, first })
  t:eq(s:send("GET", path .. "/log?since=--help").status, 400)
  t:eq(s:send("GET", path .. "/log?since=" .. ("0"):rep(40)).status, 404)
end)
