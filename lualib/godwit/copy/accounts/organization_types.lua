--- organization_types: the types of organizations of two clusters: ids are each
--- cluster's own, so a type goes by its name.

local account_list = require("godwit.copy.accounts.account_list")
local docs = require("godwit.cluster.account_docs")
local memo = require("godwit.memo")
local rename = require("godwit.copy.accounts.rename")

local M = {}

---@class godwit.copy.OrganizationTypes
---@field private from table
---@field private to table
---@field private rename fun(name: string): string|nil
---@field private memo godwit.Memo
local Types = {}
Types.__index = Types

local function rules(list)
  return rename.rules(list, "--map-type")
end

--- Raises what the command line alone shows to be wrong.
---@param list string[]|nil
function M.check(list)
  rules(list)
end

---@param from table Driver.
---@param to table Driver.
---@param list string[]|nil OLD=NEW
---@return godwit.copy.OrganizationTypes
function M.new(from, to, list)
  return setmetatable({ from = from, to = to, rename = rules(list),
    memo = memo.new() }, Types)
end

---@async
local function list(self, side)
  return self.memo:get(side, function()
    return self[side]:list_organization_types()
  end)
end

local function find(rows, field, value)
  for _, row in ipairs(rows) do
    if rawequal(row[field], value) or row[field] == value then
      return row
    end
  end
  return nil
end

local NONE = "none"

--- The name of a document's type at the destination; "none" for no type.
---@async
---@param doc table
---@return string
function Types:name(doc)
  local id = docs.value(doc, "type_id")
  local row = id and find(list(self, "from"), "id", id)
  local name = row and row.name or id and tostring(id) or NONE
  return self.rename(name) or name
end

--- The id of that type at the destination; false when it has none. Without a
--- type there is none to find, unless the destination demands one.
---@async
---@param name string
---@return string|nil|false id
function Types:id(name)
  local rows = list(self, "to")
  local row = find(rows, "name", name)
  if row then
    return row.id
  elseif name ~= NONE or #rows > 0 then
    return false
  end
  return nil
end

--- The name a type's id has at the destination, for people.
---@async
---@param id any
---@return string|nil
function Types:name_there(id)
  local row = id ~= nil and find(list(self, "to"), "id", id)
  return row and row.name or id
end

--- What is missing, as one sentence that names all it concerns.
---@async
---@param name string
---@param organizations string[]
---@return string
function Types:problem(name, organizations)
  local known = {}
  for i, row in ipairs(list(self, "to")) do
    known[i] = row.name
  end
  local have = #known > 0 and account_list.some(known, 20) or "none"
  local concerned = account_list.some(organizations, 20)
  if name == NONE then
    return ("%s demands a type of organization (%s), and these have none: %s;"
      .. " name one with --map-type none=TYPE"):format(self.to.name, have,
      concerned)
  end
  return ("%s has no organization type '%s' (it has: %s), which these have: %s;"
    .. " add it there, or name another with --map-type %s=TYPE"):format(
    self.to.name, name, have, concerned, name)
end

return M
