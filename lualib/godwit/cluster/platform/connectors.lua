local err = require("godwit.err")
local json = require("godwit.core.json")
local fields = require("godwit.cluster.platform.fields")
local rules = require("godwit.cluster.platform.rules")
local users = require("godwit.cluster.platform.users")

--- Connectors to data elsewhere: checked and kept by name, without their
--- credentials; nothing here goes there.
local M = {}

local reject = rules.reject

local PROTOCOLS = { s3 = true, dropbox = true, azureblob = true, gs = true }
-- What a kind of credential must hold.
local CREDENTIALS = {
  iam = { "access_key_id", "secret_access_key" },
  oauth = { "access_token" },
  sas = { "storage_uri", "sas_token", "container_name" },
  serviceaccount = { "email", "private_key_id", "private_key" },
}
local LIMITS = { username = 1000, label = 100, protocol = 40, cred_type = 40,
  path = 1000 }

local function file_of(owner) return "connectors/" .. owner .. ".json" end

local function read(p, owner)
  local list = p.store:read(file_of(owner)) or json.array({})
  if type(list) ~= "table" then
    err.throw("io", "%s/%s is damaged: it is no list", p.store.dir,
      file_of(owner))
  end
  return list
end

-- The documents call the credentials a text and describe an object: either,
-- or the object's JSON.
local function check_credentials(body)
  local kind, data = CREDENTIALS[body.cred_type], body.cred_data
  if not kind then
    reject(400, 6001, "cred_type must be iam, oauth, sas or serviceaccount")
  end
  if type(data) == "string" then
    data = json.decode(data, { max = 64 << 10, depth = 8 })
    if type(data) ~= "table" then return end
  end
  if type(data) ~= "table" or json.is_array(data) then
    reject(400, 6001, "cred_data must be an object")
  end
  for _, key in ipairs(kind) do
    if type(data[key]) ~= "string" or data[key] == "" then
      reject(400, 6001, "cred_data.%s is required for %s", key, body.cred_type)
    end
  end
end

local function id_of(protocol, label, default)
  return default and protocol or protocol .. "+" .. label
end

local function checked(body, owner)
  local doc = fields.texts(body, LIMITS, 6001)
  fields.need(body, { "username", "protocol", "cred_type", "cred_data" })
  if doc.username ~= owner then
    reject(400, 3007, "the body is about %s, not %s", doc.username, owner)
  elseif not PROTOCOLS[doc.protocol] then
    reject(400, 6001, "protocol must be s3, dropbox, azureblob or gs")
  end
  doc.is_default = fields.flag(body, "is_default") or false
  doc.writeable = fields.flag(body, "writeable") or false
  doc.path, doc.label = doc.path or "*", doc.label or ""
  if doc.label ~= "" and not doc.label:find("^%w+$") then
    reject(400, 6001, "label must be letters and digits")
  end
  -- Without one there is no other way to address it.
  doc.is_default = doc.is_default or doc.label == ""
  check_credentials(body)
  return doc
end

--- POST /v1/users/USER/connectors.
---@async
---@param owner string A user's or an organization's name, or a user's id.
---@param body table
---@return table doc
function M.create(p, owner, body)
  owner = users.name_of(p, owner) or p.store:organization(owner) and owner
    or reject(404, 3000, "there is no user %s", owner)
  body = fields.without_nulls(body)
  local doc = checked(body, owner)
  return p.store:locked(file_of(owner), function()
    local list = read(p, owner)
    doc.connector_id = id_of(doc.protocol, doc.label, doc.is_default)
    for _, other in ipairs(list) do
      if type(other) == "table" and other.connector_id == doc.connector_id then
        reject(409, 6001, "the connector %s exists", doc.connector_id)
      end
    end
    doc.cred_type = nil
    list[#list + 1] = doc
    p.store:mkdir("connectors")
    p.store:write(file_of(owner), list)
    return { connector_id = doc.connector_id, username = owner,
      label = doc.label, protocol = doc.protocol, is_default = doc.is_default,
      permissions = json.array({ doc.writeable and "write" or "read" }) }
  end)
end

return M
