local fs = require("godwit.core.fs")
local keys = require("godwit.sandbox.keys")

--- Which of a sandbox's keys another command takes for an owner: one of its
--- own, or of a member; rather one that manages algorithms. Keys that were
--- made since are seen.
local M = {}
local Keychain = {}
Keychain.__index = Keychain

local function is_standard(a)
  return (a.kind or "standard") == "standard" and type(a.key) == "string"
end

local function manages(a)
  return a.permissions == nil or a.permissions.allow_algo_management == true
end

local function fresh(self)
  local s = fs.stat(self.dir .. "/keys.json")
  local sign = s and s.mtime .. "/" .. s.size
  if self.sign == sign and self.of then return end
  self.sign, self.of, self.first, self.admin = sign, {}, nil, nil
  for _, a in ipairs(keys.read(self.dir) or {}) do
    if a.kind == "admin" then
      self.admin = self.admin or a
    elseif is_standard(a) then
      self.first = self.first or a
      local list = self.of[a.username] or {}
      self.of[a.username] = list
      list[#list + 1] = a
    end
  end
end

local function best(list)
  for _, a in ipairs(list or {}) do
    if manages(a) then return a end
  end
end

local function members_best(self, owner)
  local m = self.store:members(owner)
  for _, name in ipairs(m and m.names or {}) do
    local a = best(self.of[name])
    if a then return a end
  end
end

local function members_first(self, owner)
  local m = self.store:members(owner)
  for _, name in ipairs(m and m.names or {}) do
    if self.of[name] then return self.of[name][1] end
  end
end

--- The account whose key is taken for an owner, or nil; without an owner the
--- first there is.
---@param owner string|nil
---@return table|nil
function Keychain:account(owner)
  fresh(self)
  if not owner then return self.first end
  local own = self.of[owner]
  return best(own) or members_best(self, owner) or own and own[1]
    or members_first(self, owner)
end

--- The administrator's account, or nil.
---@return table|nil
function Keychain:administrator()
  fresh(self)
  return self.admin
end

---@param dir string
---@param store table
function M.open(dir, store)
  return setmetatable({ dir = dir, store = store }, Keychain)
end

return M
