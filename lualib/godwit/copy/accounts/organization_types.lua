--- organization_types: the types of organizations of two clusters: ids are each
--- cluster's own, so a type goes by its name.

local account_list = require("godwit.copy.accounts.account_list")
local docs = require("godwit.cluster.account_docs")
local memo = require("godwit.memo")
local rename = require("godwit.copy.accounts.rename")

local M = {}

--- The type of one organization.
---@class godwit.copy.OrganizationType
---@field name string At the destination; "none" for no type.
---@field source string At the source; its id where the source lists no such type.
---@field listed boolean
---@field rule? string What made the one of the other: OLD=NEW.

---@class godwit.copy.OrganizationTypes
---@field private from table
---@field private to table
---@field private rename fun(name: string): string|nil, string|nil
---@field private script boolean
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
---@param script? boolean Another type is named by an option `type`, not a flag.
---@return godwit.copy.OrganizationTypes
function M.new(from, to, list, script)
  return setmetatable({ from = from, to = to, rename = rules(list),
    script = script or false, memo = memo.new() }, Types)
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

--- A document's type, here and there.
---@async
---@param doc table
---@return godwit.copy.OrganizationType
function Types:of(doc)
  local id = docs.value(doc, "type_id")
  local row = id and find(list(self, "from"), "id", id)
  local source = row and row.name or id and tostring(id) or NONE
  local name, rule = self.rename(source)
  return { name = name or source, source = source, rule = rule,
    listed = row ~= nil or not id }
end

--- The name of a document's type at the destination; "none" for no type.
---@async
---@param doc table
---@return string
function Types:name(doc)
  return self:of(doc).name
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

local function names(rows)
  local known = {}
  for i, row in ipairs(rows) do
    known[i] = row.name
  end
  return #known > 0 and account_list.some(known, 20) or "none"
end

-- What may be named: where there are no types, that there is none.
---@async
local function choice(self)
  return #list(self, "to") > 0 and "TYPE" or NONE
end

-- How another type is named. Rules are not chained, and the first that fits
-- counts: it is for the source's name.
---@async
local function another(self, kind)
  if self.script then
    return ('as type = "%s"'):format(choice(self))
  end
  return ("with --map-type %s=%s"):format(kind.source, choice(self))
end

-- The same for a type that a rule has named.
---@async
local function instead(self, kind)
  return ("give --map-type %s=%s %s"):format(kind.source, choice(self),
    kind.rule:find("*", 1, true) and "before it" or "instead")
end

--- What is missing, as one sentence that names all it concerns.
---@async
---@param kind godwit.copy.OrganizationType
---@param organizations string[]
---@return string
function Types:problem(kind, organizations)
  local to, have = self.to.name, names(list(self, "to"))
  local concerned = account_list.some(organizations, 20)
  if kind.name == NONE and kind.rule then
    return ("%s demands a type of organization (%s), and --map-type %s gives "
      .. "none to these: %s; %s"):format(to, have, kind.rule, concerned,
      instead(self, kind))
  elseif kind.name == NONE then
    return ("%s demands a type of organization (%s), and these have none: %s;"
      .. " name one %s"):format(to, have, concerned, another(self, kind))
  elseif kind.rule then
    return ("%s has no organization type '%s' (it has: %s), which --map-type %s"
      .. " gives to these: %s; add it there, or %s"):format(to, kind.name, have,
      kind.rule, concerned, instead(self, kind))
  elseif not kind.listed then
    return ("%s does not list the organization type %s (it has: %s), which "
      .. "these have: %s; name one of %s (it has: %s) %s"):format(
      self.from.name, kind.source, names(list(self, "from")), concerned, to,
      have, another(self, kind))
  end
  return ("%s has no organization type '%s' (it has: %s), which these have: %s;"
    .. " add it there, or name another %s"):format(to, kind.name, have,
    concerned, another(self, kind))
end

return M
