--- ask: calls a function of a policy in a task of its own, with a limit of
--- computing, and turns whatever goes wrong into one sentence with the file,
--- the line and the point.
local core = require("godwit.core.task")
local err = require("godwit.err")
local given = require("godwit.policy.given")
local line = require("godwit.policy.line")
local task = require("godwit.task")

local M = {}

--- Seconds one call may compute, waiting not counted.
M.SECONDS = 5
--- A transform goes through all files.
M.TRANSFORM_SECONDS = 30

-- Where in the policy, or in a module of its own, an error was raised.
local function place(file, point, e)
  local where, rest = tostring(e.message):match("^([^\n]-:%d+): (.*)$")
  if where and file.chunks[where:match("^(.*):%d+$")] then
    return where, rest
  end
  for source, number in (e.traceback or ""):gmatch("\n%s*([^\n]-):(%d+): in") do
    if file.chunks[source] then
      return source .. ":" .. number, nil
    end
  end
  return ("%s:%d"):format(file.label, line.of(file.text, point)), nil
end

-- Whose fault it is: a policy's own mistakes are of kind "policy"; what the
-- network or a server did keeps its kind, and whether a retry helps.
local OWN = { bug = true, usage = true, nomem = true }

local function text_of(e, rest)
  -- A place in the library says nothing to who wrote the policy.
  local text = rest
    or tostring(e.message):gsub("^lualib/[^:%s]+:%d+: ", "")
  if e.value ~= nil then
    text = ("raised a %s instead of a text"):format(type(e.value))
  elseif text == "nil" and not rest then
    text = "raised nothing that says why"
  elseif text:find("^stopped: computed") then
    text = text:gsub("^stopped: computed", "stopped: it computed")
  end
  return (text:gsub("[\r\n]+", " "))
end

--- The error of a point, in one sentence; its field `point` says which.
---@param file godwit.policy.Loaded
---@param point string
---@param e any
---@return godwit.Err
function M.error(file, point, e)
  e = err.from(e)
  if e.kind == "cancelled" then
    return e
  end
  local where, rest = place(file, point, e)
  local runaway = e.kind == "limit"
    and tostring(e.message):find("^stopped: computed") ~= nil
  local text = text_of(e, rest)
  if e.op and not rest then
    text = e.op .. ": " .. text
  end
  local own = OWN[e.kind] or runaway
  return err.new({
    kind = own and "policy" or e.kind,
    message = ("%s: %s: %s"):format(where, point, text),
    status = e.status, code = e.code, cause = e,
    retryable = not own and e.retryable or false,
    next = e.next, traceback = e.traceback, point = point,
  })
end

--- Raises that an answer is none, with the line of the point.
---@param file godwit.policy.Loaded
---@param point string
---@param fmt string
function M.wrong(file, point, fmt, ...)
  error(err.new({ kind = "policy", message = ("%s:%d: %s: %s"):format(
    file.label, line.of(file.text, point), point, fmt:format(...)) }), 0)
end

-- A policy that is a person's own is not held to the permissions of the script
-- that leads to it.
local function as_person(file, fn)
  return file.persons and function(...)
    core.act_for_person()
    return fn(...)
  end or fn
end

--- Calls a point's function: fn(…, cx). Returns its results, packed, and the
--- verdict of cx:refuse or cx:wait; in the results stands no verdict.
---@async
---@param file godwit.policy.Loaded
---@param point string
---@param where godwit.policy.Where
---@param may { refuse: boolean?, wait: boolean? }
---@param ... any What it is asked about.
---@return table results
---@return godwit.policy.Verdict? verdict
function M.call(file, point, where, may, ...)
  local cx, state = given.cx(where, file.label, may)
  local args = table.pack(...)
  args.n = args.n + 1
  args[args.n] = cx
  local results = table.pack(task.limited(
    point == "transform" and M.TRANSFORM_SECONDS or M.SECONDS,
    as_person(file, file.points[point]), table.unpack(args, 1, args.n)))
  if not results[1] then
    error(M.error(file, point, results[2]), 0)
  end
  table.remove(results, 1)
  results.n = results.n - 1
  if state.token ~= nil and rawequal(results[1], state.token) then
    results[1], results.n = nil, 0
  end
  return results, state.verdict
end

return M
