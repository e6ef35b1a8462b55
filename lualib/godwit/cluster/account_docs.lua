local body = require("godwit.cluster.body")
local json = require("godwit.core.json")
local unknown = require("godwit.unknown")

--- cluster.account_docs: what a cluster is sent about users and organizations,
--- and what of their documents can be compared. Pure.
local M = {}

--- What a user's document has beside name and address, and may be changed.
M.USER_FIELDS = { "fullname", "company_name", "company_role" }

--- What an organization's document has beside its name, and may be changed.
M.ORGANIZATION_FIELDS = { "org_label", "org_contact_name", "org_email",
  "org_url", "type_id", "external_id", "external_admin_group",
  "external_member_group", "external_executor_group", "stripe_customer_id" }

-- Some clusters name the groups otherwise.
local SPELLINGS = {
  external_admin_group = "external_admin_group_id",
  external_member_group = "external_member_group_id",
  external_executor_group = "external_executor_group_id",
}

local function nothing(v)
  if unknown.is(v) then
    return false
  end
  return v == nil or v == json.null or v == ""
    or type(v) == "table" and next(v) == nil
end

-- Groups that a script wrote down as a table are a list, as decoded ones are.
local function as_list(v)
  if type(v) ~= "table" or unknown.is(v) or v[1] == nil then
    return v
  end
  return json.array({ table.unpack(v) })
end

--- A field of a document, whichever way the cluster spells it; nil for all
--- that is none: null, "", an empty list.
---@param doc table
---@param field string
---@return any
function M.value(doc, field)
  local v, spelling = doc[field], SPELLINGS[field]
  if nothing(v) and spelling then
    v = doc[spelling]
  end
  if nothing(v) then
    return nil
  end
  return spelling and as_list(v) or v
end

-- How the cluster spells a field: as it has shown it, with a value if it shows
-- both.
local function spelled(doc, field)
  local other = SPELLINGS[field]
  if other and nothing(doc[field]) and doc[other] ~= nil
    and (doc[field] == nil or not nothing(doc[other])) then
    return other
  end
  return field
end

-- What a field is to be: as the patch has it. Nothing cannot be written, so
-- where that has nothing it stays.
local function changed(was, patch, field)
  local v = M.value(patch, field)
  if v == nil then
    v = M.value(was, field)
  end
  return v
end

-- One group and a list of it are the same.
local function comparable(v)
  if type(v) == "table" and json.is_array(v) then
    local list = {}
    for i, one in ipairs(v) do
      list[i] = tostring(one)
    end
    table.sort(list)
    return table.concat(list, "\n")
  end
  return v
end

--- Whether two values of a field are the same.
---@param a any
---@param b any
---@return boolean
function M.same(a, b)
  if rawequal(a, b) then
    return true
  end
  return not unknown.is(a) and not unknown.is(b)
    and comparable(a) == comparable(b)
end

--- Whether two e-mail addresses are one: case does not count.
---@param a any
---@param b any
---@return boolean
function M.same_email(a, b)
  return type(a) == "string" and type(b) == "string"
    and a:lower() == b:lower()
end

local function pick(doc, fields)
  local out = {}
  for _, field in ipairs(fields) do
    out[field] = M.value(doc, field)
  end
  return out
end

--- The body that creates a user: no sample algorithm is made for him.
---@param spec table
---@return table
function M.new_user(spec)
  local sent = body.clean(pick(spec, { "username", "email",
    table.unpack(M.USER_FIELDS) }))
  sent.shouldCreateHello = spec.shouldCreateHello == true
  return sent
end

--- The body that changes a user: name and address have to be sent, unchanged.
--- What the patch has nothing for stays: null and "" are never sent.
---@param was table
---@param patch table
---@return table
function M.changed_user(was, patch)
  local sent = pick(was, { "username", "email" })
  for _, field in ipairs(M.USER_FIELDS) do
    sent[field] = changed(was, patch, field)
  end
  return sent
end

--- The body that creates an organization.
---@param spec table
---@return table
function M.new_organization(spec)
  local sent = pick(spec, M.ORGANIZATION_FIELDS)
  sent.org_name = spec.org_name
  return body.clean(sent)
end

--- Whether a cluster that spells groups otherwise has overlooked some that it
--- was sent: its answer has nothing under its own name for them.
---@param doc any
---@param sent table
---@return boolean
function M.overlooked(doc, sent)
  for field, spelling in pairs(type(doc) == "table" and SPELLINGS or {}) do
    if sent[field] ~= nil and doc[field] == nil and doc[spelling] ~= nil
      and nothing(doc[spelling]) then
      return true
    end
  end
  return false
end

--- The body that changes an organization: all of it, since what is missing may
--- be taken for unset. What the patch has nothing for stays as well.
---@param was table
---@param patch table
---@return table
function M.changed_organization(was, patch)
  local sent = {}
  for _, field in ipairs(M.ORGANIZATION_FIELDS) do
    sent[spelled(was, field)] = changed(was, patch, field)
  end
  sent.org_name = was.org_name
  return body.clean(sent)
end

--- Where a document differs from what is wanted, of the fields that are.
---@param doc table
---@param wanted table
---@param fields string[]
---@return { field: string, source: any, destination: any }[]
function M.differences(doc, wanted, fields)
  local out = {}
  for _, field in ipairs(fields) do
    local is, want = M.value(doc, field), M.value(wanted, field)
    if want ~= nil and not M.same(is, want) then
      out[#out + 1] = { field = field, source = want, destination = is }
    end
  end
  return out
end

--- What a document has and what is wanted has not: nothing cannot be written,
--- so it stays.
---@param doc table
---@param wanted table
---@param fields string[]
---@return { field: string, destination: any }[]
function M.surplus(doc, wanted, fields)
  local out = {}
  for _, field in ipairs(fields) do
    local is = M.value(doc, field)
    if is ~= nil and M.value(wanted, field) == nil then
      out[#out + 1] = { field = field, destination = is }
    end
  end
  return out
end

--- What is changed, as an effect shows it.
---@param was table
---@param sent table
---@return table from
function M.counterpart(was, sent)
  local from = {}
  for field in pairs(sent) do
    from[field] = M.value(was, field)
  end
  return from
end

return M
