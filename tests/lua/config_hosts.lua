-- `hosts` of a profile: what may stand there, and what becomes of it.
local http = require("godwit.core.http")
local profile = require("godwit.config.profile")
local schema = require("godwit.config.schema")
local secret = require("godwit.core.secret")

local TOKEN = "hosts-token-7d1e"

local function doc(hosts, more)
  local cluster = { api = "https://api.example.com", hosts = hosts }
  for k, v in pairs(more or {}) do
    cluster[k] = v
  end
  return { clusters = { prod = cluster } }
end

local function check(hosts, more)
  schema.check({ label = "config.lua", text = "" }, doc(hosts, more))
end

local function make(hosts, more)
  local fields = doc(hosts, more).clusters.prod
  return profile.make({ name = "prod", label = "config.lua", folder = "/etc/x",
    fields = fields })
end

test("what may stand in hosts", function()
  check({ ["https://github.com"] = { user = "bot", key = "k" },
    ["https://git.example.com"] = { key = "k", scheme = "Bearer" },
    ["http://127.0.0.1:3000"] = { ca = "ca.pem" } })
end)

test("what may not, with its place", function(t)
  local function refused(pattern, hosts, more)
    t:match(t:raises("usage", check, nil, hosts, more).message, pattern)
  end
  refused("clusters.prod.host: unknown field.*hosts", nil, { host = {} })
  refused("hosts.https://h: expected a table", { ["https://h"] = "k" })
  refused("unknown field.*key", { ["https://h"] = { kee = "k" } })
  refused("Basic or Bearer, not Digest",
    { ["https://h"] = { key = "k", scheme = "Digest" } })
  refused("a user goes with the scheme Basic only",
    { ["https://h"] = { key = "k", user = "u", scheme = "Bearer" } })
  refused("cannot be a function",
    { ["https://h"] = { key = function() end } })
  refused("needs a key", { ["https://h"] = { user = "u" } })
  refused("named by their addresses", { { key = "k" } })
  refused("expected a table, not a string", "https://h")
end)

test("an archive has none", function(t)
  local e = t:raises("usage", schema.check, nil, { label = "c", text = "" }, {
    clusters = { b = { archive = "/b", hosts = {} } } })
  t:match(e.message, "an archive keeps its repositories itself")
end)

test("a credential is a secret of its own host", function(t)
  local p = make({ ["https://git.example.com/"] = { user = "bot", key = TOKEN } })
  local host = p.hosts["https://git.example.com:443"]
  t:eq(host.user, "bot")
  t:eq(host.scheme, "Basic")
  t:ok(secret.is(host.key))
  t:no(tostring(host.key):find(TOKEN, 1, true))
  -- Not even to the cluster whose profile it stands in.
  local _, e = http.send({ method = "GET", url = "https://api.example.com/v1",
    auth = host.key, auth_scheme = "Basic", auth_user = "bot" })
  t:eq(e.kind, "denied")
  t:no(tostring(e):find(TOKEN, 1, true))
end)

test("certificates of a host are its own", function(t)
  local p = make({ ["https://git.example.com"] = { key = TOKEN, ca = "ca.pem" } },
    { ca = "cluster.pem" })
  t:eq(p.hosts["https://git.example.com:443"].ca, "/etc/x/ca.pem")
end)

test("a host is an address and nothing more", function(t)
  for _, address in ipairs({ "https://h/org", "https://u@h", "ftp://h", "h" }) do
    t:raises("usage", make, nil, { [address] = { key = TOKEN } })
  end
  t:match(t:raises("usage", make, nil, { ["https://h"] = { key = TOKEN },
    ["https://h:443/"] = { key = TOKEN } }).message, "twice")
end)

test("in clear a credential goes to this machine only", function(t)
  t:match(t:raises("usage", make, nil, { ["http://git.example.com"] =
    { key = TOKEN } }).message, "plain http to this machine only")
  t:ok(make({ ["http://127.0.0.1:8080"] = { key = TOKEN } })
    .hosts["http://127.0.0.1:8080"])
end)

test("a project's file has no secret of its own in hosts", function(t)
  local literal = doc({ ["https://h"] = { key = "k" } })
  t:eq(schema.literal_secret(literal),
    { "clusters", "prod", "hosts", "https://h", "key" })
  t:eq(schema.connection(doc({ ["https://h"] = { ca = "x" } })),
    { "clusters", "prod", "hosts", "https://h", "ca" })
  t:eq(schema.literal_secret(doc({ ["https://h"] = { ca = "x" } })), nil)
end)
