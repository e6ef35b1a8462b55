local err = require("godwit.err")
local json = require("godwit.core.json")
local rules = require("godwit.cluster.platform.rules")
local platform_data = require("godwit.cluster.platform.data")
local secrets = require("godwit.cluster.secrets")
local sys = require("godwit.core.sys")
local unknown = require("godwit.unknown")
local writes = require("godwit.cluster.overlay.writes")

--- cluster.overlay.data: collections and files, written without writing.
--- Methods of the overlay driver. A file is remembered by name, size, time and
--- where its bytes are; where that becomes too much, what is in a collection
--- is known after apply only.
local M = {}
local Data = {}
M.methods = Data

local NO_OWNER, INVALID = 3000, 2015
local MAX_FILES = 20000     -- remembered, of all collections
local MAX_BYTES = 16 << 20  -- of files a script wrote
local PAGE = 1000

local refuse = writes.refuse

---@class godwit.cluster.PretendedCollection
---@field made? boolean    Nothing of what is really there is in it
---@field gone? boolean
---@field acl? string[]
---@field files table<string, table|false> false: removed
---@field blurred? boolean Too much to remember

--- What an overlay begins with.
function M.state()
  return { owners = {}, files = 0, bytes = 0 }
end

local function find(overlay, owner, name)
  local of_owner = overlay.pretended_data.owners[owner]
  return of_owner and of_owner[name]
end

local function state_of(overlay, owner, name)
  local owners = overlay.pretended_data.owners
  owners[owner] = owners[owner] or {}
  local p = owners[owner][name]
  if not p then
    p = { files = {} }
    owners[owner][name] = p
  end
  return p
end

local function place(owner, name, file)
  return "data/" .. owner .. "/" .. name .. (file and "/" .. file or "")
end

local function no_collection(overlay, owner, name)
  err.throw("notfound", "there is no %s:%s", overlay.name, place(owner, name))
end

local function check_clear(overlay, owner, name, p)
  if p and p.blurred then
    err.throw("usage", "what is in %s:%s is known after apply only",
      overlay.name, place(owner, name))
  end
end

-- Whether the files below count.
local function has_below(p)
  return not (p and (p.made or p.gone))
end

-- Reads -------------------------------------------------------------------

---@async
function Data:each_collection(owner)
  local below = not self:is_new_owner(owner)
    and self.under:each_collection(owner)
  local states = self.pretended_data.owners[owner] or {}
  local made = {}
  for name, p in pairs(states) do
    if p.made and not p.gone then made[#made + 1] = name end
  end
  table.sort(made)
  local at = 0
  return function()
    while below do
      local row = below()
      if not row then
        below = nil
      elseif has_below(states[row.name]) then
        return row
      end
    end
    at = at + 1
    return made[at] and { name = made[at] }
  end
end

local function copy_acl(acl)
  return acl and json.array({ table.unpack(acl) })
end

---@async
function Data:try_get_collection(owner, name)
  local p = find(self, owner, name)
  if p and p.gone then return nil end
  if p and p.made then
    return { owner = owner, name = name, acl = copy_acl(p.acl) }
  elseif self:is_new_owner(owner) then
    return nil
  end
  local doc = self.under:try_get_collection(owner, name)
  if doc and p and p.acl then doc.acl = copy_acl(p.acl) end
  return doc
end

local function row_of(name, f)
  return { name = name, size = f.size, time = f.time }
end

-- A page from below as the pretended writes leave it.
local function view(p, rows, seen)
  local out = {}
  for _, r in ipairs(rows) do
    local f = p.files[r.name]
    if f then
      seen[r.name] = true
      r = row_of(r.name, f)
    end
    if f ~= false then out[#out + 1] = r end
  end
  return out
end

local function rest(p, seen)
  local names = {}
  for name, f in pairs(p.files) do
    if f and not seen[name] then names[#names + 1] = name end
  end
  table.sort(names)
  local at = 0
  return function()
    if at >= #names then return nil end
    local out = {}
    for i = at + 1, math.min(at + PAGE, #names) do
      out[#out + 1] = row_of(names[i], p.files[names[i]])
    end
    at = at + PAGE
    return out
  end
end

---@async
function Data:each_file_page(owner, name, unusable)
  local p = find(self, owner, name)
  check_clear(self, owner, name, p)
  if p and p.gone or not p and self:is_new_owner(owner) then
    no_collection(self, owner, name)
  elseif not p then
    return self.under:each_file_page(owner, name, unusable)
  end
  local below = has_below(p)
    and self.under:each_file_page(owner, name, unusable)
  local seen, more = {}, nil
  return function()
    for rows in below or function() end do
      local out = view(p, rows, seen)
      if #out > 0 then return out end
    end
    below = nil
    more = more or rest(p, seen)
    return more()
  end
end

-- A pretended file, false for one that is not there, nil: look below.
local function pretended(overlay, owner, name, file)
  local p = find(overlay, owner, name)
  check_clear(overlay, owner, name, p)
  local f = p and p.files[file]
  if f ~= nil then return f end
  if not has_below(p) or not p and overlay:is_new_owner(owner) then
    return false
  end
  return nil
end

---@async
function Data:try_head_file(owner, name, file)
  local f = pretended(self, owner, name, file)
  if f then
    return { size = f.size, time = f.time, md5 = f.md5, etag = f.md5 }
  elseif f == false then
    return nil
  end
  return self.under:try_head_file(owner, name, file)
end

---@async
function Data:read_file(owner, name, file, opts)
  local f = pretended(self, owner, name, file)
  if f == nil then return self.under:read_file(owner, name, file, opts) end
  if not f then
    err.throw("notfound", "there is no %s:%s", self.name,
      place(owner, name, file))
  elseif f.bytes and opts and opts.max and #f.bytes > opts.max then
    err.throw("limit", "%s:%s has %d bytes; the limit is %d", self.name,
      place(owner, name, file), #f.bytes, opts.max)
  elseif f.bytes then
    return f.bytes
  elseif f.source then
    return f.source(file, opts)
  end
  err.throw("usage", "the bytes of %s:%s are known after apply only",
    self.name, place(owner, name, file))
end

---@async
---@param owners string[]
---@return string[]
function Data:unseen_owners(owners)
  local old = {}
  for _, owner in ipairs(owners) do
    if not self:is_new_owner(owner) then
      old[#old + 1] = owner
    end
  end
  return self.under:unseen_owners(old)
end

---@async
function Data:list_hosted_data(owner)
  local out = json.array({})
  for _, row in ipairs(self:is_new_owner(owner) and {}
    or self.under:list_hosted_data(owner)) do
    if has_below(find(self, owner, row.collection_name)) then
      out[#out + 1] = row
    end
  end
  for name, p in pairs(self.pretended_data.owners[owner] or {}) do
    if p.made and not p.gone then
      local doc = { id = unknown.new("the id of " .. place(owner, name)),
        acl = { read = p.acl } }
      out[#out + 1] = platform_data.hosted(#out + 1, owner, name, doc)
    end
  end
  return out
end

--- Where a copy reads. In a plan nothing is written, so no end is for that.
---@async
function Data:data_end(owner, name, mode)
  if mode ~= "read" then
    err.throw("denied", "%s:%s is not written in a plan", self.name,
      place(owner, name))
  end
  return self.under:data_end(owner, name, mode)
end

-- Writes ------------------------------------------------------------------

---@async
local function existing(overlay, owner, name)
  local doc = overlay:try_get_collection(owner, name)
  if not doc then
    refuse("notfound", 404, INVALID, "there is no collection data://%s/%s",
      owner, name)
  end
  return doc
end

local function perform(overlay, kind, owner, name, file, detail, pretend)
  return writes.perform(overlay, kind, owner, name, detail, pretend,
    overlay.name .. ":" .. place(owner, name, file))
end

local function check_acl(acl)
  if acl ~= nil and not platform_data.acl_kind(json.array({
    table.unpack(acl) })) then
    refuse("remote", 400, INVALID,
      'acl.read is ["user://*"], ["algo://.my/*"] or []')
  end
end

-- Only the cluster itself knows whether there is an owner without anything.
---@async
local function check_owner(overlay, owner)
  if overlay:is_new_owner(owner) then return end
  local ok, e = pcall(function()
    return overlay.under:each_collection(owner)()
  end)
  if ok then return end
  if err.is(e, "notfound") then
    refuse("notfound", 404, NO_OWNER, "there is no account %s", owner)
  end
  error(e, 0)
end

-- How much is kept of a remembered file; false and nil are none.
local function bytes_of(f)
  return f and f.bytes and #f.bytes or 0
end

-- Nothing is remembered any more of what is in a collection.
local function forget_files(overlay, p)
  local state = overlay.pretended_data
  for _, f in pairs(p.files) do
    state.files, state.bytes = state.files - 1, state.bytes - bytes_of(f)
  end
  p.files = {}
end

---@async
function Data:create_collection(owner, name, acl)
  if self:try_get_collection(owner, name) then
    error(err.new({ kind = "exists", status = 409,
      message = self.name .. ":" .. place(owner, name)
        .. " exists already" }), 0)
  end
  check_owner(self, owner)
  if not rules.is_account(name) then
    refuse("remote", 400, INVALID, "%s is no collection's name", name)
  end
  check_acl(acl)
  local detail = { name = name, acl = acl and { read = json.array(acl) } }
  return perform(self, "data.create", owner, name, nil, detail, function()
    local p = state_of(self, owner, name)
    forget_files(self, p)
    p.made, p.gone, p.blurred = true, nil, nil
    p.acl = copy_acl(acl or platform_data.ACLS.algorithms)
    return true
  end)
end

---@async
function Data:set_acl(owner, name, acl)
  local was = existing(self, owner, name)
  check_acl(acl)
  local detail = { from = { acl = { read = was.acl } },
    to = { acl = { read = json.array(acl) } } }
  return perform(self, "data.acl", owner, name, nil, detail, function()
    state_of(self, owner, name).acl = copy_acl(acl)
    return true
  end)
end

---@async
local function is_empty(overlay, owner, name)
  local p = find(overlay, owner, name)
  if p and p.blurred then return false end
  return overlay:each_file_page(owner, name)() == nil
end

---@async
function Data:delete_collection(owner, name, opts)
  secrets.check_deletion(self)
  local force = opts and opts.force or nil
  if not self:try_get_collection(owner, name) then return 0 end
  local empty = is_empty(self, owner, name)
  if not force and not empty then
    refuse("conflict", 409, INVALID, "data://%s/%s is not empty", owner, name)
  end
  return perform(self, "data.delete_collection", owner, name, nil,
    { force = force }, function()
      local p = state_of(self, owner, name)
      forget_files(self, p)
      p.gone, p.made, p.blurred, p.acl = true, nil, nil, nil
      return empty and 0 or nil
    end)
end

-- Remembers a file; when that becomes too many, nothing of the collection. Its
-- bytes are kept while there is room.
local function remember(overlay, p, file, f)
  local state = overlay.pretended_data
  if p.blurred then return end
  if p.files[file] == nil then state.files = state.files + 1 end
  state.bytes = state.bytes - bytes_of(p.files[file])
  if state.bytes + bytes_of(f) > MAX_BYTES then f.bytes = nil end
  state.bytes = state.bytes + bytes_of(f)
  p.files[file] = f
  if state.files > MAX_FILES then
    forget_files(overlay, p)
    p.blurred = true
  end
end

local function check_file(overlay, file)
  overlay.under:check_file_name(file)
  if not platform_data.is_file(file) then
    refuse("remote", 400, INVALID, "this is no file's name")
  end
end

---@async
function Data:write_file(owner, name, file, bytes)
  existing(self, owner, name)
  check_file(self, file)
  local md5 = sys.hash("md5", bytes)
  return perform(self, "data.put", owner, name, file,
    { size = #bytes, md5 = md5 }, function()
      remember(self, state_of(self, owner, name), file, { size = #bytes,
        md5 = md5, time = sys.time(), bytes = bytes })
      return true
    end)
end

---@async
function Data:delete_file(owner, name, file)
  secrets.check_deletion(self)
  local p = find(self, owner, name)
  if not (p and p.blurred) and not self:try_head_file(owner, name, file) then
    return 0
  end
  return perform(self, "data.delete", owner, name, file, nil, function()
    remember(self, state_of(self, owner, name), file, false)
    return 1
  end)
end

--- A copy's files, as they would be there: { name=, size=, time= }. `source`
--- reads one of them where it is. Part of the copy's effect, none of its own.
---@param rows { name: string, size: integer|nil, time: number|nil }[]
---@param source? fun(file: string, opts: table|nil): string
function Data:pretend_files(owner, name, rows, source)
  local p = state_of(self, owner, name)
  for _, r in ipairs(rows) do
    remember(self, p, r.name, { size = r.size, time = r.time or sys.time(),
      source = source })
  end
end

--- The same for files a copy would remove.
---@param names string[]
function Data:pretend_removed(owner, name, names)
  local p = state_of(self, owner, name)
  for _, file in ipairs(names) do remember(self, p, file, false) end
end

return M
