local err = require("godwit.err")
local json = require("godwit.core.json")
local secret = require("godwit.core.secret")

--- cluster.secrets: the secrets of an algorithm, whatever drives the cluster:
--- which there are, which provider keeps a new one, and how one is set. Values
--- go in and never come out; what is shown of a write never holds one.
local M = {}

-- What the platform's own client sends where a description is demanded and
-- there is none.
local NO_DESCRIPTION = " "

local function text(doc, name)
  local v = type(doc) == "table" and doc[name]
  return type(v) == "string" and v ~= "" and v or nil
end

--- The environment variable it becomes, or what else it is called.
---@param doc table
---@return string|nil
function M.key(doc)
  return text(doc, "secret_key") or text(doc, "short_name")
end

--- The one with that key, or nil.
---@param list table[]
---@param key string
---@return table|nil
function M.find(list, key)
  for _, doc in ipairs(list) do
    if M.key(doc) == key then
      return doc
    end
  end
  return nil
end

local function enabled(provider)
  return provider.isEnabled == nil or provider.isEnabled == json.null
    or provider.isEnabled == true
end

local function names_of(providers)
  local names = {}
  for _, p in ipairs(providers) do
    names[#names + 1] = text(p, "name") or text(p, "id")
  end
  return #names > 0 and "it has " .. table.concat(names, ", ")
    or "it has none"
end

--- The id of a provider by name or id; without one, of the cluster's default.
--- Raises "refused" where there is no such provider.
---@async
---@param driver table
---@param wanted string|nil
---@return string id
function M.provider(driver, wanted)
  local providers = driver:list_secret_providers()
  local found
  for _, p in ipairs(providers) do
    if wanted and (p.name == wanted or p.id == wanted)
      or not wanted and p.isDefault == true then
      found = p
    end
  end
  if not found and wanted then
    err.throw("refused", "%s has no secret provider %s; %s", driver.name,
      wanted, names_of(providers))
  elseif not found then
    err.throw("refused", "%s has no default secret provider [8002]; make one"
      .. " the default there, or name one (%s)", driver.name,
      names_of(providers))
  elseif not enabled(found) then
    err.throw("refused", "the secret provider %s of %s is disabled",
      tostring(found.name or found.id), driver.name)
  end
  return text(found, "id") or err.throw("remote",
    "%s: the server's secret provider has no id", driver.name)
end

--- What is shown of a write: everything but the value.
---@param spec table
---@return table
function M.detail(spec)
  return { secret_key = spec.secret_key, short_name = spec.short_name,
    description = spec.description, provider_id = spec.provider_id }
end

--- A change as it is shown: what was, what will be.
---@param doc table   As it is
---@param spec table  What is sent
---@return { from: table, to: table }
function M.change(doc, spec)
  local from, to = {}, {}
  for _, name in ipairs({ "secret_key", "short_name", "description" }) do
    from[name], to[name] = doc[name], spec[name]
  end
  if spec.secret_value ~= nil then
    from.value, to.value = "(not shown)", "(another, not shown)"
  end
  return { from = from, to = to }
end

--- The name a write of it goes by.
---@param driver table
---@param owner string
---@param name string
---@param doc table  A secret, or what is sent of one
---@return string
function M.target(driver, owner, name, doc)
  return ("%s:%s/%s/secrets/%s"):format(driver.name, owner, name,
    M.key(doc) or tostring(doc.id))
end

---@class godwit.cluster.SecretSpec
---@field key string          The environment variable
---@field value? any          A secret, or a text
---@field short_name? string  Default: the key
---@field description? string
---@field provider? string    Name or id; default: the cluster's default

local FIELDS = { key = true, value = true, short_name = true,
  description = true, provider = true }

local function check_spec(spec)
  if type(spec) ~= "table" then
    err.throw("usage", "set_secret takes a table, as in { key = \"TOKEN\","
      .. " value = godwit.secret \"token\" }")
  end
  for name, v in pairs(spec) do
    if not FIELDS[name] then
      err.throw("usage", "set_secret: there is no field %s", tostring(name))
    elseif type(v) ~= "string" and not (name == "value" and secret.is(v)) then
      err.throw("usage", "set_secret: %s is %s", name, name == "value"
        and "a secret or a text" or "a text")
    end
  end
  if not spec.key or spec.key == "" then
    err.throw("usage", "set_secret: key is missing, the environment variable"
      .. " it becomes")
  end
end

-- A secret goes where it may go; a text is the cluster's from here on.
local function value_of(driver, ref, spec)
  local v = spec.value
  if type(v) ~= "string" then
    return v
  elseif v == "" then
    err.throw("usage", "set_secret: the value of %s is empty", spec.key)
  end
  return driver:bind_secret(secret.new(v,
    { label = spec.key .. " of " .. ref }))
end

local function create(driver, owner, name, spec)
  local value = value_of(driver, owner .. "/" .. name, spec)
  if value == nil then
    err.throw("usage", "%s/%s has no secret %s yet, and set_secret was given"
      .. " no value for it", owner, name, spec.key)
  end
  local description = spec.description
  return driver:create_secret(owner, name, {
    secret_key = spec.key, secret_value = value,
    short_name = spec.short_name or spec.key,
    description = description ~= "" and description or NO_DESCRIPTION,
    provider_id = M.provider(driver, spec.provider),
  })
end

local function update(driver, owner, name, doc, spec)
  if spec.provider
    and M.provider(driver, spec.provider) ~= doc.provider_id then
    err.throw("usage", "%s/%s: the secret %s is kept by another provider,"
      .. " which cannot change", owner, name, spec.key)
  end
  local sent = {
    secret_key = spec.key,
    secret_value = value_of(driver, owner .. "/" .. name, spec),
    short_name = spec.short_name or text(doc, "short_name") or spec.key,
    description = spec.description ~= "" and spec.description
      or text(doc, "description") or NO_DESCRIPTION,
  }
  if sent.secret_value == nil and sent.short_name == doc.short_name
    and sent.description == doc.description then
    return doc, "unchanged"
  end
  return driver:update_secret(owner, name, doc, sent), "updated"
end

--- Makes sure an algorithm has a secret. A value that is given is always set:
--- the one that is there cannot be read.
---@async
---@param driver table
---@param owner string
---@param name string
---@param spec godwit.cluster.SecretSpec
---@return table doc, "created"|"updated"|"unchanged"
function M.ensure(driver, owner, name, spec)
  check_spec(spec)
  local doc = M.find(driver:list_secrets(owner, name), spec.key)
  if doc then
    return update(driver, owner, name, doc, spec)
  end
  return create(driver, owner, name, spec), "created"
end

--- Refused where the profile forbids deletions.
---@param driver table
function M.check_deletion(driver)
  if driver.profile and driver.profile.protected then
    err.throw("refused", "%s is protected: nothing is deleted there",
      driver.name)
  end
end

return M
