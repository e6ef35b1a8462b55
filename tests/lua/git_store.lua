-- Stores, trees and commits, compared with what the git program makes.
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local git = require("godwit.core.git")
local repo = require("support.gitrepo")
local task = require("godwit.task")

local check = err.check

local function open(t, dir, opts)
  local store = check(git.open_store(dir, opts))
  t:defer(function()
    store:close()
  end)
  return store
end

test("a store is private, locked and made once", function(t)
  local dir = t:tmpdir() .. "/a/b.git"
  local store = check(git.open_store(dir))
  t:eq(check(fs.stat(dir)).mode & 511, 448)
  local none, e = git.open_store(dir)
  t:no(none)
  t:eq(e.kind, "locked")
  t:match(tostring(e), "in use by process %d+")
  store:close()
  local again = open(t, dir)
  t:eq(repo.git(dir, "config", "pack.deltaCacheSize"), "1")
  t:eq(again:head(), "refs/heads/master")
  t:raises(nil, function() store:has(("0"):rep(40)) end, "store is closed")
end)

test("a store that is not there is not made unasked", function(t)
  local none, e = git.open_store(t:tmpdir() .. "/no.git", { create = false, lock = false })
  t:no(none)
  t:eq(e.kind, "notfound")
end)

test("what a killed run left in a store is removed", function(t)
  local dir = t:tmpdir() .. "/s.git"
  check(git.open_store(dir)):close()
  local rests = { "packed-refs.lock", "config.lock", "refs/heads/x.lock", "objects/pack/pack_1a2b3c",
    "objects/pack/tmp_pack_x" }
  for _, name in ipairs(rests) do
    check(fs.write(dir .. "/" .. name, "half"))
  end
  open(t, dir):close()
  for _, name in ipairs(rests) do
    t:no(fs.stat(dir .. "/" .. name), name)
  end
  -- Killed while it was made.
  fs.remove_tree(dir .. "/objects")
  fs.remove_tree(dir .. "/refs")
  local store = open(t, dir)
  t:ok(check(store:edit(nil, { { path = "a", data = "b" } })))
end)

test("trees and blobs are read as git reads them", function(t)
  local dir, ids = repo.sample(t:tmpdir() .. "/r.git")
  local store = open(t, dir, { lock = false })
  local c = check(store:commit(ids[2]))
  t:eq(c.tree, repo.git(dir, "rev-parse", "master^{tree}"))
  t:eq(c.parents, { ids[1] })
  t:eq(c.author, { name = "Ann Author", email = "ann@example.com", time = 1600000000, offset = 120 })
  t:eq(c.committer.offset, -90)
  t:eq(c.message, "commit 2\n")
  local lines = {}
  for _, e in ipairs(check(store:entries(c.tree, { sizes = true }))) do
    lines[#lines + 1] = ("%06o %s %s\t%s"):format(e.mode, "blob", e.id, e.path)
    t:ok(e.size)
  end
  t:eq(table.concat(lines, "\n"), repo.git(dir, "ls-tree", "-r", "master"))
  t:eq(check(store:read(c.tree, "README.md", 100)), "version 2\n")
  t:eq(store:read(c.tree, "nothing"), nil)
  t:eq(store:read(c.tree, "src"), nil)
  local none, e = store:read(c.tree, "src/algo.py", 10)
  t:no(none)
  t:eq(e.kind, "limit")
  t:ok(store:has(ids[1]))
  t:no(store:has(("1"):rep(40)))
  local _, missing = store:commit(("1"):rep(40))
  t:eq(missing.kind, "notfound")
end)

test("history goes along first parents", function(t)
  local dir, ids = repo.sample(t:tmpdir() .. "/r.git", 4)
  local store = open(t, dir, { lock = false })
  local tree = repo.git(dir, "rev-parse", "master^{tree}")
  local side = repo.commit(dir, tree, "side", { ids[1] })
  local merge = repo.commit(dir, tree, "merge", { ids[4], side }, "refs/heads/master")
  local seen = {}
  for _, h in ipairs(check(store:history(merge))) do
    seen[#seen + 1] = h.id
  end
  t:eq(seen, { merge, ids[4], ids[3], ids[2], ids[1] })
  t:eq(#check(store:history(merge, { limit = 2 })), 2)
  t:ok(store:contains(merge, side))
  t:no(store:contains(ids[2], ids[3]))
end)

test("a commit is a pure function of its parts", function(t)
  local base = t:tmpdir()
  local one, ids = repo.sample(base .. "/one.git")
  repo.git(base, "clone", "-q", "--bare", one, base .. "/two.git")
  local parts = {
    tree = repo.git(one, "rev-parse", "master^{tree}"),
    parents = { ids[2] },
    author = { name = "Ann Author", email = "ann@example.com", time = 1600000000, offset = 120 },
    committer = { name = "godwit", email = "godwit@localhost", time = 1600000100, offset = -90 },
    message = "Promoted\n\nGodwit-Source: x\n",
  }
  local want = (repo.run({ "git", "-C", one, "commit-tree", parts.tree, "-p", ids[2], "-m",
    "Promoted", "-m", "Godwit-Source: x" }, { env = repo.env({
      GIT_COMMITTER_NAME = "godwit", GIT_COMMITTER_EMAIL = "godwit@localhost",
    }) }):gsub("\n", ""))
  for _, dir in ipairs({ one, base .. "/two.git", one }) do
    local store = open(t, dir, { lock = false })
    t:eq(check(store:make_commit(parts)), want)
    store:close()
  end
end)

test("names of authors are kept as they are", function(t)
  local dir, ids = repo.sample(t:tmpdir() .. "/r.git")
  local store = open(t, dir, { lock = false })
  local c = check(store:commit(ids[1]))
  for _, name in ipairs({ "J. Doe Jr.", "", " x ", "Ünï" }) do
    c.author.name = name
    local id = check(store:make_commit(c))
    t:match(repo.git(dir, "cat-file", "commit", id), "\nauthor " .. name .. " <ann@")
  end
  c.author.name = "x\ncommitter y"
  t:raises("usage", function() check(store:make_commit(c)) end)
  c.author.name = "x"
  c.tree = ids[1] -- no tree
  t:raises("notfound", function() check(store:make_commit(c)) end, "no tree")
end)

test("an edited tree is the one git would make", function(t)
  local dir = t:tmpdir() .. "/r.git"
  repo.sample(dir)
  local store = open(t, dir, { lock = false })
  local base = repo.git(dir, "rev-parse", "master^{tree}")
  local readme = repo.git(dir, "rev-parse", "master:README.md")
  local got = check(store:edit(base, {
    { path = "README.md", remove = true },
    { path = "docs/deep/README.md", id = readme },
    { path = "src", remove = true },
    { path = "src.txt", data = "between\n" },
    { path = "src/new.py", data = "y\n" },
    { path = "bin/run", mode = 33188 },
    { path = "link", data = "docs", mode = 40960 },
    { path = ".gitignore", data = "" },
  }))
  t:eq(got, repo.tree(dir, {
    { "100644", ".gitignore", "" },
    { "100644", "bin/run", "#!/bin/sh\n" },
    { "100644", "docs/deep/README.md", "version 2\n" },
    { "120000", "link", "docs" },
    { "100644", "src.txt", "between\n" },
    { "100644", "src/new.py", "y\n" },
  }))
  -- An empty folder goes; nothing to do changes nothing.
  t:eq(check(store:edit(base, { { path = "bin/run", remove = true }, { path = "bin2", data = "" } })),
    repo.tree(dir, {
      { "100644", ".gitignore", "*.bin\n" }, { "100644", "README.md", "version 2\n" },
      { "100644", "bin2", "" }, { "120000", "link", "README.md" },
      { "100644", "src/algo.py", ("x = 2\n"):rep(50) },
    }))
  t:eq(check(store:edit(base, {})), base)
  t:eq(check(store:edit(nil, { { path = "a/b", data = "c" } })),
    repo.tree(dir, { { "100644", "a/b", "c" } }))
end)

test("edits that cannot be are refused", function(t)
  local dir = t:tmpdir() .. "/r.git"
  repo.sample(dir)
  local store = open(t, dir, { lock = false })
  local base = repo.git(dir, "rev-parse", "master^{tree}")
  local function edit(...)
    local edits = { ... }
    return function() check(store:edit(base, edits)) end
  end
  for _, path in ipairs({ ".git/config", "a/../b", "/etc/x", "a//b", "", "x/.GIT", "git~1/x", "./a", "a/" }) do
    t:raises("usage", edit({ path = path, data = "" }), "not a safe path")
  end
  t:raises("notfound", edit({ path = "no", remove = true }), "no file no")
  t:raises("notfound", edit({ path = "no", mode = 33261 }))
  t:raises("conflict", edit({ path = "README.md/x", data = "" }), "a file is where a folder is needed")
  t:raises("usage", edit({ path = "a", data = "" }, { path = "a", data = "" }), "edited twice")
  t:raises("usage", edit({ path = "a", data = "", mode = 4 }), "unknown mode")
  t:raises(nil, edit({ path = "a\0b", data = "" }), "NUL")
end)

test("old modes of untouched entries are kept", function(t)
  local dir = t:tmpdir() .. "/r.git"
  repo.sample(dir)
  local store = open(t, dir, { lock = false })
  local blob = repo.git(dir, "rev-parse", "master:README.md")
  local raw = "100664 old\0" .. blob:gsub("..", function(h) return string.char(tonumber(h, 16)) end)
  local base = repo.feed(raw, dir, "hash-object", "-w", "-t", "tree", "--literally", "--stdin")
  t:ok(check(store:check_tree(base)))
  t:eq(check(store:entries(base))[1].mode, 33204) -- 100664
  local edited = check(store:edit(base, { { path = "zz", data = "" } }))
  t:eq(check(store:entries(edited))[1].mode, 33204)
end)

test("differences and what must be known before a promotion", function(t)
  local dir, ids = repo.sample(t:tmpdir() .. "/r.git")
  local store = open(t, dir, { lock = false })
  local a = repo.git(dir, "rev-parse", "master^{tree}")
  local b = check(store:edit(a, {
    { path = "README.md", data = "x" }, { path = "link", remove = true }, { path = "bin/run", mode = 33188 },
    { path = "model.bin", data = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n" },
    { path = "sub", id = ids[1], mode = 57344 },
  }))
  t:eq(check(store:diff(a, b)), {
    { status = "modified", path = "README.md" }, { status = "mode", path = "bin/run" },
    { status = "deleted", path = "link" }, { status = "added", path = "model.bin" },
    { status = "added", path = "sub" },
  })
  t:eq(#check(store:diff(nil, a)), 5)
  t:eq(check(store:diff(a, a)), {})
  t:eq(check(store:scan(b)), { lfs = { "model.bin" }, submodules = { "sub" } })
  t:eq(check(store:scan(a)), { lfs = {}, submodules = {} })
  t:ok(check(store:check_tree(b)))
end)

-- A tree object as its bytes; git itself would refuse to make most of these.
local function raw_tree(dir, entries)
  local parts = {}
  for _, e in ipairs(entries) do
    parts[#parts + 1] = e[1] .. " " .. e[2] .. "\0" .. e[3]:gsub("..", function(h)
      return string.char(tonumber(h, 16))
    end)
  end
  return repo.feed(table.concat(parts), dir, "hash-object", "-w", "-t", "tree", "--literally", "--stdin")
end

test("a tree with unsafe or damaged entries is refused by its path", function(t)
  local dir = t:tmpdir() .. "/r.git"
  repo.sample(dir)
  local store = open(t, dir, { lock = false })
  local blob = repo.git(dir, "rev-parse", "master:README.md")
  local function refused(entries, pattern)
    local tree = raw_tree(dir, entries)
    t:raises("remote", function() check(store:check_tree(tree)) end, pattern)
    local outer = raw_tree(dir, { { "40000", "sub", tree } })
    t:raises("remote", function() check(store:check_tree(outer)) end, pattern:gsub('^unsafe name "', "%0sub/"))
  end
  for _, name in ipairs({ ".git", ".GIT", "..", ".", "git~1", ".git ", ".git.", "a/b", ".gi\u{200c}t" }) do
    refused({ { "100644", name, blob } }, 'unsafe name "' .. name:gsub("%p", "%%%0"))
  end
  refused({ { "100644", "", blob } }, "unsafe name")
  refused({ { "100600", "a", blob } }, "unknown mode 100600")
  refused({ { "100644", "a", blob }, { "100644", "a", blob } }, "twice or out of order")
  refused({ { "100644", "b", blob }, { "100644", "a", blob } }, "twice or out of order")
  local empty = raw_tree(dir, {})
  refused({ { "100644", "a", blob }, { "100644", "a.b", blob }, { "40000", "a", empty } }, "twice or out of order")
  refused({ { "100644", "a", ("1"):rep(40) } }, 'contents of "[^"]*a" are missing')
  refused({ { "40000", "a", ("1"):rep(40) } }, "missing")
  -- An order that only looks wrong.
  t:ok(check(store:check_tree(raw_tree(dir, {
    { "100644", "a-", blob }, { "100644", "a.b", blob }, { "40000", "a", empty }, { "100644", "a0", blob },
  }))))
end)

test("a tree that contains itself a million times is checked at once", function(t)
  local dir = t:tmpdir() .. "/r.git"
  repo.sample(dir)
  local store = open(t, dir, { lock = false })
  local blob = repo.git(dir, "rev-parse", "master:README.md")
  local tree = raw_tree(dir, { { "100644", "f", blob } })
  for _ = 1, 8 do
    local entries = {}
    for i = 0, 9 do
      entries[#entries + 1] = { "40000", "d" .. i, tree }
    end
    tree = raw_tree(dir, entries)
  end
  t:ok(check(store:check_tree(tree)))
  t:raises("limit", function() check(store:entries(tree)) end)
end)

test("refs are swapped only from what was expected", function(t)
  local dir, ids = repo.sample(t:tmpdir() .. "/r.git", 3)
  local store = open(t, dir)
  local name = "refs/heads/x"
  t:eq(store:ref(name), nil)
  t:ok(check(store:set_ref(name, ids[1], "")))
  t:raises("conflict", function() check(store:set_ref(name, ids[2], "")) end)
  t:raises("conflict", function() check(store:set_ref(name, ids[2], ids[3])) end)
  t:ok(check(store:set_ref(name, ids[2], ids[1])))
  t:eq(store:ref(name), ids[2])
  t:raises("conflict", function() check(store:delete_ref(name, ids[1])) end)
  t:ok(check(store:delete_ref(name, ids[2])))
  t:ok(check(store:delete_ref(name)))
  t:raises("conflict", function() check(store:set_ref(name, ids[2], ids[1])) end)
  check(store:set_head("refs/heads/main"))
  t:eq(store:head(), "refs/heads/main")
end)

test("many tasks use one store at once", function(t)
  local dir, ids = repo.sample(t:tmpdir() .. "/r.git", 5)
  local store = open(t, dir)
  local n = 0
  task.each({ 1, 2, 3, 4, 5, 6, 7, 8 }, function(i)
    for j = 1, 10 do
      local c = check(store:commit(ids[(i + j) % 5 + 1]))
      check(store:edit(c.tree, { { path = "f" .. i, data = tostring(j) } }))
      n = n + 1
    end
  end, { jobs = 8 })
  t:eq(n, 80)
end)
