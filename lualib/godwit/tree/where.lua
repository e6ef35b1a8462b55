--- tree.where: where a path of this machine leads, and whether two folders are
--- apart. What is copied from one to the other must not be copied again.
local fs = require("godwit.core.fs")

local M = {}

--- A folder's path without links, `..` and doubled slashes. It need not be
--- there: what is missing of it comes to be as it is written.
---@param path string
---@return string
function M.real(path)
  local head, rest = path, ""
  while true do
    local there = fs.realpath(head)
    if there then return there == "/" and rest ~= "" and rest or there .. rest end
    head = head:gsub("(.)/+$", "%1")
    local above, name = head:match("^(.*/)([^/]+)$")
    name = name or head
    if not above and name == "." then return path end -- the current folder is gone
    if name ~= "." then rest = "/" .. name .. rest end
    head = above or "."
  end
end

local function is_below(path, other)
  return path == other or other == "/" or path:sub(1, #other + 1) == other .. "/"
end

--- Whether two folders, as `real` says where they are, are one, or one is
--- somewhere inside the other.
---@param a string
---@param b string
---@return boolean
function M.meet(a, b)
  return is_below(a, b) or is_below(b, a)
end

return M
