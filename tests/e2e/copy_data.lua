-- godwit copy-data: first run, plan, repeat, changes on either side, deletions
-- and their budget, who may read when, what is refused.
local cluster = require("godwit.cluster")
local e2e = require("support.e2e")
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local people = require("support.people")
local relay = require("support.relay")
local secret = require("godwit.core.secret")
local sys = require("godwit.core.sys")

local FILES = { ["a b"] = "one", ["50%+#?"] = "two", ["é日本"] = "three",
  empty = "", big = ("0123456789abcdef"):rep(40000) }

local function fill(box, owner, name, files, acl)
  box:put(owner, name, nil, nil, acl or { "user://*" })
  for file, text in pairs(files) do
    box:put(owner, name, file, text)
  end
end

local function world(t, prepare, opts)
  local w = e2e.world(t, function(dev, prod)
    fill(dev, "acme", "models", FILES)
    fill(dev, "acme", "other", { x = "x" }, {})
    if prepare then
      prepare(dev, prod)
    end
  end, opts)
  return w
end

local function run(w, words, env)
  local argv = { "copy-data", "--json", table.unpack(words) }
  local r = w:run(argv, env)
  r.by = {}
  for _, item in ipairs(r.doc and r.doc.items or {}) do
    r.by[item.ref] = item
  end
  return r
end

local function between(w, words, env)
  return run(w, { "--from", "dev", "--to", "prod", table.unpack(words) }, env)
end

local function numbers(item)
  return { item.outcome, item.files, item.copied, item.unchanged,
    item.skipped, item.failed, item.deleted }
end

local function reconcile(t, r, refs)
  people.reconcile(t, r, refs)
  for _, item in ipairs(r.doc.items) do
    if item.files then
      t:eq(item.files, item.copied + item.unchanged + item.skipped
        + item.failed)
    end
  end
end

test("plan, first run, repeat, something changed on either side", function(t)
  local w = world(t)
  local r = e2e.expect(between(w, { "acme/*", "-n" }), 0)
  t:eq(numbers(r.by["acme/models"]), { "created", 5, 5, 0, 0, 0, 0 })
  t:no(w.prod:files("acme", "models"))
  t:no(fs.stat(w.home .. "/.local/state/godwit/digests.db"))
  local planned = r.by["acme/models"]
  r = e2e.expect(between(w, { "acme/*" }), 0)
  reconcile(t, r, { "acme/models", "acme/other" })
  t:eq(numbers(r.by["acme/models"]), { "created", 5, 5, 0, 0, 0, 0 })
  t:eq(r.by["acme/models"].to, "prod:acme/models")
  t:eq(r.by["acme/models"].steps, planned.steps)
  local files, acl = w.prod:files("acme", "models")
  t:eq(files, FILES)
  t:eq(acl, { "user://*" })
  t:eq(select(2, w.prod:files("acme", "other")), {})
  t:match(r.doc.notes[1], "6 listed = 6 copied %+ 0 unchanged")

  r = e2e.expect(between(w, { "acme/*" }), 0)
  t:eq(r.doc.counts.unchanged, 2)
  t:eq(numbers(r.by["acme/models"]), { "unchanged", 5, 0, 5, 0, 0, 0 })

  w.dev:put("acme", "models", "a b", "ONE")       -- same size
  w.prod:put("acme", "models", "é日本", "THREE")   -- same size, there
  w.prod:put("acme", "models", "extra", "more")
  w.dev:put("acme", "models", "new", "new")
  r = e2e.expect(between(w, { "acme/models", "-n" }), 0)
  planned = numbers(r.by["acme/models"])
  r = e2e.expect(between(w, { "acme/models" }), 0)
  t:eq(numbers(r.by["acme/models"]), { "updated", 6, 3, 3, 0, 0, 0 })
  t:eq(planned, numbers(r.by["acme/models"]))
  files = w.prod:files("acme", "models")
  t:eq(files.extra, "more")
  files.extra = nil
  t:eq(files, (w.dev:files("acme", "models")))

  -- without what was remembered, and reading everything
  fs.remove_tree(w.home .. "/.local/state/godwit")
  for _, more in ipairs({ {}, { "--checksum" } }) do
    r = e2e.expect(between(w, { "acme/models", table.unpack(more) }), 0)
    t:eq(numbers(r.by["acme/models"]), { "unchanged", 6, 0, 6, 0, 0, 0 })
  end
end)

test("what several words mean is copied once", function(t)
  local w = world(t, function(dev)
    fill(dev, "alice", "models", { m = "1" })
  end)
  w:configure({ dev = { more = 'admin_key = env "DEV_ADMIN"' } })
  local env = { DEV_ADMIN = w.dev.admin_key }
  for _, words in ipairs({ { "acme/models", "acme/*" },
    { "acme/*", "acme/models" }, { "acme/models", "acme/models", "acme/other" },
    { "*/m*", "acme/*", "alice/models", "acme/m*" } }) do
    local refs = { "acme/models", "acme/other",
      words[1] == "*/m*" and "alice/models" or nil }
    for _, flag in ipairs({ "-n", "--keep-going" }) do
      local r = e2e.expect(between(w, { flag, table.unpack(words) }, env),
        0)
      reconcile(t, r, refs)
    end
  end
  t:eq(w.prod:files("acme", "models"), FILES)
  t:eq(w.prod:files("alice", "models"), { m = "1" })
end)

test("deletions: only when asked, within the budget, never for nothing",
  function(t)
    local w = world(t)
    e2e.expect(between(w, { "acme/models" }), 0)
    for i = 1, 3 do
      w.prod:put("acme", "models", "gone " .. i, "x")
    end
    w.prod:put("acme", "models", "keep.log", "x")
    local words = { "acme/models", "--delete", "--exclude", "*.log" }
    local r = between(w, { "--max-delete", "2", table.unpack(words) })
    e2e.expect(r, 6)
    t:match(r.by["acme/models"].why, "3 files would be deleted, more than "
      .. "max%-delete = 2")
    r = e2e.expect(between(w, { "-n", table.unpack(words) }), 0)
    t:eq(numbers(r.by["acme/models"]), { "updated", 5, 0, 5, 0, 0, 3 })
    t:eq(w.prod:files("acme", "models")["gone 1"], "x")
    r = e2e.expect(between(w, words), 0)
    t:eq(numbers(r.by["acme/models"]), { "updated", 5, 0, 5, 0, 0, 3 })
    local files = w.prod:files("acme", "models")
    t:eq(files["keep.log"], "x")
    files["keep.log"] = nil
    t:eq(files, FILES)
    r = e2e.expect(between(w, words), 0)
    t:eq(r.by["acme/models"].outcome, "unchanged")
    -- nothing is meant at the source
    r = e2e.expect(between(w, { "acme/models", "--delete", "--include",
      "nothing*" }), 0)
    t:eq(numbers(r.by["acme/models"]), { "unchanged", 5, 0, 0, 5, 0, 0 })
    w.dev:put("acme", "void", nil, nil, {})
    w.prod:put("acme", "void", "precious", "x", {})
    r = e2e.expect(between(w, { "acme/void", "--delete" }), 6)
    t:match(r.by["acme/void"].why, "an empty source deletes nothing")
    t:eq(w.prod:files("acme", "void").precious, "x")
  end)

test("a wider ACL comes last, a narrower one first and always", function(t)
  local w = world(t)
  e2e.expect(between(w, { "acme/models" }), 0)
  w.dev:put("acme", "models", nil, nil, {})
  local r = e2e.expect(between(w, { "acme/models" }), 0)
  t:eq(numbers(r.by["acme/models"]), { "updated", 5, 0, 5, 0, 0, 0 })
  t:match(r.by["acme/models"].steps[2].text, "read by: public %-> private")
  t:eq(select(2, w.prod:files("acme", "models")), {})
  r = e2e.expect(between(w, { "acme/models", "--acl", "algorithms", "-n" }), 0)
  t:match(r.by["acme/models"].steps[2].text, "private %-> the owner's alg")
  t:eq(select(2, w.prod:files("acme", "models")), {})
  r = e2e.expect(between(w, { "acme/models", "--acl", "algorithms" }), 0)
  t:eq(r.by["acme/models"].wrote, true)
  -- Narrowing travels although the run ends before its files, or is refused.
  w.prod:put("acme", "models", "more", "x", { "user://*" })
  w.dev:put("acme", "models", "a b", "changed")
  r = e2e.expect(between(w, { "acme/models", "--max-transfer", "1" }), 8)
  t:match(r.by["acme/models"].steps[2].text, "public %-> private")
  t:eq(select(2, w.prod:files("acme", "models")), {})
  t:eq(w.prod:files("acme", "models")["a b"], "one")
  w.prod:put("acme", "models", nil, nil, { "user://*" })
  r = e2e.expect(between(w, { "acme/models", "--delete", "--max-delete", "0" }),
    1)
  t:eq({ r.by["acme/models"].outcome, r.by["acme/models"].wrote },
    { "refused", true })
  t:eq(select(2, w.prod:files("acme", "models")), {})
end)

test("who reads while it is synchronized gets the old or the new file, whole",
  function(t)
    local old, new = {}, {}
    for i = 1, 30 do
      old["f" .. i] = ("o"):rep(20000) .. i
      new["f" .. i] = ("n"):rep(21000) .. i
    end
    local w = e2e.world(t, function(dev, prod)
      fill(dev, "acme", "models", new)
      fill(prod, "acme", "models", old)
      fill(prod, "acme", "models", { extra = "x" })
    end)
    local reader = cluster.open({ kind = "http", name = "reader",
      api = w.prod.api, key = secret.new(w.prod.keys.bob,
        { label = "reader", origins = { w.prod.api } }) })
    local p = w:start({ "copy-data", "--json", "acme/models", "--from", "dev",
      "--to", "prod", "--delete", "--bwlimit", "200KiB" })
    local seen = { old = 0, new = 0 }
    repeat
      local mixed
      for i = 1, 30 do
        local name = "f" .. i
        local bytes = reader:read_file("acme", "models", name)
        local which = bytes == old[name] and "old" or "new"
        t:ok(bytes == old[name] or bytes == new[name], name)
        mixed = mixed or which == "old"
        seen[which] = seen[which] + 1
      end
    until not mixed
    local r = e2e.expect(w:finish(p), 0)
    t:eq(numbers(r.doc.items[1]), { "updated", 30, 30, 0, 0, 0, 1 })
    t:ok(seen.old > 30 and seen.new > 30) -- both were read on the way
    t:eq(w.prod:files("acme", "models"), new)
  end)

test("an ACL that is refused: the files are there, and nobody reads them",
  function(t)
    local w = world(t)
    local refusing = relay.start(t, w.prod.api, function(seen)
      if seen.method == "PATCH" then
        return { status = 400, headers = { ["Content-Type"] =
          "application/json" }, body = '{"error":{"message":"no such ACL"}}' }
      end
    end)
    w:configure({ prod = { api = refusing.url } })
    local r = e2e.expect(between(w, { "acme/*" }), 3)
    local item = r.by["acme/models"]
    t:eq(numbers(item), { "failed", 5, 5, 0, 0, 0, 0 })
    t:match(item.why, "its ACL %(public%) was not accepted: .*no such ACL")
    t:match(item.warnings[1], "read by: private, until it is complete")
    local files, acl = w.prod:files("acme", "models")
    t:eq(files, FILES)
    t:eq(acl, {})
    t:eq(r.by["acme/other"].outcome, "created")
    w:configure()
    r = e2e.expect(between(w, { "acme/*" }), 0)
    t:eq(numbers(r.by["acme/models"]), { "updated", 5, 0, 5, 0, 0, 0 })
    t:eq(select(2, w.prod:files("acme", "models")), { "user://*" })
  end)

test("budgets end a run cleanly; the same command goes on", function(t)
  local w = world(t)
  local r = e2e.expect(between(w, { "acme/models", "--max-transfer", "20" }), 8)
  t:match(r.by["acme/models"].why, "one of 625%.0 KiB needs a larger "
    .. "max%-transfer")
  r = e2e.expect(between(w, { "acme/models", "--checksum", "--max-transfer",
    "640001" }), 8)
  local item = r.by["acme/models"]
  t:eq({ item.outcome, item.kind, item.copied + item.unchanged + item.failed },
    { "failed", "budget", 5 })
  t:match(item.why, "max%-transfer of 625.0 KiB is used up; %d files? .* left, and "
    .. "the same command goes on")
  t:match(r.doc.budget, "max%-transfer")
  t:eq(select(2, w.prod:files("acme", "models")), {})
  r = e2e.expect(between(w, { "acme/*", "--max-duration", "0" }), 8)
  t:match(r.by["acme/other"].why, "it was not begun")
  t:no(w.prod:files("acme", "other"))
  r = e2e.expect(between(w, { "acme/models" }), 0)
  reconcile(t, r, { "acme/models" })
  t:eq(w.prod:files("acme", "models"), FILES)
  t:eq(select(2, w.prod:files("acme", "models")), { "user://*" })
end)

test("bytes count as they come, whatever the list says", function(t)
  for _, size in ipairs({ "1", "null" }) do
    local w = world(t)
    local r1 = relay.start(t, w.dev.api, function(seen)
      if seen.method == "GET" and seen.path:find("acme/models/?$") then
        return { status = 200, headers = { ["Content-Type"] =
          "application/json" }, body = ('{"acl":{"read":[]},"files":['
            .. '{"filename":"big","size":%s,"last_modified":'
            .. '"2021-07-30T18:02:11.093Z"}]}'):format(size) }
      end
    end)
    w:configure({ dev = { api = r1.url } })
    local r = e2e.expect(between(w, { "acme/models", "--max-transfer",
      "1000" }), 8)
    local item = r.by["acme/models"]
    t:eq({ item.outcome, item.kind, item.copied }, { "failed", "budget", 0 })
    t:match(item.why, "max%-transfer of 1000 B is used up; 1 file is left")
    t:eq(w.prod:files("acme", "models"), {})
    reconcile(t, e2e.expect(between(w, { "acme/models" }), 0),
      { "acme/models" })
    t:eq(w.prod:files("acme", "models").big, FILES.big)
  end
end)

test("files that are listed with nothing share what is left", function(t)
  local w = world(t, function(dev)
    for i = 1, 20 do
      dev:put("acme", "sly", "f" .. i, ("x"):rep(50000), {})
    end
  end)
  local r1 = relay.start(t, w.dev.api, function(seen)
    if seen.method == "GET" and seen.path:find("acme/sly/?$") then
      local files = {}
      for i = 1, 20 do
        files[i] = ('{"filename":"f%d","size":0,"last_modified":'
          .. '"2021-07-30T18:02:11.093Z"}'):format(i)
      end
      return { status = 200, headers = { ["Content-Type"] =
        "application/json" }, body = '{"acl":{"read":["user://*"]},"files":['
          .. table.concat(files, ",") .. "]}" }
    end
  end)
  w:configure({ dev = { api = r1.url } })
  for _, most in ipairs({ "0", "120000" }) do
    local item = e2e.expect(between(w, { "acme/sly", "--max-transfer", most }),
      8).by["acme/sly"]
    t:eq({ item.kind, item.copied + item.unchanged <= 4 }, { "budget", true })
    t:eq(select(2, w.prod:files("acme", "sly")), {})
  end
  -- Just enough is enough.
  local r = e2e.expect(between(w, { "acme/sly", "--max-transfer", "1000000" }),
    0)
  local n = 0
  for _ in pairs((w.prod:files("acme", "sly"))) do n = n + 1 end
  t:eq(n, 20)
  t:eq(select(2, w.prod:files("acme", "sly")), { "user://*" })
  t:no(r.doc.budget)
  e2e.expect(between(w, { "acme/models", "--max-transfer", "9000TiB" }), 0)
end)

test("a budget that is used up changes no word about what is equal", function(t)
  local w = world(t)
  e2e.expect(between(w, { "acme/other" }), 0)
  w.prod:put("acme", "models", nil, nil, { "user://*" })
  local r = e2e.expect(between(w, { "acme/*", "--max-transfer", "0" }), 8)
  t:eq(r.by["acme/other"].outcome, "unchanged")
  t:eq(r.by["acme/models"].outcome, "failed")
  r = e2e.expect(between(w, { "acme/models", "--max-duration", "20000d" }), 0)
  t:eq(r.by["acme/models"].outcome, "updated")
end)

test("the bandwidth is that of all collections together", function(t)
  local w = world(t, function(dev)
    for i = 1, 10 do
      fill(dev, "acme", "part" .. i, { x = ("x"):rep(40000) })
    end
  end)
  local begin = sys.monotonic()
  local r = e2e.expect(between(w, { "acme/part*", "--bwlimit", "200KB", "-j",
    "4" }), 0)
  t:ok(sys.monotonic() - begin > 1.5) -- 2 s, less what is owed at the end
  t:eq(r.doc.counts.created, 10)
end)

test("a source that does not say who may read it: said, and private", function(t)
  local w = world(t)
  local r1 = relay.start(t, w.dev.api, function(seen)
    if seen.method == "GET" and seen.path:find("acme/other/?$") then
      return { status = 200, headers = { ["Content-Type"] =
        "application/json" }, body = '{"files":[{"filename":"x","size":1,'
          .. '"last_modified":"2021-07-30T18:02:11.093Z"}]}' }
    end
  end)
  w:configure({ dev = { api = r1.url } })
  local r = e2e.expect(between(w, { "acme/other" }), 0)
  t:match(r.by["acme/other"].warnings[1], "dev:acme/other does not say who may read it")
  t:eq(select(2, w.prod:files("acme", "other")), {})
end)

test("folders and archives, typed as places", function(t)
  local w = world(t)
  local out = w.home .. "/out"
  local r = e2e.expect(run(w, { "dev:acme/models", "./out", "-n" }), 0)
  t:no(fs.stat(out))
  r = e2e.expect(run(w, { "dev:acme/models", "./out" }), 0)
  t:eq(numbers(r.by["dev:acme/models"]), { "created", 5, 5, 0, 0, 0, 0 })
  t:eq(err.check(fs.read(out .. "/é日本", 100)), "three")
  r = e2e.expect(run(w, { "./out", "prod:alice/mine" }), 0)
  t:eq(r.by["./out"].to, "prod:alice/mine")
  local files, acl = w.prod:files("alice", "mine")
  t:eq(files, FILES)
  t:eq(acl, {})
  r = e2e.expect(run(w, { "./out", "prod:alice/mine" }), 0)
  t:eq(r.by["./out"].outcome, "unchanged")
  r = e2e.expect(run(w, { "./out", "./twin", "--include", "e*" }), 0)
  t:eq(numbers(r.by["./out"]), { "created", 5, 1, 0, 4, 0, 0 })
  -- a collection has no folders
  fs.mkdir(out .. "/sub", 448)
  r = e2e.expect(run(w, { "./out", "prod:alice/sub" }), 6)
  t:match(r.by["./out"].why, 'cannot be copied %(a collection has no folders%)'
    .. ': "sub": it is a folder')
  t:no(w.prod:files("alice", "sub"))
  e2e.expect(run(w, { "./out", "prod:alice/sub", "--exclude", "sub" }), 0)
  t:eq(w.prod:files("alice", "sub"), FILES)
  -- an archive, by its folder
  e2e.archive(w.dir .. "/arch", "arch")
  local arch = w.dir .. "/arch"
  r = e2e.expect(run(w, { "acme/*", "--from", "dev", "--to", arch }), 0)
  t:eq(r.doc.counts.created, 2)
  r = e2e.expect(run(w, { "acme/*", "--from", "dev", "--to", arch }), 0)
  t:eq(r.doc.counts.unchanged, 2)
  r = e2e.expect(run(w, { arch .. ":acme/models", "prod:acme/again" }), 0)
  t:eq(w.prod:files("acme", "again"), FILES)
end)

test("an archive's collection and the folder of its files are one", function(t)
  local w = world(t)
  local arch = w.home .. "/arch"
  e2e.archive(arch, "arch")
  e2e.expect(run(w, { "acme/models", "--from", "dev", "--to", "./arch/" }), 0)
  local files = "./arch/data/acme/models/files"
  for _, flag in ipairs({ "-n", "--keep-going" }) do
    for _, case in ipairs({
      { "./arch:acme/models", files, "would be copied to itself" },
      { files, "./arch:acme/models", "would be copied to itself" },
      { "./arch:acme/models", files .. "/sub", "are one inside the other$" },
    }) do
      local r = e2e.expect(run(w, { case[1], case[2], flag }), 6)
      t:match(r.doc.items[1].problems[1], case[3])
    end
  end
  t:no(fs.stat(w.home .. "/" .. files .. "/sub"))
  -- What an archive stands in, or beside, is another place.
  e2e.expect(run(w, { "./arch:acme/models", "./arch/data/acme/models" }), 0)
  e2e.expect(run(w, { "./arch:acme/models", "." }), 0)
  t:eq(fs.read(w.home .. "/a b"), "one")
end)

test("a folder is not copied into itself, nor what is in it out of it",
  function(t)
    local w = world(t)
    local dir = w.home .. "/models"
    e2e.expect(run(w, { "dev:acme/models", "./models" }), 0)
    fs.mkdir(w.home .. "/there", 448)
    err.check(fs.symlink(dir, w.home .. "/there/link"))
    fs.mkdir(w.home .. "/models2", 448)
    local before = #fs.list(dir)
    local INSIDE = "are one inside the other$"
    for _, case in ipairs({
      { "./models", "./models", "./models would be copied to itself" },
      { "./models", "./models2/..//models/", "would be copied to itself" },
      { "./there/link", "./models/", "would be copied to itself" },
      { "./models", "./models/sub", INSIDE },
      { "./models/", "./models/sub/deeper//", INSIDE },
      { "./models", "./models2/../models/sub", INSIDE },
      { "./models", "./there/link/sub", INSIDE },
      { "./there/link", dir .. "/sub", INSIDE },
      { "./models", ".", INSIDE },
      { "./models", "/", INSIDE },
      { dir, "./models/./sub", INSIDE },
    }) do
      for _, flag in ipairs({ "-n", "--keep-going" }) do
        local r = e2e.expect(run(w, { case[1], case[2], flag }), 6)
        t:match(r.doc.items[1].problems[1], case[3])
        t:eq(#fs.list(dir), before)
      end
    end
    -- Beside it, whatever the beginning of its name, is another place.
    for _, to in ipairs({ "./models2", "./models3", "./there/models/sub" }) do
      local r = e2e.expect(run(w, { "./models", to }), 0)
      t:eq(r.doc.items[1].copied, 5)
      r = e2e.expect(run(w, { "./models", to }), 0)
      t:eq(r.doc.items[1].outcome, "unchanged")
    end
  end)

test("what cannot be meant is said before anything is asked", function(t)
  local w = world(t)
  for _, case in ipairs({
    { { "acme" }, "names no collection" },
    { { "acme/models" }, "name collections with %-%-from" },
    { { "acme/models", "--from", "dev" }, "two places" },
    { { "./a", "prod:acme/x", "--to", "dev" }, "leave out %-%-from and %-%-to" },
    { { "./a", "prod:acme/*" }, "one collection is copied" },
    { { "./a", "prod:acme/x", "--to-owner", "bob" }, "nothing is mapped" },
    { { "./a" }, "two places" },
    { { "./a", "prod:acme" }, "'prod:acme' names no collection" },
    { { "prod:acme/", "./a" }, "'prod:acme/' names no collection" },
    { { "a/b", "--from", "dev", "--to", "prod", "--min-size", "x" },
      "takes a size" },
    { { "a/b", "--from", "dev", "--to", "prod", "--newer", "soon" },
      "takes a date" },
    { { "a/b", "--from", "dev", "--to", "prod", "--max-duration", "x" },
      "takes a duration" },
  }) do
    local r = w:run({ "copy-data", table.unpack(case[1]) })
    e2e.expect(r, 2)
    t:match(r.err, case[2])
  end
  local r = e2e.expect(between(w, { "acme/nothing", "bob/*", "acme/models" }),
    3)
  t:match(r.by["acme/nothing"].problems[1], "there is no dev:acme/nothing")
  t:eq(r.by["acme/models"].outcome, "created")
  r = e2e.expect(between(w, { "acme/models", "--to-owner",
    "alice" }), 0)
  t:eq(r.by["acme/models"].to, "prod:alice/models")
  t:eq(w.prod:files("alice", "models"), FILES)
end)

test("owners are mapped as people are; an organization keeps its name",
  function(t)
    local w = people.world(t, function(dev, prod)
      fill(dev, "acme", "models", { a = "1" })
      fill(dev, "alice", "mine", { b = "2" })
      fill(dev, "bob", "his", { c = "3" })
      for _, name in ipairs({ "alice_prod", "bob_prod" }) do
        people.user(prod, name)
      end
    end)
    people.configure(w, { prod = { more = [[key = function(owner)
      if owner == "alice_prod" then return env "ALICE_PROD" end
      return env "PROD_KEY"
    end]] } })
    local path = w.home .. "/.config/godwit/config.lua"
    local text = err.check(fs.read(path, 1e5))
    err.check(fs.write(path, (text:gsub('key = env "PROD_KEY", ', "")), 384))
    err.check(fs.write(w.home .. "/map", "bob,-\n"))
    local r = e2e.expect(between(w, { "*/*", "--map-user", "*=*_prod",
      "--map", "map" }, { ALICE_PROD = w.prod.keys.alice_prod,
      DEV_ADMIN = w.dev.admin_key, PROD_ADMIN = w.prod.admin_key }), 0)
    reconcile(t, r, { "acme/models", "alice/mine", "bob/his" })
    t:eq(r.by["acme/models"].to, "prod:acme/models")
    t:eq(r.by["alice/mine"].to, "prod:alice_prod/mine")
    t:eq(w.prod:files("alice_prod", "mine"), { b = "2" })
    t:eq(w.prod:files("acme", "models"), { a = "1" })
    t:eq(r.by["bob/his"].outcome, "skipped")
    t:match(r.by["bob/his"].why, "left out")
    t:match(r.doc.notes[1], "the key of dev is none of bob")
  end)

test("a word with an owner's pattern means what is there", function(t)
  local w = world(t, function(dev)
    fill(dev, "alice", "else", { x = "x" })
  end)
  w:configure({ dev = { more = 'admin_key = env "DEV_ADMIN"' } })
  local env = { DEV_ADMIN = w.dev.admin_key }
  local r = e2e.expect(between(w, { "*/models", "-n" }, env), 0)
  t:eq(#r.doc.items, 1)
  t:eq(r.doc.items[1].ref, "acme/models")
  r = e2e.expect(between(w, { "*/modelss", "-n" }, env), 0)
  t:match(table.concat(r.doc.notes, "\n"), "No collection of dev is meant by "
    .. "%*/modelss")
end)

test("what is the caller's own is seen with the caller's key", function(t)
  local w = world(t, function(dev)
    fill(dev, "alice", "mine", { x = "x" }, {})
  end)
  local r = e2e.expect(between(w, { ".my/mine", "--to-owner", "acme" }), 0)
  t:eq(r.by[".my/mine"].outcome, "created")
  t:no(table.concat(r.doc.notes, "\n"):find("the key of dev is none", 1, true))
  t:eq(w.prod:files("acme", "mine"), { x = "x" })
end)

test("files by size, age and name", function(t)
  local w = world(t)
  local r = e2e.expect(between(w, { "acme/models", "--min-size", "1",
    "--max-size", "1KiB", "--newer", "1h", "--exclude", "50*" }), 0)
  t:eq(numbers(r.by["acme/models"]), { "created", 5, 2, 0, 3, 0, 0 })
  t:eq(w.prod:files("acme", "models"), { ["a b"] = "one",
    ["é日本"] = "three" })
  r = e2e.expect(between(w, { "acme/models", "--older", "1h" }), 0)
  t:eq(numbers(r.by["acme/models"]), { "unchanged", 5, 0, 0, 5, 0, 0 })
  r = e2e.expect(between(w, { "acme/x*" }), 0)
  t:match(r.doc.notes[1], "No collection of dev is meant by acme/x%*")
end)
