local accounts = require("godwit.cluster.accounts")
local address = require("godwit.cluster.address")
local algorithm = require("godwit.cluster.algorithm")
local body = require("godwit.cluster.body")
local collection = require("godwit.cluster.collection")
local driver_of = require("godwit.cluster.driver_of")
local err = require("godwit.err")
local glob = require("godwit.cluster.glob")
local methods = require("godwit.methods")
local view = require("godwit.view")

--- cluster.handle: a cluster as scripts see it.
---
--- A handle carries names only; no field access reaches the network. Kinds of
--- things a cluster cannot give yet are simply not there.
local M = {}

--- Calls a function; nil and the error instead of raising.
---@async
local function try(fn, ...)
  local ok, value = pcall(fn, ...)
  if ok then
    return value
  end
  if err._is_final(value) then
    error(value, 0)
  end
  return nil, err.from(value)
end

--- Algorithms -------------------------------------------------------------

---@class godwit.cluster.Algorithms
---@field private cluster godwit.Cluster
local Algorithms = {}
Algorithms.__index = methods.strict(Algorithms, "the algorithms of a cluster")

local function split(ref)
  return address.owner_and_name(ref, "an algorithm")
end

--- Iterates over an owner's algorithms: the key's own without `owner`; those
--- whose name matches the glob `name`.
---@async
---@param filter? { owner: string?, name: string? }
---@return fun(): godwit.Algorithm|nil
function Algorithms:each(filter)
  filter = filter or {}
  local cluster = self.cluster
  local matches = glob.matcher(filter.name or "*")
  local rows, at, owner
  return function()
    if not rows then
      local driver = driver_of(cluster)
      owner = filter.owner or driver:whoami()
      rows, at = driver:list_algorithms(owner), 0
    end
    repeat
      at = at + 1
    until not rows[at] or matches(rows[at].algoname)
    local row = rows[at]
    return row and algorithm.new(cluster, row.username or owner,
      row.algoname, row.id)
  end
end

--- One algorithm; raises when there is none.
---@async
---@param ref string "OWNER/NAME"
---@return godwit.Algorithm
function Algorithms:get(ref)
  local owner, name = split(ref)
  local doc = driver_of(self.cluster):get_algorithm(owner, name)
  return algorithm.new(self.cluster, owner, name, doc.id)
end

--- As get; nil and the error instead of raising.
---@async
---@param ref string
---@return godwit.Algorithm|nil, godwit.Err|nil
function Algorithms:try_get(ref)
  return try(self.get, self, ref)
end

local function request_of(spec, name)
  local request = body.copy({ name = name, details = spec.details,
    settings = spec.settings, source = spec.source,
    version_info = spec.version_info })
  request.details = request.details or {}
  request.details.label = request.details.label or name
  return request
end

--- Creates an algorithm: { owner=, name=, details=, settings=, source= }.
---@async
---@param spec table
---@return godwit.Algorithm
function Algorithms:create(spec)
  local owner, name = split(spec)
  local doc = driver_of(self.cluster):create_algorithm(owner,
    request_of(spec, name))
  return algorithm.new(self.cluster, owner, name, doc.id)
end

--- Makes sure an algorithm is there and has the details and settings given.
---@async
---@param spec table  As for create
---@return godwit.Algorithm, "created"|"updated"|"unchanged"
function Algorithms:ensure(spec)
  local owner, name = split(spec)
  local driver = driver_of(self.cluster)
  local doc = driver:try_get_algorithm(owner, name)
  if not doc then
    return self:create(spec), "created"
  end
  local handle = algorithm.new(self.cluster, owner, name, doc.id)
  -- The source cannot change; a sample input belongs to a version.
  local _, word = handle:update({ details = spec.details,
    settings = spec.settings })
  return handle, word
end

--- Read-only catalogues ---------------------------------------------------

---@class godwit.cluster.Catalogue
local Catalogue = {}
Catalogue.__index = methods.strict(Catalogue, "a catalogue")

-- Beside the handles, not in them: the rows are the driver's own, and what
-- lists them is not a script's to call.
---@type table<godwit.cluster.Catalogue, { what: string, list: (fun(): table[]), names: fun(row: table): string[] }>
local catalogues = setmetatable({}, { __mode = "k" })

local function opened(handle)
  return catalogues[view.target(handle) or handle]
    or error("a catalogue of a cluster was expected; write a colon, as in "
      .. "environments:each()", 3)
end

--- Iterates over the documents that match.
---@async
---@param filter? table<string, any>  name= is a glob, others must be equal
---@return fun(): table|nil
function Catalogue:each(filter)
  filter = filter or {}
  local it = opened(self)
  local matches = glob.matcher(filter.name or "*")
  local rows, at
  local function wanted(row)
    for key, value in pairs(filter) do
      local is = row[key]
      if type(is) == "table" then
        is = is.name -- an environment's language
      end
      if key ~= "name" and is ~= value then
        return false
      end
    end
    return filter.name == nil or matches(it.names(row)[2] or "")
  end
  return function()
    rows, at = rows or it.list(), at or 0
    repeat
      at = at + 1
    until not rows[at] or wanted(rows[at])
    return body.copy(rows[at])
  end
end

--- The one with that id or name; raises when there is none, or several.
---@async
---@param ref string
---@return table
function Catalogue:get(ref)
  local found, count = nil, 0
  local it = opened(self)
  for _, row in ipairs(it.list()) do
    for i, name in ipairs(it.names(row)) do
      if name == ref then
        if i == 1 then
          return body.copy(row)
        end
        found, count = row, count + 1
        break
      end
    end
  end
  if count == 0 then
    err.throw("notfound", "there is no %s %s", it.what, tostring(ref))
  elseif count > 1 then
    err.throw("conflict", "%d of these are called %s: %s; use an id", count,
      tostring(ref), it.what)
  end
  return body.copy(found)
end

--- As get; nil and the error instead of raising.
---@async
---@param ref string
---@return table|nil, godwit.Err|nil
function Catalogue:try_get(ref)
  return try(self.get, self, ref)
end

local function texts(...)
  local out = {}
  for _, v in ipairs({ ... }) do
    if type(v) == "string" then
      out[#out + 1] = v
    end
  end
  return out
end

local function catalogue(what, list, names)
  local handle = setmetatable({}, Catalogue)
  catalogues[handle] = { what = what, list = list, names = names }
  return handle
end

--- The cluster ------------------------------------------------------------

---@class godwit.Cluster
---@field name string  As it was asked for
---@field id string    Its identity
---@field kind string
---@field algorithms godwit.cluster.Algorithms
---@field users godwit.cluster.Accounts
---@field organizations godwit.cluster.Organizations
---@field data godwit.cluster.Collections
---@field environments godwit.cluster.Catalogue
---@field scms godwit.cluster.Catalogue
local Cluster = {}
Cluster.__index = methods.strict(Cluster, "a cluster")
Cluster.__name = "cluster"

function Cluster:__tostring()
  return "cluster " .. self.name
end

---@param driver table
---@return godwit.Cluster
function M.new(driver)
  local self = setmetatable({
    name = driver.name,
    id = driver.id,
    kind = driver.kind,
  }, Cluster)
  driver_of.set(self, driver)
  self.algorithms = setmetatable({ cluster = self }, Algorithms)
  self.users = accounts.handle(self, "users")
  self.organizations = accounts.handle(self, "organizations")
  self.data = collection.handle(self)
  self.environments = catalogue("environment", function()
    return driver:list_environments()
  end, function(env)
    return texts(env.id, env.display_name, env.environment_specification_id)
  end)
  self.scms = catalogue("SCM", function()
    return driver:list_scms()
  end, function(scm)
    return texts(scm.id, scm.name or scm.provider)
  end)
  return self
end

--- The user name of the key used there.
---@async
---@param owner? string
---@return string
function Cluster:whoami(owner)
  return driver_of(self):whoami(owner)
end

return M
