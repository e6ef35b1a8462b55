-- migrate-cluster: whose things move and to whom, whichever kinds are chosen.
local e2e = require("support.e2e")
local cluster = require("godwit.cluster")
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local people = require("support.people")
local sandbox = require("godwit.sandbox")

-- On both sides there is an eve, and she is not the same; acme is.
local function world(t, more)
  return e2e.world(t, function(dev, prod)
    for _, box in ipairs({ dev, prod }) do
      people.user(box, "eve", { email = "eve@" .. box.name .. ".org" })
    end
    dev:put("eve", "private", "p.txt", "hers")
    dev:put("acme", "models", "a.bin", "model")
    if more then
      more(dev, prod)
    end
  end)
end

local function result(r)
  r.items = r.doc and r.doc.items or {}
  r.notes = table.concat(r.doc and r.doc.notes or {}, "\n")
  return r
end

local function migrate(w, ...)
  return result(w:run({ "migrate-cluster", "--from", "sandbox:" .. w.dev.dir,
    "--to", "sandbox:" .. w.prod.dir, "--json", ... }))
end

local function words(r)
  local out = {}
  for i, item in ipairs(r.items) do
    out[i] = item.type .. " " .. item.ref .. " " .. item.outcome
  end
  return out
end

local function has(box, owner, name)
  local driver = cluster.open(sandbox.load_profile(box.dir))
  return driver:try_get_collection(owner, name) ~= nil
end

test("who is named twice is taken once, and it is said", function(t)
  local w = world(t)
  for _, owner in ipairs({ "acme", "acm*" }) do
    for i, flags in ipairs({ { "-n" }, {}, {} }) do
      local r = e2e.expect(migrate(w, "--only", "data", "--owner", owner,
        "--owner", owner, table.unpack(flags)), 0)
      t:eq(words(r), { "collection acme/models " .. (owner == "acme" and i < 3
        and "created" or "unchanged") })
      t:match(r.notes, "Owners named twice, taken once: "
        .. owner:gsub("%*", "%%*"))
    end
  end
end)
