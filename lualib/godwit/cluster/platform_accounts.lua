local json = require("godwit.core.json")
local rules = require("godwit.cluster.platform_rules")

--- Users and organizations of an archive as the platform shows them. Who may
--- ask is decided where keys are known.
local M = {}

local function copy(t)
  local out = {}
  for k, v in pairs(t) do out[k] = v end
  return out
end

local function link(p, doc, which, name)
  doc.self_link = p.api and ("%s/v1/%s/%s"):format(p.api, which, name) or nil
  return doc
end

local function user(p, name)
  local doc = p.store:user(name)
  return doc and link(p, copy(doc), "users", name)
end

-- Members are a list of their own; their owners' ids stand in the document.
local function organization(p, name)
  local doc = p.store:organization(name)
  if not doc then return nil end
  doc = copy(doc)
  local owners = {}
  for _, m in ipairs(doc.members or {}) do
    local who = m.role == "owner" and p.store:user(m.username)
    if who then owners[#owners + 1] = who.id end
  end
  doc.members, doc.owner_ids = nil, json.array(owners)
  return link(p, doc, "organizations", name)
end

local function rows(names, get, p)
  local out = {}
  for i, name in ipairs(names) do
    out[i] = { key = name, doc = function() return get(p, name) end }
  end
  return out
end

--- The users by name, as rows of a page.
---@return {key: string, doc: fun(): table}[]
function M.users(p)
  return rows(p.store:user_names(), user, p)
end

--- The organizations by name, as rows of a page.
---@return {key: string, doc: fun(): table}[]
function M.organizations(p)
  return rows(p.store:organization_names(), organization, p)
end

--- A user by name or id, or nil.
---@param ref string
---@return table|nil
function M.user(p, ref)
  if not rules.is_uuid(ref) then return user(p, ref) end
  for _, name in ipairs(p.store:user_names()) do
    local doc = p.store:user(name)
    if doc and doc.id == ref:lower() then return user(p, name) end
  end
  return nil
end

--- An organization by name, or nil.
---@param name string
---@return table|nil
function M.organization(p, name)
  return organization(p, name)
end

return M
