local accounts = require("godwit.cluster.overlay.accounts")
local body = require("godwit.cluster.body")
local data = require("godwit.cluster.overlay.data")
local err = require("godwit.err")
local git = require("godwit.git")
local lookup = require("godwit.cluster.lookup")
local members = require("godwit.cluster.overlay.members")
local scms = require("godwit.cluster.overlay.scms")
local secrets = require("godwit.cluster.overlay.secrets")
local unknown = require("godwit.unknown")
local writes = require("godwit.cluster.overlay.writes")

--- cluster.overlay: any cluster plus writes that only pretend to happen.
---
--- Reads see the pretended writes over what is really there, so that a script
--- goes on as it would. What only the cluster could tell is unknown and sits
--- in a field of a document, never in place of one. Here: reads of algorithms.
--- Their writes, modelled on what the platform promises, are in overlay/writes;
--- accounts in overlay/accounts, overlay/members and overlay/scms; collections
--- in overlay/data.
---@class godwit.cluster.Overlay
---@field kind "overlay"
---@field under table          The cluster underneath
---@field state table<string, godwit.cluster.Pretended>  By "owner/name"
---@field pretended_accounts table  See overlay/accounts
---@field pretended_data table  See overlay/data
---@field entries godwit.effect.Entry[]
local Overlay = {}
Overlay.__index = Overlay

---@class godwit.cluster.Pretended
---@field created? table   The document, of an algorithm that is not there
---@field patch? table     Put over the document of one that is
---@field builds table[]   Newest first
---@field versions table[] Newest first
---@field secrets? table[]  All of them, once one was written
---@field tip? { commit: any, branch: string }  After a pretended push
---@field store_path? string    Where pushed commits are

local M = {}

-- One state a cluster and run, whoever opens it under whatever name.
local shared = {}

--- Puts an overlay over a driver. `state` is for tests: an own, empty one.
---@param under table
---@param state? table
---@return godwit.cluster.Overlay
function M.new(under, state)
  if not state then
    shared[under.id] = shared[under.id] or {}
    state = shared[under.id]
  end
  state.algorithms = state.algorithms or {}
  state.entries = state.entries or {}
  state.accounts = state.accounts or accounts.state()
  state.data = state.data or data.state()
  return setmetatable({
    kind = "overlay",
    id = under.id,
    name = under.name,
    profile = under.profile,
    under = under,
    limiter = under.limiter,
    state = state.algorithms,
    pretended_accounts = state.accounts,
    pretended_data = state.data,
    entries = state.entries,
  }, Overlay)
end

--- What was pretended here, in order.
---@return godwit.effect.Entry[]
function Overlay:planned()
  return self.entries
end

--- Pretends that an owner who is there has nothing: the key to look with is made
--- when this is carried out.
---@param owner string
function Overlay:veil(owner)
  self.pretended_accounts.veiled[owner] = true
end

--- Whether an account was pretended to be created, or is veiled: nobody has a
--- key of it, and it has nothing but what was pretended.
---@param owner string|nil
---@return boolean
function Overlay:is_new_owner(owner)
  local state = self.pretended_accounts
  return owner ~= nil and (state.users.created[owner] ~= nil
    or state.organizations.created[owner] ~= nil or state.veiled[owner] ~= nil)
end

--- As the drivers' whoami. A new account's key will be its own.
---@async
---@param owner string|nil
---@return string
function Overlay:whoami(owner)
  if self:is_new_owner(owner) then
    return owner
  end
  return self.under:whoami(owner)
end

--- What falls through -----------------------------------------------------

for _, name in ipairs({ "list_environments", "list_languages",
  "get_scm_authorization", "list_secret_providers", "bind_secret",
  "owners_of_key", "git_remote", "git_tags" }) do
  Overlay[name] = function(self, ...)
    return self.under[name](self.under, ...)
  end
end

--- Algorithms -------------------------------------------------------------

---@return godwit.cluster.Pretended|nil
function Overlay:pretended(owner, name)
  return self.state[owner .. "/" .. name]
end

local function newest_of(p)
  return p and p.versions[1]
end

local function with_newest(doc, p)
  local newest = newest_of(p)
  if newest then
    doc.version_info = body.copy(newest.version_info)
    doc.build = body.copy(newest.build)
    doc.compilation = body.copy(newest.compilation)
    doc.self_link = nil
  end
  return doc
end

-- The document as the pretended writes leave it, or nil.
function Overlay:view(owner, name)
  local p = self:pretended(owner, name)
  if p and p.created then
    return with_newest(body.copy(p.created), p)
  end
  local doc = not self:is_new_owner(owner)
    and self.under:try_get_algorithm(owner, name) or nil
  if not doc or not p then
    return doc
  end
  return with_newest(body.merge(doc, p.patch), p)
end

---@async
function Overlay:try_get_algorithm(owner, name)
  return self:view(owner, name)
end

---@async
function Overlay:get_algorithm(owner, name)
  local doc = self:view(owner, name)
  if not doc and self:is_new_owner(owner) then
    err.throw("notfound", "%s has no algorithm %s/%s", self.name, owner, name)
  end
  return doc or self.under:get_algorithm(owner, name) -- raises as the cluster does
end

---@async
function Overlay:list_algorithms(owner)
  local out = {}
  local below = self:is_new_owner(owner) and {}
    or self.under:list_algorithms(owner)
  for _, row in ipairs(below) do
    out[#out + 1] = row
  end
  local names = {}
  for _, p in pairs(self.state) do
    if p.created and p.owner == owner then
      names[#names + 1] = p.name
    end
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local p = self:pretended(owner, name)
    out[#out + 1] = { id = p.created.id, algoname = name, username = owner }
  end
  return out
end

-- The pretended rows, then those that are really there.
local function over(rows, below)
  local n = 0
  return function()
    n = n + 1
    if rows[n] then
      return body.copy(rows[n])
    end
    if below then
      return below()
    end
    return nil
  end
end

local function is_created(p)
  return p ~= nil and p.created ~= nil
end

---@async
function Overlay:each_build(owner, name)
  local p = self:pretended(owner, name)
  return over(p and p.builds or {},
    not is_created(p) and self.under:each_build(owner, name))
end

local function pretended_build(p, id)
  for _, build in ipairs(p and p.builds or {}) do
    if rawequal(build.build_id, id) then
      return build
    end
  end
  return nil
end

---@async
function Overlay:get_build(owner, name, id)
  local build = pretended_build(self:pretended(owner, name), id)
  if build then
    return body.copy(build)
  end
  return self.under:get_build(owner, name, id)
end

---@async
function Overlay:get_build_logs(owner, name, id)
  if pretended_build(self:pretended(owner, name), id) then
    return "(known after apply)"
  end
  return self.under:get_build_logs(owner, name, id)
end

---@async
function Overlay:each_version(owner, name, opts)
  local p = self:pretended(owner, name)
  local rows = over(p and p.versions or {},
    not is_created(p) and self.under:each_version(owner, name, opts))
  return lookup.filter(rows, opts or {})
end

---@async
function Overlay:get_version(owner, name, ref)
  local p = self:pretended(owner, name)
  for _, doc in ipairs(p and p.versions or {}) do
    local info = doc.version_info
    if rawequal(info.git_hash, ref) or rawequal(info.semantic_version, ref)
    then
      return body.copy(doc)
    end
  end
  if is_created(p) or unknown.is(ref) then
    err.throw("notfound", "%s: %s/%s has no version %s", self.name, owner,
      name, tostring(ref))
  end
  return self.under:get_version(owner, name, ref)
end

---@async
function Overlay:get_scm_status(owner, name)
  if is_created(self:pretended(owner, name)) then
    return { scm_connection_status = "active" }
  end
  return self.under:get_scm_status(owner, name)
end

--- Git --------------------------------------------------------------------

--- As the drivers' git_place. Where the repository of a created algorithm will
--- be, nobody knows yet.
---@async
---@return godwit.cluster.Place|nil
function Overlay:git_place(owner, name, guess)
  if is_created(self:pretended(owner, name)) then
    return nil
  end
  return self.under:git_place(owner, name, guess)
end

--- As the drivers' git_tip. Of a created algorithm the template's commit is
--- unknown (`template` is true); after a pretended push it is that commit.
---@async
function Overlay:git_tip(owner, name, opts)
  local p = self:pretended(owner, name)
  local of_version = opts and opts.version
  if p and p.tip and not of_version then
    return { commit = p.tip.commit, branch = p.tip.branch,
      template = p.tip.template }
  elseif is_created(p) then
    self:get_version(owner, name, of_version)
    return { commit = of_version, branch = "refs/heads/master" }
  end
  return self.under:git_tip(owner, name, opts)
end

local function nothing_fetched()
  return { bytes = 0, objects = 0 }
end

--- As the drivers' git_fetch. A commit of a pretended push comes from where it
--- was made; what is unknown cannot be fetched, and is not missed.
---@async
function Overlay:git_fetch(owner, name, store, opts)
  local p = self:pretended(owner, name)
  local commit = opts.commit
  if unknown.is(commit) or commit and store:has(commit) then
    return nothing_fetched()
  elseif p and p.store_path and commit and p.pushed[commit] then
    return git.fetch(store, { path = p.store_path },
      { commit = commit, into = opts.into })
  elseif is_created(p) then
    return nothing_fetched()
  end
  return self.under:git_fetch(owner, name, store, opts)
end

for _, part in ipairs({ accounts, data, members, scms, secrets, writes }) do
  for name, method in pairs(part.methods) do
    Overlay[name] = method
  end
end

return M
