-- The sandbox's organizations over HTTP: types, create, update, delete,
-- members, and what a membership lets one do.
local json = require("godwit.core.json")
local sandboxes = require("support.sandboxes")
local sys = require("godwit.core.sys")

local code = sandboxes.code

local function ask(s, method, path, body, opts)
  opts = opts or {}
  if opts.as == nil then opts.as = "admin" end
  opts.json = body
  return s:send(method, path, opts)
end

local function answer(r) return { r.status, code(r) } end

local function type_id(s, name)
  for _, row in ipairs(ask(s, "GET", "/v1/organization/types").doc) do
    if row.name == (name or "basic") then return row.id end
  end
end

local function body_of(s, name, change)
  local body = { org_name = name, org_label = "Some label",
    org_contact_name = "Some owner", org_email = name .. "@example.com",
    type_id = type_id(s) }
  for k, v in pairs(change or {}) do body[k] = v end
  return body
end

local function create(s, name, change)
  return ask(s, "POST", "/v1/organizations", body_of(s, name, change))
end

local function members(s, org, query)
  local out = {}
  for i, m in ipairs(ask(s, "GET", "/v1/organizations/" .. org .. "/members"
    .. (query or "")).doc.results) do
    out[i] = m.username .. " " .. m.role
  end
  return out
end

test("types: a bare array with ids of the cluster", function(t)
  local s = sandboxes.start(t)
  local list = ask(s, "GET", "/v1/organization/types").doc
  t:ok(json.is_array(list))
  t:eq({ list[1].name, list[2].name, list[3].name },
    { "basic", "legacy", "pro" })
  local other = sandboxes.start(t)
  t:ok(type_id(other) ~= list[1].id)
  local path = "/v1/organization/types"
  local r = ask(s, "POST", path, { name = "trial", id = "ignored" })
  t:eq({ r.status, r.doc.name, type_id(s, "trial") },
    { 200, "trial", r.doc.id })
  t:eq(answer(ask(s, "POST", path, { name = "trial" })), { 409, 3109 })
  t:eq(answer(ask(s, "POST", path, {})), { 400, 3005 })
  t:eq(answer(ask(s, "POST", path, { name = "a b" })), { 400, 6001 })
  t:eq(answer(ask(s, "POST", path, json.array({}))), { 400, 3103 })
  t:eq(ask(s, "DELETE", path .. "/trial").status, 204)
  t:eq(answer(ask(s, "DELETE", path .. "/trial")), { 404, 3108 })
end)

test("a type that an organization has stays", function(t)
  local s = sandboxes.start(t)
  local path = "/v1/organization/types"
  ask(s, "POST", path, { name = "trial" })
  for _, name in ipairs({ "guild", "union" }) do
    t:eq(create(s, name, { type_id = type_id(s, "trial") }).status, 200)
  end
  local r = ask(s, "DELETE", path .. "/trial")
  t:eq(answer(r), { 409, 2015 })
  t:match(r.doc.error.message, "trial is in use: guild, union")
  t:ok(type_id(s, "trial"))
  ask(s, "DELETE", "/v1/organizations/guild")
  ask(s, "PUT", "/v1/organizations/union", { type_id = type_id(s, "pro") })
  t:eq(ask(s, "DELETE", path .. "/trial").status, 204)
  t:no(type_id(s, "trial"))
end)

test("an organization is created, and its creator owns it", function(t)
  local s = sandboxes.start(t)
  local r = create(s, "guild", { org_url = "https://example.com",
    external_id = "ext-7", owner_ids = { "x" }, id = sys.uuid(),
    external_admin_group = "admins", external_member_group_id = "m",
    external_executor_group = json.array({ "a", "b" }),
    stripe_customer_id = "cus_1", future = true })
  t:eq(r.status, 200)
  local doc = r.doc
  t:match(doc.org_created_at, "^%d+%-%d+%-%d+T%d+:%d+:%d+$")
  t:eq({ doc.org_name, doc.org_contact_name, doc.org_url, doc.external_id,
    doc.stripe_customer_id, doc.resource_type }, { "guild", "Some owner",
    "https://example.com", "ext-7", "cus_1", "organization" })
  t:eq({ doc.external_admin_group, doc.external_member_group_id,
    doc.external_executor_group }, { "admins", "m", { "a", "b" } })
  t:eq({ doc.external_member_group, doc.future, doc.members },
    { json.null, nil, nil })
  t:eq(doc.self_link, s.api .. "/v1/organizations/guild")
  t:eq(ask(s, "GET", "/v1/organizations/guild").doc, doc)
  t:eq(ask(s, "GET", "/v1/organizations/externalId/ext-7").doc, doc)
  t:eq(answer(ask(s, "GET", "/v1/organizations/externalId/none")),
    { 404, 3100 })
  t:eq(members(s, "guild"), { "admin owner" })
  t:eq(ask(s, "GET", "/v1/users/guild/algorithms").doc, {})
  -- with an account of its own the owner's id is there, too
  local one = sandboxes.start(t, { options = { one_key = true } })
  local made = ask(one, "POST", "/v1/organizations", body_of(one, "guild"),
    { as = "bob" }).doc
  t:eq(made.owner_ids, { ask(one, "GET", "/v1/users/bob").doc.id })
end)

test("what is no organization is refused", function(t)
  local s = sandboxes.start(t)
  local function refused(change)
    return answer(create(s, "guild", change))
  end
  for _, key in ipairs({ "org_name", "org_label", "org_contact_name",
    "org_email", "type_id" }) do
    t:eq(refused({ [key] = json.null }), { 400, 3005 }, key)
    t:eq(refused({ [key] = 7 }), { 400, 3103 }, key)
    t:eq(refused({ [key] = "" }), { 400, 3005 }, key)
  end
  t:eq(refused({ org_name = ("x"):rep(31) }), { 400, 6001 })
  t:eq(refused({ org_name = "a-b" }), { 400, 6001 })
  t:eq(refused({ org_label = ("x"):rep(101) }), { 400, 6001 })
  t:eq(refused({ type_id = "basic" }), { 400, 3108 }) -- a name is no id
  t:eq(refused({ type_id = sys.uuid() }), { 400, 3108 })
  t:eq(refused({ external_admin_group = 3 }), { 400, 3103 })
  t:eq(refused({ external_admin_group_id = json.array({ 3 }) }),
    { 400, 3103 })
  t:eq(refused({ org_name = "acme" }), { 409, 3101 })
  t:eq(refused({ org_name = "alice" }), { 409, 3104 })
  for _, text in ipairs({ "", "[]", "org_name=x" }) do
    t:eq(answer(s:send("POST", "/v1/organizations", { as = "admin",
      body = text })), { 400, 3103 })
  end
  t:eq(#ask(s, "GET", "/v1/organizations").doc.results, 2)
  -- a cluster without types asks for none
  s.sandbox.store:write("organization-types.json", json.array({}))
  t:eq(create(s, "guild", { type_id = json.null }).status, 200)
end)

test("an update is answered with nothing and changes only what it says",
  function(t)
    local s = sandboxes.start(t)
    create(s, "guild", { external_admin_group = json.array({ "a" }) })
    local path = "/v1/organizations/guild"
    local was = ask(s, "GET", path).doc
    local r = ask(s, "PUT", path, was) -- the whole document, as one client does
    t:eq({ r.status, r.body }, { 204, "" })
    t:eq(ask(s, "GET", path).doc, was)
    r = ask(s, "PUT", path, { org_name = "other", org_label = "New",
      id = "x", owner_ids = {}, org_url = json.null,
      type_id = type_id(s, "pro"):upper() })
    t:eq(r.status, 204)
    local now = ask(s, "GET", path).doc
    t:eq({ now.org_name, now.org_label, now.id, now.org_email, now.type_id },
      { "guild", "New", was.id, was.org_email, type_id(s, "pro") })
    t:eq(now.external_admin_group, { "a" })
    t:eq(answer(ask(s, "PUT", path, { type_id = "basic" })), { 400, 3108 })
    t:eq(answer(ask(s, "PUT", path, { org_email = {} })), { 400, 3103 })
    t:eq(answer(ask(s, "PUT", path, json.array({}))), { 400, 3103 })
    t:eq(answer(ask(s, "PUT", "/v1/organizations/none", {})), { 404, 3100 })
    t:eq(ask(s, "GET", "/v1/organizations/other").status, 404)
    t:eq(members(s, "guild"), { "admin owner" })
  end)

test("an organization is deleted, also when it is not there", function(t)
  local s = sandboxes.start(t)
  s:create("Hello")
  local key = s:key("acme")
  for _ = 1, 2 do
    local r = s:send("DELETE", "/v1/organizations/acme", { as = "admin",
      body = "" })
    t:eq({ r.status, r.body }, { 204, "" })
  end
  t:eq(ask(s, "DELETE", "/v1/organizations/a-b").status, 204)
  t:eq(answer(ask(s, "GET", "/v1/organizations/acme")), { 404, 3100 })
  t:eq(answer(ask(s, "GET", "/v1/organizations/acme/members")), { 404, 3100 })
  t:eq(s:send("GET", "/v1/algorithms/acme/Hello", { as = "bob" }).status, 404)
  t:eq(s:send("GET", "/v1/data/", { auth = key }).status, 401)
  t:eq(create(s, "acme").status, 200) -- only users' names are burnt
  t:eq(members(s, "acme"), { "admin owner" })
end)

test("members: added once, removed any number of times", function(t)
  local s = sandboxes.start(t)
  local path = "/v1/organizations/acme/members"
  local function put(name)
    local r = s:send("PUT", path .. "/" .. name, { as = "admin", body = "" })
    return { r.status, r.body }
  end
  t:eq(put("carol"), { 201, "" })
  t:eq(put("carol"), { 200, "" })
  t:eq(put("alice"), { 200, "" })
  t:eq(members(s, "acme"), { "alice owner", "bob member", "carol member" })
  local one = ask(s, "GET", path .. "?limit=1").doc
  t:eq(one.results, { { username = "alice", role = "owner",
    resource_type = "organization_member",
    user_link = s.api .. "/v1/users/alice" } })
  t:eq(members(s, "acme", "?limit=1&marker=" .. one.marker), { "bob member" })
  t:eq(answer(ask(s, "GET", path .. "?limit=101")), { 400, 5003 })
  t:eq(answer(ask(s, "PUT", path .. "/nobody")), { 404, 3000 })
  t:eq(answer(ask(s, "PUT", path .. "/labs")), { 404, 3000 })
  t:eq(answer(ask(s, "PUT", "/v1/organizations/none/members/bob")),
    { 404, 3100 })
  t:eq(answer(ask(s, "DELETE", "/v1/organizations/none/members/bob")),
    { 404, 3100 })
  for _ = 1, 2 do
    local r = s:send("DELETE", path .. "/carol", { as = "admin", body = "" })
    t:eq({ r.status, r.body }, { 204, "" })
  end
  t:eq(ask(s, "DELETE", path .. "/nobody").status, 204)
  t:eq(answer(ask(s, "DELETE", path .. "/alice")), { 400, 3102 })
  t:eq(members(s, "acme"), { "alice owner", "bob member" })
end)

test("a membership counts at once, and so does its end", function(t)
  local s = sandboxes.start(t)
  s:create("Hello")
  local function sees() return s:send("GET", "/v1/algorithms/acme/Hello",
    { as = "carol" }).status end
  local function clones() return (sandboxes.run({ "git", "ls-remote",
    s:url("acme/Hello", "carol") })) == 0 end
  t:eq({ sees(), clones() }, { 404, false })
  ask(s, "PUT", "/v1/organizations/acme/members/carol")
  t:eq({ sees(), clones() }, { 200, true })
  t:eq(s:send("GET", "/v1/data/", { as = "carol" }).doc.folders[2].name,
    "acme")
  ask(s, "DELETE", "/v1/organizations/acme/members/carol")
  t:eq({ sees(), clones() }, { 404, false })
end)

test("many members have files of their own, few of them at a time",
  function(t)
    local s = sandboxes.start(t)
    local list = json.array({ { username = "alice", role = "owner" } })
    for i = 1, 250 do list[#list + 1] = { username = ("u%03d"):format(i) } end
    local doc = s.sandbox.store:organization("acme")
    doc.members = list
    s.sandbox.store:write("organizations/acme.json", doc)
    t:eq(#members(s, "acme", "?limit=100"), 100)
    ask(s, "PUT", "/v1/organizations/acme/members/carol")
    ask(s, "DELETE", "/v1/organizations/acme/members/u007")
    t:no(s.sandbox.store:organization("acme").members)
    t:eq(answer(ask(s, "DELETE", "/v1/organizations/acme/members/alice")),
      { 400, 3102 })
    local function all()
      local seen, marker, last = 0, "", nil
      repeat
        local page = ask(s, "GET", "/v1/organizations/acme/members?limit=100"
          .. marker).doc
        for _, m in ipairs(page.results) do
          t:ok(not last or last < m.username)
          t:ok(m.username ~= "u007")
          seen, last = seen + 1, m.username
        end
        marker = page.marker ~= json.null and "&marker=" .. page.marker
      until not marker
      return seen
    end
    t:eq(all(), 251)
    s:stop()
    s = sandboxes.start(t, { dir = s.dir })
    t:eq(all(), 251)
    t:eq(ask(s, "GET", "/v1/organizations/acme").doc.owner_ids,
      { ask(s, "GET", "/v1/users/alice").doc.id })
    t:eq(ask(s, "DELETE", "/v1/organizations/acme").status, 204)
    create(s, "acme")
    t:eq(all(), 1)
  end)

test("errors of an organization's algorithms", function(t)
  local s = sandboxes.start(t)
  t:eq(ask(s, "GET", "/v1/organizations/acme/errors").doc, {})
  t:eq(answer(ask(s, "GET", "/v1/organizations/none/errors")), { 404, 3100 })
  t:eq(ask(s, "GET", "/v1/organizations/acme/utility-algorithms").doc, {})
end)
