--- data.units: sizes, durations and moments as people write them, and times of
--- listings as texts that a ledger can compare.

local calendar = require("godwit.calendar")
local err = require("godwit.err")
local size = require("godwit.cli.size")
local sys = require("godwit.core.sys")

local M = {}

local SECONDS = { [""] = 1, s = 1, sec = 1, m = 60, min = 60, h = 3600,
  d = 86400, w = 604800 }

--- What an option is called in a script, and on the command line.
---@param option string
---@return string
function M.as_is(option)
  return option
end

---@param option string
---@return string
function M.as_flag(option)
  return "--" .. (option:gsub("_", "-"))
end

--- Bytes: a number, or a text such as "500MiB".
---@param v any
---@param what string Named in the error.
---@return integer|nil
function M.size(v, what)
  if v == nil then
    return nil
  elseif type(v) == "string" then
    return size.parse(v, what)
  elseif math.type(v) ~= "integer" or v < 0 then
    err.throw("usage", "%s takes a size such as 500MiB or 2GiB, not '%s'",
      what, tostring(v))
  end
  return v
end

local function seconds_of(text)
  local total, rest = 0, text:lower()
  if not rest:find("^%d") then
    return nil
  end
  while rest ~= "" do
    local number, unit, more = rest:match("^(%d+%.?%d*)(%a*)(.*)$")
    local factor = unit and SECONDS[unit]
    if not factor or (unit == "" and number ~= text) then
      return nil
    end
    total, rest = total + tonumber(number) * factor, more
  end
  return total
end

--- Seconds: a number, or a text such as "90s", "15min", "1h30m", "7d".
---@param v any
---@param what string
---@return number|nil
function M.duration(v, what)
  if v == nil then
    return nil
  end
  local n = type(v) == "string" and seconds_of(v) or type(v) == "number" and v
  if not n or n ~= n or n < 0 or n > 1e10 then
    err.throw("usage", "%s takes a duration such as 90s, 15min, 2h or 7d, "
      .. "not '%s'", what, tostring(v))
  end
  return n
end

local LENGTHS = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

-- "2024-01-31" or "2024-01-31T12:00:00Z", in UTC.
local function date_of(text)
  local y, m, d, rest = text:match("^(%d%d%d%d)%-(%d%d)%-(%d%d)(.*)$")
  local h, min, s = 0, 0, 0
  if not y then
    return nil
  elseif rest ~= "" then
    h, min, s = rest:match("^[T ](%d%d):(%d%d):?(%d*)Z?$")
  end
  y, m, d = tonumber(y), tonumber(m), tonumber(d)
  h, min, s = tonumber(h), tonumber(min), tonumber(s == "" and 0 or s)
  if not h or not LENGTHS[m] or d < 1 or d > LENGTHS[m] or h > 23
    or min > 59 or s > 60 then
    return nil
  end
  return calendar.days(y, m, d) * 86400 + h * 3600 + min * 60 + s
end

--- Seconds since 1970: a date, or so long ago.
---@param v any
---@param what string
---@return number|nil
function M.moment(v, what)
  if v == nil then
    return nil
  end
  local at = type(v) == "string" and date_of(v)
  local ago = not at and (type(v) == "number" and v
    or type(v) == "string" and seconds_of(v))
  if not at and not ago then
    err.throw("usage", "%s takes a date such as 2024-01-31 or an age such as "
      .. "7d, not '%s'", what, tostring(v))
  end
  return at or sys.time() - ago
end

--- A time of a listing as a text that is the same when the time is.
---@param time number|nil
---@return string|nil
function M.stamp(time)
  return type(time) == "number" and ("%.6f"):format(time) or nil
end

--- And back.
---@param stamp string|nil
---@return number|nil
function M.time(stamp)
  return stamp and tonumber(stamp) or nil
end

return M
