local address = require("godwit.cluster.address")
local err = require("godwit.err")
local git = require("godwit.git")
local repository = require("godwit.cluster.repository")
local retry = require("godwit.http.retry")
local tags = require("godwit.cluster.tags")
local task = require("godwit.task")
local version = require("godwit.cluster.version")

--- cluster.http.git: the repositories of a live cluster. Methods of the http
--- driver. A version has a read-only address of its own; where a cluster does
--- not serve it, the commit is taken from the main repository. Code that is
--- kept at a Git host elsewhere is read and written there (repository).
local M = {}
local Git = {}
M.methods = Git

local MASTER = repository.MASTER

-- A server checks the name against the key's owner; where the key must not
-- read data, the owner it acts for is the best guess.
local function git_user(driver, owner)
  return driver.memo:get("git user/" .. owner, function()
    local ok, name = pcall(driver.whoami, driver, owner)
    if ok then
      return name
    elseif not err.is(name, "auth") and not err.is(name, "notfound") then
      error(name, 0)
    end
    return owner
  end)
end

local function own_remote(driver, owner, name, ref)
  local profile = driver.profile
  return {
    url = address.repository(driver.address.git, owner, name, ref),
    auth = driver:key(owner),
    auth_user = git_user(driver, owner),
    auth_scheme = "Basic",
    tls = { ca = profile.ca, cert = profile.cert, cert_key = profile.cert_key,
      insecure = profile.insecure },
    proxy = profile.proxy,
    no_proxy = profile.no_proxy,
    limiter = driver.limiter,
    label = driver.name .. ":" .. owner .. "/" .. name,
  }
end

-- A document that cannot be had says nothing: the repository may be there all
-- the same, and says what is wrong itself.
local function read_document(driver, owner, name)
  local ok, doc = pcall(driver.get_algorithm, driver, owner, name)
  if not ok and not err.is(doc, "notfound") and not err.is(doc, "auth") then
    error(doc, 0)
  end
end

--- Where an algorithm's repository is kept: nil for the cluster itself. Its
--- document says so; when none has passed by yet it is read, but not with
--- `guess`: then the cluster's own is taken until it is known better.
---@async
---@param owner string
---@param name string
---@param guess? boolean
---@return godwit.cluster.Place|nil
function Git:git_place(owner, name, guess)
  local whose = self.name .. ":" .. owner .. "/" .. name
  local place = self.places:get(owner, name, whose)
  if place == nil and not guess then
    read_document(self, owner, name)
    place = self.places:get(owner, name, whose)
  end
  if place then
    repository.check_reach(self, place, whose)
  end
  return place or nil
end

--- The Git remote of an algorithm, or of one of its versions: a host elsewhere
--- has one repository for all.
---@async
---@param owner string
---@param name string
---@param ref? string
---@return table remote
function Git:git_remote(owner, name, ref)
  local place = self:git_place(owner, name)
  if place then
    return repository.remote(self, place, self.name .. ":" .. owner .. "/"
      .. name)
  end
  return own_remote(self, owner, name, ref)
end

-- A list of references is a read: it is asked for again as any other.
local function passing(e)
  return e.retryable and e.kind ~= "timeout"
end

local function list(remote, service)
  return retry.run(function()
    return git.ls_remote(remote, { service = service })
  end, passing)
end

local function list_at(driver, place, remote, service)
  local ok, advert = pcall(list, remote, service)
  if not ok then
    error(repository.explain(driver, place, advert), 0)
  end
  return advert
end

-- Which branch is the default one is told to readers only.
local function external_tip(driver, place, owner, name, service)
  local remote = driver:git_remote(owner, name)
  if service ~= "receive-pack" then
    return repository.tip(list_at(driver, place, remote, "upload-pack"), nil,
      place)
  end
  repository.check_writable(driver, place, "write to " .. remote.label)
  local read, write = table.unpack(task.all({
    function() return list_at(driver, place, remote, "upload-pack") end,
    function() return list_at(driver, place, remote, "receive-pack") end,
  }))
  return repository.tip(read, write, place)
end

local function own_tip(advert)
  local branch = advert.refs[advert.head or MASTER] and advert.head or MASTER
  return { commit = advert.refs[branch], branch = branch,
    advert = advert.advert }
end

--- The tip of the main branch, or of a version's repository. The commit is
--- nil when the repository is empty. `guess`: as for git_place.
---@async
---@param owner string
---@param name string
---@param opts? { version: string?, service: string?, guess: boolean? }
---@return { commit: string?, branch: string, advert: any }
function Git:git_tip(owner, name, opts)
  opts = opts or {}
  local place = self:git_place(owner, name, opts.guess)
  if place and opts.version then
    return { commit = version.commit(self:get_version(owner, name,
      opts.version)), branch = repository.MASTER }
  elseif place then
    return external_tip(self, place, owner, name, opts.service)
  end
  local ok, advert = pcall(list, own_remote(self, owner, name, opts.version),
    opts.service or "upload-pack")
  if ok then
    return own_tip(advert)
  elseif not opts.version or not err.is(advert, "notfound") then
    error(advert, 0)
  end
  local doc = self:get_version(owner, name, opts.version)
  return { commit = version.commit(doc), branch = MASTER }
end

--- The repository's tags: name -> commit.
---@async
---@param owner string
---@param name string
---@return table<string, string>
function Git:git_tags(owner, name)
  local place = self:git_place(owner, name)
  local remote = self:git_remote(owner, name)
  return tags.of(place and list_at(self, place, remote, "upload-pack")
    or list(remote, "upload-pack"))
end

-- From a host: one repository has all commits.
local function fetch_from_host(driver, place, remote, store, how)
  local ok, result = pcall(git.fetch, store, remote, how)
  if ok then
    return result
  end
  error(repository.explain(driver, place, result), 0)
end

--- Fetches a commit (of a version's repository when `version` is given), or
--- what refs name, into the store.
---@async
---@param owner string
---@param name string
---@param store table
---@param opts { commit: string?, refs: string[]?, advert: any, version: string?, progress: function?, into: string? }
---@return { bytes: integer, objects: integer }
function Git:git_fetch(owner, name, store, opts)
  local how = { commit = opts.commit, refs = opts.refs, advert = opts.advert,
    into = opts.into or address.fetched(self.id, owner, name, opts.version),
    progress = opts.progress }
  local place = self:git_place(owner, name)
  local remote = self:git_remote(owner, name, opts.version)
  if place then
    return fetch_from_host(self, place, remote, store, how)
  end
  local ok, result = pcall(git.fetch, store, remote, how)
  if ok then
    return result
  elseif not opts.version or not err.is(result, "notfound") then
    error(result, 0)
  end
  how.advert = nil
  return git.fetch(store, self:git_remote(owner, name), how)
end

return M
