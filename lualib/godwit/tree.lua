--- tree: the files of a commit, read and edited without a checkout. Edits are
--- kept in memory until `save` writes one new tree.
local err = require("godwit.err")
local glob_of = require("godwit.tree.glob")
local methods = require("godwit.methods")
local template = require("godwit.tree.template")
local tree_path = require("godwit.tree.path")

local M = {}

local FILE, EXECUTABLE, LINK, SUBMODULE = 33188, 33261, 40960, 57344

--- The largest file that read and replace take, in bytes.
M.MAX = 64 * 1024 * 1024

---@class godwit.Tree
---@field id string The tree that was opened.
---@field store table
local Tree = {}
Tree.__index = methods.of(Tree)
Tree.__name = "tree"

--- A tree of a store. "" or nil is the empty one.
---@param store table
---@param id string?
---@return godwit.Tree
function M.open(store, id)
  return setmetatable({ store = store, id = id, edits = {} }, Tree)
end

--- What is at each path now: entries of the store, with the edits on them.
--- Read when first needed.
---@async
local function files(self)
  if self.files then return self.files end
  local found = {}
  if self.id then
    for _, e in ipairs(err.check(self.store:entries(self.id))) do
      found[e.path] = { mode = e.mode, id = e.id, type = e.type }
    end
  end
  self.files = found
  return found
end

local function parents(path)
  return path:gmatch("()/")
end

--- How many files are below each folder; the list of files alone would be
--- looked through for every new one.
local function folders(self)
  if self.below then return self.below end
  local counts = {}
  for path in pairs(files(self)) do
    for at in parents(path) do
      local folder = path:sub(1, at - 1)
      counts[folder] = (counts[folder] or 0) + 1
    end
  end
  self.below = counts
  return counts
end

local function missing(path)
  err.throw("notfound", "no file %s", tostring(path))
end

local function content(self, path, file)
  if file.data then return file.data end
  if file.type == "submodule" then
    err.throw("usage", "%s is a link to another repository", path)
  end
  return err.check(self.store:blob(file.id, M.MAX))
end

--- The contents of a file; of a symbolic link, where it points.
---@async
---@param path string
---@return string
function Tree:read(path)
  local file = files(self)[path]
  if not file then missing(path) end
  return content(self, path, file)
end

--- Whether there is a file of that path, or a folder with files in it.
---@async
---@param path string
---@return boolean
function Tree:exists(path)
  return files(self)[path] ~= nil or folders(self)[path] ~= nil
end

--- As read; nil and an error instead of raising.
---@async
---@param path string
---@return string?
---@return godwit.Err?
function Tree:try_read(path)
  local ok, value = pcall(self.read, self, path)
  if ok then return value end
  value = err.from(value)
  if value.kind == "cancelled" then error(value, 0) end
  return nil, value
end

local function count(self, path, n)
  local counts = folders(self)
  for at in parents(path) do
    local folder = path:sub(1, at - 1)
    local now = (counts[folder] or 0) + n
    counts[folder] = now > 0 and now or nil
  end
end

local function drop(self, path)
  if not self.files[path] then return end
  count(self, path, -1)
  self.files[path] = nil
  self.edits[path] = true
end

--- Raises when a file is where a folder is needed, or the other way round.
local function make_room(self, path)
  local found = self.files
  for at in parents(path) do
    local parent = path:sub(1, at - 1)
    if found[parent] then
      err.throw("conflict", "%s is a file, so there can be no %s", parent, path)
    end
  end
  if folders(self)[path] then
    err.throw("conflict", "%s is a folder", path)
  end
end

local function put(self, path, file)
  tree_path.check(path)
  local found = files(self)
  make_room(self, path)
  if not found[path] then count(self, path, 1) end
  found[path] = file
  self.edits[path] = true
end

--- Writes a file; an existing one keeps its mode.
---@async
---@param path string
---@param bytes string
function Tree:write(path, bytes)
  if type(bytes) ~= "string" then
    error("the contents of a file are a string, not a " .. type(bytes), 2)
  end
  local old = files(self)[path]
  local mode = old and old.type ~= "submodule" and old.type ~= "link" and old.mode or FILE
  put(self, path, { mode = mode, data = bytes, type = "file" })
end

--- Paths of the files that match, in order. The list is made when it is
--- called: the loop may edit the tree.
---@async
---@param glob? string Default: all.
---@return fun(): string?
function Tree:each(glob)
  local matches = glob_of.matcher(glob or "**")
  local paths, i = {}, 0
  for path in pairs(files(self)) do
    if matches(path) then paths[#paths + 1] = path end
  end
  table.sort(paths)
  return function()
    i = i + 1
    return paths[i]
  end
end

--- Removes the files that match; returns how many.
---@async
---@param glob string
---@return integer
function Tree:remove(glob)
  local n = 0
  for path in self:each(glob) do
    drop(self, path)
    n = n + 1
  end
  return n
end

--- Keeps the files that match and removes all others; returns how many went.
--- `globs` is one, or a list: a file is kept when one of them matches and none
--- of those with "!" in front does. With "!" alone, all others are kept.
--- Raises "usage" rather than leave nothing.
---@async
---@param globs string|string[]
---@return integer
function Tree:filter(globs)
  local keeps = glob_of.chooser(globs)
  local going, kept = {}, 0
  for path in pairs(files(self)) do
    if keeps(path) then kept = kept + 1 else going[#going + 1] = path end
  end
  if kept == 0 and #going > 0 then
    err.throw("usage", "filter: no file matches %s, so none would be left", glob_of.show(globs))
  end
  for _, path in ipairs(going) do
    drop(self, path)
  end
  return #going
end

local function move_one(self, from, to)
  local file = self.files[from]
  drop(self, from)
  put(self, to, file)
end

-- Before anything is moved: half a move helps nobody.
local function check_moves(self, moved, from, to)
  for _, path in ipairs(moved) do
    tree_path.check(to .. path:sub(#from + 1))
  end
end

--- Moves a file, or a folder with all in it.
---@async
---@param from string
---@param to string
function Tree:move(from, to)
  tree_path.check(from)
  tree_path.check(to)
  local found = files(self)
  if from == to and found[from] then return end
  if found[from] then
    if to:sub(1, #from + 1) ~= from .. "/" then make_room(self, to) end
    return move_one(self, from, to)
  end
  local inside, moved = from .. "/", {}
  for path in pairs(found) do
    if path:sub(1, #inside) == inside then moved[#moved + 1] = path end
  end
  if #moved == 0 then missing(from) end
  if (to .. "/"):sub(1, #inside) == inside then
    err.throw("usage", "%s cannot be moved into itself", from)
  end
  table.sort(moved)
  check_moves(self, moved, from, to)
  for _, path in ipairs(moved) do
    move_one(self, path, to .. path:sub(#from + 1))
  end
end

local MODES = { ["+x"] = EXECUTABLE, ["-x"] = FILE, ["755"] = EXECUTABLE, ["644"] = FILE,
  [EXECUTABLE] = EXECUTABLE, [FILE] = FILE, [755] = EXECUTABLE, [644] = FILE }

--- Makes a file executable ("+x", "755") or not ("-x", "644"): all that Git
--- remembers of a mode.
---@async
---@param path string
---@param mode string|integer
function Tree:chmod(path, mode)
  local file = files(self)[path]
  if not file then missing(path) end
  if not MODES[mode] then
    err.throw("usage", "the mode of %s is \"+x\" or \"-x\", not %s", path, tostring(mode))
  end
  if file.mode == LINK or file.mode == SUBMODULE then
    err.throw("usage", "%s is no ordinary file", path)
  end
  put(self, path, { mode = MODES[mode], data = file.data, id = file.id, type = file.type })
end

--- The mode of a file, as Git writes it: "100644".
---@async
---@param path string
---@return string
function Tree:mode(path)
  local file = files(self)[path]
  if not file then missing(path) end
  return ("%o"):format(file.mode)
end

--- `string.gsub` on the contents of each matching file; binary ones (with a
--- zero byte) and links are left alone. Returns how many files changed.
---@async
---@param glob string
---@param pattern string
---@param repl string|table|function
---@return integer
function Tree:replace(glob, pattern, repl)
  local n = 0
  for path in self:each(glob) do
    local file = self.files[path]
    if file and file.type == "file" then
      local text = content(self, path, file)
      local new = text:find("\0", 1, true) and text or text:gsub(pattern, repl)
      if new ~= text then
        self:write(path, new)
        n = n + 1
      end
    end
  end
  return n
end

--- Replaces {{name}} in each matching file by `values[name]`, or by what
--- `values(name, path)` returns: a text, a number or a boolean. A name without
--- a value raises "usage" with the file and the line, and nothing is changed.
--- Binary files and links are left alone, and so is what stands between the
--- marks and is no name. Returns how many files changed.
---@async
---@param glob string
---@param values table<string, string|number|boolean>|fun(name: string, path: string): any
---@param opts? { open: string?, close: string? } Other marks. Default: "{{", "}}".
---@return integer
function Tree:template(glob, values, opts)
  local open, close = opts and opts.open or "{{", opts and opts.close or "}}"
  if type(values) ~= "table" and type(values) ~= "function" then
    error("the values of a template are a table or a function, not a " .. type(values), 2)
  elseif type(open) ~= "string" or type(close) ~= "string" or open == "" or close == "" then
    error("open and close of a template are texts", 2)
  end
  local changed, n = {}, 0
  for path in self:each(glob) do
    local file = self.files[path]
    local text = file and file.type == "file" and content(self, path, file)
    if text and not text:find("\0", 1, true) then
      local new = template.fill(text, path, values, open, close)
      if new ~= text then changed[path] = new end
    end
  end
  for path, text in pairs(changed) do
    self:write(path, text)
    n = n + 1
  end
  return n
end

local function as_edit(path, file)
  if not file then return { path = path, remove = true } end
  return { path = path, mode = file.mode, data = file.data, id = not file.data and file.id or nil }
end

--- Writes the tree with all edits; its id is the one before if nothing
--- changed. The object goes on from there.
---@async
---@return string id
function Tree:save()
  local list, old = {}, {}
  if not next(self.edits) then return self.id end
  if self.id then
    for _, e in ipairs(err.check(self.store:entries(self.id))) do
      old[e.path] = true
    end
  end
  for path in pairs(self.edits) do
    local file = self.files[path]
    if file or old[path] then list[#list + 1] = as_edit(path, file) end
  end
  self.id = err.check(self.store:edit(self.id, list))
  self.edits, self.files, self.below = {}, nil, nil
  return self.id
end

--- Makes `to` have the files of `from`: each is the path of a folder of this
--- machine, or a tree. Nothing is deleted unless `delete` says so; links are
--- copied as links; each file is there whole or as it was.
---@async
---@param from string|godwit.Tree
---@param to string|godwit.Tree
---@param opts? godwit.tree.SyncOpts include, exclude, delete, max_delete
---@return godwit.tree.Synced
function M.sync(from, to, opts)
  return require("godwit.tree.sync").run(from, to, opts)
end

-- For tree.sides: what is at a path now, and how it gets there.
M._FILE, M._EXECUTABLE, M._LINK = FILE, EXECUTABLE, LINK
M._content, M._put, M._drop = content, put, drop

function M._file(self, path)
  return files(self)[path]
end

function M._is(value)
  return getmetatable(value) == Tree
end

return M
