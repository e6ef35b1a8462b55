-- The parts of data.copy: units, filters, names, ACLs, budgets, and what a
-- ledger's row is worth.
local acl = require("godwit.data.acl")
local budget = require("godwit.data.budget")
local calendar = require("godwit.calendar")
local core_ledger = require("godwit.core.ledger")
local err = require("godwit.err")
local filter = require("godwit.data.filter")
local known = require("godwit.data.known")
local names = require("godwit.data.names")
local place = require("godwit.data.place")
local progress = require("godwit.data.progress")
local sys = require("godwit.core.sys")
local task = require("godwit.task")
local units = require("godwit.data.units")

test("sizes, durations and moments", function(t)
  t:eq({ units.size("500KiB", "x"), units.size(7, "x"), units.size(nil, "x") },
    { 512000, 7 })
  t:raises("usage", units.size, "min_size takes a size", "much", "min_size")
  t:raises("usage", units.size, "takes a size", -1, "x")
  for text, seconds in pairs({ ["90s"] = 90, ["15min"] = 900, ["2h"] = 7200,
    ["1h30m"] = 5400, ["7d"] = 604800, ["1w"] = 604800, ["12"] = 12,
    ["0.5h"] = 1800 }) do
    t:eq(units.duration(text, "x"), seconds, text)
  end
  for _, text in ipairs({ "", "h", "1x", "1h30", "-1s", "soon", "1e3" }) do
    t:raises("usage", units.duration, "takes a duration", text, "x")
  end
  t:eq(units.moment("2024-01-31", "x"), 1706659200)
  t:eq(units.moment("2024-02-29T12:00:01Z", "x"), 1709208001)
  t:eq(units.moment("1970-01-01 00:01", "x"), 60)
  local at = units.moment("1h", "x")
  t:ok(math.abs(sys.time() - 3600 - at) < 5)
  for _, text in ipairs({ "2024-13-01", "2024-02-30T", "yesterday",
    "2024-01-31T25:00" }) do
    t:raises("usage", units.moment, "takes a date", text, "x")
  end
  t:eq(units.time(units.stamp(1627668131.093)), 1627668131.093)
  t:eq(units.as_flag("max_delete"), "--max-delete")
end)

test("filters", function(t)
  local function which(opts, rows)
    local f, out = filter.of(opts), {}
    for _, row in ipairs(rows) do
      if f.wants(row) then out[#out + 1] = row.name end
    end
    return out
  end
  local rows = { { name = "a.log", size = 10, time = units.stamp(1e9) },
    { name = "b.bin", size = 2048, time = units.stamp(sys.time()) },
    { name = "50%.bin" } }
  t:eq(which({}, rows), { "a.log", "b.bin", "50%.bin" })
  t:eq(which({ include = "*.bin" }, rows), { "b.bin", "50%.bin" })
  t:eq(which({ include = { "*.bin", "a*" }, exclude = "b*" }, rows),
    { "a.log", "50%.bin" })
  t:eq(which({ min_size = "1KiB" }, rows), { "b.bin" })
  t:eq(which({ max_size = 10 }, rows), { "a.log" })
  t:eq(which({ newer = "1d" }, rows), { "b.bin" })
  t:eq(which({ older = "2010-01-01" }, rows), { "a.log" })
  t:ok(filter.of({ exclude = "x/" }).excludes("x/"))
  t:raises("usage", filter.of, "no file is meant",
    { min_size = 2, max_size = 1 })
  t:raises("usage", filter.of, "a glob is a text", { include = { 1 } })
end)

test("names that a file can have", function(t)
  for _, name in ipairs({ "a b", "é", "50%+#?&", ("x"):rep(255), ".hid" }) do
    t:eq(names.why(name), nil, name)
  end
  for name, why in pairs({ [""] = "empty", ["."] = "elsewhere",
    [".."] = "elsewhere", ["a/b"] = "/", ["a\0b"] = "NUL", ["\xff"] = "UTF%-8",
    [("x"):rep(256)] = "255", ["a\nb"] = "control", ["\xc2\x85"] = "control" })
  do
    t:match(names.why(name), why)
  end
  local first = {}
  for i = 1, 12 do names.note(first, "f" .. i) end
  t:match(names.some(first, 12), '^"f1", .*"f10", and 2 more$')
end)

test("who lets in fewer", function(t)
  local private, own, public = acl.of("private"), acl.of("algorithms"),
    acl.of("public")
  t:ok(acl.narrows(public, own) and acl.narrows(public, private)
    and acl.narrows(own, private))
  t:no(acl.narrows(private, own) or acl.narrows(own, public)
    or acl.narrows(public, public))
  t:ok(acl.narrows(own, { "user://bob" }), "nobody knows: it goes first")
  t:eq(acl.of("everybody"), nil)
  t:eq({ acl.show(private), acl.show(public), acl.show({ "b", "a" }) },
    { "private", "public", "a b" })
end)

test("a place in words", function(t)
  for word, parts in pairs({ ["dev:acme/m"] = { "dev", "acme", "m" },
    ["sandbox:x:acme/m"] = { "sandbox:x", "acme", "m" },
    ["https://api.example.com:8443:a/b"] = { "https://api.example.com:8443",
      "a", "b" }, ["./arch:a/b"] = { "./arch", "a", "b" } }) do
    t:eq({ place.split(word) }, parts)
    t:ok(place.is_one(word))
  end
  for _, word in ipairs({ "./models", "/abs/m", "~/m", ".", "..", "a/b/c" }) do
    t:eq(place.split(word), nil)
    t:ok(place.is_one(word), word)
  end
  t:no(place.is_one("acme/models") or place.is_one("*/*")
    or place.is_one("acme"))
end)

test("days and dates", function(t)
  t:eq(calendar.days(1970, 1, 1), 0)
  t:eq(calendar.days(2000, 2, 29), 11016)
  t:eq(calendar.days(2100, 3, 1) - calendar.days(2100, 2, 28), 1)
  for day = -800000, 800000, 97 do
    t:eq(calendar.days(calendar.date(day)), day)
  end
end)

test("budgets: bytes, time and bandwidth are shared", function(t)
  local b = budget.new({ max_transfer = 100, bwlimit = "1KiB" })
  t:ok(b:take(60) and b:take(40))
  t:no(b:take(1))
  t:match(b.why, "max%-transfer of 100 B is used up")
  t:no(b:take(0) or b:lasts())
  local said = {}
  local function copier(name)
    return { rate = function(_, n, owed) said[name], said.owed = n, owed end,
      limit = function(_, n) said[name .. "#"] = n end,
      stats = function() return { owed = name == "two" and 77 or 0 } end }
  end
  local one = b:enter(copier("one"))
  t:eq(said, { one = 1024.0, ["one#"] = 256 })
  do
    local two <close> = b:enter(copier("two"))
    t:eq({ said.one, said.two, said["one#"] }, { 512.0, 512.0, 128 })
  end
  t:eq({ said.one, said["one#"] }, { 1024.0, 256 })
  do -- what one that ended had taken too early is the next one's to pay
    local three <close> = b:enter(copier("three"))
    t:eq({ said.three, said.owed }, { 512.0, 77 })
  end
  getmetatable(one).__close()
  -- What is transferred twice counts twice.
  b = budget.new({ max_transfer = 100 })
  t:ok(b:take(60))
  t:ok(b:charge(40))
  t:ok(b:take(0))
  t:no(b:charge(10))
  t:eq(b.quota:left(), -10)
  t:no(b:take(0))
  t:match(b.why, "max%-transfer of 100 B is used up")
  t:eq(b.too_large, nil)
  b = budget.new({ max_transfer = "9000TiB" })
  t:ok(b:take(1 << 60 >> 8) and b:lasts())
  t:no(budget.new({}).quota)
  t:no(budget.new({ max_duration = 0 }):lasts())
  t:raises("usage", budget.new, "%-%-bwlimit takes a size",
    { bwlimit = "fast" }, units.as_flag)
end)

test("what is remembered counts while size and time are what they were",
  function(t)
    local l <close> = err.check(core_ledger.open(t:tmpdir() .. "/d.db"))
    local k = known.new(l, { place = "p" }, true)
    local md5 = ("ab"):rep(16)
    local function row(name, size, time)
      return { name = name, size = size, time = time and units.stamp(time) }
    end
    k:read(row("read", 5, 1000.5), { md5 = md5 })
    k:wrote("written", 5, { md5 = md5 }, 2000, 30)
    k:read(row("no time", 5), { md5 = md5 })
    k:read(row("just now", 5, math.floor(sys.time())), { md5 = md5 })
    k:flush()
    local function knows(...)
      return k:of({ row(...) })[1] ~= false
    end
    t:ok(knows("read", 5, 1000.5))
    t:no(knows("read", 6, 1000.5) or knows("read", 5, 1000.6)
      or knows("read", 5) or knows("unread", 5, 1000.5))
    t:no(knows("no time", 5) or knows("just now", 5, math.floor(sys.time())))
    -- Written at 2000 by the server's clock; a second is its Date's grain.
    t:no(knows("written", 5, 2001.1) or knows("written", 4, 1999))
    -- What took its place may be older, too: it came with its own time.
    t:no(knows("written", 5, 1967.9))
    t:ok(knows("written", 5, 1971))
    t:ok(knows("written", 5, 2000.9))
    k:flush()
    -- From its first listing on, that time counts and no other.
    t:ok(knows("written", 5, 2000.9))
    t:no(knows("written", 5, 2000.8))
    k:forget({ "read" })
    t:no(knows("read", 5, 1000.5))
    -- A plan remembers nothing; without a ledger nothing is known.
    local p = known.new(l, { place = "q" }, false)
    p:read(row("a", 1, 5.5), { md5 = md5 })
    p:flush()
    t:eq(p:of({ row("a", 1, 5.5) }), { false })
    t:eq(known.new(nil, { place = "q" }, true):of({ row("a", 1, 5.5) }),
      { false })
  end)

test("progress: files, bytes, rate and time left, now and then", function(t)
  local said = {}
  local tell = progress.of(function(phase, detail)
    said[#said + 1] = phase .. ": " .. (detail or "")
  end)
  local plan = { bytes = 100 << 20, files = function() return 200 end }
  tell("list", "10 files")
  tell("list", "20 files") -- too soon
  tell("copy", nil, { bytes = 0, done = 0 }, plan)
  task.sleep(1.1)
  tell("copy", nil, { bytes = 10 << 20, done = 20 }, plan)
  t:eq(said[1], "list: 10 files")
  t:eq(said[2], "copy: 0 of 200 files, 0 B of 100.0 MiB")
  t:match(said[3], "^copy: 20 of 200 files, 10%.0 MiB of 100%.0 MiB, %d+%.%d "
    .. "MiB/s, 1?%d s left$")
  t:eq(#said, 3)
end)
