-- What was changed at the destination, kept: merged in memory when no file was
-- touched on both sides, refused with the names else; and asked about again.
local e2e = require("support.e2e")
local fs = require("godwit.core.fs")

local HELLO = "acme/Hello"

local WORKFLOW = [[
return {
  summary = "Promotes one algorithm.",
  params = { from = "cluster", to = "cluster",
    drift = { "string", optional = true },
    publish = { "string", default = "minor" } },
  run = function(cx)
    local p = cx.params
    cx:each({ p.from.algorithms:get "acme/Hello" }, function(a)
      return copy.algorithm(a, p.to, { on_drift = p.drift,
        publish = p.publish ~= "no" and p.publish })
    end, { kind = "algorithm" })
  end,
}
]]

local LINES = "1\n2\n3\n4\n5\n6\n7\n8\n9\n"

local function promote(w, words, env)
  local argv = { "run", "one.lua", "--from", "dev", "--to", "prod", "--json" }
  table.move(words, 1, #words, #argv + 1, argv)
  local r = w:run(argv, env)
  r.item = r.doc and r.doc.items[1] or {}
  return r
end

-- A destination that is promoted once.
local function world(t)
  local w = e2e.seeded(t)
  assert(fs.write(w.home .. "/one.lua", WORKFLOW, 384))
  w.dev:commit(HELLO, { { path = "list.txt", data = LINES } })
  e2e.expect(promote(w, {}), 0)
  return w
end

local function hotfix(w, edits, message)
  return w.prod:commit(HELLO, edits or { { path = "hot.py", data = "1\n" },
    { path = "list.txt", data = (LINES:gsub("^1", "ONE")) },
    { path = ".dockerignore", remove = true } },
    { author = "Bob", message = message or "hotfix at night\n" })
end

local function fresh(w, n)
  return { XDG_STATE_HOME = w.dir .. "/s" .. n,
    XDG_CACHE_HOME = w.dir .. "/c" .. n }
end

test("without a conflict both sides' changes are there", function(t)
  local w = world(t)
  local tip = hotfix(w)
  local source = w.dev:commit(HELLO, { { path = "next.py", data = "2\n" },
    { path = "list.txt", data = (LINES:gsub("9", "NINE")) } })
  e2e.expect(promote(w, {}), 6)
  local plan = e2e.expect(promote(w, { "--drift", "merge", "-n" }), 0)
  local r = e2e.expect(promote(w, { "--drift", "merge" }), 0)
  t:eq(r.item.outcome, "updated")
  t:eq(r.item.commit, plan.item.commit) -- the same commit, planned
  t:eq(plan.item.files, { { status = "modified", path = "list.txt",
    symbol = "~" }, { status = "added", path = "next.py", symbol = "+" } })
  local prod = w.prod:read(HELLO)
  t:eq(prod.texts["list.txt"], "ONE\n2\n3\n4\n5\n6\n7\n8\nNINE\n")
  t:eq(prod.texts["hot.py"], "1\n")
  t:eq(prod.texts["next.py"], "2\n")
  t:no(prod.files[".dockerignore"])
  t:eq(prod.commit.parents, { tip })
  t:match(prod.commit.message, "\nGodwit%-Source: %S+ acme/Hello " .. source)
  t:match(prod.commit.message, "\nGodwit%-Merged: " .. tip .. " %x+\n$")
  t:eq(prod.commit.committer.name, "godwit")
  t:eq(#w.prod:versions(HELLO), 2)
end)

test("the same again is nothing to do, also without state", function(t)
  local w = world(t)
  hotfix(w)
  w.dev:commit(HELLO, { { path = "next.py", data = "2\n" } })
  e2e.expect(promote(w, { "--drift", "merge" }), 0)
  local tip = w.prod:tip(HELLO)
  for i, words in ipairs { {}, { "--drift", "merge" },
      { "--drift", "overwrite" } } do
    for _, env in ipairs { {}, fresh(w, i) } do
      local r = e2e.expect(promote(w, words, env), 0)
      t:eq(r.item.outcome, "unchanged")
    end
  end
  t:eq(w.prod:tip(HELLO), tip)
end)

test("the next promotion asks again about what was merged in", function(t)
  local w = world(t)
  hotfix(w)
  w.dev:commit(HELLO, { { path = "next.py", data = "2\n" } })
  e2e.expect(promote(w, { "--drift", "merge" }), 0)
  w.dev:commit(HELLO, { { path = "next.py", data = "3\n" } })
  for i, env in ipairs { {}, fresh(w, 1) } do
    local r = e2e.expect(promote(w, {}, env), 6)
    t:match(r.item.why, "drifted: 1 commit merged into our last promotion",
      i)
    t:match(r.item.why, "by Bob: hotfix at night")
    t:match(r.item.why, "added hot%.py")
    t:no(r.item.why:find("next.py", 1, true))
  end
  -- More by hand on top, and merged once more, from nothing but the commits.
  hotfix(w, { { path = "more.py", data = "m\n" } }, "more\n")
  local r = e2e.expect(promote(w, {}), 6)
  t:match(r.item.why, "2 commits after or merged into")
  e2e.expect(promote(w, { "--drift", "merge" }, fresh(w, 2)), 0)
  local prod = w.prod:read(HELLO)
  t:eq(prod.texts["next.py"], "3\n")
  t:eq(prod.texts["hot.py"], "1\n")
  t:eq(prod.texts["more.py"], "m\n")
  t:no(prod.files[".dockerignore"])
  -- Overwriting takes it all away, and nothing is merged in any more.
  w.dev:commit(HELLO, { { path = "next.py", data = "4\n" } })
  e2e.expect(promote(w, { "--drift", "overwrite" }), 0)
  t:eq(w.prod:read(HELLO).files, w.dev:read(HELLO).files)
  t:no(w.prod:read(HELLO).commit.message:find("Godwit-Merged", 1, true))
end)

test("what the source took over is no drift any more", function(t)
  local w = world(t)
  hotfix(w, { { path = "list.txt", data = (LINES:gsub("1", "ONE")) } })
  w.dev:commit(HELLO, { { path = "next.py", data = "2\n" } })
  e2e.expect(promote(w, { "--drift", "merge" }), 0)
  w.dev:commit(HELLO, { { path = "list.txt",
    data = (LINES:gsub("1", "ONE")) } })
  e2e.expect(promote(w, { "--drift", "merge" }), 0)
  t:eq(w.prod:read(HELLO).files, w.dev:read(HELLO).files)
  -- And from there on the source may change the very same line.
  w.dev:commit(HELLO, { { path = "list.txt",
    data = (LINES:gsub("1", "uno")) } })
  e2e.expect(promote(w, {}), 0)
  t:eq(w.prod:read(HELLO).files, w.dev:read(HELLO).files)
end)

test("a file touched on both sides is refused by its name", function(t)
  local w = world(t)
  local tip = hotfix(w, { { path = "list.txt", data = "here\n" },
    { path = "model/weights.bin", data = "\0here" },
    { path = "bin/run.sh", remove = true }, { path = "src", data = "x" } })
  w.dev:commit(HELLO, { { path = "list.txt", data = "there\n" },
    { path = "model/weights.bin", data = "\0there" },
    { path = "bin/run.sh", data = "#!/bin/sh\n", mode = 33261 },
    { path = "src/new.py", data = "x" } })
  for _, words in ipairs { { "--drift", "merge" },
      { "--drift", "merge", "-n" } } do
    local r = e2e.expect(promote(w, words), 6)
    t:eq(r.item.outcome, "refused")
    t:match(r.item.why, "cannot be merged")
    t:match(r.item.why,
      "bin/run%.sh %(the destination deleted it, the source changed it%)")
    t:match(r.item.why,
      "list%.txt %(the destination changed it, the source changed it%)")
    t:match(r.item.why, "weights%.bin %b(); it is binary%)" and "it is binary")
    t:match(r.item.why, "src %(the destination made it a file, ")
    t:match(r.item.why, "%-%-overwrite%-drift")
  end
  t:eq(w.prod:tip(HELLO), tip)
end)

test("a destination of unknown origin has no base", function(t)
  local w = e2e.world(t, function(dev, prod)
    e2e.seed(dev)
    prod:create(HELLO)
    prod:commit(HELLO, { { path = "old.py", data = "old\n" } })
  end)
  assert(fs.write(w.home .. "/one.lua", WORKFLOW, 384))
  local r = e2e.expect(promote(w, { "--drift", "merge" }), 6)
  t:match(r.item.why, "no common base to merge with")
  t:match(r.item.why, "%-%-adopt")
end)

test("a change that brings nothing new is remembered all the same",
function(t)
  local w = world(t)
  local tip = hotfix(w)
  e2e.expect(promote(w, { "--drift", "merge", "--publish", "no" }), 0)
  local prod = w.prod:read(HELLO)
  t:eq(prod.commit.parents, { tip })
  t:eq(prod.texts["hot.py"], "1\n")
  w.dev:commit(HELLO, { { path = "next.py", data = "2\n" } })
  local r = e2e.expect(promote(w, {}), 6)
  t:match(r.item.why, "hotfix at night")
end)

test("the map is built again from merged commits", function(t)
  local w = world(t)
  hotfix(w)
  w.dev:commit(HELLO, { { path = "next.py", data = "2\n" } })
  e2e.expect(promote(w, { "--drift", "merge" }), 0)
  local env = fresh(w, 1)
  e2e.expect(w:run({ "version-map", HELLO, "--rebuild", "--to", "prod",
    "--from", "dev" }, env), 0)
  w.dev:commit(HELLO, { { path = "next.py", data = "3\n" } })
  e2e.expect(promote(w, {}, env), 6)
  e2e.expect(promote(w, { "--drift", "merge" }, env), 0)
  t:eq(w.prod:read(HELLO).texts["hot.py"], "1\n")
end)

local POLICY = [[
return {
  on_drift = function(state)
    log.info("asked: %%s, %%d files", state.kind, #state.files)
    return "merge"
  end,
  transform = function(tree)
    tree:write("stage.txt", %q)
  end,
}
]]

test("a policy decides, and what it makes of the tree is part of the base",
function(t)
  local w = e2e.seeded(t)
  local function policy(stage)
    assert(fs.write(w.home .. "/p.lua", POLICY:format(stage), 384))
  end
  local words = { HELLO, "--policy", "p.lua" }
  policy("one\n")
  e2e.expect(w:promote(words), 0)
  hotfix(w, { { path = "hot.py", data = "1\n" } })
  w.dev:commit(HELLO, { { path = "next.py", data = "2\n" } })
  local r = e2e.expect(w:promote(words), 0)
  t:match(r.err, "asked: drifted, 1 files")
  w.dev:commit(HELLO, { { path = "next.py", data = "3\n" } })
  -- The base is made again from the source, by the policy.
  r = e2e.expect(w:promote(words, fresh(w, 1)), 0)
  t:match(r.err, "asked: drifted, 1 files")
  local prod = w.prod:read(HELLO)
  t:eq({ prod.texts["hot.py"], prod.texts["next.py"], prod.texts["stage.txt"] },
    { "1\n", "3\n", "one\n" })

  -- Another policy: with the old tree at hand its change is no drift.
  policy("two\n")
  e2e.expect(w:promote(words, fresh(w, 1)), 0)
  prod = w.prod:read(HELLO)
  t:eq({ prod.texts["hot.py"], prod.texts["stage.txt"] }, { "1\n", "two\n" })
  -- Without, nobody knows what was merged in: refused, not guessed.
  policy("three\n")
  r = e2e.expect(w:promote(words, fresh(w, 2)), 6)
  t:match(r.item.why, "can no longer be made, so there is no common base")
  r = e2e.expect(w:promote({ HELLO, "--policy", "p.lua", "--overwrite-drift" },
    fresh(w, 2)), 0)
  t:eq(w.prod:read(HELLO).texts["stage.txt"], "three\n")
  t:no(w.prod:read(HELLO).files["hot.py"])
end)

test("what a script says of drift wins over the policy", function(t)
  local w = world(t)
  assert(fs.mkdir(w.home .. "/policies", 448))
  assert(fs.write(w.home .. "/policies/acme.lua",
    "return { on_drift = 'merge' }", 384))
  hotfix(w, { { path = "hot.py", data = "1\n" } })
  w.dev:commit(HELLO, { { path = "next.py", data = "2\n" } })
  local r = e2e.expect(promote(w, { "--drift", "refuse" }), 6)
  t:match(r.item.why, "has drifted")
  e2e.expect(promote(w, {}), 0)
  t:eq(w.prod:read(HELLO).texts["hot.py"], "1\n")
end)

test("a transform that looks at the commit is made again for the base's",
function(t)
  local w = e2e.seeded(t)
  assert(fs.write(w.home .. "/p.lua", [[
return {
  on_drift = "merge",
  transform = function(tree, cx)
    tree:write("COMMIT", cx.commit.id .. " by " .. cx.commit.author.name)
  end,
}
]], 384))
  local words = { HELLO, "--policy", "p.lua" }
  e2e.expect(w:promote(words), 0)
  hotfix(w, { { path = "hot.py", data = "1\n" } })
  for i = 1, 3 do
    local head = w.dev:commit(HELLO, { { path = "next.py", data = i .. "\n" } })
    local r = e2e.expect(w:promote(words, fresh(w, i)), 0)
    t:eq(r.item.outcome, "updated")
    local prod = w.prod:read(HELLO)
    t:eq(prod.texts["hot.py"], "1\n")
    t:eq(prod.texts["next.py"], i .. "\n")
    t:match(prod.texts["COMMIT"], "^" .. head .. " by ")
    r = e2e.expect(w:promote(words, fresh(w, i .. "again")), 0)
    t:eq(r.item.outcome, "unchanged")
  end
end)

test("what a transform makes is checked as the source is", function(t)
  local w = e2e.seeded(t)
  assert(fs.write(w.home .. "/p.lua", [[
return { transform = function(tree) tree:move("bin", ".git/hooks") end }
]], 384))
  local r = e2e.expect(w:promote({ HELLO, "--policy", "p.lua" }), 1)
  t:match(r.item.why, "p%.lua:1: transform: .*Git names its own folder")
  assert(fs.write(w.home .. "/p.lua", [[
return { transform = function(tree) tree:write(("a/"):rep(250) .. "x", "y") end }
]], 384))
  r = e2e.expect(w:promote({ HELLO, "--policy", "p.lua" }), 1)
  t:match(r.item.why, "^p%.lua:1: transform: .* is too deep")
  t:no(w.prod:get(HELLO))
end)
