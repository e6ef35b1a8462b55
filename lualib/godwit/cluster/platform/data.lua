local err = require("godwit.err")
local file = require("godwit.core.file")
local fs = require("godwit.core.fs")
local json = require("godwit.core.json")
local listings = require("godwit.cluster.platform.listing")
local rules = require("godwit.cluster.platform.rules")
local sys = require("godwit.core.sys")

--- The platform's collections over an archive: what may be read and written
--- by whom, and what a write leaves. A collection is
--- data/OWNER/NAME/collection.json beside files/, where a file has its own
--- name. Files are written aside, in run/, and put in their place as a whole.
local Data = {}
Data.__index = Data

local M = {}

local reject = rules.reject

local FORBIDDEN = "Caller is not authorized to perform the operation"
local SMALL = 256 << 10 -- read at once
local KEPT = 65536      -- digests of larger files, remembered
local DAY = 86400

--- What acl.read may be, by what it means.
M.ACLS = {
  public = { "user://*" },
  algorithms = { "algo://.my/*" },
  private = {},
}

--- "public", "algorithms" or "private" of an `acl.read`; nil: not valid.
---@param read any
---@return string|nil
function M.acl_kind(read)
  if type(read) ~= "table" then return nil end
  if next(read) == nil then return json.is_array(read) and "private" or nil end
  if not json.is_array(read) or #read ~= 1 then return nil end
  if read[1] == "user://*" then return "public" end
  return read[1] == "algo://.my/*" and "algorithms" or nil
end

--- A file's name: UTF-8 of at most 255 bytes, no way elsewhere.
---@param name any
---@return boolean
function M.is_file(name)
  return type(name) == "string" and name ~= "" and #name <= 255
    and not name:find("[/%z]") and name ~= "." and name ~= ".."
    and utf8.len(name) ~= nil
end

--- What was read, nil at the end; raises what went wrong.
---@param piece string|nil
---@param e any
---@return string|nil
function M.take(piece, e)
  if e then error(e, 0) end
  return piece
end

--- The collections of a platform.
function M.of(platform)
  if not platform.data then
    platform.data = setmetatable({ platform = platform,
      store = platform.store, lists = listings.new(), digests = {}, kept = 0,
    }, Data)
  end
  return platform.data
end

-- Places ------------------------------------------------------------------

-- What an algorithm keeps for a caller has no document and no ACL; its name
-- cannot be a collection's.
local function special_name(special)
  return (".algo.%s.%s.%s"):format(special.owner, special.name, special.part)
end

--- A collection: { owner=, name= }, or { owner=, special={owner,name,part} }.
local function folder_of(c)
  return "data/" .. c.owner .. "/"
    .. (c.special and special_name(c.special) or c.name)
end

function Data:path(c, name)
  local dir = self.store.dir .. "/" .. folder_of(c) .. "/files"
  return name and dir .. "/" .. name or dir
end

local function check_names(c)
  local s = c.special
  return rules.is_account(c.owner) and (s and rules.is_account(s.owner)
    and rules.is_algorithm(s.name) and (s.part == "perm" or s.part == "temp")
    or not s and rules.is_account(c.name))
end

local function missing(c)
  reject(404, 2015, "there is no collection data://%s/%s", tostring(c.owner),
    tostring(c.name or "?"))
end

-- Who may -----------------------------------------------------------------

function Data:acts_for(caller, owner)
  return self.platform:acts_for(caller, owner)
end

local function acl_of(doc)
  local read = type(doc.acl) == "table" and doc.acl.read
  return M.acl_kind(read) and read or M.ACLS.private
end

local function may_read(self, caller, owner, doc)
  return M.acl_kind(acl_of(doc)) == "public" or self:acts_for(caller, owner)
end

--- A collection's document as a caller sees it, refused when they may not.
---@param write? boolean
function Data:find(caller, c, write)
  if not check_names(c) then missing(c) end
  if c.special then
    self.platform:find(caller, c.special.owner, c.special.name)
    return {}
  end
  local doc = self.store:cached(folder_of(c) .. "/collection.json")
  if not doc then missing(c) end
  if type(doc) ~= "table" then
    err.throw("io", "%s/%s/collection.json is damaged", self.store.dir,
      folder_of(c))
  end
  if write and not self:acts_for(caller, c.owner)
    or not may_read(self, caller, c.owner, doc) then
    reject(403, 2001, FORBIDDEN)
  end
  return { id = doc.id, created = doc.created,
    acl = { read = json.array({ table.unpack(acl_of(doc)) }) } }
end

--- The document if there is one, for who may read it.
function Data:try_find(caller, c)
  local ok, doc = pcall(self.find, self, caller, c)
  if ok then return doc end
  if err.is(doc, "notfound") then return nil end
  error(doc, 0)
end

-- Lists -------------------------------------------------------------------

--- The names of an owner's collections that a caller may read.
function Data:collections(caller, owner)
  if not (self.store:user(owner) or self.store:organization(owner)) then
    reject(404, 3000, "no account %s", tostring(owner))
  end
  local own, out = self:acts_for(caller, owner), {}
  for _, name in ipairs(self.store:names("data/" .. owner, "dir")) do
    local doc = rules.is_account(name)
      and self.store:cached(("data/%s/%s/collection.json"):format(owner, name))
    if type(doc) == "table" and (own or may_read(self, caller, owner, doc)) then
      out[#out + 1] = name
    end
  end
  return out
end

local function row(path, name)
  local st = fs.stat(path)
  if st and st.type == "file" then
    return { name = name, size = st.size, time = st.mtime }
  end
end

-- What an algorithm keeps in temp is gone after a day.
local function is_over(c, r)
  return c.special ~= nil and c.special.part == "temp"
    and sys.time() - r.time > DAY
end

--- A page of the files behind a name, by name.
---@async
---@param c table
---@param after string|nil
---@param limit integer
---@return { name: string, size: integer, time: number }[] rows, string|nil next
function Data:page(c, after, limit)
  local list = self.lists:of(self:path(c))
  local rows, at = {}, after and listings.behind(list, after) or 1
  while list[at] and #rows < limit do
    local r = M.is_file(list[at]) and row(self:path(c, list[at]), list[at])
    if r and not is_over(c, r) then rows[#rows + 1] = r end
    at = at + 1
  end
  return rows, list[at] and list[at - 1] or nil
end

--- How many files there are.
---@async
function Data:count(c)
  return #self.lists:of(self:path(c))
end

-- Files -------------------------------------------------------------------

local function no_file(c, name)
  reject(404, 2015, "there is no file data://%s/%s/%s", c.owner, c.name or "?",
    name)
end

--- Opens a file: { file=, size=, time=, stamp= }. The caller closes it.
function Data:open(c, name)
  local f, size, time, stamp
  if M.is_file(name) then
    f, size, time, stamp = file.open(self:path(c, name))
    if not f and not err.is(size, "notfound") then error(size, 0) end
  end
  if not f then no_file(c, name) end
  local it = { file = f, size = size, time = time, stamp = stamp }
  if is_over(c, it) then
    f:close()
    no_file(c, name)
  end
  return it
end

local function remember(self, path, stamp, md5)
  if self.kept >= KEPT then self.digests, self.kept = {}, 0 end
  if not self.digests[path] then self.kept = self.kept + 1 end
  self.digests[path] = stamp .. "=" .. md5
end

--- The MD5 of an open file; of a small one its bytes, too.
---@async
---@return string md5, string|nil bytes
function Data:digest(c, name, it)
  if it.size <= SMALL then
    local bytes = it.size > 0 and M.take(it.file:read(SMALL)) or ""
    return sys.hash("md5", bytes), bytes
  end
  local path = self:path(c, name)
  local stamp, md5 = (self.digests[path] or ""):match("^(.*)=(%x+)$")
  if stamp ~= it.stamp then
    md5 = err.check(it.file:md5())
    remember(self, path, it.stamp, md5)
  end
  return md5
end

local Upload = {}
Upload.__index = Upload

--- Begins to write a file; nothing is there before `finish`. Close it.
function Data:upload(c, name)
  if not M.is_file(name) then
    reject(400, 2015, "a file's name is UTF-8 of at most 255 bytes, without"
      .. " a slash")
  end
  if c.special then self.store:mkdir(folder_of(c) .. "/files") end
  self.uploads = (self.uploads or 0) + 1
  if self.uploads == 1 then self.store:mkdir("run/data") end
  return setmetatable({ data = self, c = c, name = name, out = err.check(
    file.create(("%s/run/data/%d-%d"):format(self.store.dir, sys.pid,
      self.uploads))) }, Upload)
end

function Upload:write(bytes)
  err.check(self.out:write(bytes))
end

-- The folder may be missing where the archive was kept by something that has
-- no empty ones.
local function place(up, path)
  local md5, size, time, stamp = up.out:place(path)
  if not md5 and err.is(size, "notfound") then
    local store, folder = up.data.store, folder_of(up.c)
    if not store:read(folder .. "/collection.json") then missing(up.c) end
    store:mkdir(folder .. "/files")
    md5, size, time, stamp = up.out:place(path)
  end
  if not md5 then error(size, 0) end
  return md5, size, time, stamp
end

--- Puts the file in its place.
---@return string md5, integer size, number time
function Upload:finish()
  local path = self.data:path(self.c, self.name)
  local md5, size, time, stamp = place(self, path)
  self.data.lists:add(self.data:path(self.c), self.name)
  if size > SMALL then remember(self.data, path, stamp, md5) end
  return md5, size, time
end

function Upload:close()
  self.out:close()
end

Upload.__close = Upload.close

--- Removes a file.
function Data:remove(c, name)
  local ok, e = nil, nil
  if M.is_file(name) then ok, e = fs.remove(self:path(c, name)) end
  if not ok then
    if e and not err.is(e, "notfound") then error(e, 0) end
    no_file(c, name)
  end
  self.lists:drop(self:path(c), name)
end

-- Collections -------------------------------------------------------------

--- A row of GET /v1/hostedData.
---@param id integer
---@param doc table As `find` gives it.
function M.hosted(id, owner, name, doc)
  local kind = M.acl_kind(doc.acl.read)
  return { id = id, object_id = doc.id, collection_name = name,
    username = owner, location = "data://" .. owner .. "/" .. name,
    acl = { read_w = kind == "public", read_g = false, read_u = false,
      read_a = kind == "algorithms" } }
end

local function check_acl(acl)
  if acl == nil then return M.ACLS.algorithms end
  local read = type(acl) == "table" and acl.read
  if not M.acl_kind(read) then
    reject(400, 2015, 'acl.read is ["user://*"], ["algo://.my/*"] or []')
  end
  return read
end

---@async
local function write_document(self, c, doc)
  self.store:write(folder_of(c) .. "/collection.json", { id = doc.id,
    acl = { read = json.array(doc.acl) }, created = doc.created })
end

--- Creates a collection.
---@async
---@param acl? { read: string[] }
function Data:create(caller, c, acl)
  local read = check_acl(acl)
  if not rules.is_account(c.name) then
    reject(400, 2015, "a collection's name has letters, digits and _, begins"
      .. " with a letter and is no longer than 30")
  end
  self.platform:check_owner(caller, c.owner)
  return self.store:locked("data:" .. folder_of(c), function()
    if self.store:read(folder_of(c) .. "/collection.json") then
      reject(409, 2015, "the collection data://%s/%s exists", c.owner, c.name)
    end
    self.lists:forget(self:path(c)) -- of an owner of that name who is gone
    self.store:mkdir(folder_of(c) .. "/files")
    write_document(self, c, { id = sys.uuid(), acl = read,
      created = rules.time(self.platform.now()) })
  end)
end

---@async
function Data:set_acl(caller, c, acl)
  local read = check_acl(acl)
  if acl == nil then reject(400, 2015, "acl is required") end
  if c.special then reject(400, 2015, "this collection has no ACL") end
  return self.store:locked("data:" .. folder_of(c), function()
    local doc = self:find(caller, c, true)
    doc.acl = read
    write_document(self, c, doc)
  end)
end

local function discard(self, c)
  local gone = ("%s/run/gone-%s"):format(self.store.dir, sys.random_hex(8))
  self.store:mkdir("run")
  err.check(fs.rename(self.store.dir .. "/" .. folder_of(c), gone))
  self.lists:forget(self:path(c))
  fs.remove_tree(gone)
end

--- Removes a collection; one that is not empty with force only.
---@async
---@return integer deleted How many files went with it.
function Data:delete(caller, c, force)
  return self.store:locked("data:" .. folder_of(c), function()
    self:find(caller, c, true)
    if c.special then reject(400, 2015, "this collection stays") end
    local count = self:count(c)
    if count > 0 and not force then
      local e = err.new({ kind = "conflict", op = "platform", status = 409,
        code = 2015, platform = true, deleted = 0,
        message = ("data://%s/%s is not empty"):format(c.owner, c.name) })
      error(e, 0)
    end
    discard(self, c)
    return count
  end)
end

return M
