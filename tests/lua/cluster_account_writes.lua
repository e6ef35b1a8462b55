-- Users, organizations, members and keys: what a live cluster is told, what a
-- lost answer leads to, and that no key's text is ever shown.
local handle = require("godwit.cluster.handle")
local http = require("godwit.cluster.http")
local json = require("godwit.core.json")
local odd = require("support.oddcluster")
local secret = require("godwit.core.secret")
local settle = require("godwit.effect.settle")

settle.timing.scale = 0.01

local CANARY = "simCanaryCanaryCanaryCanary1"

local function driver_of(t, routes, more)
  local server = odd.start(t, routes)
  local fields = { admin_key = secret.new("simAdminKeyOfOdd000000000001",
    { label = "odd admin", origins = { server.url } }) }
  for k, v in pairs(more or {}) do fields[k] = v end
  return http.open(server:profile(fields)), server
end

local function sent(server, method)
  local out = {}
  for _, r in ipairs(server.requests) do
    if r.method == method then out[#out + 1] = r end
  end
  return out
end

local ANN = { username = "ann", email = "ann@example.com", fullname = "Ann" }
local NONE = { status = 404, json = { error = { code = 3000, message = "no" } } }

test("a user is created without a sample algorithm", function(t)
  local d, server = driver_of(t, { ["GET /v1/users/ann"] = NONE,
    ["POST /v1/users"] = { status = 201, json = ANN } })
  t:eq(d:create_user { username = "ann", email = "ann@example.com",
    fullname = "Ann", company_name = "", id = "other", x = 1 }.username, "ann")
  local post = sent(server, "POST")[1]
  t:eq(json.decode(post.body), { username = "ann", email = "ann@example.com",
    fullname = "Ann", shouldCreateHello = false })
  t:match(post.headers.authorization or post.headers.Authorization,
    "simAdminKeyOfOdd")
end)

test("an answer without a document is followed by a look", function(t)
  local d = driver_of(t, { ["GET /v1/users/ann"] = { NONE, { json = ANN } },
    ["POST /v1/users"] = { status = 200 } })
  t:eq(d:create_user(ANN).fullname, "Ann")
end)

test("a taken name is refused, before or by the cluster", function(t)
  local d, server = driver_of(t, { ["GET /v1/users/ann"] = { json = ANN } })
  t:raises("exists", d.create_user, "odd:user/ann exists already", d, ANN)
  t:eq(#sent(server, "POST"), 0)
  d = driver_of(t, { ["GET /v1/users/ann"] = NONE, ["POST /v1/users"] = {
    status = 409, json = { error = { code = 3004, message = "taken" } } } })
  t:eq(t:raises("exists", d.create_user, nil, d, ANN).code, 3004)
end)

test("a lost create is looked for: ours, not there, somebody else's",
  function(t)
    local d, server = driver_of(t, {
      ["GET /v1/users/ann"] = { NONE, { json = { username = "ann",
        email = "ANN@example.com", fullname = "Ann" } } },
      ["POST /v1/users"] = function(_, req) odd.cut(req) end })
    t:eq(d:create_user(ANN).email, "ANN@example.com")
    t:eq(#sent(server, "POST"), 1)

    local posts = 0
    d, server = driver_of(t, { ["GET /v1/users/ann"] = NONE,
      ["POST /v1/users"] = function(_, req)
        posts = posts + 1
        if posts == 1 then odd.cut(req) end
        return { json = ANN }
      end })
    d:create_user(ANN)
    t:eq(posts, 2)

    d = driver_of(t, {
      ["GET /v1/users/ann"] = { NONE, { json = { username = "ann",
        email = "other@example.com" } } },
      ["POST /v1/users"] = function(_, req) odd.cut(req) end })
    local e = t:raises(nil, d.create_user, "not what was sent %(email%)", d,
      ANN)
    t:eq(e.in_doubt, true)
  end)

test("an update sends name and address as they are", function(t)
  local d, server = driver_of(t, {
    ["GET /v1/users/ann"] = { json = { username = "ann", id = "x",
      email = "Ann@example.com", company_role = json.null,
      self_link = "http://x" } },
    ["PUT /v1/users/ann"] = { json = ANN } })
  d:update_user("ann", { fullname = "Ann B", email = "new@example.com" })
  t:eq(json.decode(sent(server, "PUT")[1].body), { username = "ann",
    email = "Ann@example.com", fullname = "Ann B" })
  d = driver_of(t, { ["GET /v1/users/ann"] = NONE })
  t:raises("notfound", d.update_user, "odd has no user ann", d, "ann", {})
end)

local ACME = { org_name = "acme", org_label = "ACME", org_contact_name = "A",
  org_email = "a@example.com", type_id = "t1" }
local NO_ORG = { status = 409, json = { error = { code = 3100,
  message = "no" } } }

test("an organization is created and changed as a whole", function(t)
  local d, server = driver_of(t, {
    ["GET /v1/organizations/acme"] = { NO_ORG, { json = { org_name = "acme",
      org_label = "ACME", org_contact_name = "A", org_email = "a@example.com",
      type_id = "t1", id = "i", owner_ids = { "o" }, stripe_customer_id = "s",
      external_admin_group_id = { "g" }, external_id = json.null,
      resource_type = "organization" } } },
    ["POST /v1/organizations"] = { json = ACME },
    ["PUT /v1/organizations/acme"] = { status = 204 } })
  d:create_organization(ACME)
  t:eq(json.decode(sent(server, "POST")[1].body), ACME)
  t:eq(d:update_organization("acme", { org_label = "New",
    external_admin_group = "h" }).org_name, "acme")
  t:eq(json.decode(sent(server, "PUT")[1].body), { org_name = "acme",
    org_label = "New", org_contact_name = "A", org_email = "a@example.com",
    type_id = "t1", stripe_customer_id = "s", external_admin_group_id = "h" })
end)

-- An organization whose cluster takes what is missing for unset.
local function strict(t, was)
  local doc = { org_name = "acme", org_label = "Old", org_contact_name = "A",
    org_email = "a@example.com" }
  for k, v in pairs(was) do doc[k] = v end
  local d, server = driver_of(t, {
    ["GET /v1/organizations/acme"] = function() return { json = doc } end,
    ["PUT /v1/organizations/acme"] = function(req)
      doc = json.decode(req.body)
      return { status = 204 }
    end })
  return d, server, handle.new(d).organizations
end

test("what a patch leaves empty stays as it is", function(t)
  for _, nothing in ipairs({ json.null, "", {}, json.array({}) }) do
    local d, server = strict(t, { org_url = "http://old.example",
      external_admin_group = json.array({ "admins" }) })
    d:update_organization("acme", { org_label = "New", org_url = nothing,
      external_admin_group = nothing })
    t:eq(json.decode(sent(server, "PUT")[1].body), { org_name = "acme",
      org_label = "New", org_contact_name = "A", org_email = "a@example.com",
      org_url = "http://old.example", external_admin_group = { "admins" } })

    d, server = driver_of(t, { ["GET /v1/users/ann"] = { json = ANN },
      ["PUT /v1/users/ann"] = { json = ANN } })
    d:update_user("ann", { company_name = "C", fullname = nothing,
      company_role = nothing })
    t:eq(json.decode(sent(server, "PUT")[1].body), { username = "ann",
      email = "ann@example.com", fullname = "Ann", company_name = "C" })
  end
end)

test("groups are what they are, however they are spelled", function(t)
  for _, was in ipairs({ {}, { external_admin_group = "old" },
      { external_admin_group_id = "old" },
      { external_admin_group_id = json.null },
      { external_admin_group = json.null, external_admin_group_id = "old" } })
  do
    for _, group in ipairs({ "new", { "new", "more" },
        json.array({ "new", "more" }) }) do
      for _, spelling in ipairs({ "external_admin_group",
          "external_admin_group_id" }) do
        local _, server, orgs = strict(t, was)
        local spec = { org_name = "acme", [spelling] = group }
        t:eq(select(2, orgs:ensure(spec)), "updated")
        t:eq(select(2, orgs:ensure(spec)), "unchanged")
        local puts = sent(server, "PUT")
        local doc = json.decode(puts[1].body)
        local key = was.external_admin_group_id ~= nil
          and "external_admin_group_id" or "external_admin_group"
        t:eq({ #puts, doc[key] }, { 1, group })
        doc[key] = nil
        t:eq(doc, { org_name = "acme", org_label = "Old",
          org_contact_name = "A", org_email = "a@example.com" })
      end
    end
  end
end)

test("groups reach a cluster that spells them otherwise, at once", function(t)
  local doc
  local function take(req)
    doc = doc or { external_admin_group_id = json.null }
    for k, v in pairs(json.decode(req.body)) do
      doc[k] = k ~= "external_admin_group" and v or nil
    end
    return { json = doc }
  end
  local d, server = driver_of(t, {
    ["GET /v1/organizations/acme"] = function()
      return doc and { json = doc } or NO_ORG
    end,
    ["POST /v1/organizations"] = take, ["PUT /v1/organizations/acme"] = take })
  local sent_groups = json.array({ "g" })
  local spec = { external_admin_group = sent_groups }
  for k, v in pairs(ACME) do spec[k] = v end
  t:eq(d:create_organization(spec).external_admin_group_id, { "g" })
  t:eq(json.decode(sent(server, "PUT")[1].body).external_admin_group_id,
    { "g" })
  -- where there are none, or they arrived, nothing more is sent
  doc = nil
  d:create_organization(ACME)
  t:eq({ #sent(server, "POST"), #sent(server, "PUT") }, { 2, 1 })
end)

test("types of organizations are listed, made and checked", function(t)
  local d = driver_of(t, { ["GET /v1/organization/types"] = { json = {
    { id = "1", name = "basic" } } },
    ["POST /v1/organization/types"] = { json = { id = "2", name = "pro" } },
    ["GET /v1/organizations/externalId/e%2F1"] = { json = ACME } })
  t:eq(d:list_organization_types()[1].name, "basic")
  t:eq(d:create_organization_type("pro").id, "2")
  t:raises("exists", d.create_organization_type, nil, d, "basic")
  t:eq(driver_of(t, {}):list_organization_types(), {}) -- there is no such list
  for _, bad in ipairs({ { { id = "1" } }, { "x" }, { { name = 1, id = "2" } } })
  do
    d = driver_of(t, { ["GET /v1/organization/types"] = { json = bad } })
    t:raises("remote", d.list_organization_types, "without id or name", d)
  end
end)

test("an organization by its external id, or none", function(t)
  local d, server = driver_of(t, {
    ["GET /v1/organizations/externalId/e1"] = { json = ACME },
    ["GET /v1/organizations/externalId/e2"] = NO_ORG })
  t:eq(d:try_get_organization_by_external_id("e1").org_name, "acme")
  t:no(d:try_get_organization_by_external_id("e2"))
  t:eq(#server.requests, 2)
end)

test("members: added, there already, gone, the last owner", function(t)
  local puts = 0
  local d, server = driver_of(t, {
    ["PUT /v1/organizations/acme/members/ann"] = { status = 201 },
    ["PUT /v1/organizations/acme/members/bob"] = { status = 200 },
    ["PUT /v1/organizations/acme/members/eve"] = NONE,
    ["PUT /v1/organizations/acme/members/zed"] = function()
      puts = puts + 1
      return { status = puts == 1 and 502 or 200 }
    end,
    ["DELETE /v1/organizations/acme/members/bob"] = { status = 204 },
    ["DELETE /v1/organizations/acme/members/gus"] = NONE,
    ["DELETE /v1/organizations/acme/members/ann"] = { status = 400,
      json = { error = { code = 3102, message = "last" } } } })
  t:eq(d:add_member("acme", "ann"), "created")
  t:eq(d:add_member("acme", "bob"), "unchanged")
  t:eq(d:add_member("acme", "zed"), "created") -- by the answer that was lost
  t:raises("notfound", d.add_member, nil, d, "acme", "eve")
  d:remove_member("acme", "bob")
  d:remove_member("acme", "gus")
  t:raises("conflict", d.remove_member, nil, d, "acme", "ann")
  t:eq(sent(server, "PUT")[1].body, "")
  d = driver_of(t, {}, { protected = true })
  t:raises("refused", d.remove_member, "protected", d, "acme", "ann")
  t:raises("refused", d.delete_user, "protected", d, "ann")
end)

test("a member who was one is not added by an attempt that was turned away",
  function(t)
    for first, outcome in pairs({ [429] = "unchanged", [503] = "unchanged",
        [502] = "created" }) do
      local puts = 0
      local d = driver_of(t, {
        ["PUT /v1/organizations/acme/members/ann"] = function()
          puts = puts + 1
          return puts == 1 and { status = first,
            headers = first == 503 and { ["Retry-After"] = "0" } or nil }
            or { status = 200 }
        end })
      t:eq({ d:add_member("acme", "ann"), puts }, { outcome, 2 })
    end
  end)

test("members come once, with a role that is one", function(t)
  local d = driver_of(t, { ["GET /v1/organizations/acme/members"] = {
    { json = { results = { { username = "a", role = "owner" },
      { username = "b", role = 7 } }, marker = "m" } },
    { json = { results = { { username = "b" }, { username = "c",
      role = "member" } } } } } })
  local out = {}
  for m in d:each_member("acme") do out[#out + 1] = m.username .. m.role end
  t:eq(out, { "aowner", "bunknown", "cmember" })
  d = driver_of(t, { ["GET /v1/organizations/acme/members"] = {
    json = { results = { { username = "a/b" } } } } })
  t:raises("remote", d:each_member("acme"), "without a usable name")
end)

--- Keys --------------------------------------------------------------------

local SPEC = { label = "godwit", permissions = { allow_algo = true,
  algo_acl = json.array({ "algo://acme/*" }) } }
local KEYS = "POST /v1/organizations/acme/members/ann/keys"
local IMPORT = "POST /v1/admin/users/ann/keys"

local function no_canary(t, v)
  for _, text in ipairs({ tostring(v), type(v) == "table" and v.message or "",
      type(v) == "table" and tostring(v.traceback) or "" }) do
    t:no(text:find(CANARY, 1, true), text)
  end
end

test("an organization's key is opaque at once", function(t)
  local d, server = driver_of(t, { [KEYS] = { status = 201, json = {
    api_key = CANARY, api_key_mask = "sim****1", key_label = "godwit",
    owner_name = "acme", username = "ann" } } })
  local made = d:create_organization_key("acme", "ann", SPEC)
  t:ok(secret.is(made.key))
  t:eq({ made.label, made.mask, made.owner_name }, { "godwit", "sim****1",
    "acme" })
  t:eq(tostring(made.key), "[secret odd key of acme]")
  t:eq(json.decode(sent(server, "POST")[1].body), { key_label = "godwit",
    key_type = "AlgorithmKey", permissions = { allow_algo = true,
      algo_acl = { "algo://acme/*" } } })
  t:no(secret.redact("x" .. CANARY):find(CANARY, 1, true))
end)

test("a key is in no error, whatever the answer is", function(t)
  for _, answer in ipairs({
    { status = 201, body = '{"api_key":"' .. CANARY .. '"' },
    { status = 201, body = CANARY },
    { status = 201, json = { api_key = { CANARY } } },
    { status = 201, json = { key = CANARY } },
    { status = 201, json = CANARY },
    { status = 201, json = { api_key = "sim two\nacme " .. CANARY } },
    { status = 201, json = { api_key = "" } },
  }) do
    local d, server = driver_of(t, { [KEYS] = answer })
    local e = t:raises(nil, d.create_organization_key, "may have been made", d,
      "acme", "ann", SPEC)
    t:eq(e.in_doubt, true)
    no_canary(t, e)
    t:eq(#sent(server, "POST"), 1) -- never a second one
  end
  -- Refused with the key in the words: the filter knows it.
  local d = driver_of(t, { [KEYS] = { status = 200, json = {
    api_key = CANARY, error = { code = 1, message = "no " .. CANARY } } } })
  local e = t:raises(nil, d.create_organization_key, nil, d, "acme", "ann",
    SPEC)
  no_canary(t, secret.redact(tostring(e)))
end)

test("a key of ours is imported, and a lost answer is settled by using it",
  function(t)
    local key = secret.new(CANARY, { label = "mine", origins = {} })
    local d, server = driver_of(t, { [IMPORT] = { json = {
      api_key = CANARY, key_label = "godwit" } } })
    local made = d:import_key("ann", SPEC, key)
    t:ok(secret.is(made.key))
    t:eq(json.decode(sent(server, "POST")[1].body).api_key, CANARY)

    local posts = 0
    local function cut_once(_, req)
      posts = posts + 1
      if posts == 1 then odd.cut(req) end
      return { json = {} }
    end
    d = driver_of(t, { [IMPORT] = cut_once,
      ["GET /v1/data/"] = { json = { folders = { { name = "ann" } } } } })
    d:import_key("ann", SPEC, key)
    t:eq(posts, 1)
    posts = 0
    d = driver_of(t, { [IMPORT] = cut_once, ["GET /v1/data/"] = {
      status = 401, json = { error = { code = 2002, message = "who" } } } })
    d:import_key("ann", SPEC, key)
    t:eq(posts, 2)
  end)

test("a refusal tells whether a key is known, or tells nothing", function(t)
  local key = secret.new(CANARY, { label = "mine", origins = {} })
  local function refusal(status, code, text)
    return { status = status, json = { error = code and { code = code,
      message = text } or text } }
  end
  for _, case in ipairs({
    { refusal(403, 2001, "not authorized"), "known" },
    { refusal(401, 2002, "who"), "unknown" },
    { refusal(403, 2002, "who"), "unknown" },
    { refusal(401, nil, "who"), "unknown" },
    { { status = 401, body = "" }, "unknown" },
    { refusal(403, nil, "Invalid API key"), "Invalid API key" },
    { refusal(403, 7, "Something"), "Something" },
    { refusal(401, 2001, "not authorized"), "not authorized" },
    { { status = 403, body = "" }, "answered 403" },
    { { status = 407, body = "" }, "answered 407" },
  }) do
    local d = driver_of(t, { ["GET /v1/data/"] = case[1] })
    local owners, why = d:owners_of_key(key)
    if case[2] == "known" then
      t:eq({ owners, why }, { {} })
    elseif case[2] == "unknown" then
      t:eq({ owners, why }, {})
    else
      t:no(owners)
      t:match(tostring(why), case[2])
    end
  end
end)

test("a refusal that tells nothing leaves a lost import open", function(t)
  local key = secret.new(CANARY, { label = "mine", origins = {} })
  local d, server = driver_of(t, {
    [IMPORT] = function(_, req) odd.cut(req) end,
    ["GET /v1/data/"] = { status = 403,
      json = { error = "Invalid API key" } } })
  local e = t:raises(nil, d.import_key, "Invalid API key", d, "ann", SPEC, key)
  t:eq(e.in_doubt, true)
  t:eq(#sent(server, "POST"), 1)
end)

test("where keys cannot be imported, it is said", function(t)
  local key = secret.new(CANARY, { label = "mine", origins = {} })
  for _, status in ipairs({ 404, 405, 501 }) do
    local d = driver_of(t, { [IMPORT] = { status = status, body = "" } })
    local e = t:raises(nil, d.import_key, "odd does not take keys for users", d,
      "ann", SPEC, key)
    t:eq(e.unsupported, true)
  end
  local d = driver_of(t, { [IMPORT] = NONE })
  t:eq(t:raises("notfound", d.import_key, nil, d, "ann", SPEC, key).unsupported,
    nil)
end)

test("an organization's keys are listed without their texts", function(t)
  local d = driver_of(t, { ["GET /v1/organizations/acme/keys"] = { json = {
    { api_key = CANARY, api_key_mask = "sim***", key_label = "a" },
    { api_key = CANARY, api_key_mask = CANARY .. "*" } } } })
  local rows = d:list_organization_keys("acme")
  t:eq(#rows, 2)
  t:eq({ rows[1].label, rows[1].mask, rows[2].mask }, { "a", "sim***" })
  t:no(json.encode(rows[1]):find(CANARY, 1, true))
  d = driver_of(t, { ["GET /v1/organizations/acme/keys"] = {
    body = '[{"api_key":"' .. CANARY .. '"' } })
  no_canary(t, t:raises("remote", d.list_organization_keys, nil, d, "acme"))
end)

test("a connector's credential goes out and is shown nowhere", function(t)
  local d, server = driver_of(t, { ["POST /v1/users/ann/connectors"] = {
    json = { connector_id = "1" } } })
  local value = secret.new("a \"quoted\" credential",
    { label = "c", origins = {} })
  d:create_connector("ann", { protocol = "s3", label = "lab" },
    { field = "cred_data", value = value })
  t:eq(json.decode(sent(server, "POST")[1].body), { username = "ann",
    protocol = "s3", label = "lab", cred_data = 'a "quoted" credential' })
end)

test("SCMs are made, changed, chosen and taken away", function(t)
  local rows = { { id = "internal", provider = "internal", default = true } }
  local d, server = driver_of(t, {
    ["GET /v1/scms"] = function() return { json = { results = rows } } end,
    ["POST /v1/admin/scms"] = function(req)
      local doc = json.decode(req.body)
      rows[2] = { id = "g", provider = doc.provider, urls = doc.urls,
        oauth = { client_id = doc.oauth.client_id }, enabled = true }
      return { status = 201, json = rows[2] }
    end,
    ["PATCH /v1/admin/scms/g"] = { json = { id = "g", enabled = false } },
    ["POST /v1/admin/scms/g/default"] = { status = 204 },
    ["DELETE /v1/admin/scms/g"] = { status = 204 } })
  local spec = { provider = "gitlab", urls = { web = "https://g" },
    oauth = { client_id = "i", client_secret = secret.new("s3cr3t!",
      { label = "client", origins = {} }) } }
  t:eq(d:create_scm(spec).id, "g")
  t:eq(json.decode(sent(server, "POST")[1].body).oauth,
    { client_id = "i", client_secret = "s3cr3t!" })
  t:raises("exists", d.create_scm, "odd:scm/gitlab", d, spec)
  d:update_scm("g", { enabled = false })
  d:set_default_scm("g")
  d:delete_scm("g")
  t:raises("notfound", d.update_scm, nil, d, "h", {})
end)

test("an SCM that another client has is not taken for ours", function(t)
  local rows = json.array({})
  local posts, mine = 0, nil
  local d = driver_of(t, {
    ["GET /v1/scms"] = function() return { json = { results = rows } } end,
    ["POST /v1/admin/scms"] = function(req, raw)
      posts = posts + 1
      local doc = json.decode(req.body)
      if posts == 1 then -- nothing was made, and somebody else makes one
        rows[1] = { id = "theirs", provider = doc.provider, urls = doc.urls,
          oauth = { client_id = "other" } }
        odd.cut(raw)
      end
      mine = { id = "ours", provider = doc.provider, urls = doc.urls,
        oauth = { client_id = doc.oauth.client_id } }
      rows[2] = mine
      return { status = 201, json = mine }
    end })
  local spec = { provider = "gitlab", urls = { web = "https://g" },
    oauth = { client_id = "i" } }
  t:eq(d:create_scm(spec).id, "ours")
  t:eq(posts, 2)
end)

test("an SCM whose answer was lost is found, however its address is written",
  function(t)
    for _, id in ipairs({ false, "ours" }) do
      local rows, posts = json.array({}), 0
      local d = driver_of(t, {
        ["GET /v1/scms"] = function() return { json = { results = rows } } end,
        ["POST /v1/admin/scms"] = function(req, raw)
          posts = posts + 1
          local doc = json.decode(req.body)
          rows[posts] = { id = doc.id or "new" .. posts, provider = id
            and "elsewhere" or doc.provider:gsub("_", "-"),
            urls = { web = "https://git.example.org/Lab" },
            oauth = { client_id = doc.oauth.client_id } }
          odd.cut(raw)
        end })
      local spec = { id = id or nil, provider = "bitbucket_cloud",
        urls = { web = "HTTPS://Git.Example.org/Lab/" },
        oauth = { client_id = "i" } }
      t:eq(d:create_scm(spec).id, id or "new1")
      t:eq(posts, 1)
      spec.id = nil
      if not id then
        t:raises("exists", d.create_scm, "as new1", d, spec)
      end
    end
  end)

test("nothing of this is done without an administrator's key", function(t)
  local server = odd.start(t, {})
  local d = http.open(server:profile())
  for method, args in pairs({ create_user = { ANN }, add_member = { "a", "b" },
      create_organization_key = { "a", "b", SPEC },
      list_organization_keys = { "a" }, create_scm = { {} },
      list_organization_types = {}, each_member = { "a" } }) do
    t:raises("auth", d[method], nil, d, table.unpack(args))
  end
  t:eq(#server.requests, 0)
end)
