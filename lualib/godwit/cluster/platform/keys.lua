local json = require("godwit.core.json")
local fields = require("godwit.cluster.platform.fields")
local keyring = require("godwit.cluster.platform.keyring")
local organizations = require("godwit.cluster.platform.organizations")
local rules = require("godwit.cluster.platform.rules")
local users = require("godwit.cluster.platform.users")

--- Keys as the platform makes and shows them: what a key may permit, an
--- organization's own keys, keys from outside.
local M = {}

local reject = rules.reject

local STANDARD = "AlgorithmKey"
local KINDS = { AlgorithmKey = "standard", PlatformAdminKey = "admin",
  ManagementKey = "admin" }
local REQUIRED = { "allow_algo", "allow_web_algo", "algo_acl", "allow_data",
  "allow_data_write" }
local FLAGS = { "allow_algo", "allow_web_algo", "allow_data",
  "allow_data_write", "allow_algo_management" }
local MAX_LABEL, MAX_HOST, MAX_ACL = 100, 255, 1000

--- What a key may do that has no permissions of its own: everything.
M.FULL = {
  allow_algo = true, allow_web_algo = true,
  algo_acl = json.array({ "algo://*" }),
  allow_data = true, allow_data_write = true, allow_algo_management = true,
}

--- Whether a text says which algorithms a key may call.
---@param text any
---@return boolean
function M.is_acl(text)
  if type(text) ~= "string" then return false end
  if text == "algo://*" then return true end
  local owner, rest = text:match("^algo://([^/]+)/(.+)$")
  if owner ~= ".my" and not rules.is_account(owner) then return false end
  return rest == "*" or rules.is_algorithm((rest:gsub("/%*$", "")))
end

--- The permissions a body gives a key, checked.
---@param given any
---@return table
function M.permissions(given)
  if type(given) ~= "table" or json.is_array(given) then
    reject(400, 6001, "permissions must be an object")
  end
  fields.need(given, REQUIRED, 6001)
  local out = {}
  for _, key in ipairs(FLAGS) do out[key] = fields.flag(given, key) end
  local acl = given.algo_acl
  if type(acl) ~= "table" or not json.is_array(acl) or #acl > MAX_ACL then
    reject(400, 6001, "algo_acl must be an array of at most %d", MAX_ACL)
  end
  for _, one in ipairs(acl) do
    if not M.is_acl(one) then
      reject(400, 6001, "algo_acl: %s is none of algo://*, algo://OWNER/* and "
        .. "algo://OWNER/ALGO/*", tostring(one):sub(1, 100))
    end
  end
  out.algo_acl = acl
  out.referer_host = fields.text(given, "referer_host", MAX_HOST, 6001)
  return out
end

local function type_of(body, default)
  local kind = fields.text(body, "key_type", 40, 6001) or default
  if not KINDS[kind] then
    reject(400, 6001, "key_type must be AlgorithmKey or PlatformAdminKey")
  end
  return kind
end

local function mask(key)
  return key:sub(1, 5) .. ("*"):rep(math.max(#key - 9, 0)) .. key:sub(-4)
end

--- A key as the platform shows it.
---@param account table
---@param whole? boolean With its text.
---@return table
function M.shown(account, whole)
  local standard = (account.kind or "standard") == "standard"
  return {
    username = account.member or account.username,
    owner_name = account.username, key_label = account.label or "",
    created_at = account.created or rules.time(0),
    key_type = standard and STANDARD or "PlatformAdminKey",
    api_key_mask = mask(account.key), api_key = whole and account.key or nil,
    permissions = standard and (account.permissions or M.FULL) or nil,
  }
end

--- POST /v1/organizations/ORG/members/USER/keys: a key that acts for the
--- organization.
---@async
---@param org string
---@param username string
---@param body table
---@return table account
function M.create_for_organization(p, org, username, body)
  organizations.need(p, org)
  body = fields.without_nulls(body)
  if not p.store:role(org, username) then
    reject(404, 3000, "%s has no member %s", org, username)
  elseif type_of(body) ~= STANDARD then
    reject(400, 6001, "an organization's key is an %s", STANDARD)
  end
  local account = {
    username = org, member = username, kind = "standard",
    key = keyring.new_key(), created = rules.time(p.now()),
    label = fields.text(body, "key_label", MAX_LABEL, 6001) or "",
    permissions = M.permissions(body.permissions),
  }
  p.keys:add(account)
  return account
end

local function check_key(text)
  if type(text) ~= "string" or #text ~= 28
    or not text:find("^sim[%w/+=_-]+$") then
    reject(400, 6001, "api_key must be 28 characters that begin with sim")
  end
  return text
end

--- POST /v1/admin/users/USER/keys: a key whose text is given. The same one
--- again for the same user changes its label and permissions.
---@async
---@param username string
---@param body table
---@return table account
function M.import(p, username, body)
  body = fields.without_nulls(body)
  local name = users.need(p, username)
  local key = check_key(body.api_key)
  local kind = KINDS[type_of(body, STANDARD)]
  local label = fields.text(body, "key_label", MAX_LABEL, 6001) or ""
  local permissions = kind == "standard" and M.permissions(body.permissions)
    or nil
  local account = p.keys:account(key)
  if account and (account.username ~= name or account.member
    or (account.kind or "standard") ~= kind) then
    reject(409, 2015, "this key is another one's")
  elseif account then
    account.label, account.permissions = label, permissions
    p.keys:save()
    return account
  end
  account = { username = name, key = key, kind = kind, label = label,
    permissions = permissions, created = rules.time(p.now()) }
  p.keys:add(account)
  return account
end

--- GET /v1/organizations/ORG/keys: the organization's and its members'.
---@param org string
---@param whole? boolean With their texts.
---@return table[]
function M.of_organization(p, org, whole)
  organizations.need(p, org)
  local m, out = p.store:members(org), json.array({})
  for _, a in ipairs(p.keys.accounts) do
    if a.kind ~= "admin" and type(a.key) == "string"
      and (a.username == org or m.roles[a.username]) then
      out[#out + 1] = M.shown(a, whole)
    end
  end
  return out
end

return M
