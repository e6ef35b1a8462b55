-- tree.sync between folders and trees: what is copied, what is refused before
-- the first write, links that lead outside.
local folder = require("godwit.core.folder")
local fs = require("godwit.core.fs")
local git = require("godwit.git")
local process = require("godwit.core.process")
local repo = require("support.gitrepo")
local tree = require("godwit.tree")

local function sh(t, command, dir)
  local p <close> = assert(process.start({ argv = { "sh", "-c", command }, cwd = dir,
    env = { PATH = os.getenv("PATH"), LC_ALL = "C" }, stdout = true, stderr = true }))
  local out = {}
  for chunk in function() return p:read() end do
    out[#out + 1] = chunk
  end
  t:eq(p:wait(), 0, command)
  return table.concat(out)
end

-- A folder as text: mode, path, target or contents.
local function show(t, dir)
  return sh(t, [[find . -mindepth 1 ! -type d ! -path './.git/*' -printf '%M %P -> %l\n' -type f -exec head -c 200 {} \; -exec echo \; ]]
    .. [[| LC_ALL=C sort]], dir)
end

local function new(t, files)
  local dir = t:tmpdir()
  for path, data in pairs(files or {}) do
    local parent = (dir .. "/" .. path):match("^(.*)/")
    assert(fs.mkdir(parent, 493))
    assert(fs.write(dir .. "/" .. path, data, 420))
  end
  return dir
end

local function exists(path)
  return fs.stat(path) ~= nil
end

local function leftovers(t, dir)
  t:eq(sh(t, "find . -name '.godwit-*'", dir), "")
end

test("a folder is copied with its modes, links and names", function(t)
  local a, b = new(t, { ["a.txt"] = "a", ["d/e/f"] = "f", ["empty"] = "" }), t:tmpdir() .. "/new/b"
  sh(t, [[chmod 750 a.txt; chmod 604 empty; ln -s ../.. d/up; ln -s /etc/passwd abs; ln -s nowhere broken; mkdir hollow
    printf x > "$(printf 'new\nline')"; printf y > "$(printf 'caf\303\251 \377')"; printf z > -n
    printf n > "$(printf 'n%.0s' $(seq 255))"; mkdir .git; touch .git/config]], a)
  local r = tree.sync(a, b)
  t:eq(r, { outcome = "created", files = 10, written = 10, unchanged = 0, deleted = 0, skipped = 1, bytes = 6 })
  t:eq(show(t, b), show(t, a))
  t:no(exists(b .. "/.git") or exists(b .. "/hollow"))
  leftovers(t, b)
  -- Again: nothing is touched.
  local before = sh(t, "find . -type f -printf '%P %i %T@\\n' | sort", b)
  r = tree.sync(a, b)
  t:eq({ r.outcome, r.unchanged, r.written, r.bytes }, { "unchanged", 10, 0, 0 })
  t:eq(sh(t, "find . -type f -printf '%P %i %T@\\n' | sort", b), before)
  -- A mode, a link's target, contents of the same size.
  sh(t, "chmod 640 a.txt; ln -sf elsewhere broken; printf g > d/e/f", a)
  r = tree.sync(a, b)
  t:eq({ r.outcome, r.unchanged, r.written, r.bytes }, { "updated", 7, 3, 1 })
  t:eq(show(t, b), show(t, a))
end)

test("what is chosen", function(t)
  local a = new(t, { ["x.py"] = "", ["x.pyc"] = "", ["d/y.py"] = "", ["build/o.py"] = "", ["build/d/o.py"] = "" })
  local function names(opts)
    local b = t:tmpdir()
    tree.sync(a, b, opts)
    return (sh(t, "find . -type f -printf '%P '| tr ' ' '\\n' | sort | tr '\\n' ' '", b):gsub("^%s+", ""))
  end
  t:eq(names(), "build/d/o.py build/o.py d/y.py x.py x.pyc ")
  t:eq(names({ include = "**.py" }), "build/d/o.py build/o.py d/y.py x.py ")
  t:eq(names({ include = { "**.py" }, exclude = "build" }), "d/y.py x.py ")
  t:eq(names({ exclude = { "build/**", "*.pyc" } }), "d/y.py x.py ")
  -- An excluded folder is not even opened.
  sh(t, "chmod 000 build", a)
  local r = names({ exclude = "build/**" })
  sh(t, "chmod 755 build", a)
  t:eq(r, "d/y.py x.py x.pyc ")
end)

test("nothing is deleted unless it is asked for", function(t)
  local a, b = new(t, { keep = "1", ["d/x"] = "2" }), new(t, { ["old/a"] = "", ["old/b"] = "", mine = "", ["cache/x"] = "" })
  local r = tree.sync(a, b)
  t:eq({ r.written, r.deleted }, { 2, 0 })
  t:ok(exists(b .. "/old/a"))
  t:raises("refused", function() tree.sync(a, b, { delete = true, max_delete = 2 }) end,
    "4 files would be deleted, more than max_delete = 2")
  t:ok(exists(b .. "/mine"))
  r = tree.sync(a, b, { delete = true, exclude = { "cache", "mine" } })
  t:eq({ r.outcome, r.deleted, r.unchanged }, { "updated", 2, 2 })
  t:ok(exists(b .. "/mine") and exists(b .. "/cache/x"))
  t:no(exists(b .. "/old")) -- emptied folders go
  -- An empty source never empties a destination.
  t:raises("refused", function() tree.sync(t:tmpdir(), b, { delete = true }) end, "an empty source deletes nothing")
  t:raises("refused", function() tree.sync(a, b, { delete = true, include = "none" , exclude = "x" })
    tree.sync(a, new(t, { none = "" }), { delete = true, include = "none" }) end, "an empty source")
  t:ok(exists(b .. "/keep"))
end)

test("a file where a folder is, and the other way round", function(t)
  local a = new(t, { ["one/x"] = "new", two = "file" })
  local b = new(t, { one = "old", ["two/a"] = "", ["two/b/c"] = "" })
  t:raises("conflict", function() tree.sync(a, b) end, "in the way")
  t:eq(fs.read(b .. "/one"), "old")
  t:raises("conflict", function() tree.sync(a, b, { delete = true, exclude = "two/a" }) end, "and it is excluded")
  t:eq(fs.read(b .. "/one"), "old")
  local r = tree.sync(a, b, { delete = true })
  t:eq({ r.written, r.deleted }, { 2, 3 })
  t:eq(fs.read(b .. "/one/x"), "new")
  t:eq(fs.read(b .. "/two"), "file")
  -- A link takes a file's place and gives it back.
  sh(t, "ln -sf one two", a)
  t:eq(tree.sync(a, b).written, 1)
  t:eq(sh(t, "readlink two", b), "one\n")
end)

test("links are never followed out of the destination", function(t)
  local outside = new(t, { ["victim"] = "safe" })
  local a, b = new(t, { ["d/victim"] = "evil", ["f"] = "evil" }), t:tmpdir()
  sh(t, "ln -s " .. outside .. " d; ln -s " .. outside .. "/victim f", b)
  t:raises("conflict", function() tree.sync(a, b) end, '"d" is in the way of "d/victim"')
  t:eq(fs.read(outside .. "/victim"), "safe")
  tree.sync(a, b, { delete = true }) -- the link itself goes
  t:eq(fs.read(outside .. "/victim"), "safe")
  t:eq(fs.read(b .. "/d/victim"), "evil")
  t:eq(fs.stat(b .. "/f").type, "file")
end)

test("a link swapped in after the look leads nowhere", function(t)
  local outside = new(t, { secret = "secret", victim = "safe" })
  local a, b = new(t, { ["d/secret"] = "mine" }), new(t, { ["d/victim"] = "x" })
  local from, to <close> = assert(folder.open(a)), assert(folder.open(b, true))
  t:eq(from:list("")[1].type, "dir")
  sh(t, "mv d e; ln -s " .. outside .. " d", a)
  sh(t, "mv d e; ln -s " .. outside .. " d", b)
  local function refused(v, e)
    t:no(v)
    t:eq(e.kind, "conflict")
    t:match(e.message, "links are not followed")
  end
  refused(from:read("d/secret", 100))
  refused(from:list("d"))
  refused(from:readlink("d/x"))
  refused(to:copy("d/secret", from))
  refused(to:write("d/victim", "evil"))
  refused(to:link("d/new", "x"))
  refused(to:remove("d/victim"))
  sh(t, "rm d; mv e d; rm d/secret; ln -s " .. outside .. "/secret d/secret", a)
  refused(from:read("d/secret", 100)) -- the last name is a link, too
  refused(to:copy("d/secret", from))
  t:eq(fs.read(outside .. "/victim"), "safe")
  t:eq(#fs.list(outside), 2)
  for _, path in ipairs { "../x", "..", "/etc/passwd", "a//b", "./a", "a/../b", "" } do
    local _, e = from:read(path, 10)
    t:eq(e.kind, "usage", path)
  end
end)

test("pipes, devices and sockets are refused by name", function(t)
  local a, b = new(t, { x = "1" }), t:tmpdir() .. "/b"
  sh(t, "mkdir d; mkfifo d/pipe", a)
  t:raises("refused", function() tree.sync(a, b) end, 'a pipe, device or socket cannot be copied: "d/pipe"')
  t:no(exists(b))
  t:eq(tree.sync(a, b, { exclude = "d/pipe" }).written, 1)
  -- One that lies at the destination is not written into.
  sh(t, "rm -r d; rm x; mkfifo x", b)
  t:raises("conflict", function() tree.sync(a, b, { exclude = "d/pipe" }) end, "in the way")
  -- A pipe that takes a file's place meanwhile does not hang anybody.
  local root <close> = assert(folder.open(a))
  local _, e = root:read("d/pipe", 10)
  t:match(e.message, "no ordinary file any more")
end)

test("from a tree to a folder and back", function(t)
  local dir, ids = repo.sample(t:tmpdir() .. "/r.git", 2)
  local store <close> = git.open_store(dir)
  local tr = store:tree(ids[2])
  tr:write("unsaved", "u")
  local b = t:tmpdir() .. "/b"
  local r = tree.sync(tr, b)
  t:eq({ r.outcome, r.files, r.written }, { "created", 6, 6 })
  t:eq(fs.read(b .. "/unsaved"), "u")
  t:eq(sh(t, "readlink link", b), "README.md\n")
  t:ok(fs.stat(b .. "/bin/run").mode & 64 ~= 0)
  t:eq(tree.sync(tr, b).outcome, "unchanged")
  -- An existing file stays as private as it was.
  sh(t, "chmod 600 README.md; chmod 700 bin/run; echo more >> README.md; rm link", b)
  t:eq(tree.sync(tr, b).written, 2)
  t:eq(("%o %o"):format(fs.stat(b .. "/README.md").mode, fs.stat(b .. "/bin/run").mode), "600 700")

  local back = tree.open(store.core, nil)
  r = tree.sync(b, back)
  t:eq({ r.outcome, r.written }, { "created", 6 })
  t:eq(back:save(), tr:save())
  t:eq(tree.sync(b, back).outcome, "unchanged")
  fs.remove(b .. "/unsaved")
  t:eq(tree.sync(b, back).deleted, 0)
  t:eq(tree.sync(b, back, { delete = true }).deleted, 1)
  t:no(back:exists("unsaved"))
  -- From tree to tree, chosen.
  local other = tree.open(store.core, nil)
  t:eq(tree.sync(tr, other, { include = "src/**" }).files, 1)
  t:eq(other:read("src/algo.py"), tr:read("src/algo.py"))
end)

test("a deep folder, and a destination with much else in it", function(t)
  local a, b = t:tmpdir(), new(t, { ["private/x"] = "" })
  local deep = ("d/"):rep(120)
  sh(t, "mkdir -p " .. deep .. "; echo x > " .. deep .. "f", a)
  t:eq(tree.sync(a, b).written, 1)
  t:eq(tree.sync(a, b).unchanged, 1)
  t:eq(tree.sync(a, b, { delete = true, exclude = "private" }).outcome, "unchanged")
  sh(t, "mkdir -p " .. ("n"):rep(250) .. "/" .. ("m"):rep(250), b)
  -- What only the destination has is not opened unless it may be deleted.
  local opened = {}
  local root = debug.getregistry()["godwit.folder.root"]
  local methods = rawget(root, "__index")
  local list = methods.list
  methods.list = function(self, dir)
    opened[#opened + 1] = dir
    return list(self, dir)
  end
  t:defer(function() methods.list = list end)
  local c = new(t, { ["e/f"] = "1" })
  tree.sync(c, b)
  t:eq(opened, { "", "e", "" })
end)

test("bindings keep nothing when memory ends", function(t)
  local dir = t:tmpdir()
  t:starve(function()
    local root <close> = assert(folder.open(dir, true))
    assert(root:write("a/b", "x", { executable = true }))
    assert(root:link("l", "a"))
    assert(#assert(root:list("")) == 2)
    assert(root:read("a/b", 10))
    assert(root:copy("a/b", root))
    assert(root:readlink("l"))
  end)
end)

test("names no tree can hold, and trees with hostile names", function(t)
  local dir = repo.bare(t:tmpdir() .. "/r.git")
  local store <close> = git.open_store(dir)
  local a = new(t, { ["sub/.GIT/config"] = "x", ok = "1" })
  local tr = tree.open(store.core, nil)
  t:raises("refused", function() tree.sync(a, tr) end, "how Git names its own folder")
  t:no(tr:exists("ok"))
  local blob = repo.feed("x", dir, "hash-object", "-w", "--stdin")
  for _, name in ipairs { "..", ".git", "." } do
    local id = repo.feed(("100644 blob %s\t%s\n"):format(blob, name), dir, "mktree")
    local b = t:tmpdir() .. "/deep/b"
    t:raises("refused", function() tree.sync(tree.open(store.core, id), b) end, "cannot be copied")
    t:no(exists(b))
  end
  local inner = repo.feed(("100644 blob %s\tx\n"):format(blob), dir, "mktree")
  local id = repo.feed(("040000 tree %s\t..\n"):format(inner), dir, "mktree")
  t:raises("refused", function() tree.sync(tree.open(store.core, id), t:tmpdir()) end, "leads elsewhere")
end)

test("what is asked wrongly", function(t)
  local a = new(t, { x = "1" })
  t:raises("notfound", function() tree.sync(a .. "/none", a) end, "there is no folder")
  t:raises("io", function() tree.sync(a .. "/x", t:tmpdir()) end)
  t:raises("usage", function() tree.sync(a, a) end, "one inside the other")
  for _, to in ipairs({ "/sub", "/./sub//deeper/", "/../" .. a:match("[^/]+$") .. "/sub" }) do
    t:raises("usage", function() tree.sync(a, a .. to) end, "one inside the other")
    t:no(exists(a .. "/sub")) -- found before it is made
  end
  t:raises("usage", function() tree.sync(3, a) end, "not a number")
  t:raises("usage", function() tree.sync(a, "") end, "the destination")
  t:raises("usage", function() tree.sync(a, t:tmpdir(), { excludes = "x" }) end, "no option excludes")
  t:raises("usage", function() tree.sync(a, t:tmpdir(), { delete = 1 }) end, "delete is true or false")
  t:raises("usage", function() tree.sync(a, t:tmpdir(), { max_delete = -1 }) end, "whole number")
  t:raises("usage", function() tree.sync(a, t:tmpdir(), { include = { 3 } }) end, "is a text")
end)

test("a file that cannot be read names itself", function(t)
  local a = new(t, { x = "1", y = "2" })
  sh(t, "chmod 000 y", a)
  if fs.read(a .. "/y") then t:skip("this user reads everything") end
  t:raises("io", function() tree.sync(a, t:tmpdir()) end, "y: Permission denied")
end)

test("many files at once, a large one, and twice", function(t)
  local a, b = t:tmpdir(), t:tmpdir()
  sh(t, [[for d in $(seq 20); do mkdir d$d; for f in $(seq 30); do echo $d $f > d$d/f$f; done; done
    head -c 5000000 /dev/urandom > big]], a)
  local r = tree.sync(a, b)
  t:eq({ r.files, r.written }, { 601, 601 })
  sh(t, "diff -r " .. a .. " " .. b, a)
  t:eq(tree.sync(a, b).unchanged, 601)
end)
