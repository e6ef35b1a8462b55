--- "Did you mean": the nearest of some names to one that does not exist.
local M = {}

--- Edits between two words; exchanging two neighbours is one.
---@param a string
---@param b string
---@return integer
local function distance(a, b)
  local rows = { [0] = {} }
  for j = 0, #b do
    rows[0][j] = j
  end
  for i = 1, #a do
    rows[i] = { [0] = i }
    for j = 1, #b do
      local same = a:byte(i) == b:byte(j)
      local best = math.min(rows[i - 1][j] + 1, rows[i][j - 1] + 1,
        rows[i - 1][j - 1] + (same and 0 or 1))
      if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1)
        and a:byte(i - 1) == b:byte(j) then
        best = math.min(best, rows[i - 2][j - 2] + 1)
      end
      rows[i][j] = best
    end
  end
  return rows[#a][#b]
end

local function bare(word)
  return (word:gsub("^%-+", ""):gsub("_", "-"):lower())
end

--- The nearest name, or nil when none is near.
---@param word string
---@param names string[]
---@return string|nil
function M.nearest(word, names)
  local wanted, found, least = bare(word), nil, math.huge
  if #wanted < 2 or #wanted > 60 then
    return nil
  end
  local limit = math.max(1, #wanted // 3)
  for _, name in ipairs(names) do
    local other = bare(name)
    local d = distance(wanted, other)
    if #wanted >= 3 and other:sub(1, #wanted) == wanted then
      d = math.min(d, limit)
    end
    if d <= limit and (d < least or d == least and name < found) then
      found, least = name, d
    end
  end
  return found
end

--- Text to hang on an error: "; did you mean 'x'?" or nothing.
---@param word string
---@param names string[]
---@return string
function M.hint(word, names)
  local name = M.nearest(word, names)
  return name and ("; did you mean '%s'?"):format(name) or ""
end

--- The keys of a table as a sorted array.
---@param map table<string, any>
---@return string[]
function M.names(map)
  local names = {}
  for name in pairs(map) do
    names[#names + 1] = tostring(name)
  end
  table.sort(names)
  return names
end

return M
