--- account_list: which users or organizations a migration is asked to move:
--- names and globs of the command line and of a file, and the documents they
--- mean at the source.

local accounts = require("godwit.cluster.accounts")
local err = require("godwit.err")
local glob = require("godwit.cluster.glob")
local lines = require("godwit.copy.lines")

local M = {}

local MAX_BYTES = 32 << 20
local FEW = 20 -- names that are asked for one by one
local SHOWN = 5
local TWICE = "named twice, taken once: %s"

---@class godwit.copy.Asked
---@field text string
---@field where string "list.txt:3" or "the command line"
---@field glob boolean

local function parse(text, where)
  if not utf8.len(text) or not text:find("^[^%s%c/]+$") then
    err.throw("usage", "%s: '%s' is no name and no glob", where, text)
  end
  return { text = text, where = where, glob = text:find("[*?]") ~= nil }
end

---@param list string[]
---@param shown? integer
---@return string
function M.some(list, shown)
  shown = shown or SHOWN
  local text = table.concat(list, ", ", 1, math.min(#list, shown))
  return #list > shown and ("%s and %d more"):format(text, #list - shown)
    or text
end

--- Reads what is asked for; nothing means all. What is named twice is taken
--- once, and said.
---@async
---@param words? string[]
---@param file? string "-": stdin.
---@param flag string The file's, for messages.
---@return godwit.copy.Asked[]
---@return string|nil note
function M.read(words, file, flag)
  local list, seen, double = {}, {}, {}

  local function add(text, where)
    local one = parse(text, where)
    if seen[text] then
      double[#double + 1] = ("%s (%s and %s)"):format(text, seen[text], where)
      return
    end
    seen[text], list[#list + 1] = where, one
  end
  for _, word in ipairs(words or {}) do
    add(word, "the command line")
  end
  for text, where in file and lines.each(file, flag, MAX_BYTES)
      or function() end do
    add(text, where)
  end
  if file and #list == 0 then
    err.throw("usage", "%s %s names nobody", flag, file)
  elseif #list == 0 then
    add("*", "by default")
  end
  return list, #double > 0 and TWICE:format(M.some(double)) or nil
end

--- Words of a flag that may be repeated, each once; and what is to be said of
--- those that were there again.
---@param words? string[]
---@return string[]
---@return string|nil note
function M.once(words)
  local list, times, double = {}, {}, {}
  for _, word in ipairs(words or {}) do
    times[word] = (times[word] or 0) + 1
    if times[word] == 1 then
      list[#list + 1] = word
    elseif times[word] == 2 then
      double[#double + 1] = word
    end
  end
  return list, #double > 0 and TWICE:format(M.some(double)) or nil
end

local function only_few_names(asked)
  for _, one in ipairs(asked) do
    if one.glob then
      return false
    end
  end
  return #asked <= FEW
end

-- What each word has found.
local function matchers(asked)
  local names, globs = {}, {}
  for _, one in ipairs(asked) do
    one.found = false
    if one.glob then
      globs[#globs + 1] = { one = one, matches = glob.matcher(one.text) }
    else
      names[one.text] = one
    end
  end
  return function(name)
    local found = names[name]
    if found then
      found.found = true
    end
    for _, g in ipairs(globs) do
      if g.matches(name) then
        g.one.found, found = true, found or g.one
      end
    end
    return found ~= nil
  end
end

-- A glob that finds nothing is a mistake of who typed it; a name that is not
-- there is an item that cannot be moved.
local function check_found(driver, kind, asked)
  local empty, missing = {}, {}
  for _, one in ipairs(asked) do
    if not one.found and one.where ~= "by default" then
      local list = one.glob and empty or missing
      list[#list + 1] = one.glob and "'" .. one.text .. "'" or one.text
    end
  end
  if #empty > 0 then
    err.throw("usage", "no %s of %s matches %s", kind.what, driver.name,
      M.some(empty))
  end
  return missing
end

--- The documents that are meant, and the names that are not there.
---@async
---@param driver table The source's.
---@param which "users"|"organizations"
---@param asked godwit.copy.Asked[]
---@return table[] docs
---@return string[] missing
function M.find(driver, which, asked)
  local kind, docs, missing = accounts.KINDS[which], {}, {}

  if only_few_names(asked) then
    for _, one in ipairs(asked) do
      local doc = driver[kind.try](driver, one.text)
      local list = doc and docs or missing
      list[#list + 1] = doc or one.text
    end
    return docs, missing
  end
  local wanted = matchers(asked)
  for doc in driver[kind.each](driver) do
    if wanted(accounts.name(kind, doc)) then
      docs[#docs + 1] = doc
    end
  end
  return docs, check_found(driver, kind, asked)
end

return M
