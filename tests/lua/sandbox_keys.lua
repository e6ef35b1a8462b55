-- Keys the sandbox makes and takes: what they permit, for the API and for Git,
-- and where they are kept.
local json = require("godwit.core.json")
local fs = require("godwit.core.fs")
local keys = require("godwit.sandbox.keys")
local sandbox = require("godwit.sandbox")
local sandboxes = require("support.sandboxes")
local sys = require("godwit.core.sys")
local task = require("godwit.task")

local code = sandboxes.code

local function ask(s, method, path, body, opts)
  opts = opts or {}
  if opts.as == nil then opts.as = "admin" end
  opts.json = body
  return s:send(method, path, opts)
end

local function answer(r) return { r.status, code(r) } end

local function permissions(change)
  local p = { allow_algo = true, allow_web_algo = false,
    algo_acl = json.array({ "algo://acme/*" }), allow_data = true,
    allow_data_write = false }
  for k, v in pairs(change or {}) do p[k] = v end
  return p
end

local ORG = "/v1/organizations/acme/members/bob/keys"
local IMPORT = "/v1/admin/users/carol/keys"
local KEY = "sim1/3+567890123456789012345"

local function lists(s, key, where)
  local address = s.api:gsub("^http://", "http://" .. where .. ":"
    .. key:gsub("[/+]", { ["/"] = "%2F", ["+"] = "%2B" }) .. "@")
  return (sandboxes.run({ "git", "ls-remote", address .. "/git/acme/Hello.git",
    "master" })) == 0
end

test("a key of an organization acts for it, within its permissions",
  function(t)
    local s = sandboxes.start(t)
    s:create("Hello")
    local r = ask(s, "POST", ORG, { key_label = "move",
      key_type = "AlgorithmKey", permissions = permissions() })
    t:eq(r.status, 201)
    local key = r.doc.api_key
    t:match(key, "^sim")
    t:eq({ #key, r.doc.username, r.doc.owner_name, r.doc.key_label,
      r.doc.key_type }, { 28, "bob", "acme", "move", "AlgorithmKey" })
    t:eq(r.doc.permissions, permissions())
    t:match(r.doc.created_at, "Z$")
    t:no(r.doc.api_key_mask:find(key, 1, true))
    local function as(method, path, body)
      return s:send(method, path, { auth = key, json = body })
    end
    t:eq(as("GET", "/v1/data/").doc.folders[1].name, "acme")
    t:eq(as("GET", "/v1/algorithms/acme/Hello").status, 200)
    t:eq(answer(as("PUT", "/v1/algorithms/acme/Hello", {})), { 403, 2001 })
    t:eq(answer(as("GET", "/v1/users")), { 403, 2001 })
    t:eq({ lists(s, key, "acme"), lists(s, key, "bob"),
      lists(s, key, "carol") }, { true, true, false })
    local function may_push(which)
      return s:send("GET", "/git/acme/Hello.git/info/refs?service="
        .. "git-receive-pack", { auth = "Basic "
          .. sys.base64("acme:" .. which) }).status
    end
    t:eq({ may_push(key), may_push(s:key("acme")) }, { 403, 200 })
    -- it is the organization's, also when its member has left
    ask(s, "DELETE", "/v1/organizations/acme/members/bob")
    t:eq(as("GET", "/v1/algorithms/acme/Hello").status, 200)
    s:stop()
    s = sandboxes.start(t, { dir = s.dir })
    t:eq(as("GET", "/v1/algorithms/acme/Hello").status, 200)
    t:eq(s:key("acme", "move"), key)
    t:eq(fs.stat(s.dir .. "/keys.json").mode & 511, 384) -- 0600
  end)

test("keys are refused that permit no one thing or nobody", function(t)
  local s = sandboxes.start(t)
  local function refused(body)
    return answer(ask(s, "POST", ORG, body))
  end
  for _, key in ipairs({ "allow_algo", "allow_web_algo", "algo_acl",
    "allow_data", "allow_data_write" }) do
    local p = permissions()
    p[key] = nil
    t:eq(refused({ key_type = "AlgorithmKey", permissions = p }),
      { 400, 6001 }, key)
    t:eq(refused({ key_type = "AlgorithmKey",
      permissions = permissions({ [key] = "yes" }) }), { 400, 6001 }, key)
  end
  for _, acl in ipairs({ "algo://", "algo:///x/*", "acme/*", "algo://acme",
    "algo://a/b/c/*", "data://*", "algo://a b/*" }) do
    t:eq(refused({ key_type = "AlgorithmKey",
      permissions = permissions({ algo_acl = json.array({ acl }) }) }),
      { 400, 6001 }, acl)
  end
  t:eq(refused({ key_type = "AlgorithmKey" }), { 400, 6001 })
  t:eq(refused({ key_type = "AlgorithmKey", permissions = json.array({}) }),
    { 400, 6001 })
  t:eq(refused({ key_type = "PlatformAdminKey", permissions = permissions() }),
    { 400, 6001 })
  t:eq(refused({ permissions = permissions() }), { 400, 6001 })
  t:eq(refused(json.array({})), { 400, 2013 })
  local good = { key_type = "AlgorithmKey", permissions = permissions({
    allow_algo_management = true, referer_host = "example.com",
    algo_acl = json.array({ "algo://*", "algo://acme/*",
      "algo://acme/Hello/*" }), future = 1 }) }
  t:eq(answer(ask(s, "POST",
    "/v1/organizations/acme/members/carol/keys", good)), { 404, 3000 })
  t:eq(answer(ask(s, "POST",
    "/v1/organizations/none/members/bob/keys", good)), { 404, 3100 })
  local r = ask(s, "POST", ORG, good)
  t:eq({ r.status, r.doc.key_label }, { 201, "" })
  t:eq({ r.doc.permissions.referer_host, r.doc.permissions.future,
    r.doc.permissions.allow_algo_management }, { "example.com", nil, true })
end)

test("the keys of an organization: its own and its members'", function(t)
  local s = sandboxes.start(t)
  ask(s, "POST", ORG, { key_label = "move", key_type = "AlgorithmKey",
    permissions = permissions() })
  local r = ask(s, "GET", "/v1/organizations/acme/keys")
  t:eq(r.status, 200)
  local seen = {}
  for i, row in ipairs(r.doc) do
    t:eq(row.api_key, s:key(row.owner_name, row.key_label))
    seen[i] = row.owner_name .. "/" .. row.key_label
  end
  table.sort(seen)
  t:eq(seen, { "acme/acme-promotion", "acme/move", "alice/default-key",
    "bob/default-key" })
  t:eq(answer(ask(s, "GET", "/v1/organizations/none/keys")), { 404, 3100 })
end)

test("a key from elsewhere is taken for a user", function(t)
  local s = sandboxes.start(t)
  local body = { api_key = KEY, key_label = "kept",
    key_type = "AlgorithmKey", permissions = permissions() }
  t:eq(s:send("GET", "/v1/data/", { auth = KEY }).status, 401)
  local r = ask(s, "POST", IMPORT, body)
  t:eq({ r.status, r.doc.api_key, r.doc.username, r.doc.key_label },
    { 200, KEY, "carol", "kept" })
  t:eq(s:send("GET", "/v1/data/", { auth = KEY }).doc.folders,
    { { name = "carol" } })
  -- again: the same key, with what it may do now
  body.permissions.allow_data = false
  t:eq(ask(s, "POST", IMPORT, body).status, 200)
  t:eq(s:send("GET", "/v1/data/", { auth = KEY }).status, 403)
  t:eq(answer(ask(s, "POST", "/v1/admin/users/bob/keys", body)),
    { 409, 2015 })
  t:eq(answer(ask(s, "POST", "/v1/admin/users/nobody/keys", body)),
    { 404, 3000 })
  t:eq(answer(ask(s, "POST", "/v1/admin/users/acme/keys", body)),
    { 404, 3000 })
  for _, text in ipairs({ "", "sim", KEY .. "7", "key" .. KEY:sub(4), 7,
    KEY:sub(1, 27) .. " " }) do
    body.api_key = text
    t:eq(answer(ask(s, "POST", IMPORT, body)), { 400, 6001 }, tostring(text))
  end
  body.api_key = "simAdministratorKeyOfCarol12"
  for kind, status in pairs({ Other = 400, ManagementKey = 200 }) do
    body.key_type = kind
    t:eq(ask(s, "POST", IMPORT, body).status, status)
  end
  t:eq(s:send("GET", "/v1/users", { auth = body.api_key }).status, 200)
  s:stop()
  s = sandboxes.start(t, { dir = s.dir, options = { no_import_key = true } })
  t:eq(s:send("GET", "/v1/data/", { auth = KEY }).status, 403)
  t:eq(ask(s, "POST", IMPORT, body).status, 404)
end)

test("what needs a browser's session is refused", function(t)
  local s = sandboxes.start(t)
  for _, route in ipairs({ "GET /v1/users/bob/keys", "POST /v1/users/bob/keys",
    "POST /v1/organizations/acme/keys", "GET /v1/scms/internal/oauth/start",
    "GET /v1/scms/internal/oauth/finish?code=x" }) do
    local method, path = route:match("^(%S+) (%S+)$")
    for _, as in ipairs({ "bob", "admin" }) do
      t:eq(answer(ask(s, method, path, nil, { as = as })), { 403, 2001 },
        route)
    end
    t:eq(answer(ask(s, method, path, nil, { as = false })), { 401, 2002 },
      route)
    t:eq(answer(ask(s, method, path, nil, { auth = "Simple simNo" })),
      { 401, 2002 }, route)
    t:eq(answer(ask(s, method, path, nil, { as = false,
      headers = { Cookie = "ALGO_SESSION=x" } })), { 401, 2002 }, route)
  end
end)

test("a new user's key works, and is found only in the file", function(t)
  local s = sandboxes.start(t)
  local r = ask(s, "POST", "/v1/users", { username = "dora",
    email = "d@example.com" })
  local key = s:key("dora", "default-key")
  t:no(r.body:find(key, 1, true))
  t:eq(s:send("GET", "/v1/data/", { auth = key }).doc.folders[1].name, "dora")
end)

test("many at once are all there, and the hosts that somebody added",
  function(t)
    local s = sandboxes.start(t)
    local doc = json.decode(fs.read(s.dir .. "/keys.json"))
    doc.hosts = { ["https://git.example.com"] = { user = "bot", key = "k" } }
    local f = assert(io.open(s.dir .. "/keys.json", "w"))
    f:write(json.encode(doc))
    f:close()
    local names = {}
    for i = 1, 24 do names[i] = "user" .. i end
    local wrong = 0
    task.each(names, function(name)
      local r = ask(s, "POST", "/v1/users", { username = name,
        email = name .. "@example.com" })
      if r.status ~= 200 then wrong = wrong + 1 end
      s:key(name) -- it is in the file when it is answered
    end, { jobs = 8 })
    t:eq(wrong, 0)
    t:eq(#keys.read(s.dir), 24 + 7)
    t:eq(keys.hosts(s.dir)["https://git.example.com:443"].user, "bot")
    -- of two that want one name, one gets it
    local got = {}
    task.each({ 1, 2, 3, 4 }, function(i)
      got[i] = ask(s, "POST", "/v1/users", { username = "same",
        email = i .. "@example.com" }).status
    end, { jobs = 4 })
    table.sort(got)
    t:eq(got, { 200, 409, 409, 409 })
  end)

test("another command takes the key that can do most, and new ones",
  function(t)
    local s = sandboxes.start(t)
    local profile = sandbox.load_profile(s.dir)
    local function label(owner)
      return tostring(profile.key(owner)):match("%[secret (.-)%]")
    end
    t:eq(label("acme"), "sandbox acme-promotion")
    t:no(profile.key("nobody"))
    ask(s, "POST", "/v1/users", { username = "dora",
      email = "d@example.com" })
    t:eq(label("dora"), "sandbox default-key")
    local kinds = ask(s, "GET", "/v1/organization/types").doc
    ask(s, "POST", "/v1/organizations", { org_name = "guild", org_label = "g",
      org_contact_name = "g", org_email = "g@example.com",
      type_id = kinds[1].id })
    t:no(profile.key("guild")) -- its owner has only an admin key
    ask(s, "PUT", "/v1/organizations/guild/members/dora")
    local members = profile.key("guild")
    t:ok(members)
    local function issue(name, change)
      return ask(s, "POST", "/v1/organizations/guild/members/dora/keys", {
        key_label = name, key_type = "AlgorithmKey",
        permissions = permissions(change) }).status
    end
    t:eq(issue("weak"), 201)
    t:eq(profile.key("guild"), members)
    t:eq(issue("strong", { allow_algo_management = true }), 201)
    t:eq(label("guild"), "sandbox strong")
  end)
