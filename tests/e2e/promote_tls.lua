-- Behind a real proxy with TLS: certificates are checked, and a proxy that
-- loses patience while the push waits for its build is lived with.
local e2e = require("support.e2e")
local tlsproxy = require("support.tlsproxy")

local HELLO = "acme/Hello"

test("a certificate nobody vouches for is refused in one sentence",
function(t)
  local w = e2e.seeded(t)
  local proxy = tlsproxy.start(t, w.prod.api)
  w:configure({ prod = { api = proxy.url } })
  local r = w:promote({ HELLO })
  t:ok(r.code == 1 or r.code == 6, r.all)
  t:match(r.item.why, "certificate")
  t:no(r.item.retryable)
  t:eq(w.prod:get(HELLO), nil)
  r = e2e.expect(w:promote({ HELLO, "--ca-cert", proxy.ca }), 0)
  t:eq(r.item.version, "0.1.0")
end)

test("a proxy that answers 504 while the push waits for its build",
function(t)
  local w = e2e.seeded(t, { prod = { args = { "--build-seconds", "3" } } })
  local proxy = tlsproxy.start(t, w.prod.api, "1s")
  w:configure({ prod = { api = proxy.url,
    more = string.format("ca = %q", proxy.ca) } })
  local r = e2e.expect(w:promote({ HELLO }), 0)
  t:eq(r.item.version, "0.1.0")
  t:eq(w.prod:versions(HELLO), { "0.1.0" })
  t:eq(#w.prod:read(HELLO).history, 2)
  t:eq(#w.prod:builds(HELLO), 1)
end)
