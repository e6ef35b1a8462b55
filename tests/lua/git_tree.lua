-- The public layer: trees edited without a checkout, globs, remotes.
local err = require("godwit.err")
local git = require("godwit.git")
local glob = require("godwit.tree.glob")
local repo = require("support.gitrepo")
local tree = require("godwit.tree")

local function sample(t)
  local dir, ids = repo.sample(t:tmpdir() .. "/r.git", 2)
  local store = git.open_store(dir)
  t:defer(function()
    store:close()
  end)
  return store, dir, ids
end

test("globs", function(t)
  local yes = {
    { "*", "a" }, { "*", ".a" }, { "a?c", "abc" }, { "src/*.py", "src/x.py" }, { "**", "a/b/c" },
    { "**/x", "x" }, { "**/x", "a/b/x" }, { "a/**", "a/b/c" }, { "a/**/x", "a/x" }, { "a/**/x", "a/b/c/x" },
    { "[a-c]x", "bx" }, { "[!a-c]x", "dx" }, { "[]a]", "]" }, { "\\*", "*" }, { "a.b", "a.b" },
    { "**.py", "a/b.py" }, { "[", "[" }, { "*a*a*a*", "bababab" },
  }
  local no = {
    { "*", "a/b" }, { "a?c", "a/c" }, { "src/*.py", "src/a/x.py" }, { "**/x", "yx" }, { "a/**/x", "ab/x" },
    { "[a-c]x", "dx" }, { "[!a]", "/" }, { "\\*", "a" }, { "a.b", "axb" }, { "", "a" }, { "**/x", "a/yx" },
  }
  for _, c in ipairs(yes) do
    t:ok(glob.matcher(c[1])(c[2]), c[1] .. " is " .. c[2])
  end
  for _, c in ipairs(no) do
    t:no(glob.matcher(c[1])(c[2]), c[1] .. " is not " .. c[2])
  end
  -- Time stays in bounds.
  t:no(glob.matcher(("*a"):rep(30) .. "b")(("a"):rep(2000)))
end)

test("a tree is read and edited without a checkout", function(t)
  local store, dir, ids = sample(t)
  local tr = store:tree(ids[2])
  t:eq(tr:read("README.md"), "version 2\n")
  t:raises("notfound", function() tr:read("none") end, "no file none")
  local none, e = tr:try_read("none")
  t:no(none)
  t:ok(err.is(e, "notfound"))
  tr:write("README.md", "three\n")
  t:eq(tr:read("README.md"), "three\n")
  tr:write("docs/a.md", "data://dev_x data://dev_y")
  tr:move("src", "lib/src")
  tr:move("README.md", "docs/README.md")
  tr:chmod("bin/run", "-x")
  t:eq(tr:replace("**/*.md", "data://dev_", "data://prod_"), 1)
  t:eq(tr:remove("link*"), 1)
  local seen = {}
  for path in tr:each("**") do
    seen[#seen + 1] = path
  end
  t:eq(seen, { ".gitignore", "bin/run", "docs/README.md", "docs/a.md", "lib/src/algo.py" })
  t:eq(tr:save(), repo.tree(dir, {
    { "100644", ".gitignore", "*.bin\n" },
    { "100644", "bin/run", "#!/bin/sh\n" },
    { "100644", "docs/README.md", "three\n" },
    { "100644", "docs/a.md", "data://prod_x data://prod_y" },
    { "100644", "lib/src/algo.py", ("x = 2\n"):rep(50) },
  }))
  t:eq(tr:read("docs/README.md"), "three\n")
end)

test("what changes nothing gives the same tree", function(t)
  local store, dir, ids = sample(t)
  local before = repo.git(dir, "rev-parse", "master^{tree}")
  local tr = store:tree(ids[2])
  t:eq(tr:save(), before)
  tr:write("README.md", "other")
  tr:write("README.md", "version 2\n")
  tr:write("new", "x")
  tr:remove("new")
  tr:move("link", "link2")
  tr:move("link2", "link")
  t:eq(tr:replace("**", "nowhere", "x"), 0)
  t:eq(tr:save(), before)
end)

test("a file becomes a folder and the other way round only when asked", function(t)
  local store, dir, ids = sample(t)
  local tr = store:tree(ids[2])
  t:raises("conflict", function() tr:write("README.md/x", "") end, "README.md is a file")
  t:raises("conflict", function() tr:write("src", "") end, "src is a folder")
  tr:remove("src/**")
  tr:write("src", "now a file")
  tr:remove("README.md")
  tr:write("README.md/x", "now a folder")
  local id = tr:save()
  t:eq(repo.git(dir, "cat-file", "-p", id .. ":src"), "now a file")
  t:eq(repo.git(dir, "cat-file", "-p", id .. ":README.md/x"), "now a folder")
  for _, path in ipairs({ "", "/a", "a//b", "a/" }) do
    t:raises("usage", function() tr:write(path, "") end, "not the path of a file")
  end
  t:raises("usage", function() tr:write(".git/config", "x") end, "Git names its own folder")
  t:raises(nil, function() tr:write("a", 1) end, "are a string")
  t:raises("usage", function() tr:chmod("link", "+x") end, "no ordinary file")
end)

test("binary files and links are not replaced in", function(t)
  local store = sample(t)
  local tr = tree.open(store.core, nil)
  tr:write("b.bin", "x\0x")
  tr:write("t.txt", "x")
  t:eq(tr:replace("*", "x", "y"), 1)
  t:eq(tr:read("b.bin"), "x\0x")
end)

test("fetch and push between repositories on this machine", function(t)
  local store, dir, ids = sample(t)
  local other = repo.bare(t:tmpdir() .. "/other.git")
  t:raises("denied", function() git.ls_remote({ path = other }) end, "through its cluster only")
  local to = git._trust({ path = other })
  local list = git.ls_remote(to)
  t:eq(list.refs, {})
  local tr = store:tree(ids[2])
  git.push(store, to, { commit = ids[1], ref = "refs/heads/master" })
  t:eq(repo.git(other, "rev-parse", "master"), ids[1])
  git.push(store, to, { commit = ids[2], ref = "refs/heads/master", expected = ids[1] })
  t:raises("conflict", function()
    git.push(store, to, { commit = ids[2], ref = "refs/heads/master", expected = ids[1] })
  end)
  t:raises("conflict", function() -- not forward
    git.push(store, to, { commit = ids[1], ref = "refs/heads/master", expected = ids[2] })
  end, "does not follow")
  t:eq(git.ls_remote(to).head, "refs/heads/master")
  t:eq(repo.git(other, "fsck", "--strict"), "")
  repo.git(other, "tag", "-a", "v1", "-m", "one", ids[1])
  local again <close> = git.open_store(t:tmpdir() .. "/again.git")
  git.fetch(again, to, {})
  t:eq(again:ref("refs/godwit/fetched/heads/master"), ids[2])
  t:eq(repo.git(again:path(), "cat-file", "-t", "refs/godwit/fetched/tags/v1"), "tag")
  t:eq(repo.git(again:path(), "fsck", "--strict"), "")
  t:ok(again:has(ids[1]) and tr)
  t:eq(repo.git(dir, "rev-parse", "master"), ids[2])
end)

test("branches and tags are copied from one server to another", function(t)
  local gitserver = require("support.gitserver")
  local fs = require("godwit.core.fs")
  local places = require("godwit.config.places")
  local dir, ids = repo.sample(t:tmpdir() .. "/a.git", 3)
  local other = repo.bare(t:tmpdir() .. "/b.git")
  repo.git(dir, "tag", "-a", "v1", "-m", "one", ids[1])
  repo.git(dir, "branch", "dev/x", ids[2])
  local from = git.remote(gitserver.start(t, dir).url)
  local to = git.remote(gitserver.start(t, other).url)
  t:eq(git.copy(from, to, { refs = { "heads/master" } }), { outcome = "created", refs = 1 })
  t:eq(git.copy(from, to), { outcome = "updated", refs = 2 })
  t:eq(git.copy(from, to), { outcome = "unchanged", refs = 0 })
  t:eq(repo.git(other, "for-each-ref"), repo.git(dir, "for-each-ref"))
  t:eq(repo.git(other, "fsck", "--strict"), "")
  local theirs = repo.commit(other, repo.git(other, "rev-parse", "master^{tree}"), "x", { ids[3] }, "refs/heads/master")
  t:raises("conflict", function() git.copy(from, to) end)
  t:eq(repo.git(other, "rev-parse", "master"), theirs)
  for _, f in ipairs(fs.list(places.cache_dir() .. "/git")) do
    t:no(f.name:find("^tmp"), "left behind: " .. f.name)
  end
end)

test("a store of another run is waited for", function(t)
  local core = require("godwit.core.git")
  local task = require("godwit.task")
  local dir = t:tmpdir() .. "/s.git"
  local first = core.open_store(dir)
  t:raises("locked", function() git.open_store(dir, { wait = 0 }) end)
  local child = task.spawn(function()
    task.sleep(0.15)
    first:close()
  end)
  local second <close> = git.open_store(dir, { wait = 5 })
  t:ok(second:path())
  t:ok(require("godwit.core.task").join(child))
end)
