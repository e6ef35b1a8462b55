local unknown = require("godwit.unknown")

--- cluster.version: version numbers of the platform, x.y.z.
local M = {}

---@param text any
---@return integer[]|nil
function M.parse(text)
  if type(text) ~= "string" then
    return nil
  end
  local a, b, c = text:match("^(%d+)%.(%d+)%.(%d+)$")
  if not a or #a > 9 or #b > 9 or #c > 9 then -- more is no number to count on
    return nil
  end
  return { math.tointeger(a), math.tointeger(b), math.tointeger(c) }
end

--- Whether a text names a commit (40 hexadecimal digits).
---@param text any
---@return boolean
function M.is_commit(text)
  return type(text) == "string" and #text == 40
    and text:find("^%x+$") ~= nil
end

--- -1, 0 or 1; what is no number comes before every number.
---@return integer
function M.compare(x, y)
  local a, b = M.parse(x) or { -1, -1, -1 }, M.parse(y) or { -1, -1, -1 }
  for i = 1, 3 do
    if a[i] ~= b[i] then
      return a[i] < b[i] and -1 or 1
    end
  end
  return 0
end

--- The number a publish gives. Without a number before: 0.1.0, 1.0.0, 0.0.1.
---@param current string|nil
---@param step "major"|"minor"|"revision"|nil  Default "minor"
---@return string|nil  nil when `current` is no number
function M.next(current, step)
  local n = M.parse(current or "0.0.0")
  if not n then
    return nil
  end
  if step == "major" then
    return ("%d.0.0"):format(n[1] + 1)
  elseif step == "revision" or step == "patch" then
    return ("%d.%d.%d"):format(n[1], n[2], n[3] + 1)
  end
  return ("%d.%d.0"):format(n[1], n[2] + 1)
end

--- The number a version document was published under, or nil.
---@param doc table
---@return string|nil
function M.number(doc)
  local info = doc.version_info
  local number = type(info) == "table" and info.semantic_version
  return type(number) == "string" and number ~= "" and number or nil
end

--- Whether a version document is a published one; its number may be unknown.
---@param doc table
---@return boolean
function M.is_published(doc)
  local info = doc.version_info
  return M.number(doc) ~= nil
    or type(info) == "table" and unknown.is(info.semantic_version)
end

--- The commit a version document describes, or nil.
---@param doc table
---@return string|nil
function M.commit(doc)
  local info = doc.version_info
  local hash = type(info) == "table" and info.git_hash
  return type(hash) == "string" and hash or nil
end

--- The published version with the highest number among rows in any order.
---@async
---@param rows fun(): table|nil
---@return table|nil doc, integer count
function M.latest(rows)
  local best, count = nil, 0
  for doc in rows do
    if M.number(doc) then
      count = count + 1
      if not best or M.compare(M.number(best), M.number(doc)) < 0 then
        best = doc
      end
    end
  end
  return best, count
end

return M
