local address = require("godwit.cluster.address")
local err = require("godwit.err")
local git = require("godwit.git")
local retry = require("godwit.http.retry")
local version = require("godwit.cluster.version")

--- cluster.http_git: the repositories of a live cluster. Methods of the http
--- driver. A version has a read-only address of its own; where a cluster does
--- not serve it, the commit is taken from the main repository.
local M = {}
local Git = {}
M.methods = Git

local MASTER = "refs/heads/master"

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

--- The Git remote of an algorithm, or of one of its versions.
---@async
---@param owner string
---@param name string
---@param ref? string
---@return table remote
function Git:git_remote(owner, name, ref)
  local profile = self.profile
  return {
    url = address.repository(self.address.git, owner, name, ref),
    auth = self:key(owner),
    auth_user = git_user(self, owner),
    auth_scheme = "Basic",
    tls = { ca = profile.ca, cert = profile.cert, cert_key = profile.cert_key,
      insecure = profile.insecure },
    proxy = profile.proxy,
    no_proxy = profile.no_proxy,
    limiter = self.limiter,
    label = self.name .. ":" .. owner .. "/" .. name,
  }
end

local function tip_of(advert)
  local branch = advert.refs[advert.head or MASTER] and advert.head or MASTER
  return { commit = advert.refs[branch], branch = branch,
    advert = advert.advert }
end

-- A list of references is a read: it is asked for again as any other.
local function passing(e)
  return e.retryable and e.kind ~= "timeout"
end

--- The tip of the main branch, or of a version's repository. The commit is
--- nil when the repository is empty.
---@async
---@param owner string
---@param name string
---@param opts? { version: string?, service: string? }
---@return { commit: string?, branch: string, advert: any }
function Git:git_tip(owner, name, opts)
  opts = opts or {}
  local remote = self:git_remote(owner, name, opts.version)
  local ok, advert = pcall(retry.run, function()
    return git.ls_remote(remote, { service = opts.service or "upload-pack" })
  end, passing)
  if ok then
    return tip_of(advert)
  elseif not opts.version or not err.is(advert, "notfound") then
    error(advert, 0)
  end
  local doc = self:get_version(owner, name, opts.version)
  return { commit = version.commit(doc), branch = MASTER }
end

--- Fetches a commit (of a version's repository when `version` is given) into
--- the store.
---@async
---@param owner string
---@param name string
---@param store table
---@param opts { commit: string?, advert: any, version: string?, progress: function?, into: string? }
---@return { bytes: integer, objects: integer }
function Git:git_fetch(owner, name, store, opts)
  local how = { commit = opts.commit, advert = opts.advert,
    into = opts.into or address.fetched(self.id, owner, name, opts.version),
    progress = opts.progress }
  local ok, result = pcall(git.fetch, store,
    self:git_remote(owner, name, opts.version), how)
  if ok then
    return result
  elseif not opts.version or not err.is(result, "notfound") then
    error(result, 0)
  end
  how.advert = nil
  return git.fetch(store, self:git_remote(owner, name), how)
end

return M
