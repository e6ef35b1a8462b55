-- What a promotion asks for: when there is nothing to do, and of a source that
-- goes to several destinations.
local e2e = require("support.e2e")
local relay = require("support.relay")

local COUNT = 5

local function world(t)
  return e2e.world(t, function(dev)
    e2e.seed_fleet(dev, COUNT)
  end)
end

test("nothing to do costs two documents, two tips and one listing",
function(t)
  local w = world(t)
  local from = relay.start(t, w.dev.api)
  local to = relay.start(t, w.prod.api)
  w:configure({ dev = { api = from.url }, prod = { api = to.url } })
  e2e.expect(w:promote({ "acme/*" }), 0)
  from:clear()
  to:clear()
  local r = e2e.expect(w:promote({ "acme/*" }), 0)
  t:eq(r.doc.counts.unchanged, COUNT)
  -- Whose key it is, on each side.
  t:eq(from:count("/v1/data/"), 1)
  t:eq(to:count("/v1/data/"), 1)
  t:eq(from:count("/v1/users/acme/algorithms"), 1)
  t:eq(#from.log, 2 * COUNT + 2)
  t:eq(#to.log, 2 * COUNT + 1)
end)

test("three destinations ask no more of the source than one", function(t)
  local w = world(t)
  w:add("stage")
  w:add("far")
  local from = relay.start(t, w.dev.api)
  w:configure({ dev = { api = from.url } })
  local function asked()
    local lines = { table.unpack(from.log) }
    table.sort(lines)
    from:clear()
    return lines
  end
  local other = w.dir .. "/other"
  e2e.expect(w:promote({ "acme/*" }, { XDG_CACHE_HOME = other }), 0)
  local of_one = asked()
  w:add("near")
  w:configure({ dev = { api = from.url } })
  local argv = { "promote", "acme/*", "--from", "dev", "--json" }
  for _, name in ipairs({ "near", "stage", "far" }) do
    argv[#argv + 1] = "--to"
    argv[#argv + 1] = name
  end
  local r = e2e.expect(w:run(argv), 0)
  t:eq(r.doc.counts.created, 3 * COUNT)
  t:eq(asked(), of_one)
  -- Again, with nothing to do anywhere.
  e2e.expect(w:run(argv), 0)
  t:eq(#asked(), 2 * COUNT + 2)
end)
