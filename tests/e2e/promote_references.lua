-- What code names: algorithms that call others come after them, and what names
-- the old owner is listed with file and line.
local e2e = require("support.e2e")

local function code(box, ref, text)
  box:commit(ref, { { path = "src/extra.py", data = text } })
end

test("who calls another is promoted after it", function(t)
  local w = e2e.world(t, function(dev)
    for _, name in ipairs({ "First", "Second", "Third" }) do
      e2e.seed(dev, "acme/" .. name)
    end
    code(dev, "acme/First", "client.algo('acme/Second')\n")
    code(dev, "acme/Second", "x = 'algo://acme/Third/1.0.0'\n")
  end)
  local r = e2e.expect(w:promote({ "acme/First", "acme/Second", "acme/Third" }),
    0)
  local refs = {}
  for i, item in ipairs(r.items) do
    refs[i] = item.ref
  end
  t:eq(refs, { "acme/Third", "acme/Second", "acme/First" })
  local function built(ref)
    local build = w.prod:driver():each_build(ref:match("(.*)/(.*)"))()
    return build.started_at
  end
  t:ok(built("acme/Third") <= built("acme/Second"))
  t:ok(built("acme/Second") <= built("acme/First"))
end)

test("names of the old owner are listed", function(t)
  local w = e2e.world(t, function(dev)
    e2e.seed(dev, "acme/One")
    code(dev, "acme/One", "# models\nM = 'data://acme/models/m.bin'\n"
      .. "T = client.algo('acme/Tok')\nO = 'data://labs/other'\n")
  end)
  local function named(...)
    local r = e2e.expect(w:promote({ "acme/One", "-n", ... }), 0)
    local out = {}
    for _, text in ipairs(r.items[1].warnings) do
      if text:find(" names ", 1, true) then
        out[#out + 1] = text
      end
    end
    return out
  end
  t:eq(named("--to-owner", "alice"), {
    "src/extra.py:2 names data://acme/models, of the owner at the source",
    "src/extra.py:3 names algo://acme/Tok, of the owner at the source",
  })
  t:eq(named(), {})
end)
