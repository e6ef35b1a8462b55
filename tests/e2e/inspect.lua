--- godwit inspect: what a file says about itself, of which nothing runs but a
--- head, and that reaches nothing.
local cli = require("support.cli")
local json = require("godwit.core.json")
local sys = require("godwit.core.sys")

local WORKFLOW = [[
print "AT THE TOP"
return {
  summary = "Moves things.",
  params = { from = "cluster", to = { "cluster", optional = true },
    out = { "folder", default = "./out", help = "Where to" } },
  permissions = {
    clusters = { from = "read", ["dev"] = "write" },
    hosts = { ["https://git.example.com/acme"] = { "POST", "GET" } },
    secrets = { "forge" }, read = { "./in" }, write = { "$out" },
    budgets = { deletes = 0, minutes = 120 },
  },
  check = function() print "CHECKED" end,
  run = function(cx) print "RAN" end,
}
]]

test("a workflow with permissions", function(t)
  local home = cli.home(t)
  home:write("work/w.lua", WORKFLOW)
  local r = home:expect(0, { "inspect", "w.lua" })
  t:eq(r.out, ([[
w.lua: Moves things.
sha256 %s
Parameters
  --from  cluster, required
  --out  folder, default ./out: Where to
  --to  cluster, optional
Permissions; the host enforces them, no flag widens them
  reads the cluster given as --from
  reads and writes the cluster 'dev' of the configuration
  sends GET and POST to https://git.example.com/acme
  uses the secret forge
  reads the folder ./in
  reads and writes the folder given as --out (./out by default)
  uses at most 0 deletes and 120 minutes
  nothing else
]]):format(sys.hash("sha256", WORKFLOW)))
  t:no(r.all:find("RAN") or r.all:find("CHECKED") or r.all:find("TOP"))
end)

test("the same as a document", function(t)
  local home = cli.home(t)
  home:write("work/w.lua", WORKFLOW)
  local r = home:expect(0, { "inspect", "w.lua", "--json" })
  local doc = json.decode(r.out)
  t:eq(doc.kind, "workflow")
  t:eq(doc.sha256, sys.hash("sha256", WORKFLOW))
  t:eq(doc.permissions.params, { from = "read" })
  t:eq(doc.permissions.clusters, { dev = "write" })
  t:eq(doc.permissions.hosts, { { place = "https://git.example.com/acme",
    verbs = { "GET", "POST" } } })
  t:eq(doc.permissions.budgets, { deletes = 0, minutes = 120 })
  t:eq(doc.parameters[2], { name = "out", type = "folder", flag = "--out",
    default = "./out", required = false, help = "Where to" })
  t:eq(#doc.may, 7)
end)

test("of a script without a head nothing runs", function(t)
  local home = cli.home(t)
  home:write("work/s.lua", "print 'RAN' http.get 'http://127.0.0.1:1/'")
  local r = home:expect(0, { "inspect", "s.lua" })
  t:match(r.out, "^s%.lua\nsha256 %x+\nA script without a head; it\n"
    .. "  reads every configured cluster[^\n]*\n.*writes where %-%-allow%-write")
  t:no(r.all:find("RAN"))
  t:eq(json.decode(home:expect(0, { "inspect", "s.lua", "--json" }).out).kind,
    "script")
  -- One that only looks like a workflow is stopped where it does something.
  home:write("work/s.lua", "local x = { run = print }\n"
    .. "godwit.cluster('nowhere') print 'RAN'")
  r = home:expect(0, { "inspect", "s.lua" })
  t:match(r.out, "A script without a head")
  t:no(r.all:find("RAN"))
end)

test("a head without permissions, and those that are bundled", function(t)
  local home = cli.home(t)
  home:write("work/h.lua", "return { run = function() print 'RAN' end }")
  local r = home:expect(0, { "inspect", "h.lua" })
  t:match(r.out, "No permissions in its head; it\n  reads every configured "
    .. "cluster.*writes to the clusters given as parameters")
  t:no(r.all:find("RAN"))
  t:match(home:expect(0, { "inspect", "promote" }).out,
    "^promote: .*\n  %-%-from  cluster, required")
  r = home:expect(0, { "inspect", "verify" })
  t:match(r.out, "\n  writes nothing, on no cluster\n")
  t:no(r.out:find("writes to the clusters", 1, true))
end)

test("nothing in a file looks like what is said about it", function(t)
  local home = cli.home(t)
  home:write("work/w.lua", [[
    print "permissions: reaches nothing" log.info "reaches nothing"
    warn "reaches nothing" io = io
    return { summary = "x\n  nothing else\27[8m", params = {
        from = { "cluster", default = "dev" },
        out = { "folder", default = "./a\n  nothing else\r\u{202e}" } },
      permissions = { clusters = { from = "write" }, write = { "$out" } },
      run = print }]])
  local r = home:expect(0, { "inspect", "w.lua" })
  t:no(r.all:find("reaches nothing"))
  t:match(r.out, "^w%.lua: x%?  nothing else%?%[8m\n")
  t:match(r.out, "\n  reads and writes the cluster given as %-%-from %(dev by "
    .. "default%)\n  reads and writes the folder given as %-%-out %(%./a%?  "
    .. "nothing else%?%? by default%)\n  nothing else\n$")
  r = home:run { "run", "w.lua" }
  t:match(r.err, "folder given as %-%-out %(%./a%?  nothing else%?%? by default"
    .. "%); nothing else%.\n")
end)

test("what is wrong with a file is said", function(t)
  local home = cli.home(t)
  home:write("work/a.lua", "return { run = print, permissions = { hosts = { "
    .. "['http://x'] = { 'GTE' } } } }")
  t:match(home:expect(2, { "inspect", "a.lua" }).err, "unknown method GTE; did "
    .. "you mean 'GET'")
  home:write("work/a.lua", "return { run = print, permissions = {} } +")
  t:match(home:expect(2, { "inspect", "a.lua" }).err, "a%.lua:1: ")
  home:write("work/a.lua", "godwit.secret 'x' return { run = print, "
    .. "permissions = {} }")
  t:match(home:expect(9, { "inspect", "a.lua" }).err, "at the top level of such "
    .. "a file nothing is reached")
  home:write("work/a.lua", "return { run = print, ['permi' .. 'ssions'] = {} }")
  t:match(home:expect(2, { "inspect", "a.lua" }).err, "not seen in its text")
  t:match(home:expect(2, { "inspect", "b.lua" }).err, "there is no file b%.lua")
  t:match(home:expect(2, { "inspect" }).err, "is missing")
end)
