---@meta godwit.core.modules
-- In C: runtime/lua/modules.c.

---@class godwit.core.modules
local M = {}

--- The library's own require.
---@param name string
---@return any
function M.require(name) end

--- The text of a file compiled in ("scripts/promote.lua"), or nil.
---@param name string
---@return string?
function M.source(name) end

--- The names of the files compiled in that begin so.
---@param prefix? string
---@return string[]
function M.names(prefix) end

--- The folders of GODWIT_PATH.
---@return string[]
function M.path() end

return M
