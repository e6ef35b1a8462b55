---@meta
--- log: lines on stderr.
---
--- `error` and `warn` are always written, `info` unless `--quiet`, `debug` with
--- `-v`, `trace` with `-vv`. A value that does not fit its directive is written
--- as text. Raises nothing, whatever it is given. What is written passes the
--- filter that knows the run's secrets.
---
--- ```lua
--- log.info("%s: %d builds", "acme/FraudScore", 3)
--- log.debug("%s", json.encode { seen = true })
--- if log.enabled "trace" then log.trace("only with -vv") end
--- ```

--- Log lines.
---@class godwit.log
log = {}

--- The name of a level.
---@alias godwit.log.Level "error"|"warn"|"info"|"debug"|"trace"

--- Whether lines of that level are written.
---@param name godwit.log.Level
---@return boolean
function log.enabled(name) end

--- As `string.format`, but never raises.
---@param fmt any
---@param ... any
---@return string
function log.format(fmt, ...) end

--- Something failed. The line begins with "error: ".
---@param fmt any
---@param ... any
function log.error(fmt, ...) end

--- Something to look at. The line begins with "warning: ".
---@param fmt any
---@param ... any
function log.warn(fmt, ...) end

--- What happens, for everybody.
---@param fmt any
---@param ... any
function log.info(fmt, ...) end

--- What happens, with `-v`.
---@param fmt any
---@param ... any
function log.debug(fmt, ...) end

--- Details, with `-vv`.
---@param fmt any
---@param ... any
function log.trace(fmt, ...) end

--- An error as a line of level `error`; its traceback with `-v`.
---@param e any
function log.failure(e) end

return log
