-- The permissions of a head: what is taken, what is refused, and their words.
local head = require("godwit.workflow.head")
local permissions = require("godwit.workflow.permissions")

local PARAMS = { from = "cluster", to = "cluster", owner = "string",
  out = { "folder", default = "./out" }, src = { "folder", many = true } }

local function of(given)
  return head.check({ run = print, params = PARAMS, permissions = given },
    "x.lua")
end

local function words(given)
  local h = of(given)
  return permissions.words(h.permissions, h.params)
end

test("the permissions of a head are made regular", function(t)
  local p = of({ clusters = { from = "read", dev = "write" },
    hosts = { ["https://b.example.com/x"] = { "POST", "GET" },
      ["https://a.example.com"] = { "GET" } },
    secrets = { "forge" }, read = { "$src", "./x" }, write = { "$out" },
    budgets = { deletes = 0, minutes = 0.5 } }).permissions
  t:eq(p.params, { from = "read" })
  t:eq(p.clusters, { dev = "write" })
  t:eq(p.hosts, { { place = "https://a.example.com", verbs = { "GET" } },
    { place = "https://b.example.com/x", verbs = { "GET", "POST" } } })
  t:eq(p.secrets, { "forge" })
  t:eq(p.read, { "$src", "./x" })
  t:eq(p.budgets, { deletes = 0, minutes = 0.5 })
  t:eq(of(nil).permissions, nil)
end)

test("what is wrong in them is named, with what is near", function(t)
  for _, case in ipairs {
    { 1, "permissions is a table, not number" },
    { { cluster = {} }, "unknown key cluster; did you mean 'clusters'" },
    { { clusters = { from = "raed" } },
      "clusters.from is \"read\" or \"write\", not raed; did you mean 'read'" },
    { { clusters = { owner = "read" } }, "the parameter owner is a string" },
    { { clusters = "from" }, "clusters is a table, not string" },
    { { hosts = { "https://a.example.com" } }, "a host is an address" },
    { { hosts = { ["https://a.example.com"] = { "get" } } },
      "unknown method get; did you mean 'GET'" },
    { { hosts = { ["https://a.example.com"] = {} } }, "has no method" },
    { { hosts = { ["https://a.example.com"] = "GET" } }, "is a table" },
    { { secrets = { forge = true } }, "secrets is a list of texts" },
    { { secrets = { 1 } }, "no text of one line" },
    { { read = { "$form" } }, "there is no parameter form for \"$form\"; did "
      .. "you mean 'from'" },
    { { read = { "$owner" } }, "the parameter owner is a string, no folder" },
    { { write = { "" } }, "no text of one line" },
    { { budgets = { delets = 1 } }, "unknown budget delets; did you mean "
      .. "'deletes'" },
    { { budgets = { writes = 1.5 } }, "a whole number from 0, not 1.5" },
    { { budgets = { writes = -1 } }, "a whole number from 0" },
    { { budgets = { bytes = "1GiB" } }, "a whole number from 0, not 1GiB" },
    { { budgets = { minutes = 0 } }, "a number of minutes, not 0" },
    { { budgets = { minutes = 0 / 0 } }, "a number of minutes" },
  } do
    local e = t:raises("usage", of, nil, case[1])
    t:ok(e.message:find(case[2], 1, true), e.message)
    t:match(e.message, "^x%.lua: permissions")
  end
end)

test("an address of hosts means one place", function(t)
  for _, place in ipairs { "git.example.com", "ftp://a.example.com",
    "https://u@a.example.com", "https://u:p@a.example.com",
    "https://a.example.com/?q", "https://a.example.com/#f",
    "https://a.example.com/a%20b", "https://a.example.com//x",
    "https://a.example.com/x/../y", "https://a.example.com/x/.",
    "https://a.example.com./", "https://*.example.com", "https://",
    "https://a.example.com/a;b", "https://a.example.com\\@b.example.com" } do
    local e = t:raises("usage", of, nil, { hosts = { [place] = { "GET" } } })
    t:ok(e.message:find("permissions.hosts[", 1, true), e.message)
  end
end)

test("a script's metatables do not speak for its permissions", function(t)
  local shown = 0
  local p = of(setmetatable({ secrets = { "a" } }, { __index = function()
    shown = shown + 1
    return { "b" }
  end, __pairs = function() return next, { secrets = { "c" } } end }))
  t:eq(p.permissions.secrets, { "a" })
  t:eq(shown, 0)
end)

test("they are said in words", function(t)
  t:eq(words({}), { "reaches nothing" })
  t:eq(words({ budgets = { minutes = 1, writes = 0 } }), { "reaches nothing",
    "uses at most 0 writes and 1 minute" })
  t:eq(words({ clusters = { to = "write", from = "read", dev = "read" },
    hosts = { ["https://a.example.com"] = { "POST", "GET", "PUT" } },
    secrets = { "a", "b" }, read = { "$src" }, write = { "$out", "./y" },
    budgets = { bytes = 10, minutes = 2 } }), {
    "reads the cluster given as --from",
    "reads the cluster 'dev' of the configuration",
    "reads and writes the cluster given as --to",
    "sends GET, POST and PUT to https://a.example.com",
    "uses the secrets a and b",
    "reads the folder given as --src",
    "reads and writes the folder given as --out (./out by default)",
    "reads and writes the folder ./y",
    "uses at most 10 bytes and 2 minutes",
  })
end)
