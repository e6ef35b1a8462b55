-- Servers that hang, lie, cut and send elsewhere: one clear sentence, in time,
-- and nothing half done.
local badserver = require("support.badserver")
local core_task = require("godwit.core.task")
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local git = require("godwit.core.git")
local gitserver = require("support.gitserver")
local repo = require("support.gitrepo")
local secret = require("godwit.core.secret")
local sys = require("godwit.core.sys")
local task = require("godwit.task")

local check = err.check

local function open(t)
  local store = check(git.open_store(t:tmpdir() .. "/store.git"))
  t:defer(function()
    store:close()
  end)
  return store
end

local function sample(t, n)
  return repo.sample(t:tmpdir() .. "/a.git", n)
end

--- A sample with a file of so many random bytes on top.
local function large(t, bytes)
  local dir, ids = sample(t, 1)
  local tree = repo.tree(dir, { { "100644", "model.bin", repo.run({ "head", "-c", tostring(bytes), "/dev/urandom" }) } })
  ids[2] = repo.commit(dir, tree, "large", { ids[1] }, "refs/heads/master")
  return dir, ids
end

local function new_commit(store, parent, edits)
  local c = check(store:commit(parent))
  return check(store:make_commit({
    tree = check(store:edit(c.tree, edits or { { path = "new", data = "x" } })), parents = { parent },
    author = c.author, committer = c.committer, message = "new\n",
  }))
end

local function pkt(text)
  return ("%04x%s"):format(#text + 4, text)
end

--- A server whose list of references is that text.
local function list_server(t, text, kind)
  return gitserver.start(t, "", function(req)
    req:respond(200, { ["Content-Type"] = kind or "application/x-git-upload-pack-advertisement" }, text)
  end)
end

local function no_packs(t, store)
  for _, f in ipairs(fs.list(store:path() .. "/objects/pack")) do
    t:no(f.name, "left behind: " .. f.name)
  end
end

--- Runs fn; fails where not its own limit ended it, but the usual one (60 s).
local function soon(t, fn)
  local began = sys.monotonic()
  local ok, e = pcall(fn)
  t:ok(sys.monotonic() - began < 30, "took too long")
  if not ok then error(e, 0) end
end

local ID = ("a"):rep(40)
local BANNER = pkt("# service=git-upload-pack\n") .. "0000"

test("lists of references that are none", function(t)
  local cases = {
    { "<html>login</html>", "is not in Git's format" },
    { "", "ends too early" },
    { BANNER .. pkt(ID .. " refs/heads/a\0caps\n"), "ends too early" },
    { BANNER .. pkt(ID .. " refs/heads/a\0caps\n"):sub(1, 20), "ends too early" },
    { BANNER .. pkt("zz refs/heads/a\n") .. "0000", "has a line" },
    { BANNER .. pkt(ID .. " refs/heads/a..b\n") .. "0000", "impossible name" },
    { BANNER .. pkt(ID .. " refs/heads/a\27[2J\n") .. "0000", "impossible name" },
    { BANNER .. pkt(ID .. " refs/heads/../../x\n") .. "0000", "impossible name" },
    { BANNER .. pkt(ID .. " refs/heads/a\n") .. pkt(ID .. " refs/heads/a\n") .. "0000", "twice" },
    { BANNER .. pkt(("0"):rep(40) .. " refs/heads/a\n") .. "0000", "without a commit" },
    { BANNER .. pkt("ERR no access for you\n"), "the server says: no access for you" },
    { pkt("# service=git-receive-pack\n") .. "0000", "another service" },
    { BANNER .. pkt(ID .. " refs/heads/a\0object-format=sha256\n") .. "0000", "not SHA%-1" },
    { "fffffff", "not in Git's format" },
  }
  for i, c in ipairs(cases) do
    local server = list_server(t, c[1])
    local e = t:raises("remote", function() check(git.ls_remote({ url = server.url })) end, c[2])
    t:ok(e.op == "git.ls_remote", i)
  end
end)

test("lists of references that are odd, but fine", function(t)
  local function list(text)
    return check(git.ls_remote({ url = list_server(t, text).url }))
  end
  t:eq(list(BANNER .. "0000").refs, {})
  t:eq(list(BANNER .. pkt(("0"):rep(40) .. " capabilities^{}\0a b=c\n") .. "0000").caps, { a = true, b = "c" })
  -- Hidden refs and peeled tags are left out; no symref: HEAD is guessed.
  local got = list(BANNER .. pkt("version 1\n") .. pkt(ID .. " HEAD\0agent=x\n") .. pkt(ID .. " refs/heads/main\n")
    .. pkt(("b"):rep(40) .. " refs/pull/1/head") .. pkt(ID .. " refs/tags/v1") .. pkt(ID .. " refs/tags/v1^{}") .. "0000")
  t:eq(got.refs, { ["refs/heads/main"] = ID, ["refs/tags/v1"] = ID })
  t:eq({ got.head, got.head_id }, { "refs/heads/main", ID })
end)

test("a page instead of a repository, and no end of references", function(t)
  local html = list_server(t, "<html>", "text/html; charset=utf-8")
  t:raises("remote", function() check(git.ls_remote({ url = html.url })) end,
    "answers with text/html, not as a Git repository")
  local endless = gitserver.start(t, "", function(req)
    req:start(200, { ["Content-Type"] = "application/x-git-upload-pack-advertisement" })
    local line = pkt(ID .. " refs/heads/" .. ("x"):rep(900)):rep(1000)
    for _ = 1, 80 do
      if not req:write(line) then return end
    end
  end)
  t:raises("limit", function() check(git.ls_remote({ url = endless.url })) end)
end)

test("a redirect of the list is followed, and credentials stay at home", function(t)
  local dir, ids = sample(t, 1)
  local elsewhere = gitserver.start(t, dir)
  local target
  local server = gitserver.start(t, dir, function(req, answer)
    if req.path:find("^/old") and req.method == "GET" then
      return req:respond(301, { Location = target .. "/info/refs?" .. req.query }, "")
    end
    answer()
  end)
  local key = secret.new("geheim123", { label = "key", origins = { server.origin } })
  local remote = { url = server.origin .. "/old.git", auth = key, auth_user = "ann" }
  target = server.origin .. "/new.git"
  t:eq(check(git.ls_remote(remote)).url, server.origin .. "/new.git")
  check(git.fetch(open(t), remote, { commit = ids[1] }))
  t:eq({ server.log[3], server.log[4], server.log[5] }, { "GET /old.git/info/refs auth",
    "GET /new.git/info/refs auth", "POST /new.git/git-upload-pack auth" })
  target = "/rel.git"
  t:eq(check(git.ls_remote(remote)).url, server.origin .. "/rel.git")
  target = elsewhere.origin .. "/x.git"
  check(git.fetch(open(t), remote, { commit = ids[1] }))
  t:eq(elsewhere.log, { "GET /x.git/info/refs", "POST /x.git/git-upload-pack" })
  target = server.origin .. "/old.git"
  t:raises("remote", function() check(git.ls_remote(remote)) end, "elsewhere too often")
  local login = gitserver.start(t, "", function(req)
    req:respond(302, { Location = "https://sso.invalid/login" }, "")
  end)
  t:raises("remote", function() check(git.ls_remote({ url = login.url })) end, "no repository's list")
end)

test("a server that accepts and never answers", function(t)
  local mute = badserver.start(t, "--accept-only")
  soon(t, function()
    t:raises("timeout", function() check(git.ls_remote({ url = mute.url .. "/a.git" }, { stall = 0.3 })) end)
  end)
  local dir, ids = sample(t, 1)
  local server = gitserver.start(t, dir, function(req, answer)
    if req.method == "GET" then return answer() end
    while not req:closed() do task.sleep(0.02) end
  end)
  local store = open(t)
  soon(t, function()
    t:raises("timeout", function()
      check(git.fetch(store, { url = server.url }, { commit = ids[1], stall = 0.3 }))
    end, "no answer for 0.3 s")
  end)
  no_packs(t, store)
end)

test("a pack that stalls, a pack that is cut: nothing is kept", function(t)
  local dir, ids = large(t, 1500000)
  local server = gitserver.start(t, dir)
  for _, how in ipairs({ "--stall-down", "--cut-down" }) do
    local relay = badserver.start(t, "--relay", server.port, how, 400000)
    local store = open(t)
    soon(t, function()
      t:raises(how == "--cut-down" and "net" or "timeout", function()
        check(git.fetch(store, { url = relay.url .. "/a.git" }, { commit = ids[2], stall = how == "--stall-down" and 0.5 or nil }))
      end)
    end)
    t:no(store:has(ids[2]))
    no_packs(t, store)
    -- The same store goes on as if nothing had been.
    check(git.fetch(store, { url = server.url }, { commit = ids[2] }))
    t:eq(repo.git(store:path(), "fsck", "--strict"), "")
  end
end)

test("a pack that ends early, politely", function(t)
  local dir, ids = large(t, 300000)
  local server = gitserver.start(t, dir, function(req, answer)
    if req.method == "GET" then return answer() end
    local body = req:body(100000)
    local out = repo.run({ "git", "upload-pack", "--stateless-rpc", dir }, { stdin = body })
    req:respond(200, { ["Content-Type"] = "application/x-git-upload-pack-result" }, out:sub(1, 100000))
  end)
  local store = open(t)
  local e = t:raises(nil, function() check(git.fetch(store, { url = server.url }, { commit = ids[2] })) end)
  t:eq(e.op, "git.fetch")
  t:no(store:has(ids[2]))
  no_packs(t, store)
end)

test("answers to the second request that are none", function(t)
  local dir, ids = sample(t, 1)
  local kind = "application/x-git-upload-pack-result"
  local cases = {
    { 200, "text/html", "<html>", "remote", "answers with text/html" },
    { 200, "text/html", "", "remote", "answers with text/html" },
    { 200, kind, "<html>", "remote", "not in Git's protocol" },
    { 500, "text/plain", "oops", "remote", "the Git server failed" },
    { 401, "text/plain", "", "auth", "does not accept these credentials" },
    { 302, "text/plain", "", "remote", "in the middle of a conversation" },
    { 200, kind, "", nil, "" },
    { 200, kind, pkt("ERR upload-pack: not our ref\n"), nil, "" },
  }
  for _, c in ipairs(cases) do
    local server = gitserver.start(t, dir, function(req, answer)
      if req.method == "GET" then return answer() end
      req:respond(c[1], { ["Content-Type"] = c[2], Location = c[1] == 302 and "/x" or nil }, c[3])
    end)
    local store = open(t)
    local e = t:raises(c[4], function() check(git.fetch(store, { url = server.url }, { commit = ids[1] })) end, c[5])
    t:eq(e.op, "git.fetch")
    t:no(tostring(e):find("followRedirects", 1, true))
    no_packs(t, store)
  end
end)

test("a cancelled fetch ends at once and leaves the store usable", function(t)
  local dir, ids = large(t, 1500000)
  local server = gitserver.start(t, dir)
  local relay = badserver.start(t, "--relay", server.port, "--stall-down", 400000)
  local store = open(t)
  for _, delay in ipairs({ 0, 0.02, 0.2 }) do
    local child = core_task.spawn(function()
      check(git.fetch(store, { url = relay.url .. "/a.git" }, { commit = ids[2] }))
    end)
    core_task.sleep(delay)
    soon(t, function()
      core_task.cancel(child)
      local ok, e = core_task.join(child)
      t:no(ok)
      t:ok(err.is(e, "cancelled"), tostring(e))
    end)
  end
  check(git.fetch(store, { url = server.url }, { commit = ids[2] }))
  t:ok(store:has(ids[2]))
end)

--- A store with the tip of a server that does `push` with a push.
local function push_set_up(t, push)
  local dir, ids = sample(t, 1)
  local server = gitserver.start(t, dir, function(req, answer)
    if req.method == "POST" and req.path:find("receive%-pack$") then return push(req, answer) end
    answer()
  end)
  local store = open(t)
  check(git.fetch(store, { url = server.url }, { commit = ids[1] }))
  return store, server, ids, dir
end

local function push(store, server, commit, ids, more)
  local opts = { commit = commit, ref = "refs/heads/master", expected = ids[1] }
  for k, v in pairs(more or {}) do opts[k] = v end
  return function()
    check(git.push(store, { url = server.url }, opts))
  end
end

test("a push whose answer is lost is in doubt, one that was refused is not", function(t)
  local RESULT = { ["Content-Type"] = "application/x-git-receive-pack-result" }
  local cases = {
    { sent = true, function(req) req:body(1 << 20) req:start(200, RESULT) end }, -- cut
    { sent = true, kind = "remote", function(req) req:body(1 << 20) req:respond(504, {}, "") end },
    { sent = true, function(req) req:body(1 << 20) req:respond(200, RESULT, "") end },
    { sent = true, function(req) req:body(1 << 20) req:respond(200, RESULT, pkt("unpack ok\n") .. "0000") end },
    { sent = true, kind = "timeout", function(req) req:body(1 << 20) while not req:closed() do task.sleep(0.02) end end },
    { sent = true, kind = "timeout", function(req) -- answers, then nothing more
      req:body(1 << 20)
      req:start(200, RESULT)
      req:write(pkt("\2building\n"))
      while not req:closed() do task.sleep(0.02) end
    end },
    { sent = false, kind = "auth", function(req) req:body(1 << 20) req:respond(403, {}, "") end },
    { sent = false, kind = "limit", function(req) req:body(1 << 20) req:respond(413, {}, "") end },
    { sent = false, kind = "conflict", function(req)
      req:body(1 << 20)
      req:respond(200, RESULT, pkt("\1" .. pkt("unpack ok\n") .. pkt("ng refs/heads/master non-fast-forward\n") .. "0000") .. "0000")
    end },
    { sent = false, kind = "remote", function(req)
      req:body(1 << 20)
      req:respond(200, RESULT, pkt("\2Build failed\n") .. pkt("\1" .. pkt("unpack ok\n") .. pkt("ng refs/heads/master no\27[2J\n") .. "0000") .. "0000")
    end },
  }
  for i, c in ipairs(cases) do
    local store, server, ids = push_set_up(t, c[1])
    local new = new_commit(store, ids[1])
    local e
    soon(t, function()
      e = t:raises(c.kind, push(store, server, new, ids, c.kind == "timeout" and
        { build_timeout = 0.5, stall = 0.3 } or nil))
    end)
    t:eq(e.sent, c.sent, ("case %d: %s"):format(i, tostring(e)))
    t:no(tostring(e):find("\27"))
  end
end)

test("a push without a server, and one cut on the way, are in no doubt", function(t)
  local store, server, ids, dir = push_set_up(t, function(_, answer) answer() end)
  local new = new_commit(store, ids[1], { { path = "b", data = repo.run({ "head", "-c", "3000000", "/dev/urandom" }) } })
  local list = check(git.ls_remote({ url = server.url }, { service = "receive-pack" }))
  t:ok(list)
  local relay = badserver.start(t, "--relay", server.port, "--cut-up", 500000)
  local e = t:raises("net", push(store, { url = relay.url .. "/a.git" }, new, ids))
  t:eq(e.sent, false)
  t:eq(repo.git(dir, "rev-parse", "master"), ids[1])
  relay = badserver.start(t, "--relay", server.port)
  local advert = check(git.ls_remote({ url = relay.url .. "/a.git" }, { service = "receive-pack" })).advert
  relay.stop()
  e = t:raises("net", push(store, { url = relay.url .. "/a.git" }, new, ids, { advert = advert }))
  t:eq(e.sent, false)
  check(git.push(store, { url = server.url }, { commit = new, ref = "refs/heads/master", expected = ids[1] }))
  t:eq(repo.git(dir, "rev-parse", "master"), new)
end)

test("a push cancelled while the server builds says that it was sent", function(t)
  local store, server, ids = push_set_up(t, function(req)
    req:body(1 << 20)
    while not req:closed() do task.sleep(0.02) end
  end)
  local new, e = new_commit(store, ids[1]), nil
  local child = core_task.spawn(function()
    local _, why = git.push(store, { url = server.url }, { commit = new, ref = "refs/heads/master", expected = ids[1] })
    e = why
  end)
  core_task.sleep(0.3)
  core_task.cancel(child)
  core_task.join(child)
  t:eq({ e.kind, e.sent }, { "cancelled", true })
end)

test("a tree with .git in it, from a server, is refused by its path", function(t)
  local dir = sample(t, 1)
  local blob = repo.git(dir, "rev-parse", "master:README.md")
  local raw = "100644 .git\0" .. blob:gsub("..", function(h) return string.char(tonumber(h, 16)) end)
  local bad = repo.feed(raw, dir, "hash-object", "-w", "-t", "tree", "--literally", "--stdin")
  raw = "40000 sub\0" .. bad:gsub("..", function(h) return string.char(tonumber(h, 16)) end)
  local outer = repo.feed(raw, dir, "hash-object", "-w", "-t", "tree", "--literally", "--stdin")
  local id = repo.commit(dir, outer, "bad", {}, "refs/heads/master")
  local store = open(t)
  check(git.fetch(store, { url = gitserver.start(t, dir).url }, { commit = id }))
  t:raises("remote", function() check(store:check_tree(outer)) end, 'unsafe name "sub/%.git"')
end)

test("through a CONNECT proxy", function(t)
  local nginx = require("support.nginx")
  local root = t:tmpdir()
  local _, ids = repo.sample(root .. "/a.git", 1)
  local server = nginx.start(t, { root = root, tls = true })
  local proxy = badserver.start(t, "--proxy")
  local store = open(t)
  check(git.fetch(store, { url = server.url .. "/a.git", tls = { ca = server.ca }, proxy = proxy.url }, { commit = ids[1] }))
  t:ok(store:has(ids[1]))
  local deny = badserver.start(t, "--proxy", "--deny")
  t:raises(nil, function()
    check(git.ls_remote({ url = server.url .. "/a.git", tls = { ca = server.ca }, proxy = deny.url }))
  end, "proxy")
end)

test("wrong arguments are told at once", function(t)
  local store = open(t)
  t:raises(nil, function() git.ls_remote({}) end, "either a url or a path")
  t:raises(nil, function() git.ls_remote({ url = "http://x", auth = "text" }) end, "secret expected")
  t:raises(nil, function() git.push(store, { url = "http://127.0.0.1:1" }, {}) end, "commit")
  t:raises(nil, function() git.fetch(store, { path = "/x" }, { commit = "abc" }) end, "no object id")
  t:raises("usage", function() check(git.fetch(store, { path = "/x" }, { into = "refs/heads/x" })) end, "not a place under")
  t:raises("usage", function() check(git.ls_remote({ url = "ftp://x/y" })) end)
end)
