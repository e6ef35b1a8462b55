-- What a connection was like: TLS, certificates that are not accepted, proxies.
local badserver = require("support.badserver")
local core = require("godwit.core.http")
local fs = require("godwit.core.fs")
local secret = require("godwit.core.secret")
local sys = require("godwit.core.sys")

local function ask(url, opts)
  opts.method, opts.url, opts.facts, opts.fresh = "GET", url, true, true
  opts.timeout = 10
  return core.send(opts)
end

test("the certificate of an answer", function(t)
  local certs = badserver.certificates(t)
  local b = badserver.start(t, "--tls", certs.cert, certs.key, "--tls13")
  local r = assert(ask(b.url .. "/ok", { ca = certs.ca }))
  local f = r.facts
  t:ok(f.resolved and f.connected and f.secured)
  t:eq({ f.ip, f.port, f.tls, f.verify, f.proxy_status },
    { "127.0.0.1", b.port, "TLSv1.3", 0, 0 })
  t:match(f.certificate.subject, "CN%s*=%s*server")
  t:match(f.certificate.issuer, "CN%s*=%s*ca")
  t:match(f.certificate["end"], "^%a+ +%d+ [%d:]+ %d+ GMT$")
  t:match(f.certificate.names, "DNS:godwit%.test")
  t:eq(core.send({ method = "GET", url = b.url .. "/ok", ca = certs.ca }).facts, nil)
end)

test("why a certificate is not accepted, as a number", function(t)
  local function verify(certs, opts)
    local b = badserver.start(t, "--tls", certs.cert, certs.key)
    local r, e = ask(b.url .. "/ok", opts)
    t:eq(r, nil)
    t:ok(e.facts.connected)
    t:no(e.facts.secured)
    return e.facts.verify, b
  end
  local certs = badserver.certificates(t)
  local code, b = verify(certs, {})
  t:ok(code == 20 or code == 21, code)
  t:ok(({ [18] = true, [19] = true, [20] = true })[verify(certs, { ca = certs.other_ca })])
  local expired = badserver.certificates(t, { days = -1 })
  t:eq((verify(expired, { ca = expired.ca })), 10)
  local other = badserver.certificates(t, { names = "DNS:elsewhere.test" })
  t:eq((verify(other, { ca = other.ca })), 62)
  -- Without the check it can be looked at.
  local r = assert(ask(b.url .. "/ok", { insecure = true }))
  t:match(r.facts.certificate.subject, "server")
  t:ok(r.facts.verify ~= 0)
end)

test("through a proxy", function(t)
  local certs = badserver.certificates(t)
  local b = badserver.start(t, "--tls", certs.cert, certs.key)
  local proxy = badserver.start(t, "--proxy")
  local f = assert(ask(b.url .. "/ok", { ca = certs.ca, proxy = proxy.url })).facts
  t:eq({ f.port, f.proxy_status }, { proxy.port, 200 })
  local deny = badserver.start(t, "--proxy", "--deny")
  local _, e = ask(b.url .. "/ok", { ca = certs.ca, proxy = deny.url })
  t:eq({ e.facts.proxy_status, e.facts.connected }, { 403, true })
end)

test("locks, space and rights are looked at, not tried", function(t)
  local dir = t:tmpdir()
  t:eq(fs.locked(dir .. "/lock"), false)
  t:eq(fs.stat(dir .. "/lock"), nil)
  local lock = assert(fs.lock(dir .. "/lock"))
  t:eq(fs.locked(dir .. "/lock"), true)
  lock:close()
  t:eq(fs.locked(dir .. "/lock"), false)
  assert(fs.lock(dir .. "/lock")):close() -- it was not kept
  t:ok(fs.space(dir) > 0)
  local space, e = fs.space(dir .. "/none")
  t:eq({ space, e.kind }, { nil, "notfound" })
  t:eq(fs.may_write(dir), true)
  t:eq(fs.may_write(dir .. "/none"), false)
end)

test("when a token ends is all that is told of it", function(t)
  local function token(payload)
    return secret.new("eyJhbGciOiJub25lIn0." .. sys.base64(payload) .. ".c2lnbmF0dXJl")
  end
  t:eq(secret.expiry(token('{"sub":"x","exp":1700000000}')), 1700000000.0)
  t:eq(secret.expiry(token('{"sub":"x"}')), nil)
  t:eq(secret.expiry(secret.new("simKeyOfTheUsualKind00000001")), nil)
end)
