-- SCMs as an administrator makes them, and an account's connection to one.
local json = require("godwit.core.json")
local fs = require("godwit.core.fs")
local sandboxes = require("support.sandboxes")

local code = sandboxes.code

local function ask(s, method, path, body, opts)
  opts = opts or {}
  if opts.as == nil then opts.as = "admin" end
  opts.json = body
  return s:send(method, path, opts)
end

local function answer(r) return { r.status, code(r) } end

local function urls(host)
  return { web = "https://" .. host, api = "https://" .. host .. "/api/v3",
    ssh = "ssh://git@" .. host }
end

local function body_of(change)
  local body = { provider = "github", name = "Git", id = "hub",
    urls = urls("git.example.com"), oauth = { client_id = "abc",
      client_secret = "hunter2-is-secret" } }
  for k, v in pairs(change or {}) do
    body[k] = v
    if v == "-" then body[k] = nil end
  end
  return body
end

local ADMIN = "/v1/admin/scms"

local function create(s, change)
  return ask(s, "POST", ADMIN, body_of(change))
end

test("an SCM is created and read with any key; its secret is not kept",
  function(t)
    local s = sandboxes.start(t)
    local r = create(s)
    t:eq({ r.status, r.doc }, { 201, { id = "hub", provider = "github",
      name = "Git", enabled = true, default = false,
      urls = urls("git.example.com"), oauth = { client_id = "abc" } } })
    for _, as in ipairs({ "bob", "admin" }) do
      t:eq(ask(s, "GET", "/v1/scms/hub", nil, { as = as }).doc, r.doc)
      local list = ask(s, "GET", "/v1/scms", nil, { as = as }).doc.results
      t:eq({ #list, list[1].id, list[2].id }, { 2, "internal", "hub" })
    end
    t:no(fs.read(s.dir .. "/scms.json"):find("hunter2", 1, true))
    t:eq(answer(ask(s, "GET", "/v1/scms/none")), { 404, 4009 })
    r = create(s, { id = "-", provider = "bitbucket_cloud", enabled = false })
    t:eq({ r.status, r.doc.provider, r.doc.enabled },
      { 201, "bitbucket-cloud", false })
    t:match(r.doc.id, "^%x+%-%x+%-")
    r = create(s, { id = "server", provider = "bitbucket", oauth = "-",
      scm = { project_key = "PRJ" } })
    t:eq({ r.status, r.doc.scm }, { 201, { project_key = "PRJ" } })
    local other = sandboxes.start(t, { options = { scms_need_admin = true } })
    t:eq(answer(ask(other, "GET", "/v1/scms", nil, { as = "bob" })),
      { 403, 2001 })
    t:eq(ask(other, "GET", "/v1/scms").status, 200)
  end)

test("what is no SCM is refused", function(t)
  local s = sandboxes.start(t)
  local function refused(change) return answer(create(s, change)) end
  t:eq(refused({ provider = "internal" }), { 400, 4045 })
  t:eq(refused({ id = "internal" }), { 400, 4045 })
  for _, change in ipairs({ { provider = "-" }, { provider = "svn" },
    { provider = 7 }, { urls = "-" }, { urls = "https://x" },
    { urls = { web = "https://x" } }, { id = "a/b" }, { oauth = "-" },
    { oauth = { client_id = 7 } }, { oauth = "x" }, { enabled = "yes" },
    { urls = { web = "ftp://x", api = "https://x", ssh = "ssh://x" } },
    { urls = { web = "https://x", api = "https://x", ssh = "x" } } }) do
    t:eq(refused(change), { 400, 4020 }, json.encode(change))
  end
  t:eq(answer(ask(s, "POST", ADMIN, json.array({}))), { 400, 4020 })
  t:eq(create(s).status, 201)
  t:eq(refused(), { 409, 4044 })
  t:eq(refused({ id = "other" }), { 409, 4044 })
  t:eq(refused({ urls = urls("other.example.com") }), { 409, 4044 })
  t:eq(create(s, { id = "other", oauth = { client_id = "def" } }).status, 201)
  t:eq(answer(ask(s, "POST", ADMIN, body_of({ id = "x" }), { as = "bob" })),
    { 403, 2001 })
  t:eq(answer(ask(s, "POST", ADMIN, body_of({ id = "x" }), { as = false })),
    { 401, 2002 })
end)

test("one is enabled, disabled, moved and made the default", function(t)
  local s = sandboxes.start(t)
  create(s)
  local path = ADMIN .. "/hub"
  local function patch(body) return answer(ask(s, "PATCH", path, body)) end
  local moved = ask(s, "PATCH", path, { urls = urls("new.example.com") })
  t:eq({ moved.status, moved.doc.urls, moved.doc.enabled },
    { 200, urls("new.example.com"), true })
  t:eq(patch({ urls = { web = "https://x" } }), { 400, 4021 })
  t:eq(patch({ enabled = 1 }), { 400, 4021 })
  t:eq(patch(json.array({})), { 400, 4021 })
  t:eq(ask(s, "PATCH", path, { enabled = false }).doc.enabled, false)
  t:eq(answer(ask(s, "POST", path .. "/default")), { 400, 4042 })
  t:eq(ask(s, "PATCH", path, { enabled = true, name = "no" }).doc.name, "Git")
  local r = s:send("POST", path .. "/default", { as = "admin", body = "" })
  t:eq({ r.status, r.body }, { 204, "" })
  t:eq({ ask(s, "GET", "/v1/scms/hub").doc.default,
    ask(s, "GET", "/v1/scms/internal").doc.default }, { true, false })
  t:eq(patch({ enabled = false }), { 400, 4041 })
  t:eq(answer(ask(s, "PATCH", ADMIN .. "/none", {})), { 404, 4009 })
  t:eq(answer(ask(s, "POST", ADMIN .. "/none/default")), { 404, 4009 })
  t:eq(answer(ask(s, "PATCH", ADMIN .. "/internal",
    { urls = urls("x.example.com") })), { 400, 4045 })
end)

test("one is removed when nothing holds it", function(t)
  local s = sandboxes.start(t, { seed = "demo-dev" })
  local github = ask(s, "GET", "/v1/scms").doc.results[2].id
  create(s)
  local function delete(id) return answer(ask(s, "DELETE", ADMIN .. "/" .. id))
  end
  t:eq(delete("internal"), { 400, 4045 })
  t:eq(delete("none"), { 404, 4009 })
  t:eq(delete("hub"), { 400, 4040 })
  ask(s, "POST", ADMIN .. "/hub/default")
  t:eq(delete("hub"), { 400, 4041 })
  ask(s, "POST", ADMIN .. "/internal/default")
  ask(s, "PATCH", ADMIN .. "/" .. github, { enabled = false })
  t:eq(delete(github), { 400, 4043 }) -- acme/Geocode has its code there
  ask(s, "PATCH", ADMIN .. "/hub", { enabled = false })
  local r = s:send("DELETE", ADMIN .. "/hub", { as = "admin", body = "" })
  t:eq({ r.status, r.body }, { 204, "" })
  t:eq(#ask(s, "GET", "/v1/scms").doc.results, 2)
end)

test("a connection is revoked and made again, as far as a key can",
  function(t)
    local s = sandboxes.start(t)
    local keys_file = s.dir .. "/keys.json"
    local doc = json.decode(fs.read(keys_file))
    doc.hosts = { ["https://git.example.com"] = { user = "bot", key = "k",
      account = "acme" } }
    local f = assert(io.open(keys_file, "w"))
    f:write(json.encode(doc))
    f:close()
    create(s, { id = "server", provider = "bitbucket", oauth = "-" })
    local function status(as, way)
      return ask(s, "GET", "/v1/scms/server/" .. (way or "token")
        .. "/status", nil, { as = as }).doc.authorization_status
    end
    t:eq({ status("bob"), status("bob", "oauth") },
      { "authorized", "authorized" })
    local r = s:send("POST", "/v1/scms/server/oauth/revoke", { as = "bob",
      body = "" })
    t:eq({ r.status, r.body }, { 204, "" })
    t:eq({ status("bob"), status("alice") },
      { "unauthorized", "authorized" })
    local body = s:body("Out")
    body.source = { scm = "server" }
    t:eq(answer(ask(s, "POST", "/v1/algorithms/bob", body, { as = "bob" })),
      { 400, 4008 })
    t:eq(s:send("POST", "/v1/scms/server/token/connect", { as = "bob",
      body = "" }).status, 200)
    t:eq(status("bob"), "authorized")
    t:eq(answer(ask(s, "POST", "/v1/scms/internal/token/connect", {},
      { as = "bob" })), { 400, 4050 })
    t:eq(ask(s, "GET", "/v1/scms/internal/oauth/status", nil, { as = "bob" })
      .doc, { authorization_status = "unauthorized" })
    t:eq(ask(s, "POST", "/v1/scms/internal/oauth/revoke", nil,
      { as = "bob" }).status, 204)
    t:eq(answer(ask(s, "POST", "/v1/scms/none/oauth/revoke", nil,
      { as = "bob" })), { 404, 4009 })
  end)
