local effect = require("godwit.effect")
local err = require("godwit.err")
local file = require("godwit.core.file")
local folder = require("godwit.core.folder")
local fs = require("godwit.core.fs")
local json = require("godwit.core.json")
local platform = require("godwit.cluster.platform")
local platform_data = require("godwit.cluster.platform.data")
local secrets = require("godwit.cluster.secrets")
local sys = require("godwit.core.sys")

--- cluster.archive.data: collections and files of an archive. Methods of the
--- archive driver. Lists are read from the folder as they are asked for, in no
--- order, so that memory does not grow with them.
local M = {}
local Data = {}
M.methods = Data

local ALL = platform.EVERYTHING
local PAGE = 1000
local MAX_READ = 64 << 20

local function data_of(driver)
  return platform_data.of(driver.platform)
end

local function target(driver, owner, name, what)
  return driver.name .. ":data/" .. owner .. "/" .. name
    .. (what and "/" .. what or "")
end

-- The first write takes the folder, and removes what a killed one left.
local function ready(driver)
  local store = driver.store
  local first, data = not store.folder_lock, data_of(driver)
  store:lock_folder()
  if first then
    fs.remove_tree(store.dir .. "/run/data")
    data.uploads = nil
  end
  return data
end

local function perform(driver, kind, owner, name, what, spec)
  spec.kind, spec.cluster = kind, driver
  spec.class = spec.class or "repeatable"
  spec.target = target(driver, owner, name, what)
  local write = spec.write
  spec.write = function() return write(ready(driver)) end
  return effect.perform(spec)
end

-- Reads -------------------------------------------------------------------

---@async
---@return fun(): { name: string }|nil
function Data:each_collection(owner)
  local names = data_of(self):collections(ALL, owner)
  local i = 0
  return function()
    i = i + 1
    return names[i] and { name = names[i] }
  end
end

---@async
function Data:try_get_collection(owner, name)
  local doc = data_of(self):try_find(ALL, { owner = owner, name = name })
  return doc and { owner = owner, name = name,
    acl = json.array({ table.unpack(doc.acl.read) }) }
end

-- Entries that are no files of a collection are handed to who asked for them;
-- else the list is refused.
local function plain_files(dir, rows, unusable)
  local out = {}
  for _, r in ipairs(rows) do
    if not r.other and platform_data.is_file(r.name) then
      out[#out + 1] = r
    elseif unusable then
      unusable(r.name, r.other)
    else
      err.throw("io", "%s/%s is not a file of a collection; an archive has"
        .. " plain files only", dir, (r.name:gsub("[^\x20-\x7e]", "?")))
    end
  end
  return out
end

--- As the http driver's; `unusable` is also told what an entry is: "dir",
--- "link" or "other", nothing for a file.
---@async
---@param unusable? fun(name: string, other: string|nil)
---@return fun(): { name: string, size: integer, time: number }[]|nil
function Data:each_file_page(owner, name, unusable)
  local c = { owner = owner, name = name }
  data_of(self):find(ALL, c)
  local dir = data_of(self):path(c)
  local walk, e = file.walk(dir)
  if not walk and not err.is(e, "notfound") then error(e, 0) end
  return function()
    local rows = walk and platform_data.take(walk:next(PAGE))
    if not rows then
      if walk then walk:close() end
      data_of(self):find(ALL, c) -- else what was listed is not all of it
      return nil
    end
    return plain_files(dir, rows, unusable)
  end
end

-- An open file, closed when fn has ended; nil when there is none.
---@async
local function with_file(driver, owner, name, which, fn)
  local data, c = data_of(driver), { owner = owner, name = name }
  data:find(ALL, c)
  local it = data:open(c, which)
  local f <close> = it.file
  return fn(it, data, c)
end

---@async
function Data:try_head_file(owner, name, which)
  local ok, doc = pcall(with_file, self, owner, name, which,
    function(it, data, c)
      local md5 = data:digest(c, which, it)
      return { size = it.size, etag = '"' .. md5 .. '"', md5 = md5,
        time = it.time }
    end)
  if ok then return doc end
  if err.is(doc, "notfound") then return nil end
  error(doc, 0)
end

---@async
---@param opts? { max: integer? }
---@return string
function Data:read_file(owner, name, which, opts)
  local max = opts and opts.max or MAX_READ
  return with_file(self, owner, name, which, function(it)
    if it.size > max then
      err.throw("limit", "%s has %d bytes; the limit is %d",
        target(self, owner, name, which), it.size, max)
    end
    local parts = {}
    for piece in function()
      return platform_data.take(it.file:read(1 << 20))
    end do
      parts[#parts + 1] = piece
    end
    return table.concat(parts)
  end)
end

---@return string[]
function Data.unseen_owners()
  return {}
end

---@async
---@return table[]
function Data:list_hosted_data(owner)
  local rows, data = json.array({}), data_of(self)
  for _, name in ipairs(data:collections(ALL, owner)) do
    rows[#rows + 1] = platform_data.hosted(#rows + 1, owner, name,
      data:find(ALL, { owner = owner, name = name }))
  end
  return rows
end

-- Who kept the archive may have left out empty folders; then there is nothing
-- to read, and any folder will do.
local function own_folder(path)
  local root, e = folder.own(path)
  if not root and err.is(e, "notfound") then
    return err.check(folder.own((path:gsub("/[^/]*$", ""))))
  end
  return root or error(e, 0)
end

--- Where a copy reads or writes: the folder of the files. For writing the
--- archive is taken, and parts are kept in its run/ until they are whole.
---@async
---@param mode "read"|"write"
---@return { folder: table, temp: table|nil }
function Data:data_end(owner, name, mode)
  local c = { owner = owner, name = name }
  local data = data_of(self)
  data:find(ALL, c)
  local path = data:path(c)
  if mode == "read" then return { folder = own_folder(path) } end
  ready(self)
  self.store:mkdir("run/data")
  err.check(fs.mkdir(path))
  data.lists:forget(path) -- who writes there does not tell
  return { folder = err.check(folder.own(path, true)), private = true,
    temp = err.check(folder.own(self.store.dir .. "/run/data", true)) }
end

-- Writes ------------------------------------------------------------------

---@async
---@param acl? string[]
function Data:create_collection(owner, name, acl)
  local read = acl and { read = json.array(acl) }
  return perform(self, "data.create", owner, name, nil, { class = "once",
    before = { exists = false }, detail = { name = name, acl = read },
    write = function(data)
      local ok, e = pcall(data.create, data, ALL,
        { owner = owner, name = name }, read)
      if ok then return true end
      if err.is(e, "conflict") then
        e = err.new({ kind = "exists", status = 409,
          message = target(self, owner, name) .. " exists already" })
      end
      error(e, 0)
    end })
end

---@async
---@param acl string[]
function Data:set_acl(owner, name, acl)
  local c = { owner = owner, name = name }
  local was = data_of(self):find(ALL, c).acl
  local to = { read = json.array(acl) }
  return perform(self, "data.acl", owner, name, nil, {
    before = { acl = was.read }, detail = { from = { acl = was },
      to = { acl = to } },
    write = function(data)
      data:set_acl(ALL, c, to)
      return true
    end })
end

-- What a deletion gives; nothing there is nothing deleted.
---@async
local function gone_is_fine(fn, ...)
  local ok, count = pcall(fn, ...)
  if ok then return count end
  if err.is(count, "notfound") then return 0 end
  error(count, 0)
end

---@async
---@param opts? { force: boolean? }
---@return integer deleted
function Data:delete_collection(owner, name, opts)
  secrets.check_deletion(self)
  local force = opts and opts.force or nil
  return perform(self, "data.delete_collection", owner, name, nil, {
    detail = { force = force },
    write = function(data)
      local c = { owner = owner, name = name }
      data.lists:forget(data:path(c)) -- a copy may have written there
      return gone_is_fine(data.delete, data, ALL, c, force)
    end })
end

--- As the http driver's: a folder takes what the platform takes, which is looked
--- at where the file is written.
function Data.check_file_name()
end

---@async
---@param bytes string
function Data:write_file(owner, name, which, bytes)
  local c = { owner = owner, name = name }
  return perform(self, "data.put", owner, name, which, {
    detail = { size = #bytes, md5 = sys.hash("md5", bytes) },
    write = function(data)
      data:find(ALL, c, true)
      local upload <close> = data:upload(c, which)
      upload:write(bytes)
      upload:finish()
      return true
    end })
end

local function remove(data, owner, name, which)
  return gone_is_fine(function()
    local c = { owner = owner, name = name }
    data:find(ALL, c, true)
    data:remove(c, which)
    return 1
  end)
end

---@async
---@return integer deleted
function Data:delete_file(owner, name, which)
  secrets.check_deletion(self)
  return perform(self, "data.delete", owner, name, which, {
    write = function(data)
      return remove(data, owner, name, which)
    end })
end

--- The same as a part of a copy's effect, none of its own.
---@async
function Data:drop_file(owner, name, which)
  secrets.check_deletion(self)
  return remove(ready(self), owner, name, which)
end

return M
