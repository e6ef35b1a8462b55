--- external: a Git host of a test (nginx with git http-backend, Basic
--- authentication) that keeps algorithms of the sandboxes, and tells them of
--- pushes by webhooks that come late.
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local http = require("godwit.core.http")
local json = require("godwit.core.json")
local nginx = require("support.nginx")
local repo = require("support.gitrepo")
local task = require("godwit.task")
local webhook = require("godwit.sandbox.webhook")

local M = {}
local Host = {}
Host.__index = Host

M.USER, M.PASSWORD = "bot", nginx.password

--- Starts a host with an empty folder of repositories. open: without a
--- password.
---@async
function M.start(t, opts)
  opts = opts or {}
  local root = t:tmpdir() .. "/repositories"
  err.check(fs.mkdir(root, 448))
  local server = nginx.start(t, { root = root,
    user = not opts.open and M.USER or nil })
  return setmetatable({ root = root, server = server, origin = server.origin,
    web = server.url }, Host)
end

--- A repository's folder: "acme/hello".
function Host:dir(name)
  return ("%s/%s.git"):format(self.root, name)
end

function Host:url(name)
  return ("%s/%s.git"):format(self.web, name)
end

-- A push tells everybody in the file `webhooks`, which may still be written
-- when it comes.
local HOOK = [[#!/bin/sh
while read old new ref; do
  (
    sleep %s
    n=0
    while [ ! -f webhooks ] && [ $n -lt 150 ]; do sleep 0.2; n=$((n+1)); done
    body="{\"ref\":\"$ref\",\"before\":\"$old\",\"after\":\"$new\"}"
    while read url secret; do
      sig=$(printf %%s "$body" | openssl dgst -sha256 -hmac "$secret" -r | cut -d' ' -f1)
      curl -s -m 20 -X POST -H "X-Hub-Signature-256: sha256=$sig" \
        -H "Content-Type: application/json" -d "$body" "$url"
    done < webhooks
  ) >/dev/null 2>&1 </dev/null &
done
]]

--- Makes an empty repository. opts: branch (the default one), late (seconds
--- until the webhook comes), silent (it never does).
---@async
function Host:make(name, opts)
  opts = opts or {}
  local dir = self:dir(name)
  err.check(fs.mkdir(dir:match("^(.*)/"), 448))
  repo.bare(dir)
  self.branches = self.branches or {}
  self.branches[name] = opts.branch or "main"
  repo.git(dir, "symbolic-ref", "HEAD", "refs/heads/" .. self.branches[name])
  fs.remove_tree(dir .. "/hooks")
  err.check(fs.mkdir(dir .. "/hooks", 448))
  if not opts.silent then
    err.check(fs.write(dir .. "/hooks/post-receive",
      HOOK:format(opts.late or 0.3), 448))
  end
  return dir
end

--- The head of the default branch, or nil.
---@async
function Host:head(name)
  local out, code = repo.run({ "git", "-C", self:dir(name), "rev-parse", "-q",
    "--verify", "HEAD" }, { any = true })
  return code == 0 and out:gsub("%s", "") or nil
end

local clock = 1600000000

--- Commits edits ({path=, data=} or {path=, remove=true}) to the default
--- branch, at the host itself: no hook runs.
---@async
function Host:commit(name, edits, message)
  local dir, index = self:dir(name), self.root .. "/index"
  local parent = self:head(name)
  clock = clock + 60
  local when = ("%d +0200"):format(clock)
  local env = repo.env({ GIT_INDEX_FILE = index, GIT_AUTHOR_DATE = when,
    GIT_COMMITTER_DATE = when })
  local function git(words, stdin)
    return (repo.run({ "git", "-C", dir, table.unpack(words) },
      { env = env, stdin = stdin }):gsub("%s+$", ""))
  end
  os.remove(index)
  if parent then git({ "read-tree", parent }) end
  for _, e in ipairs(edits) do
    if e.remove then
      git({ "update-index", "--force-remove", e.path })
    else
      git({ "update-index", "--add", "--cacheinfo", ("%s,%s,%s"):format(
        e.mode or "100644", git({ "hash-object", "-w", "--stdin" }, e.data),
        e.path) })
    end
  end
  local words = { "commit-tree", git({ "write-tree" }), "-m",
    message or "Change " .. edits[1].path }
  if parent then
    table.move({ "-p", parent }, 1, 2, #words + 1, words)
  end
  local id = git(words)
  git({ "update-ref", "refs/heads/" .. self.branches[name], id })
  return id
end

--- path -> text of the head's files.
---@async
function Host:files(name)
  local files, dir = {}, self:dir(name)
  for line in repo.git(dir, "ls-tree", "-r", "--name-only", "HEAD")
    :gmatch("[^\n]+") do
    files[line] = repo.run({ "git", "-C", dir, "cat-file", "blob",
      "HEAD:" .. line })
  end
  return files
end

--- One field of the newest commits, newest first.
---@async
function Host:log(name, format)
  local out = {}
  for line in repo.git(self:dir(name), "log", "--format=" .. format, "HEAD")
    :gmatch("[^\n]+") do
    out[#out + 1] = line
  end
  return out
end

-- Clusters ---------------------------------------------------------------

local function change(path, fn)
  local doc = err.check(json.decode(err.check(fs.read(path, 1 << 22))))
  fn(doc)
  err.check(fs.write(path, json.encode(doc), 384))
end

--- Makes the host an SCM of a box that is served, with the id given.
function Host:connect(box, id, opts)
  opts = opts or {}
  change(box.dir .. "/scms.json", function(list)
    list[#list + 1] = { id = id, provider = opts.provider or "github",
      name = "Host " .. id, enabled = true, default = false,
      urls = { web = self.web, api = self.web, ssh = "ssh://git@h" } }
  end)
  if opts.unauthorized then return end
  change(box.dir .. "/keys.json", function(doc)
    doc.hosts = doc.hosts or {}
    doc.hosts[self.origin] = { user = M.USER, key = M.PASSWORD,
      account = "acme" }
  end)
end

--- Says where pushes to a repository are told: the algorithm's webhook.
---@async
function Host:tell(name, box, ref)
  local owner, algorithm = ref:match("^(.-)/(.*)$")
  local status = box:driver():get_scm_status(owner, algorithm)
  local path = self:dir(name) .. "/webhooks"
  local line = status.repository_webhook_url .. " "
    .. status.repository_webhook_secret .. "\n"
  err.check(fs.write(path, (fs.read(path, 65536) or "") .. line, 384))
end

--- Calls the webhook of an algorithm; returns the status.
---@async
function Host:notify(box, ref, payload)
  local owner, algorithm = ref:match("^(.-)/(.*)$")
  local status = box:driver():get_scm_status(owner, algorithm)
  local text = json.encode(payload)
  local r = err.check(http.send({ method = "POST",
    url = status.repository_webhook_url, body = text, headers = {
      ["X-Hub-Signature-256"] = "sha256=" .. webhook.hmac(
        status.repository_webhook_secret, text) } }))
  return r.status, r.body
end

--- Creates an algorithm whose code is in a repository of the host.
---@async
function Host:create(box, id, ref, name, opts)
  opts = opts or {}
  local owner, algorithm = ref:match("^(.-)/(.*)$")
  local env = err.check(json.decode(fs.read(box.dir .. "/environments.json",
    1 << 20)))[1].id
  local repo_owner, repo_name = name:match("^(.*)/(.-)$")
  local doc = box:driver():create_algorithm(owner, { name = algorithm,
    details = { label = algorithm }, settings = { source_visibility = "closed",
      license = "apl", network_access = "full", pipeline_enabled = true,
      algorithm_environment = env },
    version_info = { sample_input = '"world"' },
    source = { scm = id, repository_owner = repo_owner,
      repository_name = repo_name } })
  if not opts.silent then self:tell(name, box, ref) end
  return doc
end

--- Waits until a commit of an algorithm is built.
---@async
function M.built(box, ref, commit)
  local owner, algorithm = ref:match("^(.-)/(.*)$")
  for _ = 1, 600 do
    local b = box:driver():each_build(owner, algorithm)()
    if b and b.commit_sha == commit and b.status ~= "in-progress" then
      return b
    end
    task.sleep(0.05)
  end
  error("no build of " .. commit)
end

--- Commits and has it built through the webhook.
---@async
function Host:release(box, ref, name, edits, message)
  local commit = self:commit(name, edits, message)
  self:notify(box, ref, { ref = "refs/heads/" .. self.branches[name],
    after = commit })
  M.built(box, ref, commit)
  return commit
end

-- Configuration ----------------------------------------------------------

--- The line `hosts` of a profile.
function M.hosts(list)
  local lines = {}
  for _, host in ipairs(list) do
    lines[#lines + 1] = ("[%q] = { user = %q, key = env %q }"):format(
      host.origin, M.USER, "HOST_TOKEN")
  end
  return "hosts = { " .. table.concat(lines, ", ") .. " }"
end

M.ENV = { HOST_TOKEN = M.PASSWORD }

return M
