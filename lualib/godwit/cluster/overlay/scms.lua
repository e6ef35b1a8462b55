local body = require("godwit.cluster.body")
local scm_rules = require("godwit.cluster.scm_rules")
local secret = require("godwit.core.secret")
local secrets = require("godwit.cluster.secrets")
local unknown = require("godwit.unknown")
local writes = require("godwit.cluster.overlay.writes")

--- cluster.overlay.scms: SCM connections, administered without writing.
--- Methods of the overlay driver.
local M = {}
local Scms = {}
M.methods = Scms

local NOT_FOUND, ENABLED, DEFAULT, DISABLED, CONFLICT, INTERNAL =
  4009, 4040, 4041, 4042, 4044, 4045
local refuse = writes.refuse

--- The SCMs as the pretended writes leave them.
---@async
---@return table[]
function Scms:list_scms()
  local state, out = self.pretended_accounts.scms, {}
  for _, rows in ipairs({ self.under:list_scms(), state.made }) do
    for _, scm in ipairs(rows) do
      local change = state.changed[scm.id]
      if change ~= false then
        out[#out + 1] = body.merge(scm, change)
      end
    end
  end
  if state.default ~= nil then
    for _, scm in ipairs(out) do
      scm.default = rawequal(scm.id, state.default)
    end
  end
  return out
end

local function try_get(overlay, id)
  for _, scm in ipairs(overlay:list_scms()) do
    if rawequal(scm.id, id) then
      return scm
    end
  end
  return nil
end

local function get(overlay, id)
  return try_get(overlay, id) or refuse("notfound", 404, NOT_FOUND,
    "there is no SCM %s", tostring(id))
end

local function perform(overlay, kind, id, detail, pretend)
  return writes.perform(overlay, kind, nil, nil, detail, pretend,
    overlay.name .. ":scm/" .. tostring(id))
end

-- What no read shows again is not kept.
local function without_secrets(v)
  if type(v) ~= "table" or unknown.is(v) then
    return v
  end
  local out = {}
  for k, x in pairs(v) do
    if not secret.is(x) and k ~= "client_secret" then
      out[k] = without_secrets(x)
    end
  end
  return out
end

--- As the http driver's; an id that is not chosen is unknown.
---@async
function Scms:create_scm(spec)
  if spec.provider == "internal" then
    refuse("remote", 400, INTERNAL, "the internal SCM is there already")
  end
  for _, scm in ipairs(self:list_scms()) do
    if scm_rules.conflict(scm, spec) then
      refuse("exists", 409, CONFLICT, "there is one like it, %s",
        tostring(scm.id))
    end
  end
  local name = spec.id or spec.name or spec.provider
  return perform(self, "scm.create", name, spec, function()
    local scm = without_secrets(spec)
    scm.id = spec.id or unknown.new("the id of the SCM " .. tostring(name))
    scm.default, scm.enabled = false, spec.enabled ~= false
    table.insert(self.pretended_accounts.scms.made, scm)
    return body.copy(scm)
  end)
end

---@async
function Scms:update_scm(id, patch)
  local was = get(self, id)
  if patch.enabled == false and was.default then
    refuse("remote", 400, DEFAULT, "the default SCM cannot be disabled")
  end
  local from = { enabled = was.enabled, urls = was.urls }
  return perform(self, "scm.update", id, { from = from,
    to = body.merge(from, patch) }, function()
      local changed = self.pretended_accounts.scms.changed
      changed[id] = body.merge(changed[id] or {}, without_secrets(patch))
      return get(self, id)
    end)
end

---@async
function Scms:set_default_scm(id)
  if get(self, id).enabled == false then
    refuse("remote", 400, DISABLED, "a disabled SCM cannot be the default")
  end
  perform(self, "scm.default", id, nil, function()
    self.pretended_accounts.scms.default = id
    return true
  end)
end

--- As the http driver's: one that is gone is as it should be.
---@async
function Scms:delete_scm(id)
  secrets.check_deletion(self)
  local was = try_get(self, id)
  if was and was.default then
    refuse("remote", 400, DEFAULT, "the default SCM cannot be deleted")
  elseif was and was.enabled ~= false then
    refuse("remote", 400, ENABLED, "an enabled SCM cannot be deleted")
  end
  perform(self, "scm.delete", id, nil, function()
    self.pretended_accounts.scms.changed[id] = false
    return true
  end)
end

return M
