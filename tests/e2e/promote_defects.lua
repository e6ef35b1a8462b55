-- The defects of the documented script, one by one: each is a test showing
-- that a promotion does right where the script does not.
local e2e = require("support.e2e")

local HELLO = "acme/Hello"

-- Promotes, changes the source, promotes again.
local function again(t, edits, opts)
  local w = e2e.seeded(t)
  e2e.expect(w:promote({ HELLO }), 0)
  local source = w.dev:commit(HELLO, edits, opts)
  local r = e2e.expect(w:promote({ HELLO }), 0)
  return w, r, source
end

test("defect_01 a failure is a status other than 0, a rejected push too",
function(t)
  local w = e2e.world(t, function(dev, prod)
    e2e.seed(dev)
    prod:options({ fail_builds = true })
  end)
  local r = w:promote({ HELLO })
  t:ok(r.code ~= 0)
  t:eq(r.item.outcome, "failed")
  t:eq(w:run({ "promote", "acme/Nothing", "--from", "dev", "--to",
    "prod" }).code, 6)
  t:eq(w:run({ "promote", HELLO, "--from", "dev", "--to", "nowhere" }).code,
    2)
end)

test("defect_02 dotfiles arrive", function(t)
  local w = e2e.seeded(t)
  e2e.expect(w:promote({ HELLO }), 0)
  local there = w.prod:read(HELLO)
  t:eq(there.texts[".dockerignore"], "secret\n")
  t:ok(there.files[".gitignore"])
end)

test("defect_03 what the source deletes goes", function(t)
  local w = again(t, { { path = ".dockerignore", remove = true },
    { path = "bin/run.sh", remove = true } })
  local there = w.prod:read(HELLO).files
  t:eq(there[".dockerignore"], nil)
  t:eq(there["bin/run.sh"], nil)
end)

test("defect_04 a file tracked in spite of .gitignore arrives", function(t)
  local w = e2e.seeded(t)
  e2e.expect(w:promote({ HELLO }), 0)
  t:eq(#w.prod:read(HELLO).texts["model/weights.bin"], 65536)
end)

test("defect_05 no file of the template is left over", function(t)
  local w = e2e.seeded(t)
  e2e.expect(w:promote({ HELLO }), 0)
  t:eq(w.prod:read(HELLO).files["requirements.txt"], nil)
  t:eq(w.prod:read(HELLO).files, w.dev:read(HELLO).files)
end)

test("defect_06 author, date, message and source revision are kept",
function(t)
  local w, _, source = again(t, { { path = "x", data = "y" } },
    { author = "Grace", message = "Speed it up\n\nBy half.\n" })
  local commit = w.prod:read(HELLO).commit
  t:eq(commit.author, w.dev:read(HELLO).commit.author)
  t:eq(commit.author.name, "Grace")
  t:match(commit.message, "^Speed it up\n\nBy half%.\n")
  t:match(commit.message, "Godwit%-Source: %S+ acme/Hello " .. source)
end)

test("defect_07 a commit at the destination is told loudly and can be passed",
function(t)
  local w = e2e.seeded(t)
  e2e.expect(w:promote({ HELLO }), 0)
  w.prod:commit(HELLO, { { path = "hotfix.py", data = "1" } },
    { author = "Bob", message = "hotfix\n" })
  local r = e2e.expect(w:promote({ HELLO }), 6)
  t:eq(r.item.outcome, "refused")
  t:match(r.item.why, "hotfix")
  r = e2e.expect(w:promote({ HELLO, "--overwrite-drift" }), 0)
  t:eq(r.item.outcome, "updated")
  t:eq(w.prod:read(HELLO).files, w.dev:read(HELLO).files)
  e2e.expect(w:promote({ HELLO }), 0)
end)

test("defect_08 a change of dotfiles and deletions only is a change",
function(t)
  local w, r = again(t, { { path = ".dockerignore", data = "more\n" },
    { path = "bin/link", remove = true } })
  t:eq(r.item.outcome, "updated")
  t:eq(r.item.version, "0.2.0")
  t:eq(w.prod:read(HELLO).texts[".dockerignore"], "more\n")
end)

test("defect_09 killed anywhere, the same command again converges",
function(t)
  local w = e2e.seeded(t, { prod = { args = { "--build-seconds", "1" } } })
  for _, pause in ipairs({ 0.05, 0.2, 0.5, 1.2 }) do
    local run = w:start({ "promote", HELLO, "--from", "dev", "--to", "prod" })
    require("godwit.task").sleep(pause)
    run.process:kill(9)
    w:finish(run)
  end
  e2e.expect(w:promote({ HELLO }), 0)
  t:eq(w.prod:read(HELLO).files, w.dev:read(HELLO).files)
  t:eq(w.prod:versions(HELLO), { "0.1.0" })
  t:eq(#w.prod:read(HELLO).history, 2)
end)

test("defect_11 the algorithm is created with the source's settings",
function(t)
  local w = e2e.seeded(t)
  e2e.expect(w:promote({ HELLO }), 0)
  local ours, theirs = w.prod:get(HELLO), w.dev:get(HELLO)
  for _, key in ipairs({ "license", "network_access", "pipeline_enabled",
      "source_visibility" }) do
    t:eq(ours.settings[key], theirs.settings[key], key)
  end
  t:eq(ours.details.label, "Hello there")
  t:eq(ours.details.tagline, "greets")
  t:ok(ours.settings.algorithm_environment
    ~= theirs.settings.algorithm_environment)
  local function spec(box, doc)
    for _, env in ipairs(box:driver():list_environments()) do
      if env.id == doc.settings.algorithm_environment then
        return env.environment_specification_id
      end
    end
  end
  t:eq(spec(w.prod, ours), spec(w.dev, theirs))
end)

test("defect_12 published, mapped, waited for, and more than one", function(t)
  local w = e2e.world(t, function(dev)
    e2e.seed(dev, HELLO)
    e2e.seed(dev, "acme/Second")
  end)
  local r = e2e.expect(w:promote({ HELLO, "acme/Second" }), 0)
  t:eq(r.doc.counts.created, 2)
  t:eq(w.prod:versions(HELLO), { "0.1.0" })
  t:eq(w.prod:versions("acme/Second"), { "0.1.0" })
  local map = e2e.expect(w:run({ "version-map", HELLO }), 0)
  t:match(map.out, "0%.1%.0")
end)
