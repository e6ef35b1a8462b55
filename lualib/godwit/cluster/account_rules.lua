--- cluster.account_rules: what the platform takes for the name and the e-mail
--- address of an account, in words. Pure.
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

-- The longest texts, in characters.
local LONGEST = { fullname = 100, company_name = 100, company_role = 200,
  org_label = 100, org_contact_name = 100, org_email = 100, org_url = 100 }

--- What is wrong with a field of an account; nil: nothing.
---@param field string
---@param v any
---@return string|nil
function M.problem(field, v)
  if field == "username" or field == "org_name" then
    return M.name_problem(v)
  elseif field == "email" then
    return M.email_problem(v)
  elseif v == nil then
    return nil
  elseif LONGEST[field] and type(v) ~= "string" then
    return ("%s is no text"):format(field)
  end
  local length = LONGEST[field] and (utf8.len(v) or #v) or 0
  return length > (LONGEST[field] or 0) and ("%s has %d characters; at most %d "
    .. "are allowed"):format(field, length, LONGEST[field]) or nil
end

return M
