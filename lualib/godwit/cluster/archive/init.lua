local address = require("godwit.cluster.address")
local effect = require("godwit.effect")
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local git = require("godwit.core.git")
local json = require("godwit.core.json")
local accounts = require("godwit.cluster.archive.accounts")
local build = require("godwit.cluster.platform.build")
local calls = require("godwit.cluster.platform.call")
local data = require("godwit.cluster.archive.data")
local platform = require("godwit.cluster.platform")
local platform_git = require("godwit.cluster.platform.git")
local scms = require("godwit.cluster.platform.scms")
local secrets = require("godwit.cluster.archive.secrets")
local stores = require("godwit.cluster.platform.store")
local tags = require("godwit.cluster.tags")

--- cluster.archive: the driver over a folder on disk. The platform's rules
--- are its own (platform): a push is built at once, a call is answered as the
--- sandbox would. Who may open the folder may do everything in it; the first
--- write takes its lock, so that no sandbox serves it meanwhile.
---@class godwit.cluster.Archive
---@field kind "archive"
---@field id string
---@field name string
---@field profile table
local Archive = {}
Archive.__index = Archive

local M = {}

local MASTER = "refs/heads/master"
local ALL = platform.EVERYTHING

--- Opens the archive in profile.dir.
---@param profile table
---@return godwit.cluster.Archive
function M.open(profile)
  local store = stores.open(profile.dir)
  store:check_plain()
  return setmetatable({
    kind = "archive", id = profile.id or store.id,
    name = profile.name or profile.dir, profile = profile,
    store = store, platform = platform.new(store),
  }, Archive)
end

--- Lets the folder go.
function Archive:close()
  self.store:close()
end

local function iterate(rows)
  local i = 0
  return function()
    i = i + 1
    local row = rows[i]
    local doc = row and row.doc
    if type(doc) == "function" then return doc() end
    return doc
  end
end

-- Reads ------------------------------------------------------------------

--- The account a promotion of an owner's things acts as: the owner.
---@param owner? string
---@return string|nil
function Archive:whoami(owner)
  return owner or self.profile.user or self.store:user_names()[1]
end

---@async
---@return table doc
function Archive:get_algorithm(owner, name)
  return self.platform:get(ALL, owner, name)
end

---@async
---@return table|nil doc
function Archive:try_get_algorithm(owner, name)
  if not self.store:record(owner, name) then return nil end
  return self:get_algorithm(owner, name)
end

---@async
function Archive:list_algorithms(owner)
  return self.platform:list(ALL, owner)
end

---@async
function Archive:each_build(owner, name)
  return iterate(self.platform:builds(ALL, owner, name))
end

---@async
function Archive:get_build(owner, name, id)
  return (self.platform:build(ALL, owner, name, id))
end

---@async
function Archive:get_build_logs(owner, name, id)
  return self.platform:logs(ALL, owner, name, id)
end

---@async
---@param opts? {published?: boolean, callable?: boolean}
function Archive:each_version(owner, name, opts)
  return iterate(self.platform:versions(ALL, owner, name, opts or {}))
end

---@async
function Archive:get_version(owner, name, ref)
  return self.platform:version(ALL, owner, name, ref)
end

---@async
function Archive:list_environments()
  return (self.store:environments())
end

---@async
function Archive:list_languages()
  return self.store:read("languages.json") or json.array({})
end

---@async
function Archive:list_scms()
  return scms.list(self.platform)
end

---@async
function Archive:get_scm_status(owner, name)
  self.platform:find(ALL, owner, name)
  return { scm_connection_status = "active" }
end

-- An account is connected where a person can sign in, not in a folder.
---@async
function Archive:get_scm_authorization()
  return { authorization_status = "unauthorized" }
end

-- Git --------------------------------------------------------------------

--- Its repositories are its own; of code that is kept elsewhere it has a copy.
function Archive:git_place()
  return nil
end

--- The repository's tags: name -> commit.
---@async
---@return table<string, string>
function Archive:git_tags(owner, name)
  return tags.of(err.check(git.ls_remote(self:git_remote(owner, name), {})))
end

--- The algorithm's repository as a remote: a folder, no address, no key.
---@async
function Archive:git_remote(owner, name)
  self.platform:find(ALL, owner, name)
  return { path = self.platform:secure(owner, name),
    label = self.name .. ":" .. owner .. "/" .. name }
end

---@async
---@param opts? {version?: string}
---@return {commit: string|nil, branch: string}
function Archive:git_tip(owner, name, opts)
  local remote = self:git_remote(owner, name)
  local version = opts and opts.version
  return { branch = MASTER, commit = version
    and self.platform:version_commit(ALL, owner, name, version)
    or not version and platform_git.head(remote.path) or nil }
end

---@async
function Archive:git_fetch(owner, name, store, opts)
  local remote = self:git_remote(owner, name)
  local commit = opts.commit
  if not commit and opts.version then
    commit = self.platform:version_commit(ALL, owner, name, opts.version)
  end
  return err.check(git.fetch(store, remote, { commit = commit,
    refs = opts.refs or not commit and { MASTER } or nil,
    into = opts.into or address.fetched(self.id, owner, name, opts.version),
    progress = opts.progress }))
end

-- Writes -----------------------------------------------------------------

local function target(self, owner, name)
  return self.name .. ":" .. owner .. "/" .. name
end

--- The first write of a process takes the folder and brings to an end what a
--- killed one left in this algorithm.
---@async
function Archive:ready(owner, name)
  self.store:lock_folder()
  build.recover(self.platform, owner, name)
end

--- Before somebody waits for a build: who had begun it may have been killed, and
--- nobody else ends it.
---@async
function Archive:resume_builds(owner, name)
  self:ready(owner, name)
end

--- Creates an algorithm with its template commit.
---@async
function Archive:create_algorithm(owner, body)
  return effect.perform({
    kind = "algorithm.create", target = target(self, owner, body.name),
    cluster = self, before = { exists = false }, detail = body,
    write = function()
      self.store:lock_folder()
      return self.platform:create(ALL, owner, body)
    end,
  })
end

---@async
function Archive:update_algorithm(owner, name, body)
  return effect.perform({
    kind = "algorithm.update", target = target(self, owner, name),
    cluster = self, class = "repeatable", detail = { to = body },
    write = function()
      self:ready(owner, name)
      return self.platform:update(ALL, owner, name, body)
    end,
  })
end

---@async
function Archive:compile(owner, name)
  return effect.perform({
    kind = "algorithm.compile", target = target(self, owner, name),
    cluster = self,
    write = function()
      self:ready(owner, name)
      return self.platform:compile(ALL, owner, name)
    end,
  })
end

---@async
function Archive:publish(owner, name, body)
  return effect.perform({
    kind = "algorithm.publish", target = target(self, owner, name),
    cluster = self, detail = body,
    write = function()
      self:ready(owner, name)
      return self.platform:publish(ALL, owner, name, body)
    end,
  })
end

-- One of { json = }, { text = } and { bytes = }, as every driver takes it.
local function input_of(input)
  if input.text then
    return { kind = "text", value = input.text }
  elseif input.bytes and input.content_type == "application/json" then
    return { kind = "json", value = err.check(json.decode(input.bytes)) }
  elseif input.bytes then
    return { kind = "binary", value = input.bytes }
  end
  local value = input.json
  if value == nil then value = json.null end
  return { kind = "json", value = value }
end

--- Calls a version; what the algorithm raised is raised here.
---@async
function Archive:call(owner, name, version, input)
  return effect.perform({
    kind = "algorithm.call", target = target(self, owner, name),
    cluster = self, detail = { version = version }, again = false,
    write = function()
      local a = calls.call(self.platform, ALL, owner, name, version,
        input_of(input))
      a.raw = nil
      if a.error then
        error(err.new({ kind = "remote", op = "algorithm.call",
          message = a.error.message, status = 200,
          stacktrace = a.error.stacktrace,
          error_type = a.error.error_type }), 0)
      end
      return a
    end,
  })
end

--- Pushes a commit and builds it.
---@async
---@param opts {store: table, commit: string, expected: string|nil,
---  ref: string|nil, progress: function|nil}
---@return {messages: string}
function Archive:push(owner, name, opts)
  local ref = opts.ref or MASTER
  return effect.perform({
    kind = "git.push", target = target(self, owner, name), cluster = self,
    again = false, before = { ref = ref, tip = opts.expected },
    detail = { ref = ref, from = opts.expected, commit = opts.commit },
    write = function()
      self:ready(owner, name)
      local remote = self:git_remote(owner, name)
      local result = err.check(git.push(opts.store, remote, {
        commit = opts.commit, ref = ref, expected = opts.expected,
        progress = opts.progress }))
      local messages = result.messages or ""
      if ref == MASTER then
        local b = build.wait(self.platform:pushed(owner, name, opts.commit))
        messages = ("%sBuild %s for algo://%s/%s/%s\n"):format(messages,
          b.status == "succeeded" and "successful" or "failed", owner, name,
          opts.commit)
      end
      return { messages = messages }
    end,
  })
end

for _, part in ipairs({ accounts, data, secrets }) do
  for name, method in pairs(part.methods) do
    Archive[name] = method
  end
end

--- Makes an empty archive in a folder and opens it.
---@async
function M.create(dir, profile)
  stores.create(dir)
  profile = profile or {}
  profile.dir = dir
  return M.open(profile)
end

--- True if the folder holds an archive.
function M.is(dir)
  return fs.stat(dir .. "/archive.json") ~= nil
end

return M
