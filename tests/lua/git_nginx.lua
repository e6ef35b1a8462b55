-- ls_remote, fetch and push against nginx and git http-backend.
local err = require("godwit.err")
local git = require("godwit.core.git")
local nginx = require("support.nginx")
local repo = require("support.gitrepo")
local secret = require("godwit.core.secret")
local task = require("godwit.task")

local check = err.check

local function open(t)
  local store = check(git.open_store(t:tmpdir() .. "/store.git"))
  t:defer(function()
    store:close()
  end)
  return store
end

local function key(server, text)
  return secret.new(text or nginx.password, { label = "key", origins = { server.origin } })
end

-- A commit of the store on top of parent with one file changed.
local function next_commit(store, parent, text)
  local c = check(store:commit(parent))
  return check(store:make_commit({
    tree = check(store:edit(c.tree, { { path = "README.md", data = text } })),
    parents = { parent }, author = c.author,
    committer = { name = "godwit", email = "godwit@localhost", time = c.committer.time, offset = 0 },
    message = text .. "\n",
  }))
end

test("fetch and push with basic authentication over TLS of our own CA", function(t)
  local root = t:tmpdir()
  local dir, ids = repo.sample(root .. "/a.git", 3)
  local server = nginx.start(t, { root = root, tls = true, user = "ann" })
  local remote = { url = server.url .. "/a.git", auth = key(server), auth_user = "ann", tls = { ca = server.ca } }
  local store = open(t)

  local list = check(git.ls_remote(remote))
  t:eq(list.refs, { ["refs/heads/master"] = ids[3] })
  t:eq({ list.head, list.head_id }, { "refs/heads/master", ids[3] })
  t:ok(list.caps["ofs-delta"])
  local got = check(git.fetch(store, remote, { commit = ids[3], advert = list.advert, into = "refs/godwit/x" }))
  t:ok(got.objects > 10 and got.bytes > 100)
  t:eq(#check(store:history(ids[3])), 3)
  t:eq(store:ref("refs/godwit/x/heads/master"), ids[3])

  local new = next_commit(store, ids[3], "pushed")
  local into = check(git.ls_remote(remote, { service = "receive-pack" }))
  local result = check(git.push(store, remote,
    { commit = new, ref = "refs/heads/master", expected = ids[3], advert = into.advert }))
  t:eq(result.messages, {})
  t:eq(result.total, 3) -- commit, tree, blob: nothing that was there
  t:eq(repo.git(dir, "rev-parse", "master"), new)
  t:eq(repo.git(dir, "fsck", "--strict"), "")
  -- The key went ahead of any question, and no request was made twice.
  t:eq(server.requests(), {
    "GET /git/a.git/info/refs?service=git-upload-pack 200",
    "POST /git/a.git/git-upload-pack 200",
    "GET /git/a.git/info/refs?service=git-receive-pack 200",
    "POST /git/a.git/git-receive-pack 200",
  })
  -- What the store has is not fetched.
  t:eq(check(git.fetch(store, remote, { commit = new, advert = list.advert })).bytes, 0)
  t:eq(#server.requests(), 4)
end)

test("a new branch, a branch that should not be there, a stale tip", function(t)
  local root = t:tmpdir()
  local dir, ids = repo.sample(root .. "/a.git", 2)
  local server = nginx.start(t, { root = root })
  local remote = { url = server.url .. "/a.git/" }
  local store = open(t)
  check(git.fetch(store, remote, { refs = { "refs/heads/master" } }))
  local new = next_commit(store, ids[2], "new")

  check(git.push(store, remote, { commit = new, ref = "refs/heads/other" }))
  t:eq(repo.git(dir, "rev-parse", "other"), new)
  t:raises("conflict", function()
    check(git.push(store, remote, { commit = new, ref = "refs/heads/other" }))
  end, "should not exist but is at " .. new)
  t:raises("conflict", function()
    check(git.push(store, remote, { commit = new, ref = "refs/heads/master", expected = ids[1] }))
  end, "should be at " .. ids[1] .. " but is at " .. ids[2])
  t:raises("conflict", function()
    check(git.push(store, remote, { commit = new, ref = "refs/heads/gone", expected = ids[1] }))
  end, "is gone")
  -- Moved between the list and the push: the server says so.
  local list = check(git.ls_remote(remote, { service = "receive-pack" }))
  local theirs = repo.commit(dir, repo.git(dir, "rev-parse", "master^{tree}"), "theirs", { ids[2] }, "refs/heads/master")
  local e = t:raises("conflict", function()
    check(git.push(store, remote,
      { commit = new, ref = "refs/heads/master", expected = ids[2], advert = list.advert }))
  end, "refused refs/heads/master")
  t:eq(e.sent, false)
  t:eq(repo.git(dir, "rev-parse", "master"), theirs)
  -- Not forward: refused before anything is sent.
  t:raises("conflict", function()
    check(git.push(store, remote, { commit = ids[1], ref = "refs/heads/master", expected = theirs }))
  end)
  t:raises("usage", function()
    check(git.push(store, remote, { commit = new, ref = "refs/notes/x" }))
  end, "not the full name of a branch or tag")
end)

test("a push that the server's hook rejects", function(t)
  local fs = require("godwit.core.fs")
  local root = t:tmpdir()
  local dir, ids = repo.sample(root .. "/a.git", 2)
  check(fs.write(dir .. "/hooks/pre-receive", "#!/bin/sh\necho 'not on fridays' >&2\nexit 1\n", 493))
  local server = nginx.start(t, { root = root })
  local remote = { url = server.url .. "/a.git" }
  local store = open(t)
  check(git.fetch(store, remote, { commit = ids[2] }))
  local new, lines = next_commit(store, ids[2], "new"), {}
  local e = t:raises("remote", function()
    check(git.push(store, remote, {
      commit = new, ref = "refs/heads/master", expected = ids[2],
      progress = function(p) lines[#lines + 1] = p.message end,
    }))
  end, "refused refs/heads/master: pre%-receive hook declined")
  t:eq(e.messages, { "not on fridays" })
  t:eq(lines, { "not on fridays" })
  t:eq(e.sent, false)
  t:eq(repo.git(dir, "rev-parse", "master"), ids[2])
end)

test("the words of a server that accepts are handed on", function(t)
  local fs = require("godwit.core.fs")
  local root = t:tmpdir()
  local dir, ids = repo.sample(root .. "/a.git", 1)
  check(fs.write(dir .. "/hooks/post-receive", "#!/bin/sh\necho Updating >&2\nsleep 0.3\nprintf 'Build successful' >&2\n", 493))
  local server = nginx.start(t, { root = root })
  local remote = { url = server.url .. "/a.git" }
  local store = open(t)
  check(git.fetch(store, remote, { commit = ids[1] }))
  local result = check(git.push(store, remote, {
    commit = next_commit(store, ids[1], "x"), ref = "refs/heads/master", expected = ids[1],
    stall = 0.1, build_timeout = 5, -- a build longer than the stall limit
  }))
  t:eq(result.messages, { "Updating", "Build successful" })
end)

test("wrong credentials, no credentials, no repository: one clear sentence", function(t)
  local root = t:tmpdir()
  repo.sample(root .. "/a.git", 1)
  local server = nginx.start(t, { root = root, user = "ann" })
  local function ls(path, auth)
    return t:raises(nil, function()
      check(git.ls_remote({ url = server.url .. path, auth = auth, auth_user = "ann" }))
    end)
  end
  for _ = 1, 2 do -- the second time libgit2 would say something older
    local e = ls("/a.git", key(server, "wrong-key"))
    t:eq({ e.kind, e.status }, { "auth", 401 })
    t:match(tostring(e), "does not accept these credentials")
    e = ls("/none.git", key(server))
    t:eq({ e.kind, e.status }, { "notfound", 404 })
    t:match(tostring(e), "has no such repository")
    t:no(tostring(e):find("config", 1, true))
  end
  t:eq(ls("/a.git", nil).kind, "auth")
end)

test("a server that speaks TLS 1.3 only, known by its IP address", function(t)
  local root = t:tmpdir()
  local _, ids = repo.sample(root .. "/a.git", 1)
  local server = nginx.start(t, { root = root, tls13 = true })
  local store = open(t)
  check(git.fetch(store, { url = server.url .. "/a.git", tls = { ca = server.ca } }, { commit = ids[1] }))
  t:ok(store:has(ids[1]))
  t:raises("net", function()
    check(git.ls_remote({ url = server.url .. "/a.git" }))
  end, "certificate")
end)

test("through a proxy", function(t)
  local root = t:tmpdir()
  local _, ids = repo.sample(root .. "/a.git", 1)
  local server = nginx.start(t, { root = root }) -- takes the absolute form
  local store = open(t)
  check(git.fetch(store, { url = "http://git.invalid/git/a.git", proxy = server.origin }, { commit = ids[1] }))
  t:ok(store:has(ids[1]))
end)

test("a commit that is no tip, a commit that is not there, a branch that became a folder", function(t)
  local root = t:tmpdir()
  local dir, ids = repo.sample(root .. "/a.git", 3)
  local server = nginx.start(t, { root = root })
  local remote = { url = server.url .. "/a.git" }
  local store = open(t)
  check(git.fetch(store, remote, { commit = ids[2] }))
  t:ok(store:has(ids[2]))
  t:raises("notfound", function()
    check(git.fetch(store, remote, { commit = ("1"):rep(40) }))
  end, "no branch or tag of the repository contains commit")
  t:raises("notfound", function()
    check(git.fetch(store, remote, { refs = { "refs/heads/none" } }))
  end, "has no refs/heads/none")
  repo.git(dir, "branch", "a", "master")
  check(git.fetch(store, remote, {}))
  repo.git(dir, "branch", "-D", "a")
  repo.git(dir, "branch", "a/b", "master")
  check(git.fetch(store, remote, {}))
  t:eq(store:ref("refs/godwit/fetched/heads/a/b"), ids[3])
  repo.git(dir, "branch", "-D", "a/b")
  repo.git(dir, "branch", "a", "master")
  check(git.fetch(store, remote, {}))
  t:eq(store:ref("refs/godwit/fetched/heads/a"), ids[3])
end)

test("a large push is streamed; what the destination has stays there", function(t)
  local root = t:tmpdir()
  local dir, ids = repo.sample(root .. "/a.git", 1)
  local server = nginx.start(t, { root = root })
  local remote = { url = server.url .. "/a.git" }
  local store = open(t)
  check(git.fetch(store, remote, { commit = ids[1] }))
  local c = check(store:commit(ids[1]))
  local function commit(parent, edits)
    return check(store:make_commit({
      tree = check(store:edit(check(store:commit(parent)).tree, edits)), parents = { parent },
      author = c.author, committer = c.committer, message = "x\n",
    }))
  end
  local edits = {}
  for i = 1, 6 do
    edits[i] = { path = "model" .. i .. ".bin", data = repo.run({ "head", "-c", "524288", "/dev/urandom" }) }
  end
  local big = commit(ids[1], edits)
  local seen = 0
  local r = check(git.push(store, remote, {
    commit = big, ref = "refs/heads/master", expected = ids[1],
    progress = function(p) seen = math.max(seen, p.objects or 0) end,
  }))
  t:ok(r.bytes_up > 3000000)
  t:eq(repo.git(dir, "rev-parse", "master"), big)
  local small = commit(big, { { path = "README.md", data = "one change" } })
  r = check(git.push(store, remote, { commit = small, ref = "refs/heads/master", expected = big }))
  t:eq(r.total, 3)
  t:ok(r.bytes_up < 2000)
  -- And down again, larger than the ring between loop and worker.
  local again = open(t)
  r = check(git.fetch(again, remote, { commit = small }))
  t:ok(r.bytes_down > 3000000)
  t:eq(repo.git(again:path(), "fsck", "--strict"), "")
  local e = t:raises("limit", function()
    check(git.fetch(open(t), remote, { commit = small, max_bytes = 100000 }))
  end, "larger than the 100000 bytes allowed")
  t:eq(e.sent, false)
end)

test("eight at a time, ten times each", function(t)
  local root = t:tmpdir()
  local _, ids = repo.sample(root .. "/a.git", 3)
  local server = nginx.start(t, { root = root })
  local remote = { url = server.url .. "/a.git" }
  local base, done = t:tmpdir(), 0
  task.each({ 1, 2, 3, 4, 5, 6, 7, 8 }, function(i)
    for j = 1, 10 do
      local store <close> = check(git.open_store(("%s/%d-%d.git"):format(base, i, j)))
      check(git.fetch(store, remote, { commit = ids[3] }))
      local new = next_commit(store, ids[3], ("%d %d"):format(i, j))
      check(git.push(store, remote, { commit = new, ref = ("refs/heads/b%d-%d"):format(i, j) }))
      done = done + 1
    end
  end, { jobs = 8 })
  t:eq(done, 80)
end)
