local accounts = require("godwit.cluster.accounts")
local address = require("godwit.cluster.address")
local effect = require("godwit.effect")
local err = require("godwit.err")
local json = require("godwit.core.json")
local pages = require("godwit.cluster.pages")

--- cluster.http.keys: keys and connectors that a live cluster is told to make.
--- Methods of the http driver. A key's text is opaque from the moment its
--- answer is read; no cluster gives it out again, so an answer that is lost is
--- reported and nothing is made a second time.
local M = {}
local Keys = {}
M.methods = Keys

local ABSENT = { [404] = true, [405] = true, [501] = true }
-- The platform's codes.
local NO_USER, NOT_ALLOWED, NOT_KNOWN = 3000, 2001, 2002

-- Where a key may be sent: to the cluster it is of.
local function origins_of(driver)
  local git = driver.address.git:match("^(%a[%w+.-]*://[^/]+)")
  return { driver.address.origin, git ~= driver.address.origin and git or nil }
end

local function key_target(driver, owner, label)
  return ("%s:%s/key/%s"):format(driver.name, owner, label)
end

local function text_or(v, other)
  return type(v) == "string" and v ~= "" and v or other
end

-- A mask that is the key itself is none.
local function mask_of(doc)
  local mask, key = doc.api_key_mask, doc.api_key
  if type(mask) ~= "string" or mask == "" or mask:find("^sim[%w/+]+$")
    or type(key) == "string" and mask:find(key, 1, true) then
    return nil
  end
  return mask
end

-- A label in which somebody has put a key does not show it.
local KEY_LENGTH = 28
local function label_of(text)
  return text and text:gsub("sim[%w/+=]+", function(word)
    return #word >= KEY_LENGTH and "sim***" or nil
  end) or nil
end

-- A row about a key, without its text.
local function about(doc)
  local function field(name)
    local v = doc[name]
    return v ~= json.null and v or nil
  end
  return { label = label_of(text_or(field("key_label"))),
    mask = mask_of(doc), permissions = field("permissions"),
    username = text_or(field("username")),
    owner_name = text_or(field("owner_name")),
    created_at = text_or(field("created_at")), key_type = field("key_type") }
end

local function body_of(spec)
  return { key_label = spec.label, key_type = spec.key_type or "AlgorithmKey",
    permissions = spec.permissions }
end

-- What a lost answer leaves behind cannot be found: it is named.
local function perform(e, label, owner)
  local ok, result = pcall(effect.perform, e)
  if not ok and type(result) == "table" and result.in_doubt then
    result.op = nil -- the sentence is about the key, not about a request
    result.message = ("the answer was lost: a key '%s' of %s may have been "
      .. "made, and nobody can ask for it again; look for it in the web page "
      .. "and remove it there (%s)"):format(label, owner, result.message)
  end
  return ok and result or error(result, 0)
end

--- Makes a key that an organization owns, through one of its members. Its
--- text is a secret.
---@async
---@param org string
---@param user string
---@param spec { label: string, permissions: table, key_type: string? }
---@return { key: any, label: string, mask: string?, permissions: table?, username: string?, owner_name: string? }
function Keys:create_organization_key(org, user, spec)
  self:need_admin("making keys")
  return perform({
    kind = "key.create", target = key_target(self, org, spec.label),
    cluster = self, detail = body_of(spec), again = false,
    write = function()
      local doc = self:request("POST", "/v1/organizations"
        .. address.path(org, "members", user, "keys"), { admin = true,
          body = body_of(spec), want = "api_key",
          seal = { field = "api_key", origins = origins_of(self),
            label = ("%s key of %s"):format(self.name, org) } })
      local made = about(doc)
      made.key, made.label = doc.api_key, spec.label
      return made
    end,
  }, spec.label, org)
end

-- Not every cluster has it.
local function import_failed(driver, user, e)
  if type(e) == "table" and ABSENT[e.status] and e.code ~= NO_USER then
    local raised = err.wrap(e, ("%s does not take keys for users; make one in "
      .. "its web page, signed in as %s"):format(driver.name, user))
    raised.unsupported = true
    error(raised, 0)
  end
  error(e, 0)
end

-- What a refusal of a key says of it. Some clusters answer 403 for a key that
-- they do not know, so that the code has to say that it is known.
local function refused(e)
  if e.status == 403 and e.code == NOT_ALLOWED then
    return {} -- known, but without the right to see data
  elseif e.code == NOT_KNOWN or e.status == 401 and e.code == nil then
    return nil
  end
  return nil, e
end

--- Shows a key to the cluster: whose it is, as far as it may see that; nil when
--- the cluster does not know it, nil and the refusal when that cannot be told.
---@async
---@param key any A secret
---@return string[]|nil owners
---@return godwit.err.Error|nil why
function Keys:owners_of_key(key)
  local ok, doc = pcall(self.rest.send, self.rest, "GET", "/v1/data/",
    self:bind_secret(key), {})
  if not ok and not err.is(doc, "auth") then
    error(doc, 0)
  elseif not ok then
    return refused(doc)
  end
  local names = {}
  for _, row in ipairs(type(doc) == "table" and type(doc.folders) == "table"
      and doc.folders or {}) do
    if type(row) == "table" and accounts.usable(row.name) then
      names[#names + 1] = row.name
    end
  end
  return names
end

--- Gives a user a key that was made here.
---@async
---@param user string
---@param spec { label: string, permissions: table, key_type: string? }
---@param key any A secret
---@return { key: any, label: string, mask: string?, permissions: table?, username: string? }
function Keys:import_key(user, spec, key)
  self:need_admin("importing keys")
  local bound = self:bind_secret(key)
  local sent = body_of(spec)
  sent.api_key = bound
  return effect.perform({
    kind = "key.import", target = key_target(self, user, spec.label),
    cluster = self, detail = body_of(spec), before = { known = false },
    write = function()
      local ok, doc = pcall(self.request, self, "POST", "/v1/admin/users"
        .. address.path(user, "keys"), { admin = true, body = sent,
          seal = { field = "api_key", origins = origins_of(self),
            label = ("%s key of %s"):format(self.name, user) } })
      if not ok then
        import_failed(self, user, doc)
      end
      local made = type(doc) == "table" and about(doc) or {}
      made.key, made.label = bound, spec.label
      return made
    end,
    probe = function()
      local owners, why = self:owners_of_key(bound)
      if why then
        return nil, why
      end
      return owners ~= nil, { key = bound, label = spec.label,
        username = user }
    end,
  })
end

--- The keys of an organization's members: labels and masks. The answer has the
--- keys of others in it, so this is asked for only when somebody wants it; they
--- are dropped at once.
---@async
---@param org string
---@return table[]
function Keys:list_organization_keys(org)
  self:need_admin("listing keys")
  -- Nothing of the answer is quoted in an error.
  local doc = self:request("GET", "/v1/organizations"
    .. address.path(org, "keys"), { admin = true,
      seal = { field = "api_key", origins = {}, label = "key of " .. org } })
  local out = {}
  for i, row in ipairs(pages.rows(doc, "results", "keys")) do
    if type(row) ~= "table" then
      err.throw("remote", "%s: the server's list of keys has something else "
        .. "in it", self.name)
    end
    out[i] = about(row)
  end
  return out
end

--- Gives a user a data connector; `credential` is sent as it is and can be
--- read by nobody.
---@async
---@param user string
---@param spec table protocol, cred_type, label, …
---@param credential { field: string, value: any }
---@return table doc
function Keys:create_connector(user, spec, credential)
  local protocol = tostring(spec.protocol)
  local sent, detail = { username = user }, { username = user }
  for k, v in pairs(spec) do
    sent[k], detail[k] = v, v
  end
  sent[credential.field] = self:bind_secret(credential.value)
  return effect.perform({
    kind = "connector.create", cluster = self, again = false,
    target = accounts.target(self, accounts.KINDS.users, user)
      .. "/connector/" .. protocol .. "+" .. tostring(spec.label or ""),
    detail = detail,
    write = function()
      return (self:request("POST", "/v1/users"
        .. address.path(user, "connectors"), { admin = true, body = sent,
          seal = { field = credential.field, origins = {},
            label = "credential of a connector" } }))
    end,
  })
end

return M
