-- godwit doctor: how a cluster is reached, and what it says when it is not.
local badserver = require("support.badserver")
local cli = require("support.cli")
local e2e = require("support.e2e")
local gitrepo = require("support.gitrepo")
local json = require("godwit.core.json")
local nginx = require("support.nginx")
local oddcluster = require("support.oddcluster")
local sys = require("godwit.core.sys")

local KEY = "simSECRETsecret0123456789abc"

-- A home whose profile dev has this address and these fields.
local function looker(t)
  local home = cli.home(t)
  local looked = {}
  function looked.at(code, api, fields, env)
    home:config(([[return { clusters = { dev = { api = %q, key = %q,
      %s } } }]]):format(api, KEY, fields or ""))
    local r = home:expect(code, { "doctor", "dev", "--json", env = env })
    t:no(r.all:find(KEY, 1, true))
    t:no(r.all:find("geheim", 1, true))
    looked.all = r.all
    local found = {}
    for _, check in ipairs(json.decode(r.out).profiles[1].checks) do
      found[check.id] = found[check.id] or check
    end
    return found
  end
  return looked
end

local function is(t, check, status, text, hint)
  t:ok(check)
  t:eq(check.status, status, check.text)
  t:match(check.text, text)
  if hint then t:match(check.hint, hint) end
end

-- TLS before a server that refuses every key.
local function tls(t, certs)
  local odd = oddcluster.start(t, { ["*"] = { status = 401, json = {
    error = { code = 2002, message = "no such key" } } } })
  return badserver.start(t, "--relay", odd.server.port, "--tls", certs.cert,
    certs.key).url, odd
end

test("certificates that are accepted, and those that are not", function(t)
  local look = looker(t)
  local certs = badserver.certificates(t)
  local url = tls(t, certs)
  local ca = ("ca = %q"):format(certs.ca)
  local c = look.at(1, url, ca)
  is(t, c.certificate, "warn",
    "of 127%.0%.0%.1, godwit%.test, issued by ca, ends on [%d-]+, in %d day",
    "renewed") -- it is a test's: for two days
  is(t, c.tls, "ok", "TLSv1%.[23]")
  is(t, c.ca, "ok", "can be read")
  is(t, c.api, "ok", "an Algorithmia API")
  is(t, c.key, "fail", "is not accepted")

  c = look.at(1, url)
  is(t, c.certificate, "fail", "nobody.-vouches.-issued by ca", "ca = ")
  is(t, c.keys, "skip", "not looked at")
  t:eq(c.key, nil)
  c = look.at(1, url, ("ca = %q"):format(certs.other_ca))
  is(t, c.certificate, "fail", "vouches", "is not the authority")
  c = look.at(1, url, "insecure = true")
  is(t, c.insecure, "warn", "INSECURE.-would not be accepted", "remove")
  c = look.at(1, url, "ca = '/nowhere/ca.pem'")
  is(t, c.ca, "fail", "/nowhere/ca%.pem", "correct ca")

  local expired = badserver.certificates(t, { days = -1 })
  c = look.at(1, (tls(t, expired)), ("ca = %q"):format(expired.ca))
  is(t, c.certificate, "fail", "ended on %d", "renewed")
  local other = badserver.certificates(t, { names = "DNS:elsewhere.test" })
  c = look.at(1, (tls(t, other)), ("ca = %q"):format(other.ca))
  is(t, c.certificate, "fail", "for elsewhere%.test, not for 127%.0%.0%.1",
    "in the certificate")
  local long = badserver.certificates(t, { days = 90 })
  c = look.at(1, (tls(t, long)), ("ca = %q"):format(long.ca))
  is(t, c.certificate, "ok", "in %d%d days")
end)

test("no key goes to a server whose certificate is not accepted", function(t)
  local look = looker(t)
  local url, odd = tls(t, badserver.certificates(t))
  look.at(1, url)
  for _, request in ipairs(odd.requests) do
    t:eq(request.headers.authorization, nil)
  end
end)

test("a port that is closed, a name without address, a server that hangs",
function(t)
  local look = looker(t)
  local c = look.at(5, "http://127.0.0.1:9")
  is(t, c.connection, "fail", "127%.0%.0%.1, port 9.-refused", "running")
  is(t, c.keys, "skip", "no API answers")
  c = look.at(5, "https://api.nowhere.invalid")
  is(t, c.name, "fail", "api%.nowhere%.invalid.-has no address", "correct")
  t:ok(c["git.name"])
  local hung = badserver.start(t, "--accept-only")
  local home = cli.home(t)
  home:config(([[return { clusters = { dev = { api = %q, key = %q },
    tls = { api = %q, key = %q } } }]]):format(hung.url, KEY,
    (hung.url:gsub("http:", "https:")), KEY))
  local r = home:expect(5, { "doctor", "--json", "--timeout", "0.5" })
  local doc = json.decode(r.out)
  t:eq(doc.exit, 5)
  local texts = {}
  for _, profile in ipairs(doc.profiles) do
    for _, check in ipairs(profile.checks) do
      if check.status == "fail" then
        texts[#texts + 1] = profile.name .. " " .. check.id
      end
    end
  end
  t:eq(texts, { "dev answer", "tls tls" })
end)

test("what answers and is no cluster", function(t)
  local look = looker(t)
  local answer
  local odd = oddcluster.start(t, { ["*"] = function() return answer end })
  local function api(code, a)
    answer = a
    return look.at(code, odd.url).api
  end
  is(t, api(1, { type = "text/html", body = "<html>Welcome" }), "fail",
    "a web page is there %(200%)", "https://api%.DOMAIN")
  is(t, api(1, { status = 404, type = "text/html", body = "<html>" }), "fail",
    "a web page is there %(404%)")
  is(t, api(5, { status = 502, type = "text/html", body = "<html>" }), "fail",
    "proxy before it, is failing")
  is(t, api(1, { status = 404, json = { message = "Not Found" } }), "fail",
    "no /v1 at this address")
  is(t, api(1, { type = "text/plain", body = "hello" }), "fail",
    "does not answer as")
  is(t, api(5, { status = 503, json = { error = "busy" } }), "fail", "busy")
  is(t, api(1, { status = 302, headers = {
    Location = "https://elsewhere.example.com/login?x=1" } }), "fail",
    "points elsewhere.-to https://elsewhere%.example%.com:?%d*$")
end)

test("clocks that differ", function(t)
  local look = looker(t)
  local off = 0
  local odd = oddcluster.start(t, { ["*"] = function()
    return { status = 401, json = { error = { code = 2002, message = "no" } },
      headers = { Date = os.date("!%a, %d %b %Y %H:%M:%S GMT",
        math.floor(sys.time()) + off) } }
  end })
  is(t, look.at(1, odd.url).clock, "ok", "agree")
  off = 600
  is(t, look.at(1, odd.url).clock, "warn", "[56]%d%d seconds ahead of", "NTP")
  off = -7200
  is(t, look.at(1, odd.url).clock, "warn", "7[12]%d%d seconds behind")
end)

test("through proxies", function(t)
  local look = looker(t)
  local certs = badserver.certificates(t)
  local url, odd = tls(t, certs)
  local ca = (", ca = %q"):format(certs.ca)
  local proxy = badserver.start(t, "--proxy")
  local named = proxy.url:gsub("//", "//me:geheim@")
  local c = look.at(1, url, ("proxy = %q"):format(named) .. ca)
  is(t, c.proxy, "ok", "goes through http://127%.0%.0%.1:%d+ %(its profile%)")
  is(t, c.connection, "ok", "the proxy .- answers")
  is(t, c.api, "ok", "an Algorithmia API")
  -- A name that only the proxy knows, and a proxy the environment names.
  local port = url:match("%d+$")
  local to = badserver.start(t, "--proxy", "--to", port)
  c = look.at(1, "https://godwit.test", "git = 'https://godwit.test'" .. ca,
    { HTTPS_PROXY = to.url })
  is(t, c.proxy, "ok", "%(HTTPS_PROXY%)")
  is(t, c.certificate, "warn", "godwit%.test")
  is(t, c.api, "ok", "an Algorithmia API")
  t:ok(#odd.requests > 0)
  c = look.at(5, "https://godwit.invalid", "", { HTTPS_PROXY = to.url,
    NO_PROXY = "godwit.invalid" })
  is(t, c.proxy, "ok", "no proxy %(NO_PROXY%)")
  is(t, c.name, "fail", "godwit%.invalid")

  local deny = badserver.start(t, "--proxy", "--deny")
  c = look.at(1, url, ("proxy = %q"):format(deny.url) .. ca)
  is(t, c.proxy, "ok", "goes through")
  t:match(look.all, "refuses the way to 127%.0%.0%.1 with 403")
  local auth = badserver.start(t, "--proxy", "--need-auth")
  look.at(1, url, ("proxy = %q"):format(auth.url) .. ca)
  t:match(look.all, "with 407")
  c = look.at(5, url, "proxy = 'http://proxy.invalid:3128'" .. ca)
  is(t, c.name, "fail", "the proxy http://proxy%.invalid:3128 has no address",
    "proxy's name")
end)

test("code at a Git host elsewhere", function(t)
  local dir = t:tmpdir()
  local name = "bot"
  gitrepo.run({ "git", "init", "-q", "--bare", dir .. "/Hello.git" })
  local host = nginx.start(t, { root = dir, user = name })
  local w = e2e.seeded(t)
  local odd = require("support.relay").start(t, w.dev.api,
    function(seen, pass)
      if seen.path ~= "/v1/algorithms/acme/Hello" then
        return nil
      end
      local answer = pass()
      local doc = json.decode(answer.body)
      doc.source = { scm = { id = "gh", provider = "github", name = "GitHub" },
        repository_https_url = host.url .. "/Hello.git" }
      answer.body = json.encode(doc)
      return answer
    end)
  local function look(code, more)
    w:configure({ dev = { api = odd.url, more = more } })
    local r = e2e.expect(w:run({ "doctor", "dev", "--json" }), code)
    local found = {}
    for _, check in ipairs(r.doc.profiles[1].checks) do
      found[check.id] = found[check.id] or check
    end
    t:no(r.all:find(nginx.password, 1, true))
    return found
  end
  local entry = "hosts = { [%q] = { user = %q, key = %q } }"
  local c = look(0, entry:format(host.origin, name, nginx.password))
  is(t, c["host.connection"], "ok", "^http://127.-: .-answers")
  is(t, c["host.read"], "ok", "acme/Hello can be read")
  is(t, c["host.push"], "ok", "would be let in")
  is(t, c["git.read"], "skip", "no algorithm")
  c = look(1, entry:format(host.origin, name, "wrong"))
  is(t, c["host.read"], "fail", "acme/Hello", "hosts = ")
  local before = #host.requests()
  c = look(0, "")
  is(t, c["host.read"], "warn", "acme/Hello.-does not name", "hosts = ")
  t:eq(#host.requests(), before)
  odd.on = nil
  c = look(0, entry:format(host.origin, name, nginx.password))
  is(t, c["host.read"], "skip", "only a repository can tell")
  is(t, c["git.read"], "ok", "acme/Hello")
end)

test("a key that is refused everything was not accepted", function(t)
  local odd = oddcluster.start(t, { ["*"] = { status = 403, json = {
    error = { code = 2001, message = "not authorized" } } } })
  is(t, looker(t).at(1, odd.url).key, "fail", "is refused everything",
    "a key of this cluster")
end)
