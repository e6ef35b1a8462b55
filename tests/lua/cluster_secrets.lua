-- Secrets of algorithms: drivers, overlay, handle and the sandbox's routes.
local archive = require("godwit.cluster.archive")
local cluster = require("godwit.cluster")
local core = require("godwit.core.http")
local effect = require("godwit.effect")
local fs = require("godwit.core.fs")
local http = require("godwit.cluster.http")
local json = require("godwit.core.json")
local odd = require("support.oddcluster")
local overlay = require("godwit.cluster.overlay")
local sandboxes = require("support.sandboxes")
local secret = require("godwit.core.secret")
local settle = require("godwit.effect.settle")
local unknown = require("godwit.unknown")

settle.timing.scale = 0.01

local code = sandboxes.code
local VALUE = 'h0rse "battery" staple'

local function start(t, opts)
  local s = sandboxes.start(t, opts)
  local driver = http.open({ name = "box", kind = "http", api = s.api,
    key = secret.new(s:key("acme"), { label = "acme key",
      origins = { s.api } }) })
  return driver, s
end

local function value(driver, text)
  return driver:bind_secret(secret.new(text or VALUE, { label = "value" }))
end

local function spec(driver, more)
  local out = { secret_key = "TOKEN", short_name = "token", description = "D",
    secret_value = value(driver),
    provider_id = driver:list_secret_providers()[1].id }
  for k, v in pairs(more or {}) do out[k] = v ~= json.null and v or nil end
  return out
end

local function keys(list)
  local out = {}
  for i, doc in ipairs(list) do out[i] = doc.secret_key end
  return out
end

-- All that stands in the files of a folder.
local function contents(dir)
  local parts = {}
  for _, e in ipairs(fs.list(dir)) do
    local path = dir .. "/" .. e.name
    if e.type == "dir" then
      parts[#parts + 1] = contents(path)
    else
      local f = assert(io.open(path, "rb"))
      parts[#parts + 1] = f:read("a")
      f:close()
    end
  end
  return table.concat(parts, "\n")
end

local function nowhere(t, dir)
  local all = contents(dir)
  t:no(all:find("battery", 1, true))
  t:no(all:find("h0rse", 1, true))
end

--- The sandbox -------------------------------------------------------------

test("the sandbox keeps names, checks the rest", function(t)
  local _, s = start(t)
  local id = s:create("Hello").id
  local path = "/v1/algorithms/" .. id .. "/secrets"
  local body = { short_name = "token", secret_key = "TOKEN", owner_id = id,
    owner_type = "algorithm", description = " ", secret_value = VALUE }
  local r = s:send("POST", path, { json = body })
  t:eq(r.status, 200)
  t:eq({ r.doc.secret_key, r.doc.description, #r.doc.id, r.doc.secret_value },
    { "TOKEN", " ", 36 })
  t:eq(r.doc.provider_id, s:send("GET", "/v1/secret-provider").doc[1].id)
  t:eq(s:send("GET", path).doc.results, { r.doc })

  local function refused(want, change, method, at)
    local sent = {}
    for k, v in pairs(body) do sent[k] = v end
    for k, v in pairs(change) do sent[k] = v end
    t:eq(code(s:send(method or "POST", at or path, { json = sent })), want)
  end
  refused(8001, {})
  refused(8001, { secret_key = "OTHER" })
  local other = { secret_key = "OTHER", short_name = "other" }
  refused(8001, { secret_key = "OTHER", short_name = "" })
  refused(8001, { secret_key = "O", short_name = "o", description = "" })
  refused(8004, { secret_key = "O", short_name = "o", secret_value = "" })
  refused(8004, { secret_key = "O", short_name = "o",
    secret_value = json.null })
  refused(8000, { secret_key = 3 })
  refused(8001, { secret_key = "O", short_name = "o", owner_id = "x" })
  refused(8006, { secret_key = "O", short_name = "o", provider_id = "x" })
  refused(8008, other, "PUT", path .. "/none")
  t:eq(code(s:send("DELETE", path .. "/none")), 8008)
  t:eq(code(s:send("POST", path, { body = "[]" })), 8000)

  r = s:send("PUT", path .. "/" .. r.doc.id,
    { json = { description = "a token", secret_value = "another" } })
  t:eq({ r.status, r.doc.description, r.doc.secret_key },
    { 200, "a token", "TOKEN" })
  t:eq(s:send("DELETE", path .. "/" .. r.doc.id).status, 204)
  t:eq(s:send("GET", path).doc.results, {})
  nowhere(t, s.dir)
end)

test("whose key may set secrets in the sandbox", function(t)
  local _, s = start(t)
  local id = s:create("Hello").id
  local path = "/v1/algorithms/" .. id .. "/secrets"
  local function post(opts)
    opts.json = { short_name = opts.as, secret_key = opts.as,
      description = "D", secret_value = "some value" }
    return s:send("POST", path, opts)
  end
  t:eq(post({ as = "bob" }).status, 200) -- a member
  t:eq(post({ as = "admin" }).status, 200)
  t:eq(post({ as = "labs" }).status, 404) -- private: not there for others
  t:eq(post({ as = "carol", label = "weak" }).status, 403)
  t:eq(s:send("GET", path, { as = "admin" }).status, 403)
  t:eq(s:send("GET", "/v1/algorithms/acme/Hello/secrets").status, 404)
  t:eq(s:send("POST", "/v1/algorithms/acme/Hello/secrets", { json = {} })
    .status, 404)
end)

test("providers: none is the default, disabled", function(t)
  local driver, s = start(t)
  s:create("Hello")
  local store = s.sandbox.store
  local list = store:read("secret-providers.json")
  list[1].isDefault = false
  store:write("secret-providers.json", list)
  local box = cluster.handle(driver).algorithms:get("acme/Hello")
  t:raises("refused", box.set_secret, "no default secret provider %[8002%]",
    box, { key = "TOKEN", value = VALUE })
  local e = t:raises(nil, driver.create_secret, nil, driver, "acme", "Hello",
    spec(driver, { provider_id = json.null }))
  t:eq(e.code, 8002)
  t:raises("refused", box.set_secret, "no secret provider vault; it has "
    .. "algorithmia_internal", box, { key = "TOKEN", value = VALUE,
      provider = "vault" })
  local _, done = box:set_secret({ key = "TOKEN", value = VALUE,
    provider = "algorithmia_internal" })
  t:eq(done, "created")
  list[1].isEnabled = false
  store:write("secret-providers.json", list)
  e = t:raises(nil, driver.create_secret, nil, driver, "acme", "Hello",
    spec(driver, { secret_key = "B", short_name = "b" }))
  t:eq(e.code, 8012)
  driver.memo:forget("secret providers")
  t:raises("refused", box.set_secret, "is disabled", box, { key = "C",
    value = VALUE, provider = list[1].id })
end)

--- The http driver, and the overlay beside it --------------------------------

-- What must agree of a plan and what became of it.
local function agree(t, planned, real)
  for k, v in pairs(planned) do
    if unknown.is(v) then
      t:ok(real[k] ~= nil, k)
    else
      t:eq(v, real[k], k)
    end
  end
end

test("secrets are set, changed and taken, and a plan says the same",
  function(t)
    local real, s = start(t)
    s:create("Hello")
    local plan = overlay.new(real, {})
    local lists = {}
    for _, driver in ipairs({ plan, real }) do
      local made = driver:create_secret("acme", "Hello", spec(driver))
      t:eq(made.secret_key, "TOKEN")
      t:no(made.secret_value)
      driver:create_secret("acme", "Hello", spec(driver, { secret_key = "B",
        short_name = "b" }))
      t:raises("remote", driver.create_secret, "exists", driver, "acme",
        "Hello", spec(driver))
      t:raises("notfound", driver.create_secret, "provider", driver, "acme",
        "Hello", spec(driver, { secret_key = "X", short_name = "x",
          provider_id = "none" }))
      t:raises("notfound", driver.create_secret, nil, driver, "acme", "Nope",
        spec(driver))
      local doc = driver:update_secret("acme", "Hello", made,
        spec(driver, { description = "other" }))
      t:eq(doc.description, "other")
      local gone = driver:list_secrets("acme", "Hello")[2]
      driver:delete_secret("acme", "Hello", gone)
      driver:delete_secret("acme", "Hello", gone) -- as it should be
      lists[#lists + 1] = driver:list_secrets("acme", "Hello")
      t:eq(keys(lists[#lists]), { "TOKEN" })
      if driver == plan then
        t:eq(#real:list_secrets("acme", "Hello"), 0)
      end
    end
    agree(t, lists[1][1], lists[2][1])
    nowhere(t, s.dir)
    local told = {}
    for _, entry in ipairs(plan:planned()) do
      told[#told + 1] = table.concat(effect.describe(entry), "\n")
    end
    told = table.concat(told, "\n")
    t:match(told, "secret%.create box:acme/Hello/secrets/TOKEN\n"
      .. "  description: \"D\"")
    t:match(told, "secret%.update box:acme/Hello/secrets/TOKEN\n"
      .. "  description: \"D\" %-> \"other\"\n"
      .. "  value: \"%(not shown%)\" %-> \"%(another, not shown%)\"")
    t:match(told, "secret%.delete box:acme/Hello/secrets/B")
    t:no(told:find("battery", 1, true))
  end)

test("a plan knows the secrets of what it creates", function(t)
  local real, s = start(t)
  local plan = overlay.new(real, {})
  plan:create_algorithm("acme", s:body("New"))
  t:eq(plan:list_secrets("acme", "New"), {})
  local a = cluster.handle(plan).algorithms:get("acme/New")
  t:eq(select(2, a:set_secret({ key = "A", value = VALUE })), "created")
  t:eq(select(2, a:set_secret({ key = "A" })), "unchanged")
  t:eq(select(2, a:set_secret({ key = "A", description = "new" })), "updated")
  t:eq(a:secrets()[1].description, "new")
  t:no(real:try_get_algorithm("acme", "New"))
end)

test("a lost answer is settled by looking", function(t)
  local posts, there = 0, json.array({})
  local id = ("1"):rep(8)
  local path = "/v1/algorithms/" .. id .. "/secrets"
  local server = odd.start(t, {
    ["GET /v1/algorithms/acme/Hello"] = { json = { id = id } },
    ["GET /v1/secret-provider"] = { json = json.array({ { id = "p",
      isDefault = true } }) },
    ["GET " .. path] = function() return { json = { secrets = there } } end,
    ["POST " .. path] = function(seen, req)
      posts = posts + 1
      if posts == 2 then
        local doc = json.decode(seen.body)
        there[1] = { id = "s1", secret_key = doc.secret_key }
      end
      odd.cut(req)
    end,
  })
  local driver = http.open(server:profile())
  local doc = driver:create_secret("acme", "Hello", spec(driver))
  t:eq(doc.id, "s1")
  t:eq(posts, 2) -- the first one did not happen: seen, then sent again
end)

test("clusters' own ways: list keys, empty answers, providers, ids", function(t)
  local id = ("1"):rep(8)
  local path = "/v1/algorithms/" .. id .. "/secrets"
  local rows = json.array({ { id = "s1", secret_key = "A", short_name = "a" } })
  for _, key in ipairs({ "results", "secrets" }) do
    local server = odd.start(t, {
      ["GET /v1/algorithms/acme/Hello"] = { json = { id = id } },
      ["GET /v1/secret-provider"] = { json = { results = { { id = "p",
        isDefault = true } } } },
      ["GET " .. path] = { json = { [key] = rows } },
      ["PUT " .. path .. "/s1"] = { status = 204 },
      ["DELETE " .. path .. "/s1"] = { status = 404, json = { error = {
        code = 8008, message = "gone" } } },
    })
    local driver = http.open(server:profile())
    t:eq(driver:list_secret_providers()[1].id, "p")
    t:eq(driver:update_secret("acme", "Hello", rows[1],
      spec(driver, { secret_key = "A" })), rows[1])
    driver:delete_secret("acme", "Hello", rows[1]) -- gone is gone
    for _, bad in ipairs({ "../x", "..", "", 3, json.null }) do
      t:raises("remote", driver.delete_secret, "no usable id", driver, "acme",
        "Hello", { id = bad, secret_key = "A" })
    end
  end
  local server = odd.start(t, { ["GET /v1/algorithms/acme/Hello"] =
    { json = { id = "../../users" } } })
  local driver = http.open(server:profile())
  t:raises("remote", driver.list_secrets, "no usable id", driver, "acme",
    "Hello")
end)

test("a value that a cluster gives out is not taken", function(t)
  local path = "/v1/algorithms/1/secrets"
  local doc = { id = "s1", secret_key = "A", secret_value = VALUE,
    value = VALUE }
  local server = odd.start(t, {
    ["GET /v1/algorithms/acme/Hello"] = { json = { id = "1" } },
    ["GET " .. path] = { json = { results = { doc } } },
    ["POST " .. path] = { json = doc },
    ["PUT " .. path .. "/s1"] = { json = doc },
  })
  local driver = http.open(server:profile())
  local want = { id = "s1", secret_key = "A" }
  local to_set = { secret_key = "A", secret_value = value(driver) }
  t:eq(driver:list_secrets("acme", "Hello"), { want })
  t:eq(driver:create_secret("acme", "Hello", to_set), want)
  t:eq(driver:update_secret("acme", "Hello", doc, to_set), want)
end)

test("providers are asked with the admin key where the other is turned away",
  function(t)
    local server = odd.start(t, { ["GET /v1/secret-provider"] = function(req)
      if req.headers.authorization:find("Admin", 1, true) then
        return { json = json.array({}) }
      end
      return { status = 403, json = { error = { code = 2001, message = "-" } } }
    end })
    local driver = http.open(server:profile({ admin_key = secret.new(
      "simAdminAdmin", { label = "admin", origins = { server.url } }) }))
    t:eq(driver:list_secret_providers(), {})
  end)

test("a protected cluster's secrets are not deleted", function(t)
  local driver, s = start(t)
  s:create("Hello")
  local doc = driver:create_secret("acme", "Hello", spec(driver))
  driver.profile.protected = true
  for _, one in ipairs({ driver, overlay.new(driver, {}) }) do
    t:raises("refused", one.delete_secret, "is protected", one, "acme",
      "Hello", doc)
  end
end)

--- Values --------------------------------------------------------------------

test("a value goes to its origins only, and to no log", function(t)
  local driver, s = start(t)
  s:create("Hello")
  local a = cluster.handle(driver).algorithms:get("acme/Hello")
  local foreign = secret.new("for-another-place", { label = "foreign",
    origins = { "https://api.example.com" } })
  local e = t:raises("denied", a.set_secret, "the secret foreign must not be"
    .. " sent to", a, { key = "T", value = foreign })
  t:no(tostring(e):find("another%-place"))
  local own = secret.new("for-this-place", { label = "own",
    origins = { s.api } })
  t:eq(select(2, a:set_secret({ key = "T", value = own })), "created")
  t:eq(#a:secrets(), 1)
  -- a text is filtered from then on
  a:set_secret({ key = "U", value = "a-written-value" })
  t:eq(secret.redact("it is a-written-value"), "it is [secret]")
  nowhere(t, s.dir)
end)

test("what is sent is the text, whatever is in it", function(t)
  local id = ("1"):rep(8)
  local path = "/v1/algorithms/" .. id .. "/secrets"
  local server = odd.start(t, {
    ["GET /v1/algorithms/acme/Hello"] = { json = { id = id } },
    ["GET /v1/secret-provider"] = { json = json.array({ { id = "p",
      isDefault = true } }) },
    ["GET " .. path] = { json = { results = json.array({}) } },
    ["POST " .. path] = { json = { id = "s1", secret_key = "T" } },
  })
  local a = cluster.handle(http.open(server:profile())).algorithms
    :get("acme/Hello")
  local text = 'q"\\\n\t\1 — ü 🐎 </script>'
  a:set_secret({ key = "T", value = text })
  local sent = json.decode(server.requests[#server.requests].body)
  t:eq(sent, { secret_key = "T", short_name = "T", description = " ",
    provider_id = "p", owner_type = "algorithm", owner_id = id,
    secret_value = text })
  t:raises("usage", a.set_secret, "not UTF%-8", a, { key = "T",
    value = "bytes \xff\xfe" })
end)

test("set_secret says what it wants", function(t)
  local driver, s = start(t)
  s:create("Hello")
  local a = cluster.handle(driver).algorithms:get("acme/Hello")
  for _, case in ipairs({
    { nil, "takes a table" }, { {}, "key is missing" },
    { { key = "" }, "key is missing" }, { { key = 3 }, "key is a text" },
    { { key = "A", value = 3 }, "a secret or a text" },
    { { key = "A", value = "" }, "is empty" },
    { { key = "A", vlaue = "x" }, "no field vlaue" },
    { { key = "A" }, "has no secret A yet" },
  }) do
    t:raises("usage", a.set_secret, case[2], a, case[1])
  end
  t:eq(#a:secrets(), 0)
  local doc, done = a:set_secret({ key = "A", value = VALUE,
    short_name = "an a", description = "" })
  t:eq({ doc.short_name, doc.description, done }, { "an a", " ", "created" })
  doc, done = a:set_secret({ key = "A", value = VALUE })
  t:eq({ doc.short_name, done }, { "an a", "updated" })
  t:eq(select(2, a:set_secret({ key = "A", description = " " })), "unchanged")
  t:raises("refused", a.set_secret, "no secret provider", a, { key = "A",
    provider = "vault" })
end)

--- Archive -------------------------------------------------------------------

test("an archive keeps names, and no value", function(t)
  local dir = t:tmpdir() .. "/folder"
  local _, s = start(t, { seed = "demo-dev" })
  s:stop()
  local folder = archive.open({ dir = s.dir, name = "folder" })
  local a = cluster.handle(folder).algorithms:get("acme/FraudScore")
  t:eq(select(2, a:set_secret({ key = "A", value = VALUE })), "created")
  t:eq(select(2, a:set_secret({ key = "A", value = VALUE,
    description = "d" })), "updated")
  t:eq(keys(a:secrets()), { "A" })
  t:no(a:secrets()[1].secret_value)
  folder:delete_secret("acme", "FraudScore", a:secrets()[1])
  t:eq(a:secrets(), {})
  folder:delete_secret("acme", "FraudScore", { id = "gone",
    secret_key = "A" })
  folder:close()
  nowhere(t, s.dir)

  local fresh = archive.create(dir)
  t:eq(#fresh:list_secret_providers(), 1)
  t:eq(fresh:list_secret_providers()[1].isDefault, true)
  t:eq(fresh:list_secret_providers(), fresh:list_secret_providers())
  fresh:close()
end)

test("no value is in an answer of the sandbox", function(t)
  local driver, s = start(t)
  s:create("Hello")
  driver:create_secret("acme", "Hello", spec(driver))
  local id = s:send("GET", "/v1/algorithms/acme/Hello").doc.id
  local r = core.send({ method = "GET", url = s.api .. "/v1/algorithms/" .. id
    .. "/secrets", headers = { Authorization = s:key("acme") } })
  t:eq(r.status, 200)
  t:no(r.body:find("battery", 1, true))
  t:no(r.body:find("secret_value", 1, true))
end)
