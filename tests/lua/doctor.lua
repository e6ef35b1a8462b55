-- The parts of doctor that decide by themselves: proxies, dates, texts.
local badserver = require("support.badserver")
local certificate = require("godwit.doctor.certificate")
local core = require("godwit.core.http")
local lists = require("godwit.doctor.list")
local proxies = require("godwit.doctor.proxy")

local function of(profile, address, env)
  local found = proxies.of(profile, address, function(name)
    return (env or {})[name]
  end)
  return { found.proxy, found.from }
end

test("which proxy it is, and who says so", function(t)
  local https = "https://api.example.com/v1"
  t:eq(of({}, https), {})
  t:eq(of({ proxy = "http://me:geheim@proxy:3128" }, https),
    { "http://proxy:3128", "its profile" })
  t:eq(of({ proxy = "proxy:3128/x" }, https),
    { "http://proxy:3128", "its profile" })
  t:eq(of({ proxy = "" }, https, { HTTPS_PROXY = "http://p" }),
    { nil, "its profile" })
  t:eq(of({}, https, { HTTPS_PROXY = "http://me:a@b@p:1" }),
    { "http://p:1", "HTTPS_PROXY" })
  t:eq(of({}, https, { HTTPS_PROXY = "http://p", https_proxy = "http://q" }),
    { "http://q", "https_proxy" })
  t:eq(of({}, https, { https_proxy = "", all_proxy = "socks5://s:1080" }),
    { "socks5://s:1080", "all_proxy" })
  t:eq(of({}, https, { HTTP_PROXY = "http://p" }), {})
  t:eq(of({}, "http://api.example.com", { HTTP_PROXY = "http://p" }),
    { "http://p", "HTTP_PROXY" })
  t:eq(of({}, "https://127.0.0.1:1", { HTTPS_PROXY = "http://p" }),
    { nil, "this machine itself" })
  t:eq(of({ proxy = "http://p" }, "https://127.0.0.1:1"),
    { "http://p", "its profile" })
end)

test("what no_proxy names", function(t)
  local https = "https://api.example.com/v1"
  local env = { HTTPS_PROXY = "http://p", NO_PROXY = "x, .Example.com" }
  t:eq(of({}, https, env), { nil, "NO_PROXY" })
  t:eq(of({ no_proxy = "other" }, https, env),
    { "http://p", "HTTPS_PROXY" })
  t:eq(of({ no_proxy = "*" }, https, env), { nil, "no_proxy of its profile" })
  for list, host in pairs({ ["example.com"] = "EXAMPLE.com",
    ["example.com."] = "a.example.com", ["a b,c"] = "c",
    ["10.0.0.0/8"] = "10.1.2.3", ["10.1.2.3"] = "10.1.2.3" }) do
    t:ok(proxies.excludes(host, list), list)
  end
  for list, host in pairs({ ["example.com"] = "badexample.com",
    ["a.example.com"] = "example.com", ["10.0.0.0/16"] = "10.1.2.3",
    ["1.2.3"] = "10.1.2.3", [""] = "a", [","] = "a", ["."] = "a",
    ["a,*"] = "b" }) do
    t:no(proxies.excludes(host, list), list)
  end
end)

test("libcurl follows the same rules", function(t)
  local proxy = badserver.start(t, "--proxy", "--deny")
  for list, uses in pairs({ ["inside.invalid"] = false, [".invalid"] = false,
    invalid = false, ["side.invalid"] = true, ["*"] = false,
    ["x, inside.invalid"] = false, ["a,*"] = true }) do
    local profile = { proxy = proxy.url, no_proxy = list }
    local r = core.send({ method = "GET", url = "http://inside.invalid/",
      proxy = proxy.url, no_proxy = list, timeout = 20 })
    t:eq({ list, r ~= nil }, { list, uses })
    t:eq(of(profile, "http://inside.invalid/")[1] ~= nil, uses)
  end
end)

test("the times in certificates", function(t)
  t:eq(certificate.time("Nov 26 17:00:00 2026 GMT"), 1795712400)
  t:eq(certificate.time("Jan  1 00:00:00 2030 GMT"), 1893456000)
  for _, text in ipairs({ "", "soon", "Foo 26 17:00:00 2026 GMT" }) do
    t:eq(certificate.time(text), nil)
  end
  t:eq(certificate.time(nil), nil)
end)

test("texts are one line and steer nothing", function(t)
  t:eq(lists.plain("a\27[2Jb\r\nc\0d"), "a [2Jb c d")
  t:eq(lists.plain("\u{202e}x\u{200b}y\u{9b}z"), "xy z")
  t:eq(lists.plain("gr\xfc\xdfe"), "gr??e")
  local long = lists.plain(("ü"):rep(9000))
  t:ok(#long < 600 and utf8.len(long))
end)
