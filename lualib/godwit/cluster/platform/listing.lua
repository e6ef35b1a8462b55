local err = require("godwit.err")
local file = require("godwit.core.file")
local suggest = require("godwit.config.suggest")

--- The names in folders of an archive, kept in order, so that a page of a
--- large collection costs a page. Only one process writes an archive: it tells
--- what it added and removed, and that is worked in when the list is asked for.
local Names = {}
Names.__index = Names

local M = {}

local LISTS = 8 -- of folders, kept at once

function M.new()
  return setmetatable({ lists = {}, order = {} }, Names)
end

--- The place of the first name behind `after` in a sorted list.
---@param list string[]
---@param after string
---@return integer
function M.behind(list, after)
  local low, high = 1, #list + 1
  while low < high do
    local middle = (low + high) // 2
    if list[middle] <= after then low = middle + 1 else high = middle end
  end
  return low
end

-- Both in order; what was removed is in neither.
local function merge(list, more, removed)
  local out, n, j = {}, 0, 1
  local function put(name)
    if name ~= out[n] then
      n = n + 1
      out[n] = name
    end
  end
  for i = 1, #list do
    while more[j] and more[j] <= list[i] do
      put(more[j])
      j = j + 1
    end
    if not removed[list[i]] then put(list[i]) end
  end
  for k = j, #more do put(more[k]) end
  return out
end

local function work_in(it)
  if it.list and (next(it.added) or next(it.removed)) then
    it.list = merge(it.list, suggest.names(it.added), it.removed)
    it.added, it.removed = {}, {}
  end
  return it.list
end

function Names:make_room()
  if #self.order >= LISTS then
    self.lists[table.remove(self.order, 1)] = nil
  end
end

---@async
local function read(self, dir, it)
  local list, e = file.names(dir)
  if not list and not err.is(e, "notfound") then
    self:forget(dir)
    error(e, 0)
  end
  it.list = it.list or list or {}
end

--- The names of a folder's files, sorted. Not to be changed.
---@async
---@param dir string
---@return string[]
function Names:of(dir)
  local it = self.lists[dir]
  if not it then
    self:make_room()
    it = { added = {}, removed = {} }
    self.lists[dir] = it
    self.order[#self.order + 1] = dir
  end
  if not it.list then read(self, dir, it) end
  return work_in(it)
end

--- A file was put there.
function Names:add(dir, name)
  local it = self.lists[dir]
  if it then it.added[name], it.removed[name] = true, nil end
end

--- A file was removed.
function Names:drop(dir, name)
  local it = self.lists[dir]
  if it then it.added[name], it.removed[name] = nil, true end
end

--- The folder is gone, or somebody else was in it.
function Names:forget(dir)
  self.lists[dir] = nil
  for i, other in ipairs(self.order) do
    if other == dir then
      table.remove(self.order, i)
      break
    end
  end
end

return M
