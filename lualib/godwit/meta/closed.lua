---@meta godwit.core.closed
-- In C: runtime/lua/closed.c. For lualib/godwit/closed.lua only.

---@class godwit.core.closed
local M = {}

--- coroutine.resume, known to the guard against runaways; refuses tasks.
---@param co thread
---@param ... any
---@return boolean
---@return any ...
function M.resume(co, ...) end

--- coroutine.close, the same way.
---@param co thread
---@return boolean
---@return any
function M.close(co) end

--- Runs a module's top level, where nothing can wait.
---@param chunk function
---@param name string
---@return any
function M.run(chunk, name) end

--- Whether the running task is being stopped as a runaway.
---@return boolean
function M.expired() end

--- A new instance of lua-cjson.
---@return table
function M.cjson() end

return M
