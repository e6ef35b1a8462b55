---@meta godwit.core.secret
-- In C: runtime/lua/secret.c.

---@class godwit.core.secret
local M = {}

--- A credential: can be handed over, and printed as "[secret LABEL]".
---@class godwit.Secret: userdata

--- From now on the text is filtered from what is printed.
---@param text string
---@param opts? { label?: string, origins?: string[] }
---@return godwit.Secret
function M.new(text, opts) end

--- The same text, allowed nowhere yet.
---@param secret godwit.Secret
---@return godwit.Secret
function M.copy(secret) end

--- Allows an origin ("https://host:port").
---@param secret godwit.Secret
---@param origin string
function M.allow(secret, origin) end

--- Names the proxy of the secret's profile.
---@param secret godwit.Secret
---@param proxy string
function M.allow_proxy(secret, proxy) end

---@param v any
---@return boolean
function M.is(v) end

--- When a token says that it ends, in seconds since 1970; nil for any other
--- text. Nothing is verified.
---@param secret godwit.Secret
---@return number?
function M.expiry(secret) end

--- Writes a file that only its owner can read, made of texts and secrets, syncs
--- it and puts it in place of the old one.
---@async
---@param path string
---@param parts (string|godwit.Secret)[]
---@return true?
---@return godwit.Err?
function M.save(path, parts) end

--- The text as the output filter would write it.
---@param text string
---@return string
function M.redact(text) end

return M
