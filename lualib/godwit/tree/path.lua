--- tree.path: which paths a file of a tree may have, and why another may not:
--- what Git refuses is refused where it is said, not when the tree is written.
local err = require("godwit.err")
local fs = require("godwit.core.fs")

local M = {}

local MAX_NAME, MAX_PATH = 255, 4000
local SHOWN = 80

-- No character is cut in two.
local function cut(text)
  local last = SHOWN
  while last > SHOWN - 3 and text:find("^[\x80-\xbf]", last + 1) do last = last - 1 end
  return text:sub(1, last) .. "…"
end

-- Bytes that are no UTF-8 as numbers: a sentence goes into JSON, too.
local function readable(text)
  local parts, at = {}, 1
  while true do
    local _, bad = utf8.len(text, at)
    parts[#parts + 1] = text:sub(at, (bad or 0) - 1)
    if not bad then return table.concat(parts) end
    parts[#parts + 1] = ("\\%d"):format(text:byte(bad))
    at = bad + 1
  end
end

--- A path as a sentence has it: quoted, short, without control characters, and
--- UTF-8 whatever it is.
---@param path any
---@return string
function M.quote(path)
  local text = tostring(path)
  if #text > SHOWN then text = cut(text) end
  text = text:gsub("[%c\"\\]", function(c)
    return c == "\n" and "\\n" or c:find("[\"\\]") and "\\" .. c or ("\\%d"):format(c:byte())
  end)
  return '"' .. readable(text) .. '"'
end

local function why_name(name)
  if name == "" then return "a name in it is empty" end
  if name == "." or name == ".." then return ("%q leads elsewhere"):format(name) end
  if #name > MAX_NAME then return ("a name in it is longer than %d bytes"):format(MAX_NAME) end
  if not fs.is_name(name) then return M.quote(name) .. " is how Git names its own folder" end
end

--- Why no file of a tree can be there, or nil.
---@param path any
---@return string?
function M.why(path)
  if type(path) ~= "string" then return "it is a " .. type(path) end
  if path == "" then return "it is empty" end
  if path:sub(1, 1) == "/" then return "it begins with a /" end
  if path:find("\0", 1, true) then return "it has a NUL in it" end
  if #path > MAX_PATH then return ("it is longer than %d bytes"):format(MAX_PATH) end
  for name in (path .. "/"):gmatch("([^/]*)/") do
    local why = why_name(name)
    if why then return why end
  end
end

--- Raises "usage" when no file of a tree can be there.
---@param path any
function M.check(path)
  local why = M.why(path)
  if why then err.throw("usage", "%s is not the path of a file in a tree: %s", M.quote(path), why) end
end

return M
