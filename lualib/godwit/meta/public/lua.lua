---@meta
--- lua: what scripts have of Lua 5.4 itself.
---
--- Copies of the standard tables: nothing a script changes there is seen by
--- others. There are no files, no programs, no `debug`, no bytecode, and no
--- finalizers (`__gc`).
---
--- | Table | Has |
--- |---|---|
--- | basic | `_G` `_VERSION` `assert` `collectgarbage` `error` `getmetatable` `ipairs` `load` `next` `pairs` `pcall` `print` `rawequal` `rawget` `rawlen` `rawset` `require` `select` `setmetatable` `tonumber` `tostring` `type` `warn` `xpcall` |
--- | `coroutine` | `close` `create` `isyieldable` `resume` `running` `status` `wrap` `yield` |
--- | `math` | `abs` `acos` `asin` `atan` `ceil` `cos` `deg` `exp` `floor` `fmod` `huge` `log` `max` `maxinteger` `min` `mininteger` `modf` `pi` `rad` `random` `randomseed` `sin` `sqrt` `tan` `tointeger` `type` `ult` |
--- | `math` | older names: `atan2` `cosh` `frexp` `ldexp` `log10` `pow` `sinh` `tanh` |
--- | `os` | `clock` `date` `difftime` `time` |
--- | `string` | `byte` `char` `find` `format` `gmatch` `gsub` `len` `lower` `match` `pack` `packsize` `rep` `reverse` `sub` `unpack` `upper` |
--- | `table` | `concat` `insert` `move` `pack` `remove` `sort` `unpack` |
--- | `utf8` | `char` `charpattern` `codepoint` `codes` `len` `offset` |
---
--- Different from elsewhere: `print` writes through the filter that knows the
--- run's secrets; `warn` is `log.warn`; `load` takes texts only;
--- `collectgarbage` knows "count" only; `getmetatable` of what is not the
--- script's own gives "locked"; `pcall` does not hold up a task that is stopped;
--- `coroutine.yield` outside a coroutine of the script's own raises `usage`, and
--- inside one nothing can wait.
---
--- Raises `limit` for a task that computes for 30 seconds of CPU without
--- waiting, and "not enough memory" beyond `GODWIT_MEMORY` (1 GiB).
---
--- ```lua
--- local names = { "b", "a" }
--- table.sort(names)
--- print(table.concat(names, " "), os.date("!%Y-%m-%d", 0))
--- ```

--- Finds a module: one of these pages ("http" and "godwit.http" are one),
--- "cjson", or a file beside the script or in `GODWIT_PATH` ("lib.names" is
--- lib/names.lua or lib/names/init.lua). A module's top level cannot wait.
--- Raises an error that names what can be required.
---@param name string
---@return any
function require(name) end

--- What is left of `os`.
---@class godwit.lua.os
os = {}

--- Seconds of CPU used.
---@return number
function os.clock() end

--- A time as text, or as a table with "*t".
---@param format? string As of C's strftime; "!" in front: UTC.
---@param time? integer
---@return string|table
function os.date(format, time) end

--- Seconds between two times.
---@param t2 integer
---@param t1 integer
---@return number
function os.difftime(t2, t1) end

--- Seconds since 1970, now or of a table of `year`, `month`, `day` and so on.
---@param date? table
---@return integer
function os.time(date) end
