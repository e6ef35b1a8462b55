local err = require("godwit.err")
local fs = require("godwit.core.fs")
local json = require("godwit.core.json")
local sys = require("godwit.core.sys")
local task = require("godwit.task")
local index = require("godwit.cluster.platform.index")
local members = require("godwit.cluster.platform.roster")
local rules = require("godwit.cluster.platform.rules")
local shape = require("godwit.cluster.platform.shape")

--- An archive's documents on disk: a folder of JSON files and repositories.
--- Every document is replaced as a whole (written aside, synced, renamed), so
--- a reader sees the old or the new one. Who changes a document reads it
--- under the same algorithm's lock. Names from outside are checked before
--- they become a path.
local Store = {}
Store.__index = Store

local M = {}

local FILE, DIR = 384, 448 -- 0600, 0700
local MAX_DOCUMENT = 16 << 20

-- Ids stand in maps and ledgers: an archive from elsewhere must not pass for
-- a cluster, whose id is its address or a word of the configuration.
local ID = "^" .. ("%x"):rep(8) .. ("%-" .. ("%x"):rep(4)):rep(3) .. "%-"
  .. ("%x"):rep(12) .. "$"

--- The layout's number; a folder of another one is refused.
M.FORMAT = 1

local function decode(text, path)
  local doc, e = json.decode(text, { max = MAX_DOCUMENT, depth = 200 })
  if doc == nil then
    err.throw("io", "%s is damaged: %s", path, tostring(e))
  end
  return doc
end

--- A document of the archive, or nil if there is none.
---@param name string Its path inside the archive.
function Store:read(name)
  local path = self.dir .. "/" .. name
  local text, e = fs.read(path, MAX_DOCUMENT)
  if not text then
    if err.is(e, "notfound") then return nil end
    error(e, 0)
  end
  return decode(text, path)
end

--- A document that is read often: the same table as before while the file is
--- the same. Not the caller's to change.
---@param name string Its path inside the archive.
function Store:cached(name)
  local s = fs.stat(self.dir .. "/" .. name)
  local sign = s and s.mtime .. "/" .. s.size
  local c = self.cache[name]
  if not c or c.sign ~= sign or not sign then
    c = { sign = sign, doc = sign and self:read(name) }
    self.cache[name] = c
  end
  return c.doc
end

---@async
function Store:write(name, doc)
  local turn <close> = self.index:write(name)
  self.cache[name] = nil
  err.check(fs.write(self.dir .. "/" .. name,
    json.encode(doc, { pretty = true }) .. "\n", FILE))
  self.cache[name] = nil
  turn:done(doc)
end

--- Removes a document; one that is not there is fine.
---@param name string Its path inside the archive.
function Store:remove(name)
  local turn <close> = self.index:write(name)
  local ok, e = fs.remove(self.dir .. "/" .. name)
  if not ok and not err.is(e, "notfound") then error(e, 0) end
  turn:done(nil)
end

--- Removes a folder of the archive with all in it, at once as seen by others.
---@param name string Its path inside the archive.
function Store:remove_folder(name)
  local path = self.dir .. "/" .. name
  if not fs.stat(path) then return end
  local trash = self.dir .. "/run/trash-" .. sys.random_hex(8)
  self:mkdir("run")
  err.check(fs.rename(path, trash))
  fs.remove_tree(trash)
end

---@async
function Store:write_text(name, text)
  err.check(fs.write(self.dir .. "/" .. name, text, FILE))
end

function Store:mkdir(name)
  err.check(fs.mkdir(self.dir .. "/" .. name, DIR))
end

--- Names in a folder of the archive, sorted; empty if it is not there.
---@param kind? "file"|"dir"
function Store:names(name, kind)
  local names = {}
  for _, e in ipairs(fs.list(self.dir .. "/" .. name) or {}) do
    if not kind or e.type == kind then names[#names + 1] = e.name end
  end
  return names
end

--- Runs fn while nobody else runs under the same key.
---@async
function Store:locked(key, fn)
  local lock = self.locks[key]
  if not lock then
    lock = task.semaphore(1)
    self.locks[key] = lock
  end
  return lock:with(fn)
end

-- What every archive has, be it empty.
local FOLDERS = { "users", "organizations", "algorithms", "git" }

--- Takes the folder for writing; only one process may hold it.
function Store:lock_folder()
  if self.folder_lock then return end
  local lock, e = fs.lock(self.dir .. "/lock")
  if not lock then
    if err.is(e, "locked") then
      error(err.new({ kind = "locked", retryable = true,
        message = self.dir .. " is in use by another godwit" }), 0)
    end
    error(e, 0)
  end
  self.folder_lock = lock
  self:mkdir("run/hooks")
  for _, name in ipairs(FOLDERS) do
    self:mkdir(name) -- one that was packed or copied has no empty ones
  end
end

--- True if another process (or another user of this one) writes here.
function Store:in_use()
  if self.folder_lock then return true end
  return fs.locked(self.dir .. "/lock") ~= false
end

function Store:close()
  if self.folder_lock then
    self.folder_lock:close()
    self.folder_lock = nil
  end
end

-- Accounts ---------------------------------------------------------------

local NAME_OF = { users = "username", organizations = "org_name" }

--- The document of a user or an organization, or nil. Whoever wrote it, it is
--- an object and has the name of its file.
---@param which "users"|"organizations"
function Store:account(which, name)
  if not rules.is_account(name) then return nil end
  local path = which .. "/" .. name .. ".json"
  local doc = self:read(path)
  if doc == nil then return nil end
  local key = NAME_OF[which]
  if type(doc) ~= "table" or json.is_array(doc)
    or doc[key] ~= nil and doc[key] ~= name then
    err.throw("io", "%s/%s is damaged: it is no document of %s", self.dir,
      path, name)
  end
  doc[key] = name
  return doc
end

--- A user's document, or nil.
function Store:user(name)
  return self:account("users", name)
end

--- An organization's document with its members, or nil.
function Store:organization(name)
  return self:account("organizations", name)
end

--- The names of the documents in a folder, sorted.
function Store:json_names(folder)
  local out = {}
  for _, f in ipairs(self:names(folder, "file")) do
    local name = f:match("^(.*)%.json$")
    if name and rules.is_account(name) then out[#out + 1] = name end
  end
  table.sort(out)
  return out
end

--- Names in order; not the caller's to change.
function Store:user_names() return self.index:names("users") end
function Store:organization_names() return self.index:names("organizations") end

--- The members of an organization, or nil if there is none.
---@return { names: string[], roles: table<string, string>,
---  owners: integer }|nil
function Store:members(org)
  return members.of(self, org)
end

--- "owner", "member" or nil: what an account is to an organization.
function Store:role(org, username)
  local m = self:members(org)
  return m and m.roles[username]
end

--- The organizations an account belongs to, by name.
function Store:organizations_of(username)
  local out = {}
  for _, org in ipairs(self:organization_names()) do
    if self:role(org, username) then out[#out + 1] = org end
  end
  return out
end

-- Algorithms -------------------------------------------------------------

function Store:folder(owner, name)
  if not rules.is_account(owner) or not rules.is_algorithm(name) then
    return nil
  end
  return "algorithms/" .. owner .. "/" .. name
end

--- An algorithm's record, or nil.
function Store:record(owner, name)
  local folder = self:folder(owner, name)
  local path = folder and folder .. "/algorithm.json"
  local doc = path and self:read(path)
  return doc ~= nil and shape.record(doc, self.dir .. "/" .. path) or nil
end

function Store:algorithm_names(owner)
  local out = {}
  if not rules.is_account(owner) then return out end
  for _, name in ipairs(self:names("algorithms/" .. owner, "dir")) do
    if rules.is_algorithm(name) and fs.stat(self.dir .. "/algorithms/"
      .. owner .. "/" .. name .. "/algorithm.json") then
      out[#out + 1] = name
    end
  end
  return out
end

--- Every algorithm of the archive.
function Store:each_algorithm(fn)
  for _, owner in ipairs(self:names("algorithms", "dir")) do
    for _, name in ipairs(self:algorithm_names(owner)) do
      fn(owner, name)
    end
  end
end

--- Owner and name of an algorithm's id, or nil.
function Store:by_id(id)
  local found = self.ids[id]
  if found then
    local record = self:record(found[1], found[2])
    if record and record.id == id then return found[1], found[2] end
  end
  self.ids = {}
  self:each_algorithm(function(owner, name)
    local record = self:record(owner, name)
    if record and record.id then self.ids[record.id] = { owner, name } end
  end)
  found = self.ids[id]
  if found then return found[1], found[2] end
end

--- The folder of an algorithm's repository.
function Store:repo(owner, name)
  return ("%s/git/%s/%s.git"):format(self.dir, owner, name)
end

-- Builds -----------------------------------------------------------------

--- An algorithm's builds, oldest first.
function Store:builds(owner, name)
  local folder = self:folder(owner, name) .. "/builds"
  local out = {}
  for _, file in ipairs(self:names(folder, "file")) do
    local seq = file:match("^(%d+)%-[%x-]+%.json$")
    if seq then
      local b = self:read(folder .. "/" .. file)
      if b ~= nil then
        shape.build(b, ("%s/%s/%s"):format(self.dir, folder, file))
        b.seq = math.tointeger(tonumber(seq))
        out[#out + 1] = b
      end
    end
  end
  table.sort(out, function(a, b) return a.seq < b.seq end)
  return out
end

local function build_file(folder, b)
  return ("%s/builds/%08d-%s.json"):format(folder, b.seq, b.build_id)
end

---@async
function Store:write_build(owner, name, b)
  local folder = self:folder(owner, name)
  self:mkdir(folder .. "/builds")
  self:write(build_file(folder, b), b)
end

---@async
function Store:write_log(owner, name, id, text)
  self:write_text(("%s/builds/%s.log"):format(self:folder(owner, name), id),
    text)
end

function Store:log(owner, name, id)
  return fs.read(("%s/%s/builds/%s.log"):format(self.dir,
    self:folder(owner, name), id), MAX_DOCUMENT)
end

--- What was published, oldest first.
function Store:publishes(owner, name)
  local path = self:folder(owner, name) .. "/versions.json"
  local doc = self:read(path)
  return doc ~= nil and shape.publishes(doc, self.dir .. "/" .. path) or {}
end

---@async
function Store:write_publishes(owner, name, publishes)
  self:write(self:folder(owner, name) .. "/versions.json",
    { publishes = json.array(publishes) })
end

--- The objects of a list, each with an id; empty if it is not there.
---@param name string Its path inside the archive.
---@return table[]
function Store:rows(name)
  local list = self:read(name)
  return list ~= nil and shape.rows(list, self.dir .. "/" .. name) or {}
end

--- The environments, as an array and by id.
function Store:environments()
  local list = self:rows("environments.json")
  local by_id = {}
  for _, env in ipairs(list) do by_id[env.id] = env end
  return list, by_id
end

local function plain_folders(dir, depth)
  for _, e in ipairs(fs.list(dir) or {}) do
    local path = dir .. "/" .. e.name
    if e.type == "dir" then
      if depth > 0 then plain_folders(path, depth - 1) end
    elseif e.type ~= "file" then
      err.throw("io", "%s is not a plain file; an archive has no links",
        path)
    end
  end
end

-- A collection may have a million files: they are looked at when they are
-- listed or opened, and no link is followed then.
local function plain_data(dir)
  plain_folders(dir, 0)
  for _, owner in ipairs(fs.list(dir) or {}) do
    if owner.type == "dir" then
      plain_folders(dir .. "/" .. owner.name, 1)
    end
  end
end

--- Refuses an archive with anything but plain files and folders: it may come
--- from somebody else, and a link in it would lead out of it. What is inside
--- a repository is looked at before git sees it.
function Store:check_plain()
  plain_folders(self.dir, 0)
  plain_folders(self.dir .. "/users", 0)
  plain_folders(self.dir .. "/organizations", 0)
  plain_folders(self.dir .. "/members", 1)
  plain_folders(self.dir .. "/connectors", 0)
  plain_folders(self.dir .. "/algorithms", 4)
  plain_folders(self.dir .. "/git", 1)
  plain_data(self.dir .. "/data")
end

-- Making and opening -----------------------------------------------------

--- True if the folder holds an archive.
function M.exists(dir)
  return fs.stat(dir .. "/archive.json") ~= nil
end

local function open_at(dir, info)
  local self = setmetatable({
    dir = dir, id = info.id, info = info, locks = {}, ids = {}, cache = {},
  }, Store)
  self.index = index.new(self)
  self.hooks = dir .. "/run/hooks"
  return self
end

--- Makes an empty archive; its last document makes it one.
---@async
function M.create(dir, opts)
  if M.exists(dir) then err.throw("exists", "%s is an archive already", dir) end
  local listed = fs.list(dir)
  if listed and #listed > 0 and not (opts and opts.into) then
    err.throw("exists", "%s is not empty", dir)
  end
  err.check(fs.mkdir(dir, DIR))
  local store = open_at(err.check(fs.realpath(dir)), { id = sys.uuid() })
  store:mkdir("run/hooks")
  for _, name in ipairs(FOLDERS) do
    store:mkdir(name)
  end
  store:write("environments.json", json.array({}))
  store:write("languages.json", json.array({}))
  store:write("scms.json", json.array({ {
    id = "internal", provider = "internal", name = "Internal",
    default = true, enabled = true,
  } }))
  if not (opts and opts.unfinished) then store:finish() end
  return store
end

--- Writes archive.json: from here on the folder is an archive.
---@async
function Store:finish()
  self:write("archive.json", { id = self.id, format = M.FORMAT,
    created = rules.time(sys.time()) })
end

--- Opens an archive.
function M.open(dir)
  local real = fs.realpath(dir)
  local text = real and fs.read(real .. "/archive.json", 1 << 20)
  if not text then err.throw("notfound", "%s is not an archive", dir) end
  local info = decode(text, real .. "/archive.json")
  if type(info) ~= "table" or type(info.id) ~= "string"
    or info.format ~= M.FORMAT then
    err.throw("io", "%s: an archive of an unknown format", dir)
  elseif not info.id:find(ID) then
    err.throw("io", "%s: an archive's id is a UUID, and that of this one is "
      .. "none", dir)
  end
  return open_at(real, info)
end

return M
