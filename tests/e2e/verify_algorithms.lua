-- Algorithms compared after a promotion: nothing differs; then one thing after
-- the other is changed, and each is found and named.
local e2e = require("support.e2e")
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local json = require("godwit.core.json")

local HELLO = "acme/Hello"

local function verify(w, words)
  local argv = { "verify", HELLO, "--from", "dev", "--to", "prod", "--json" }
  if words and words.all then
    table.remove(argv, 2)
  end
  for _, word in ipairs(words or {}) do
    argv[#argv + 1] = word
  end
  local r = w:run(argv)
  r.items = r.doc and r.doc.items or {}
  r.item = r.items[1] or {}
  return r
end

local function field(r, name)
  for _, d in ipairs(r.item.differences or {}) do
    if d.field == name then
      return d
    end
  end
end

local function fields(r)
  local names = {}
  for i, d in ipairs(r.item.differences or {}) do
    names[i] = d.field
  end
  return names
end

local function promoted(t)
  local w, commit = e2e.seeded(t)
  e2e.expect(w:promote({ HELLO }), 0)
  return w, commit
end

local function policy(w, text)
  err.check(fs.mkdir(w.home .. "/policies", 448))
  err.check(fs.write(w.home .. "/policies/acme.lua", text, 384))
end

test("after a promotion nothing differs, also without the version map",
function(t)
  local w = promoted(t)
  local r = e2e.expect(verify(w), 0)
  t:eq(r.item.outcome, "equal")
  t:eq(r.item.differences, nil)
  t:eq({ r.item.ref, r.item.to }, { HELLO, "prod:acme/Hello" })
  t:eq({ r.item.source_version, r.item.version }, { "0.1.0", "0.1.0" })
  t:eq({ r.doc.mode, r.doc.exit, r.doc.counts.equal },
    { "read", 0, 1 })
  t:match(r.doc.notes[1], "passwords")
  e2e.expect(verify(w, { "--state-dir", w.home .. "/other" }), 0)
end)

test("a changed byte, a mode and a file of its own are found in the files",
function(t)
  local w, commit = promoted(t)
  local link = w.prod:commit(HELLO, {
    { path = "bin/run.sh", data = "#!/bin/sh\necho hi\n", mode = 33188 },
    { path = "model/weights.bin", data = "1123456789abcdef"
      .. ("0123456789abcdef"):rep(4095) },
    { path = "only here.txt", data = "x" },
    { path = ".dockerignore", remove = true },
  }, { message = "By hand\n\27[31mred" })
  local r = e2e.expect(verify(w), 7)
  t:eq(r.item.outcome, "different")
  t:eq(fields(r), { "file .dockerignore", "file bin/run.sh",
    "file model/weights.bin", "file only here.txt" })
  local mode = field(r, "file bin/run.sh")
  t:eq({ mode.source.mode, mode.destination.mode }, { "100755", "100644" })
  t:eq(mode.source.id, mode.destination.id)
  local bytes = field(r, "file model/weights.bin")
  t:eq({ bytes.source.size, bytes.destination.size }, { 65536, 65536 })
  t:no(bytes.source.id == bytes.destination.id)
  t:eq(field(r, "file .dockerignore").destination, nil)
  t:eq(field(r, "file only here.txt").source, nil)
  t:match(r.item.warnings[1], "^1 commit at the destination that no promotion "
    .. "made, the newest: " .. link:sub(1, 10) .. " by Ann Author: By hand")
  local text = w:run({ "verify", HELLO, "--from", "dev", "--to", "prod" })
  e2e.expect(text, 7)
  t:match(text.out, "different  algorithm acme/Hello 0%.1%.0 %-> "
    .. "prod:acme/Hello 0%.1%.0\n")
  t:match(text.out, "file bin/run.sh: mode 100755, %x+, 18 bytes at the "
    .. "source, mode 100644, %x+, 18 bytes at the destination\n")
  t:match(text.out, "file only here.txt: nothing at the source, mode 100644")
  t:match(text.out, "dev and prod: 1 different%.\n$")
  t:no(text.out:find("\27", 1, true))
  t:eq(w.dev:tip(HELLO), commit)
end)

test("a source that has moved on says how far", function(t)
  local w, commit = promoted(t)
  for i = 1, 3 do
    w.dev:commit(HELLO, { { path = "later.txt", data = tostring(i) } })
  end
  local r = e2e.expect(verify(w), 7)
  t:eq(fields(r), { "promoted commit" })
  local d = field(r, "promoted commit")
  t:eq(d.destination, commit .. " (0.1.0)")
  t:eq(d.source, w.dev:tip(HELLO))
  t:eq(d.note, "source head is 3 commits ahead of what was promoted")
  -- The version that was promoted was asked for: then nothing is ahead.
  r = e2e.expect(w:run({ "verify", HELLO .. "/latest", "--from", "dev", "--to",
    "prod", "--json" }), 0)
  t:eq(r.doc.items[1].outcome, "equal")
end)

test("settings, a label, an environment: each by its name", function(t)
  local w = promoted(t)
  local ids = {}
  for _, env in ipairs(w.prod:driver():list_environments()) do
    ids[env.display_name] = env.id
  end
  w.prod:driver():update_algorithm("acme", "Hello", {
    details = { label = "Hallo", tagline = "greets" },
    settings = { source_visibility = "open", license = "apache2",
      network_access = "full", pipeline_enabled = false,
      algorithm_environment = ids["Java 11"] } })
  local r = e2e.expect(verify(w), 7)
  local label = field(r, "details.label")
  t:eq({ label.source, label.destination }, { "Hello there", "Hallo" })
  t:eq(field(r, "settings.license").destination, "apache2")
  t:eq(field(r, "settings.network_access").source, "isolated")
  local env = field(r, "settings.algorithm_environment")
  t:eq({ env.source, env.destination }, { "Python 3.8 (python3, CPU)",
    "Java 11 (java11, CPU)" })
  t:eq(#r.item.differences, 4)
  t:eq(field(r, "settings.pipeline_enabled"), nil)
end)

test("policy and owner change count as a promotion has them", function(t)
  local w = e2e.seeded(t)
  policy(w, [[return {
    map_name = function(name) return name .. "_prod" end,
    settings = { label = "In production", callability = "public" },
    map_environment = { ["Python 3.8"] = "Java 11" },
    transform = function(tree)
      tree:write("added.txt", "by the policy")
      tree:remove("bin/*")
    end }]])
  local owner = { "--to-owner", "alice" }
  e2e.expect(w:promote({ HELLO, "--to-owner", "alice" }), 0)
  local r = e2e.expect(verify(w, owner), 0)
  t:eq(r.item.to, "prod:alice/Hello_prod")
  -- Another policy expects something else.
  policy(w, [[return {
    map_name = function(name) return name .. "_prod" end,
    transform = function(tree) tree:write("added.txt", "differently") end }]])
  r = e2e.expect(verify(w, owner), 7)
  t:eq(fields(r), { "file added.txt", "file bin/link", "file bin/run.sh",
    "details.label", "settings.algorithm_environment",
    "settings.algorithm_callability" })
  t:eq(field(r, "settings.algorithm_callability").destination, "public")
  e2e.expect(verify(w), 7) -- nobody has acme/Hello_prod
end)

test("what is only at one place: missing, extra, and --strict", function(t)
  local w = promoted(t)
  w.prod:create("acme/Third")
  local all = { all = true, "--only", "algorithms", "--owner", "acme" }
  local r = e2e.expect(verify(w, all), 0)
  t:eq({ r.doc.counts.equal, r.doc.counts.extra, #r.items }, { 1, 1, 2 })
  t:eq({ r.items[2].outcome, r.items[2].ref },
    { "extra", "prod:acme/Third" })
  all[#all + 1] = "--strict"
  e2e.expect(verify(w, all), 7)
  w.dev:create("acme/Other")
  table.remove(all)
  r = e2e.expect(verify(w, all), 7)
  t:eq({ r.items[2].outcome, r.items[2].ref, r.items[2].to },
    { "missing", "acme/Other", "prod:acme/Other" })
end)

test("what owners have whom only the destination has is extra", function(t)
  local w = e2e.seeded(t)
  w.prod:stop()
  local prod = e2e.archive(w.home .. "/copy", "copy")
  prod:driver():create_user({ username = "carol", email = "c@example.com" })
  prod:create("carol/Secret")
  prod.open:close()
  local words = { "verify", "--from", "sandbox:" .. w.dev.dir, "--to", "./copy",
    "--only", "algorithms", "--json" }
  local function extra(code, ...)
    table.move({ ... }, 1, 2, #words + 1, words)
    local r = e2e.expect(w:run(words), code)
    words[#words], words[#words - 1] = nil, nil
    local last = r.doc.items[#r.doc.items]
    return last.outcome .. " " .. last.ref:match("[^:]*$")
  end
  t:eq(extra(7, "-v", "-v"), "extra carol/Secret")
  t:eq(extra(7, "--owner", "acme"), "missing acme/Hello")
  t:eq(extra(7, "*/*", "-v"), "extra carol/Secret")
end)

test("a version that is not published, or is another commit's, is named",
function(t)
  local w = e2e.seeded(t)
  e2e.expect(w:promote({ HELLO, "--publish", "no" }), 0)
  local r = e2e.expect(verify(w), 7)
  t:eq(fields(r), { "published version" })
  t:eq({ field(r, "published version").source,
    field(r, "published version").destination }, { "0.1.0", nil })
  e2e.expect(w:promote({ HELLO }), 0)
  local commit = w.prod:tip(HELLO)
  e2e.expect(verify(w), 0)
  -- Somebody publishes by hand; what the map knows is not what is there.
  w.prod:stop()
  local path = w.prod.dir .. "/algorithms/acme/Hello/versions.json"
  local doc = e2e.read_json(path)
  doc.publishes = json.array({})
  err.check(fs.write(path, json.encode(doc), 384))
  w.prod:start()
  w:configure()
  r = e2e.expect(verify(w), 7)
  t:eq(fields(r), { "published version", "version 0.1.0" })
  t:eq(field(r, "version 0.1.0").source, commit .. " (0.1.0 of the source)")
end)

test("secrets by name; their values are listed apart", function(t)
  local w = promoted(t)
  local function secret(box, key)
    local driver = box:driver()
    local secrets = require("godwit.cluster.secrets")
    driver:create_secret("acme", "Hello", { secret_key = key,
      secret_value = require("godwit.core.secret").new("s3cret",
        { label = key, origins = { box.api } }), short_name = key,
      description = "d", provider_id = secrets.provider(driver, nil) })
  end
  secret(w.dev, "TOKEN")
  local r = e2e.expect(verify(w), 7)
  t:eq(fields(r), { "secret TOKEN" })
  t:eq({ field(r, "secret TOKEN").source, field(r, "secret TOKEN").destination },
    { "set", nil })
  secret(w.prod, "TOKEN")
  r = e2e.expect(verify(w), 0)
  t:match(r.item.cannot_move[1], "values of the secrets TOKEN")
  secret(w.prod, "OTHER")
  r = e2e.expect(verify(w), 7)
  t:eq(field(r, "secret OTHER").destination, "set")
  t:no(w.said:find("s3cret", 1, true))
end)

test("what was never promoted says so", function(t)
  local w = e2e.seeded(t)
  w.prod:create(HELLO)
  local r = e2e.expect(verify(w), 7)
  t:match(field(r, "promoted commit").destination, "only the cluster's first")
  t:ok(field(r, "file model/weights.bin"))
  w.prod:commit(HELLO, { { path = "x", data = "y" } })
  r = e2e.expect(verify(w), 7)
  t:match(field(r, "promoted commit").destination, "came from elsewhere")
end)

test("an archive is compared with a cluster, and with an archive", function(t)
  local w = promoted(t)
  e2e.archive(w.home .. "/copy", "copy"):driver():close()
  e2e.expect(w:run({ "promote", HELLO, "--from", "dev", "--to", "./copy" }), 0)
  e2e.expect(w:run({ "verify", HELLO, "--from", "dev", "--to", "./copy" }), 0)
  e2e.expect(w:run({ "verify", HELLO, "--from", "dev", "--to", "prod",
    "-v" }), 0)
  -- Both came from dev, not from each other; what is in them is equal.
  local r = e2e.expect(w:run({ "verify", HELLO, "--from", "./copy", "--to",
    "prod", "--json" }), 0)
  t:eq(r.doc.comparison, { from = "./copy", to = "prod", strict = false })
end)

test("what cannot be read is never equal", function(t)
  local w = promoted(t)
  w.prod:stop()
  local r = e2e.expect(verify(w), 5)
  t:eq({ r.item.outcome, r.item.retryable }, { "unreadable", true })
  t:ok(#r.item.problems >= 1)
  w.prod:start()
  w:configure()
  r = verify(w, { "acme/Nope" })
  e2e.expect(r, 3)
  t:eq({ r.items[1].outcome, r.items[2].outcome }, { "equal", "unreadable" })
  t:match(r.items[2].problems[1], "no algorithm acme/Nope")
end)

test("nothing is written, and a protected cluster is not asked about",
function(t)
  local w = promoted(t)
  w:configure({ prod = { more = "protected = true" } })
  w.prod:stop()
  local before = {}
  local function digests(folder, into)
    for _, e in ipairs(fs.list(folder)) do
      if e.type == "dir" then
        digests(folder .. "/" .. e.name, into)
      elseif e.type == "file" and e.name ~= "lock" then
        into[folder .. "/" .. e.name] = require("godwit.core.sys").hash("md5",
          fs.read(folder .. "/" .. e.name, 1 << 28))
      end
    end
    return into
  end
  digests(w.prod.dir .. "/algorithms", before)
  digests(w.prod.dir .. "/git", before)
  w.prod:start()
  w:configure({ prod = { more = "protected = true" } })
  local r = e2e.expect(verify(w, { "--no-input" }), 0)
  t:match(r.err, "read, nothing is written: verify acme/Hello")
  w.prod:stop()
  local after = digests(w.prod.dir .. "/algorithms", {})
  digests(w.prod.dir .. "/git", after)
  t:eq(after, before)
end)

test("words that mean nothing are refused first", function(t)
  local w = promoted(t)
  local r = e2e.expect(verify(w, { "--only", "algoritms" }), 2)
  t:match(r.err, "did you mean 'algorithms'")
  r = e2e.expect(verify(w, { "--skip", "algorithms" }), 2)
  t:match(r.err, "leave nothing to do")
  e2e.expect(verify(w, { "--owner", "no/body" }), 2)
end)
