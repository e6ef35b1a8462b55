local core = require("godwit.core.err")

--- Errors: tables that print well. Functions raise them; `try_x` returns
--- `nil, err`. Decide by `kind`, never by the text.
local M = {}

---@alias godwit.err.Kind
---| "usage" | "notfound" | "exists" | "auth" | "conflict" | "limit" | "net"
---| "timeout" | "remote" | "io" | "nomem" | "cancelled" | "denied" | "bug"
---| "locked" | "refused" | "policy" | "budget"

---@class godwit.Err
---@field kind godwit.err.Kind
---@field message string One line; does not repeat `op`.
---@field op? string What was done, e.g. "git.push".
---@field status? integer HTTP status or errno.
---@field code? integer The platform's own error code.
---@field retryable boolean The same call may succeed later.
---@field cause? any The error below this one.
---@field traceback? string Where it was raised; set by the task runner.
---@field errors? any[] All of them, where several were collected.
local Err = core.meta

local RETRYABLE = { net = true, timeout = true }

--- "op: message (kind, status)", on one line.
function Err:__tostring()
  local text = tostring(self.message or "error")
  local op = rawget(self, "op")
  if op then text = op .. ": " .. text end
  local status = rawget(self, "status")
  local kind = rawget(self, "kind") or "bug"
  if status then
    text = ("%s (%s, %s)"):format(text, kind, status)
  else
    text = ("%s (%s)"):format(text, kind)
  end
  return (text:gsub("[\r\n]+", " "))
end

--- What json.encode writes for it.
function Err:__tojson()
  return {
    kind = self.kind,
    message = self.message,
    op = self.op,
    status = self.status,
    code = self.code,
    retryable = self.retryable,
    cause = self.cause and tostring(self.cause),
  }
end

Err.__metatable = "godwit.err"

--- Makes an error object, without raising it.
---@param fields table kind, message and whatever else is known
---@return godwit.Err
function M.new(fields)
  local e = {}
  for k, v in pairs(fields) do
    e[k] = v
  end
  e.kind = e.kind or "bug"
  e.message = e.message or e.kind
  if e.retryable == nil then e.retryable = RETRYABLE[e.kind] or false end
  return setmetatable(e, Err)
end

--- Raises an error of that kind with a formatted text.
---@param kind godwit.err.Kind
---@param fmt string
---@param ... any
function M.throw(kind, fmt, ...)
  local message = select("#", ...) > 0 and fmt:format(...) or fmt
  error(M.new({ kind = kind, message = message }), 0)
end

--- Passes values on, or raises the second if the first is nil or false.
---@generic T
---@param v T?
---@param e? any
---@param ... any
---@return T
function M.check(v, e, ...)
  if v then return v, e, ... end
  error(e == nil and M.new({ message = "no value" }) or e, 0)
end

--- Whether e is an error object, and of that kind if one is given.
---@param e any
---@param kind? godwit.err.Kind
---@return boolean
function M.is(e, kind)
  return core.is_object(e) and (kind == nil or e.kind == kind)
end

local FINAL = { cancelled = true, denied = true, budget = true }

--- Whether e says that the run is over, whatever somebody could try instead:
--- it was stopped, it is not allowed, or it has used up what it may use.
---@param e any
---@return boolean
function M._is_final(e)
  return core.is_object(e) and FINAL[e.kind] == true
end

--- Anything that was raised, as an error object.
---@param e any
---@return godwit.Err
function M.from(e)
  return core.from(e)
end

--- A handler for xpcall: the same, with the traceback of here.
---@type fun(e: any): godwit.Err
M.traced = core.traced

--- The same for what was raised in a task, with the calls that started it.
---@type fun(e: any, name: string): godwit.Err
M._through = core.through

--- A new error "text: message" of the same kind whose cause is e.
---@param e any
---@param text string
---@return godwit.Err
function M.wrap(e, text)
  e = core.from(e)
  local outer = {}
  for k, v in pairs(e) do
    outer[k] = v
  end
  local inner = e.op and (e.op .. ": " .. e.message) or e.message
  outer.message = text .. ": " .. inner
  outer.op = nil
  outer.cause = e
  return M.new(outer)
end

--- The innermost line of the user's own script in the traceback:
--- "promote-all.lua:12", or nil.
---@param e any
---@return string?
function M.script_line(e)
  return require("godwit.trace").line(e)
end

return M
