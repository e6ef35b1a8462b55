local effect = require("godwit.effect")
local err = require("godwit.err")
local platform = require("godwit.cluster.platform")
local rules = require("godwit.cluster.platform.secrets")
local secrets = require("godwit.cluster.secrets")

--- cluster.archive.secrets: the secrets of algorithms in an archive: names
--- only. Methods of the archive driver.
local M = {}
local Secrets = {}
M.methods = Secrets

local ALL = platform.EVERYTHING
-- The rules want to be given one; what it is they do not keep.
local SOME = "given"

---@async
---@return table[]
function Secrets:list_secrets(owner, name)
  return rules.list(self.platform, ALL, owner, name)
end

---@async
---@return table[]
function Secrets:list_secret_providers()
  return rules.providers(self.platform)
end

--- A value goes nowhere from here.
function Secrets:bind_secret(value)
  return value
end

local function body_of(spec)
  local body = secrets.detail(spec)
  body.secret_value = spec.secret_value ~= nil and SOME or nil
  return body
end

local function perform(self, kind, owner, name, about, spec)
  spec.kind, spec.cluster = kind, self
  spec.target = secrets.target(self, owner, name, about)
  local write = spec.write
  spec.write = function()
    self:ready(owner, name)
    return write()
  end
  return effect.perform(spec)
end

---@async
function Secrets:create_secret(owner, name, spec)
  return perform(self, "secret.create", owner, name, spec, {
    before = { exists = false }, detail = secrets.detail(spec),
    write = function()
      return rules.create(self.platform, ALL, owner, name, body_of(spec))
    end,
  })
end

---@async
function Secrets:update_secret(owner, name, doc, spec)
  local change = secrets.change(doc, spec)
  return perform(self, "secret.update", owner, name, doc, {
    class = "repeatable", before = change.from, detail = change,
    write = function()
      local body = body_of(spec)
      body.provider_id = nil
      return rules.update(self.platform, ALL, owner, name, doc.id, body)
    end,
  })
end

---@async
function Secrets:delete_secret(owner, name, doc)
  secrets.check_deletion(self)
  perform(self, "secret.delete", owner, name, doc, {
    class = "repeatable", before = secrets.detail(doc),
    detail = secrets.detail(doc),
    write = function()
      local ok, e = pcall(rules.delete, self.platform, ALL, owner, name,
        doc.id)
      if not ok and not (err.is(e, "notfound") and e.code == 8008) then
        error(e, 0)
      end
    end,
  })
end

return M
