--- How a secret of the configuration is sent when nobody says otherwise: its
--- scheme and user name, beside the secret, which shows neither.
local M = {}

local manners = setmetatable({}, { __mode = "k" })

---@param secret userdata
---@param scheme string|nil
---@param user string|nil
function M.set(secret, scheme, user)
  manners[secret] = { scheme = scheme, user = user }
end

---@param secret any
---@return { scheme: string|nil, user: string|nil }
function M.of(secret)
  return secret ~= nil and manners[secret] or {}
end

return M
