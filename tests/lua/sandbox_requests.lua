-- The sandbox's catalogue, calls and what a hostile client gets.
local core = require("godwit.core.http")
local json = require("godwit.core.json")
local sandboxes = require("support.sandboxes")

local code = sandboxes.code
local EDGE = "/v1/algorithm-environments/edge"

test("languages and environments", function(t)
  local s = sandboxes.start(t)
  local langs = s:send("GET", EDGE .. "/languages").doc
  t:eq({ langs[2].name, langs[2].display_name }, { "python3", "Python 3.x" })
  t:ok(json.decode(langs[2].configuration, {}))
  local envs = s:send("GET", EDGE .. "/languages/python3/environments").doc
  t:eq(#envs.environments, 3)
  local e = envs.environments[1]
  for _, key in ipairs({ "id", "environment_specification_id", "display_name",
    "description", "created_at", "language", "machine_type" }) do
    t:ok(e[key], key)
  end
  t:eq(code(s:send("GET", EDGE .. "/languages/cobol/environments")), 4001)
  t:eq(#s:send("GET", "/webapi/v1/algorithm-environments/environments/current")
    .doc, 5)
  t:eq(#s:send("GET", EDGE .. "/environments/available", { as = "admin" }).doc,
    5)
  t:eq(s:send("GET", EDGE .. "/environments/available").status, 403)
  t:eq(s:send("GET", EDGE .. "/languages", { as = false }).status, 401)
end)

test("two clusters share specifications, not ids", function(t)
  local a = sandboxes.start(t)
  local b = sandboxes.start(t)
  local function first(s)
    return s:send("GET", EDGE .. "/languages/python3/environments").doc
      .environments[1]
  end
  local x, y = first(a), first(b)
  t:eq(x.environment_specification_id, y.environment_specification_id)
  t:ok(x.id ~= y.id)
end)

test("an environment's template is a tar.gz, without a key", function(t)
  local s = sandboxes.start(t)
  local e = s:send("GET", EDGE .. "/languages/python3/environments").doc
    .environments[1]
  local r = s:send("GET", EDGE .. "/environment-specifications/"
    .. e.environment_specification_id .. "/template", { as = false })
  t:eq(r.status, 200)
  local file = t:tmpdir() .. "/t.tgz"
  local f = assert(io.open(file, "wb"))
  f:write(r.body)
  f:close()
  local status, out = sandboxes.run({ "tar", "-tzf", file })
  t:eq(status, 0)
  t:match(out, "%./src/__ALGO__%.py\n")
  t:eq(s:send("GET", EDGE .. "/environment-specifications/none/template",
    { as = false }).status, 404)
end)

test("SCMs and the data root", function(t)
  local s = sandboxes.start(t)
  for _, who in ipairs({ "acme", "admin" }) do
    local r = s:send("GET", "/v1/scms", { as = who })
    t:eq(r.doc.results[1].id, "internal")
  end
  t:eq(s:send("GET", "/v1/scms/internal").doc.provider, "internal")
  t:eq(code(s:send("GET", "/v1/scms/none")), 4009)
  t:eq(s:send("GET", "/v1/scms/internal/oauth/status").doc
    .authorization_status, "unauthorized")
  for _, path in ipairs({ "/v1/data/", "/v1/data" }) do
    local r = s:send("GET", path, { as = "bob" })
    t:eq({ r.status, r.headers["x-data-type"] }, { 200, "directory" })
    t:eq(r.doc, { folders = { { name = "bob" }, { name = "acme" },
      { name = "labs" } } })
  end
  t:eq(s:send("HEAD", "/v1/data/").status, 200)
  t:eq(s:send("GET", "/v1/data/", { as = "acme" }).doc.folders[1].name,
    "acme")
  t:eq(s:send("GET", "/v1/data/", { as = "admin" }).status, 403)
end)

test("algorithms of an owner", function(t)
  local s = sandboxes.start(t)
  local made = s:create("Hello")
  t:eq(s:send("GET", "/v1/users/acme/algorithms").doc,
    { { id = made.id, algoname = "Hello", username = "acme" } })
  t:eq(s:send("GET", "/v1/users/acme/algorithms", { as = "carol" }).doc, {})
  t:eq(#s:send("GET", "/v1/users/acme/algorithms", { as = "admin" }).doc, 1)
  t:eq(#s:send("GET", "/v1/users/.my/algorithms").doc, 1)
  t:eq(code(s:send("GET", "/v1/users/nobody/algorithms")), 3000)
  local r = s:send("GET", "/v1/users/alice/algorithms")
  t:eq(r.body, "[]")
end)

test("calls: template code greets, other code echoes", function(t)
  local s = sandboxes.start(t)
  local made = s:create("Hello")
  local path = "/v1/algo/acme/Hello"
  local r = s:send("POST", "/v1/algorithms/acme/Hello/compile", { json = {} })
  local sha = r.doc.version_info.git_hash
  local function call(tail, body, kind, as)
    return s:send("POST", path .. tail, { body = body,
      type = kind or "text/plain", as = as })
  end
  r = call("/" .. sha, "Jane")
  t:eq({ r.status, r.doc.result, r.doc.metadata.content_type },
    { 200, "hello Jane", "text" })
  t:ok(r.doc.metadata.duration > 0)
  t:eq(call("/" .. sha .. "/", "Jane").doc.result, "hello Jane")
  t:match(call("", "x").doc.error.message,
    "algorithm algo://acme/Hello not found")
  t:match(call("/" .. ("0"):rep(40), "x").doc.error.message, "version hash")
  s:send("POST", "/v1/algorithms/acme/Hello/versions", { json = {} })
  t:eq(call("/latestPrivate", "x").doc.result, "hello x")
  t:eq(call("/0.1.0", "x").doc.result, "hello x")
  t:match(call("/0.1", "x").doc.error.message, "not found")
  t:match(call("/0.1.0", "x", nil, "carol").doc.error.message, "not found")
  t:eq(s:send("POST", "/v1/algo/" .. made.id .. "/0.1.0",
    { body = "x", type = "text/plain" }).doc.result, "hello x")
  t:eq(s:send("POST", "/v1/algo/.my/Hello/0.1.0",
    { body = "x", type = "text/plain" }).doc.result, "hello x")
  r = call("/0.1.0", '{"a":[],"b":{},"c":1.0}', "application/json")
  t:eq(r.doc.metadata.content_type, "json")
  t:match(r.body, '"result":{"a":%[%],"b":{},"c":1%.0}')
  r = call("/0.1.0", "\0\255", "application/octet-stream")
  t:eq({ r.doc.metadata.content_type, r.doc.result }, { "binary", "AP8=" })
  t:eq(call("/0.1.0", "\255").status, 400)
  t:eq(code(call("/0.1.0", "{", "application/json")), 2013)
  r = call("/0.1.0?output=raw", "x")
  t:eq({ r.body, r.headers["content-type"]:match("^[^;]+") },
    { "hello x", "text/plain" })
  t:eq(call("/9.9.9?output=raw", "x").status, 400)
  r = call("/0.1.0?output=void", "x")
  t:eq(r.doc.async, "void")
  t:match(r.doc.request_id, "^req%-")
  t:eq(call("/0.1.0?stdout=True", "x").doc.metadata.stdout, "")
  t:eq(call("/0.1.0?timeout=3000", "x").status, 200)
  t:eq(call("/0.1.0?timeout=3001", "x").status, 400)
  r = s:send("POST", path, { body = "x", as = false })
  t:eq({ r.status, r.doc },
    { 200, { error = { message = "authorization required" } } })
end)

test("an algorithm can be told to raise", function(t)
  local s = sandboxes.start(t)
  s:create("Hello")
  local dir = s:clone(t, "Hello")
  local sha = sandboxes.commit(dir, ".sandbox-call-fails", "no such model\n")
  t:eq((sandboxes.push(dir)), 0)
  local path = "/v1/algo/acme/Hello/" .. sha
  local r = s:send("POST", path, { body = "x", type = "text/plain" })
  t:eq({ r.status, r.doc.error.message, r.doc.error.error_type },
    { 200, "no such model", "AlgorithmError" })
  t:eq(r.doc.error.stacktrace, r.doc.error.stack_trace)
  t:ok(r.doc.metadata.duration)
  t:eq(s:send("POST", path .. "?output=raw", { body = "x" }).status, 400)
  t:eq(#s:send("GET", "/v1/algorithms/acme/Hello/errors").doc, 1)
end)

test("a key's permissions are kept", function(t)
  local s = sandboxes.start(t)
  s:create("Hello", { source_visibility = "open" })
  s:send("POST", "/v1/algorithms/acme/Hello/compile", { json = {} })
  s:send("POST", "/v1/algorithms/acme/Hello/versions", { json = {
    settings = { algorithm_callability = "public" } } })
  local weak = { as = "carol", label = "weak" }
  local function send(method, path, body)
    return s:send(method, path, { as = weak.as, label = weak.label,
      body = body, type = "text/plain" })
  end
  t:eq(send("POST", "/v1/algo/acme/Hello", "x").status, 403)
  t:eq(s:send("POST", "/v1/algo/acme/Hello", { as = "carol", body = "x",
    type = "text/plain" }).doc.result, "hello x")
  t:eq(send("GET", "/v1/algorithms/acme/Hello").status, 200)
  t:eq(s:send("POST", "/v1/algorithms/carol", { as = "carol",
    label = "weak", json = s:body("Mine") }).status, 403)
end)

test("a hostile client gets a clean refusal", function(t)
  local s = sandboxes.start(t)
  s:create("Hello")
  local function refused(method, path, opts)
    local r = s:send(method, path, opts)
    t:ok(r.status >= 400 and r.status < 500, path .. " " .. r.status)
    t:ok(code(r) or type(r.doc.error) == "string", r.body)
    t:no(r.body:find("traceback", 1, true))
    t:no(r.body:find("lualib", 1, true))
    return r
  end
  for _, path in ipairs({ "/v1/algorithms/%2e%2e/x", "/v1/algorithms/a%00b/x",
    "/v1/algorithms/acme/..%2f..%2fkeys", "/v1/algorithms/acme/%ff",
    "/v1/algorithms/acme/%zz", "/v1/algorithms/acme/%", "/v1/algorithms//x",
    "/v1/algorithms/acme/Hello/builds/..%5c..",
    "/v1/algorithms/acme/Hello/builds/%2e%2e/logs",
    "/v1/algo/%2e%2e/x", "/v1/scms/%2e%2e", "/", "/v1", "//v1//algorithms",
    "/v1/algorithms/" .. ("a"):rep(5000) .. "/x" }) do
    refused(path:find("/algo/") and "POST" or "GET", path)
  end
  refused("GET", "/v1/algorithms/acme/Hello/builds?limit=%ff")
  local post = "/v1/algorithms/acme"
  t:eq(code(refused("POST", post, { body = "" })), 2013)
  t:eq(code(refused("POST", post, { body = "{" })), 2013)
  t:eq(code(refused("POST", post, { body = "[]" })), 2013)
  t:eq(code(refused("POST", post, { body = "null" })), 2013)
  t:eq(code(refused("POST", post, { body = '{"a":1,"a":2}' })), 2013)
  t:eq(code(refused("POST", post, { body = '{"a":"\255"}' })), 2013)
  t:eq(code(refused("POST", post,
    { body = ("["):rep(100000) .. ("]"):rep(100000) })), 2013)
  t:eq(code(refused("POST", post, { body = "a=b",
    type = "application/x-www-form-urlencoded" })), 2013)
  t:eq(refused("POST", post, { body = ("x"):rep(5 << 20) }).status, 413)
  t:eq(refused("POST", "/v1/algo/acme/Hello",
    { body = ("x"):rep(11 << 20), type = "text/plain" }).status, 413)
  for _, field in ipairs({ "name", "details", "settings", "version_info",
    "source" }) do
    for _, value in ipairs({ 1, true, "x", json.array({}) }) do
      local body = s:body("Other")
      body[field] = value
      if field ~= "name" or value ~= "x" then
        refused("POST", post, { json = body, })
      end
    end
  end
  t:eq(#s:send("GET", "/v1/users/acme/algorithms").doc, 1)
end)

test("faults that were asked for", function(t)
  local s = sandboxes.start(t, { options = {
    rate_limit = { every = 2, status = 429, retry_after = 3 } } })
  s.sandbox.count = 0
  t:eq(s:send("GET", "/v1/scms").status, 200)
  local r = s:send("GET", "/v1/scms")
  t:eq({ r.status, r.headers["retry-after"] }, { 429, "3" })
  s.sandbox.options.rate_limit = nil
  s.sandbox.options.one_key = true
  t:eq(s:send("GET", "/v1/data/", { as = "admin" }).status, 200)
  t:eq(s:send("GET", EDGE .. "/environments/available").status, 200)
  s.sandbox.options.create_status = 200
  local body = s:body("Other")
  body.settings.algorithm_environment = "abcd-123"
  t:eq(s:send("POST", "/v1/algorithms/acme", { json = body }).status, 400)
  s.sandbox.options.accept_unknown_environment = true
  t:eq(s:send("POST", "/v1/algorithms/acme", { json = body }).status, 200)
  r = s:send("POST", "/v1/algorithms/acme/Other/compile", { json = {} })
  t:eq({ r.status, r.doc.compilation.successful }, { 200, false })
  t:match(r.doc.compilation.output, "abcd%-123")
  s.sandbox.options.error_shape = "B"
  r = s:send("GET", "/v1/algorithms/acme/None")
  t:eq({ r.status, r.doc.code }, { 404, 1000 })
end)

test("it can behave as other clusters do", function(t)
  local s = sandboxes.start(t, { options = { next_link_scheme = "https",
    versions_by_hash_only = true, no_version_repositories = true,
    max_limit = 10, error_shape = "C" } })
  s:create("Hello")
  local path = "/v1/algorithms/acme/Hello"
  for _ = 1, 2 do s:send("POST", path .. "/compile", { json = {} }) end
  s:send("POST", path .. "/versions", { json = {} })
  t:match(s:send("GET", path .. "/builds?limit=1").doc.next_link, "^https://")
  t:eq(s:send("GET", path .. "/versions/0.1.0").status, 404)
  local r = s:send("GET", path .. "/builds?limit=11")
  t:eq({ r.status, type(r.doc.error) }, { 400, "string" })
  t:ok(sandboxes.run({ "git", "ls-remote", s:url("acme/Hello/0.1.0") }) ~= 0)
  t:eq((sandboxes.run({ "git", "ls-remote", s:url("acme/Hello") })), 0)
end)

test("it listens on loopback only, unless told otherwise", function(t)
  local s = sandboxes.start(t)
  t:match(s.api, "^http://127%.0%.0%.1:%d+$")
  local r = core.send({ url = s.api:gsub("127%.0%.0%.1", "127.0.0.2"),
    timeout = 5 })
  t:eq(r, nil)
end)
