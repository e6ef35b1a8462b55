-- The names of a large collection, kept in order.
local fs = require("godwit.core.fs")
local listing = require("godwit.cluster.platform.listing")

test("behind: the first name after another, there or not", function(t)
  local list = { "b", "d", "f" }
  for after, want in pairs({ a = 1, b = 2, c = 2, d = 3, e = 3, f = 4, g = 4 })
  do
    t:eq(listing.behind(list, after), want, after)
  end
  t:eq(listing.behind({}, "x"), 1)
end)

test("what was added and removed is worked in", function(t)
  local dir = t:tmpdir()
  local there, lists = {}, listing.new()
  local function name(n) return ("f%03d"):format(n) end
  math.randomseed(7)
  for round = 1, 40 do
    for _ = 1, math.random(0, 20) do
      local n = name(math.random(1, 100))
      if there[n] and math.random() < 0.6 then
        fs.remove(dir .. "/" .. n)
        lists:drop(dir, n)
        there[n] = nil
      else
        t:ok(fs.write(dir .. "/" .. n, ""))
        lists:add(dir, n)
        there[n] = true
      end
    end
    local want = {}
    for n in pairs(there) do want[#want + 1] = n end
    table.sort(want)
    t:eq(lists:of(dir), want, round)
  end
end)

test("few lists are kept; a folder that is not there is empty", function(t)
  local base, lists = t:tmpdir(), listing.new()
  for i = 1, 30 do
    t:eq(lists:of(base .. "/none" .. i), {})
  end
  local count = 0
  for _ in pairs(lists.lists) do count = count + 1 end
  t:ok(count <= 8, count)
  t:ok(fs.write(base .. "/f", ""))
  t:eq(lists:of(base), { "f" })
  t:ok(fs.write(base .. "/g", "")) -- by somebody who does not tell
  t:eq(lists:of(base), { "f" })
  lists:forget(base)
  t:eq(lists:of(base), { "f", "g" })
end)
