--- cluster.tags: the tags of a repository, and their order by name.
local glob = require("godwit.cluster.glob")

local M = {}

--- Name -> commit of the tags in a list of references; of an annotated tag
--- what it names.
---@param advert { refs: table<string, string>, peeled: table<string, string>? }  From git.ls_remote
---@return table<string, string>
function M.of(advert)
  local found = {}
  for ref, id in pairs(advert.refs) do
    local name = ref:match("^refs/tags/(.+)$")
    if name then
      found[name] = advert.peeled and advert.peeled[ref] or id
    end
  end
  return found
end

-- "v1.10-rc2" in parts that compare: texts and numbers. What a "-" begins
-- comes before a version; the end of a name stands between the two.
local BEFORE, END, AFTER = 0, 1, 2

local function parts(name)
  local out = {}
  for text, digits in name:gmatch("(%D*)(%d*)") do
    if text ~= "" then
      out[#out + 1] = { text:sub(1, 1) == "-" and BEFORE or AFTER, text }
    end
    if digits ~= "" then
      local plain = digits:gsub("^0+", "")
      -- Of any length: fewer digits are less.
      out[#out + 1] = { AFTER, ("%09d"):format(#plain) .. plain }
    end
  end
  out[#out + 1] = { END, "" }
  return out
end

local function is_newer(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = a[i], b[i]
    if x[1] ~= y[1] then
      return x[1] > y[1]
    elseif x[2] ~= y[2] then
      return x[2] > y[2]
    end
  end
  return #a > #b
end

--- The names that match a glob, the newest version first: numbers in them
--- count as numbers (v1.10 before v1.9), and what a "-" begins comes before the
--- version itself (1.0.0 is newer than 1.0.0-rc1).
---@param found table<string, string>
---@param pattern? string
---@return string[]
function M.sorted(found, pattern)
  local matches, names, split = glob.matcher(pattern or "*"), {}, {}
  for name in pairs(found) do
    if matches(name) then
      names[#names + 1], split[name] = name, parts(name)
    end
  end
  table.sort(names, function(a, b)
    if is_newer(split[a], split[b]) then
      return true
    elseif is_newer(split[b], split[a]) then
      return false
    end
    return a > b
  end)
  return names
end

return M
