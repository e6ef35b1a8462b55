-- What is to be done so that one side has the files of the other, for sides
-- that list in any order, twice, without an end, and many.
local compare = require("godwit.data.compare")
local filter = require("godwit.data.filter")

local TIME = "1000.500000"

-- A side of rows; digests are the text behind the name.
local function side(label, rows, page)
  page = page or 1000
  return { label = label, is_folder = true, pages = function()
    local at = 0
    return function()
      if at >= #rows then return nil end
      local out = {}
      for i = at + 1, math.min(at + page, #rows) do
        local r = rows[i]
        out[#out + 1] = { name = r[1], size = r[2], time = TIME, kind = r.kind,
          why = r.why }
      end
      at = at + page
      return out
    end
  end }
end

-- What is known of everything: no reading.
local function reader(rows)
  local digests = {}
  for _, r in ipairs(rows) do digests[r[1]] = r[3] end
  return { side = {}, known = { of = function(_, files)
    local out = {}
    for i, f in ipairs(files) do
      out[i] = { md5 = digests[f.name] or "same" }
    end
    return out
  end } }
end

local function run(from, to, opts)
  opts = opts or {}
  return compare.run(side("from", from, opts.page),
    to and side("to", to, opts.page), {
      filter = filter.of(opts), delete = opts.delete or false,
      readers = { from = reader(from), to = reader(to or {}) },
      tick = function() end })
end

local function all(turn)
  local out = {}
  for page in turn do
    for _, row in ipairs(page) do out[#out + 1] = row.name end
  end
  table.sort(out)
  return table.concat(out, " ")
end

local function numbers(p)
  return { p.listed, p.new, p.changed, p.unchanged, p.skipped, p.bad, p.gone }
end

test("new, changed, unchanged, gone; no order is trusted", function(t)
  local from = { { "c", 1, "C" }, { "a", 1 }, { "d", 5 }, { "b", 2 } }
  local to = { { "b", 3 }, { "x", 1 }, { "c", 1, "c" }, { "a", 1 } }
  local p <close> = run(from, to, { delete = true, page = 2 })
  t:eq(numbers(p), { 4, 1, 2, 1, 0, 0, 1 })
  t:eq(all(p:to_copy()), "b c d")
  t:eq(all(p:to_delete()), "x")
  t:eq(p.bytes, 8)
  t:eq(p.first, { new = { "d" }, changed = { "b", "c" }, gone = { "x" } })
  local q <close> = run(from, to)
  t:eq({ q.gone, all(q:to_delete()) }, { 0, "" })
  local r <close> = run(from, nil, { delete = true })
  t:eq(numbers(r), { 4, 4, 0, 0, 0, 0, 0 })
end)

test("what a filter leaves out is neither copied nor deleted", function(t)
  local from = { { "a", 1 }, { "large", 100 }, { "b.log", 1 } }
  local to = { { "large", 7 }, { "old.log", 1 }, { "old", 1 }, { "b.log", 9 } }
  local p <close> = run(from, to, { delete = true, max_size = 50,
    exclude = "*.log" })
  t:eq(numbers(p), { 3, 1, 0, 0, 2, 0, 1 })
  t:eq({ all(p:to_copy()), all(p:to_delete()) }, { "a", "old" })
end)

test("names that come twice count once", function(t)
  local from = { { "a", 1 }, { "b", 1 }, { "a", 1 }, { "b", 1 } }
  local p <close> = run(from, { { "a", 1 }, { "z", 1 }, { "a", 1 },
    { "z", 1 } }, { page = 1, delete = true })
  t:eq(numbers(p), { 2, 1, 0, 1, 0, 0, 1 })
end)

test("entries that are no files are told, unless they are excluded",
  function(t)
    local from = { { "a", 1 }, { "sub", 1, kind = "dir", why = "it is a folder" },
      { "x\0y", 1, why = "it has a NUL in it" } }
    local p <close> = run(from)
    t:eq(numbers(p), { 3, 1, 0, 0, 0, 2, 0 })
    t:eq(p.problems[1], '"sub": it is a folder')
    t:match(p.problems[2], "NUL")
    local q <close> = run(from, nil, { exclude = { "sub/", "x*" } })
    t:eq(numbers(q), { 3, 1, 0, 0, 2, 0, 0 })
  end)

test("a list that repeats itself for ever is an error", function(t)
  local function endless()
    local n = 0
    return { label = "dev:acme/m", is_folder = true, pages = function()
      return function()
        n = n + 1
        return { { name = "f" .. n % 3, size = 1, time = TIME } }
      end
    end }
  end
  local opts = { filter = filter.of({}), delete = true, tick = function() end,
    readers = { from = reader({}), to = reader({}) } }
  t:raises("remote", compare.run, "dev:acme/m lists the same files again",
    endless(), nil, opts)
  t:raises("remote", compare.run, "lists the same files again",
    side("from", { { "a", 1 } }), endless(), opts)
end)

test("memory does not grow with the lists", function(t)
  local COUNT = 60000
  local function long(label, shift)
    return { label = label, is_folder = true, pages = function()
      local at = 0
      return function()
        if at >= COUNT then return nil end
        local out = {}
        for i = at + 1, at + 1000 do
          out[#out + 1] = { name = ("a file with a name %08d"):format(
            (i * 7919) % 1000003 + shift), size = i % 7, time = TIME }
        end
        at = at + 1000
        return out
      end
    end }
  end
  local most, ticks = 0, 0
  collectgarbage()
  local before = collectgarbage("count")
  local p <close> = compare.run(long("from", 0), long("to", 1), {
    filter = filter.of({}), delete = true,
    readers = { from = reader({}), to = reader({}) },
    tick = function()
      ticks = ticks + 1
      if ticks % 10 == 0 then
        collectgarbage()
        most = math.max(most, collectgarbage("count") - before)
      end
    end })
  t:eq(p.listed, COUNT)
  t:ok(p.new > 0 and p.gone > 0)
  t:ok(most < 2048, most)
end)
