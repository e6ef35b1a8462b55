-- Everything that can be known is known before the first write, all of it at
-- once.
local e2e = require("support.e2e")
local fs = require("godwit.core.fs")
local json = require("godwit.core.json")

local HELLO = "acme/Hello"

local function secrets(box, ref, keys)
  local list = json.array({})
  for i, key in ipairs(keys) do
    list[i] = { id = "s" .. i, short_name = key:lower(), secret_key = key,
      description = key, owner_type = "algorithm" }
  end
  assert(fs.write(box.dir .. "/algorithms/" .. ref .. "/secrets.json",
    json.encode(list), 384))
end

local function untouched(t, w)
  t:eq(w.prod:get(HELLO), nil)
end

test("all problems of all algorithms are told at once, nothing is written",
function(t)
  local w = e2e.world(t, function(dev)
    e2e.seed(dev)
    secrets(dev, HELLO, { "TOKEN", "PASSWORD" })
    dev:create("acme/Java", { settings = { algorithm_environment =
      dev:driver():list_environments()[2].id } })
    dev:commit("acme/Java", { { path = "a", data = "1" } })
    e2e.seed(dev, "acme/Fine")
  end, { prod = { environments = { e2e.ENVIRONMENTS[1] } } })
  local r = e2e.expect(w:promote({ HELLO, "acme/Java", "acme/Nothing",
    "acme/Fine", "--fail-fast" }), 6)
  t:eq(r.doc.counts.refused, 4)
  t:match(r.items[1].why, "secrets TOKEN, PASSWORD")
  t:match(r.items[1].why, "%-%-without%-secrets")
  t:match(r.items[2].why, "no environment like Java 11")
  t:match(r.items[3].why, "no algorithm acme/Nothing")
  t:match(r.items[4].why, "not started")
  untouched(t, w)
  t:eq(w.prod:get("acme/Fine"), nil)

  r = e2e.expect(w:promote({ HELLO, "acme/Java", "acme/Nothing",
    "acme/Fine" }), 3)
  t:eq(r.doc.counts.refused, 3)
  t:eq(r.doc.counts.created, 1)
  untouched(t, w)
  t:eq(w.prod:versions("acme/Fine"), { "0.1.0" })
end)

test("missing secrets are named; --without-secrets publishes all the same",
function(t)
  local w = e2e.world(t, function(dev)
    e2e.seed(dev)
    secrets(dev, HELLO, { "TOKEN" })
  end)
  e2e.expect(w:promote({ HELLO }), 6)
  untouched(t, w)
  local r = e2e.expect(w:promote({ HELLO, "--publish", "no" }), 0)
  t:match(r.item.warnings[1], "TOKEN")
  r = e2e.expect(w:promote({ HELLO, "--without-secrets" }), 0)
  t:eq(r.item.version, "0.1.0")
end)

test("a source with its code elsewhere is refused by that host's name",
function(t)
  local w = e2e.seeded(t)
  w.dev:stop()
  local path = w.dev.dir .. "/algorithms/acme/Hello/algorithm.json"
  local doc = e2e.read_json(path)
  doc.source = { scm = "github", repository_owner = "acme",
    repository_name = "hello" }
  assert(fs.write(path, json.encode(doc), 384))
  assert(fs.write(w.dev.dir .. "/scms.json", json.encode(json.array({
    { id = "internal", provider = "internal", default = true,
      enabled = true },
    { id = "github", provider = "github", name = "GitHub", enabled = true,
      urls = { web = "https://github.com", api = "https://api.github.com",
        ssh = "ssh://git@github.com" } } })), 384))
  w.dev:start()
  w:configure()
  local r = e2e.expect(w:promote({ HELLO }), 6)
  t:match(r.item.why, "GitHub")
  untouched(t, w)
end)

test("LFS pointers and submodules are named", function(t)
  local w = e2e.world(t, function(dev)
    e2e.seed(dev)
    dev:commit(HELLO, { { path = "big.dat", data =
      "version https://git-lfs.github.com/spec/v1\noid sha256:"
      .. ("a"):rep(64) .. "\nsize 12345\n" } })
  end)
  local r = e2e.expect(w:promote({ HELLO }), 0)
  local said = table.concat(r.item.warnings, "\n")
  t:match(said, "Git LFS")
  t:match(said, "big%.dat")
end)

test("a name that differs only in case is a collision", function(t)
  local w = e2e.world(t, function(dev, prod)
    e2e.seed(dev)
    prod:create("acme/hello")
  end)
  local r = e2e.expect(w:promote({ HELLO }), 6)
  t:match(r.item.why, "only in case")
end)

test("an owner the destination does not have is refused", function(t)
  local w = e2e.seeded(t)
  local r = e2e.expect(w:promote({ HELLO, "--to-owner", "nobody" }), 6)
  t:match(r.item.why, "nobody")
  t:eq(r.code, 6)
end)

test("what only trying can tell is listed as such", function(t)
  local w = e2e.seeded(t)
  local r = e2e.expect(w:promote({ HELLO, "-n" }), 0)
  t:match(table.concat(r.doc.notes, "\n"), "only trying can tell whether")
  -- Before it is tried it is said; afterwards it is known.
  r = e2e.expect(w:promote({ HELLO }), 0)
  t:match(r.err, "only trying can tell whether")
  t:no(table.concat(r.doc.notes, "\n"):find("only trying", 1, true))
end)

test("both sides the same is refused", function(t)
  local w = e2e.seeded(t)
  local r = e2e.expect(w:run({ "promote", HELLO, "--from", "dev", "--to",
    "dev", "--json" }), 6)
  t:match(r.doc.items[1].why, "%-%-to%-owner")
end)

-- Bad input ----------------------------------------------------------------

test("a version twice, or none that exists, is one clear sentence",
function(t)
  local w = e2e.seeded(t)
  local r = e2e.expect(w:promote({ HELLO .. "/0.1.0", "--source-version",
    "latest" }), 2)
  t:match(r.err, "%-%-source%-version")
  r = e2e.expect(w:promote({ HELLO .. "/0.1" }), 2)
  t:match(r.err, "names no version")
  t:no(r.err:find("promote.lua", 1, true), r.err) -- no line helps with that
  r = e2e.expect(w:promote({ HELLO .. "/9.9.9" }), 6)
  t:match(r.item.why, "no published version 9%.9%.9")
  r = e2e.expect(w:promote({ HELLO .. "/" .. ("a"):rep(40) }), 6)
  t:match(r.item.why, "no commit aaaa")
  untouched(t, w)
end)

test("unknown options, clusters and choices are usage errors", function(t)
  local w = e2e.seeded(t)
  for _, words in ipairs({
    { "promote", HELLO, "--from", "dev", "--to", "prod", "--dryrun" },
    { "promote", HELLO, "--from", "dev", "--to", "nowhere" },
    { "promote", HELLO, "--from", "dev" },
    { "promote", "--from", "dev", "--to", "prod" },
    { "promote", HELLO, "--from", "dev", "--to", "prod", "--publish",
      "tiny" },
    { "promote", HELLO, HELLO, "--from", "dev", "--to", "prod" },
    { "promote", "Hello", "--from", "dev", "--to", "prod" },
    { "promote", HELLO, "alice/Hello", "--from", "dev", "--to", "prod",
      "--to-owner", "bob" },
  }) do
    e2e.expect(w:run(words), 2)
  end
  untouched(t, w)
end)

test("a wrong key and a weak key are refused before any write", function(t)
  local w = e2e.seeded(t)
  local r = e2e.expect(w:promote({ HELLO },
    { PROD_KEY = "simXXXXXXXXXXXXXXXXXXXXXXXXX" }), 6)
  t:match(r.item.why, "the key of prod")
  untouched(t, w)
  -- Bob may read and call everything of the source; at the destination he
  -- may do nothing for Alice.
  r = w:promote({ HELLO, "--to-owner", "alice" },
    { PROD_KEY = w.prod.keys.bob })
  t:eq(r.code, 1)
  t:match(r.item.why, "the key of prod may not create algorithms of alice")
  t:eq(w.prod:get("alice/Hello"), nil)
end)

test("submodules are named and stay references", function(t)
  local w = e2e.seeded(t)
  w.dev:raw_tree(HELLO, "160000 commit " .. ("1"):rep(40) .. "\tvendor/lib")
  local r = e2e.expect(w:promote({ HELLO, "--no-call", "--publish", "no" }),
    0)
  local said = table.concat(r.item.warnings, "\n")
  t:match(said, "submodule stays a reference to another repository: vendor")
end)

test("names and messages of any bytes pass and are printed", function(t)
  local w = e2e.seeded(t)
  w.dev:commit(HELLO, { { path = "caf\xe9.txt", data = "1" },
    { path = "ü und 你好.txt", data = "2" } },
    { message = "na\xefve\n", author = "Andr\xe9" })
  e2e.expect(w:promote({ HELLO }), 0)
  local there = w.prod:read(HELLO)
  t:eq(there.files, w.dev:read(HELLO).files)
  t:eq(there.commit.author.name, "Andr\xe9")
  w.prod:commit(HELLO, { { path = "\xff", data = "1" } },
    { author = "Bj\xf8rn", message = "h\xf8tfix\n" })
  local r = e2e.expect(w:promote({ HELLO }), 6)
  t:match(r.item.why, "Bj\\xf8rn")
end)

-- A world whose key at the destination lacks a permission.
local function weak(t, permissions)
  local w = e2e.seeded(t)
  w.prod:stop()
  w.prod:permissions("alice", permissions)
  w.prod:start()
  w:configure()
  return w
end

test("a key that may not manage algorithms is named as that", function(t)
  local w = weak(t, { allow_algo_management = false })
  local r = e2e.expect(w:promote({ HELLO }), 1)
  t:eq(r.item.outcome, "failed")
  t:match(r.item.why, "the key of prod may not create algorithms of acme")
  t:eq(w.prod:get(HELLO), nil)
end)

test("a key that may not call fails at the call, and nothing is released",
function(t)
  local w = weak(t, { allow_algo = false })
  local r = e2e.expect(w:promote({ HELLO }), 1)
  t:match(r.item.why, "calling it with its sample input")
  t:eq(w.prod:versions(HELLO), {})
  t:eq(e2e.expect(w:promote({ HELLO, "--no-call" }), 0).item.version,
    "0.1.0")
end)

test("a key that may not read data promotes all the same", function(t)
  local w = weak(t, { allow_data = false, allow_data_write = false })
  t:eq(e2e.expect(w:promote({ HELLO }), 0).item.outcome, "created")
end)

test("an owner that is not there is said in words", function(t)
  local w = e2e.seeded(t)
  local r = w:promote({ "acme/Hello", "--to-owner", "nobody_there" })
  t:eq(r.code, 6, r.all)
  t:eq(r.item.outcome, "refused")
  t:match(r.item.problems[1], "^prod has no user or organization "
    .. "nobody_there: .-%-%-to%-owner")
  t:no(r.all:find("GET ", 1, true))
end)
