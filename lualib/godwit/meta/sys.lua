---@meta godwit.core.sys
-- In C: runtime/lua/sys.c.

---@class godwit.core.sys
---@field version string Of the program.
---@field pid integer
local M = {}

---@param name string
---@return string?
function M.env(name) end

---@return table<string, string>
function M.environ() end

--- Seconds since 1970.
---@return number
function M.time() end

--- Seconds of a clock that never jumps.
---@return number
function M.monotonic() end

--- "2021-07-30T18:02:11.093Z"
---@param time number
---@return string
function M.format_time(time) end

---@param fd integer
---@return boolean
function M.isatty(fd) end

--- Writes to stdout (1) or stderr (2), filtered of secrets.
--- What could steer a terminal is escaped, but in a pipe behind stdout and
--- where `raw` is set.
---@param fd 1|2
---@param text string
---@param raw? boolean
---@return true?
---@return godwit.Err?
function M.write(fd, text, raw) end

--- Columns of the terminal; 80 without one.
---@return integer
function M.width() end

---@return string
function M.hostname() end

---How many files this process may have open; nil: no limit.
---@return integer?
function M.max_files() end

---@return string
function M.username() end

--- n random bytes, as 2n digits.
---@param n integer
---@return string
function M.random_hex(n) end

---@return string
function M.uuid() end

---@param kind "md5"|"sha1"|"sha256"
---@param text string
---@return string hex
function M.hash(kind, text) end

---@param text string
---@return string
function M.base64(text) end

---@param text string
---@return string?
---@return godwit.Err?
function M.unbase64(text) end

--- The path of the program itself.
---@return string
function M.self_exe() end

--- Compiles a text (never bytecode) into an environment.
---@param text string
---@param chunk string
---@param env table
---@return function?
---@return string?
function M.load(text, chunk, env) end

--- fn(signal) is called for the first SIGINT or SIGTERM, outside of any task;
--- without one the main task is cancelled.
---@param fn fun(signal: integer)|nil
function M.on_signal(fn) end

---@param fn fun(signal: integer)|nil
function M.on_usr1(fn) end

--- The signal that came is dealt with: the next one does not end the process.
function M.stop_dealt() end

--- A line of stdin without its end; nil at the end of it.
---@async
---@return string?
---@return godwit.Err?
function M.read_line() end

return M
