--- data.side: what files are copied from and to, seen the same way: a
--- collection of any cluster, or a folder of this machine.

local err = require("godwit.err")
local folder = require("godwit.core.folder")
local names = require("godwit.data.names")
local secrets = require("godwit.cluster.secrets")
local sys = require("godwit.core.sys")
local units = require("godwit.data.units")
local where = require("godwit.tree.where")

local M = {}

local PAGE = 1000
local STALE = 3600 -- seconds after which a temporary file has no owner

---@class godwit.data.Side
---@field label string     "prod:acme/models", or the folder's path
---@field target string    The target of an effect
---@field place string     In the ledger
---@field is_folder boolean
---@field driver? table    Of a collection
---@field owner? string
---@field name? string

---@class godwit.data.Row
---@field name string
---@field size? integer
---@field time? string
---@field why? string Why it cannot be a file of a collection.

-- A row of a listing, checked.
local function row_of(r)
  return { name = r.name, size = r.size, time = units.stamp(r.time),
    why = names.why(r.name) }
end

-- a collection ----------------------------------------------------------

---@class godwit.data.Collection: godwit.data.Side
local Collection = {}
Collection.__index = Collection

--- A collection of a cluster, whether it is there or not.
---@param driver table
---@param owner string
---@param name string
---@return godwit.data.Side
function M.collection(driver, owner, name)
  return setmetatable({
    driver = driver, owner = owner, name = name, is_folder = false,
    label = ("%s:%s/%s"):format(driver.name, owner, name),
    target = ("%s:data/%s/%s"):format(driver.name, owner, name),
    place = ("%s %s/%s"):format(driver.id, owner, name),
  }, Collection)
end

--- Its document; nil when there is none.
---@async
---@return { acl: string[]|nil }|nil
function Collection:look()
  return self.driver:try_get_collection(self.owner, self.name)
end

local SHOWN = 200 -- bytes of a name that is none

-- What a server calls a file and nobody else can, or what is none in an
-- archive: one of many, named with what is wrong about it. A name that is cut
-- says so: what filters secrets wants to know.
local function odd_row(name, other)
  local shown = type(name) == "string" and name or "(no name)"
  if #shown > SHOWN then
    shown = shown:sub(1, SHOWN) .. "…"
  end
  return { name = shown, why = names.why_none(name, other) }
end

--- Its files, page by page, in no promised order.
---@async
---@return fun(): godwit.data.Row[]|nil
function Collection:pages()
  local odd = {}
  local turn = self.driver:each_file_page(self.owner, self.name,
    function(name, other)
      odd[#odd + 1] = odd_row(name, other) -- of the page that is being read
    end)
  return function()
    local ok, page = pcall(turn)
    if not ok and err.is(page, "notfound") then
      err.throw("conflict", "%s vanished while it was listed", self.label)
    elseif not ok then
      error(page, 0)
    end
    for i, r in ipairs(page or {}) do
      page[i] = row_of(r)
    end
    if #odd > 0 then -- the last ones may stand on a page of their own
      page = table.move(odd, 1, #odd, #(page or {}) + 1, page or {})
      odd = {}
    end
    return page
  end
end

--- The MD5 that the cluster says a file has, or nil.
---@async
---@param name string
---@return string|nil
function Collection:md5(name)
  local head = self.driver:try_head_file(self.owner, self.name, name)
  return head and head.md5
end

--- An end for the engine.
---@async
---@param mode "read"|"write"
---@return table
function Collection:open(mode)
  return self.driver:data_end(self.owner, self.name, mode)
end

---@async
---@param acl string[]
function Collection:create(acl)
  self.driver:create_collection(self.owner, self.name, acl)
end

---@async
---@param acl string[]
function Collection:set_acl(acl)
  self.driver:set_acl(self.owner, self.name, acl)
end

-- Where the bytes of a file are that was not really copied.
local function source_of(from)
  return not from.is_folder and function(name, opts)
    return from.driver:read_file(from.owner, from.name, name, opts)
  end or nil
end

--- In a plan these files are there from here on, as far as a script can see.
---@async
---@param from godwit.data.Side
---@param rows godwit.data.Row[]
function Collection:pretend(from, rows)
  local list = {}
  for i, row in ipairs(rows) do
    list[i] = { name = row.name, size = row.size, time = sys.time() }
  end
  self.driver:pretend_files(self.owner, self.name, list, source_of(from))
end

--- And these are not.
---@async
---@param rows { name: string }[]
function Collection:pretend_removed(rows)
  local list = {}
  for i, row in ipairs(rows) do
    list[i] = row.name
  end
  self.driver:pretend_removed(self.owner, self.name, list)
end

--- Raises when nothing may be deleted there.
function Collection:check_deletion()
  secrets.check_deletion(self.driver)
end

---@async
---@param name string
function Collection:remove(name)
  self.driver:drop_file(self.owner, self.name, name)
end

function Collection.close() end

-- a folder --------------------------------------------------------------

---@class godwit.data.Folder: godwit.data.Side
---@field path string
---@field unfinished? integer Files of copies that were not finished, as listed.
---@field private root? table  Open for reading
---@field private out? table   Open for writing
local Folder = {}
Folder.__index = Folder

--- A folder of this machine. Raises "denied" for what a script may not open.
---@param path string
---@param write boolean
---@return godwit.data.Side
function M.folder(path, write)
  local root, e = folder.open(path)
  if not root and e.kind ~= "notfound" then
    error(e, 0)
  elseif write then
    err.check(folder.may_open(path, true))
  end
  local real = root and root:path() or where.real(path)
  return setmetatable({
    path = path, root = root, is_folder = true, label = path,
    target = real, place = "folder " .. real,
  }, Folder)
end

--- Something when it is there.
function Folder:look()
  return self.root and {} or nil
end

local is_temporary = folder.is_temporary

--- Why no file here can have this name, or nil.
---@param name any
---@return string|nil
function Folder.unfit(name)
  return type(name) == "string" and is_temporary(name)
    and "unfinished files in a folder are called so" or nil
end

-- What is not to be copied by itself: nil for what nobody has to see.
local function entry(r)
  if is_temporary(r.name) then
    return nil
  end
  local row = row_of(r)
  row.kind = r.other
  row.why = row.why or r.other and names.why_none(r.name, r.other) or nil
  return row
end

--- Its entries, page by page, in no order; `kind` is set for what is no file.
---@async
---@return fun(): godwit.data.Row[]|nil
function Folder:pages()
  local walk = err.check(self.root:walk())
  self.unfinished = 0
  return function()
    local page, e = walk:next(PAGE)
    if not page then
      walk:close()
      if e then
        error(e, 0)
      end
      return nil
    end
    local rows = {}
    for _, r in ipairs(page) do
      rows[#rows + 1] = entry(r)
    end
    self.unfinished = self.unfinished + #page - #rows
    return rows
  end
end

--- Nobody says what a file here has: it is read.
function Folder.md5()
  return nil
end

---@async
function Folder:open(mode)
  if mode == "write" then
    self.out = self.out or err.check(folder.open(self.path, true))
    self.root = self.root or self.out
    return { folder = self.out }
  end
  return { folder = self.root }
end

---@async
function Folder:create()
  self:open("write")
end

function Folder.pretend() end

function Folder.pretend_removed() end

function Folder.check_deletion() end

---@async
function Folder:remove(name)
  self:open("write")
  err.check(self.out:remove(name))
end

--- Removes what a killed run left behind.
---@async
function Folder:sweep()
  self:open("write")
  local walk = err.check(self.out:walk())
  for page in function() return walk:next(PAGE) end do
    for _, r in ipairs(page) do
      if is_temporary(r.name) and sys.time() - r.time > STALE then
        self.out:remove(r.name)
      end
    end
  end
  walk:close()
end

function Folder:close()
  for _, root in ipairs({ self.root or false, self.out or false }) do
    if root then
      root:close()
    end
  end
  self.root, self.out = nil, nil
end

-- both ------------------------------------------------------------------

-- Where its files are on this machine; nil: elsewhere.
local function files_of(side)
  local driver = side.driver
  if side.is_folder then
    return side.target
  end
  while driver.kind == "overlay" do
    driver = driver.under
  end
  return driver.kind == "archive" and where.real(("%s/data/%s/%s/files"):format(
    driver.store.dir, side.owner, side.name)) or nil
end

--- Why one cannot be copied to the other, or nil: a copy must not find its own
--- files the next time.
---@param from godwit.data.Side
---@param to godwit.data.Side
---@return string|nil
function M.clash(from, to)
  if from.place == to.place then
    return from.label .. " would be copied to itself"
  elseif not from.is_folder and not to.is_folder then
    return nil
  end
  local a, b = files_of(from), files_of(to)
  if not a or not b or not where.meet(a, b) then
    return nil
  elseif a == b then
    return from.label .. " would be copied to itself"
  end
  -- A folder that an archive stands in has nothing of its collections by that.
  local outer = #a < #b and from or to
  return (from.is_folder and to.is_folder or not outer.is_folder)
    and ("%s and %s are one inside the other"):format(from.label, to.label)
    or nil
end

return M
