-- Accounts in an overlay, beside a sandbox that is really written: what is
-- read afterwards and what is refused is the same, but for what is unknown.
local archive = require("godwit.cluster.archive")
local http = require("godwit.cluster.http")
local json = require("godwit.core.json")
local overlay = require("godwit.cluster.overlay")
local sandbox = require("godwit.sandbox")
local sandboxes = require("support.sandboxes")
local secret = require("godwit.core.secret")
local unknown = require("godwit.unknown")

local function admin(s)
  return http.open({ name = "box", kind = "http", api = s.api,
    admin_key = secret.new(s:key("admin"), { label = "admin",
      origins = { s.api } }) })
end

local OWN = { id = true, self_link = true, org_created_at = true,
  owner_ids = true, user_link = true, type_id = true, created_at = true }

-- What both can know.
local function plain(v)
  if type(v) ~= "table" then return v end
  if unknown.is(v) then return "?" end
  local out = {}
  for k, x in pairs(v) do
    if not OWN[k] and x ~= json.null then out[k] = plain(x) end
  end
  return out
end

local function try(d, method, ...)
  local ok, v = pcall(d[method], d, ...)
  if ok then return plain(v) end
  -- What the driver itself has read and refuses has no status.
  return ("%s %s %s"):format(v.kind, v.kind ~= "exists" and v.status or "-",
    v.code or "-")
end

local function listed(rows)
  local out = {}
  for doc in rows do
    -- who made it is known to the one and not to the other
    if not unknown.is(doc.username) and doc.username ~= "admin" then
      out[#out + 1] = plain(doc)
    end
  end
  table.sort(out, function(a, b)
    return (a.username or a.org_name) < (b.username or b.org_name)
  end)
  return out
end

-- The same on both; what each says, in order.
local function both(t, fn)
  local said = {}
  for i, pretend in ipairs({ false, true }) do
    local s = sandboxes.start(t)
    local d = admin(s)
    local list = {}
    fn(pretend and overlay.new(d, {}) or d, function(v)
      list[#list + 1] = v == nil and "nil" or v
    end)
    said[i] = list
    if pretend then
      t:no(d:try_get_user("ann")) -- nothing was written
      t:no(d:try_get_organization("team"))
    end
  end
  for i = 1, math.max(#said[1], #said[2]) do
    t:eq(said[2][i], said[1][i], "step " .. i)
  end
end

local ANN = { username = "ann", email = "ann@example.com", company_name = "A" }
local TEAM = { org_name = "team", org_label = "Team", org_contact_name = "T",
  org_email = "team@example.com", external_id = "e-1",
  external_admin_group = json.array({ "a", "b" }) }

local LONG = ("é"):rep(101)

-- What no organization is made of.
local BAD = {}
for field, values in pairs({ org_label = { LONG, 5 },
    org_contact_name = { LONG }, org_email = { LONG, { "x" } },
    org_url = { LONG, true }, type_id = { 5 }, external_id = { 5,
      ("x"):rep(1001) }, stripe_customer_id = { 5 },
    external_admin_group = { 5, { a = 1 }, json.array({ "a", 5 }) },
    external_member_group_id = { true, { 5 } } }) do
  for _, v in ipairs(values) do
    BAD[#BAD + 1] = { org_name = "t2", [field] = v }
  end
end

-- With a type of that cluster.
local function team(d)
  local out = { type_id = d:list_organization_types()[1].id }
  for k, v in pairs(TEAM) do out[k] = v end
  return out
end

local function with(base, more)
  local out = {}
  for k, v in pairs(base) do out[k] = v end
  for k, v in pairs(more) do out[k] = v ~= false and v or nil end
  return out
end

test("users", function(t)
  both(t, function(d, say)
    say(try(d, "create_user", ANN))
    say(try(d, "try_get_user", "ann"))
    for _, more in ipairs({ {}, { email = "x@example.com" },
        { username = "ann2" }, { username = "ann2", email = "ANN@example.com" },
        { username = "acme", email = "y@example.com" },
        { username = "9x", email = "y@example.com" },
        { username = ("n"):rep(31), email = "y@example.com" },
        { username = "zed", email = "no address" },
        { username = "zed", email = false },
        { username = "zed", email = "BOB@example.com" },
        { username = "zed", email = "z@example.com", fullname = LONG },
        { username = "zed", email = "z@example.com", fullname = 5 },
        { username = "zed", email = 5 },
        { username = "zed", email = "z@example.com", company_name = LONG },
        { username = "zed", email = "z@example.com",
          company_role = LONG .. LONG } }) do
      say(try(d, "create_user", with(ANN, more)))
    end
    say(try(d, "update_user", "ann", { fullname = LONG }))
    say(try(d, "update_user", "ann", { company_role = LONG }))
    say(try(d, "update_user", "bob", { company_name = true }))
    say(try(d, "update_user", "ann", { fullname = "Ann A" }))
    say(try(d, "update_user", "bob", { company_role = "boss" }))
    say(try(d, "try_get_user", "bob"))
    say((try(d, "update_user", "nobody", {}):gsub("%- %-", "404 3000")))
    say(listed(d:each_user()))
    say(try(d, "delete_user", "ann"))
    say(try(d, "try_get_user", "ann"))
    say(try(d, "delete_user", "ann")) -- gone already
    say(try(d, "delete_user", "never"))
    say(try(d, "create_user", { username = "never",
      email = "never@example.com" }))
    say(try(d, "delete_organization", "never-one"))
    say(try(d, "create_user", ANN))
    say(listed(d:each_user()))
  end)
end)

test("organizations and their types", function(t)
  both(t, function(d, say)
    say(try(d, "list_organization_types"))
    say(try(d, "create_organization", TEAM)) -- there are types
    say(try(d, "create_organization", team(d)))
    say(try(d, "try_get_organization_by_external_id", "e-1"))
    say(try(d, "try_get_organization_by_external_id", "e-2"))
    for _, more in ipairs({ { org_name = "bob" }, { org_name = "t-1" },
        { org_name = "t2", org_label = false },
        { org_name = "t2", type_id = "none" }, table.unpack(BAD) }) do
      say(try(d, "create_organization", with(team(d), more)))
    end
    for _, more in ipairs(BAD) do
      say(try(d, "update_organization", "acme", with(more, {
        org_name = false, external_id = more.external_id })))
    end
    say(try(d, "create_organization", with(team(d), { org_name = "t4",
      external_id = false, external_admin_group = { "a" },
      external_member_group = "b", org_url = ("u"):rep(100) })))
    say(try(d, "update_organization", "team", { org_label = "New",
      external_admin_group = "c" }))
    say(try(d, "try_get_organization", "team"))
    say(try(d, "update_organization", "acme", { external_id = "e-3" }))
    say(try(d, "try_get_organization_by_external_id", "e-3"))
    say(listed(d:each_organization()))
    say(try(d, "create_organization_type", "gold"))
    say(try(d, "create_organization_type", "gold"))
    say(try(d, "create_organization_type", "no-name"))
    local row
    for _, one in ipairs(d:list_organization_types()) do
      row = one.name == "gold" and one or row
    end
    say(try(d, "create_organization", with(TEAM, { org_name = "t3",
      external_id = false, type_id = row.id })))
    say(try(d, "delete_organization_type", "gold")) -- t3 has it
    say(try(d, "list_organization_types"))
    d:delete_organization("t3")
    say(try(d, "delete_organization_type", "gold"))
    say(try(d, "list_organization_types"))
    d:delete_organization("team")
    say(try(d, "try_get_organization", "team"))
    say(listed(d:each_organization()))
  end)
end)

test("members and keys", function(t)
  local spec = { label = "k", permissions = { allow_algo = true,
    allow_web_algo = false, algo_acl = json.array({}), allow_data = true,
    allow_data_write = false } }
  both(t, function(d, say)
    d:create_organization(team(d))
    d:create_user(ANN)
    say(try(d, "add_member", "team", "ann"))
    say(try(d, "add_member", "team", "bob"))
    say(try(d, "add_member", "team", "nobody"))
    say(try(d, "add_member", "nobody", "bob"))
    say(listed(d:each_member("team")))
    say(try(d, "remove_member", "team", "bob"))
    say(try(d, "remove_member", "team", "carol"))
    say(listed(d:each_member("team")))
    say(listed(d:each_member("acme")))
    say(try(d, "remove_member", "acme", "alice"))
    say(try(d, "remove_member", "acme", "bob"))
    say(try(d, "add_member", "acme", "carol"))
    say(listed(d:each_member("acme")))
    for _, name in ipairs({ "alice", "carol", "bob" }) do
      say(try(d, "add_member", "acme", name)) -- no role changes by it
      say(listed(d:each_member("acme")))
    end
    say(try(d, "remove_member", "acme", "alice")) -- the last owner still
    say(try(d, "remove_member", "acme", "carol"))
    say(try(d, "add_member", "acme", "carol"))
    say(listed(d:each_member("acme")))
    local made = d:create_organization_key("team", "ann", spec)
    say({ made.label, made.owner_name, made.username })
    say(try(d, "create_organization_key", "team", "carol", spec))
    say(try(d, "create_organization_key", "nobody", "bob", spec))
    local key = secret.new("sim" .. ("k"):rep(25), { label = "k",
      origins = {} })
    say(d:import_key("ann", spec, key).label)
    say(try(d, "import_key", "nobody", spec, key))
    d:delete_user("ann")
    say(listed(d:each_member("team")))
  end)
end)

test("members of a folder, with roles", function(t)
  local said = {}
  for i, pretend in ipairs({ false, true }) do
    local dir = t:tmpdir() .. "/archive"
    sandbox.create({ dir = dir, seed = "empty" })
    local a = archive.open({ name = "box", dir = dir })
    t:defer(function() a:close() end)
    local d, list = pretend and overlay.new(a, {}) or a, {}
    local function say(v) list[#list + 1] = v == nil and "nil" or v end
    for _, step in ipairs({ { "alice" }, { "alice", "owner" },
        { "bob", "owner" }, { "bob" }, { "bob", "owner" }, { "alice", "member" },
        { "carol", "member" }, { "carol" } }) do
      say(try(d, "add_member", "acme", table.unpack(step)))
      say(listed(d:each_member("acme")))
    end
    say(try(d, "remove_member", "acme", "bob"))
    said[i] = list
  end
  t:eq(said[2], said[1])
end)

test("SCMs", function(t)
  local spec = { provider = "gitlab", name = "ours", urls = {
    web = "https://g.example.com", api = "https://g.example.com/api",
    ssh = "ssh://g.example.com" }, oauth = { client_id = "c",
    client_secret = "s" } }
  both(t, function(d, say)
    local made = d:create_scm(spec)
    say({ made.provider, made.enabled, made.default })
    say(#d:list_scms())
    say(type(try(d, "create_scm", { provider = "internal" }))) -- refused
    d:set_default_scm(made.id)
    say(try(d, "update_scm", made.id, { enabled = false }))
    say(try(d, "delete_scm", made.id))
    d:set_default_scm("internal")
    say(d:update_scm(made.id, { enabled = false }).enabled)
    d:delete_scm(made.id)
    say(#d:list_scms())
    say(try(d, "delete_scm", "none"))
    -- A second client at the same host is another one.
    d:create_scm(with(spec, { id = "one" }))
    d:create_scm(with(spec, { id = "two", oauth = { client_id = "d",
      client_secret = "s" } }))
    say(#d:list_scms())
    for _, more in ipairs({ {}, { id = "three" }, { id = "one",
        oauth = { client_id = "e" } }, { oauth = { client_id = "d" } } }) do
      say(try(d, "create_scm", with(spec, more)))
    end
  end)
end)

test("the key of a pretended organization has no text", function(t)
  local s = sandboxes.start(t)
  local d = overlay.new(admin(s), {})
  local made = d:create_organization_key("acme", "bob", { label = "x",
    permissions = {} })
  t:ok(unknown.is(made.key))
  t:eq(made.label, "x")
  local rows = d:list_organization_keys("acme")
  t:eq(rows[#rows].label, "x")
  local words = {}
  for i, e in ipairs(d:planned()) do words[i] = e.kind .. " " .. e.target end
  t:eq(words, { "key.create box:acme/key/x" })

end)
