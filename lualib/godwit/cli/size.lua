--- Sizes in bytes as people write and read them.
local err = require("godwit.err")

local M = {}

local UNITS = { "B", "KiB", "MiB", "GiB", "TiB" }
local FACTORS = { [""] = 0, b = 0, k = 1, m = 2, g = 3, t = 4 }

--- "500MiB", "2G", "0".
---@param text string
---@param what string Named in the error.
---@return integer
function M.parse(text, what)
  local number, unit = text:match("^(%d+%.?%d*)%s*(%a*)$")
  local power = unit and FACTORS[unit:lower():gsub("ib$", "")
    :gsub("^(%a)b$", "%1")]
  if not number or not power or tonumber(number) > 1e12 then
    err.throw("usage", "%s takes a size such as 500MiB or 2GiB, not '%s'",
      what, text)
  end
  return math.floor(tonumber(number) * 1024 ^ power)
end

--- "1.5 MiB".
---@param bytes number
---@return string
function M.format(bytes)
  local unit = 1
  while bytes >= 1024 and unit < #UNITS do
    bytes, unit = bytes / 1024, unit + 1
  end
  return (unit == 1 and "%d %s" or "%.1f %s"):format(unit == 1
    and math.floor(bytes) or bytes, UNITS[unit])
end

return M
