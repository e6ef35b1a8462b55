-- Where an algorithm's repository is, by its document, and what opens it.
local json = require("godwit.core.json")
local repository = require("godwit.cluster.repository")
local tags = require("godwit.cluster.tags")

local function doc(url, scm)
  return { source = { scm = scm or { id = "gh", provider = "github" },
    repository_https_url = url } }
end

local function place(url, scm)
  return repository.place(doc(url, scm), "prod:acme/Hello")
end

test("a cluster's own repository has no place elsewhere", function(t)
  for _, d in ipairs({ {}, { source = json.null }, { source = {} },
    { source = { scm = json.null } }, { source = { scm = { id = "internal" } } },
    { source = { scm = { id = "x", provider = "internal" } } },
    { source = { scm = { id = "lost" } } },
    { source = { scm = "internal" } }, { source = 7 } }) do
    t:eq(repository.place(d, "x"), nil)
  end
end)

test("the address a document gives", function(t)
  local p = place("https://github.com/acme/hello.git")
  t:eq(p.url, "https://github.com/acme/hello.git")
  t:eq(p.origin, "https://github.com:443")
  t:eq(p.provider, "github")
  t:eq(place("https://bob@bitbucket.org/acme/hello.git/").url,
    "https://bitbucket.org/acme/hello.git")
  t:eq(place("http://127.0.0.1:8080/git/a.git").origin, "http://127.0.0.1:8080")
end)

test("an address that is not used", function(t)
  local function refused(url, pattern)
    t:match(t:raises("refused", place, nil, url).message, pattern)
  end
  refused("http://github.com/acme/hello", "it is not https")
  refused("https://bob:pw@github.com/acme/hello", "has a password in it")
  refused("file:///etc/passwd", "no https address")
  refused("ssh://git@github.com/acme/hello", "no https address")
  refused("https://github.com/acme/hello?x=1", "'%?' or '#'")
  refused("https://github.com/acme/hello#x", "'%?' or '#'")
  refused("https://github.com/", "names no repository")
  refused("https://github.com//acme", "names no repository")
  refused("https://github.com/acme/../../x", "leads elsewhere")
  refused("https://github.com/acme/%2e%2e/x", "leads elsewhere")
  refused("https://github.com/a b", "blank or a control")
  refused("https://github.com/a\nb", "blank or a control")
  refused("https://github.com/" .. ("a"):rep(3000), "too long")
  refused("nonsense", "no https address")
  refused(nil, "does not say in which repository")
  refused(json.null, "does not say in which repository")
  refused({}, "does not say in which repository")
  local e = t:raises("refused", place, nil, "https://bob:hunter2@github.com/a")
  t:no(tostring(e):find("hunter2", 1, true))
end)

test("a cluster elsewhere does not name what is on this machine", function(t)
  local function reach(api, url, hosts)
    repository.check_reach({ name = "prod", address = { api = api },
      profile = { hosts = hosts } }, place(url), "prod:acme/Hello")
  end
  for _, url in ipairs({ "http://127.0.0.1:8080/git/a.git",
    "https://localhost/a", "http://[::1]:9/a", "https://127.9.9.9/a" }) do
    local e = t:raises("refused", reach, nil, "https://api.example.com", url)
    t:match(e.message, "this machine's own .* hosts = {")
    reach("http://127.0.0.1:1234", url)
    reach("http://localhost:1234", url)
    reach("https://api.example.com", url, { [place(url).origin] = {} })
  end
  reach("https://api.example.com", "https://github.com/acme/hello")
end)

test("two spellings of one repository", function(t)
  t:eq(repository.same("https://GitHub.com:443/acme/hello.git/"),
    repository.same("https://github.com/acme/hello"))
  t:ok(repository.same("https://github.com/acme/hello")
    ~= repository.same("https://github.com/acme/hello2"))
end)

test("the default branch is the server's", function(t)
  local at = { url = "https://h/r" }
  local refs = { ["refs/heads/main"] = "a", ["refs/heads/trunk"] = "b" }
  t:eq(repository.tip({ refs = refs, head = "refs/heads/trunk" }, nil, at),
    { commit = "b", branch = "refs/heads/trunk" })
  -- What is written to does not tell, what is read from does.
  local moved = { ["refs/heads/trunk"] = "c" }
  t:eq(repository.tip({ refs = refs, head = "refs/heads/trunk" },
    { refs = moved, advert = 1 }, at),
    { commit = "c", branch = "refs/heads/trunk", advert = 1 })
  t:match(t:raises("refused", repository.tip, nil, { refs = refs }, nil, at)
    .message, "no default one; set it at the host")
  t:match(t:raises("refused", repository.tip, nil, { refs = refs,
    head = "refs/heads/gone" }, nil, at).message, "refs/heads/gone")
end)

test("an empty repository", function(t)
  local at = { url = "https://h/r" }
  t:eq(repository.tip({ refs = {} }, nil, at), { branch = "refs/heads/main" })
  t:eq(repository.tip({ refs = {}, head = "refs/heads/trunk" }, nil, at),
    { branch = "refs/heads/trunk" })
end)

test("a host's credential goes with its own origin only", function(t)
  local driver = { name = "prod", profile = { ca = "cluster.pem", cert = "c",
    insecure = true, proxy = "http://p:1", hosts = {
      ["https://github.com:443"] = { key = "SECRET", user = "bot",
        scheme = "Basic", ca = "gh.pem" },
      ["https://gitlab.com:443"] = { key = "OTHER", scheme = "Bearer" } } } }
  local r = repository.remote(driver, place("https://github.com/a/b"), "l")
  t:eq(r.auth, "SECRET")
  t:eq(r.auth_user, "bot")
  t:eq(r.tls, { ca = "gh.pem" })
  t:eq(r.proxy, "http://p:1")
  r = repository.remote(driver, place("https://gitlab.com/a/b"), "l")
  t:eq({ r.auth, r.auth_scheme, r.auth_user }, { "OTHER", "Bearer" })
  r = repository.remote(driver, place("https://github.com:8443/a/b"), "l")
  t:eq(r.auth, nil)
  local e = t:raises("auth", repository.check_writable, nil, driver,
    place("https://git.example.com/a/b"), "push to prod:acme/Hello")
  t:match(e.message, 'prod.*hosts = { %["https://git.example.com"%] = ')
end)

test("a place is learned from any document, and forgotten at a creation",
  function(t)
    local places = repository.places()
    t:eq(places:get("acme", "Hello", "x"), nil)
    places:learn("acme", "Hello", { id = "1" }) -- says nothing of it
    t:eq(places:get("acme", "Hello", "x"), nil)
    places:learn("acme", "Hello", { source = { scm = { id = "internal" } } })
    t:eq(places:get("acme", "Hello", "x"), false)
    places:learn("acme", "Hello", doc("https://h/a/b"))
    t:eq(places:get("acme", "Hello", "x").url, "https://h/a/b")
    places:forget("acme", "Hello")
    t:eq(places:get("acme", "Hello", "x"), nil)
    places:learn("acme", "Bad", doc("http://evil.example.com/a"))
    t:raises("refused", places.get, nil, places, "acme", "Bad", "x")
  end)

test("tags, the newest version first", function(t)
  local found = tags.of({ refs = { ["refs/heads/master"] = "0",
    ["refs/tags/v1.9"] = "1", ["refs/tags/v1.10"] = "2",
    ["refs/tags/v1.10-rc2"] = "3", ["refs/tags/v1.10-rc10"] = "4",
    ["refs/tags/v1.10.1"] = "5", ["refs/tags/old/2.0"] = "6",
    ["refs/tags/v01.9"] = "7" } })
  t:eq(found["v1.9"], "1")
  t:eq(tags.sorted(found, "v*"), { "v1.10.1", "v1.10", "v1.10-rc10",
    "v1.10-rc2", "v1.9", "v01.9" })
  t:eq(tags.sorted(found, "old/*"), { "old/2.0" })
  t:eq(#tags.sorted(found), 7)
  t:eq(tags.sorted({ ["1." .. ("9"):rep(40)] = "a", ["1.2"] = "b" }),
    { "1." .. ("9"):rep(40), "1.2" })
end)
