local err = require("godwit.err")
local json = require("godwit.core.json")
local sys = require("godwit.core.sys")
local fields = require("godwit.cluster.platform.fields")
local rules = require("godwit.cluster.platform.rules")
local scm_rules = require("godwit.cluster.scm_rules")

--- The SCMs a cluster is connected to, as its administrator makes, changes and
--- removes them. A client's secret is checked and not kept.
local M = {}

local reject = rules.reject

local FILE = "scms.json"
local BAD_CREATE, BAD_UPDATE = 4020, 4021
local INTERNAL = "internal"
local PROVIDERS = { github = "github", gitlab = "gitlab",
  bitbucket = "bitbucket", ["bitbucket-cloud"] = "bitbucket-cloud",
  bitbucket_cloud = "bitbucket-cloud" }
local URLS = { web = 1000, api = 1000, ssh = 1000 }
local LIMITS = { id = 64, name = 100, provider = 40 }

--- All of them; the internal one among them.
---@return table[]
function M.list(p)
  local list = p.store:read(FILE) or json.array({})
  if type(list) ~= "table" then
    err.throw("io", "%s/%s is damaged: it is no list", p.store.dir, FILE)
  end
  for _, scm in ipairs(list) do
    if type(scm) ~= "table" or type(scm.id) ~= "string" then
      err.throw("io", "%s/%s is damaged: an SCM has no id", p.store.dir, FILE)
    end
  end
  return list
end

local function find(list, id)
  for i, scm in ipairs(list) do
    if scm.id == id then return scm, i end
  end
  reject(404, 4009, "no SCM %s", tostring(id):sub(1, 60))
end

--- One of them, or refused.
---@param id string
---@return table
function M.get(p, id)
  return (find(M.list(p), id))
end

-- The three addresses, all or none.
local function urls_of(body, code)
  local given = body.urls
  if given == nil then return nil end
  if type(given) ~= "table" or json.is_array(given) then
    reject(400, code, "urls must be an object")
  end
  local out = fields.texts(given, URLS, code)
  fields.need(out, { "web", "api", "ssh" }, code)
  for _, key in ipairs({ "web", "api" }) do
    if not out[key]:find("^https?://[%w.%[%]:_-]+") then
      reject(400, code, "urls.%s is no address", key)
    end
  end
  if not out.ssh:find("^ssh://[^%s]+$") then
    reject(400, code, "urls.ssh is no address")
  end
  return out
end

-- What identifies a client at the provider: in one of two places.
local function client_of(body)
  local out
  for place, key in pairs({ oauth = "client_id", scm = "project_key" }) do
    local given = body[place]
    if given ~= nil then
      if type(given) ~= "table" or json.is_array(given) then
        reject(400, BAD_CREATE, "%s must be an object", place)
      end
      fields.text(given, "client_secret", 1000, BAD_CREATE)
      out = out or {}
      out[place] = { [key] = fields.text(given, key, 200, BAD_CREATE),
        client_id = fields.text(given, "client_id", 200, BAD_CREATE) }
    end
  end
  return out or {}
end

local function check_new(list, doc)
  for _, other in ipairs(list) do
    if scm_rules.conflict(other, doc) then
      reject(409, 4044, "the SCM %s is the same", other.id)
    end
  end
end

local function checked(body)
  local doc = fields.texts(body, LIMITS, BAD_CREATE)
  if doc.provider == INTERNAL or doc.id == INTERNAL then
    reject(400, 4045, "the internal SCM is not made by anybody")
  end
  fields.need(body, { "provider", "urls" }, BAD_CREATE)
  doc.provider = PROVIDERS[doc.provider]
    or reject(400, BAD_CREATE, "no provider %s", doc.provider)
  if doc.id and not doc.id:find("^[%w_.-]+$") then
    reject(400, BAD_CREATE, "id must be letters, digits, '_', '-' and '.'")
  end
  if body.enabled ~= nil and type(body.enabled) ~= "boolean" then
    reject(400, BAD_CREATE, "enabled must be true or false")
  end
  doc.urls, doc.enabled = urls_of(body, BAD_CREATE), body.enabled ~= false
  for place, client in pairs(client_of(body)) do doc[place] = client end
  if doc.provider ~= "bitbucket" and not (doc.oauth and doc.oauth.client_id)
  then
    reject(400, BAD_CREATE, "oauth.client_id is required for %s",
      doc.provider)
  end
  doc.id, doc.default = doc.id or sys.uuid(), false
  return doc
end

---@async
local function change(p, fn)
  return p.store:locked(FILE, function()
    local list = M.list(p)
    local result = fn(list)
    p.store:write(FILE, json.array(list))
    return result
  end)
end

--- POST /v1/admin/scms.
---@async
---@param body table
---@return table doc
function M.create(p, body)
  local doc = checked(fields.without_nulls(body))
  return change(p, function(list)
    check_new(list, doc)
    list[#list + 1] = doc
    return doc
  end)
end

--- PATCH /v1/admin/scms/ID.
---@async
---@param id string
---@param body table
---@return table doc
function M.update(p, id, body)
  body = fields.without_nulls(body)
  return change(p, function(list)
    local scm = find(list, id)
    local urls = urls_of(body, BAD_UPDATE)
    if body.enabled ~= nil and type(body.enabled) ~= "boolean" then
      reject(400, BAD_UPDATE, "enabled must be true or false")
    elseif urls and id == INTERNAL then
      reject(400, 4045, "the internal SCM has no addresses")
    elseif body.enabled == false and scm.default == true then
      reject(400, 4041, "the SCM %s is the default", id)
    end
    if body.enabled ~= nil then scm.enabled = body.enabled end
    scm.urls = urls or scm.urls
    return scm
  end)
end

--- POST /v1/admin/scms/ID/default.
---@async
---@param id string
function M.set_default(p, id)
  change(p, function(list)
    if find(list, id).enabled == false then
      reject(400, 4042, "the SCM %s is disabled", id)
    end
    for _, scm in ipairs(list) do scm.default = scm.id == id end
  end)
end

local function in_use(p, id)
  local found = false
  p.store:each_algorithm(function(owner, name)
    local record = not found and p.store:record(owner, name)
    local source = record and record.source
    found = found or type(source) == "table" and source.scm == id
  end)
  return found
end

--- DELETE /v1/admin/scms/ID.
---@async
---@param id string
function M.delete(p, id)
  change(p, function(list)
    local scm, place = find(list, id)
    if id == INTERNAL or scm.provider == INTERNAL then
      reject(400, 4045, "the internal SCM stays")
    elseif scm.default == true then
      reject(400, 4041, "the SCM %s is the default", id)
    elseif scm.enabled ~= false then
      reject(400, 4040, "the SCM %s is enabled; disable it first", id)
    elseif in_use(p, id) then
      reject(400, 4043, "algorithms have their code at the SCM %s", id)
    end
    table.remove(list, place)
  end)
end

return M
