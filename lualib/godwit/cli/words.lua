--- Command lines as text that can be pasted into a shell again.
local M = {}

---@param word string
---@return string
function M.quote(word)
  if word:find("^[%w_./:@%%+=,-]+$") then
    return word
  end
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

--- The command that does the same again.
---@param words string[]
---@return string
function M.again(words)
  local out = { "godwit" }
  for _, word in ipairs(words) do
    out[#out + 1] = M.quote(word)
  end
  return table.concat(out, " ")
end

return M
