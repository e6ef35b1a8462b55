local fs = require("godwit.core.fs")

--- Which users, organizations and members an archive has, in memory: a page
--- of a list must not read the whole list again. What this process writes is
--- followed; what somebody else wrote shows in the times of folders and files
--- and makes it be read anew.
local Index = {}
Index.__index = Index

local M = {}

local FOLDERS = { users = "email", organizations = "external_id" }

local function time_of(path)
  local s = fs.stat(path)
  return s and s.mtime
end

--- Where a name is in a sorted list, or where it would be.
---@param names string[]
---@param name string
---@return integer place, boolean found
function M.place(names, name)
  local low, high = 1, #names
  while low <= high do
    local middle = (low + high) // 2
    if names[middle] < name then
      low = middle + 1
    else
      high = middle - 1
    end
  end
  return low, names[low] == name
end

--- Iterates over a sorted list that may change meanwhile.
---@param names fun(): string[]
---@return fun(): string|nil
function M.each(names)
  local last
  return function()
    local list = names()
    local at, found = 1, false
    if last then at, found = M.place(list, last) end
    last = list[found and at + 1 or at]
    return last
  end
end

local function folder(self, which)
  local f = self.folders[which]
  if not f then
    f = { path = self.store.dir .. "/" .. which, writing = 0 }
    self.folders[which] = f
  end
  return f
end

--- The names of "users" or "organizations", sorted; not the caller's to
--- change.
---@param which "users"|"organizations"
---@return string[]
function Index:names(which)
  local f = folder(self, which)
  if f.names and (f.writing > 0 or f.time == time_of(f.path)) then
    return f.names
  end
  f.time = time_of(f.path)
  f.names, f.seek = self.store:json_names(which), nil
  return f.names
end

-- Finding by what is in the documents ------------------------------------

local function put(seek, name, doc, key)
  local id, other = doc.id, doc[key]
  local keys = { type(id) == "string" and "id:" .. id:lower() or nil,
    type(other) == "string" and key .. ":" .. (key == "email"
      and other:lower() or other) or nil }
  seek.keys[name] = keys
  for _, k in pairs(keys) do
    if seek.names[k] then
      seek.doubles = true
    else
      seek.names[k] = name
    end
  end
end

local function seek_of(self, which)
  local f = folder(self, which)
  local names = self:names(which)
  if not f.seek then
    local seek = { names = {}, keys = {} }
    for _, name in ipairs(names) do
      local doc = self.store:account(which, name)
      if doc then put(seek, name, doc, FOLDERS[which]) end
    end
    f.seek = seek
  end
  return f.seek
end

--- The first one whose field has that value.
---@param which "users"|"organizations"
---@param key "id"|"email"|"external_id"
---@param value string
---@return string|nil name
function Index:find(which, key, value)
  local plain = key == "external_id" and value or value:lower()
  return seek_of(self, which).names[key .. ":" .. plain]
end

local function forget(f, name)
  if not f.seek then return end
  if f.seek.doubles then
    f.seek = nil -- another one may have the same value
    return
  end
  for _, k in pairs(f.seek.keys[name] or {}) do f.seek.names[k] = nil end
  f.seek.keys[name] = nil
end

local function follow(f, which, name, doc)
  if f.names then
    local at, found = M.place(f.names, name)
    if doc and not found then
      table.insert(f.names, at, name)
    elseif not doc and found then
      table.remove(f.names, at)
    end
  end
  forget(f, name)
  if doc and f.seek then put(f.seek, name, doc, FOLDERS[which]) end
end

local Turn = {}
Turn.__index = Turn

--- The write is done; doc is nil when the document is gone.
function Turn:done(doc)
  self.settled = true
  follow(self.folder, self.which, self.name, doc)
end

-- A write that did not say how it ended may have happened.
function Turn:__close()
  local f = self.folder
  f.writing = f.writing - 1
  if not self.settled then f.names, f.seek = nil, nil end
  if f.writing == 0 then f.time = time_of(f.path) end
end

local NOTHING = setmetatable({}, { __index = { done = function() end },
  __close = function() end })

--- Begins a write of a document of the archive; to be closed.
---@param path string Inside the archive.
function Index:write(path)
  local which, name = path:match("^(%l+)/([%w_]+)%.json$")
  if not FOLDERS[which or false] then return NOTHING end
  local f = folder(self, which)
  f.writing = f.writing + 1
  return setmetatable({ folder = f, which = which, name = name }, Turn)
end

-- Members ----------------------------------------------------------------

local function sign(path)
  local s = fs.stat(path)
  return s and s.mtime .. "/" .. s.size
end

--- What `read` made of an organization's documents, for as long as these are
--- the same.
---@param org string
---@param read fun(): table
function Index:members(org, read)
  local document = self.store.dir .. "/organizations/" .. org .. ".json"
  local apart = self.store.dir .. "/members/" .. org
  local m = self.orgs[org]
  if m and (m.busy or m.sign == sign(document) and m.time == time_of(apart))
  then
    return m
  end
  local signed, time = sign(document), time_of(apart)
  m = read()
  m.sign, m.time = signed, time
  self.orgs[org] = m
  return m
end

--- Runs fn, which changes an organization's documents and, at its end, what
--- Index:members gave. One at a time.
---@async
---@param org string
---@param m table
---@param fn fun()
function Index:change(org, m, fn)
  local whole = false
  local turn <close> = setmetatable({}, { __close = function()
    m.busy = nil
    if whole then
      m.sign = sign(self.store.dir .. "/organizations/" .. org .. ".json")
      m.time = time_of(self.store.dir .. "/members/" .. org)
    else
      self.orgs[org] = nil -- nobody knows what was written
    end
  end })
  m.busy = true
  fn()
  whole = true
end

--- An organization is gone.
function Index:forget(org)
  self.orgs[org] = nil
end

---@param store table From platform/store.
function M.new(store)
  return setmetatable({ store = store, folders = {}, orgs = {} }, Index)
end

return M
