local err = require("godwit.err")
local log = require("godwit.log")
local retry = require("godwit.http.retry")
local monotonic = require("godwit.core.sys").monotonic
local task = require("godwit.core.task")

--- effect.settle: makes one write, and finds out by looking what a lost
--- answer left open.
---
--- A write is in doubt when it may have reached the server and no answer says
--- what became of it. Then the effect's probe is asked until it knows. What
--- did not happen is made again, a bounded number of times; what happened is
--- taken as done; what stays open is raised, saying so.
local M = {}

--- Seconds; tests make these small.
M.timing = {
  attempts = 4,  -- of the write itself
  pause = 0.5,   -- before the second attempt; doubles
  ask = 0.25,    -- between two questions; doubles up to ask_max
  ask_max = 10,
  patience = 3,  -- a "no" counts when it was still "no" after this long
  looks = 4,     -- and this many questions: the server may be at work on a
                 -- request whose answer is lost
  wait = 60,     -- a probe may stay open for this long
  scale = 1,     -- of all of these
}

-- The server understood and said no; whatever else is wrong, nothing was done.
local REFUSED = { [501] = true, [505] = true }

-- Turned away at the door: 429, or 503 with a time to come back.
local function turned_away(e)
  return e.status == 429 or e.status == 503 and e.retry_after ~= nil
end

--- Whether the request that raised `e` may have been carried out.
---@param e table
---@return boolean
function M.in_doubt(e)
  if e.sent == false or turned_away(e) then
    return false
  end
  if e.kind == "net" or e.kind == "timeout" then
    return true
  end
  if e.kind ~= "remote" then
    return false
  end
  local status = e.status or 0
  local success = status >= 200 and status <= 299
  if status == 0 or e.unreadable or success and e.sent then
    return true -- an answer, but not to what was asked
  end
  return status >= 500 and not REFUSED[status]
end

-- One question: true, false or nil, with the result or what went wrong, and
-- whether there is no sense in another one.
---@async
local function look(e)
  local ok, happened, result = pcall(e.probe)
  if ok then
    return happened, result
  end
  local problem = err.from(happened)
  if err._is_final(problem) then
    error(problem, 0)
  end
  return nil, problem, not problem.retryable
end

--- Asks until the answer is settled. A probe that cannot be asked for a
--- passing reason is asked again.
---@async
---@return boolean|nil happened, any result_or_problem
local function ask(e)
  local t = M.timing
  local start, pause = monotonic(), t.ask
  local asked, denied, problem = 0, 0, nil
  while true do
    local happened, found, hopeless = look(e)
    if happened then
      return true, found
    elseif hopeless then
      return nil, found
    end
    asked = asked + 1
    denied = denied + (happened == false and 1 or 0)
    problem = found or problem
    local waited = (monotonic() - start) / t.scale
    if happened == false and denied >= t.looks
      and waited >= (e.patience or t.patience) then
      return false
    elseif asked >= t.looks and waited >= (e.wait or t.wait) then
      return nil, problem
    end
    task.sleep(pause * t.scale)
    pause = math.min(pause * 2, t.ask_max)
  end
end

local function unsettled(e, failure, problem)
  local text = ("%s on %s: the answer was lost and looking did not show"
    .. " whether it was done; look before repeating it"):format(e.kind,
    e.target)
  if problem then
    text = text .. " (" .. tostring(problem.message or problem) .. ")"
  end
  local raised = err.wrap(failure, text)
  raised.in_doubt = true
  error(raised, 0)
end

local function not_done(e, failure)
  local raised = err.wrap(failure, ("%s on %s was not carried out: the answer"
    .. " was lost, and looking shows nothing of it"):format(e.kind, e.target))
  error(raised, 0)
end

local function give_up(failure, doubtful)
  failure.in_doubt = doubtful or nil
  error(failure, 0)
end

--- Decides what follows a failure: returns true and the result when the write
--- turns out to have happened, false when it is to be made again; else raises.
---@async
local function after_failure(e, failure, doubted)
  local doubtful = M.in_doubt(failure)
  if e.class == "repeatable" then
    if not doubtful and not failure.retryable then
      error(failure, 0)
    end
    return false
  end
  if not doubtful and not doubted then
    local undone = failure.sent == false or turned_away(failure)
    if not failure.retryable or e.again == false and not undone then
      error(failure, 0)
    end
    return false
  end
  if not e.probe then
    give_up(failure, true)
  end
  log.info("%s on %s: not certain that it was done (%s); looking", e.kind,
    e.target, failure.message)
  local happened, result = ask(e)
  if happened then
    return true, result
  end
  if happened == nil then
    unsettled(e, failure, result)
  end
  if e.again == false then
    not_done(e, failure)
  elseif not doubtful and not failure.retryable then
    give_up(failure, false)
  end
  return false
end

--- Makes the write. Returns its result and how it went.
---@async
---@param e godwit.effect.Spec
---@return any result, { settled: boolean, repeated: integer } report
function M.run(e)
  local t = M.timing
  local pause = t.pause
  local doubted = false
  for attempt = 1, t.attempts do
    local ok, result = pcall(e.write)
    if ok then
      return result, { settled = false, repeated = attempt - 1 }
    end
    local failure = err.from(result)
    if failure.kind == "cancelled" or failure.kind == "budget" then
      give_up(failure, failure.sent == true)
    end
    local happened, found = after_failure(e, failure, doubted)
    if happened then
      return found, { settled = true, repeated = attempt - 1 }
    end
    doubted = doubted or M.in_doubt(failure)
    if attempt == t.attempts
        or (failure.retry_after or 0) > retry.DEFAULTS.max_wait then
      give_up(failure, e.class == "repeatable" and M.in_doubt(failure))
    end
    task.sleep(math.max(failure.retry_after or 0,
      pause * t.scale * (0.5 + math.random() / 2)))
    pause = pause * 2
  end
end

return M
