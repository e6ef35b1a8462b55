local json = require("godwit.core.json")
local unknown = require("godwit.unknown")

--- cluster.account_rules: what the platform takes for the name, the e-mail
--- address and the other fields of an account, in words. Pure.
local M = {}

M.LONGEST_NAME = 30
local LONGEST_EMAIL, SHOWN = 100, 60

local function shown(text)
  text = text:gsub("%c", "?")
  return #text > SHOWN and text:sub(1, SHOWN) .. "…" or text
end

--- What is wrong with a name; nil: nothing.
---@param name any
---@return string|nil
function M.name_problem(name)
  if type(name) ~= "string" or name == "" then
    return "there is no name"
  elseif #name > M.LONGEST_NAME then
    return ("the name '%s' has %d characters; at most %d are allowed"):format(
      shown(name), utf8.len(name) or #name, M.LONGEST_NAME)
  elseif not name:find("^%a[%w_]*$") then
    return ("'%s' is no name: a letter, then letters, digits and '_'"):format(
      shown(name))
  end
end

--- What is wrong with an e-mail address; nil: nothing.
---@param email any
---@return string|nil
function M.email_problem(email)
  if type(email) ~= "string" or email == "" then
    return "there is no e-mail address"
  elseif #email > LONGEST_EMAIL then
    return ("the e-mail address '%s' has %d characters; at most %d are "
      .. "allowed"):format(shown(email), #email, LONGEST_EMAIL)
  end
  local domain = email:match("^[%w._%%+-]+@([%w.-]+)$")
  local top = domain and domain:match("^.+%.(%a+)$")
  if not top or #top < 2 or #top > 6 then
    return ("'%s' is no e-mail address that the platform takes"):format(
      shown(email))
  end
end

--- The longest texts, in characters.
M.LONGEST = { fullname = 100, company_name = 100, company_role = 200,
  org_label = 100, org_contact_name = 100, org_email = 100, org_url = 100,
  type_id = 100, external_id = 1000, stripe_customer_id = 1000 }

--- Fields that name groups. Official clients spell them in two ways.
M.GROUPS = { "external_admin_group", "external_member_group",
  "external_executor_group" }

local IS_GROUP = {}
for _, field in ipairs(M.GROUPS) do
  IS_GROUP[field], IS_GROUP[field .. "_id"] = true, true
end

--- Whether that can stand in a field of groups: one name or a list of them.
---@param v any
---@return boolean
function M.is_group(v)
  if type(v) ~= "table" or not json.is_array(v) then
    return type(v) == "string"
  end
  for _, one in ipairs(v) do
    if type(one) ~= "string" then
      return false
    end
  end
  return true
end

--- What is wrong with a field of an account; nil: nothing. `malformed` when it
--- is the type.
---@param field string
---@param v any
---@return string|nil why
---@return boolean|nil malformed
function M.problem(field, v)
  if field == "username" or field == "org_name" then
    return M.name_problem(v), type(v) ~= "string"
  elseif field == "email" then
    return M.email_problem(v), type(v) ~= "string"
  elseif v == nil or unknown.is(v) then
    return nil
  elseif IS_GROUP[field] then
    return not M.is_group(v) and ("%s is neither a text nor a list of "
      .. "texts"):format(field) or nil, true
  end
  local longest = M.LONGEST[field]
  if longest and type(v) ~= "string" then
    return ("%s is no text"):format(field), true
  end
  local length = longest and (utf8.len(v) or #v) or 0
  return length > (longest or 0) and ("%s has %d characters; at most %d "
    .. "are allowed"):format(field, length, longest) or nil
end

return M
