-- The sandbox's users over HTTP: create, update, delete, lists, what hangs on
-- one.
local json = require("godwit.core.json")
local sandboxes = require("support.sandboxes")
local task = require("godwit.task")

local code = sandboxes.code

local function ask(s, method, path, body, opts)
  opts = opts or {}
  if opts.as == nil then opts.as = "admin" end
  opts.json = body
  return s:send(method, path, opts)
end

local function answer(r) return { r.status, code(r) } end

local function create(s, name, change)
  local body = { username = name, email = name .. "@example.com" }
  for k, v in pairs(change or {}) do body[k] = v end
  return ask(s, "POST", "/v1/users", body)
end

test("a user is created as clients ask for it", function(t)
  local s = sandboxes.start(t)
  local r = create(s, "dora", { passwordHash = "", shouldCreateHello = false,
    company_name = "ACME", company_role = json.null, future = { 1 } })
  t:eq(r.status, 200)
  t:match(r.doc.id, "^%x+%-%x+%-4%x+%-%x+%-%x+$")
  t:eq(r.doc, { id = r.doc.id, username = "dora", email = "dora@example.com",
    fullname = "dora", company_name = "ACME", resource_type = "user",
    self_link = s.api .. "/v1/users/dora" })
  t:eq(ask(s, "GET", "/v1/users/dora").doc, r.doc)
  t:eq(ask(s, "GET", "/v1/users/" .. r.doc.id).doc, r.doc)
  t:eq(ask(s, "GET", "/v1/users/dora/algorithms").doc, {})
  -- the key of an official client without a scheme
  t:eq(s:send("POST", "/v1/users", { auth = s:key("admin"), json = {
    username = "emil", email = "emil@example.com" } }).status, 200)
  s:stop() -- what was answered is there when it starts again
  s = sandboxes.start(t, { dir = s.dir })
  t:eq(ask(s, "GET", "/v1/users/dora").doc.id, r.doc.id)
end)

test("a sample algorithm is made where it is asked for", function(t)
  local s = sandboxes.start(t)
  create(s, "dora", { shouldCreateHello = true })
  local list = s:send("GET", "/v1/users/dora/algorithms", { as = "dora" }).doc
  t:eq({ #list, list[1].algoname }, { 1, "Hello" })
end)

test("what is no user is refused", function(t)
  local s = sandboxes.start(t)
  local long = ("x"):rep(30)
  for _, case in ipairs({
    { {}, 3005 }, { { username = "x" }, 3005 },
    { { username = "", email = "x@example.com" }, 3005 },
    { { username = json.null, email = "x@example.com" }, 3005 },
    { { username = 5, email = "x@example.com" }, 3001 },
    { { username = "x", email = { "x@example.com" } }, 3001 },
    { { username = "a-b", email = "x@example.com" }, 6001 },
    { { username = "1a", email = "x@example.com" }, 6001 },
    { { username = long .. "x", email = "x@example.com" }, 6001 },
    { { username = "x", email = "x" }, 6001 },
    { { username = "x", email = "x@example" }, 6001 },
    { { username = "x", email = "x@example.toolong" }, 6001 },
    { { username = "x", email = "x@exam_ple.com" }, 6001 },
    { { username = "x", email = ("x"):rep(90) .. "@example.com" }, 6001 },
    { { username = "x", email = "x@example.com",
      fullname = ("x"):rep(101) }, 6001 },
    { { username = "x", email = "x@example.com",
      company_role = ("x"):rep(201) }, 6001 },
    { { username = "x", email = "x@example.com", shouldCreateHello = "no" },
      6001 },
  }) do
    t:eq(answer(ask(s, "POST", "/v1/users", case[1])), { 400, case[2] },
      json.encode(case[1]))
  end
  for _, text in ipairs({ "", "[]", "7", "{", "username=x&email=x" }) do
    t:eq(answer(s:send("POST", "/v1/users", { as = "admin", body = text,
      type = "application/x-www-form-urlencoded" })), { 400, 3001 }, text)
  end
  t:eq(#ask(s, "GET", "/v1/users").doc.results, 3)
  t:eq(create(s, long, { fullname = ("ä"):rep(100) }).status, 200)
end)

test("users and organizations have one name space; addresses are taken once",
  function(t)
    local s = sandboxes.start(t)
    t:eq(answer(create(s, "alice", { email = "new@example.com" })),
      { 409, 3003 })
    t:eq(answer(create(s, "acme")), { 409, 3003 })
    t:eq(answer(create(s, "dora", { email = "ALICE@example.com" })),
      { 409, 3004 })
    t:eq(create(s, "Alice", { email = "other@example.com" }).status, 200)
  end)

test("an update keeps name and address, and what it does not say", function(t)
  local s = sandboxes.start(t)
  local made = create(s, "dora", { company_name = "ACME" }).doc
  local body = { username = "dora", email = "dora@example.com",
    fullname = "Dora D", company_name = json.null }
  for _, ref in ipairs({ "dora", made.id, made.id:upper() }) do
    local r = ask(s, "PUT", "/v1/users/" .. ref, body)
    t:eq({ r.status, r.doc.fullname, r.doc.company_name, r.doc.id },
      { 200, "Dora D", "ACME", made.id })
  end
  body.username = "emil"
  t:eq(answer(ask(s, "PUT", "/v1/users/dora", body)), { 400, 3007 })
  body.username, body.email = "dora", "d@example.com"
  t:eq(answer(ask(s, "PUT", "/v1/users/dora", body)), { 400, 3008 })
  body.email = nil
  t:eq(answer(ask(s, "PUT", "/v1/users/dora", body)), { 400, 3005 })
  t:eq(answer(ask(s, "PUT", "/v1/users/dora", json.array({}))), { 400, 3001 })
  t:eq(answer(ask(s, "PUT", "/v1/users/nobody", body)), { 404, 3000 })
  t:eq(ask(s, "GET", "/v1/users/dora").doc.email, "dora@example.com")
end)

test("a deleted user's name and address are burnt", function(t)
  local s = sandboxes.start(t)
  create(s, "dora", { shouldCreateHello = true })
  ask(s, "PUT", "/v1/organizations/acme/members/dora")
  local key = s:key("dora")
  local r = s:send("DELETE", "/v1/users/dora", { as = "admin",
    body = "" })
  t:eq({ r.status, r.body }, { 204, "" })
  t:eq(answer(ask(s, "GET", "/v1/users/dora")), { 404, 3000 })
  t:eq(answer(ask(s, "DELETE", "/v1/users/dora")), { 404, 3000 })
  t:eq(answer(s:send("GET", "/v1/data/", { auth = key })), { 401, 2002 })
  t:eq(answer(ask(s, "GET", "/v1/users/dora/algorithms")), { 404, 3000 })
  t:eq(#ask(s, "GET", "/v1/organizations/acme/members").doc.results, 2)
  s:stop()
  s = sandboxes.start(t, { dir = s.dir })
  t:eq(answer(create(s, "dora", { email = "n@example.com" })), { 409, 3003 })
  t:eq(answer(create(s, "emil", { email = "Dora@example.com" })),
    { 409, 3004 })
  t:eq(answer(ask(s, "POST", "/v1/organizations", { org_name = "dora",
    org_label = "d", org_contact_name = "d", org_email = "d@example.com",
    type_id = ask(s, "GET", "/v1/organization/types").doc[1].id })),
    { 409, 3104 })
  -- alone at the head of one, nobody goes
  t:eq(answer(ask(s, "DELETE", "/v1/users/bob")), { 400, 3102 })
end)

test("lists come by name, in pages", function(t)
  local s = sandboxes.start(t, { options = { next_link_scheme = "http" } })
  for i = 1, 5 do create(s, "u" .. i) end
  local seen, query = {}, "?limit=3"
  repeat
    local doc = ask(s, "GET", "/v1/users" .. query).doc
    for _, u in ipairs(doc.results) do seen[#seen + 1] = u.username end
    local more = doc.marker ~= json.null
    t:eq(more, doc.next_link ~= json.null)
    query = more and "?limit=3&marker=" .. doc.marker
  until not query
  t:eq(seen, { "alice", "bob", "carol", "u1", "u2", "u3", "u4", "u5" })
  t:eq(#ask(s, "GET", "/v1/users?limit=100").doc.results, 8)
  for _, limit in ipairs({ "0", "101", "x", "-1", "1.5" }) do
    t:eq(answer(ask(s, "GET", "/v1/users?limit=" .. limit)), { 400, 5003 })
  end
  for _, marker in ipairs({ "%21", "abc", "eyJsYXN0IjoxfQ" }) do
    t:eq(answer(ask(s, "GET", "/v1/users?marker=" .. marker)), { 400, 5002 })
  end
end)

test("a list goes on where it was, whoever comes and goes", function(t)
  local s = sandboxes.start(t)
  local first = ask(s, "GET", "/v1/users?limit=2").doc
  ask(s, "PUT", "/v1/organizations/labs/members/alice")
  create(s, "aaron")
  create(s, "bobby")
  t:eq(ask(s, "DELETE", "/v1/users/carol").status, 204)
  local rest = ask(s, "GET", "/v1/users?marker=" .. first.marker).doc
  t:eq({ #rest.results, rest.results[1].username }, { 1, "bobby" })
  -- somebody else may write into the folder; its time has to be another one
  task.sleep(0.05)
  local f = assert(io.open(s.dir .. "/users/zoe.json", "w"))
  f:write('{"id":"z","username":"zoe","email":"zoe@example.com"}')
  f:close()
  t:eq(#ask(s, "GET", "/v1/users").doc.results, 5)
  t:eq(answer(create(s, "zora", { email = "zoe@example.com" })), { 409, 3004 })
end)

test("the answer for a missing one is the cluster's", function(t)
  local s = sandboxes.start(t, { options = { missing_account_status = 409 } })
  t:eq(answer(ask(s, "GET", "/v1/users/nobody")), { 409, 3000 })
  t:eq(answer(ask(s, "GET", "/v1/organizations/none")), { 409, 3100 })
  t:eq(answer(ask(s, "PUT", "/v1/users/nobody", {})), { 404, 3000 })
end)

test("every change needs an admin key", function(t)
  local s = sandboxes.start(t)
  for _, route in ipairs({ "POST /v1/users", "PUT /v1/users/bob",
    "DELETE /v1/users/bob", "POST /v1/organizations",
    "PUT /v1/organizations/acme", "DELETE /v1/organizations/acme",
    "GET /v1/organizations/acme/members",
    "PUT /v1/organizations/acme/members/carol",
    "DELETE /v1/organizations/acme/members/bob",
    "GET /v1/organizations/acme/keys", "GET /v1/organization/types",
    "POST /v1/organization/types", "DELETE /v1/organization/types/basic",
    "POST /v1/organizations/acme/members/bob/keys",
    "POST /v1/admin/users/bob/keys", "GET /v1/organizations/externalId/x",
    "GET /v1/users/bob/notifications?event_types=a" }) do
    local method, path = route:match("^(%S+) (%S+)$")
    t:eq(answer(ask(s, method, path, nil, { as = "bob" })), { 403, 2001 },
      route)
    t:eq(answer(ask(s, method, path, nil, { as = false })), { 401, 2002 },
      route)
  end
  t:eq(#ask(s, "GET", "/v1/users").doc.results, 3)
end)

test("errors, notifications, connectors", function(t)
  local s = sandboxes.start(t)
  local bob = ask(s, "GET", "/v1/users/bob").doc.id
  t:eq(s:send("GET", "/v1/users/" .. bob .. "/errors", { as = "bob" }).doc, {})
  t:eq(answer(s:send("GET", "/v1/users/" .. bob .. "/errors",
    { as = "carol" })), { 403, 2001 })
  t:eq(answer(s:send("GET", "/v1/users/" .. bob .. "/errors",
    { as = "admin" })), { 403, 2001 })
  t:eq(s:send("GET", "/v1/users/nobody/errors", { as = "bob" }).doc, {})
  local path = "/v1/users/" .. bob .. "/notifications"
  t:eq(answer(ask(s, "GET", path)), { 400, 8060 })
  t:eq(answer(ask(s, "GET", path .. "?event_types=a&limit=101")),
    { 400, 5003 })
  t:eq(ask(s, "GET", path .. "?event_types=algorithm-release").doc, {})

  path = "/v1/users/bob/connectors"
  local body = { username = "bob", protocol = "s3", cred_type = "iam",
    label = "models", cred_data = { access_key_id = "AKIA",
      secret_access_key = "hunter2-is-secret" } }
  local r = ask(s, "POST", path, body, { as = "bob" })
  t:eq({ r.status, r.doc }, { 200, { connector_id = "s3+models",
    username = "bob", label = "models", protocol = "s3", is_default = false,
    permissions = { "read" } } })
  t:eq(answer(ask(s, "POST", path, body)), { 409, 6001 })
  local f = assert(io.open(s.dir .. "/connectors/bob.json"))
  t:no(f:read("a"):find("hunter2", 1, true))
  f:close()
  body.is_default = true
  t:eq(ask(s, "POST", path, body).doc.connector_id, "s3")
  t:eq(answer(ask(s, "POST", path, body, { as = "carol" })), { 403, 2001 })
  for field, wrong in pairs({ protocol = "ftp", cred_type = "none",
    label = "a b", writeable = "yes", cred_data = json.array({}) }) do
    local bad = {}
    for k, v in pairs(body) do bad[k] = v end
    bad[field] = wrong
    t:eq(answer(ask(s, "POST", path, bad)), { 400, 6001 }, field)
  end
  -- One without a label is the default of its kind.
  body.label, body.is_default, body.protocol = nil, nil, "gs"
  r = ask(s, "POST", path, body)
  t:eq({ r.status, r.doc.connector_id, r.doc.is_default }, { 200, "gs", true })
  t:eq(answer(ask(s, "POST", path, body)), { 409, 6001 })
  body.label = ""
  t:eq(answer(ask(s, "POST", path, body)), { 409, 6001 })
  body.username = "carol"
  t:eq(answer(ask(s, "POST", path, body)), { 400, 3007 })
  body.cred_data = nil
  t:eq(answer(ask(s, "POST", path, body)), { 400, 3005 })
end)

test("an archive from elsewhere is looked at before it is shown", function(t)
  local s = sandboxes.start(t)
  local function write(name, text)
    local f = assert(io.open(s.dir .. "/" .. name, "w"))
    f:write(text)
    f:close()
  end
  write("users/bad.json", '[1]')
  t:eq(answer(ask(s, "GET", "/v1/users/bad")), { 500, 5001 })
  write("users/bad.json", '{"username":"../x","email":"x"}')
  t:eq(answer(ask(s, "GET", "/v1/users/bad")), { 500, 5001 })
  write("users/bad.json", '{"email":["x"],"id":7}')
  t:eq(ask(s, "GET", "/v1/users/bad").doc, { username = "bad",
    resource_type = "user", self_link = s.api .. "/v1/users/bad" })
  t:eq(create(s, "dora").status, 200)
  write("organizations/acme.json",
    '{"org_name":"acme","members":[{"username":"../../x"}]}')
  t:eq(answer(ask(s, "GET", "/v1/organizations/acme")), { 500, 5001 })
  write("organizations/acme.json", '{"org_name":"acme","org_label":[],'
    .. '"external_admin_group":{"x":1},'
    .. '"members":[{"username":"bob","role":"king"}]}')
  local doc = ask(s, "GET", "/v1/organizations/acme").doc
  t:eq({ doc.org_label, doc.external_admin_group }, { nil, json.null })
  t:eq(ask(s, "GET", "/v1/organizations/acme/members").doc.results[1].role,
    "unknown")
  write("burnt.json", '{"usernames":3}')
  t:eq(answer(create(s, "emil")), { 500, 5001 })
end)

test("a deletion that broke off is done by the next one", function(t)
  local s = sandboxes.start(t)
  create(s, "dora", { shouldCreateHello = true })
  ask(s, "PUT", "/v1/organizations/acme/members/dora")
  local store = s.sandbox.store
  local remove = store.remove
  store.remove = function(self, name)
    if name == "users/dora.json" then error("the disk is gone") end
    return remove(self, name)
  end
  t:eq(answer(ask(s, "DELETE", "/v1/users/dora")), { 500, 5001 })
  store.remove = nil
  t:eq(ask(s, "GET", "/v1/users/dora").status, 200)
  t:eq(#ask(s, "GET", "/v1/organizations/acme/members").doc.results, 2)
  t:eq(ask(s, "DELETE", "/v1/users/dora").status, 204)
  t:eq(answer(create(s, "dora", { email = "n@example.com" })), { 409, 3003 })
end)

test("a viewer of the cluster reads everything and changes nothing",
  function(t)
    local s = sandboxes.start(t)
    s:create("Hello")
    s:send("POST", "/v1/algorithms/acme/Hello/compile", { json = {} })
    local path = "/v1/algorithms/acme/Hello"
    local function sees(as)
      return s:send("GET", path, { as = as }).status,
        s:send("GET", path .. "/builds", { as = as }).status,
        #s:send("GET", "/v1/users/acme/algorithms", { as = as }).doc
    end
    local role = "/admin/roles/carol/cluster_viewer"
    t:eq({ sees("carol") }, { 404, 404, 0 })
    t:eq(answer(ask(s, "POST", role, nil, { as = "bob" })), { 403, 2001 })
    t:eq(answer(ask(s, "POST", "/admin/roles/nobody/cluster_viewer")),
      { 404, 3000 })
    t:eq(ask(s, "POST", "/admin/roles/carol/king").status, 404)
    t:eq(ask(s, "POST", role).status, 204)
    t:eq({ sees("carol") }, { 200, 200, 1 })
    for _, method in ipairs({ "PUT", "DELETE" }) do
      t:eq(answer(s:send(method, path, { as = "carol", json = {} })),
        { 403, 2001 })
    end
    t:eq(answer(s:send("POST", path .. "/versions", { as = "carol",
      json = {} })), { 403, 2001 })
    t:eq(ask(s, "DELETE", role).status, 204)
    t:eq({ sees("carol") }, { 404, 404, 0 })
  end)
