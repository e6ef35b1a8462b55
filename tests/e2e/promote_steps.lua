-- A whole promotion between two sandboxes, step by step.
local e2e = require("support.e2e")
local relay = require("support.relay")

local HELLO = "acme/Hello"

test("a new algorithm is created, pushed, built, called, published, recorded",
function(t)
  local w, source = e2e.seeded(t)
  local r = e2e.expect(w:promote({ HELLO }), 0)

  t:eq(r.item.outcome, "created")
  t:eq(r.item.ref, HELLO)
  t:eq(r.item.source_commit, source)
  t:eq(r.item.source_version, "0.1.0")
  t:eq(r.item.version, "0.1.0")
  t:eq(r.doc.counts.created, 1)
  t:eq(w.prod:versions(HELLO), { "0.1.0" })
  t:eq(w.prod:tip(HELLO), r.item.commit)
  local doc = w.prod:get(HELLO)
  t:eq(doc.version_info.git_hash, r.item.commit)
  local said = {}
  for i, step in ipairs(r.item.steps) do
    said[i] = step.step
  end
  t:eq(said, { "create", "push", "build", "call", "publish" })
end)

test("the destination's tree is the source's", function(t)
  local w = e2e.seeded(t)
  e2e.expect(w:promote({ HELLO }), 0)
  t:eq(w.prod:read(HELLO).files, w.dev:read(HELLO).files)
end)

test("the commit is the source's author on the destination's tip",
function(t)
  local w, source = e2e.seeded(t)
  e2e.expect(w:promote({ HELLO }), 0)
  local theirs, ours = w.dev:read(HELLO).commit, w.prod:read(HELLO)
  t:eq(ours.commit.author, theirs.author)
  t:eq(ours.commit.committer.name, "godwit")
  t:match(ours.commit.message,
    "^Add a model\n\nIt is big%.\n\nGodwit%-Source: ")
  t:match(ours.commit.message, " acme/Hello " .. source .. "\n$")
  t:eq(#ours.history, 2) -- the template, and ours
end)

test("a second promotion is one commit and one version more", function(t)
  local w = e2e.seeded(t)
  local first = e2e.expect(w:promote({ HELLO }), 0).item
  local source = w.dev:commit(HELLO, { { path = "new.txt", data = "x" },
    { path = "bin/link", remove = true } })
  local r = e2e.expect(w:promote({ HELLO }), 0)
  t:eq(r.item.outcome, "updated")
  t:eq(r.item.version, "0.2.0")
  t:eq(r.item.source_commit, source)
  local there = w.prod:read(HELLO)
  t:eq(there.commit.parents, { first.commit })
  t:eq(there.files, w.dev:read(HELLO).files)
  -- The head of the source was not published: that is named.
  t:match(r.item.warnings[1], "newer than its latest published version 0.1.0")
end)

test("a repeat with nothing new asks each side's refs once and says unchanged",
function(t)
  local w = e2e.seeded(t)
  local from = relay.start(t, w.dev.api)
  local to = relay.start(t, w.prod.api)
  w:configure({ dev = { api = from.url }, prod = { api = to.url } })
  e2e.expect(w:promote({ HELLO }), 0)
  from:clear()
  to:clear()
  local r = e2e.expect(w:promote({ HELLO }), 0)
  t:eq(r.item.outcome, "unchanged")
  for _, side in ipairs({ from, to }) do
    t:eq(side:count("/info/refs"), 1)
    t:eq(side:count("POST"), 0)
    t:eq(side:count("PUT"), 0)
    t:eq(side:count("/secrets"), 0) -- nothing more was looked at
    t:ok(#side.log <= 4, table.concat(side.log, "\n"))
  end
  t:eq(w.prod:versions(HELLO), { "0.1.0" })
  t:eq(#w.prod:builds(HELLO), 1)
end)

test("without any state a repeat finds out by the trailer", function(t)
  local w = e2e.seeded(t)
  local first = e2e.expect(w:promote({ HELLO }), 0).item
  local r = e2e.expect(w:promote({ HELLO },
    { XDG_STATE_HOME = w.dir .. "/s2", XDG_CACHE_HOME = w.dir .. "/c2" }), 0)
  t:eq(r.item.outcome, "unchanged")
  t:eq(r.item.commit, first.commit)
  t:eq(w.prod:versions(HELLO), { "0.1.0" })
end)

test("--publish no builds and calls and releases nothing; later it is released",
function(t)
  local w = e2e.seeded(t)
  local r = e2e.expect(w:promote({ HELLO, "--publish", "no" }), 0)
  t:eq(r.item.outcome, "created")
  t:eq(w.prod:versions(HELLO), {})
  r = e2e.expect(w:promote({ HELLO, "--publish", "no" }), 0)
  t:eq(r.item.outcome, "unchanged")
  r = e2e.expect(w:promote({ HELLO, "--publish", "major" }), 0)
  t:eq(r.item.outcome, "updated")
  t:eq(w.prod:versions(HELLO), { "1.0.0" })
  t:eq(#w.prod:builds(HELLO), 1)
end)

test("the owner in algorithmia.conf follows --to-owner, on one cluster too",
function(t)
  local w = e2e.seeded(t)
  local argv = { "promote", HELLO, "--from", "dev", "--to", "dev",
    "--to-owner", "alice", "--json" }
  local r = e2e.expect(w:run(argv), 0)
  t:eq(r.doc.items[1].outcome, "created")
  local there = w.dev:read("alice/Hello")
  t:match(there.texts["algorithmia.conf"], '"username"%s*:%s*"alice"')
  local same = w.dev:read(HELLO)
  there.files["algorithmia.conf"] = same.files["algorithmia.conf"]
  t:eq(there.files, same.files)
  r = e2e.expect(w:run(argv), 0)
  t:eq(r.doc.items[1].outcome, "unchanged")
end)

test("to an archive folder and from one", function(t)
  local w = e2e.seeded(t)
  local box = e2e.archive(w.dir .. "/folder", "folder")
  local r = e2e.expect(w:run({ "promote", HELLO, "--from", "dev", "--to",
    box.dir, "--json" }), 0)
  t:eq(r.doc.items[1].outcome, "created")
  t:eq(r.doc.items[1].version, "0.1.0")
  r = e2e.expect(w:run({ "promote", HELLO, "--from", box.dir, "--to", "prod",
    "--json" }), 0)
  t:eq(r.doc.items[1].outcome, "created")
  t:eq(w.prod:read(HELLO).files, w.dev:read(HELLO).files)
end)

test("versions: latest, a number, a commit, and a number in the name",
function(t)
  local w, first = e2e.seeded(t)
  local second = w.dev:commit(HELLO, { { path = "two", data = "2" } })
  w.dev:publish(HELLO)
  local third = w.dev:commit(HELLO, { { path = "three", data = "3" } })
  local function source_of(words)
    local r = e2e.expect(w:promote(words), 0)
    return r.item.source_commit, r.item.source_version
  end
  t:eq({ source_of({ HELLO .. "/0.1.0" }) }, { first, "0.1.0" })
  t:eq({ source_of({ HELLO, "--source-version", "latest" }) },
    { second, "0.2.0" })
  t:eq({ source_of({ HELLO, "--source-version", third }) }, { third })
  -- Back to an older one: the same files as then, on top.
  t:eq({ source_of({ HELLO, "--source-version", "0.1.0" }) },
    { first, "0.1.0" })
  local there = w.prod:read(HELLO)
  t:eq(there.files["two"], nil)
  t:eq(#there.history, 5)
end)

test("the first digits of a commit name it, if they name one", function(t)
  local w, first = e2e.seeded(t)
  local second = w.dev:commit(HELLO, { { path = "two", data = "2" } })
  for _, commit in ipairs({ first, second }) do
    local r = e2e.expect(w:promote({ HELLO .. "/" .. commit:sub(1, 12) }), 0)
    t:eq(r.item.source_commit, commit)
  end
  local none = first:sub(1, 6) .. (first:sub(7, 7) == "0" and "1" or "0")
  local r = e2e.expect(w:promote({ HELLO, "--source-version", none }), 6)
  t:match(r.item.why, "no built commit that begins with " .. none)
end)

test("release notes, sample input and callability travel", function(t)
  local w = e2e.world(t, function(dev)
    dev:create(HELLO, { sample_input = '{"a": [1, 2.5]}' })
    dev:commit(HELLO, { { path = "a", data = "1" } })
    dev:publish(HELLO, { callability = "public", notes = "First one." })
  end)
  e2e.expect(w:promote({ HELLO .. "/0.1.0" }), 0)
  local doc = w.prod:get(HELLO)
  t:eq(doc.version_info.release_notes, "First one.")
  t:eq(doc.version_info.sample_input, '{"a": [1, 2.5]}')
  t:eq(doc.settings.algorithm_callability, "public")
end)

test("--message replaces the words, not the trailer", function(t)
  local w, source = e2e.seeded(t)
  e2e.expect(w:promote({ HELLO, "--message", "Release day" }), 0)
  t:match(w.prod:read(HELLO).commit.message,
    "^Release day\n\nGodwit%-Source: .* " .. source .. "\n$")
end)

test("a message, callability or step that changes nothing else is no new work",
function(t)
  local w = e2e.seeded(t)
  e2e.expect(w:promote({ HELLO }), 0)
  local r = e2e.expect(w:promote({ HELLO, "--message", "x", "--publish",
    "major", "--callability", "private" }), 0)
  t:eq(r.item.outcome, "unchanged")
end)

test("making it public needs a major step and a build of its own", function(t)
  local w = e2e.seeded(t)
  e2e.expect(w:promote({ HELLO }), 0)
  local r = e2e.expect(w:promote({ HELLO, "--callability", "public" }), 6)
  t:match(r.item.why, "algorithm_callability from private to public")
  r = e2e.expect(w:promote({ HELLO, "--callability", "public", "--publish",
    "major" }), 0)
  t:eq(r.item.outcome, "updated")
  t:eq(r.item.version, "1.0.0")
  t:eq(#w.prod:read(HELLO).history, 2) -- no further commit
  t:eq(#w.prod:builds(HELLO), 2)
end)

test("callability stays as it is at the destination, by small steps too",
function(t)
  local w = e2e.world(t, function(dev)
    dev:create(HELLO)
    dev:commit(HELLO, { { path = "a", data = "1" } })
    dev:publish(HELLO, { callability = "public", step = "major" })
  end)
  e2e.expect(w:promote({ HELLO, "--callability", "private" }), 0)
  t:eq(w.prod:get(HELLO).settings.algorithm_callability, "private")
  w.dev:commit(HELLO, { { path = "a", data = "2" } })
  local r = e2e.expect(w:promote({ HELLO, "--publish", "revision" }), 0)
  t:eq(r.item.version, "0.1.1")
  t:eq(w.prod:get(HELLO).settings.algorithm_callability, "private")
end)

test("a head without new files is no new version", function(t)
  local w = e2e.seeded(t)
  local first = e2e.expect(w:promote({ HELLO }), 0).item
  w.dev:commit(HELLO, { { path = "x", data = "1" } })
  local source = w.dev:commit(HELLO, { { path = "x", remove = true } })
  local r = e2e.expect(w:promote({ HELLO }), 0)
  t:eq(r.item.outcome, "unchanged")
  t:eq(r.item.source_commit, source)
  t:eq(r.item.commit, first.commit)
  t:eq(w.prod:versions(HELLO), { "0.1.0" })
end)

test("an algorithm that was never published has no sample input", function(t)
  local w = e2e.world(t, function(dev)
    dev:create("acme/New")
  end)
  local r = e2e.expect(w:promote({ "acme/New" }), 0)
  t:eq(r.item.outcome, "created")
  t:eq(w.prod:versions("acme/New"), { "0.1.0" })
end)
