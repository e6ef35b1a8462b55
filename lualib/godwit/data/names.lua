--- data.names: which names a file of a collection may have, and how they
--- stand in a sentence.

local tree_path = require("godwit.tree.path")

local M = {}

local LONGEST = 255
local SHOWN = 10

--- Why no file can have this name, or nil.
---@param name any
---@return string|nil
function M.why(name)
  if type(name) ~= "string" then
    return "it is no text"
  elseif name == "" then
    return "it is empty"
  elseif name == "." or name == ".." then
    return "it leads elsewhere"
  elseif #name > LONGEST then
    return ("it is longer than %d bytes"):format(LONGEST)
  elseif name:find("\0", 1, true) then
    return "it has a NUL in it"
  elseif name:find("%c") or name:find("\xc2[\x80-\x9f]") then
    return "it has a control character in it"
  elseif name:find("/", 1, true) then
    return "it has a / in it"
  elseif not utf8.len(name) then
    return "it is not UTF-8"
  end
end

local KINDS = { dir = "a folder", link = "a link",
  other = "no regular file" }

--- Why what a cluster lists is no file of a collection.
---@param name any
---@param other? string What it is instead: "dir", "link", "other".
---@return string
function M.why_none(name, other)
  return M.why(name) or other and "it is " .. KINDS[other]
    or "no file can be called so"
end

M.quote = tree_path.quote

--- As a pattern that means the name itself.
---@param name string
---@return string
function M.escape(name)
  return (name:gsub("%p", "%%%0"))
end

--- The first few of them, and how many more there are.
---@param names string[]
---@param count? integer Of all, when `names` has only the first.
---@return string
function M.some(names, count)
  local shown = {}
  for i = 1, math.min(#names, SHOWN) do
    shown[i] = M.quote(names[i])
  end
  local more = (count or #names) - #shown
  if more > 0 then
    shown[#shown + 1] = ("and %d more"):format(more)
  end
  return table.concat(shown, ", ")
end

--- "1 file", "12 files".
---@param n integer
---@return string
function M.count(n)
  return ("%d file%s"):format(n, n == 1 and "" or "s")
end

--- Remembers a name if it is one of the first.
---@param names string[]
---@param name string
function M.note(names, name)
  if #names < SHOWN then
    names[#names + 1] = name
  end
end

return M
