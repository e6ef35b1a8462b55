local address = require("godwit.cluster.address")
local driver_of = require("godwit.cluster.driver_of")
local err = require("godwit.err")
local glob = require("godwit.cluster.glob")
local json = require("godwit.core.json")
local methods = require("godwit.methods")

--- cluster.collection: the data collections of a cluster as scripts see them:
--- names, and methods that ask or tell the cluster.
---@class godwit.Collection
---@field cluster godwit.Cluster
---@field owner string
---@field name string
---@field ref string   "OWNER/NAME"
local Collection = {}
Collection.__index = methods.strict(Collection, "a collection")
Collection.__name = "collection"

local M = {}

--- What people call the three ACLs there are.
local ACLS = { public = { "user://*" }, algorithms = { "algo://.my/*" },
  private = {} }

---@param acl any
---@return string[]|nil
local function acl_of(acl)
  if acl == nil then return nil end
  local list = type(acl) == "string" and ACLS[acl] or acl
  if type(list) ~= "table" then
    err.throw("usage", 'an acl is "public", "algorithms", "private" or a list,'
      .. " not %s", type(acl) == "string" and ("%q"):format(acl) or type(acl))
  end
  return json.array({ table.unpack(list) })
end

local function same(a, b)
  if not a or #a ~= #b then return false end
  local has = {}
  for _, entry in ipairs(a) do has[entry] = true end
  for _, entry in ipairs(b) do
    if not has[entry] then return false end
  end
  return true
end

---@param cluster godwit.Cluster
---@param owner string
---@param name string
---@return godwit.Collection
function M.new(cluster, owner, name)
  return setmetatable({ cluster = cluster, owner = owner, name = name,
    ref = owner .. "/" .. name }, Collection)
end

function Collection:__tostring()
  return self.cluster.name .. ":" .. self.ref
end

local function names(c)
  return driver_of(c.cluster), c.owner, c.name
end

---@async
local function look(driver, owner, name)
  return driver:try_get_collection(owner, name)
    or err.throw("notfound", "%s has no collection %s/%s", driver.name, owner,
      name)
end

--- The document: `acl`, where the cluster shows it.
---@async
---@return { owner: string, name: string, acl: string[]|nil }
function Collection:get()
  local driver, owner, name = names(self)
  return look(driver, owner, name)
end

--- Iterates over the files whose name matches the glob `name`.
---@async
---@param filter? { name: string? }
---@return fun(): { name: string, size: integer|nil, time: number|nil }|nil
function Collection:files(filter)
  local driver, owner, name = names(self)
  local matches = glob.matcher(filter and filter.name or "*")
  local turn, rows, at
  return function()
    turn = turn or driver:each_file_page(owner, name)
    repeat
      at = (at or 0) + 1
      while not rows or at > #rows do
        rows, at = turn(), 1
        if not rows then return nil end
      end
    until matches(rows[at].name)
    local r = rows[at]
    return { name = r.name, size = r.size, time = r.time }
  end
end

--- What is known of a file without reading it; nil when there is none.
---@async
---@param file string
---@return table|nil
function Collection:head(file)
  local driver, owner, name = names(self)
  return driver:try_head_file(owner, name, file)
end

--- The bytes of a file.
---@async
---@param file string
---@param opts? { max: integer? }
---@return string
function Collection:read(file, opts)
  local driver, owner, name = names(self)
  return driver:read_file(owner, name, file, opts)
end

--- Writes a file as a whole.
---@async
---@param file string
---@param bytes string
function Collection:write(file, bytes)
  local driver, owner, name = names(self)
  if type(bytes) ~= "string" then
    err.throw("usage", "the bytes of a file are a text, not a %s", type(bytes))
  end
  driver:write_file(owner, name, file, bytes)
end

--- Removes a file; false when there was none.
---@async
---@param file string
---@return boolean
function Collection:remove(file)
  local driver, owner, name = names(self)
  return driver:delete_file(owner, name, file) ~= 0
end

--- Changes who may read it, unless it is so already.
---@async
---@param acl string|string[]
---@return "updated"|"unchanged"
function Collection:set_acl(acl)
  local driver, owner, name = names(self)
  local wanted = acl_of(acl) or err.throw("usage", "there is no acl")
  if same(look(driver, owner, name).acl, wanted) then return "unchanged" end
  driver:set_acl(owner, name, wanted)
  return "updated"
end

--- Removes the collection; one with files in it with `force` only.
---@async
---@param opts? { force: boolean? }
function Collection:delete(opts)
  local driver, owner, name = names(self)
  driver:delete_collection(owner, name, { force = opts and opts.force })
end

--- The collections of a cluster -------------------------------------------

---@class godwit.cluster.Collections
---@field private cluster godwit.Cluster
local Collections = {}
Collections.__index = methods.strict(Collections,
  "the collections of a cluster")

local function split(ref)
  return address.owner_and_name(ref, "a collection")
end

--- Iterates over an owner's collections: the key's own without `owner`; those
--- whose name matches the glob `name`.
---@async
---@param filter? { owner: string?, name: string? }
---@return fun(): godwit.Collection|nil
function Collections:each(filter)
  local cluster = self.cluster
  local matches = glob.matcher(filter and filter.name or "*")
  local owner, rows = filter and filter.owner, nil
  return function()
    if not rows then
      local driver = driver_of(cluster)
      owner = owner or driver:whoami()
      rows = driver:each_collection(owner)
    end
    for row in rows do
      if matches(row.name) then return M.new(cluster, owner, row.name) end
    end
    return nil
  end
end

--- One collection; raises when there is none.
---@async
---@param ref string "OWNER/NAME"
---@return godwit.Collection
function Collections:get(ref)
  local owner, name = split(ref)
  look(driver_of(self.cluster), owner, name)
  return M.new(self.cluster, owner, name)
end

--- As get; nil and the error instead of raising.
---@async
---@param ref string
---@return godwit.Collection|nil, godwit.Err|nil
function Collections:try_get(ref)
  local ok, c = pcall(self.get, self, ref)
  if ok then return c end
  if err._is_final(c) then error(c, 0) end
  return nil, err.from(c)
end

--- Creates a collection: { owner=, name=, acl= }.
---@async
---@param spec { owner: string, name: string, acl: string|string[]|nil }
---@return godwit.Collection
function Collections:create(spec)
  local owner, name = split(spec)
  driver_of(self.cluster):create_collection(owner, name, acl_of(spec.acl))
  return M.new(self.cluster, owner, name)
end

--- Makes sure a collection is there and has the ACL given.
---@async
---@param spec table  As for create
---@return godwit.Collection, "created"|"updated"|"unchanged"
function Collections:ensure(spec)
  local owner, name = split(spec)
  if not driver_of(self.cluster):try_get_collection(owner, name) then
    return self:create(spec), "created"
  end
  local c = M.new(self.cluster, owner, name)
  return c, spec.acl == nil and "unchanged" or c:set_acl(spec.acl)
end

---@param cluster godwit.Cluster
---@return godwit.cluster.Collections
function M.handle(cluster)
  return setmetatable({ cluster = cluster }, Collections)
end

return M
