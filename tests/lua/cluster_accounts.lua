-- Users and organizations: drivers, handles and the sandbox's routes.
local archive = require("godwit.cluster.archive")
local cluster = require("godwit.cluster")
local err = require("godwit.err")
local http = require("godwit.cluster.http")
local json = require("godwit.core.json")
local odd = require("support.oddcluster")
local overlay = require("godwit.cluster.overlay")
local pages = require("godwit.cluster.pages")
local sandboxes = require("support.sandboxes")
local secret = require("godwit.core.secret")

local code = sandboxes.code

local function key_for(origin, text, label)
  return secret.new(text, { label = label, origins = { origin } })
end

local function open(s, fields)
  local profile = { name = "box", kind = "http", api = s.api }
  for field, account in pairs(fields) do
    profile[field] = key_for(s.api, s:key(account), account .. " key")
  end
  return http.open(profile)
end

local function names(rows, key)
  local out = {}
  for doc in rows do
    out[#out + 1] = key and doc[key] or doc
  end
  return out
end

-- More users than a page holds.
local function many(s, count)
  for i = 1, count do
    local name = ("user%03d"):format(i)
    s.sandbox.store:write("users/" .. name .. ".json", { id = name,
      username = name, email = name .. "@example.com",
      resource_type = "user" })
  end
end

--- The sandbox -------------------------------------------------------------

test("the sandbox lists users and organizations", function(t)
  local s = sandboxes.start(t)
  local users = s:send("GET", "/v1/users", { as = "admin" }).doc
  t:eq(#users.results, 3)
  t:eq(users.marker, json.null)
  t:eq(users.results[1].username, "alice")
  t:eq(users.results[1].self_link, s.api .. "/v1/users/alice")
  local orgs = s:send("GET", "/v1/organizations", { as = "admin" }).doc
  local acme = orgs.results[1]
  t:eq(acme.org_name, "acme")
  t:no(acme.members)
  t:eq(acme.owner_ids, { users.results[1].id })

  local one = s:send("GET", "/v1/users/bob", { as = "admin" }).doc
  t:eq(one.email, "bob@example.com")
  t:eq(s:send("GET", "/v1/users/" .. one.id:upper(), { as = "admin" }).doc, one)
  t:eq(s:send("GET", "/v1/organizations/labs", { as = "admin" }).doc.org_label,
    "ACME Labs")
end)

test("the sandbox pages them", function(t)
  local s = sandboxes.start(t)
  many(s, 7)
  local seen, marker = {}, nil
  repeat
    local doc = s:send("GET", "/v1/users?limit=4" .. (marker and "&marker="
      .. marker or ""), { as = "admin" }).doc
    for _, u in ipairs(doc.results) do seen[#seen + 1] = u.username end
    marker = doc.marker ~= json.null and doc.marker or nil
  until not marker
  t:eq(#seen, 10)
  t:eq({ seen[1], seen[10] }, { "alice", "user007" })
  t:eq(code(s:send("GET", "/v1/users?limit=0", { as = "admin" })), 5003)
  t:eq(code(s:send("GET", "/v1/users?marker=%21", { as = "admin" })), 5002)
end)

test("the sandbox wants the right kind of key", function(t)
  local s = sandboxes.start(t)
  for _, path in ipairs({ "/v1/users", "/v1/users/bob", "/v1/organizations",
    "/v1/organizations/acme" }) do
    local r = s:send("GET", path)
    t:eq({ r.status, code(r) }, { 403, 2001 }, path)
    t:eq(s:send("GET", path, { as = false }).status, 401)
  end
  for path, want in pairs({ ["/v1/users/nobody"] = 3000,
    ["/v1/users/..%2Fx"] = 2015, ["/v1/organizations/none"] = 3100 }) do
    t:eq(code(s:send("GET", path, { as = "admin" })), want, path)
  end
  for _, path in ipairs({ "/v1/users/bob/event-listeners",
    "/v1/admin/invites", "/v1/organizations/acme/algorithms-host-usernames" })
  do
    local r = s:send("GET", path, { as = "admin" })
    t:eq({ r.status, code(r) }, { 501, 5005 }, path)
  end
  local one = sandboxes.start(t, { options = { one_key = true } })
  t:eq(#one:send("GET", "/v1/users").doc.results, 3)
end)

--- The http driver ---------------------------------------------------------

test("the driver lists them, over several pages", function(t)
  local s = sandboxes.start(t, { options = { max_limit = 10 } })
  many(s, 34)
  local driver = open(s, { admin_key = "admin" })
  t:eq(#names(driver:each_user()), 37)
  t:eq(driver.page_size.limit, 10) -- learned once
  t:eq(names(driver:each_organization(), "org_name"), { "acme", "labs" })
  t:eq(driver:try_get_user("carol").email, "carol@example.com")
  t:eq(driver:try_get_organization("acme").org_label, "ACME Payments")
  t:no(driver:try_get_user("nobody"))
  t:no(driver:try_get_organization("carol"))
  local owners = names(driver:each_owner())
  t:eq(#owners, 39)
  t:eq({ owners[1], owners[39] }, { "alice", "labs" })
end)

test("without an admin key it is said what to add", function(t)
  local s = sandboxes.start(t)
  local driver = open(s, { key = "acme" })
  for _, method in ipairs({ "each_user", "each_organization", "each_owner" }) do
    local e = t:raises("auth", driver[method], "add admin_key = ", driver)
    t:match(tostring(e), "box: .* needs the key of an administrator")
  end
  t:raises("auth", driver.try_get_user, "admin_key", driver, "bob")
  local wrong = open(s, { key = "acme", admin_key = "acme" })
  t:raises("auth", names, "%[secret acme key%]", wrong:each_user())
end)

test("an admin key may be a function", function(t)
  local s = sandboxes.start(t)
  local asked = 0
  local driver = http.open({ name = "box", kind = "http", api = s.api,
    admin_key = function()
      asked = asked + 1
      return key_for(s.api, s:key("admin"), "admin key")
    end })
  t:eq(#names(driver:each_owner()), 5)
  t:eq(asked, 1)
end)

test("algorithms of an owner are listed with what key there is", function(t)
  local s = sandboxes.start(t, { seed = "demo-dev" })
  local function listed(driver, owner)
    local out = {}
    for _, row in ipairs(driver:list_algorithms(owner)) do
      out[#out + 1] = row.algoname
    end
    return out
  end
  t:eq(#listed(open(s, { key = "acme" }), "acme"), 6)
  t:eq(listed(open(s, { admin_key = "admin" }), "alice"), { "Hello" })
  local driver = http.open({ name = "box", kind = "http", api = s.api,
    admin_key = key_for(s.api, s:key("admin"), "admin key"),
    key = function(owner)
      return owner == "acme" and key_for(s.api, s:key("acme"), "acme key")
        or nil
    end })
  t:eq(#listed(driver, "acme"), 6)
  t:eq(listed(driver, "alice"), { "Hello" }) -- private: the owner's key or this
  t:raises("notfound", listed, nil, driver, "nobody")
  -- one key for everybody would show of others what is public, and not say so
  t:eq(listed(open(s, { key = "acme" }), "alice"), {})
  t:eq(listed(open(s, { key = "acme", admin_key = "admin" }), "alice"),
    { "Hello" })
  t:eq(#listed(open(s, { key = "acme", admin_key = "bob" }), "acme"), 6)
end)

test("whose key is turned away is not hidden by the admin's", function(t)
  local server = odd.start(t, { ["*"] = { status = 403, json = {
    error = { code = 2001, message = "no" } } } })
  local driver = http.open(server:profile({
    admin_key = key_for(server.url, "simAdmin", "odd admin") }))
  local e = t:raises("auth", driver.list_algorithms, nil, driver, "acme")
  t:match(tostring(e), "odd key")
  t:eq(#server.requests, 2)
end)

--- Clusters that do otherwise ----------------------------------------------

local function odd_driver(t, routes)
  local server = odd.start(t, routes)
  return http.open(server:profile({
    admin_key = key_for(server.url, "simAdminKeyOfOdd", "odd admin") })), server
end

local function user(name)
  return { username = name, email = name .. "@example.com" }
end

test("missing is 404 or 409, with a code or without", function(t)
  for _, answer in ipairs({
    { status = 404, json = { error = { code = 3000, message = "no" } } },
    { status = 409, json = { error = { code = 3000, message = "no" } } },
    { status = 409, json = { error = { message = "User not found" } } },
    { status = 409, json = { code = 3100, message = "no" } },
  }) do
    local driver = odd_driver(t, { ["GET /v1/users/x"] = answer,
      ["GET /v1/organizations/x"] = answer })
    t:no(driver:try_get_user("x"))
    t:no(driver:try_get_organization("x"))
  end
  for status, kind in pairs({ [401] = "auth", [403] = "auth",
    [400] = "remote" }) do
    local driver = odd_driver(t, { ["GET /v1/users/x"] = { status = status,
      json = { error = { code = 2001, message = "no" } } } })
    t:raises(status ~= 400 and kind or nil, driver.try_get_user, nil, driver,
      "x")
  end
end)

test("rows that come again come once; a marker that does is an error",
  function(t)
    local driver = odd_driver(t, {
      ["GET /v1/users"] = {
        { json = { results = { user("a"), user("b") }, marker = "m1" } },
        { json = { results = { user("b"), user("c") }, marker = "m2" } },
        { json = { results = { user("c"), user("d") } } },
      },
      ["GET /v1/organizations"] = { json = { results = {
        { org_name = "a" }, { org_name = "e" } }, marker = json.null } },
    })
    t:eq(names(driver:each_owner()), { "a", "b", "c", "d", "e" })

    driver = odd_driver(t, { ["GET /v1/users"] = function(req)
      return { json = { results = { user("u" .. #(req.query or "")) },
        marker = "same" } }
    end })
    t:raises("remote", names, "never ends", driver:each_user())
  end)

test("pages that take turns under ever new markers are no list", function(t)
  local n = 0
  local function turns(key, row)
    return function()
      n = n + 1
      local rows = { row("a" .. n % 2) }
      for i = 1, 99 do
        rows[i + 1] = row("b" .. i)
      end
      return { json = { [key] = rows, marker = "m" .. n } }
    end
  end
  local driver = odd_driver(t, {
    ["GET /v1/users"] = turns("results", user),
    ["GET /v1/organizations/acme/members"] = turns("results", function(name)
      return { username = name, role = "member" }
    end),
    ["GET /v1/data/acme"] = turns("folders", function(name)
      return { name = name }
    end),
  })
  for _, each in ipairs({ driver:each_user(), driver:each_member("acme"),
    driver:each_collection("acme") }) do
    local e = t:raises("remote", function()
      for _ in each do end
    end)
    t:match(e.message, "again and again: its list has no end")
  end
end)

test("a smaller page, a bare array, and what is no list", function(t)
  local driver, server = odd_driver(t, { ["GET /v1/users"] = function(req)
    local limit = tonumber(req.query:match("limit=(%d+)"))
    if limit > 20 then
      return { status = 400, json = { error = { code = 5003, message = "-" } } }
    end
    return { json = { results = { user("a") } } }
  end })
  t:eq(names(driver:each_user(), "username"), { "a" })
  t:match(server:log()[#server.requests], "limit=20")

  driver = odd_driver(t, { ["GET /v1/users"] = { json = { user("z") } } })
  t:eq(names(driver:each_user(), "username"), { "z" })
  for _, bad in ipairs({ { username = "a/b" }, { username = ".." },
    { username = "" }, { username = 3 }, { name = "a" }, "text" }) do
    driver = odd_driver(t, { ["GET /v1/users"] = { json = { results = { bad } }
    }, ["GET /v1/users/x"] = { json = bad } })
    t:raises("remote", names, "usable name", driver:each_user())
    t:raises("remote", driver.try_get_user, "usable", driver, "x")
  end
  driver = odd_driver(t, { ["GET /v1/users"] = { json = { results = "a" } } })
  t:raises("remote", names, "list", driver:each_user())
end)

--- Archive, overlay, handles -----------------------------------------------

test("an archive and an overlay know them, too", function(t)
  local s = sandboxes.start(t)
  local over = overlay.new(open(s, { admin_key = "admin" }), {})
  t:eq(#names(over:each_owner()), 5)
  t:eq(over:try_get_user("bob").username, "bob")
  t:eq(names(over:each_organization(), "org_name"), { "acme", "labs" })
  t:eq(#names(over:each_user()), 3)
  t:eq(over:try_get_organization("labs").org_name, "labs")
  s:stop()
  local folder = archive.open({ dir = s.dir, name = "folder" })
  t:eq(names(folder:each_owner()), { "alice", "bob", "carol", "acme", "labs" })
  t:eq(folder:try_get_user("bob").fullname, "Bob Example")
  t:no(folder:try_get_user("nobody"))
  t:no(folder:try_get_user("../keys"))
  t:no(folder:try_get_organization("bob"))
  t:eq(folder:try_get_organization("acme").owner_ids,
    { folder:try_get_user("alice").id })
  local handle = cluster.handle(folder)
  t:eq(names(handle.organizations:each(), "org_name"), { "acme", "labs" })
  folder:close()
end)

test("handles list, get and try_get", function(t)
  local s = sandboxes.start(t)
  local box = cluster.handle(open(s, { admin_key = "admin" }))
  t:eq(names(box.users:each({ name = "*o*" }), "username"), { "bob", "carol" })
  t:eq(names(box.organizations:each({ name = "l?bs" }), "org_name"), { "labs" })
  t:eq(box.users:get("alice").email, "alice@example.com")
  t:eq(box.organizations:get("acme").org_name, "acme")
  t:raises("notfound", box.users.get, "box has no user nobody", box.users,
    "nobody")
  local none, e = box.organizations:try_get("nobody")
  t:no(none)
  t:ok(err.is(e, "notfound"))
  t:raises("usage", box.users.get, "is a text", box.users, {})
  t:raises(nil, function() return box.users.delete end, "has no delete")
  local poor = cluster.handle(open(s, { key = "acme" }))
  t:raises("auth", poor.users:each(), "admin_key")
  t:eq(#pages.all(box.users:each()), 3)
end)

test("handles create, ensure and know members", function(t)
  local s = sandboxes.start(t)
  local box = cluster.handle(open(s, { admin_key = "admin" }))
  local ann = { username = "ann", email = "ann@example.com" }
  t:eq(box.users:create(ann).fullname, "ann")
  t:raises("exists", box.users.create, nil, box.users, ann)
  local _, word = box.users:ensure { username = "ann",
    email = "ANN@example.com", company_name = "A" }
  t:eq(word, "updated")
  t:eq(select(2, box.users:ensure { username = "ann", company_name = "A" }),
    "unchanged")
  t:eq(select(2, box.users:ensure { username = "zed",
    email = "zed@example.com" }), "created")
  t:raises("conflict", box.users.ensure, "which cannot be changed", box.users,
    { username = "ann", email = "other@example.com" })
  t:raises("usage", box.users.create, "from a table", box.users, "ann")
  t:raises("usage", box.users.create, "is a text", box.users, {})

  local orgs = box.organizations
  local types = orgs:types()
  t:ok(#types > 0)
  local spec = { org_name = "team", org_label = "T", org_contact_name = "C",
    org_email = "t@example.com", type = types[1].name }
  t:raises("notfound", orgs.ensure, "no organization type x", orgs,
    { org_name = "team", type = "x" })
  local doc, done = orgs:ensure(spec)
  t:eq({ done, doc.type_id }, { "created", types[1].id })
  t:eq(select(2, orgs:ensure(spec)), "unchanged")
  t:eq(select(2, orgs:ensure { org_name = "team", org_label = "U" }),
    "updated")
  t:eq(orgs:get("team").org_email, "t@example.com")
  t:eq({ orgs:add_member("team", "ann"), orgs:add_member(doc, "ann") },
    { "created", "unchanged" })
  orgs:remove_member("team", "bob")
  local found = {}
  for m in orgs:members(doc) do found[m.username] = m.role end
  t:eq(found.ann, "member")
  orgs:remove_member("team", "ann")
  for m in orgs:members("team") do t:ok(m.username ~= "ann") end
  t:raises("notfound", orgs.add_member, nil, orgs, "team", "nobody")
  t:raises("usage", orgs.members, "is a text", orgs, 5)
end)

test("a page that is too long is asked for smaller, with a code or without",
  function(t)
    for _, e in ipairs({ { status = 400 }, { status = 400, code = 5003 } }) do
      local asked = {}
      local rows = pages.all(pages.each(function(limit)
        asked[#asked + 1] = limit or "none"
        if not limit or limit > 10 then
          error(err.new({ kind = "remote", message = "limit", status = e.status,
            code = e.code }), 0)
        end
        return { results = json.array({ "a" }) }
      end, {}))
      t:eq({ rows, asked }, { { "a" }, { 100, 50, 20, 10 } })
    end
    t:raises("remote", function()
      pages.all(pages.each(function()
        error(err.new({ kind = "remote", message = "no", status = 400,
          code = 6001 }), 0)
      end, {}))
    end)
  end)
