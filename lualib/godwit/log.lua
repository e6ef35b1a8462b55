local sys = require("godwit.core.sys")
local err = require("godwit.err")

--- Log lines on stderr. Levels: error and warn always, info unless --quiet,
--- debug with -v, trace with -vv. What is written passes the output filter.
local M = {}

local ORDER = { error = 1, warn = 2, info = 3, debug = 4, trace = 5 }
local PREFIX = { error = "error: ", warn = "warning: ", debug = "", trace = "" }

local level = ORDER.info

--- Called before and after every line, so that a progress line can be taken
--- away and drawn again.
---@type function?
M.before = nil
---@type function?
M.after = nil

---@class godwit.log.Setup
---@field quiet? boolean
---@field verbose? integer 1 is -v, 2 is -vv

---@param opts godwit.log.Setup
function M.setup(opts)
  local verbose = opts.verbose or 0
  if type(verbose) == "boolean" then verbose = verbose and 1 or 0 end
  level = opts.quiet and ORDER.warn or ORDER.info + math.min(verbose, 2)
end

--- Whether lines of that level are written.
---@param name "error"|"warn"|"info"|"debug"|"trace"
---@return boolean
function M.enabled(name)
  return ORDER[name] <= level
end

--- The text of any value: of errors, unknowns, secrets, too.
local function show(v)
  local ok, text = pcall(tostring, v)
  return ok and text or "?"
end

--- string.format that never raises: a value that does not fit its directive
--- is written as text.
---@param fmt any
---@param ... any
---@return string
function M.format(fmt, ...)
  local n = select("#", ...)
  if n == 0 then return show(fmt) end
  fmt = show(fmt)
  local args = table.pack(...)
  for i = 1, n do
    local kind = type(args[i])
    if kind ~= "number" and kind ~= "string" then args[i] = show(args[i]) end
  end
  local ok, text = pcall(string.format, fmt, table.unpack(args, 1, n))
  if ok then return text end
  for i = 1, n do
    args[i] = show(args[i])
  end
  return fmt .. " " .. table.concat(args, " ", 1, n)
end

local function write(name, fmt, ...)
  if ORDER[name] > level then return end
  local text = (PREFIX[name] or "") .. M.format(fmt, ...)
  if M.before then M.before() end
  sys.write(2, text .. "\n")
  if M.after then M.after() end
end

--- Something failed.
---@param fmt any
---@param ... any
function M.error(fmt, ...)
  write("error", fmt, ...)
end

--- Something to look at.
---@param fmt any
---@param ... any
function M.warn(fmt, ...)
  write("warn", fmt, ...)
end

--- What happens, for everybody.
---@param fmt any
---@param ... any
function M.info(fmt, ...)
  write("info", fmt, ...)
end

--- What happens, with -v.
---@param fmt any
---@param ... any
function M.debug(fmt, ...)
  write("debug", fmt, ...)
end

--- Every request, with -vv.
---@param fmt any
---@param ... any
function M.trace(fmt, ...)
  write("trace", fmt, ...)
end

--- An error with its traceback where -v asks for it.
---@param e any
function M.failure(e)
  write("error", "%s", show(e))
  if err.is(e) and e.traceback then write("debug", "%s", e.traceback) end
end

return M
