local sys = require("godwit.core.sys")
local keyring = require("godwit.cluster.platform.keyring")
local platform_keys = require("godwit.cluster.platform.keys")
local rules = require("godwit.cluster.platform.rules")

--- Who a request's key belongs to and what it permits.
local M = {}
local Keys = {}
Keys.__index = Keys

local reject = rules.reject

M.FULL = platform_keys.FULL
M.new_key, M.write, M.read, M.hosts = keyring.new_key, keyring.write,
  keyring.read, keyring.hosts

--- Opens the keys of a folder.
---@async
---@param dir string
---@param store table
function M.open(dir, store)
  return setmetatable({ ring = keyring.open(dir, store) }, Keys)
end

local function caller_of(account)
  return { username = account.username, kind = account.kind or "standard",
    member = account.member, label = account.label,
    permissions = account.permissions or M.FULL }
end

--- The caller of a key's text, or nil.
function Keys:caller(key)
  local account = self.ring:account(key)
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
M.FORBIDDEN = FORBIDDEN

--- What only a browser's session may do: nobody here has one.
---@param cx table The request.
function M.session(cx)
  if not cx.req.headers.authorization then
    reject(401, 2002, "this needs a session of the web application")
  end
  cx:authenticate()
  reject(403, 2001, FORBIDDEN)
end

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
  if user ~= caller.username and user ~= caller.member
    and not store:role(user, caller.username) then
    return nil
  end
  return caller
end

return M
