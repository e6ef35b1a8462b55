local err = require("godwit.err")
local fs = require("godwit.core.fs")
local process = require("godwit.core.process")
local sys = require("godwit.core.sys")

--- Bare repositories of an archive, through the git program. An archive may
--- come from anywhere, so nothing in a repository is believed: its layout is
--- checked, its config and HEAD are written anew and hooks are looked for in
--- an empty folder of ours before git sees it for the first time.
local M = {}

local CONFIG = [[
[core]
	repositoryformatversion = 0
	filemode = true
	bare = true
	sharedRepository = 0600
	logAllRefUpdates = false
	hooksPath = %s
[gc]
	auto = 0
[receive]
	denyNonFastForwards = true
	denyDeleteCurrent = refuse
	autogc = false
	advertisePushOptions = false
[http]
	receivepack = true
	uploadpack = true
[uploadpack]
	allowFilter = false
	hideRefs = refs/godwit
[transfer]
	fsckObjects = false
]]

local ENTRIES = {
  HEAD = "file", config = "file", description = "file",
  ["packed-refs"] = "file", objects = "dir", refs = "dir", info = "dir",
  hooks = "dir", branches = "dir", logs = "dir", ["FETCH_HEAD"] = "file",
}

--- The environment every git of ours runs in: no file of the user's or the
--- system's configuration, no prompt, no credential helper.
---@param more? table<string, string>
function M.env(more)
  local env = {
    PATH = sys.env("PATH") or "/usr/bin:/bin",
    HOME = "/nonexistent",
    LC_ALL = "C",
    GIT_CONFIG_GLOBAL = "/dev/null",
    GIT_CONFIG_NOSYSTEM = "1",
    GIT_CONFIG_COUNT = "1",
    GIT_CONFIG_KEY_0 = "safe.directory",
    GIT_CONFIG_VALUE_0 = "*",
    GIT_TERMINAL_PROMPT = "0",
    GIT_NO_REPLACE_OBJECTS = "1",
    GIT_ATTR_NOSYSTEM = "1",
    TMPDIR = sys.env("TMPDIR"),
  }
  for k, v in pairs(more or {}) do env[k] = v end
  return env
end

local function read_all(p, method)
  local parts = {}
  while true do
    local chunk = p[method](p)
    if not chunk then return table.concat(parts) end
    parts[#parts + 1] = chunk
  end
end

--- Runs git to its end.
---@async
---@param args string[]
---@param opts? {stdin?: string, env?: table<string, string>}
---@return integer code, string out, string errors
function M.run(args, opts)
  opts = opts or {}
  local argv = { "git" }
  for _, a in ipairs(args) do argv[#argv + 1] = a end
  local p <close> = err.check(process.start({
    argv = argv, env = M.env(opts.env), stdin = opts.stdin ~= nil, stdout = true,
    stderr = true,
  }))
  if opts.stdin then
    p:write(opts.stdin) -- a child that ended early says why in its code
    p:close_stdin()
  end
  local out = read_all(p, "read")
  local errors = read_all(p, "read_err")
  return p:wait(), out, errors
end

local function git(repo, args, opts)
  local argv = { "--git-dir=" .. repo }
  for _, a in ipairs(args) do argv[#argv + 1] = a end
  return M.run(argv, opts)
end

local function refuse(repo, fmt, ...)
  err.throw("remote", "the repository %s is not served: " .. fmt,
    repo:match("([^/]+/[^/]+)$") or repo, ...)
end

local function refuse_links(repo, dir, depth)
  for _, e in ipairs(fs.list(dir) or {}) do
    local path = dir .. "/" .. e.name
    if e.type == "dir" then
      if depth > 60 then refuse(repo, "its folders are too deep") end
      refuse_links(repo, path, depth + 1)
    elseif e.type ~= "file" then
      refuse(repo, "%s is not a plain file", path:sub(#repo + 2))
    end
  end
end

--- Makes a repository of unknown origin safe to run git on, or refuses it.
---@async
---@param repo string Its folder.
---@param hooks string An empty folder of ours.
function M.secure(repo, hooks)
  for _, e in ipairs(err.check(fs.list(repo))) do
    local want = ENTRIES[e.name]
    if want and e.type ~= want then
      refuse(repo, "%s is not a plain %s", e.name, want)
    elseif e.name == "commondir" or e.name == "gitdir"
      or e.name == "config.worktree" or e.name == "shallow"
      or e.name == "worktrees" or e.name == "modules" then
      refuse(repo, "it has a %s", e.name)
    end
  end
  refuse_links(repo, repo .. "/objects", 1)
  refuse_links(repo, repo .. "/refs", 1)
  for _, name in ipairs({ "objects/info/alternates",
    "objects/info/http-alternates", "info/grafts" }) do
    if fs.stat(repo .. "/" .. name) then refuse(repo, "it has %s", name) end
  end
  err.check(fs.write(repo .. "/config", CONFIG:format(hooks), 384))
  err.check(fs.write(repo .. "/HEAD", "ref: refs/heads/master\n", 384))
end

--- Lays out an empty bare repository.
---@async
function M.init(repo, hooks)
  for _, dir in ipairs({ "/objects/info", "/objects/pack", "/refs/heads",
    "/refs/tags" }) do
    err.check(fs.mkdir(repo .. dir, 448))
  end
  err.check(fs.write(repo .. "/config", CONFIG:format(hooks), 384))
  err.check(fs.write(repo .. "/HEAD", "ref: refs/heads/master\n", 384))
end

--- The commit a ref points to, read without starting git.
---@param repo string
---@param ref? string Default refs/heads/master.
---@return string|nil
function M.head(repo, ref)
  ref = ref or "refs/heads/master"
  local text = fs.read(repo .. "/" .. ref, 256)
  local oid = text and text:match("^(" .. ("%x"):rep(40) .. ")%s*$")
  if oid then return oid end
  local packed = fs.read(repo .. "/packed-refs", 64 << 20)
  for line in (packed or ""):gmatch("[^\n]+") do
    local id, name = line:match("^(%x+) (.+)$")
    if name == ref and #id == 40 then return id end
  end
  return nil
end

--- A file's text in a commit, or nil.
---@async
function M.read(repo, commit, path, max)
  local code, out = git(repo, { "cat-file", "blob", commit .. ":" .. path })
  if code ~= 0 or #out > (max or 1 << 20) then return nil end
  return out
end

--- The object ids of some paths in a commit: path -> id.
---@async
function M.ids(repo, commit, paths)
  local args = { "ls-tree", "-z", commit, "--" }
  for _, p in ipairs(paths) do args[#args + 1] = p end
  local code, out = git(repo, args)
  local ids = {}
  if code == 0 then
    for mode, id, path in out:gmatch("(%d+) %l+ (%x+)\t([^\0]+)\0") do
      if mode ~= "040000" and mode ~= "160000" then ids[path] = id end
    end
  end
  return ids
end

--- True if the repository holds this commit.
---@async
function M.has(repo, commit)
  local code, out = git(repo, { "cat-file", "-t", commit })
  return code == 0 and out == "commit\n"
end

--- The commits from since to until, both included, newest first.
---@async
---@return {id: string, short_message: string, message: string,
---  author: string}[]|nil
function M.log(repo, since, until_)
  local args = { "log", "-z", "--max-count=1000",
    "--format=%H%x01%s%x01%B%x01%an <%ae>", until_ or "refs/heads/master" }
  if since then
    if git(repo, { "rev-parse", "--verify", "-q", since .. "^" }) == 0 then
      args[#args + 1] = "^" .. since .. "^"
    end
  end
  args[#args + 1] = "--"
  local code, out = git(repo, args)
  if code ~= 0 then return nil end
  local commits = {}
  for entry in out:gmatch("([^\0]+)") do
    local id, short, message, author =
      entry:match("^\n?(%x+)\1(.-)\1(.-)\n*\1(.-)\n?$")
    if id then
      commits[#commits + 1] = { id = id, short_message = short,
        message = message, author = author }
    end
  end
  return commits
end

local function quote(path)
  if not path:find('[%c"\\]') then return path end
  return '"' .. path:gsub('[%c"\\]', function(c)
    return ("\\%03o"):format(c:byte())
  end) .. '"'
end

local function block(out, text)
  out[#out + 1] = ("data %d\n"):format(#text)
  out[#out + 1] = text
  out[#out + 1] = "\n"
end

local function ident(who, time)
  local function plain(s) return (s:gsub("[<>%c]", "")) end
  return ("%s <%s> %d +0000\n"):format(plain(who.name), plain(who.email),
    math.floor(time))
end

--- Adds commits to a repository, each a change of its predecessor's tree.
---@async
---@param commits {message: string, author: table, time: number,
---  files: {path: string, data?: string, mode?: string, remove?: boolean}[],
---  ref?: string}[]
function M.commit(repo, commits)
  local out, started = {}, {}
  for _, c in ipairs(commits) do
    local ref = c.ref or "refs/heads/master"
    out[#out + 1] = "commit " .. ref .. "\n"
    out[#out + 1] = "author " .. ident(c.author, c.time)
    out[#out + 1] = "committer " .. ident(c.author, c.time)
    block(out, c.message)
    local from = not started[ref] and (c.from or M.head(repo, ref))
    if from then out[#out + 1] = "from " .. from .. "\n" end
    started[ref] = true
    for _, f in ipairs(c.files) do
      if f.remove then
        out[#out + 1] = "D " .. quote(f.path) .. "\n"
      else
        out[#out + 1] = ("M %s inline %s\n"):format(f.mode or "100644",
          quote(f.path))
        block(out, f.data)
      end
    end
    out[#out + 1] = "\n"
  end
  out[#out + 1] = "done\n"
  local code, _, errors = git(repo,
    { "fast-import", "--quiet", "--done", "--date-format=raw" },
    { stdin = table.concat(out) })
  if code ~= 0 then
    err.throw("io", "git fast-import failed: %s",
      (errors:match("[^\n]+") or "no message"))
  end
end

-- How git reaches a host: its credential in the environment of that one
-- program, not among its arguments and in no file.
local function http_env(host)
  local env, n = { GIT_ALLOW_PROTOCOL = "http:https" }, 1
  local function set(key, value)
    env["GIT_CONFIG_KEY_" .. n], env["GIT_CONFIG_VALUE_" .. n] = key, value
    n = n + 1
    env.GIT_CONFIG_COUNT = tostring(n)
  end
  set("http.followRedirects", "false")
  set("http.lowSpeedLimit", "1")
  set("http.lowSpeedTime", "60")
  if host.ca then set("http.sslCAInfo", host.ca) end
  if host.key then
    set("http.extraHeader", "Authorization: Basic " .. sys.base64(
      (host.user or "git") .. ":" .. host.key))
  end
  return env
end

---@class godwit.cluster.GitHost
---@field url string
---@field host {user: string?, key: string?, ca: string?}

--- The head of a host's default branch and that branch; nil when the
--- repository is empty, and why it cannot be told.
---@async
---@param at godwit.cluster.GitHost
---@return string|nil head, string|nil branch, string|nil why
function M.remote_head(at)
  local code, out, errors = M.run({ "ls-remote", "--symref", "--", at.url,
    "HEAD" }, { env = http_env(at.host) })
  if code ~= 0 then
    return nil, nil, errors:match("[^\r\n]+") or "no message"
  end
  return out:match("(%x+)\tHEAD"), out:match("ref: (refs/heads/%S+)\tHEAD")
end

--- Makes a host's default branch our master, whatever was there.
---@async
---@param repo string
---@param at godwit.cluster.GitHost
---@return integer code, string errors
function M.fetch_head(repo, at)
  local code, _, errors = git(repo, { "fetch", "--quiet", "--no-tags",
    "--no-write-fetch-head", "--", at.url, "+HEAD:refs/heads/master" },
    { env = http_env(at.host) })
  return code, errors
end

--- Pushes our master to a host's branch.
---@async
---@param repo string
---@param at godwit.cluster.GitHost
---@param branch string
---@return integer code, string errors
function M.push_head(repo, at, branch)
  local code, _, errors = git(repo, { "push", "--quiet", "--", at.url,
    "refs/heads/master:" .. branch }, { env = http_env(at.host) })
  return code, errors
end

--- A read-only view of one commit: a tiny repository whose objects are
--- another's and whose HEAD and master are that commit.
---@async
---@param view string Its folder; made if it is not there.
---@param repo string The absolute folder of the repository with the objects.
function M.view(view, repo, commit, hooks)
  if fs.stat(view .. "/HEAD") then return end
  local tmp = view .. ".new-" .. sys.random_hex(6)
  M.init(tmp, hooks)
  err.check(fs.write(tmp .. "/objects/info/alternates",
    repo .. "/objects\n", 384))
  err.check(fs.write(tmp .. "/refs/heads/master", commit .. "\n", 384))
  if not fs.rename(tmp, view) then -- somebody else was faster
    fs.remove_tree(tmp)
  end
end

return M
