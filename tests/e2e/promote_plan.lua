-- -n: the same code, no request but reads.
local e2e = require("support.e2e")
local relay = require("support.relay")

local HELLO = "acme/Hello"

local function only_reads(t, side)
  for _, line in ipairs(side.log) do
    local read = line:find("^GET ") or line:find("^HEAD ")
      or line:find("^POST /git/.*/git%-upload%-pack$")
      or line:find("^POST .*/git%-upload%-pack$")
    t:ok(read, line)
  end
end

local function watched(t)
  local w = e2e.seeded(t)
  local from = relay.start(t, w.dev.api)
  local to = relay.start(t, w.prod.api)
  w:configure({ dev = { api = from.url }, prod = { api = to.url } })
  return w, from, to
end

test("a plan of a new algorithm says what is known after apply", function(t)
  local w, from, to = watched(t)
  local r = e2e.expect(w:promote({ HELLO, "-n" }), 0)
  t:eq(r.item.outcome, "created")
  t:eq(r.item.commit, "(known after apply)")
  t:eq(r.item.version, "0.1.0")
  t:eq(w.prod:get(HELLO), nil)
  only_reads(t, from)
  only_reads(t, to)
  t:eq(r.doc.mode, "plan")
  r = e2e.expect(w:run({ "promote", HELLO, "--from", "dev", "--to", "prod",
    "-n" }), 0)
  t:match(r.out, "%+ ")
  t:match(r.out, "known after apply")
  t:match(r.out, "wait for its build")
  t:match(r.out, "publish as ")
  t:no(r.out:find("published", 1, true))
end)

test("a plan of an update names files, commit and version; nothing is sent",
function(t)
  local w, from, to = watched(t)
  e2e.expect(w:promote({ HELLO }), 0)
  local source = w.dev:commit(HELLO, { { path = "new", data = "1" },
    { path = ".gitignore", data = "*.o\n" },
    { path = "bin/link", remove = true } })
  from:clear()
  to:clear()
  local r = e2e.expect(w:promote({ HELLO, "-n" }), 0)
  t:eq(r.item.outcome, "updated")
  t:eq(#r.item.commit, 40)
  t:eq(r.item.source_commit, source)
  t:eq(r.item.version, "0.2.0")
  local files = {}
  for _, f in ipairs(r.item.files) do
    files[f.path] = f.symbol
  end
  t:eq(files, { new = "+", [".gitignore"] = "~", ["bin/link"] = "-" })
  only_reads(t, from)
  only_reads(t, to)
  t:eq(w.prod:versions(HELLO), { "0.1.0" })
  -- The plan recorded nothing: applying it does it all.
  local applied = e2e.expect(w:promote({ HELLO }), 0).item
  t:eq(applied.commit, r.item.commit)
  t:eq(applied.version, r.item.version)
end)

test("a plan with nothing to do says so", function(t)
  local w = watched(t)
  e2e.expect(w:promote({ HELLO }), 0)
  t:eq(e2e.expect(w:promote({ HELLO, "-n" }), 0).item.outcome, "unchanged")
end)

test("a plan of what would be refused is refused", function(t)
  local w = watched(t)
  e2e.expect(w:promote({ HELLO }), 0)
  w.prod:commit(HELLO, { { path = "x", data = "1" } })
  e2e.expect(w:promote({ HELLO, "-n" }), 6)
  t:eq(e2e.expect(w:promote({ HELLO, "-n", "--overwrite-drift" }),
    0).item.outcome, "updated")
end)
