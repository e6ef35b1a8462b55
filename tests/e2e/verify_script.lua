-- cx:call: a workflow that runs a bundled one.
local e2e = require("support.e2e")
local err = require("godwit.err")
local fs = require("godwit.core.fs")

local HELLO = "acme/Hello"

local function run(w, text, words)
  err.check(fs.write(w.home .. "/one.lua", "return { params = { from = "
    .. "'cluster', to = 'cluster' }, run = function(cx) local p = cx.params\n"
    .. text .. "\nend }", 384))
  return w:run({ "run", "one.lua", "--from", "dev", "--to", "prod",
    table.unpack(words or {}) })
end

test("verify is called with handles and with names; its result comes back",
function(t)
  local w = e2e.seeded(t)
  e2e.expect(w:promote({ HELLO }), 0)
  local r = e2e.expect(run(w, [[
    local one = cx:call("verify", { from = p.from, to = p.to,
      algorithms = "acme/Hello" })
    local two = cx:call("verify", { from = "dev", to = "prod",
      algorithms = { "acme/Hello" }, strict = true })
    print(one.exit, one.counts.equal, one.items[1].ref, one.comparison.to)
    print(two.exit, two.counts.equal)
    print(#cx.result.items)]]), 0)
  t:eq(r.out:match("^(.-)nothing to do"),
    "0\t1\tacme/Hello\tprod\n0\t1\n0\n", r.all)
  w.prod:commit(HELLO, { { path = "x", data = "y" } })
  r = e2e.expect(run(w, [[
    local one = cx:call("verify", { from = p.from, to = p.to,
      algorithms = "acme/Hello" })
    print(one.exit, one.items[1].differences[1].field)]]), 0)
  t:match(r.out, "^7\tfile x\n")
end)

test("a called workflow writes only where the calling one may", function(t)
  local w = e2e.seeded(t)
  local back = [[
    local r = cx:call("promote", { from = p.to, to = p.from,
      algorithms = "acme/Hello" })
    print(r.items[1].outcome, r.items[1].why)]]
  w.prod:create(HELLO)
  w.prod:commit(HELLO, { { path = "x", data = "y" } })
  local tip = w.dev:tip(HELLO)
  local r = run(w, (back:gsub("algorithms =", "adopt = true, algorithms =")))
  t:match(r.out, "^failed\t.*may not write", r.all)
  t:eq(w.dev:tip(HELLO), tip)
  r = e2e.expect(run(w, [[
    local r = cx:call("promote", { from = p.from, to = p.to, adopt = true,
      algorithms = { "acme/Hello" } })
    print(r.items[1].outcome, r.exit)]]), 0)
  t:match(r.out, "^updated\t0\n")
end)

test("what cannot be meant is said at the call", function(t)
  local w = e2e.seeded(t)
  local r = e2e.expect(run(w, "cx:call('verfiy')"), 2)
  t:match(r.err, "one.lua:2.*there is no bundled workflow 'verfiy'")
  r = e2e.expect(run(w, "cx:call(1)"), 2)
  t:match(r.err, "takes the name of a workflow, not a number")
  r = e2e.expect(run(w, "cx:call('verify', { from = p.from, too = p.to })"), 2)
  t:match(r.err, "no parameter too")
  r = e2e.expect(run(w, "cx:call('verify', { from = p.from })"), 2)
  t:match(r.err, "%-%-to is missing")
  r = e2e.expect(run(w, "cx:call('verify', { from = p.from, to = {} })"), 2)
  t:match(r.err, "%%-%%-to is a cluster's handle or its name, not a table")
end)

test("in a plan it sees what would be there, and what nobody knows yet",
function(t)
  local w = e2e.seeded(t)
  local r = run(w, [[
    cx:call("promote", { from = p.from, to = p.to,
      algorithms = "acme/Hello" })
    local r = cx:call("verify", { from = p.from, to = p.to,
      algorithms = "acme/Hello" })
    print(r.items[1].outcome, r.items[1].problems[1])]], { "-n" })
  t:match(r.out, "^unreadable\t.*known after apply", r.all)
end)

test("with permissions it reaches what the head names, and no more",
function(t)
  local w = e2e.seeded(t)
  e2e.expect(w:promote({ HELLO }), 0)
  local function script(clusters)
    err.check(fs.write(w.home .. "/two.lua", [[return {
      params = { from = "cluster" },
      permissions = { clusters = { ]] .. clusters .. [[ } },
      run = function(cx)
        local r = cx:call("verify", { from = cx.params.from, to = "prod",
          algorithms = "acme/Hello" })
        print(r.exit, r.items[1].outcome)
      end }]], 384))
    return w:run({ "run", "two.lua", "--from", "dev" })
  end
  local r = e2e.expect(script("from = 'read', prod = 'read'"), 0)
  t:match(r.out, "^0\tequal\n")
  r = e2e.expect(script("from = 'read'"), 9)
  t:match(r.err, "prod")
end)
