local json = require("godwit.json")
local log = require("godwit.log")
local unknown = require("godwit.unknown")

test("an unknown prints as such and can be handed on", function(t)
  local u = unknown.new("the commit of acme/Hello")
  t:eq(tostring(u), "(known after apply)")
  t:eq(("%s"):format(u), "(known after apply)")
  t:eq(json.encode({ id = u }), '{"id":"(known after apply)"}')
  t:ok(unknown.is(u))
  t:no(unknown.is({}))
  t:no(unknown.is(nil))
  t:eq(unknown.what(u), "the commit of acme/Hello")
  t:eq(log.format("x %s %d", u, 1), "x (known after apply) 1")
end)

test("looking into an unknown raises, and names it", function(t)
  local u, v = unknown.new("the id"), unknown.new()
  for name, fn in pairs({
    index = function() return u.x end,
    newindex = function() u.x = 1 end,
    call = function() return u() end,
    len = function() return #u end,
    concat = function() return "a" .. u end,
    concat2 = function() return u .. "a" end,
    lt = function() return u < 1 end,
    gt = function() return 1 < u end,
    le = function() return u <= v end,
    eq = function() return u == v end,
    add = function() return u + 1 end,
    add2 = function() return 1 + u end,
    unm = function() return -u end,
    bor = function() return u | 1 end,
    pairs = function() return pairs(u) end,
  }) do
    t:raises("usage", fn, name == "eq" and "known after apply"
      or "known after apply only")
  end
  t:raises("usage", function() return u.x end, "the id is known after apply")
  t:no(pcall(setmetatable, u, nil))
end)

test("log: formats whatever it is given", function(t)
  t:eq(log.format("%d", "x"), "%d x")
  t:eq(log.format("%s %s", nil, {} == nil), "nil false")
  t:eq(log.format("%5.1f|%s", 1.25, true), "  1.2|true")
  t:eq(log.format("100%"), "100%")
  local bad = setmetatable({}, { __tostring = function() error("no") end })
  t:eq(log.format("%s", bad), "?")
end)

test("log: levels", function(t)
  t:defer(function() log.setup({}) end)
  log.setup({ quiet = true })
  t:ok(log.enabled("warn"))
  t:no(log.enabled("info"))
  log.setup({ verbose = 1 })
  t:ok(log.enabled("debug"))
  t:no(log.enabled("trace"))
  log.setup({ verbose = 2 })
  t:ok(log.enabled("trace"))
end)
