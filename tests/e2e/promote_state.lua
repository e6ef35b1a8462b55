-- What a destination is before it is written to, with real repositories.
local e2e = require("support.e2e")

local HELLO = "acme/Hello"

-- A destination that somebody made by hand.
local function by_hand(t, edits, message)
  return e2e.world(t, function(dev, prod)
    e2e.seed(dev)
    prod:create(HELLO)
    prod:commit(HELLO, edits, { author = "Bob",
      message = message or "by hand\n" })
  end)
end

test("what the old script left is refused, and --adopt takes it", function(t)
  local w = by_hand(t, { { path = "src/Hello.py", data = "old\n" } },
    "new version of Hello\n")
  local r = e2e.expect(w:promote({ HELLO }), 6)
  t:eq(r.item.outcome, "refused")
  t:match(r.item.why, "new version of Hello")
  t:match(r.item.why, "by Bob")
  t:match(r.item.why, "%-%-adopt")
  t:match(r.item.why, "src/Hello%.py")
  e2e.expect(w:promote({ HELLO, "--overwrite-drift" }), 6)
  t:eq(#w.prod:read(HELLO).history, 2)

  r = e2e.expect(w:promote({ HELLO, "--adopt" }), 0)
  t:eq(r.item.outcome, "updated")
  t:eq(w.prod:read(HELLO).files, w.dev:read(HELLO).files)
  t:eq(#w.prod:read(HELLO).history, 3) -- foreign commits stay in the history
  e2e.expect(w:promote({ HELLO }), 0)
end)

test("drift names what was changed since; --adopt does not accept it",
function(t)
  local w = e2e.seeded(t)
  e2e.expect(w:promote({ HELLO }), 0)
  w.prod:commit(HELLO, { { path = "hot.py", data = "1" },
    { path = ".dockerignore", remove = true } },
    { author = "Bob", message = "hotfix at night\n" })
  local r = e2e.expect(w:promote({ HELLO, "--adopt" }), 6)
  t:match(r.item.why, "drifted: 1 commit after")
  t:match(r.item.why, "by Bob: hotfix at night")
  t:match(r.item.why, "added hot%.py")
  t:match(r.item.why, "deleted %.dockerignore")
  -- Also without any state: the trailer below the tip says so.
  r = e2e.expect(w:promote({ HELLO }, { XDG_STATE_HOME = w.dir .. "/s2",
    XDG_CACHE_HOME = w.dir .. "/c2" }), 6)
  t:match(r.item.why, "drifted")
end)

test("a destination with a source commit's files is taken as ours",
function(t)
  local w = e2e.world(t, function(dev, prod)
    e2e.seed(dev)
    prod:create(HELLO)
  end)
  -- By hand, exactly the source's files, as a careful person would.
  local source = w.dev:read(HELLO)
  local edits = {}
  for path in pairs(source.files) do
    local mode = tonumber(source.files[path]:match("^%d+"), 8)
    edits[#edits + 1] = { path = path, data = source.texts[path],
      mode = mode }
  end
  for path in pairs(w.prod:read(HELLO).files) do
    if not source.files[path] then
      edits[#edits + 1] = { path = path, remove = true }
    end
  end
  w.prod:commit(HELLO, edits, { message = "by hand\n" })
  w.dev:commit(HELLO, { { path = "next", data = "1" } })
  local r = e2e.expect(w:promote({ HELLO }), 0)
  t:eq(r.item.outcome, "updated")
  t:eq(w.prod:read(HELLO).files, w.dev:read(HELLO).files)
end)

test("a created algorithm whose push never came is the template", function(t)
  local w = e2e.world(t, function(dev, prod)
    e2e.seed(dev)
    prod:create(HELLO, { settings = { source_visibility = "open",
      license = "mit", network_access = "isolated",
      pipeline_enabled = false },
      details = { label = "Hello there", tagline = "greets" } })
  end)
  local r = e2e.expect(w:promote({ HELLO }), 0)
  t:eq(r.item.outcome, "updated")
  t:eq(w.prod:versions(HELLO), { "0.1.0" })
end)

test("another source's promotion is not overwritten unasked", function(t)
  local w = e2e.world(t, function(dev)
    e2e.seed(dev)
    e2e.seed(dev, "alice/Hello")
    dev:commit("alice/Hello", { { path = "alices", data = "1" } })
  end)
  e2e.expect(w:promote({ "alice/Hello", "--to-owner", "acme" }), 0)
  local r = e2e.expect(w:promote({ HELLO }), 6)
  t:match(r.item.why, "came from alice/Hello")
end)

test("plan and apply give the same commit, and so do two destinations",
function(t)
  local w = e2e.seeded(t)
  e2e.expect(w:promote({ HELLO }), 0)
  -- A destination with the same tip: a copy of the folder.
  w.prod:stop()
  local twin = e2e.copy(w.prod, w.dir .. "/twin", "twin")
  w.prod:start()
  twin:start()
  t:defer(function()
    twin:stop()
  end)
  w:configure()
  w.dev:commit(HELLO, { { path = "next", data = "1" } })

  local plan = e2e.expect(w:promote({ HELLO, "-n" }), 0).item
  t:eq(w.prod:versions(HELLO), { "0.1.0" })
  local other = e2e.expect(w:run({ "promote", HELLO, "--from", "dev", "--to",
    "sandbox:" .. twin.dir, "--json" }), 0).doc.items[1]
  local applied = e2e.expect(w:promote({ HELLO }), 0).item
  t:eq(plan.commit, applied.commit)
  t:eq(other.commit, applied.commit)
  t:eq(w.prod:tip(HELLO), applied.commit)
end)

test("settings that differ are reported, and changed only when asked",
function(t)
  local w = e2e.seeded(t)
  e2e.expect(w:promote({ HELLO }), 0)
  w.dev:driver():update_algorithm("acme", "Hello",
    { details = { tagline = "greets everybody" } })
  local r = e2e.expect(w:promote({ HELLO }), 0)
  t:eq(r.item.outcome, "unchanged")
  t:eq(r.item.differences, { { field = "details.tagline",
    source = "greets everybody", destination = "greets" } })
  r = e2e.expect(w:promote({ HELLO, "--update-settings" }), 0)
  t:eq(r.item.outcome, "updated")
  t:eq(w.prod:get(HELLO).details.tagline, "greets everybody")
  r = e2e.expect(w:promote({ HELLO, "--update-settings" }), 0)
  t:eq(r.item.outcome, "unchanged")
  t:eq(r.item.differences, {})
end)

test("network access that changes needs a major step, and is then released",
function(t)
  local w = e2e.seeded(t)
  e2e.expect(w:promote({ HELLO }), 0)
  w.dev:driver():update_algorithm("acme", "Hello",
    { settings = { network_access = "full" } })
  local r = e2e.expect(w:promote({ HELLO, "--update-settings" }), 6)
  t:match(r.item.why, "network_access from isolated to full")
  t:eq(w.prod:get(HELLO).settings.network_access, "isolated")
  r = e2e.expect(w:promote({ HELLO, "--update-settings", "--publish",
    "major" }), 0)
  t:eq(r.item.version, "1.0.0")
  t:eq(w.prod:get(HELLO).settings.network_access, "full")
end)

test("a README writes the summary: no difference, no endless update",
function(t)
  local w = e2e.world(t, function(dev)
    dev:create(HELLO)
    dev:commit(HELLO, { { path = "README.md", data = "# Hello\n\nworld\n" } })
    dev:publish(HELLO)
  end)
  e2e.expect(w:promote({ HELLO }), 0)
  local r = e2e.expect(w:promote({ HELLO, "--update-settings" }), 0)
  t:eq(r.item.outcome, "unchanged")
  t:eq(r.item.differences, {})
end)
