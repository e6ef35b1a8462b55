-- Users, organizations, members, keys and SCMs of an archive, in place.
local archive = require("godwit.cluster.archive")
local effect = require("godwit.effect")
local fs = require("godwit.core.fs")
local json = require("godwit.core.json")
local sandbox = require("godwit.sandbox")
local sandboxes = require("support.sandboxes")
local secret = require("godwit.core.secret")

local function open(t, dir)
  if not dir then
    dir = t:tmpdir() .. "/archive"
    sandbox.create({ dir = dir, seed = "empty" })
  end
  local a = archive.open({ name = "shelf", dir = dir })
  t:defer(function() a:close() end)
  return a, dir
end

local function fresh(t)
  local dir = t:tmpdir() .. "/archive"
  local a = archive.create(dir, { name = "shelf" })
  t:defer(function() a:close() end)
  return a, dir
end

local function all(rows, key)
  local out = {}
  for doc in rows do out[#out + 1] = key and doc[key] or doc end
  return out
end

local function user(name, change)
  local spec = { username = name, email = name .. "@example.com" }
  for k, v in pairs(change or {}) do spec[k] = v end
  return spec
end

local function organization(a, name)
  local types = a:list_organization_types()
  return { org_name = name, org_label = name, org_contact_name = "Some One",
    org_email = name .. "@example.com", type_id = types[1] and types[1].id,
    external_id = "ext-" .. name }
end

local PERMISSIONS = { allow_algo = true, allow_web_algo = false,
  algo_acl = json.array({ "algo://*" }), allow_data = true,
  allow_data_write = true, allow_algo_management = true }

test("users are made, changed and removed", function(t)
  local a, dir = open(t)
  local made = a:create_user(user("dora", { company_name = "ACME" }))
  t:eq({ made.username, made.fullname, made.company_name },
    { "dora", "dora", "ACME" })
  t:eq(a:try_get_user("dora").id, made.id)
  t:eq(a:try_get_user(made.id).username, "dora")
  t:eq(#a:list_algorithms("dora"), 0) -- no sample
  t:eq(a:update_user("dora", { fullname = "Dora D" }).fullname, "Dora D")
  t:eq(a:try_get_user("dora").company_name, "ACME")
  t:raises("exists", a.create_user, "taken", a, user("dora"))
  t:raises("exists", a.create_user, "taken", a,
    user("emil", { email = "dora@example.com" }))
  t:raises(nil, a.create_user, "30", a, user(("x"):rep(31)))
  t:raises("notfound", a.update_user, "no user", a, "nobody", {})
  t:eq(all(a:each_user(), "username"), { "alice", "bob", "carol", "dora" })
  a:delete_user("dora")
  a:delete_user("dora")
  t:eq(a:try_get_user("dora"), nil)
  t:raises("exists", a.create_user, "taken", a, user("dora"))
  a:close()
  local again = open(t, dir)
  t:raises("exists", again.create_user, "taken", again,
    user("emil", { email = "DORA@example.com" }))
end)

test("a list goes on while it is changed", function(t)
  local a = open(t)
  local seen = {}
  for doc in a:each_user() do
    seen[#seen + 1] = doc.username
    if doc.username == "alice" then
      a:create_user(user("bert"))
      a:delete_user("carol")
    end
  end
  t:eq(seen, { "alice", "bert", "bob" })
end)

test("organizations and their members, nobody's by making them", function(t)
  local a = open(t)
  local made = a:create_organization(organization(a, "guild"))
  t:eq({ made.org_name, made.owner_ids }, { "guild", {} })
  t:eq(all(a:each_member("guild")), {})
  t:eq(a:try_get_organization_by_external_id("ext-guild").id, made.id)
  t:no(a:try_get_organization_by_external_id("none"))
  t:eq(a:update_organization("guild", { org_label = "New" }).org_label, "New")
  t:eq(a:add_member("guild", "bob"), "created")
  t:eq(a:add_member("guild", "bob"), "unchanged")
  t:eq(all(a:each_member("guild")), { { username = "bob", role = "member" } })
  t:eq(all(a:each_member("acme"), "role"), { "owner", "member" })
  t:raises("notfound", a.add_member, "no user", a, "guild", "nobody")
  t:raises("notfound", a.add_member, "no organization", a, "none", "bob")
  t:raises("notfound", a.each_member, "no organization", a, "none")
  local e = t:raises(nil, a.remove_member, "last owner", a, "acme", "alice")
  t:eq(e.code, 3102)
  a:remove_member("guild", "bob")
  a:remove_member("guild", "bob")
  t:eq(all(a:each_member("guild")), {})
  t:raises("exists", a.create_organization, "exists", a,
    organization(a, "guild"))
  a:delete_organization("guild")
  a:delete_organization("guild")
  t:eq(all(a:each_organization(), "org_name"), { "acme", "labs" })
end)

test("types; an archive that has none wants none", function(t)
  local a = fresh(t)
  t:eq(a:list_organization_types(), {})
  a:create_organization(organization(a, "plain"))
  local row = a:create_organization_type("pro")
  t:eq(a:list_organization_types(), { row })
  t:raises("exists", a.create_organization_type, "exists", a, "pro")
  local e = t:raises(nil, a.create_organization, "type_id", a, { org_name = "x",
    org_label = "x", org_contact_name = "x", org_email = "x@example.com" })
  t:eq(e.code, 3005)
  a:delete_organization_type("pro")
  a:delete_organization_type("pro")
  t:eq(a:list_organization_types(), {})
end)

test("keys of an organization open it when it is served", function(t)
  local a, dir = fresh(t)
  t:eq(a:create_user(user("dora")).username, "dora")
  a:create_organization(organization(a, "guild"))
  a:add_member("guild", "dora")
  t:eq(a:list_organization_keys("guild"), {})
  t:no(fs.stat(dir .. "/keys.json"))
  local made = a:create_organization_key("guild", "dora",
    { label = "move", permissions = PERMISSIONS })
  t:ok(secret.is(made.key))
  t:eq({ made.label, made.username, made.owner_name, made.permissions },
    { "move", "dora", "guild", PERMISSIONS })
  t:eq(fs.stat(dir .. "/keys.json").mode & 511, 384)
  local listed = {}
  for _, row in ipairs(a:list_organization_keys("guild")) do
    t:no(row.key or row.api_key)
    listed[#listed + 1] = row.owner_name .. "/" .. row.label
  end
  table.sort(listed)
  t:eq(listed, { "dora/default-key", "guild/move", "guild/organization-key" })
  t:raises("notfound", a.create_organization_key, "no member", a, "guild",
    "nobody", { label = "x", permissions = PERMISSIONS })
  a:create_user(user("emil")) -- who comes later gets a key, too
  local e = t:raises("refused", a.import_key, "takes no keys", a, "dora",
    { label = "x" }, made.key)
  t:ok(e.unsupported)
  a:close()
  local s = sandboxes.start(t, { dir = dir })
  for who, label in pairs({ guild = "move", emil = "default-key" }) do
    t:eq(s:send("GET", "/v1/data/", { as = who, label = label })
      .doc.folders[1].name, who)
  end
end)

test("connectors and SCMs, without what opens them", function(t)
  local a, dir = open(t)
  local hidden = secret.new("hunter2-is-secret", { label = "hidden",
    origins = {} })
  local made = a:create_connector("bob", { protocol = "s3", cred_type = "iam",
    label = "models" }, { field = "cred_data", value = hidden })
  t:eq(made.connector_id, "s3+models")
  local scm = a:create_scm({ provider = "github", name = "Git", urls = {
    web = "https://git.example.com", api = "https://git.example.com/api",
    ssh = "ssh://git@git.example.com" }, oauth = { client_id = "abc",
    client_secret = hidden } })
  t:eq({ #a:list_scms(), a:list_scms()[2].id }, { 2, scm.id })
  a:set_default_scm(scm.id)
  t:raises(nil, a.update_scm, "default", a, scm.id, { enabled = false })
  a:set_default_scm("internal")
  t:eq(a:update_scm(scm.id, { enabled = false }).enabled, false)
  a:delete_scm(scm.id)
  a:delete_scm(scm.id)
  t:eq(#a:list_scms(), 1)
  for _, f in ipairs({ "scms.json", "connectors/bob.json" }) do
    t:no(fs.read(dir .. "/" .. f):find("hunter2", 1, true))
  end
end)

test("each write is an effect; a protected archive deletes nothing",
  function(t)
    local a = open(t)
    local before = effect.counts.writes
    a:create_user(user("dora"))
    a:add_member("acme", "dora")
    t:eq(effect.counts.writes, before + 2)
    t:ok((effect.counts.kinds["member.add"] or 0) > 0)
    a.profile.protected = true
    for _, delete in ipairs({ "delete_user", "delete_organization",
      "delete_organization_type", "delete_scm" }) do
      t:raises("refused", a[delete], "protected", a, "dora")
    end
    t:raises("refused", a.remove_member, "protected", a, "acme", "dora")
    t:eq(a:try_get_user("dora").username, "dora")
  end)

test("one that a sandbox serves is not written to", function(t)
  local s = sandboxes.start(t)
  local a = open(t, s.dir)
  t:raises("locked", a.create_user, "in use", a, user("dora"))
  t:eq(all(a:each_user(), "username"), { "alice", "bob", "carol" })
  s:send("POST", "/v1/users", { as = "admin", json = user("dora") })
  t:eq(#all(a:each_user()), 4) -- what another one wrote is seen
  s:send("PUT", "/v1/organizations/labs/members/dora", { as = "admin",
    body = "" })
  t:eq(#all(a:each_member("labs")), 2)
end)

test("an archive without its empty folders takes what belongs there", function(t)
  local a, dir = fresh(t)
  a:close()
  for _, name in ipairs({ "users", "organizations", "algorithms", "git" }) do
    assert(os.remove(dir .. "/" .. name))
  end
  local again = archive.open({ dir = dir, name = "shelf" })
  t:defer(function() again:close() end)
  again:create_user(user("dora"))
  again:create_organization(organization(again, "guild"))
  t:eq(again:try_get_organization("guild").org_label, "guild")
end)
