-- The webhook's payloads, signatures and route; SCM routes of the sandbox.
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local json = require("godwit.core.json")
local sandboxes = require("support.sandboxes")
local webhook = require("godwit.sandbox.webhook")

local code = sandboxes.code
local SHA = ("ab12"):rep(10)

test("a signature is an HMAC of the body", function(t)
  -- RFC 4231, test cases 2 and 6
  t:eq(webhook.hmac("Jefe", "what do ya want for nothing?"),
    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
  t:eq(webhook.hmac(("\xaa"):rep(131), "Test Using Larger Than Block-Size Key"
    .. " - Hash Key First"),
    "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54")
end)

test("who knows the secret", function(t)
  local good = "sha256=" .. webhook.hmac("s", "{}")
  t:ok(webhook.is_signed({ ["x-hub-signature-256"] = good }, "{}", "s"))
  t:ok(webhook.is_signed({ ["x-hub-signature"] = good:upper() }, "{}", "s"))
  t:ok(webhook.is_signed({ ["x-gitlab-token"] = "s" }, "{}", "s"))
  for _, headers in ipairs({ {}, { ["x-hub-signature-256"] = good .. "0" },
    { ["x-hub-signature-256"] = "sha1=" .. ("0"):rep(40) },
    { ["x-hub-signature-256"] = "", ["x-gitlab-token"] = "s" },
    { ["x-gitlab-token"] = "S" }, { ["x-gitlab-token"] = "" } }) do
    t:no(webhook.is_signed(headers, "{}", "s"))
  end
  t:no(webhook.is_signed({ ["x-hub-signature-256"] = good }, "{} ", "s"))
end)

test("what each provider sends", function(t)
  local main = { { ref = "refs/heads/main", commit = SHA } }
  local function parsed(doc)
    return webhook.parse(json.encode(doc))
  end
  t:eq(parsed({ ref = "refs/heads/main", after = SHA:upper() }), main)
  t:eq(parsed({ object_kind = "push", ref = "refs/heads/main", after = SHA }),
    main)
  t:eq(parsed({ eventKey = "repo:refs_changed", changes = { {
    refId = "refs/heads/main", toHash = SHA } } }), main)
  t:eq(parsed({ push = { changes = { { new = { type = "branch", name = "main",
    target = { hash = SHA } } } } } }), main)
  -- Something else than a push to a branch.
  for _, doc in ipairs({ { zen = "hi", hook_id = 1 }, { test = true },
    { ref = "refs/tags/v1", after = SHA }, { object_kind = "note" },
    { ref = "refs/heads/main", after = ("0"):rep(40) },
    { push = { changes = { { new = json.null } } } },
    { changes = json.array({}) } }) do
    t:eq(parsed(doc), {})
  end
end)

test("what is no payload, or a hostile one", function(t)
  for _, text in ipairs({ "", "x", "[]", "1", "null", "{}", '{"ref":1}',
    '{"a":1,"a":2}', ("["):rep(1000), '{"push":[]}', '{"push":{}}',
    '{"push":{"changes":{}}}', '{"changes":{}}', '{"ref":"\xff"}',
    '{"ref":' }) do
    t:eq(webhook.parse(text), nil)
  end
  for _, text in ipairs({ '{"ref":"refs/heads/a\\nb","after":"' .. SHA .. '"}',
    '{"ref":"refs/heads/' .. ("x"):rep(600) .. '","after":"' .. SHA .. '"}',
    '{"ref":"refs/heads/a","after":"HEAD"}', '{"ref":"refs/heads/a"}',
    '{"ref":"refs/heads/a","after":{}}', '{"changes":[1,null,[],"x"]}',
    '{"push":{"changes":[1,null,[],{"new":7},{"new":{"type":"branch"}}]}}' })
  do
    t:eq(webhook.parse(text), {})
  end
  local many = {}
  for i = 1, 1000 do
    many[i] = { refId = "refs/heads/x", toHash = SHA }
  end
  t:eq(#webhook.parse(json.encode({ changes = many })), 100)
end)

local function write(path, doc)
  err.check(fs.write(path, json.encode(doc), 384))
end

-- A sandbox with SCMs, connected to the one at this machine.
local function start(t, options)
  local s = sandboxes.start(t, { options = options })
  local origin = "http://127.0.0.1:1" -- where nobody answers
  write(s.dir .. "/scms.json", json.array({
    { id = "internal", provider = "internal", default = true, enabled = true },
    { id = "gh", provider = "github", enabled = true,
      urls = { web = origin .. "/git" }, oauth = { client_id = "c" } },
    { id = "off", provider = "gitlab", enabled = false,
      urls = { web = origin .. "/git" } },
    { id = "far", provider = "gitlab", enabled = true,
      urls = { web = "https://gitlab.example.com" } } }))
  local keys = err.check(json.decode(fs.read(s.dir .. "/keys.json", 1 << 20)))
  keys.hosts = { [origin] = { user = "bot", key = "host-key-5511",
    account = "acme-gh" } }
  write(s.dir .. "/keys.json", keys)
  return s
end

test("SCMs, and whether an account is connected to them", function(t)
  local s = start(t)
  t:eq(#s:send("GET", "/v1/scms").doc.results, 4)
  t:eq(s:send("GET", "/v1/scms/gh").doc.oauth.client_id, "c")
  local status = s:send("GET", "/v1/scms/gh/oauth/status")
  t:eq(status.doc.authorization_status, "authorized")
  t:eq(status.doc.scm_username, "acme-gh")
  t:no(status.body:find("host-key", 1, true))
  t:eq(s:send("GET", "/v1/scms/far/oauth/status").doc.authorization_status,
    "unauthorized")
  t:eq(s:send("GET", "/v1/scms/internal/oauth/status").doc
    .authorization_status, "unauthorized")
end)

test("a creation at an SCM that cannot be used", function(t)
  local s = start(t)
  local function create(source)
    local body = s:body("Hello")
    body.source = source
    return s:send("POST", "/v1/algorithms/acme", { json = body })
  end
  t:eq(code(create({ scm = "nothing" })), 4009)
  t:eq(code(create({ scm = "off" })), 4042)
  t:eq(code(create({ scm = "far" })), 4008)
  for _, name in ipairs({ "../x", "a b", "/x", "x/", "-x", "a//../b", "a\nb" })
  do
    t:eq(code(create({ scm = "gh", repository_name = name })), 6001)
    t:eq(code(create({ scm = "gh", repository_owner = name })), 6001)
  end
  local gone = create({ scm = "gh" }) -- nobody is there to have made it
  t:eq(code(gone), 1008)
  t:no(gone.body:find("host-key", 1, true))
  t:eq(s:send("GET", "/v1/algorithms/acme/Hello").status, 404)
  t:eq(create({ scm = "internal" }).status, 201)
end)

test("a webhook without a secret, for nobody, or for the internal SCM",
  function(t)
    local s = start(t, { scm_status = "deploy_key_error" })
    local doc = s:create("Hello")
    local function call(ref, headers)
      return s:send("POST", "/v1/algorithms/" .. ref .. "/scm/webhook",
        { as = false, headers = headers, body = "{}" })
    end
    t:eq(code(call("acme/Hello")), 4012)
    t:eq(code(call(doc.id)), 4012)
    t:eq(call("acme/Nothing").status, 404)
    t:eq(call("4c4f0d1e-0000-4000-8000-000000000000").status, 404)
    -- One that was written by hand has no secret, so nobody knows it.
    local path = s.dir .. "/algorithms/acme/Hello/algorithm.json"
    local record = err.check(json.decode(fs.read(path, 1 << 20)))
    record.source = { scm = "gh",
      repository_https_url = "http://127.0.0.1:1/git/a/b.git" }
    write(path, record)
    t:eq(code(call("acme/Hello")), 4070)
    t:eq(code(call("acme/Hello", { ["X-Gitlab-Token"] = "" })), 4070)
    t:eq(s:send("GET", "/v1/algorithms/acme/Hello/scm/status").doc
      .scm_connection_status, "deploy_key_error")
    t:eq(code(s:send("POST", "/v1/algorithms/acme/Hello/compile")), 4084)
    -- Its source is not here: neither read nor written.
    local url = s:url("acme/Hello")
    t:ok(sandboxes.run({ "git", "ls-remote", url }) ~= 0)
    local r = s:send("GET", "/git/acme/Hello.git/info/refs?service="
      .. "git-receive-pack", { auth = "Basic " .. require("godwit.core.sys")
      .base64("acme:" .. s:key("acme")) })
    t:eq(r.status, 403)
    t:match(r.body, "push there")
  end)
