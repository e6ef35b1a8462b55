---@meta godwit.core.names
-- In C: runtime/lua/names.c, runtime/journal/names.c.

---@class godwit.core.names
local M = {}

---@class godwit.names.Row
---@field name string Not empty, no NUL.
---@field size? integer
---@field time? string

---@class godwit.names: userdata
local names = {}

--- A name that is there is replaced. Returns how many were not.
---@async
---@param rows godwit.names.Row[]
---@return integer?
---@return godwit.Err?
function names:put(rows) end

--- What was put under each name, or false; these names are taken from now on,
--- whether they were put or not. The second table is true at the places of
--- names that had been taken before.
---@async
---@param list string[]
---@return ({ size: integer?, time: string? }|false)[]?
---@return table<integer, true>|godwit.Err
function names:take(list) end

--- What was put and never taken, in the order of bytes, behind a name.
---@async
---@param after? string
---@param limit integer
---@return godwit.names.Row[]?
---@return godwit.Err?
function names:rest(after, limit) end

--- How many `rest` gives in all, but for those with that time, and the sum of
--- their sizes: 1 << 62 when it is more.
---@async
---@param but? string
---@return integer? count
---@return integer|godwit.Err bytes
function names:sum(but) end

--- How many were put, how many of these were taken.
---@return integer all
---@return integer taken
function names:count() end

function names:close() end

--- An empty table in a temporary file, gone with the process.
---@async
---@return godwit.names?
---@return godwit.Err?
function M.open() end

return M
