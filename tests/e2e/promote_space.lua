-- No space left: files stop growing in the middle of what a promotion writes.
-- Nothing half-done is reported as done, and with space the same command goes
-- on.
local e2e = require("support.e2e")
local fs = require("godwit.core.fs")
local sys = require("godwit.core.sys")

local HELLO = "acme/Hello"

-- A big file that does not compress, so that the pack is as big.
local function world(t)
  return e2e.world(t, function(dev)
    e2e.seed(dev)
    local parts = {}
    for i = 1, 8192 do
      parts[i] = sys.random_hex(64)
    end
    dev:commit(HELLO, { { path = "big", data = table.concat(parts) } })
  end)
end

test("a file that cannot grow: one sentence, nothing written, then it works",
function(t)
  local w = world(t)
  local program = e2e.PROGRAM
  local r = w:finish(w:start_as({ "sh", "-c",
    "trap '' XFSZ; ulimit -f 200; exec \"$0\" \"$@\"", program, "promote",
    HELLO, "--from", "dev", "--to", "prod", "--json" }))
  t:ok(r.code ~= 0, r.all)
  t:eq(r.doc.items[1].outcome, "failed")
  t:ok(#r.doc.items[1].why > 0)
  t:eq(w.prod:get(HELLO), nil)
  t:eq(e2e.expect(w:promote({ HELLO }), 0).item.outcome, "created")
  t:eq(w.prod:read(HELLO).files, w.dev:read(HELLO).files)
end)

-- What a power cut leaves of files that had not reached the disk.
local function damage(dir, pattern, data)
  local n = 0
  for _, e in ipairs(fs.list(dir)) do
    local path = dir .. "/" .. e.name
    if e.type == "dir" then
      n = n + damage(path, pattern, data)
    elseif path:find(pattern) then
      fs.remove(path)
      fs.write(path, data, 420)
      n = n + 1
    end
  end
  return n
end

for what, pattern in pairs({ packs = "%.pack$", indexes = "%.idx$",
    objects = "/objects/%x%x/%x+$", references = "/refs/.+" }) do
  test("a cached repository with damaged " .. what .. " is made again",
  function(t)
    local w = e2e.seeded(t)
    e2e.expect(w:promote({ HELLO }), 0)
    w.dev:commit(HELLO, { { path = "new", data = "1" } })
    t:ok(damage(w.home .. "/.cache/godwit/git", pattern, "") > 0)
    local r = e2e.expect(w:promote({ HELLO }), 0)
    t:eq(r.item.outcome, "updated")
    t:eq(#r.item.warnings, 1)
    t:eq(w.prod:read(HELLO).files, w.dev:read(HELLO).files)
    t:eq(#fs.list(w.home .. "/.cache/godwit/git"), 1)
  end)
end
