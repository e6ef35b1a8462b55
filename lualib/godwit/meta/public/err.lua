---@meta
--- err: error objects, and what to do with them.
---
--- Functions raise error objects; `try_…` returns nil and the object. Decide by
--- `kind`, never by the text. What was raised by Lua itself (a bad argument, a
--- nil that is indexed) becomes an object of kind `bug` in `err.from`.
---
--- | Kind | Means |
--- |---|---|
--- | `usage` | the call or the command line is wrong |
--- | `notfound` | it is not there |
--- | `exists` | it is there already |
--- | `auth` | the credentials are missing, wrong or not enough |
--- | `conflict` | somebody else changed it, or two things exclude each other |
--- | `limit` | too much, too large, too often |
--- | `net` | no connection, or it broke |
--- | `timeout` | too slow |
--- | `remote` | the server failed, or answered something nobody understands |
--- | `io` | files |
--- | `nomem` | not enough memory |
--- | `locked` | another run holds it |
--- | `refused` | not carried out, for a reason |
--- | `policy` | a policy made a mistake; the text begins with its line |
--- | `denied` | this program does not allow it; see `--allow-write` |
--- | `budget` | what the run may use is used up; it ends with exit code 8 |
--- | `cancelled` | the task was stopped |
--- | `bug` | an error of the script, or of ours |
---
--- `cancelled` is not held up by a script's `pcall`: the task ends, `<close>`
--- variables run.
---
--- ```lua
--- local a, e = godwit.cluster("dev").algorithms:try_get "acme/FraudScore"
--- if err.is(e, "notfound") then
---   print "not there yet"
--- elseif e then
---   error(err.wrap(e, "looking for acme/Fraud"))
--- end
--- ```

--- Error objects.
---@class godwit.err
err = {}

--- What an error is about.
---@alias godwit.err.Kind "usage"|"notfound"|"exists"|"auth"|"conflict"|"limit"|"net"|"timeout"|"remote"|"io"|"nomem"|"locked"|"refused"|"policy"|"denied"|"budget"|"cancelled"|"bug"

--- An error. `tostring` gives "op: message (kind, status)" on one line.
---@class godwit.Err
---@field kind godwit.err.Kind
---@field message string One line, without `op`.
---@field op? string What was done, "git.push".
---@field status? integer HTTP status or errno.
---@field code? integer The platform's own error code.
---@field retryable boolean The same call may succeed later.
---@field retry_after? number Seconds the server asks for.
---@field sent? boolean Of a request without an answer: the server may have seen it.
---@field method? string Of the request.
---@field url? string Of the request.
---@field request_id? string The server's own name for the request.
---@field attempts? integer How often a request was sent.
---@field in_doubt? boolean Of a write: whether it happened, nobody could find out.
---@field response? godwit.http.Response The answer, where there was one.
---@field log? string[] The end of a build's log, in lines.
---@field cause? any The error below this one.
---@field errors? any[] All of them, where several were collected.
---@field record? godwit.Outcome Of `copy.algorithm`: what was done until then.
---@field traceback? string Where it was raised.

--- Makes an error object without raising it. `kind` is `bug` when it is not
--- given; `retryable` is true for `net` and `timeout`.
---@param fields table At least `kind` and `message`.
---@return godwit.Err
function err.new(fields) end

--- Raises an error of that kind with a formatted text, as `string.format`.
---@param kind godwit.err.Kind
---@param fmt string
---@param ... any
function err.throw(kind, fmt, ...) end

--- Passes all its values on, or raises the second when the first is nil or
--- false: for functions that return nil and an error.
---@generic T
---@param v T?
---@param e? any
---@param ... any
---@return T
function err.check(v, e, ...) end

--- Whether it is an error object, and of that kind if one is given.
---@param e any
---@param kind? godwit.err.Kind
---@return boolean
function err.is(e, kind) end

--- Anything that was raised, as an error object.
---@param e any
---@return godwit.Err
function err.from(e) end

--- As `from`, with the traceback of here: a handler for `xpcall`.
---@param e any
---@return godwit.Err
function err.traced(e) end

--- A new error "text: message" of the same kind, whose cause is the old one.
---@param e any
---@param text string
---@return godwit.Err
function err.wrap(e, text) end

return err
