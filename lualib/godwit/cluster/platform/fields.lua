local account_rules = require("godwit.cluster.account_rules")
local json = require("godwit.core.json")
local rules = require("godwit.cluster.platform.rules")

--- Fields of the bodies that users, organizations and their keys are made of:
--- null is absent, unknown ones are not looked at, texts have a type and a
--- length.
local M = {}

local reject = rules.reject

--- A body without its nulls; its tables are copies.
---@param v any
---@return any
function M.without_nulls(v)
  if type(v) ~= "table" then return v end
  local out = json.is_array(v) and json.array({}) or {}
  for k, x in pairs(v) do
    if x ~= json.null then out[k] = M.without_nulls(x) end
  end
  return out
end

--- An optional text of a body.
---@param body table
---@param key string
---@param max integer Characters.
---@param code integer The code for what is no text.
---@return string|nil
function M.text(body, key, max, code)
  local v = body[key]
  if v == nil then return nil end
  if type(v) ~= "string" then
    reject(400, code, "%s must be a string", key)
  end
  if (utf8.len(v) or #v) > max then
    reject(400, 6001, "%s is longer than %d characters", key, max)
  end
  return v
end

--- An optional flag of a body.
---@return boolean|nil
function M.flag(body, key)
  local v = body[key]
  if v ~= nil and type(v) ~= "boolean" then
    reject(400, 6001, "%s must be true or false", key)
  end
  return v
end

--- Texts by the length they may have, which is in `limits`.
---@param body table
---@param limits table<string, integer>
---@param code integer
---@return table<string, string>
function M.texts(body, limits, code)
  local out = {}
  for key, max in pairs(limits) do out[key] = M.text(body, key, max, code) end
  return out
end

--- Takes out of a document, whoever wrote it, what should be a text and is
--- none.
---@param doc table
---@param limits table<string, integer>
function M.only_texts(doc, limits)
  for key in pairs(limits) do
    if type(doc[key]) ~= "string" then doc[key] = nil end
  end
end

--- Refuses a body that lacks one of the fields, naming all it lacks.
---@param body table
---@param keys string[]
---@param code? integer Default 3005.
function M.need(body, keys, code)
  local missing = {}
  for _, key in ipairs(keys) do
    if body[key] == nil or body[key] == "" then missing[#missing + 1] = key end
  end
  if #missing > 0 then
    reject(400, code or 3005, "required and missing: %s",
      table.concat(missing, ", "))
  end
end

--- Refuses what is no name of an account.
---@param name string
---@param key string The field it stood in.
function M.check_name(name, key)
  local why = account_rules.name_problem(name)
  if why then reject(400, 6001, "%s: %s", key, why) end
end

--- Refuses what is no e-mail address.
---@param email string
function M.check_email(email)
  local why = account_rules.email_problem(email)
  if why then reject(400, 6001, "email: %s", why) end
end

return M
