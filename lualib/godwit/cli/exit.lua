--- The exit codes of the program, the same for every command.
local M = {}

M.OK, M.FAILED, M.USAGE, M.SOME, M.TEMPORARY, M.REFUSED = 0, 1, 2, 3, 5, 6
M.BUDGET, M.DENIED, M.LOCKED = 8, 9, 11

local OF_KIND = {
  usage = M.USAGE, denied = M.DENIED, locked = M.LOCKED, refused = M.REFUSED,
  budget = M.BUDGET,
  net = M.TEMPORARY, timeout = M.TEMPORARY,
}

--- The code of an error that ended a command.
---@param e { kind: string, retryable?: boolean }
---@return integer
function M.of(e)
  local code = OF_KIND[e.kind]
  if code == M.TEMPORARY and e.retryable == false then
    return M.FAILED
  end
  return code or e.retryable and M.TEMPORARY or M.FAILED
end

--- The code after a signal.
---@param signal integer
---@return integer
function M.of_signal(signal)
  return 128 + signal
end

local came -- the signal that ends this process, once there was one

--- Notes the signal that ends this process; nil: none has come.
---@param signal? integer
function M.note_signal(signal)
  came = signal
end

--- The code of a result: a signal's, if one ended the run.
---@param result godwit.workflow.Result
---@return integer
function M.of_result(result)
  return result.interrupted and came and M.of_signal(came) or result.exit
end

return M
