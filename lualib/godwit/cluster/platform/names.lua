local json = require("godwit.core.json")
local err = require("godwit.err")
local rules = require("godwit.cluster.platform.rules")

--- The one name space of users and organizations, and the addresses of users:
--- which are taken, which are being taken, and which were and never are again
--- (burnt.json).
local M = {}

local reject = rules.reject

local FILE = "burnt.json"

local function section(p, doc, key)
  local v = doc[key]
  if v == nil then return {} end
  if type(v) ~= "table" or json.is_array(v) then
    err.throw("io", "%s/%s is damaged: %s is no object", p.store.dir, FILE, key)
  end
  return v
end

local function burnt(p)
  local doc = p.store:cached(FILE) or {}
  if type(doc) ~= "table" then
    err.throw("io", "%s/%s is damaged: it is no object", p.store.dir, FILE)
  end
  return section(p, doc, "usernames"), section(p, doc, "emails")
end

--- Whether an account of this name exists, existed, or is being made.
---@param name string
---@return "user"|"organization"|"burnt"|nil
function M.taken(p, name)
  if p.claims[name] then return p.claims[name] end
  if p.store:user(name) then return "user" end
  if p.store:organization(name) then return "organization" end
  return (burnt(p))[name] ~= nil and "burnt" or nil
end

local function email_taken(p, email)
  local key = email:lower()
  local _, emails = burnt(p)
  return p.claims[key] or p.store.index:find("users", "email", key)
    or emails[key] ~= nil
end

local function hold(p, keys, what)
  for _, key in ipairs(keys) do p.claims[key] = what end
  return setmetatable({}, { __close = function()
    for _, key in ipairs(keys) do p.claims[key] = nil end
  end })
end

--- Takes a name, and an address, for a user that is being made; to be closed
--- when its document is there. Refuses what is taken.
---@param name string
---@param email string
function M.claim(p, name, email)
  if M.taken(p, name) then
    reject(409, 3003, "the username %s is taken", name)
  elseif email_taken(p, email) then
    reject(409, 3004, "the email address %s is taken", email)
  end
  return hold(p, { name, email:lower() }, "user")
end

--- The same for an organization's name.
---@param name string
function M.reserve(p, name)
  local what = M.taken(p, name)
  if what == "organization" then
    reject(409, 3101, "the organization %s exists", name)
  elseif what then
    reject(409, 3104, "the name %s cannot be reserved, a user has or had it",
      name)
  end
  return hold(p, { name }, "organization")
end

--- From here on nobody gets this name and this address again.
---@async
---@param name string
---@param email any
function M.burn(p, name, email)
  p.store:locked(FILE, function()
    local usernames, emails = burnt(p)
    local doc = { usernames = {}, emails = {} }
    for key, v in pairs(usernames) do doc.usernames[key] = v end
    for key, v in pairs(emails) do doc.emails[key] = v end
    doc.usernames[name] = true
    if type(email) == "string" then doc.emails[email:lower()] = true end
    p.store:write(FILE, doc)
  end)
end

return M
