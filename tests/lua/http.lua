-- godwit.http against a server on this loop that follows a script.
local core = require("godwit.core.http")
local err = require("godwit.err")
local http = require("godwit.http")
local json = require("godwit.core.json")
local retry = require("godwit.http.retry")
local serve = require("godwit.core.serve")
local sys = require("godwit.core.sys")
local task = require("godwit.task")

-- A server that answers with the entries in turn, the last one for ever. An
-- entry is {status, headers, body} or a function(req). Keeps what was asked.
local function server(t, answers)
  local asked = {}
  local s = assert(serve.listen({ handler = function(req)
    local seen = { method = req.method, path = req.path, query = req.query,
      headers = req.headers, body = req:body() }
    asked[#asked + 1] = seen
    local a = answers[math.min(#asked, #answers)]
    if type(a) == "function" then return a(req, seen) end
    req:respond(a[1], a[2], a[3])
  end }))
  t:defer(function() s:close(1) end)
  return asked, ("http://127.0.0.1:%d"):format(s.port), s
end

local FAST = { base = 0.001, random = function() return 1 end }

test("queries, JSON and headers", function(t)
  local asked, base = server(t, { { 200, { ["Content-Type"] = "application/json" }, '{"a":[]}' } })
  local r = http.post(base .. "/x?y=1", {
    query = { b = { 1, "zwei drei" }, a = true, n = 2.0, z = "&=" },
    json = { big = 9007199254740993 }, headers = { ["X-T"] = "1" },
  })
  t:eq(asked[1].query, "y=1&a=true&b=1&b=zwei%20drei&n=2&z=%26%3D")
  t:eq(asked[1].body, '{"big":9007199254740993}')
  t:eq({ asked[1].headers["content-type"], asked[1].headers["x-t"] }, { "application/json", "1" })
  t:ok(json.is_array(r:json().a))
  t:eq(r.headers["Content-Type"], "application/json")
  t:eq(r.headers["CONTENT-type"], "application/json")
end)

test("all methods, and one call for everything", function(t)
  local asked, base = server(t, { { 204 } })
  for _, m in ipairs({ "get", "head", "post", "put", "patch", "delete" }) do
    t:eq(http[m](base .. "/" .. m).status, 204)
  end
  http.request({ method = "PUT", url = base, body = "b" })
  local methods = {}
  for i, a in ipairs(asked) do methods[i] = a.method end
  t:eq(methods, { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "PUT" })
  t:raises(nil, http.get, "unknown option 'timout'", base, { timout = 3 })
end)

test("a status outside expect raises what it means", function(t)
  local kinds = { [400] = "remote", [401] = "auth", [403] = "auth", [404] = "notfound",
    [409] = "conflict", [429] = "limit", [500] = "remote", [302] = "remote" }
  for status, kind in pairs(kinds) do
    local _, base = server(t, { { status, { ["Content-Type"] = "application/json" },
      '{"error":{"message":"the reason"}}' } })
    local e = t:raises(kind, http.get, "the reason", base .. "/p", { retry = false })
    t:eq({ e.status, e.method, e.url, e.sent }, { status, "GET", base .. "/p", true })
    t:eq(e.response.status, status)
    t:eq(e.retryable, status == 429 or status == 500)
  end
end)

test("expect takes a status, a list or any", function(t)
  local _, base = server(t, { { 404 } })
  t:eq(http.get(base, { expect = 404 }).status, 404)
  t:eq(http.get(base, { expect = { 200, 404 } }).status, 404)
  t:eq(http.get(base, { expect = "any" }).status, 404)
  t:raises("notfound", http.get, nil, base, { expect = { 200 } })
end)

test("HTML where JSON was expected is named", function(t)
  local _, base = server(t, { { 200, { ["Content-Type"] = "text/html; charset=utf-8" },
    "<!DOCTYPE html>\n<title>Sign in</title>" } })
  local e = t:raises("remote", function() return http.get(base .. "/v1"):json() end,
    "text/html instead of JSON: <!DOCTYPE html> <title>Sign in</title>")
  t:match(e.message, "/v1")
  t:no(e.retryable)
end)

test("reads are repeated, with full jitter", function(t)
  local asked, base = server(t, { { 503 }, { 502 }, { 504 }, { 200, nil, "at last" } })
  t:eq(http.get(base, { retry = FAST }).body, "at last")
  t:eq(#asked, 4)
  asked, base = server(t, { { 503 } })
  local e = t:raises("remote", http.get, nil, base, { retry = FAST })
  t:eq({ #asked, e.status, e.retryable }, { 4, 503, true })
  local policy = retry.policy({ random = function() return 0.5 end, base = 1, max_delay = 3 })
  t:eq({ retry.delay(policy, 1, nil, 0), retry.delay(policy, 2, nil, 0),
    retry.delay(policy, 5, nil, 0), retry.delay(policy, 1, 7, 0),
    retry.delay(policy, 1, nil, 300) }, { 0.5, 1.0, 1.5, 7, nil })
  -- Not waited for, and not asked again before its time either.
  t:eq(retry.delay(policy, 1, 9999, 0), nil)
end)

test("a POST is repeated only where it cannot have happened", function(t)
  local asked, base = server(t, { { 503 }, { 200 } })
  t:raises("remote", http.post, nil, base, { retry = FAST })
  t:eq(#asked, 1)
  asked, base = server(t, { { 503, { ["Retry-After"] = "0" } }, { 429, { ["Retry-After"] = "0" } },
    { 201 } })
  t:eq(http.post(base, { body = "x", retry = FAST }).status, 201)
  t:eq({ #asked, asked[3].body }, { 3, "x" })
  asked, base = server(t, { function() end, { 200 } }) -- no answer at all: 500
  t:raises("remote", http.post, nil, base, { retry = FAST })
  t:eq(#asked, 1)
  asked, base = server(t, { function(req) req:start(200, {}) error("cut") end, { 200 } })
  local e = t:raises("net", http.post, nil, base, { retry = FAST })
  t:eq({ #asked, e.sent, e.attempts }, { 1, true, 1 })
  asked, base = server(t, { { 503 }, { 200 } })
  t:eq(http.post(base, { idempotent = true, retry = FAST }).status, 200)
  local _, gone, s = server(t, { { 200 } })
  s:close()
  e = t:raises("net", http.post, "refused", gone, { retry = FAST })
  t:eq({ e.sent, e.attempts, e.method }, { false, 4, "POST" })
end)

test("Retry-After in seconds and as a date", function(t)
  local asked, base = server(t, {
    { 429, { ["Retry-After"] = "1" } }, { 200 } })
  local began = sys.monotonic()
  http.get(base, { retry = FAST })
  t:ok(sys.monotonic() - began > 0.98)
  t:eq(#asked, 2)
  t:eq(retry.date("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777)
  t:eq(retry.date("Thu, 29 Feb 2024 23:59:59 GMT"), 1709251199)
  t:eq(retry.after({ ["retry-after"] = "Sun, 06 Nov 1994 08:49:37 GMT",
    date = "Sun, 06 Nov 1994 08:49:30 GMT" }), 7)
  t:eq(retry.after({ ["retry-after"] = "soon" }), nil)
  t:eq(retry.after({}), nil)
end)

test("redirects are followed one at a time", function(t)
  local asked, base = server(t, {
    { 301, { Location = "/b?c" } }, { 303, { Location = "d" } }, { 307, { Location = "/e" } },
    { 200, nil, "end" } })
  local r = http.post(base .. "/a/x", { body = "p", headers = { ["Content-Type"] = "t/t" } })
  t:eq({ r.body, r.url, r.method }, { "end", base .. "/e", "GET" })
  local lines = {}
  for i, a in ipairs(asked) do lines[i] = a.method .. " " .. a.path .. " " .. a.body end
  t:eq(lines, { "POST /a/x p", "GET /b ", "GET /d ", "GET /e " })
  t:eq(asked[2].headers["content-type"], nil)
  asked, base = server(t, { { 308, { Location = "/b" } }, { 200 } })
  http.put(base .. "/a", { body = "p" })
  t:eq({ asked[2].method, asked[2].body }, { "PUT", "p" })
  asked, base = server(t, { { 302, { Location = "/b" } } })
  t:eq(http.get(base, { redirects = false, expect = 302 }).headers.location, "/b")
  t:eq(#asked, 1)
end)

test("redirects in a circle or without end stop", function(t)
  local asked, base = server(t, { { 302, { Location = "/b" } }, { 302, { Location = "/a" } } })
  t:raises("remote", http.get, "circle", base .. "/a")
  t:eq(#asked, 2)
  local n = 0
  asked, base = server(t, { function(req)
    n = n + 1
    req:respond(302, { Location = "/" .. n })
  end })
  t:raises("remote", http.get, "redirected too often", base)
  t:eq(#asked, 11)
end)

test("no credentials and no writes to another origin", function(t)
  local secret = require("godwit.core.secret")
  local there, other = server(t, { { 200, nil, "other" } })
  local asked, base = server(t, { { 302, { Location = other .. "/x" } } })
  local key = secret.new("simKEY0123456789", { label = "k", origins = { base, other } })
  local r = http.get(base .. "/a", { auth = key, auth_scheme = "Simple",
    headers = { Cookie = "c=1", ["X-Api-Key"] = "k", Accept = "text/x" } })
  t:eq(r.body, "other")
  t:eq(asked[1].headers.authorization, "Simple simKEY0123456789")
  t:eq({ there[1].headers.authorization, there[1].headers.cookie, there[1].headers["x-api-key"],
    there[1].headers.accept }, { nil, nil, nil, "text/x" })
  asked, base = server(t, { { 307, { Location = other .. "/x" } } })
  t:raises("remote", http.post, "redirects a POST to another place", base, { body = "x" })
  asked, base = server(t, { { 303, { Location = other .. "/x" } } })
  t:eq(http.post(base, { body = "x" }).method, "GET")
  t:eq(#there, 2)
  for _, bad in ipairs({ "file:///etc/passwd", "ftp://x/", "http://u:p@127.0.0.1/" }) do
    asked, base = server(t, { { 302, { Location = bad } } })
    t:raises("remote", http.get, "redirects to an", base)
  end
  local redirect = require("godwit.http.redirect")
  t:raises("remote", redirect.follow, "from https to http", { method = "GET", url = "https://h/" },
    { status = 302, headers = { location = "http://h/" } }, {})
end)

test("a key goes to its origins only and is printed nowhere", function(t)
  local secret = require("godwit.core.secret")
  local _, base = server(t, { { 401, nil, "bad key simKEY0123456789" } })
  local key = secret.new("simKEY0123456789", { label = "dev" })
  local e = t:raises("denied", http.get, "the secret dev must not be sent to", base, { auth = key })
  t:no(tostring(e):find("simKEY"))
  secret.allow(key, base)
  e = t:raises("auth", http.get, nil, base, { auth = key })
  t:no(secret.redact(tostring(e)):find("simKEY"))
  t:raises("denied", http.get, "plain http", "http://192.0.2.1/", { auth = secret.new(
    "simKEY9876543210", { origins = { "http://192.0.2.1" } }) })
  t:raises(nil, http.get, nil, base, { headers = { Authorization = "x" }, auth = key })
end)

test("a secret knows how it is sent", function(t)
  local secret = require("godwit.core.secret")
  local asked, base = server(t, { { 200 } })
  local key = secret.new("simKEY0123456789", { origins = { base }, scheme = "Basic", user = "ada" })
  http.get(base, { auth = key })
  http.get(base, { auth = key, auth_user = "bob" })
  http.get(base:gsub("//", "//carl@"), { auth = key })
  http.get(base, { auth = key, auth_scheme = "Token", auth_header = "X-Auth" })
  local users = {}
  for i = 1, 3 do
    users[i] = sys.unbase64(asked[i].headers.authorization:match("^Basic (.*)")):match("^[^:]*")
  end
  t:eq(users, { "ada", "bob", "carl" })
  t:eq(asked[4].headers["x-auth"], "Token simKEY0123456789")
end)

test("bodies to and from files", function(t)
  local fs = require("godwit.core.fs")
  local dir = t:tmpdir()
  local big = ("0123456789"):rep(500000)
  local asked, base = server(t, { { 200, nil, big } })
  local r = http._transfer("GET", base, { to_file = dir .. "/f" })
  t:eq({ r.body, r.bytes_down }, { "", #big })
  t:ok(fs.read(dir .. "/f", 1 << 30) == big)
  http._transfer("PUT", base, { from_file = dir .. "/f" })
  t:ok(asked[2].body == big)
  asked, base = server(t, { { 404, nil, "none" } })
  local e = t:raises("notfound", http._transfer, "none", "GET", base, { to_file = dir .. "/g" })
  t:eq(e.response.body, "none")
  t:eq(#fs.list(dir), 1)
  t:raises("denied", http.get, "no files", base, { to_file = dir .. "/h" })
  t:raises("denied", http.put, "no files", base, { from_file = "/etc/passwd" })
end)

test("a body past its cap is refused", function(t)
  local _, base = server(t, { { 200, nil, ("x"):rep(5000) } })
  local e = t:raises("limit", http.get, "5000 bytes long, only 100 are allowed", base,
    { max_body = 100, retry = FAST })
  t:no(e.retryable)
end)

test("a plan's hook gets what would change something", function(t)
  local asked, base = server(t, { { 200, nil, "r" } })
  local got
  t:defer(function() http.plan_hook = nil end)
  http.plan_hook = function(req)
    got = req
    return "unknown"
  end
  t:eq(http.get(base).body, "r")
  t:eq(http.post(base .. "/p", { body = "b", query = { a = 1 } }), "unknown")
  t:eq({ got.method, got.url, got.opts.body }, { "POST", base .. "/p?a=1", "b" })
  t:eq(#asked, 1)
  t:eq(got.write().body, "r")
  t:eq(#asked, 2)
end)

test("a request can be cancelled in the middle", function(t)
  local _, base = server(t, { function(req)
    req:start(200, {})
    req:write("some")
    while not req:closed() do task.sleep(0.02) end
  end })
  local began = sys.monotonic()
  local e = t:raises("timeout", task.deadline, nil, 0.1, http.get, base)
  t:ok(sys.monotonic() - began < 30) -- it would last for ever
  t:ok(err.is(e))
end)

test("addresses outside ASCII are encoded", function(t)
  local asked, base = server(t, { { 200 } })
  http.get(base .. "/näme with space#frag")
  t:eq(asked[1].path, "/n%C3%A4me%20with%20space")
  t:eq(core.url.parse("nonsense"), nil)
end)

test("what a server says fits into a message, whatever its bytes", function(t)
  local json_type = { ["Content-Type"] = "application/json" }
  for _, body in ipairs({ "\xff\xfe\0bin\27[31mary", ("é"):rep(400), "", "a\r\nb" }) do
    local _, base = server(t, { { 500, nil, body } })
    local e = t:raises("remote", http.get, nil, base, { retry = false })
    t:ok(json.encode(tostring(e)))
    t:no(e.message:find("%c"))
    t:ok(#e.message < 400)
    _, base = server(t, { { 200, json_type, body } })
    e = t:raises("remote", function() return http.get(base):json() end, "instead of JSON")
    t:ok(json.encode(e.message))
  end
end)

test("a body in parts: secrets stand in it as JSON, and go nowhere else", function(t)
  local secret = require("godwit.core.secret")
  local asked, base = server(t, { { 200 } })
  local token = secret.new('to"ken\nof parts', { label = "token", origins = { base } })
  http.post(base .. "/x", { body = { '{"v":', token, "}" } })
  t:eq(json.decode(asked[1].body), { v = 'to"ken\nof parts' })
  t:eq(secret.redact(asked[1].body), '{"v":"[secret]"}')
  http.put(base .. "/y", { body = { "a", "b" } })
  t:eq(asked[2].body, "ab")
  local other = secret.copy(token)
  local e = t:raises("denied", http.post, "the secret token must not be sent to", base, { body = { other } })
  t:ok(not tostring(e):find("of parts", 1, true))
  for _, bad in ipairs({ {}, { 1 }, { "a", true }, { n = token }, { {} } }) do
    t:raises(nil, http.post, "bad option 'body'", base, { body = bad })
  end
  t:eq(#asked, 2)
end)
