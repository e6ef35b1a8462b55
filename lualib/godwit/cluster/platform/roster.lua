local err = require("godwit.err")
local fs = require("godwit.core.fs")
local json = require("godwit.core.json")
local sys = require("godwit.core.sys")
local index = require("godwit.cluster.platform.index")
local rules = require("godwit.cluster.platform.rules")

--- Who is a member of an organization, on disk. A few members stand in the
--- organization's document; many have files of their own, by the digest of
--- their names, so that one more does not write all of them again.
local M = {}

local MANY = 200
local ROLES = { owner = true, member = true, invited = true, unknown = true }

local function add(m, name, role)
  if m.roles[name] == nil then m.names[#m.names + 1] = name end
  m.roles[name] = role
end

local function damaged(store, path)
  err.throw("io", "%s/%s is damaged: it is no list of members", store.dir,
    path)
end

local function checked(store, path, name, role)
  if not rules.is_account(name) or role ~= nil and type(role) ~= "string" then
    damaged(store, path)
  end
  return ROLES[role or "member"] and (role or "member") or "unknown"
end

local function folder_of(org) return "members/" .. org end

local function file_of(org, name)
  return ("%s/%s.json"):format(folder_of(org), sys.hash("md5", name):sub(1, 2))
end

local function read_document(store, org, list, m)
  local path = "organizations/" .. org .. ".json"
  if list == nil or list == json.null then return end
  if type(list) ~= "table" then damaged(store, path) end
  for _, row in ipairs(list) do
    if type(row) ~= "table" then damaged(store, path) end
    add(m, row.username, checked(store, path, row.username, row.role))
  end
end

local function read_file(store, path, m)
  local rows = store:read(path)
  if type(rows) ~= "table" or json.is_array(rows) then damaged(store, path) end
  for name, role in pairs(rows) do
    add(m, name, checked(store, path, name, role))
  end
end

local function read(store, org, doc)
  local m = { names = {}, roles = {}, owners = 0, apart = false }
  if doc.members_apart == true then
    m.apart = true
    for _, file in ipairs(store:names(folder_of(org), "file")) do
      if file:find("^%x%x%.json$") then
        read_file(store, folder_of(org) .. "/" .. file, m)
      end
    end
  else
    read_document(store, org, doc.members, m)
  end
  table.sort(m.names)
  for _, role in pairs(m.roles) do
    if role == "owner" then m.owners = m.owners + 1 end
  end
  return m
end

--- The members of an organization, or nil if there is none; not the caller's
--- to change.
function M.of(store, org)
  if not rules.is_account(org) or not fs.stat(("%s/organizations/%s.json")
    :format(store.dir, org)) then
    return nil
  end
  return store.index:members(org, function()
    local doc = store:organization(org)
    if not doc then return { names = {}, roles = {}, owners = 0 } end
    return read(store, org, doc)
  end)
end

local function rows_of(m, except, name, role)
  local rows = json.array({})
  for _, n in ipairs(m.names) do
    if n ~= except then
      rows[#rows + 1] = { username = n, role = m.roles[n] }
    end
  end
  if role then rows[#rows + 1] = { username = name, role = role } end
  table.sort(rows, function(a, b) return a.username < b.username end)
  return rows
end

---@async
local function move_apart(store, org, m, doc)
  local files = {}
  for _, name in ipairs(m.names) do
    local file = file_of(org, name)
    files[file] = files[file] or {}
    files[file][name] = m.roles[name]
  end
  store:remove_folder(folder_of(org))
  store:mkdir(folder_of(org))
  for file, rows in pairs(files) do store:write(file, rows) end
  doc.members, doc.members_apart = nil, true
  store:write("organizations/" .. org .. ".json", doc)
  m.apart = true
end

local function write_file(store, org, name, role)
  local file = file_of(org, name)
  local rows = store:read(file) or {}
  if type(rows) ~= "table" or json.is_array(rows) then damaged(store, file) end
  rows[name] = role
  store:mkdir(folder_of(org))
  store:write(file, rows)
end

local function follow(m, name, role)
  local at, found = index.place(m.names, name)
  if role and not found then
    table.insert(m.names, at, name)
  elseif not role and found then
    table.remove(m.names, at)
  end
  m.owners = m.owners + (role == "owner" and 1 or 0)
    - (m.roles[name] == "owner" and 1 or 0)
  m.roles[name] = role
end

--- Gives a member a role, or takes one out (nil). The organization exists and
--- its lock is held.
---@async
---@param store table
---@param org string
---@param name string
---@param role string|nil
function M.set(store, org, name, role)
  local m = M.of(store, org)
  store.index:change(org, m, function()
    local doc = store:organization(org)
    if not m.apart and #m.names >= MANY then move_apart(store, org, m, doc) end
    if m.apart then
      write_file(store, org, name, role)
    else
      doc.members = rows_of(m, name, name, role)
      store:write("organizations/" .. org .. ".json", doc)
    end
    follow(m, name, role)
  end)
end

--- Forgets an organization's members.
---@async
function M.remove(store, org)
  store:remove_folder(folder_of(org))
  store.index:forget(org)
end

return M
