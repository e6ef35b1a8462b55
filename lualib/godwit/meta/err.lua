---@meta godwit.core.err
-- In C: runtime/lua/err.c. The class is filled by lualib/godwit/err.lua.

---@class godwit.core.err
---@field meta table The metatable of every error object.
local M = {}

--- Whether v is an error object.
---@param v any
---@return boolean
function M.is_object(v) end

--- Anything that was raised, as an error object.
---@param v any
---@return godwit.Err
function M.from(v) end

--- The same with the traceback of here: a handler for xpcall.
---@param v any
---@return godwit.Err
function M.traced(v) end

--- The same for what a task raised, with the calls that led to its start.
---@param v any
---@param name string What started it: "task.each".
---@return godwit.Err
function M.through(v, name) end

return M
