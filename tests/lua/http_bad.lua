-- HTTP against servers that misbehave, over TLS and through proxies.
local badserver = require("support.badserver")
local core_task = require("godwit.core.task")
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local http = require("godwit.http")
local secret = require("godwit.core.secret")
local sys = require("godwit.core.sys")
local task = require("godwit.task")

local function took(fn, ...)
  local began = sys.monotonic()
  local r = table.pack(fn(...))
  return sys.monotonic() - began, table.unpack(r, 1, r.n)
end

local function rss()
  local text = fs.read("/proc/self/status", 1 << 16)
  return tonumber(text:match("VmRSS:%s+(%d+)")) / 1024
end

test("a server that hangs, stalls, cuts or lies", function(t)
  local b = badserver.start(t)
  local once, soon = { retry = false }, { retry = false, stall_timeout = 0.3 }
  local cases = {
    { "/hang", "timeout", "no answer for 0.3 s", soon },
    { "/stall?100000", "timeout", "nothing moved for 0.3 s", soon },
    { "/cut?1000", "net", "cut off before its end" },
    { "/reset", "net", "cut the connection" },
    { "/close", "net", "closed the connection without answer" },
    { "/huge", "limit", "2147483648 bytes long" },
    { "/endless", "limit", "larger than the 67108864 bytes" },
    { "/garbage", "remote", "did not answer in HTTP" },
    { "/badchunk", "net", "cut the connection within" },
    { "/headers?100000", "limit", "too many headers" },
    { "/longheader", nil, "" },
  }
  for _, c in ipairs(cases) do
    local e = t:raises(c[2], http.get, c[3], b.url .. c[1], c[4] or once)
    t:ok(e.sent)
    t:eq(e.url, b.url .. c[1])
  end
  t:eq(http.get(b.url .. "/drip?10", once).body, ("d"):rep(10))
  local e = t:raises("remote", function() return http.get(b.url .. "/html"):json() end,
    "text/html instead of JSON")
  t:match(e.message, "Welcome")
  t:raises("remote", function() return http.get(b.url .. "/deep?100000"):json() end, "JSON")
  t:raises("remote", http.get, "circle", b.url .. "/redirect?/redirect?/redirect")
end)

test("limits of time are exact", function(t)
  local b = badserver.start(t)
  local accept = badserver.start(t, "--accept-only")
  for _, c in ipairs({
    { b.url .. "/hang", { stall_timeout = 0.25 } },
    { b.url .. "/hang", { answer_timeout = 0.25 } },
    { b.url .. "/hang", { timeout = 0.25 } },
    { b.url .. "/drip?1000", { timeout = 0.25 } },
    { accept.url, { stall_timeout = 0.25 } },
    { accept.url:gsub("http", "https"), { connect_timeout = 0.25 } },
  }) do
    c[2].retry = false
    local s, ok, e = took(pcall, http.get, c[1], c[2])
    t:no(ok)
    t:eq(e.kind, "timeout")
    t:ok(s > 0.23 and s < 20, c[1] .. " took " .. s)
  end
end)

test("a connection that failed is tried again, a timeout in the middle is not", function(t)
  local b = badserver.start(t, "--log", t:tmpdir() .. "/log")
  local fast = { base = 0.001, attempts = 3 }
  local e = t:raises("net", http.get, nil, b.url .. "/reset", { retry = fast })
  t:eq(e.attempts, 3)
  e = t:raises("timeout", http.get, nil, b.url .. "/hang", { retry = fast, stall_timeout = 0.1 })
  t:eq(e.attempts, 1)
end)

test("connections are used again", function(t)
  local b = badserver.start(t)
  for _ = 1, 20 do http.get(b.url .. "/ok") end
  t:eq(http.get(b.url .. "/count").body, "1")
  task.each({ 1, 2, 3, 4, 5, 6, 7, 8 }, function()
    for _ = 1, 10 do http.get(b.url .. "/ok") end
  end, { jobs = 4 })
  t:ok(tonumber(http.get(b.url .. "/count").body) <= 4)
end)

test("200 MB to a file, in bounded memory", function(t)
  local b = badserver.start(t)
  local path = t:tmpdir() .. "/big"
  local before = rss()
  t:raises("limit", http._transfer, nil, "GET", b.url .. "/endless", { to_file = path, max_body = 200 << 20,
    retry = false })
  t:ok(rss() - before < 40, "grew by " .. rss() - before)
  t:eq(fs.stat(path), nil)
end)

test("cancelled in the middle of a download: no file stays", function(t)
  local b = badserver.start(t)
  local dir = t:tmpdir()
  local child = core_task.spawn(http._transfer, "GET", b.url .. "/stall?1000000", { to_file = dir .. "/f" })
  task.sleep(0.2)
  t:eq(#fs.list(dir), 1)
  core_task.cancel(child)
  local ok, e = core_task.join(child)
  t:ok(not ok and err.is(e, "cancelled"))
  t:eq(#fs.list(dir), 0)
end)

test("TLS 1.3 only, a certificate for an address, a CA of our own", function(t)
  local c = badserver.certificates(t)
  local b = badserver.start(t, "--tls", c.cert, c.key, "--tls13")
  t:eq(http.get(b.url .. "/ok", { tls = { ca = c.ca } }).body, "ok")
  t:eq(http.get(b.url .. "/ok", { tls = { insecure = true } }).body, "ok")
  local e = t:raises("net", http.get, "certificate of 127.0.0.1:%d+ is not accepted.*`ca`",
    b.url .. "/ok")
  t:eq({ e.retryable, e.attempts, e.sent }, { false, 1, false })
  t:raises("net", http.get, "is not accepted", b.url .. "/ok", { tls = { ca = c.other_ca } })
  t:raises("usage", http.get, "`ca`", b.url .. "/ok", { tls = { ca = "/nonexistent" } })
  local plain = require("godwit.core.serve").listen({ handler = print })
  t:defer(function() plain:close() end)
  e = t:raises("net", http.get, "does not speak TLS", "https://127.0.0.1:" .. plain.port)
  t:no(e.retryable) -- unless the hang-up overtakes the answer, at once
  t:raises(nil, http.get, nil, b.url:gsub("https", "http") .. "/ok", { retry = false })
end)

test("a client certificate", function(t)
  local c = badserver.certificates(t)
  local b = badserver.start(t, "--tls", c.cert, c.key, "--client-ca", c.ca)
  local mine = { ca = c.ca, cert = c.client, cert_key = c.client_key }
  t:eq(http.get(b.url .. "/ok", { tls = mine }).body, "ok")
  t:raises("net", http.get, nil, b.url .. "/ok", { tls = { ca = c.ca }, retry = false })
  t:raises("usage", http.get, "client certificate",
    b.url .. "/ok", { tls = { ca = c.ca, cert = c.ca, cert_key = "/nonexistent" } })
end)

test("through a proxy: plain, CONNECT, and what NO_PROXY excepts", function(t)
  local c = badserver.certificates(t)
  local log = t:tmpdir() .. "/log"
  local plain = badserver.start(t)
  local safe = badserver.start(t, "--tls", c.cert, c.key)
  local proxy = badserver.start(t, "--proxy", "--to", plain.port, "--log", log)
  local tunnel = badserver.start(t, "--proxy", "--to", safe.port, "--log", log)
  t:eq(http.get("http://godwit.test/ok", { proxy = proxy.url }).body, "ok")
  local key = secret.new("simPROXYKEY0123", { label = "p", origins = { "https://godwit.test" } })
  local opts = { proxy = tunnel.url, tls = { ca = c.ca }, auth = key }
  t:raises("denied", http.get, "not its profile's", "https://godwit.test/echo-head", opts)
  secret.allow_proxy(key, tunnel.url)
  local r = http.get("https://godwit.test/echo-head", opts)
  t:match(r.body, "simPROXYKEY0123")
  t:eq(http.get(plain.url .. "/ok", { proxy = proxy.url, no_proxy = "127.0.0.1" }).body, "ok")
  local seen = fs.read(log, 1 << 20)
  t:match(seen, "GET http://godwit.test/ok HTTP/1.1")
  t:match(seen, "CONNECT godwit.test:443 HTTP/1.1")
  t:no(seen:find("simPROXYKEY", 1, true))
  t:no(seen:find("127.0.0.1:" .. plain.port, 1, true))
  local denied = badserver.start(t, "--proxy", "--deny")
  t:raises("net", http.get, "the proxy refused the way", "https://godwit.test/",
    { proxy = denied.url, retry = false })
  local who = badserver.start(t, "--proxy", "--need-auth", "--to", safe.port)
  t:raises("auth", http.get, "407", "https://godwit.test/ok", { proxy = who.url, tls = { ca = c.ca } })
  t:eq(http.get("https://godwit.test/ok", { proxy = who.url:gsub("//", "//me:pw@"),
    tls = { ca = c.ca } }).body, "ok")
end)

test("a redirect over TLS never leads to plain http, nor takes keys along", function(t)
  local c = badserver.certificates(t)
  local log = t:tmpdir() .. "/log"
  local there = badserver.start(t, "--tls", c.cert, c.key, "--log", log)
  local b = badserver.start(t, "--tls", c.cert, c.key)
  local plain = badserver.start(t)
  local key = secret.new("simREDIRECT0123", { label = "r", origins = { b.url, there.url } })
  local opts = { auth = key, tls = { ca = c.ca } }
  t:raises("remote", http.get, "from https to http", b.url .. "/redirect?" .. plain.url .. "/ok", opts)
  t:eq(http.get(b.url .. "/redirect?" .. there.url .. "/ok", opts).body, "ok")
  t:no(fs.read(log, 1 << 20):find("simREDIRECT", 1, true))
end)

test("an answer before the whole body was sent", function(t)
  local b = badserver.start(t)
  local e = t:raises(nil, http.put, nil, b.url .. "/early?413",
    { body = ("x"):rep(30000000), retry = false })
  t:ok(e.status == 413 or e.kind == "net", tostring(e))
end)

test("a request that hangs does not hold up others", function(t)
  local c = badserver.certificates(t)
  local opts = { tls = { ca = c.ca }, retry = false, timeout = 40 }
  for _, b in ipairs({ badserver.start(t), badserver.start(t, "--tls", c.cert, c.key) }) do
    local hung = core_task.spawn(http.get, b.url .. "/hang", opts)
    task.sleep(0.1)
    local s, r = took(http.get, b.url .. "/ok", opts)
    t:eq(r.body, "ok")
    t:ok(s < 30, b.url .. " took " .. s)
    core_task.cancel(hung)
    core_task.join(hung)
  end
end)

local NGINX = [[
user root; daemon off; worker_processes 1; pid %s/pid; error_log %s/error.log;
events { worker_connections 512; }
http {
  access_log %s/access.log; client_body_temp_path %s; proxy_temp_path %s;
  fastcgi_temp_path %s; uwsgi_temp_path %s; scgi_temp_path %s;
  server {
    listen 127.0.0.1:%d ssl http2; ssl_certificate %s; ssl_certificate_key %s;
    root %s; location /put { return 201; client_max_body_size 0; }
  }
}
]]

-- A free port: one we had a moment ago.
local function free_port()
  local s = assert(require("godwit.core.serve").listen({ handler = print }))
  local port = s.port
  s:close()
  return port
end

-- Over HTTP/2, curl 7.88 stops here: the PUTs are answered before they are read.
test("uploads that are answered early hold up nothing, also where HTTP/2 is offered", function(t)
  if not (fs.stat("/usr/sbin/nginx")) then t:skip("no nginx") end
  local c = badserver.certificates(t)
  local dir, port = t:tmpdir(), free_port()
  fs.write(dir .. "/small", "small")
  fs.write(dir .. "/big", ("0123456789abcdef"):rep(1 << 18))
  fs.write(dir .. "/conf", (NGINX:format(dir, dir, dir, dir, dir, dir, dir, dir, port, c.cert,
    c.key, dir)))
  local p = assert(require("godwit.core.process").start({
    argv = { "/usr/sbin/nginx", "-c", dir .. "/conf", "-p", dir } }))
  t:defer(function() p:kill(15) p:wait() end)
  local opts = { tls = { ca = c.ca }, retry = { attempts = 20, base = 0.05, max_delay = 0.1 } }
  local url = "https://127.0.0.1:" .. port
  t:eq(http.get(url .. "/small", opts).body, "small")
  local list = {}
  for i = 1, 60 do list[i] = i end
  task.each(list, function(i)
    local r = http.get(url .. (i % 6 == 0 and "/big" or "/small"), opts)
    t:eq(#r.body, i % 6 == 0 and 1 << 22 or 5)
    if i % 10 == 0 then
      t:eq(http.put(url .. "/put", { tls = opts.tls, body = ("p"):rep(300000) }).status, 201)
    end
  end, { jobs = 30 })
  http._transfer("GET", url .. "/big", { tls = opts.tls, to_file = dir .. "/copy" })
  t:eq(fs.stat(dir .. "/copy").size, 1 << 22)
  t:match(fs.read(dir .. "/access.log", 1 << 20), "GET /big HTTP/1.1")
end)
