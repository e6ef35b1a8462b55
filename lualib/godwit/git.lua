--- git: remotes, their references, stores, fetch and push. All functions wait
--- and raise.
local core = require("godwit.core.git")
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local http = require("godwit.core.http")
local methods = require("godwit.methods")
local places = require("godwit.config.places")
local task = require("godwit.task")
local tree = require("godwit.tree")
local tree_glob = require("godwit.tree.glob")

local M = {}

--- Who makes the commits of godwit. Fixed: a commit's id must not depend on
--- who runs it or where.
M.COMMITTER = { name = "godwit", email = "godwit@localhost" }

local PATIENCE = 10 -- seconds that another run's lock is waited for
-- Workers one cluster may have at most; the pool has several times as many
-- (runtime/host.c), so that one that answers slowly leaves the others theirs.
local SHARE = 64
local PRIVATE = 448 -- 0700

--- Repositories on this machine that the library handed out. A script cannot
--- name others: it has no files.
local ours = setmetatable({}, { __mode = "k" })
--- The cluster's limiter of a remote that was handed out: who holds it could
--- change it for everybody.
local limiters = setmetatable({}, { __mode = "k" })
--- Folders that go with their store; not a field, which anybody could set.
local temporary = setmetatable({}, { __mode = "k" })

---@class godwit.git.Remote
---@field url? string
---@field path? string A bare repository on this machine instead of a url.
---@field auth? any A secret.
---@field auth_user? string
---@field auth_scheme? string Default "Basic".
---@field tls? table ca, cert, cert_key, insecure
---@field proxy? string
---@field no_proxy? string
---@field limiter? godwit.Limiter Whose permit each call takes first.

--- Describes a repository; nothing is asked yet. A secret goes into a header,
--- never into the address; as the user name of Basic stands the one in the
--- address, `opts.user`, or "git".
---@param url string
---@param secret? any
---@param opts? { user: string?, scheme: string?, tls: table?, proxy: string?, no_proxy: string? }
---@return godwit.git.Remote
function M.remote(url, secret, opts)
  if type(url) ~= "string" then
    err.throw("usage", "git.remote: the address is a text, not a %s",
      type(url))
  end
  opts = opts or {}
  local parts = err.check(http.url.parse(url))
  return {
    url = url,
    auth = secret,
    auth_scheme = secret and (opts.scheme or "Basic") or nil,
    auth_user = secret and (opts.user or parts.user or "git") or nil,
    tls = opts.tls,
    proxy = opts.proxy,
    no_proxy = opts.no_proxy,
  }
end

--- Lets a script use a remote on this machine. For the library.
---@param remote godwit.git.Remote
---@param cluster table The driver it belongs to, for --allow-write.
---@return godwit.git.Remote
function M._trust(remote, cluster)
  ours[remote] = remote.path and { path = remote.path, cluster = cluster }
  limiters[remote], remote.limiter = remote.limiter, nil
  return remote
end

-- A copy that no metatable speaks for and nobody changes while it is used.
local function plain(remote)
  local copy = {}
  for name, value in next, remote do
    copy[name] = value
  end
  return copy
end

local function limiter_of(remote)
  return limiters[remote] or rawget(remote, "limiter")
end

local function is_ours(given, path)
  return ours[given] ~= nil and ours[given].path == path
end

--- A permit of the remote's limiter is taken here, on the loop, before a
--- worker is: no worker ever waits for one. `call(remote, give_back)` may give
--- it back before its end.
---@async
local function with_permit(given, call)
  local remote = plain(given)
  local limiter = limiter_of(given)
  if remote.path and not is_ours(given, remote.path) then
    err.throw("denied", "a repository on this machine is reached through its cluster only, not as %s",
      tostring(remote.path))
  end
  local function attempt(give_back)
    local value, e = call(remote, give_back)
    if not value and err.is(e) and remote.url and not e.url then
      e.method, e.url = "git", remote.url
    end
    return value, e
  end
  if not limiter then return err.check(attempt()) end
  local permit, held = limiter:acquire(), true
  local function give_back()
    if held then
      held = false
      limiter:release(permit, "none")
    end
  end
  local ok, value, e = pcall(attempt, give_back)
  local busy = e and (e.status == 429 or e.status == 503)
  if busy and e.retry_after then limiter:pause(e.retry_after) end
  if busy and held then
    held = false
    limiter:release(permit, "busy")
  end
  give_back()
  if not ok then error(value, 0) end
  return err.check(value, e)
end

local shares = setmetatable({}, { __mode = "k" })

--- The same for what needs a worker.
---@async
local function with_worker(given, call)
  local limiter = limiter_of(given)
  if not limiter then return with_permit(given, call) end
  shares[limiter] = shares[limiter] or task.semaphore(SHARE)
  return shares[limiter]:with(with_permit, given, call)
end

--- The branches and tags: { refs = { [name] = id }, peeled = { [name] = what an
--- annotated tag names }, head = "refs/heads/master", caps, advert }. `advert` can be given to one fetch or push, which then does
--- not ask again.
---@async
---@param remote godwit.git.Remote
---@param opts? { service: "upload-pack"|"receive-pack"?, stall: number?, timeout: number? }
---@return { refs: table<string, string>, peeled: table<string, string>, head: string?, head_id: string?, caps: table, advert: any }
function M.ls_remote(remote, opts)
  return with_permit(remote, function(r) return core.ls_remote(r, opts or {}) end)
end

---@class godwit.git.Store
---@field core any
local Store = {}
Store.__index = methods.of(Store)
Store.__name = "git.store"

--- Methods that wait and raise; see the C binding for what they take.
for _, name in ipairs({ "commit", "has", "contains", "history", "entries", "blob", "read", "edit", "diff",
  "scan", "check_tree", "make_commit", "write_blob", "ref", "set_ref", "delete_ref", "head", "set_head" }) do
  Store[name] = function(self, ...)
    local value, e = self.core[name](self.core, ...)
    if value == nil and e then error(e, 0) end
    return value
  end
end

--- The folder it is in.
---@return string
function Store:path()
  return self.core:path()
end

--- The tree of a commit, to read and edit.
---@async
---@param commit string
---@return godwit.Tree
function Store:tree(commit)
  return tree.open(self.core, self:commit(commit).tree)
end

--- Merges in memory what `ours` and `theirs` did since `base` (ids of trees;
--- nil: the empty one). Returns the merged tree, or nil and the files where
--- both did something: what each did is "added", "deleted", "changed", "mode",
--- "none", or what it was turned into: "link", "file", "submodule". Renames are
--- not guessed: they are a file less and a file more.
---@async
---@param base string?
---@param ours string
---@param theirs string
---@return string? tree
---@return { path: string, ours: string, theirs: string, binary: boolean }[]? conflicts
function Store:merge(base, ours, theirs)
  local merged, conflicts = self.core:merge(base, ours, theirs)
  if merged == nil then error(conflicts, 0) end
  return merged or nil, conflicts
end

--- Gives the lock back; also at the end of a `<close>` variable.
function Store:close()
  self.core:close()
  if temporary[self] then fs.remove_tree(temporary[self]) end
  temporary[self] = nil
end
Store.__close = Store.close

--- Opens a bare repository, made if it is missing; ours alone until it is
--- closed. Waits a while for another run's lock, then raises `locked`.
---@async
---@param path string
---@param opts? { create: boolean?, lock: boolean?, wait: number? }
---@return godwit.git.Store
function M.open_store(path, opts)
  opts = opts or {}
  local left = opts.wait or PATIENCE
  while true do
    local store, e = core.open_store(path, { create = opts.create, lock = opts.lock })
    if store then return setmetatable({ core = store }, Store) end
    if not err.is(e, "locked") or left <= 0 then error(e, 0) end
    task.sleep(0.1)
    left = left - 0.1
  end
end

--- A store for a while: gone when it is closed. `local s <close> = git.store()`.
---@async
---@return godwit.git.Store
function M.store()
  local base = places.cache_dir() .. "/git"
  err.check(fs.mkdir(base, PRIVATE))
  local dir = err.check(fs.mktemp(base, "tmp"))
  local store = M.open_store(dir)
  temporary[store] = dir
  return store
end

local function core_of(store)
  return type(store) == "table" and store.core or store
end

---@class godwit.git.FetchOpts
---@field commit? string Fetched unless the store has it.
---@field refs? string[] Full names of branches and tags; default: what holds the commit, else all.
---@field into? string Where they are kept: "refs/godwit/KEY".
---@field advert? any
---@field progress? fun(p: table) { objects, total, bytes_up, bytes_down, sent } or { message }
---@field stall? number Seconds without a byte. Default 60.
---@field timeout? number Seconds for the whole. Default: none.
---@field max_bytes? integer Default 4 GiB.

--- Fetches into a store.
---@async
---@param store godwit.git.Store|any
---@param remote godwit.git.Remote
---@param opts godwit.git.FetchOpts
---@return { bytes: integer, objects: integer }
function M.fetch(store, remote, opts)
  return with_worker(remote, function(r) return core.fetch(core_of(store), r, opts) end)
end

-- From its last byte on a push waits for the build: others may use its permit.
local function freeing(opts, give_back)
  local copy = plain(opts)
  function copy.progress(news)
    if news.sent then give_back() end
    if opts.progress then opts.progress(news) end
  end
  return copy
end

---@class godwit.git.PushOpts
---@field commit string
---@field ref string "refs/heads/master"
---@field expected? string The tip it must have; nil: it must not exist.
---@field advert? any
---@field progress? fun(p: table)
---@field stall? number
---@field build_timeout? number Seconds for the server's work after the last byte. Default 1800.

--- Pushes one commit to one ref. Raises `conflict` when the ref is not at
--- `expected`; with `e.sent` the server may have taken it all the same. In
--- plan mode it is only remembered.
---@async
---@param store godwit.git.Store|any
---@param remote godwit.git.Remote
---@param opts godwit.git.PushOpts
---@return { messages: string[], bytes: integer }
function M.push(store, remote, opts)
  local effect = require("godwit.effect")
  local given = remote
  remote = plain(given)
  local target = tostring(remote.url or remote.path) .. " " .. tostring(opts.ref)
  return effect.script("git.push", target, function()
    -- The host knows a network's origins only.
    if is_ours(given, remote.path) and not effect.may_write(ours[given].cluster) then
      err.throw("denied", "git.push to %s is a write, and this script may not write there; "
        .. "add --allow-write %s, or -n to see what it would do", target, ours[given].cluster.name)
    end
    return with_worker(given, function(r, give_back)
      return core.push(core_of(store), r, give_back and freeing(opts, give_back) or opts)
    end)
  end, { commit = opts.commit, expected = opts.expected })
end

local function matching(refs, globs)
  local names = {}
  for name in pairs(refs) do
    for _, glob in ipairs(globs) do
      if tree_glob.matcher(glob)(name:gsub("^refs/", "")) then
        names[#names + 1] = name
        break
      end
    end
  end
  table.sort(names)
  return names
end

-- What the destination has. In a plan a repository that is not there may be one
-- that the script would have made: it has nothing then.
local function destination(to)
  local ok, there = pcall(M.ls_remote, to, { service = "receive-pack" })
  if ok then return there end
  if require("godwit.effect").mode == "plan" and err.is(there, "notfound") then
    return { refs = {} }
  end
  error(there, 0)
end

--- Copies branches and tags that the destination lacks or has older. Nothing
--- is deleted there and nothing overwritten: what is not a step forward raises
--- `conflict`.
---@async
---@param from godwit.git.Remote
---@param to godwit.git.Remote
---@param opts? { refs: string[]? } Default: { "heads/**", "tags/**" }
---@return { outcome: "created"|"updated"|"unchanged", refs: integer }
function M.copy(from, to, opts)
  local source = M.ls_remote(from)
  local there = destination(to)
  local names, done = {}, "created"
  for _, name in ipairs(matching(source.refs, opts and opts.refs or { "heads/**", "tags/**" })) do
    if there.refs[name] ~= source.refs[name] then names[#names + 1] = name end
  end
  if #names == 0 then return { outcome = "unchanged", refs = 0 } end
  local store <close> = M.store()
  M.fetch(store, from, { refs = names, advert = source.advert })
  for _, name in ipairs(names) do
    local old = there.refs[name]
    if old then M.fetch(store, to, { commit = old }) end
    M.push(store, to, { commit = source.refs[name], ref = name, expected = old })
  end
  if next(there.refs) then done = "updated" end
  return { outcome = done, refs = #names }
end

return M
