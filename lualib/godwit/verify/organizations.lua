--- organizations: those of two places: their fields, the type by its name, who
--- belongs to them. What each is called there, migrate-organizations decides.

local account_docs = require("godwit.cluster.account_docs")
local accounts = require("godwit.cluster.accounts")
local core_json = require("godwit.core.json")
local members = require("godwit.verify.members")

local M = {}

local KIND = accounts.KINDS.organizations

-- One group and a list of it are the same, in any order.
local function shown(v)
  if type(v) ~= "table" or not core_json.is_array(v) then
    return v
  end
  local list = {}
  for i, one in ipairs(v) do
    list[i] = type(one) == "table" and core_json.encode(one) or tostring(one)
  end
  table.sort(list)
  return #list == 1 and list[1] or core_json.array(list)
end

-- Type ids are each cluster's own; none is a type, too.
local function compare_type(types, item, mine, theirs)
  local there = types:name_there(account_docs.value(theirs, "type_id"))
  item:compare("type", types:name(mine), there or "none")
end

local function compare_fields(types, item, mine, theirs)
  for _, field in ipairs(account_docs.ORGANIZATION_FIELDS) do
    if field == "type_id" then
      compare_type(types, item, mine, theirs)
    else
      item:compare(field, shown(account_docs.value(mine, field)),
        shown(account_docs.value(theirs, field)))
    end
  end
end

local function compare(v, job, item)
  local mine, name, there = job.doc, job.ref, job.there

  if not there then
    return item:ends("skipped", job.why)
  end
  local theirs, read = item:read(job.dest_ref, function()
    return v.to:try_get_organization(there)
  end)
  if not read then
    return
  elseif not theirs then
    return item:ends("missing")
  end
  compare_fields(v.side.types, item, mine, theirs)
  item:read("the members of " .. name, function()
    members.compare(v, item, name, there)
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

local function job_of(v, doc)
  local stays, there, why = v:stays(doc.org_name), nil, nil
  if not stays then
    there, why = v.side.name_of({ doc = doc })
  end
  return { ref = doc.org_name, doc = doc, there = there,
    why = stays or why,
    dest_ref = v.to.name .. ":" .. (there or doc.org_name) }
end

--- Compares organizations: all, or those among the owners that were named.
---@async
---@param v godwit.verify.Run
function M.compare(v)
  local jobs, expected = {}, {}

  for i, doc in ipairs(source_organizations(v)) do
    jobs[i] = job_of(v, doc)
    expected[jobs[i].there or doc.org_name] = true
  end
  v:each("organization", jobs, function(job, item)
    compare(v, job, item)
  end)
  if #v.owners == 0 then
    extras(v, expected)
  end
end

return M
