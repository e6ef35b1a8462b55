-- One's own workflow and script around copy.algorithm.
local e2e = require("support.e2e")
local fs = require("godwit.core.fs")

local WORKFLOW = [[
return {
  summary = "Copies everything an owner has, unpublished.",
  params = { from = "cluster", to = "cluster", owner = "string" },
  run = function(cx)
    local p = cx.params
    cx:each(p.from.algorithms:each { owner = p.owner }, function(a)
      return copy.algorithm(a, p.to, { publish = false })
    end, { kind = "algorithm" })
  end,
}
]]

local SCRIPT = [[
local dev, prod = godwit.cluster "dev", godwit.cluster "prod"
local a = dev.algorithms:get "acme/One"
log.info("%s", copy.algorithm(a, prod, { publish = "major" }).version)
]]

local function world(t)
  local w = e2e.world(t, function(dev)
    e2e.seed(dev, "acme/One")
    e2e.seed(dev, "acme/Two")
  end)
  assert(fs.write(w.home .. "/all.lua", WORKFLOW, 384))
  assert(fs.write(w.home .. "/one.lua", SCRIPT, 384))
  return w
end

test("a workflow of one's own gets outcomes, counts and exit codes",
function(t)
  local w = world(t)
  local argv = { "run", "all.lua", "--from", "dev", "--to", "prod", "--owner",
    "acme", "--json" }
  local plan = { table.unpack(argv) }
  plan[#plan + 1] = "-n"
  local r = e2e.expect(w:run(plan), 0)
  t:eq(r.doc.counts.created, 2)
  t:eq(w.prod:get("acme/One"), nil)
  r = e2e.expect(w:run(argv), 0)
  t:eq(r.doc.counts.created, 2)
  t:eq(w.prod:read("acme/Two").files, w.dev:read("acme/Two").files)
  t:eq(w.prod:versions("acme/Two"), {})
  r = e2e.expect(w:run(argv), 0)
  t:eq(r.doc.counts.unchanged, 2)
end)

test("a script writes only where it is allowed to", function(t)
  local w = world(t)
  local r = e2e.expect(w:run({ "run", "one.lua" }), 9)
  t:match(r.err, "%-%-allow%-write prod")
  t:eq(w.prod:get("acme/One"), nil)
  e2e.expect(w:run({ "run", "one.lua", "--allow-write", "prod" }), 0)
  t:eq(w.prod:versions("acme/One"), { "1.0.0" })
end)
