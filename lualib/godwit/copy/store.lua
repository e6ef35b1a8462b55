--- store: the cached bare repository a promotion works in, one per source
--- repository, holding the destinations' histories beside it. Other runs are
--- locked out while it is open, so it is opened late and closed as soon as the
--- push is over; who finds it locked all the same fetches into one of its own.
--- Within a run all jobs of one source share it.

local err = require("godwit.err")
local core_git = require("godwit.core.git")
local fs = require("godwit.core.fs")
local log = require("godwit.log")
local memo = require("godwit.memo")
local places = require("godwit.config.places")
local sys = require("godwit.core.sys")
local task = require("godwit.task")

local M = {}

local PATIENCE = 3 -- seconds another run's lock is waited for

--- Where the store of a repository is. The name is readable; the digest
--- keeps apart what the readable part cannot.
---@param cluster string The cluster's identity.
---@param owner string
---@param name string
---@return string
function M.path(cluster, owner, name)
  local readable = cluster:gsub("^%a+://", ""):gsub("[^%w.-]+", "_")
  local digest = sys.hash("sha256", cluster .. "\n" .. owner .. "\n" .. name)

  return string.format("%s/%s-%s-%s-%s.git", places.cache_dir() .. "/git",
    readable:sub(1, 60), owner, name, digest:sub(1, 12))
end

-- A push of another run may keep it as long as a build takes.
local function open_own(folder)
  local dir = err.check(fs.mktemp(folder, "tmp"))

  return { path = dir, raw = err.check(core_git.open_store(dir)), own = true }
end

local function open(path)
  local started, folder = sys.monotonic(), path:match("^(.*)/")

  fs.mkdir(folder, 448)
  local was_there = fs.stat(path) ~= nil
  while true do
    local store, e = core_git.open_store(path)
    if store then
      return { path = path, raw = store, was_there = was_there }
    end
    e = err.from(e)
    if e.kind ~= "locked" then
      error(e, 0)
    elseif sys.monotonic() - started > PATIENCE then
      log.debug("%s is in use by another run; fetching into a store of our "
        .. "own", path)
      return open_own(folder)
    end
    task.sleep(0.1)
  end
end

local function checked(v, e, ...)
  if v == nil and e ~= nil then
    error(e, 0)
  end
  return v, e, ...
end

--- A store whose methods raise; `raw` is what drivers are given.
local Repo = {}

function Repo.__index(self, name)
  local function method(_, ...)
    return checked(self.raw[name](self.raw, ...))
  end
  rawset(self, name, method)
  return method
end

---@class godwit.copy.Shared
---@field path string
---@field repo table
---@field was_there? boolean
---@field own? boolean It goes with the last that uses it.
---@field users integer
---@field aside? string Where it is since it was thrown away.

local shared = memo.new()

local function share(path)
  return shared:get(path, function()
    local store = open(path)
    store.key, store.users = path, 0
    store.repo = setmetatable({ raw = store.raw }, Repo)
    return store
  end)
end

--- The job's store, opened when it is not. Its methods raise.
---@async
---@param job godwit.copy.Job
---@return table
function M.open(job)
  if not job.store then
    job.store = share(M.path(job.from.id, job.owner, job.name))
    job.store.users = job.store.users + 1
  end
  return job.store.repo
end

local ENOSPC = 28
local SUSPECT = { remote = true, io = true, notfound = true }

--- Whether an error may be of a store that was damaged (a power cut, a full
--- disk) and not of a server: then it is worth trying with an empty one.
---@param job godwit.copy.Job
---@param e godwit.err.Error
---@return boolean
function M.may_be_damaged(job, e)
  local op = e.op or ""
  return job.store ~= nil and job.store.was_there and SUSPECT[e.kind] and not e.retryable
    and op:find("^git%.") ~= nil and op ~= "git.ls_remote"
    and e.status ~= ENOSPC or false
end

--- Throws the store away: all that is in it can be fetched again. Jobs that
--- are at work in it keep what they opened until they close it.
---@async
---@param job godwit.copy.Job
function M.discard(job)
  local store = job.store

  if store and not store.aside then
    -- Out of the way first: nobody finds half of it. A prune finds it there,
    -- should we be killed here.
    local aside = store.path:gsub("%.git$", "") .. "-damaged-"
      .. sys.random_hex(4) .. ".git"
    store.aside = aside
    shared:forget(store.key)
    err.check(fs.rename(store.path, aside))
  end
  M.close(job)
end

--- Lets others have it.
---@param job godwit.copy.Job
function M.close(job)
  local store = job.store

  if not store then
    return
  end
  job.store = nil
  store.users = store.users - 1
  if store.users > 0 then
    return
  end
  store.repo.raw:close()
  if store.aside then
    fs.remove_tree(store.aside)
    return
  end
  shared:forget(store.key)
  if store.own then
    fs.remove_tree(store.path)
  end
end

return M
