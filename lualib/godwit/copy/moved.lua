--- moved: what is said of a fetch or a push under way: objects, bytes, the
--- rate and, where it can be told, the time left.

local job = require("godwit.copy.job")
local sys = require("godwit.core.sys")

local M = {}

local UNITS = { "B", "KiB", "MiB", "GiB" }
local SETTLED = 2 -- seconds until a rate means something

local function size(bytes)
  local unit = 1
  while bytes >= 1024 and unit < #UNITS do
    bytes, unit = bytes / 1024, unit + 1
  end
  return string.format(unit == 1 and "%.0f %s" or "%.1f %s", bytes,
    UNITS[unit])
end

local function last_line(text)
  local line
  for l in text:gmatch("[^\r\n]+") do
    line = l
  end
  return line and job.printable((line:gsub("%c", " "))) or ""
end

--- A function that makes one line of each piece of news of the transfer.
---@param direction "up"|"down"
---@param clock? fun(): number For tests.
---@return fun(news: {objects: integer?, total: integer?, bytes_up: integer?, bytes_down: integer?, message: string?}): string
function M.teller(direction, clock)
  clock = clock or sys.monotonic
  local began, line = clock(), ""

  return function(news)
    if news.message then
      local said = last_line(news.message)
      return said ~= "" and said or line
    end
    local bytes, took = news["bytes_" .. direction] or 0, clock() - began
    local objects, total = news.objects or 0, news.total or 0
    line = size(bytes)
    if total > 0 then
      line = string.format("%d of %d objects, %s", objects, total, line)
    end
    if took >= SETTLED then
      line = string.format("%s, %s/s", line, size(bytes / took))
      if objects > 0 and objects < total then
        line = string.format("%s, %.0f s left", line,
          took * (total - objects) / objects)
      end
    end
    return line
  end
end

return M
