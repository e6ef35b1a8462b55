--- tree.sides: what tree.sync copies from and to, seen the same way: a folder
--- of this machine, or a tree. A side lists its files and gives their
--- contents; one that is written to takes them and removes others.
local err = require("godwit.err")
local folder = require("godwit.core.folder")
local sys = require("godwit.core.sys")
local tree = require("godwit.tree")
local tree_path = require("godwit.tree.path")

local M = {}

local OWNER_MAY_RUN = 64 -- 0100
local MAX_PATH = 4000
local STALE = 3600 -- seconds after which a temporary file has no owner

---@class godwit.tree.Item
---@field path string
---@field type "file"|"link"|"other"|"submodule"
---@field mtime? number

---@class godwit.tree.Found
---@field items godwit.tree.Item[] In order.
---@field at table<string, godwit.tree.Item>
---@field folders table<string, boolean>
---@field skipped integer What is never copied.
---@field stale string[] What a killed run left behind.

local function new_found()
  return { items = {}, at = {}, folders = {}, skipped = 0, stale = {} }
end

local function add(found, item)
  found.items[#found.items + 1] = item
  found.at[item.path] = item
end

-- a folder ---------------------------------------------------------------

local Folder = {}
Folder.__index = Folder

--- A folder of this machine; nil when it is not there.
---@param path string
---@return table?
function M.folder(path)
  local root, e = folder.open(path)
  if root then
    return setmetatable({ root = root, path = path, is_folder = true }, Folder)
  elseif e.kind ~= "notfound" then
    error(e, 0)
  end
end

--- The same, to write to; it is made when it is missing.
---@param path string
---@return table
function M.writable(path)
  return setmetatable({ root = err.check(folder.open(path, true)), path = path,
    is_folder = true, touched = {} }, Folder)
end

local is_temporary = folder.is_temporary

local TYPES = { file = "file", link = "link", other = "other" }

---@async
local function walk(self, dir, filter, found)
  for _, e in ipairs(err.check(self.root:list(dir))) do
    local path = dir == "" and e.name or dir .. "/" .. e.name
    if #path > MAX_PATH then
      err.throw("limit", "%s has a path longer than %d bytes", tree_path.quote(path), MAX_PATH)
    elseif e.name == ".git" then
      found.skipped = found.skipped + 1
    elseif is_temporary(e.name) then
      if sys.time() - e.mtime > STALE then found.stale[#found.stale + 1] = path end
    elseif e.type == "dir" then
      found.folders[path] = true
      if not filter.prunes(path) then walk(self, path, filter, found) end
    else
      add(found, { path = path, type = TYPES[e.type] })
    end
  end
end

--- All that is in it, but for folders that are excluded as a whole.
---@async
---@param filter godwit.tree.Filter
---@return godwit.tree.Found
function Folder:list(filter)
  local found = new_found()
  walk(self, "", filter, found)
  return found
end

--- Contents and whether it is executable; of a link where it points.
---@async
---@param item godwit.tree.Item
---@return string
---@return boolean
function Folder:data(item)
  if item.type == "link" then return (err.check(self.root:readlink(item.path))), false end
  local data, mode = self.root:read(item.path, tree.MAX)
  if not data then error(mode, 0) end
  return data, mode & OWNER_MAY_RUN ~= 0
end

--- Takes an item from another side. Returns what was done and the bytes.
---@async
---@param item godwit.tree.Item
---@param from table
---@param opts { new: boolean, dry: boolean }
---@return "unchanged"|"mode"|"written"
---@return integer
function Folder:put(item, from, opts)
  local word, n
  if item.type == "link" then
    word, n = self.root:link(item.path, (from:data(item)), opts)
  elseif from.is_folder then
    word, n = self.root:copy(item.path, from.root, opts)
  else
    local data, executable = from:data(item)
    word, n = self.root:write(item.path, data, { new = opts.new, dry = opts.dry, executable = executable })
  end
  if not word then error(n, 0) end
  if word == "written" then self:touch(item.path) end
  return word, n
end

function Folder:touch(path)
  if not self.touched then return end
  local dir = path
  repeat -- the folders above may be new
    dir = dir:match("^(.*)/") or ""
    if self.touched[dir] then return end
    self.touched[dir] = true
  until dir == ""
end

---@async
---@param path string
function Folder:remove(path)
  err.check(self.root:remove(path))
  self:touch(path)
end

--- What was renamed and removed survives a power cut from here on.
---@async
function Folder:finish()
  for dir in pairs(self.touched) do
    err.check(self.root:sync(dir))
  end
end

function Folder:close()
  self.root:close()
end

-- a tree -----------------------------------------------------------------

local Side = {}
Side.__index = Side

--- A tree, to read or to write.
---@param t godwit.Tree
---@return table
function M.tree(t)
  return setmetatable({ tree = t, path = "a tree" }, Side)
end

---@async
---@return godwit.tree.Found
function Side:list()
  local found = new_found()
  for path in self.tree:each() do
    local file = tree._file(self.tree, path)
    if file.type == "submodule" then found.skipped = found.skipped + 1 end
    add(found, { path = path, type = file.type })
    for at in path:gmatch("()/") do
      found.folders[path:sub(1, at - 1)] = true
    end
  end
  return found
end

---@async
function Side:data(item)
  local file = tree._file(self.tree, item.path)
  if not file then err.throw("conflict", "%s is no longer in the tree", item.path) end
  return tree._content(self.tree, item.path, file), file.mode == tree._EXECUTABLE
end

---@async
function Side:put(item, from, opts)
  local data, executable = from:data(item)
  local mode = item.type == "link" and tree._LINK or executable and tree._EXECUTABLE or tree._FILE
  local old = tree._file(self.tree, item.path)
  local id = err.check(self.tree.store:write_blob(data))
  local same = old and (old.data and old.data == data or not old.data and old.id == id)
  if same and old.mode == mode then return "unchanged", 0 end
  if not opts.dry then
    tree._put(self.tree, item.path, { mode = mode, id = id, type = item.type })
  end
  return same and "mode" or "written", same and 0 or #data
end

---@async
function Side:remove(path)
  tree._drop(self.tree, path)
end

function Side.finish() end

function Side.close() end

return M
