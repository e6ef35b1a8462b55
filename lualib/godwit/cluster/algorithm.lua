local body = require("godwit.cluster.body")
local builds = require("godwit.copy.build")
local driver_of = require("godwit.cluster.driver_of")
local edit = require("godwit.cluster.edit")
local err = require("godwit.err")
local git = require("godwit.git")
local methods = require("godwit.methods")
local secrets = require("godwit.cluster.secrets")
local tags = require("godwit.cluster.tags")
local unknown = require("godwit.unknown")
local version = require("godwit.cluster.version")

--- cluster.algorithm: an algorithm as scripts see it: names, and methods that
--- ask or tell the cluster.
---@class godwit.Algorithm
---@field cluster godwit.Cluster
---@field owner string
---@field name string
---@field ref string   "OWNER/NAME"
---@field id? string   Where the cluster told it
local Algorithm = {}
Algorithm.__index = methods.strict(Algorithm, "an algorithm")
Algorithm.__name = "algorithm"

local M = {}

local BUILD = 1800 -- seconds

---@param cluster godwit.Cluster
---@param owner string
---@param name string
---@param id string|nil
---@return godwit.Algorithm
function M.new(cluster, owner, name, id)
  return setmetatable({ cluster = cluster, owner = owner, name = name,
    ref = owner .. "/" .. name, id = id }, Algorithm)
end

function Algorithm:__tostring()
  return self.cluster.name .. ":" .. self.ref
end

local function names(a)
  return driver_of(a.cluster), a.owner, a.name
end

--- The document, of a version (number or commit) when one is named.
---@async
---@param ref? string
---@return table
function Algorithm:get(ref)
  local driver, owner, name = names(self)
  if ref == nil then
    return driver:get_algorithm(owner, name)
  end
  return driver:get_version(owner, name, ref)
end

--- Changes details and settings: { settings = { network_access = "full" } }.
--- What is so already is not written again.
---@async
---@param patch table
---@return table doc, "updated"|"unchanged"
function Algorithm:update(patch)
  local driver, owner, name = names(self)
  local doc = driver:get_algorithm(owner, name)
  if not body.differs(doc, patch) then
    return doc, "unchanged"
  end
  return driver:update_algorithm(owner, name, patch), "updated"
end

--- Iterates over the documents of its versions.
---@async
---@param filter? { published: boolean?, callable: boolean? }
---@return fun(): table|nil
function Algorithm:versions(filter)
  local driver, owner, name = names(self)
  return driver:each_version(owner, name, filter or {})
end

--- Iterates over its builds, newest first.
---@async
---@return fun(): table|nil
function Algorithm:builds()
  local driver, owner, name = names(self)
  return driver:each_build(owner, name)
end

--- Waits for the build of that commit and returns it. Raises with the end of
--- its log when it failed.
---@async
---@param commit string
---@param opts? { timeout: number? }
---@return table build
function Algorithm:wait_build(commit, opts)
  local driver, owner, name = names(self)
  local timeout = opts and opts.timeout or BUILD
  local build = builds.wait(driver, owner, name, commit,
    { timeout = timeout, grace = math.min(60, timeout) })
  if not build then
    err.throw("timeout", "%s has no build of %s", tostring(self),
      tostring(commit))
  end
  return build
end

--- Builds the head of the main branch again. Raises when the build fails.
---@async
---@return table doc
function Algorithm:compile()
  local driver, owner, name = names(self)
  local doc = driver:compile(owner, name)
  local compilation = type(doc) == "table" and doc.compilation
  if type(compilation) == "table" and compilation.successful == false then
    error(err.new({ kind = "remote", op = "compile", message =
      tostring(self) .. " does not build; it says:\n"
      .. builds.tail(tostring(compilation.output or "")) }), 0)
  end
  return doc
end

local STEPS = { major = true, minor = true, revision = true }

--- Publishes the newest build as it is.
---@async
---@param opts? { step: string?, callability: string?, notes: string? }
---@return table doc
function Algorithm:publish(opts)
  opts = opts or {}
  local step = opts.step or "minor"
  if not STEPS[step] then
    err.throw("usage", "publish: step is major, minor or revision, not %s",
      tostring(step))
  end
  local driver, owner, name = names(self)
  return driver:publish(owner, name, {
    version_info = { version_type = step, release_notes = opts.notes },
    settings = { algorithm_callability = opts.callability },
  })
end

--- Calls it and returns the result. A text is sent as text, anything else as
--- JSON. `version` is a number or a commit; without it the latest public one.
---@async
---@param input any
---@param opts? { version: string?, timeout: number? }
---@return any result, table metadata
function Algorithm:call(input, opts)
  opts = opts or {}
  local driver, owner, name = names(self)
  local sent = type(input) == "string" and { text = input }
    or { json = input }
  local answer = driver:call(owner, name, opts.version, sent,
    { timeout = opts.timeout })
  return answer.result, answer.metadata
end

--- Names of its secrets; values are never given out.
---@async
---@return table[]
function Algorithm:secrets()
  local driver, owner, name = names(self)
  return driver:list_secrets(owner, name)
end

--- Makes sure it has a secret: { key = "TOKEN", value = godwit.secret "token" }.
--- Where a value is given it is set: the one that is there cannot be compared.
---@async
---@param secret godwit.cluster.SecretSpec
---@return table doc, "created"|"updated"|"unchanged"
function Algorithm:set_secret(secret)
  local driver, owner, name = names(self)
  return secrets.ensure(driver, owner, name, secret)
end

--- Its Git repository, for the functions of `git`.
---@async
---@param ref? string  A version
---@return table remote
function Algorithm:remote(ref)
  local driver, owner, name = names(self)
  return git._trust(driver:git_remote(owner, name, ref), driver)
end

--- The commit a revision means: head (or nothing), latest, a number, a commit.
---@async
---@param rev? string
---@return string commit
function Algorithm:commit(rev)
  local driver, owner, name = names(self)
  if rev == nil or rev == "head" then
    local tip = driver:git_tip(owner, name)
    if tip.commit == nil then
      err.throw("notfound", "%s has no commit", tostring(self))
    end
    return tip.commit
  elseif unknown.is(rev) or version.is_commit(rev) then
    return rev
  end
  local doc = rev == "latest"
    and version.latest(driver:each_version(owner, name, { published = true }))
    or rev ~= "latest" and driver:get_version(owner, name, rev)
  if not doc then
    err.throw("notfound", "%s has no published version", tostring(self))
  end
  return version.commit(doc)
end

--- The names of its repository's tags, of those that match the glob, the newest
--- version first: numbers in a name count as numbers (v1.10 before v1.9), and
--- 1.0.0 is newer than 1.0.0-rc1.
---@async
---@param pattern? string
---@return string[]
function Algorithm:tags(pattern)
  local driver, owner, name = names(self)
  return tags.sorted(driver:git_tags(owner, name), pattern)
end

--- The files of a revision (as for `commit`), to read. Changes made to them
--- go nowhere; `edit` is for these.
---@async
---@param rev? string
---@return godwit.Tree
function Algorithm:tree(rev)
  local driver, owner, name = names(self)
  return edit.tree(driver, owner, name, self:commit(rev))
end

--- Changes files on the main branch, without a checkout: `fn` is given them,
--- and what it made of them is pushed as one commit. Returns the commit; nil
--- when nothing changed. The cluster builds it by itself.
---@async
---@param message string
---@param fn fun(files: godwit.Tree)
---@return string|nil commit
function Algorithm:edit(message, fn)
  if type(message) ~= "string" or not message:find("%S") then
    err.throw("usage", "edit: the first argument is the commit's message")
  end
  local driver, owner, name = names(self)
  return edit.edit(driver, owner, name, message, fn)
end

return M
