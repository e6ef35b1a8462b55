local err = require("godwit.err")
local fs = require("godwit.core.fs")
local json = require("godwit.core.json")
local sys = require("godwit.core.sys")
local task = require("godwit.task")
local url = require("godwit.core.http").url
local index = require("godwit.cluster.platform.index")

--- The keys of an archive that is or was served: one file beside the archive
--- (keys.json, 0600), which only its owner can read. What is added is on disk
--- before it is answered; several at once are written together.
local M = {}
local Keyring = {}
Keyring.__index = Keyring

local MAX_FILE = 64 << 20
local MANY = 1000
local DEFAULT = "default-key"

--- A new key's text: "sim" and 25 more, as the platform's.
function M.new_key()
  return "sim" .. sys.random_hex(13):sub(1, 25)
end

local function file_of(dir) return dir .. "/keys.json" end

--- Whether a folder has keys.
---@param dir string
---@return boolean
function M.exists(dir)
  return fs.stat(file_of(dir)) ~= nil
end

---@async
local function write(dir, accounts, hosts)
  err.check(fs.write(file_of(dir), json.encode({
    accounts = json.array(accounts), hosts = hosts },
    { pretty = #accounts < MANY }) .. "\n", 384))
end

--- Writes a keys file of a sandbox that is being made.
---@async
---@param dir string
---@param accounts table[]
function M.write(dir, accounts)
  write(dir, accounts)
end

local function read(dir)
  local text, e = fs.read(file_of(dir), MAX_FILE)
  if not text then
    if err.is(e, "notfound") then return nil end
    error(e, 0)
  end
  local doc, why = json.decode(text, { max = MAX_FILE, depth = 20 })
  if type(doc) ~= "table" or type(doc.accounts) ~= "table" then
    err.throw("io", "%s is damaged: %s", file_of(dir),
      tostring(why or "it holds no accounts"))
  end
  for _, a in ipairs(doc.accounts) do
    if type(a) ~= "table" or type(a.username) ~= "string"
      or a.permissions ~= nil and type(a.permissions) ~= "table" then
      err.throw("io", "%s is damaged: an account is none", file_of(dir))
    end
  end
  return doc
end

--- The accounts of a keys file, or nil.
---@param dir string
---@return table[]|nil
function M.read(dir)
  local doc = read(dir)
  return doc and doc.accounts
end

local function text_or_nil(v)
  return type(v) == "string" and v ~= "" and v or nil
end

--- What opens the Git hosts this cluster is connected to: origin ->
--- { user=, key=, ca=, account= }. Read anew each time: somebody may add one.
---@param dir string
function M.hosts(dir)
  local doc, out = read(dir), {}
  for address, h in pairs(doc and type(doc.hosts) == "table" and doc.hosts
    or {}) do
    local parts = url.parse(address)
    if not parts or type(h) ~= "table" then
      err.throw("io", "%s: %s is no host with a credential", file_of(dir),
        tostring(address))
    end
    out[parts.origin] = { user = text_or_nil(h.user), key = text_or_nil(h.key),
      ca = text_or_nil(h.ca), account = text_or_nil(h.account) }
  end
  return out
end

local function everyone(store)
  local accounts = {}
  local function add(username, kind, label)
    accounts[#accounts + 1] = { username = username, key = M.new_key(),
      kind = kind, label = label }
  end
  for _, name in ipairs(store:organization_names()) do
    add(name, "standard", "organization-key")
  end
  for _, name in ipairs(store:user_names()) do
    add(name, "standard", DEFAULT)
  end
  add("admin", "admin", "admin-key")
  return accounts
end

local function sign(dir)
  local s = fs.stat(file_of(dir))
  return s and s.mtime .. "/" .. s.size
end

--- Opens the keys of a folder; an archive without any gets one for every
--- account and one of an administrator.
---@async
---@param dir string
---@param store table
function M.open(dir, store)
  local doc = read(dir)
  if not doc then
    doc = { accounts = everyone(store) }
    write(dir, doc.accounts)
  end
  local self = setmetatable({ dir = dir, by_key = {}, accounts = doc.accounts,
    hosts = doc.hosts, sign = sign(dir), wanted = 0, written = 0,
    lock = task.semaphore(1), orphans = {} }, Keyring)
  local names = store:user_names()
  for _, a in ipairs(self.accounts) do
    if type(a.key) == "string" and #a.key > 0 then self.by_key[a.key] = a end
    local _, known = index.place(names, a.username)
    if a.label == DEFAULT and not known then
      self.orphans[a.username] = true
    end
  end
  return self
end

-- Everything up to now is on disk when this returns.
---@async
local function save(self)
  self.wanted = self.wanted + 1
  local mine = self.wanted
  self.lock:with(function()
    if self.written >= mine then return end
    local now = self.wanted
    if self.sign ~= sign(self.dir) then -- somebody added a host
      local doc = read(self.dir)
      self.hosts = doc and doc.hosts
    end
    write(self.dir, self.accounts, self.hosts)
    self.sign, self.written = sign(self.dir), now
  end)
end

--- The account a key belongs to, or nil.
---@param key string|nil
---@return table|nil
function Keyring:account(key)
  return key and self.by_key[key]
end

--- Adds a key; a second one of the same text is the caller's mistake.
---@async
---@param account table username, key, kind, label, permissions, member, created
function Keyring:add(account)
  assert(not self.by_key[account.key])
  self.accounts[#self.accounts + 1] = account
  self.by_key[account.key] = account
  save(self)
end

--- Writes what was changed in an account.
---@async
function Keyring:save()
  save(self)
end

--- A new user's key. One from a creation that broke off is used.
---@async
---@param username string
---@param created string
function Keyring:welcome(username, created)
  if self.orphans[username] then
    self.orphans[username] = nil
    return
  end
  self:add({ username = username, key = M.new_key(), kind = "standard",
    label = DEFAULT, created = created })
end

--- Forgets the keys of an account.
---@async
---@param username string
function Keyring:forget(username)
  local kept = {}
  for _, a in ipairs(self.accounts) do
    if a.username == username then
      self.by_key[a.key or false] = nil
    else
      kept[#kept + 1] = a
    end
  end
  if #kept == #self.accounts then return end
  self.accounts = kept
  save(self)
end

return M
