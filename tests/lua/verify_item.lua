-- What an item of a comparison is, the words it ends with, the exit code they
-- make, the part that is sampled, and how all of it is printed.
local err = require("godwit.err")
local items = require("godwit.verify.item")
local json = require("godwit.core.json")
local outcome = require("godwit.verify.outcome")
local output = require("godwit.cli.output")
local report = require("godwit.cli.report_comparison")
local sample = require("godwit.verify.sample")
local verify = require("godwit.verify")

local function code(...)
  local list = {}
  for i, one in ipairs({ ... }) do
    list[i] = type(one) == "table" and one or { outcome = one }
  end
  return outcome.exit_code(list), outcome.exit_code(list, true)
end

test("a difference that was found counts before what could not be read",
function(t)
  local later = { outcome = "unreadable", retryable = true }
  t:eq({ code() }, { 0, 0 })
  t:eq({ code("equal", "skipped") }, { 0, 0 })
  t:eq({ code("equal", "extra") }, { 0, 7 })
  t:eq({ code("equal", "missing") }, { 7, 7 })
  t:eq({ code("different", "unreadable") }, { 7, 7 })
  t:eq({ code("equal", "unreadable") }, { 3, 3 })
  t:eq({ code("extra", later) }, { 3, 7 })
  t:eq({ code(later, later) }, { 5, 5 })
  t:eq({ code(later, "unreadable") }, { 1, 1 })
  t:eq({ code("different", { outcome = "unreadable", kind = "denied" }) },
    { 9, 9 })
end)

test("counts name every word, and reconcile", function(t)
  local counts = outcome.counts({ { outcome = "equal" }, { outcome = "extra" },
    { outcome = "equal" } })
  t:eq(counts, { equal = 2, different = 0, missing = 0, extra = 1,
    skipped = 0, unreadable = 0 })
end)

test("nil, null and nothing are one; documents are their contents", function(t)
  local item = items.new("user", "bob")
  item:compare("a", nil, json.null)
  item:compare("b", "", nil)
  item:compare("c", { x = 1, y = { 2 } }, { y = { 2 }, x = 1 })
  item:compare("d", json.array({}), json.array({}))
  t:eq(item:record().outcome, "equal")
  item:compare("e", false, nil)
  item:compare("f", 1, "1")
  item:compare("g", json.array({ 1, 2 }), json.array({ 2, 1 }))
  local record = item:record()
  t:eq({ record.outcome, #record.differences }, { "different", 3 })
  t:eq(record.differences[1], { field = "e", source = false })
end)

test("what could not be read is named, and is not equal", function(t)
  local item = items.new("user", "bob", "prod:bob")
  t:eq({ item:read("one", function() return false end) }, { false, true })
  t:eq({ item:read("two", function()
    err.throw("auth", "no")
  end) }, { nil, false })
  local record = item:record()
  t:eq({ record.outcome, record.kind, record.retryable },
    { "unreadable", "auth", nil })
  t:match(record.problems[1], "^two: no")
  item:differ("x", 1, 2)
  t:eq(item:record().outcome, "different")
  t:raises("cancelled", item.read, nil, item, "three", function()
    err.throw("cancelled", "stop")
  end)
end)

test("many differences are counted, not kept", function(t)
  local item = items.new("collection", "a/b")
  for i = 1, items.MAX + 5 do
    item:differ("file " .. i, i, nil)
  end
  local record = item:record()
  t:eq({ #record.differences, record.differences_not_listed },
    { items.MAX, 5 })
end)

test("much that cannot be read is counted, not kept", function(t)
  local item = items.new("collection", "a/b")
  local e = err.new({ kind = "remote", message = "no" })
  for i = 1, items.MAX + 5 do
    item:cannot_read("file " .. i, e)
  end
  local record = item:record()
  t:eq({ #record.problems, record.problems_not_listed }, { items.MAX, 5 })
  local text = report.text({ items = { record }, counts = { unreadable = 1 },
    comparison = { from = "a", to = "b" } })
  t:match(text, "not read: file 50: .-\n +not read: 9950 more %(%-v lists "
    .. "them%)\n +not read: 5 more that are not listed\n")
end)

test("bytes that are no text become text, also in lists and keys", function(t)
  local item = items.new("algorithm", "a/B")
  item:differ("file \xff", json.array({ "\xfe" }), { ["\xfd"] = "x" })
  local d = item:record().differences[1]
  t:eq({ d.field, d.source[1], d.destination["\\xfd"] },
    { "file \\xff", "\\xfe", "x" })
  t:ok(json.encode(item:record()))
end)

test("a part of the names, always the same", function(t)
  local all, first, third = sample.parse(nil), sample.parse("1/3"),
    sample.parse("3/3")
  local n = { 0, 0 }
  for i = 1, 300 do
    t:ok(all:has("n" .. i))
    n[1] = n[1] + (first:has("n" .. i) and 1 or 0)
    n[2] = n[2] + (third:has("n" .. i) and 1 or 0)
    t:no(first:has("n" .. i) and third:has("n" .. i))
  end
  t:ok(n[1] > 60 and n[1] < 140 and n[2] > 60 and n[2] < 140)
  t:eq(all:text(), nil)
  for _, bad in ipairs({ "", "1", "0/1", "2/1", "1/0", "1/1000001", "1 / 2",
      "1/2/3", "99999999999999999999/99999999999999999999" }) do
    t:raises("usage", sample.parse, "K/N", bad)
  end
end)

test("which kinds are meant", function(t)
  t:eq(verify.kinds({}), { "users", "organizations", "data", "algorithms" })
  t:eq(verify.kinds({ algorithms = { "a/B" } }), { "algorithms" })
  t:eq(verify.kinds({ only = { "data,users" } }), { "users", "data" })
  t:eq(verify.kinds({ skip = { "data", "users" } }),
    { "organizations", "algorithms" })
  t:eq(verify.kinds({ algorithms = { "a/B" }, only = { "data", "algorithms" } }),
    { "data", "algorithms" })
  t:raises("usage", verify.kinds, "did you mean 'data'", { only = { "date" } })
  t:raises("usage", verify.kinds, "leave nothing to do", { only = { "data" }, skip = { "data" } })
end)

local function text(list, verbose)
  output.reset()
  output.setup({ color = "never", verbose = verbose })
  local counts = outcome.counts(list)
  local out = report.text({ items = list, counts = counts,
    notes = { "a note" }, comparison = { from = "dev", to = "prod" } })
  output.reset()
  return out
end

test("what is equal is counted, by name with -v", function(t)
  local list = { { outcome = "equal", type = "user", ref = "bob",
    to = "prod:bob" }, { outcome = "missing", type = "collection",
    ref = "a/b", to = "prod:a/b" } }
  t:eq(text(list), "missing    collection a/b -> prod:a/b\na note\n"
    .. "user: 1 equal.\ncollection: 1 missing.\n"
    .. "dev and prod: 1 equal, 1 missing.\n")
  t:match(text(list, 1), "^equal      user bob %-> prod:bob\n")
  t:match(text({}), "dev and prod: nothing to compare%.\n$")
end)

test("what cannot move stands apart, long values and lists are cut", function(t)
  local item = items.new("organization", "acme", "prod:acme")
  item:cannot_move("the owner role of %s", "alice\27[0m")
  item:differ("label", ("ü"):rep(200), "b\r\nc", "by \1 hand")
  for i = 1, 60 do
    item:differ("file " .. i, { size = i, md5 = "d" }, nil)
  end
  local list = { item:record() }
  local out = text(list)
  t:match(out, "\nWhat cannot move, so that it is no difference:\n"
    .. "  acme: the owner role of alice\\x1b%[0m\n")
  t:match(out, "label: %S+… %(400 bytes%) at the source, b\\x0d\\nc at the "
    .. "destination; by \\x01 hand\n")
  t:match(out, "file 1: 1 bytes, d at the source, nothing at the destination\n")
  t:match(out, "and 11 more differences %(%-v lists them%)\n")
  t:no(out:find("file 60", 1, true))
  t:match(text(list, 1), "file 60: ")
  t:no(text(list, 1):find("bytes) at", 1, true))
end)
