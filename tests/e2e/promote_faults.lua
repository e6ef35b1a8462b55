-- The program's own calls fail, one kind after the other: one sentence and a
-- status, no crash, nothing half-done called done; the same command again
-- brings it to its end.
local e2e = require("support.e2e")
local has_faults = pcall(require, "godwit.core.fault")

local HELLO = "acme/Hello"

local GROUPS = {
  files = { "path.write", "path.mkdir", "path.fsync", "path.rename",
    "lock.open" },
  repositories = { "git.write", "git.repo" },
  ["the version map"] = { "vmap.open", "vmap.find", "vmap.put" },
  requests = { "http.easy", "http.start", "http.setup" },
  ["the loop and memory"] = { "pool.submit", "timer.start", "hash.new",
    "random", "json.alloc", "buf.grow" },
}

local function attempt(t, w, fault, n)
  w.dev:commit(HELLO, { { path = "change", data = fault .. n } })
  local r = w:run({ "promote", HELLO, "--from", "dev", "--to", "prod",
    "--json" }, { GODWIT_FAULT = fault .. ":" .. n })
  t:ok(r.code >= 0 and r.code < 128, fault .. ":" .. n .. " " .. r.all)
  if r.code == 0 then
    t:eq(r.doc.items[1].outcome, "updated")
    t:eq(w.prod:read(HELLO).files, w.dev:read(HELLO).files)
    return true
  end
  -- Without a buffer there is nothing to say it with.
  t:ok(fault == "buf.grow" or #r.err > 0 or r.doc, fault .. ":" .. n
    .. " says nothing")
  if r.doc and r.doc.items then
    t:ok(#(r.doc.items[1].why or "") > 0)
    t:no(r.doc.items[1].kind == "bug", r.all)
  end
  return false
end

local function try_all(t, w, fault)
  for _, n in ipairs({ 1, 6 }) do
    local fine = attempt(t, w, fault, n)
    local r = e2e.expect(w:promote({ HELLO }), 0)
    t:eq(w.prod:read(HELLO).files, w.dev:read(HELLO).files)
    t:eq(w.prod:versions(HELLO)[1], r.item.version)
    if fine then
      break -- it is asked less often than that
    end
  end
end

for name, faults in pairs(GROUPS) do
  test("when calls fail: " .. name, function(t)
    if not has_faults then
      t:skip("built without GODWIT_FAULTS")
    end
    local w = e2e.seeded(t)
    e2e.expect(w:promote({ HELLO }), 0)
    for _, fault in ipairs(faults) do
      try_all(t, w, fault)
    end
  end)
end
