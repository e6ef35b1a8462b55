local address = require("godwit.cluster.address")
local body = require("godwit.cluster.body")
local effect = require("godwit.effect")
local err = require("godwit.err")
local scm_rules = require("godwit.cluster.scm_rules")
local secret = require("godwit.core.secret")
local secrets = require("godwit.cluster.secrets")

--- cluster.http.scms: the SCM connections of a live cluster, as administrators
--- make them. Methods of the http driver. A client's secret in a body is an
--- opaque value.
local M = {}
local Scms = {}
M.methods = Scms

local CONFLICT = 4044 -- the platform's code

local function target(driver, id)
  return driver.name .. ":scm/" .. tostring(id)
end

---@async
local function send(driver, method, sent, ...)
  driver:need_admin("administering SCMs")
  local doc = driver:request(method, "/v1/admin/scms" .. address.path(...),
    { admin = true, body = sent })
  driver.memo:forget("scms")
  return doc
end

-- The body with its secrets bound to this cluster.
local function bound(driver, v)
  if secret.is(v) then
    return driver:bind_secret(v)
  elseif type(v) ~= "table" then
    return v
  end
  local out = {}
  for k, x in pairs(v) do
    out[k] = bound(driver, x)
  end
  return out
end

-- The first of which `fits` is true, as they are now.
local function find(driver, fits)
  driver.memo:forget("scms")
  for _, scm in ipairs(driver:list_scms()) do
    if fits(scm) then
      return scm
    end
  end
  return nil
end

-- What is there once it was made: where an id was chosen by that alone, since
-- nothing had it before, and what else it has may be written in other ways.
local function find_made(driver, spec)
  return find(driver, function(scm)
    if spec.id ~= nil then
      return scm.id == spec.id
    end
    return scm_rules.same(scm, spec)
  end)
end

local function name_of(spec)
  return spec.id or spec.name or spec.provider
end

--- Connects an SCM.
---@async
---@param spec table provider, name, urls, oauth, …
---@return table scm
function Scms:create_scm(spec)
  self:need_admin("administering SCMs")
  local other = find(self, function(scm)
    return scm_rules.conflict(scm, spec)
  end)
  if other then
    error(err.new({ kind = "exists", status = 409, code = CONFLICT,
      message = ("%s exists already, as %s"):format(
        target(self, name_of(spec)), tostring(other.id)) }), 0)
  end
  return effect.perform({
    kind = "scm.create", target = target(self, name_of(spec)), cluster = self,
    before = { exists = false }, detail = spec,
    write = function()
      local doc = send(self, "POST", bound(self, spec))
      return type(doc) == "table" and doc.id and doc
        or find_made(self, spec) or doc
    end,
    probe = function()
      local scm = find_made(self, spec)
      return scm ~= nil, scm
    end,
  })
end

local function get(driver, id)
  return find(driver, function(scm)
    return scm.id == id
  end) or err.throw("notfound", "%s has no SCM %s", driver.name, tostring(id))
end

--- Changes whether it is enabled, or its addresses (all three or none).
---@async
---@param id string
---@param patch { enabled: boolean?, urls: table? }
---@return table scm
function Scms:update_scm(id, patch)
  local was = get(self, id)
  local from = { enabled = was.enabled, urls = was.urls }
  return effect.perform({
    kind = "scm.update", target = target(self, id), cluster = self,
    class = "repeatable", before = from,
    detail = { from = from, to = body.merge(from, patch) },
    write = function()
      local doc = send(self, "PATCH", bound(self, patch), id)
      return type(doc) == "table" and doc.id and doc or get(self, id)
    end,
  })
end

---@async
---@param id string
function Scms:set_default_scm(id)
  effect.perform({
    kind = "scm.default", target = target(self, id), cluster = self,
    class = "repeatable",
    write = function()
      send(self, "POST", nil, id, "default")
    end,
  })
end

--- Takes an SCM away. One that is gone is as it should be.
---@async
---@param id string
function Scms:delete_scm(id)
  secrets.check_deletion(self)
  effect.perform({
    kind = "scm.delete", target = target(self, id), cluster = self,
    class = "repeatable",
    write = function()
      local ok, e = pcall(send, self, "DELETE", nil, id)
      if not ok and not err.is(e, "notfound") then
        error(e, 0)
      end
    end,
  })
end

return M
