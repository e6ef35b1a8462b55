local address = require("godwit.cluster.address")
local effect = require("godwit.effect")
local err = require("godwit.err")
local json = require("godwit.core.json")
local pages = require("godwit.cluster.pages")
local secret = require("godwit.core.secret")
local secrets = require("godwit.cluster.secrets")

--- cluster.http.secrets: the secrets of algorithms on a live cluster. Methods
--- of the http driver. They are reached by the algorithm's id; a value is put
--- into the request where it is sent, and is in nothing that is kept or shown.
local M = {}
local Secrets = {}
M.methods = Secrets

-- An id goes into a path: what would lead elsewhere is none.
local function usable_id(driver, doc, what)
  local id = type(doc) == "table" and doc.id
  if type(id) == "string" and id:find("^[%w_-]+$") then
    return id
  end
  err.throw("remote", "%s: the server's answer about %s has no usable id",
    driver.name, what)
end

-- No cluster gives out a value; from one that does it is not taken.
local function without_value(doc)
  if type(doc) ~= "table" then
    return doc
  end
  local kept = {}
  for name, v in pairs(doc) do
    if name ~= "secret_value" and name ~= "value" then
      kept[name] = v
    end
  end
  return kept
end

---@async
local function path_of(driver, owner, name, doc, algorithm)
  local ref = owner .. "/" .. name
  local id = usable_id(driver, algorithm
    or driver:get_algorithm(owner, name), ref)
  local path = "/v1/algorithms" .. address.path(id, "secrets")
  return doc and path .. address.path(usable_id(driver, doc, "the secret "
    .. tostring(secrets.key(doc)))) or path
end

--- Names of the secrets; their values are never given out.
---@async
---@param owner string
---@param name string
---@param algorithm? table Its document, if it is known.
---@return table[]
function Secrets:list_secrets(owner, name, algorithm)
  local rows = pages.rows(self:get(owner, path_of(self, owner, name, nil,
    algorithm)), "results", "secrets")
  local list = json.array({})
  for i, doc in ipairs(rows) do
    list[i] = without_value(doc)
  end
  return list
end

--- Where secrets can be kept.
---@async
---@return table[]
function Secrets:list_secret_providers()
  return self.memo:get("secret providers", function()
    return pages.rows(self:get_or_admin(nil, "/v1/secret-provider"), "results",
      "providers")
  end)
end

--- The same secret, allowed to be sent to this cluster.
---@param value any A secret
---@return any secret
function Secrets:bind_secret(value)
  local bound = secret.copy(value)
  secret.allow(bound, self.address.origin)
  if self.profile.proxy then
    secret.allow_proxy(bound, self.profile.proxy)
  end
  return bound
end

-- Clusters may answer with nothing; what became of it is then looked up.
---@async
local function answered(driver, owner, name, doc, key)
  return type(doc) == "table" and doc.id ~= nil and without_value(doc)
    or secrets.find(driver:list_secrets(owner, name), key) or {}
end

local function send(driver, owner, method, path, doc, value)
  return (driver:request(method, path, { owner = owner, body = doc,
    secret = value ~= nil and { field = "secret_value", value = value }
      or nil }))
end

--- Gives an algorithm a secret it does not have.
---@async
---@param owner string
---@param name string
---@param spec table short_name, secret_key, secret_value (a secret),
--- description and provider_id.
---@return table doc
function Secrets:create_secret(owner, name, spec)
  local algorithm = self:get_algorithm(owner, name)
  local id = usable_id(self, algorithm, owner .. "/" .. name)
  local sent = secrets.detail(spec)
  sent.owner_type, sent.owner_id = "algorithm", id
  return effect.perform({
    kind = "secret.create", target = secrets.target(self, owner, name, spec),
    cluster = self, before = { exists = false },
    detail = secrets.detail(spec),
    write = function()
      local doc = send(self, owner, "POST",
        "/v1/algorithms" .. address.path(id, "secrets"), sent,
        spec.secret_value)
      return answered(self, owner, name, doc, spec.secret_key)
    end,
    probe = function()
      local doc = secrets.find(self:list_secrets(owner, name),
        spec.secret_key)
      return doc ~= nil, doc
    end,
  })
end

--- Changes a secret: `doc` is one of list_secrets. Without a value that one
--- stays.
---@async
---@param owner string
---@param name string
---@param doc table
---@param spec table short_name, secret_key, secret_value and description.
---@return table doc
function Secrets:update_secret(owner, name, doc, spec)
  local path = path_of(self, owner, name, doc)
  local change = secrets.change(doc, spec)
  local sent = { short_name = spec.short_name, secret_key = spec.secret_key,
    description = spec.description }
  return effect.perform({
    kind = "secret.update", target = secrets.target(self, owner, name, doc),
    cluster = self, class = "repeatable", before = change.from,
    detail = change,
    write = function()
      local now = send(self, owner, "PUT", path, sent, spec.secret_value)
      return answered(self, owner, name, now, spec.secret_key)
    end,
  })
end

--- Takes a secret from an algorithm. One that is gone is as it should be.
---@async
---@param owner string
---@param name string
---@param doc table
function Secrets:delete_secret(owner, name, doc)
  secrets.check_deletion(self)
  local path = path_of(self, owner, name, doc)
  effect.perform({
    kind = "secret.delete", target = secrets.target(self, owner, name, doc),
    cluster = self, class = "repeatable", before = secrets.detail(doc),
    detail = secrets.detail(doc),
    write = function()
      local ok, e = pcall(send, self, owner, "DELETE", path)
      if not ok and not err.is(e, "notfound") then
        error(e, 0)
      end
    end,
  })
end

return M
