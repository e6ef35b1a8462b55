--- calendar: dates of the Gregorian calendar as days since 1970-01-01, and back.

local M = {}

---@param year integer
---@param month integer From 1.
---@param day integer
---@return integer
function M.days(year, month, day)
  if month <= 2 then year = year - 1 end
  local era = year // 400
  local y = year - era * 400
  local m = (month + 9) % 12
  local d = (153 * m + 2) // 5 + day - 1
  return era * 146097 + y * 365 + y // 4 - y // 100 + d - 719468
end

---@param days integer
---@return integer year
---@return integer month
---@return integer day
function M.date(days)
  local z = days + 719468
  local era = z // 146097
  local of_era = z - era * 146097
  local y = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
  local of_year = of_era - (365 * y + y // 4 - y // 100)
  local m = (5 * of_year + 2) // 153
  local month = m < 10 and m + 3 or m - 9
  local year = y + era * 400
  if month <= 2 then year = year + 1 end
  return year, month, of_year - (153 * m + 2) // 5 + 1
end

return M
