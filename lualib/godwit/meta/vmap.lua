---@meta godwit.core.vmap
-- In C: runtime/lua/vmap.c, runtime/journal/versionmap.c.

---@class godwit.core.vmap
local M = {}

---@class godwit.vmap.Row
---@field source_cluster? string
---@field source_owner? string
---@field source_name? string
---@field source_version? string
---@field source_commit? string
---@field source_tree? string
---@field expected_tree? string
---@field policy_digest? string
---@field settings_digest? string
---@field dest_cluster? string
---@field dest_owner? string
---@field dest_name? string
---@field dest_version? string
---@field dest_commit? string
---@field created_at? string
---@field run? string
---@field who? string

--- Fields must be equal; the last ones look on either side.
---@class godwit.vmap.Filter: godwit.vmap.Row
---@field cluster? string
---@field owner? string
---@field name? string
---@field version? string
---@field commit? string
---@field limit? integer

---@class godwit.vmap: userdata
local vmap = {}

--- A row of the same places and commits is brought up to date.
---@async
---@param row godwit.vmap.Row
---@return true?
---@return godwit.Err?
function vmap:put(row) end

--- Newest first.
---@async
---@param filter godwit.vmap.Filter
---@return godwit.vmap.Row[]?
---@return godwit.Err?
function vmap:find(filter) end

--- Removes what the filter finds (not an empty one); returns how many.
---@async
---@param filter godwit.vmap.Filter
---@return integer?
---@return godwit.Err?
function vmap:clear(filter) end

function vmap:close() end

---@async
---@param path string
---@return godwit.vmap?
---@return godwit.Err?
function M.open(path) end

return M
