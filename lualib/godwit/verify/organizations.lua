--- organizations: those of two places: their fields, the type by its name, who
--- belongs to them. Names of organizations are the same everywhere.

local account_docs = require("godwit.cluster.account_docs")
local accounts = require("godwit.cluster.accounts")
local core_json = require("godwit.core.json")
local members = require("godwit.verify.members")

local M = {}

local KIND = accounts.KINDS.organizations

-- Type ids are each cluster's own.
local function types_of(driver)
  local names = {}
  for _, row in ipairs(driver:list_organization_types()) do
    names[tostring(row.id):lower()] = row.name
  end
  return names
end

local function type_name(names, doc)
  local id = account_docs.value(doc, "type_id")
  return id and (names[tostring(id):lower()] or "unknown type " .. tostring(id))
end

-- One group and a list of it are the same, in any order.
local function shown(v)
  if type(v) ~= "table" or not core_json.is_array(v) then
    return v
  end
  local list = {}
  for i, one in ipairs(v) do
    list[i] = tostring(one)
  end
  table.sort(list)
  return #list == 1 and list[1] or core_json.array(list)
end

local function compare_fields(v, item, mine, theirs, types)
  for _, field in ipairs(account_docs.ORGANIZATION_FIELDS) do
    if field == "type_id" then
      item:compare("type", type_name(types.from, mine),
        type_name(types.to, theirs))
    else
      item:compare(field, shown(account_docs.value(mine, field)),
        shown(account_docs.value(theirs, field)))
    end
  end
end

local function compare(v, job, item, types)
  local mine, name = job.doc, job.ref

  local theirs, read = item:read(job.dest_ref, function()
    return v.to:try_get_organization(name)
  end)
  if not read then
    return
  elseif not theirs then
    return item:ends("missing")
  end
  compare_fields(v, item, mine, theirs, types)
  item:read("the members of " .. name, function()
    members.compare(v, item, name, name)
  end)
end

local function source_organizations(v)
  local list = {}

  if #v.owners > 0 then
    for _, owner in ipairs(v.owners) do
      list[#list + 1] = v.from:try_get_organization(owner)
    end
    return list
  end
  for doc in v.from:each_organization() do
    if accounts.name(KIND, doc) then
      list[#list + 1] = doc
    end
  end
  return list
end

local function extras(v, expected)
  local extra = {}
  for doc in v.to:each_organization() do
    local name = accounts.name(KIND, doc)
    if name and not expected[name] then
      expected[name] = true
      extra[#extra + 1] = name
    end
  end
  v:extra("organization", extra)
end

--- Compares organizations: all, or those among the owners that were named.
---@async
---@param v godwit.verify.Run
function M.compare(v)
  local jobs, expected = {}, {}
  local types = { from = types_of(v.from), to = types_of(v.to) }

  for i, doc in ipairs(source_organizations(v)) do
    jobs[i] = { ref = doc.org_name, doc = doc,
      dest_ref = v.to.name .. ":" .. doc.org_name }
    expected[doc.org_name] = true
  end
  v:each("organization", jobs, function(job, item)
    compare(v, job, item, types)
  end)
  if #v.owners == 0 then
    extras(v, expected)
  end
end

return M
