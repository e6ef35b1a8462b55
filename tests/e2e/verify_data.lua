-- Collections compared: their ACLs and their files by name, size and digest,
-- between archives, clusters and both.
local cli = require("support.cli")
local e2e = require("support.e2e")
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local json = require("godwit.core.json")
local people = require("support.people")
local sys = require("godwit.core.sys")

local FILES = { ["a.txt"] = "alpha", ["with space+%.bin"] = "beta",
  ["umläut.dat"] = "gamma", ["empty"] = "", ["large"] = ("x"):rep(300000) }

local function fill(box, files, acl)
  local driver = box:driver()
  driver:create_collection("acme", "models", acl or {})
  for name, bytes in pairs(files or FILES) do
    driver:write_file("acme", "models", name, bytes)
  end
  return driver
end

local function close(...)
  for _, box in ipairs({ ... }) do
    if box.open and box.open.kind == "archive" then
      box.open:close()
      box.open = nil
    end
  end
end

local function twins(t)
  local dir = t:tmpdir()
  local dev, prod = e2e.archive(dir .. "/dev", "dev"),
    e2e.archive(dir .. "/prod", "prod")
  fill(dev)
  fill(prod)
  close(dev, prod)
  return dev, prod, cli.home(t)
end

local function verify(home, dev, prod, words)
  local r = home:run({ "verify", "--from", dev.dir, "--to", prod.dir, "--only",
    "data", "--json", table.unpack(words or {}) })
  r.doc = r.out:find("^%s*{") and json.decode(r.out)
  r.item = r.doc and r.doc.items and r.doc.items[1]
  return r
end

local function expect(r, code)
  if r.code ~= code then
    error(("exit %s, expected %d\n%s"):format(r.code, code, r.all), 2)
  end
  return r
end

local function differences(item)
  local out = {}
  for _, d in ipairs(item.differences or {}) do
    out[d.field] = { d.source, d.destination }
  end
  return out
end

test("equal collections; counts of what was looked at", function(t)
  local dev, prod, home = twins(t)
  local r = expect(verify(home, dev, prod), 0)
  t:eq({ r.item.outcome, r.item.ref, r.item.type },
    { "equal", "acme/models", "collection" })
  t:eq({ r.item.files, r.item.digests, r.item.bytes }, { 5, 5, 300014 })
end)

test("a flipped byte, a size, a file too much or too little, the ACL",
function(t)
  local dev, prod, home = twins(t)
  local driver = prod:driver()
  driver:write_file("acme", "models", "large", ("x"):rep(299999) .. "y")
  driver:write_file("acme", "models", "a.txt", "alphabet")
  driver:write_file("acme", "models", "umläut2.dat", "gamma")
  driver:delete_file("acme", "models", "umläut.dat")
  driver:set_acl("acme", "models", { "user://*" })
  close(prod)
  local r = expect(verify(home, dev, prod), 7)
  local found = differences(r.item)
  t:eq(found["file large"], {
    { size = 300000, md5 = sys.hash("md5", FILES.large) },
    { size = 300000, md5 = sys.hash("md5", ("x"):rep(299999) .. "y") } })
  t:eq(found["file a.txt"], { { size = 5 }, { size = 8 } })
  t:eq(found["file umläut.dat"], { { size = 5 } })
  t:eq({ found["file umläut2.dat"][1], found["file umläut2.dat"][2] },
    { nil, { size = 5 } })
  t:eq(found.acl, { {}, { "user://*" } })
  t:eq(#r.item.differences, 5)
  local text = home:run({ "verify", "--from", dev.dir, "--to", prod.dir,
    "--only", "data" })
  t:match(text.out, "file large: 300000 bytes, %x+ at the source, 300000 "
    .. "bytes, %x+ at the destination\n")
  t:match(text.out, "acl: %[%] at the source, %[\"user://%*\"%] at the")
  -- Without digests a flipped byte is not seen, and that is said.
  r = expect(verify(home, dev, prod, { "--quick" }), 7)
  t:eq(differences(r.item)["file large"], nil)
  t:match(table.concat(r.doc.notes, "\n"), "by name and size only")
end)

test("a sample is a stated part, the same every time", function(t)
  local dir = t:tmpdir()
  local dev, prod = e2e.archive(dir .. "/dev", "dev"),
    e2e.archive(dir .. "/prod", "prod")
  local mine, theirs = {}, {}
  for i = 1, 60 do
    mine["f" .. i], theirs["f" .. i] = "a", "b"
  end
  fill(dev, mine)
  fill(prod, theirs)
  close(dev, prod)
  local home, seen, sum = cli.home(t), {}, 0
  for part = 1, 3 do
    local r = expect(verify(home, dev, prod, { "--sample", part .. "/3" }), 7)
    t:eq({ r.item.files, #r.item.differences }, { 60, r.item.digests })
    t:ok(r.item.digests > 5 and r.item.digests < 40, r.item.digests)
    sum = sum + r.item.digests
    for field in pairs(differences(r.item)) do
      t:no(seen[field])
      seen[field] = true
    end
    t:match(table.concat(r.doc.notes, "\n"), "a sample: part " .. part
      .. " of 3 by the MD5 of OWNER/COLLECTION/FILE")
    t:eq(verify(home, dev, prod, { "--sample", part .. "/3" }).out, r.out)
  end
  t:eq(sum, 60)
  for _, bad in ipairs({ "1", "0/3", "4/3", "1/0", "a/b", "-1/3" }) do
    t:match(expect(verify(home, dev, prod, { "--sample=" .. bad }), 2).err,
      "the K%-th of N parts")
  end
  expect(verify(home, dev, prod, { "--sample", "1/3", "--quick" }), 2)
  -- Where no collection is compared nothing can be chosen of its files.
  for _, words in ipairs({ { "--only", "users", "--sample", "1/3" },
    { "--skip", "data", "--sample", "1/3" }, { "acme/Hello", "--quick" } }) do
    local r = expect(home:run({ "verify", "--from", dev.dir, "--to", prod.dir,
      table.unpack(words) }), 2)
    t:match(r.err, words[#words] == "--quick" and "%-%-quick is about files of"
      or "%-%-sample is about files of collections, and no collections are")
  end
end)

test("what owners have whom only the destination has is extra", function(t)
  local dev, prod, home = twins(t)
  prod:driver():create_user({ username = "carol", email = "c@example.com" })
  prod:driver():create_user({ username = "dave", email = "d@example.com" })
  prod:driver():create_collection("carol", "secretstuff", {})
  prod:driver():create_collection("acme", "zoo", {})
  close(dev, prod)
  local r = expect(verify(home, dev, prod), 0)
  local found = {}
  for i, item in ipairs(r.doc.items) do
    found[i] = item.outcome .. " " .. item.ref:match("[^:]*$")
  end
  t:eq(found, { "equal acme/models", "extra acme/zoo",
    "extra carol/secretstuff" })
  expect(verify(home, dev, prod, { "--strict" }), 7)
  r = expect(verify(home, dev, prod, { "--owner", "acme" }), 0)
  t:eq(r.doc.counts.extra, 1)
  -- Who has another name there is not one whom only the destination has.
  r = expect(verify(home, prod, dev, { "--map-user", "carol=bob" }), 7)
  t:eq(r.doc.counts.missing, 2)
  dev:driver():create_collection("bob", "secretstuff", {})
  dev:driver():create_collection("acme", "zoo", {})
  close(dev, prod)
  r = expect(verify(home, prod, dev, { "--map-user", "carol=bob",
    "--strict" }), 0)
  t:eq(r.doc.counts.equal, 3)
end)

test("owners of a destination that shows them not, or not all of theirs",
function(t)
  local w = e2e.world(t, function(_, prod)
    fill(prod)
    prod:driver():create_user({ username = "carol", email = "c@example.com" })
    prod:driver():create_collection("carol", "secretstuff", {})
    close(prod)
  end)
  local dev = e2e.archive(w.home .. "/copy", "copy")
  fill(dev)
  close(dev)
  fs.remove(dev.dir .. "/users/bob.json")
  local words = { "verify", "--from", "./copy", "--to", "prod", "--only",
    "data", "--json" }
  -- No administrator's key: what others have is not known.
  local r = expect(w:run(words), 0)
  t:match(table.concat(r.doc.notes, "\n"), "Who has something on prod is not "
    .. "known, .*administrator.*%-%-owner OWNER")
  words[#words + 1] = "--strict"
  r = expect(w:run(words), 3)
  local last = r.doc.items[#r.doc.items]
  t:eq({ last.outcome, last.type, last.ref }, { "unreadable", "collection",
    "prod:*" })
  t:match(last.problems[1], "^who has something on prod: .*administrator")
  t:match(last.warnings[1], "%-%-owner OWNER$")
  words[#words] = "--owner=acme"
  expect(w:run(words), 0)
  words[#words] = "--strict"
  -- Its own key is one owner's: of the others it sees what is public.
  w:configure({ prod = { more = 'admin_key = env "PROD_ADMIN"' } })
  local env = { PROD_ADMIN = w.prod.admin_key }
  r = expect(w:run(words, env), 3)
  last = r.doc.items[#r.doc.items]
  t:match(last.problems[1], "which collections only prod has is not known of "
    .. "bob, carol: the profile needs a key for each owner")
  words[#words] = nil
  r = expect(w:run(words, env), 0)
  t:match(table.concat(r.doc.notes, "\n"), "Which collections only prod has is "
    .. "not known of bob, carol")
end)

test("missing and extra collections; empty ones; another owner", function(t)
  local dev, prod, home = twins(t)
  dev:driver():create_collection("acme", "hollow", { "user://*" })
  prod:driver():create_collection("acme", "more", {})
  close(dev, prod)
  local r = expect(verify(home, dev, prod), 7)
  t:eq({ r.doc.counts.missing, r.doc.counts.extra, r.doc.counts.equal },
    { 1, 1, 1 })
  t:eq({ r.doc.items[3].ref, r.doc.items[3].outcome },
    { prod.dir .. ":acme/more", "extra" })
  prod:driver():create_collection("acme", "hollow", { "user://*" })
  close(prod)
  expect(verify(home, dev, prod), 0)
  expect(verify(home, dev, prod, { "--strict" }), 7)
  r = expect(verify(home, dev, prod, { "--to-owner", "bob" }), 7)
  t:eq(r.doc.counts.missing, 2)
  r = expect(verify(home, dev, prod, { "--owner", "bob" }), 0)
  t:eq(#r.doc.items, 0)
  r = expect(verify(home, dev, prod, { "--owner", "bobb", "--owner", "acme" }),
    3)
  t:match(r.doc.items[#r.doc.items].problems[1],
    "^bobb: %S+ has no such user or organization")
end)

test("a cluster against an archive and against a cluster", function(t)
  local w = e2e.world(t, function(dev, prod)
    fill(dev)
    fill(prod)
    close(dev, prod)
  end)
  local copy = e2e.archive(w.home .. "/copy", "copy")
  fill(copy)
  copy:driver():write_file("acme", "models", "a.txt", "Alpha")
  close(copy)
  local words = { "verify", "--from", "dev", "--to", "prod", "--only", "data",
    "--owner", "acme", "--json" }
  local r = expect(w:run(words), 0)
  t:eq({ r.doc.items[1].files, r.doc.items[1].digests }, { 5, 5 })
  words[5] = "./copy"
  r = expect(w:run(words), 7)
  t:eq(#r.doc.items[1].differences, 1)
  t:eq(r.doc.items[1].differences[1].field, "file a.txt")
  err.check(fs.write(w.prod.dir .. "/data/acme/models/files/empty", "!"))
  words[5] = "prod"
  r = expect(w:run(words), 7)
  t:eq(differences(r.doc.items[1])["file empty"], { { size = 0 },
    { size = 1 } })
end)

test("without digests of the servers the files are read", function(t)
  local w = e2e.world(t, function(dev, prod)
    fill(dev)
    fill(prod)
    close(dev, prod)
    dev:options({ etag = false })
    prod:options({ etag = false })
  end)
  local words = { "verify", "--from", "dev", "--to", "prod", "--only", "data",
    "--owner", "acme", "--json" }
  local r = expect(w:run(words), 0)
  t:eq({ r.doc.items[1].digests, r.doc.items[1].files_read }, { 5, 10 })
  -- With them only the small ones are read.
  words[3] = w.prod.dir
  e2e.copy(w.prod, w.home .. "/twin", "twin")
  words[5] = "./twin"
  w.prod:stop()
  r = expect(w:run(words), 0)
  t:eq({ r.doc.items[1].digests, r.doc.items[1].files_read }, { 5, 8 })
  w.prod:start()
  w:configure()
  words[3], words[5] = "dev", "prod"
  err.check(fs.write(w.prod.dir .. "/data/acme/models/files/large",
    "y" .. ("x"):rep(299999)))
  r = expect(w:run(words), 7)
  t:eq(differences(r.doc.items[1])["file large"], {
    { size = 300000, md5 = sys.hash("md5", FILES.large) },
    { size = 300000, md5 = sys.hash("md5", "y" .. ("x"):rep(299999)) } })
  t:eq(#r.doc.items[1].differences, 1)
end)

test("an owner who is named twice is compared once, and it is said",
  function(t)
    local dev, prod, home = twins(t)
    local r = expect(verify(home, dev, prod, { "--owner", "acme", "--owner",
      "acme" }), 0)
    people.reconcile(t, r, { "acme/models" })
    t:match(table.concat(r.doc.notes, "\n"),
      "Owners named twice, taken once: acme")
  end)
