-- Planning: what reads is done, what writes never leaves the process. A file of
-- its own, because plan mode cannot be left again.
local effect = require("godwit.effect")
local git = require("godwit.git")
local gitserver = require("support.gitserver")
local repo = require("support.gitrepo")
local core = require("godwit.core.git")

test("plan mode fetches and does not push", function(t)
  local dir, ids = repo.sample(t:tmpdir() .. "/a.git", 2)
  local server = gitserver.start(t, dir)
  local remote = git.remote(server.url)
  local store <close> = git.open_store(t:tmpdir() .. "/store.git")
  effect.plan()

  git.fetch(store, remote, { commit = ids[2] })
  local opts = { commit = ids[2], ref = "refs/heads/new" }
  git.push(store, remote, opts)
  t:eq(effect.planned[#effect.planned].kind, "git.push")
  t:eq(#server.log, 2)

  -- The host refuses, too, whatever is above it.
  local none, e = core.push(store.core, remote, opts)
  t:no(none)
  t:eq({ e.kind, e.sent }, { "denied", false })
  none, e = core.push(store.core, { path = dir }, opts)
  t:no(none)
  t:eq(e.kind, "denied")
  t:eq(repo.git(dir, "branch", "--list", "new"), "")
  for _, line in ipairs(server.log) do
    t:no(line:find("receive%-pack$"))
  end
end)
