---@meta godwit.core.edit
-- In C: runtime/lua/edit.c, runtime/term.

---@class godwit.core.edit
local M = {}

---@class godwit.edit: userdata
local edit = {}

--- Reads a line from the terminal, edited, while other tasks go on. Nil at the
--- end of the input, false when `stop` ended it.
---@async
---@param prompt string
---@return string|false|nil
function edit:read(prompt) end

--- Ends the line that is being read; says whether one was.
---@return boolean
function edit:stop() end

--- Adds a line to those the arrow keys go back to.
---@param line string
function edit:remember(line) end

--- Puts the terminal back; also at the end of a `<close>` variable.
function edit:close() end

--- Opens the terminal that is stdin and stdout, once. `tab` is given what
--- stands before the cursor and returns what to insert and what to list.
---@param tab fun(before: string): string?, string?
---@return godwit.edit?
---@return godwit.Err?
function M.open(tab) end

return M
