local err = require("godwit.err")
local fs = require("godwit.core.fs")
local json = require("godwit.core.json")
local sys = require("godwit.core.sys")
local url = require("godwit.core.http").url
local rules = require("godwit.cluster.platform_rules")

--- Keys: who a request's key belongs to and what it permits. They live in one
--- file of the sandbox's folder, which only its owner can read.
local M = {}
local Keys = {}
Keys.__index = Keys

local reject = rules.reject

--- What a key of a seed may do: everything a promotion needs.
M.FULL = {
  allow_algo = true, allow_web_algo = true, algo_acl = { "algo://*" },
  allow_data = true, allow_data_write = true, allow_algo_management = true,
}

--- A new key's text: "sim" and 25 more, as the platform's.
function M.new_key()
  return "sim" .. sys.random_hex(13):sub(1, 25)
end

---@async
function M.write(dir, accounts)
  err.check(fs.write(dir .. "/keys.json",
    json.encode({ accounts = json.array(accounts) }, { pretty = true })
    .. "\n", 384))
end

local function read(dir)
  local text = fs.read(dir .. "/keys.json", 1 << 20)
  if not text then return nil end
  local doc, e = json.decode(text, { max = 1 << 20, depth = 20 })
  if type(doc) ~= "table" or type(doc.accounts) ~= "table" then
    err.throw("io", "%s/keys.json is damaged: %s", dir, tostring(e or ""))
  end
  return doc
end

--- The accounts of a keys file, or nil.
function M.read(dir)
  local doc = read(dir)
  return doc and doc.accounts
end

local function text_or_nil(v)
  return type(v) == "string" and v ~= "" and v or nil
end

--- What opens the Git hosts this cluster is connected to: origin ->
--- { user=, key=, ca=, account= }. Read anew each time: somebody may add one.
function M.hosts(dir)
  local doc, out = read(dir), {}
  for address, h in pairs(doc and type(doc.hosts) == "table" and doc.hosts
    or {}) do
    local parts = url.parse(address)
    if not parts or type(h) ~= "table" then
      err.throw("io", "%s/keys.json: %s is no host with a credential", dir,
        tostring(address))
    end
    out[parts.origin] = { user = text_or_nil(h.user), key = text_or_nil(h.key),
      ca = text_or_nil(h.ca), account = text_or_nil(h.account) }
  end
  return out
end

--- Opens the keys of a folder; an archive without any gets one for every
--- account and one of an administrator.
---@async
function M.open(dir, store)
  local accounts = M.read(dir)
  if not accounts then
    accounts = {}
    local function add(username, kind, label)
      accounts[#accounts + 1] = { username = username, key = M.new_key(),
        kind = kind, label = label }
    end
    for _, name in ipairs(store:organization_names()) do
      add(name, "standard", "organization-key")
    end
    for _, name in ipairs(store:user_names()) do
      add(name, "standard", "default-key")
    end
    add("admin", "admin", "admin-key")
    M.write(dir, accounts)
  end
  local self = setmetatable({ by_key = {}, accounts = accounts }, Keys)
  for _, a in ipairs(accounts) do
    if type(a.key) == "string" and #a.key > 0 then self.by_key[a.key] = a end
  end
  return self
end

local function caller_of(account)
  return { username = account.username, kind = account.kind or "standard",
    label = account.label, permissions = account.permissions or M.FULL }
end

--- The caller of a key's text, or nil.
function Keys:caller(key)
  local account = key and self.by_key[key]
  return account and caller_of(account)
end

--- The key in an Authorization header: "Simple KEY" or the bare key.
---@return string|nil key, string|nil scheme
function M.key_of(header)
  if not header or header == "" then return nil end
  local scheme, rest = header:match("^(%S+)%s+(.-)%s*$")
  if not scheme then return header end
  scheme = scheme:lower()
  if scheme == "simple" then return rest end
  return nil, scheme
end

--- The caller of an API request; refused when there is none.
function Keys:authenticate(header)
  local key, scheme = M.key_of(header)
  local caller = self:caller(key)
  if caller then return caller end
  if scheme == "bearer" then
    reject(401, 2002, "this cluster has no key set for tokens")
  elseif header and header ~= "" then
    reject(401, 2002, "unknown API key")
  end
  reject(401, 2002, "an API key is required")
end

local FORBIDDEN = "Caller is not authorized to perform the operation"

--- The caller must hold a standard key.
function M.standard(caller, options)
  if caller.kind == "admin" and not options.one_key then
    reject(403, 2001, FORBIDDEN)
  end
end

--- The caller must hold an admin key.
function M.admin(caller, options)
  if caller.kind ~= "admin" and not options.one_key then
    reject(403, 2001, FORBIDDEN)
  end
end

--- The caller's standard key must have a permission.
function M.permit(caller, options, permission)
  M.standard(caller, options)
  if caller.kind ~= "admin" and caller.permissions[permission] ~= true then
    reject(403, 2001, FORBIDDEN)
  end
end

--- The key must be allowed to call this algorithm.
function M.may_call(caller, options, owner, name)
  M.permit(caller, options, "allow_algo")
  if caller.kind == "admin" then return end
  local wanted = { ["algo://*"] = true,
    ["algo://" .. owner .. "/*"] = true,
    ["algo://" .. owner .. "/" .. name .. "/*"] = true,
    ["algo://" .. owner .. "/" .. name] = true }
  if owner == caller.username then wanted["algo://.my/*"] = true end
  for _, acl in ipairs(caller.permissions.algo_acl or {}) do
    if wanted[acl] then return end
  end
  reject(403, 2001, FORBIDDEN)
end

--- The caller of a Git request: Basic, the user name being the key's owner or
--- an organization the key acts for. Nil when there is no usable credential.
function Keys:git_caller(header, store)
  local scheme, rest = (header or ""):match("^(%S+)%s+(%S+)%s*$")
  if not scheme or scheme:lower() ~= "basic" or #rest > 4096 then return nil end
  local user, key = (sys.unbase64(rest) or ""):match("^([^:]*):(.*)$")
  local caller = self:caller(key)
  if not caller or caller.kind == "admin" then return nil end
  if user ~= caller.username and not store:role(user, caller.username) then
    return nil
  end
  return caller
end

return M
