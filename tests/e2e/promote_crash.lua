-- Killed at every write, before it was sent and after it was done: the same
-- command again converges on one commit and one version.
local e2e = require("support.e2e")
local relay = require("support.relay")

local HELLO = "acme/Hello"

local WRITES = {
  { "create", "POST", "^/v1/algorithms/acme$" },
  { "push", "POST", "/git%-receive%-pack$" },
  { "call", "POST", "^/v1/algo/" },
  { "publish", "POST", "/versions$" },
}

local WORDS = { "promote", HELLO, "--from", "dev", "--to", "prod" }

for _, write in ipairs(WRITES) do
  for _, after in ipairs({ false, true }) do
    test(string.format("killed %s %s: the same command converges",
      after and "after" or "before", write[1]), function(t)
      local w = e2e.seeded(t)
      local to = relay.start(t, w.prod.api)
      w:configure({ prod = { api = to.url } })
      w:killed_at(t, to, write, after, WORDS)
      local r = e2e.expect(w:promote({ HELLO }), 0)
      t:eq(r.item.version, "0.1.0")
      t:eq(w.prod:versions(HELLO), { "0.1.0" })
      t:eq(#w.prod:read(HELLO).history, 2)
      t:eq(w.prod:read(HELLO).files, w.dev:read(HELLO).files)
      -- The second attempt pushes only what the first one did not.
      to:clear()
      t:eq(e2e.expect(w:promote({ HELLO }), 0).item.outcome, "unchanged")
      t:eq(to:count("POST"), 0)
    end)
  end
end

test("killed at every write one after the other", function(t)
  local w = e2e.seeded(t)
  local to = relay.start(t, w.prod.api)
  w:configure({ prod = { api = to.url } })
  for _, write in ipairs(WRITES) do
    w:killed_at(t, to, write, true, WORDS)
  end
  local r = e2e.expect(w:promote({ HELLO }), 0)
  t:eq(r.item.outcome, "unchanged")
  t:eq(w.prod:versions(HELLO), { "0.1.0" })
  t:eq(#w.prod:builds(HELLO), 1)
end)

test("killed while it made its cached repository: made again", function(t)
  local fs = require("godwit.core.fs")
  local w = e2e.seeded(t)
  e2e.expect(w:promote({ HELLO, "-n" }), 0)
  local root = w.home .. "/.cache/godwit/git"
  local store = root .. "/" .. fs.list(root)[1].name
  for _, file in ipairs({ "HEAD", "config" }) do
    fs.remove(store .. "/" .. file)
    assert(fs.write(store .. "/" .. file .. ".lock", "", 384))
  end
  e2e.expect(w:promote({ HELLO }), 0)
end)
