---@meta godwit.core.process
-- In C: runtime/lua/process.c.

---@class godwit.core.process
local M = {}

---@class godwit.process: userdata
---@field pid integer
local process = {}

--- Waits until all of it is taken.
---@async
---@param text string
---@return true?
---@return godwit.Err?
function process:write(text) end

function process:close_stdin() end

--- What is there of its stdout, at least a byte; nil at the end.
---@async
---@return string?
function process:read() end

--- The same of its stderr.
---@async
---@return string?
function process:read_err() end

--- Its exit status, or 128 + signal.
---@async
---@return integer
function process:wait() end

---@param signal? integer Default SIGTERM.
function process:kill(signal) end

--- Kills what still runs; also by <close> and by the collector.
function process:close() end

---@class godwit.process.Opts
---@field argv string[]
---@field env? table<string, string> The whole environment; default: inherited.
---@field cwd? string
---@field stdin? boolean A pipe; else nothing to read.
---@field stdout? boolean A pipe; else thrown away.
---@field stderr? boolean A pipe; else ours.
---@field group? boolean A process group of its own: signals reach its children.

---@param opts godwit.process.Opts
---@return godwit.process?
---@return godwit.Err?
function M.start(opts) end

return M
