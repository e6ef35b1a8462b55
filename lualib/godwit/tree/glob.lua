--- tree.glob: which paths of a tree a pattern means. `*` and `?` stay within
--- one name, `**` goes on through folders (`**/x` is also `x` at the top),
--- `[a-z]` and `[!a-z]` are sets; `\` takes the meaning of the next character.
--- The whole path must match.
local err = require("godwit.err")

local M = {}

local STAR, DEEP, FOLDERS, ONE = {}, {}, {}, {}

--- "[…" at i as a set of characters and ranges; nil when it does not end.
local function read_set(glob, i)
  local set = { ranges = {} }
  local at = i + 1
  local c = glob:sub(at, at)
  if c == "!" or c == "^" then
    set.negated = true
    at = at + 1
  end
  local first = true
  while true do
    c = glob:sub(at, at)
    if c == "" then return nil end
    if c == "]" and not first then return set, at end
    if c == "\\" then
      at = at + 1
      c = glob:sub(at, at)
    end
    local last = glob:match("^%-([^%]])", at + 1)
    if last then at = at + 2 end
    set.ranges[#set.ranges + 1] = { c, last or c }
    at = at + 1
    first = false
  end
end

local function parse(glob)
  local tokens, i = {}, 1
  while i <= #glob do
    local c = glob:sub(i, i)
    local token = c
    if glob:find("^%*%*/", i) and (i == 1 or glob:sub(i - 1, i - 1) == "/") then
      token, i = FOLDERS, i + 2
    elseif glob:find("^%*%*", i) then
      token, i = DEEP, i + 1
    elseif c == "*" then
      token = STAR
    elseif c == "?" then
      token = ONE
    elseif c == "[" then
      local set, last = read_set(glob, i)
      if set then token, i = set, last end
    elseif c == "\\" and i < #glob then
      i = i + 1
      token = glob:sub(i, i)
    end
    tokens[#tokens + 1] = token
    i = i + 1
  end
  return tokens
end

local function in_set(set, c)
  local found = false
  for _, r in ipairs(set.ranges) do
    found = found or (c >= r[1] and c <= r[2])
  end
  return found ~= (set.negated or false)
end

--- Whether one character can be what a token means.
local function takes(token, c)
  if token == DEEP then return true end
  if c == "/" then return token == "/" end
  if token == STAR or token == ONE then return true end
  if type(token) == "string" then return token == c end
  return in_set(token, c)
end

--- The states that can be reached from `at` without a character.
local function enter(tokens, states, at)
  if states[at] then return end
  states[at] = true
  local token = tokens[at]
  if token == STAR or token == DEEP or token == FOLDERS then
    enter(tokens, states, at + 1)
  end
end

--- States of FOLDERS that are inside a name are kept as negative numbers.
local function advance(tokens, states, c)
  local after = {}
  for at in pairs(states) do
    local token = tokens[math.abs(at)]
    if token == FOLDERS then
      at = math.abs(at)
      if c == "/" then enter(tokens, after, at) else after[-at] = true end
    elseif token and takes(token, c) then
      enter(tokens, after, (token == STAR or token == DEEP) and at or at + 1)
    end
  end
  return after
end

--- A function that says whether a path matches; its time grows with the
--- product of the lengths, never faster.
---@param glob string
---@return fun(path: string): boolean
function M.matcher(glob)
  if not glob:find("[*?%[\\]") then
    return function(path)
      return path == glob
    end
  end
  local tokens = parse(glob)
  return function(path)
    local states = {}
    enter(tokens, states, 1)
    for i = 1, #path do
      states = advance(tokens, states, path:sub(i, i))
      if not next(states) then return false end
    end
    return states[#tokens + 1] or false
  end
end

--- What a list of globs chooses: a path that one of them matches and none of
--- those with "!" in front does; with "!" alone, all that these leave.
---@param globs string|string[]
---@return fun(path: string): boolean
function M.chooser(globs)
  local wanted, unwanted = {}, {}
  for i, glob in ipairs(M.list(globs)) do
    if type(glob) ~= "string" or glob == "" or glob == "!" then
      err.throw("usage", "glob %d of a list is a text, not %s", i, glob == "" and "empty" or tostring(glob))
    end
    local no = glob:sub(1, 1) == "!"
    table.insert(no and unwanted or wanted, M.matcher(no and glob:sub(2) or glob))
  end
  if #wanted + #unwanted == 0 then err.throw("usage", "a list of globs is empty") end
  local function any(list, path)
    for _, matches in ipairs(list) do
      if matches(path) then return true end
    end
    return false
  end
  return function(path)
    return (#wanted == 0 or any(wanted, path)) and not any(unwanted, path)
  end
end

--- One glob or a list of them, as a list.
---@param globs string|string[]
---@return string[]
function M.list(globs)
  if type(globs) == "string" then return { globs } end
  if type(globs) ~= "table" then
    err.throw("usage", "globs are a text or a list of texts, not a %s", type(globs))
  end
  return globs
end

--- The same for a sentence.
---@param globs string|string[]
---@return string
function M.show(globs)
  return table.concat(M.list(globs), ", ")
end

return M
