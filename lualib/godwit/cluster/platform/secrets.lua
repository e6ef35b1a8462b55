local json = require("godwit.core.json")
local rules = require("godwit.cluster.platform.rules")
local sys = require("godwit.core.sys")

--- Secrets of algorithms as the platform keeps them: names, never a value.
--- What is given is checked and let go of: nothing here needs it, and an
--- archive may be anybody's to read.
local M = {}

local reject = rules.reject

local MAX_TEXT = 1024
local MAX_VALUE = 64 << 10

local function file_of(p, owner, name)
  return p.store:folder(owner, name) .. "/secrets.json"
end

local function read(p, owner, name)
  return p.store:read(file_of(p, owner, name)) or json.array({})
end

-- An administrator's key may write what it may not read otherwise.
local function may_write(p, caller, owner, name)
  if caller.kind == "admin" then return (p:find(caller, owner, name)) end
  return (p:own(caller, owner, name))
end

--- The providers. An archive that was made without keeps secrets itself.
function M.providers(p)
  local found = p.store:read("secret-providers.json")
  if found then return found end
  local h = sys.hash("sha256", p.store.id .. "\0secret-provider")
  return json.array({ {
    id = ("%s-%s-4%s-8%s-%s"):format(h:sub(1, 8), h:sub(9, 12),
      h:sub(14, 16), h:sub(18, 20), h:sub(21, 32)),
    name = "algorithmia_internal", description = "Internal secret provider",
    isEnabled = true, isDefault = true,
  } })
end

--- The secrets of an algorithm.
function M.list(p, caller, owner, name)
  p:own(caller, owner, name)
  return read(p, owner, name)
end

local function text(body, key, max)
  local v = body[key]
  if v == json.null then v = nil end
  if v ~= nil and type(v) ~= "string" then
    reject(400, 8000, "%s must be a string", key)
  elseif v and #v > max then
    reject(400, 8001, "%s is longer than %d bytes", key, max)
  end
  return v
end

local NAMES = { "short_name", "secret_key", "description" }

local function fields(body, required)
  local out = {}
  for _, key in ipairs(NAMES) do
    out[key] = text(body, key, MAX_TEXT)
    if out[key] == nil and required or out[key] == "" then
      reject(400, 8001, "%s must not be empty", key)
    end
  end
  local value = text(body, "secret_value", MAX_VALUE)
  if value == nil and required or value == "" then
    reject(400, 8004, "secret_value is needed")
  end
  return out
end

local function provider_of(p, body)
  local wanted = text(body, "provider_id", MAX_TEXT)
  local found
  for _, one in ipairs(M.providers(p)) do
    if wanted and one.id == wanted or not wanted and one.isDefault then
      found = one
    end
  end
  if not found and wanted then
    reject(404, 8006, "there is no secret provider %s", wanted)
  elseif not found then
    reject(400, 8002, "there is no default secret provider")
  elseif found.isEnabled == false then
    reject(400, 8012, "the secret provider is disabled")
  end
  return found.id
end

local function check_owner(record, body)
  local kind, id = text(body, "owner_type", MAX_TEXT),
    text(body, "owner_id", MAX_TEXT)
  if kind and kind ~= "algorithm" or id and id ~= record.id then
    reject(400, 8001, "the secret's owner is not this algorithm")
  end
end

local function check_free(list, doc)
  for _, other in ipairs(list) do
    if other.id ~= doc.id and (other.secret_key == doc.secret_key
      or other.short_name == doc.short_name) then
      reject(400, 8001, "a secret %s exists", doc.secret_key)
    end
  end
end

local function write(p, owner, name, list)
  p.store:write(file_of(p, owner, name), json.array(list))
end

--- POST …/secrets.
---@async
function M.create(p, caller, owner, name, body)
  local record = may_write(p, caller, owner, name)
  local doc = fields(body, true)
  check_owner(record, body)
  doc.provider_id = provider_of(p, body)
  return p.store:locked(owner .. "/" .. name, function()
    local list = read(p, owner, name)
    check_free(list, doc)
    doc.id, doc.owner_type, doc.owner_id = sys.uuid(), "algorithm", record.id
    doc.created = rules.time(p.now())
    doc.modified = doc.created
    list[#list + 1] = doc
    write(p, owner, name, list)
    return doc
  end)
end

local function find(list, id)
  for i, doc in ipairs(list) do
    if doc.id == id then return i, doc end
  end
  reject(404, 8008, "there is no such secret")
end

--- PUT …/secrets/ID: what is not given stays.
---@async
function M.update(p, caller, owner, name, id, body)
  may_write(p, caller, owner, name)
  local given = fields(body)
  return p.store:locked(owner .. "/" .. name, function()
    local list = read(p, owner, name)
    local _, doc = find(list, id)
    for key, v in pairs(given) do doc[key] = v end
    check_free(list, doc)
    doc.modified = rules.time(p.now())
    write(p, owner, name, list)
    return doc
  end)
end

--- DELETE …/secrets/ID.
---@async
function M.delete(p, caller, owner, name, id)
  may_write(p, caller, owner, name)
  p.store:locked(owner .. "/" .. name, function()
    local list = read(p, owner, name)
    table.remove(list, (find(list, id)))
    write(p, owner, name, list)
  end)
end

return M
