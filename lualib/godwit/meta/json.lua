---@meta godwit.core.json
-- In C: runtime/lua/json.c.

---@class godwit.core.json
---@field null lightuserdata
local M = {}

---@param text string
---@param opts? godwit.json.DecodeOpts
---@return any
---@return godwit.Err?
function M.decode(text, opts) end

--- Raises what cannot be written. A metatable's `__tojson(v)` says what stands
--- for v.
---@param v any
---@param opts? godwit.json.EncodeOpts
---@return string
function M.encode(v, opts) end

---@generic T: table
---@param t? T
---@return T
function M.array(t) end

---@param v any
---@return boolean
function M.is_array(v) end

return M
