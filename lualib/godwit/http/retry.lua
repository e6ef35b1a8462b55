local calendar = require("godwit.calendar")
local err = require("godwit.err")
local sys = require("godwit.core.sys")
local task = require("godwit.core.task")

--- http.retry: what may be sent again, and when.
---
--- A request is repeated where that is harmless (GET, HEAD, PUT, DELETE), or
--- where it is known that the server did not act on it: it was never sent, or
--- was turned away with 429 or 503 and a time to come back.
local M = {}

M.DEFAULTS = {
  attempts = 4, -- in all
  base = 0.25, -- seconds; doubles with every attempt
  max_delay = 20, -- of our own making
  max_wait = 120, -- a longer Retry-After is not waited for, nor cut short
  budget = 300, -- seconds for all waiting
}

local HARMLESS = { GET = true, HEAD = true, PUT = true, DELETE = true, OPTIONS = true }
local PASSING = { [429] = true, [502] = true, [503] = true, [504] = true }
local TURNED_AWAY = { [429] = true, [503] = true }

local MONTHS = { Jan = 1, Feb = 2, Mar = 3, Apr = 4, May = 5, Jun = 6, Jul = 7,
  Aug = 8, Sep = 9, Oct = 10, Nov = 11, Dec = 12 }

--- Seconds since 1970 of an HTTP date, or nil.
---@param text string
---@return integer?
function M.date(text)
  local day, month, year, h, m, s =
    text:match("^%a+, (%d+) (%a%a%a) (%d%d%d%d) (%d+):(%d+):(%d+) GMT$")
  if not day or not MONTHS[month] then return nil end
  return calendar.days(tonumber(year), MONTHS[month], tonumber(day)) * 86400
    + tonumber(h) * 3600 + tonumber(m) * 60 + tonumber(s)
end

--- What Retry-After says, in seconds, or nil. A date is compared with the
--- server's own clock where it tells it.
---@param headers table
---@return number?
function M.after(headers)
  local text = headers["retry-after"]
  if not text then return nil end
  local seconds = text:match("^%s*(%d+)%s*$")
  if seconds then return tonumber(seconds) end
  local at = M.date(text)
  if not at then return nil end
  local now = headers.date and M.date(headers.date) or sys.time()
  return math.max(0, at - now)
end

---@class godwit.http.Retry
---@field attempts? integer Default 4.
---@field base? number
---@field max_delay? number
---@field max_wait? number
---@field budget? number
---@field random? fun(): number From 0 to 1; for tests.

--- The policy an option `retry` stands for: false, a number of attempts, or a
--- table.
---@param option any
---@return table
function M.policy(option)
  local policy = { random = math.random }
  for k, v in pairs(M.DEFAULTS) do
    policy[k] = v
  end
  if option == false then
    policy.attempts = 1
  elseif type(option) == "number" then
    policy.attempts = option
  elseif type(option) == "table" then
    for k, v in pairs(option) do
      policy[k] = v
    end
  end
  return policy
end

local function is_harmless(req)
  if req.idempotent ~= nil then return req.idempotent end
  return HARMLESS[req.method] or false
end

--- Whether sending it again is right after this answer (or error).
---@param req { method: string, idempotent: boolean? }
---@param response table?
---@param e table?
---@return boolean
function M.is_safe(req, response, e)
  if e then
    if not e.retryable or (e.kind ~= "net" and e.kind ~= "timeout") then return false end
    if not e.sent then return true end
    return e.kind == "net" and is_harmless(req)
  end
  if TURNED_AWAY[response.status] and M.after(response.headers) then return true end
  return PASSING[response.status] ~= nil and is_harmless(req)
end

--- How long to wait before attempt n + 1, or nil when that is too long: a
--- server is never asked again before the time it named.
---@param policy table
---@param n integer
---@param after number?
---@param waited number
---@return number?
function M.delay(policy, n, after, waited)
  local most = math.min(policy.max_delay, policy.base * 2 ^ (n - 1))
  local delay = policy.random() * most
  if after and after > policy.max_wait then return nil end
  delay = math.max(delay, after or 0)
  if waited + delay > policy.budget then return nil end
  return delay
end

--- Runs fn until it returns; what it raises is tried again while `passing`
--- says that this is harmless.
---@async
---@param fn fun(): any
---@param passing fun(e: table): boolean?
---@return any
function M.run(fn, passing)
  local policy, waited, n = M.policy(), 0, 0

  while true do
    n = n + 1
    local ok, value = xpcall(fn, err.traced)
    if ok then return value end
    local e = err.from(value)
    local delay = n < policy.attempts and passing(e)
      and M.delay(policy, n, e.retry_after, waited)
    if not delay then error(e, 0) end
    task.sleep(delay)
    waited = waited + delay
  end
end

return M
