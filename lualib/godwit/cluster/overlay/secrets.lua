local body = require("godwit.cluster.body")
local secrets = require("godwit.cluster.secrets")
local unknown = require("godwit.unknown")
local writes = require("godwit.cluster.overlay.writes")

--- cluster.overlay.secrets: secrets of algorithms, written without writing.
--- Methods of the overlay driver. From the first pretended write on the list
--- is the overlay's own.
local M = {}
local Secrets = {}
M.methods = Secrets

local NO_DEFAULT, TAKEN, NO_VALUE, NO_PROVIDER, GONE =
  8002, 8001, 8004, 8006, 8008

---@async
function Secrets:list_secrets(owner, name, algorithm)
  local p = self:pretended(owner, name)
  if p and p.secrets then
    return body.copy(p.secrets)
  elseif p and p.created then
    return {}
  end
  return self.under:list_secrets(owner, name, algorithm)
end

local function try_find(list, doc)
  for i, other in ipairs(list) do
    if rawequal(other.id, doc.id) then
      return i, other
    end
  end
  return nil
end

local function find(list, doc)
  local i, other = try_find(list, doc)
  if i then
    return i, other
  end
  writes.refuse("notfound", 404, GONE, "there is no secret %s",
    tostring(secrets.key(doc)))
end

local function check_free(list, spec, but)
  for _, other in ipairs(list) do
    if other ~= but and (other.secret_key == spec.secret_key
      or other.short_name == spec.short_name) then
      writes.refuse("remote", 400, TAKEN, "a secret %s exists",
        spec.secret_key)
    end
  end
end

local function check_provider(overlay, id)
  for _, p in ipairs(overlay:list_secret_providers()) do
    if id == nil and p.isDefault == true or p.id == id then
      return p.id
    end
  end
  if id == nil then
    writes.refuse("remote", 400, NO_DEFAULT,
      "there is no default secret provider")
  end
  writes.refuse("notfound", 404, NO_PROVIDER, "there is no secret provider %s",
    tostring(id))
end

-- The algorithm must be there; then what it has.
local function list_of(overlay, owner, name)
  overlay:get_algorithm(owner, name)
  return overlay:list_secrets(owner, name)
end

local function perform(overlay, kind, owner, name, about, detail, pretend)
  return writes.perform(overlay, kind, owner, name, detail, pretend,
    secrets.target(overlay, owner, name, about))
end

---@async
function Secrets:create_secret(owner, name, spec)
  local list = list_of(self, owner, name)
  if spec.secret_value == nil then
    writes.refuse("remote", 400, NO_VALUE, "a value is needed")
  end
  local provider = check_provider(self, spec.provider_id)
  check_free(list, spec)
  return perform(self, "secret.create", owner, name, spec,
    secrets.detail(spec), function()
      local doc = secrets.detail(spec)
      local what = "the secret " .. spec.secret_key
      doc.id = unknown.new("the id of " .. what)
      doc.owner_type, doc.owner_id = "algorithm",
        self:get_algorithm(owner, name).id
      doc.provider_id = provider
      doc.created = unknown.new("the time of " .. what)
      doc.modified = doc.created
      list[#list + 1] = doc
      writes.state_of(self, owner, name).secrets = list
      return body.copy(doc)
    end)
end

---@async
function Secrets:update_secret(owner, name, doc, spec)
  local list = list_of(self, owner, name)
  local _, now = find(list, doc)
  check_free(list, spec, now)
  return perform(self, "secret.update", owner, name, doc,
    secrets.change(doc, spec), function()
      for _, key in ipairs({ "secret_key", "short_name", "description" }) do
        now[key] = spec[key] or now[key]
      end
      now.modified = unknown.new("the time of the secret "
        .. tostring(secrets.key(now)))
      writes.state_of(self, owner, name).secrets = list
      return body.copy(now)
    end)
end

--- As the http driver's: one that is gone is as it should be.
---@async
function Secrets:delete_secret(owner, name, doc)
  secrets.check_deletion(self)
  local list = list_of(self, owner, name)
  perform(self, "secret.delete", owner, name, doc, secrets.detail(doc),
    function()
      local i = try_find(list, doc)
      if i then
        table.remove(list, i)
      end
      writes.state_of(self, owner, name).secrets = list
      return true
    end)
end

return M
