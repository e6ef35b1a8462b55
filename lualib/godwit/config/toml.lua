--- The part of TOML that the platform's own command line writes: comments,
--- [dotted."quoted"] tables, and keys with a string, boolean or integer.
--- Anything else is an error that names its line. Nothing is evaluated.
local M = {}

local ESCAPES = {
  b = "\b", t = "\t", n = "\n", f = "\f", r = "\r", ['"'] = '"', ["\\"] = "\\",
}
local MAX_SIZE, MAX_LINES = 1 << 20, 20000

local function unescape(body)
  local out, at = {}, 1
  while at <= #body do
    local c = body:sub(at, at)
    if c ~= "\\" then
      out[#out + 1] = c
      at = at + 1
    else
      local kind = body:sub(at + 1, at + 1)
      local hex = kind == "u" and body:match("^%x%x%x%x", at + 2)
        or kind == "U" and body:match("^%x%x%x%x%x%x%x%x", at + 2)
      if hex then
        local code = tonumber(hex, 16)
        if code > 0x10ffff or code >= 0xd800 and code <= 0xdfff then
          return nil, "an escape that is no character"
        end
        out[#out + 1] = utf8.char(code)
        at = at + 2 + #hex
      elseif ESCAPES[kind] then
        out[#out + 1] = ESCAPES[kind]
        at = at + 2
      else
        return nil, "an unknown escape"
      end
    end
  end
  return table.concat(out)
end

-- A quoted text at `at`: its value and where it ends.
local function quoted(line, at)
  local mark = line:sub(at, at)
  if line:sub(at, at + 2) == mark:rep(3) then
    return nil, "a text of several lines, which is not supported"
  end
  local stop = at + 1
  while true do
    local c = line:sub(stop, stop)
    if c == "" then
      return nil, "a text without its closing quote"
    elseif c == mark then
      break
    end
    stop = stop + (c == "\\" and mark == '"' and 2 or 1)
  end
  local body = line:sub(at + 1, stop - 1)
  if mark == "'" then
    return body, stop + 1
  end
  local text, why = unescape(body)
  if not text then
    return nil, why
  end
  return text, stop + 1
end

-- One part of a key.
local function part(line, at)
  local c = line:sub(at, at)
  if c == '"' or c == "'" then
    return quoted(line, at)
  end
  local word = line:match("^[%w_-]+", at)
  if not word then
    return nil, "a key was expected"
  end
  return word, at + #word
end

local function skip(line, at)
  return line:match("^[ \t]*()", at)
end

-- A dotted key: its parts and where it ends.
local function key(line, at)
  local parts = {}
  while true do
    local word, stop = part(line, skip(line, at))
    if not word then
      return nil, stop
    end
    parts[#parts + 1] = word
    at = skip(line, stop)
    if line:sub(at, at) ~= "." then
      return parts, at
    end
    at = at + 1
  end
end

local function value(line, at)
  local c = line:sub(at, at)
  if c == '"' or c == "'" then
    return quoted(line, at)
  end
  local word = line:match("^[%w_+.:-]+", at)
  if word == "true" or word == "false" then
    return word == "true", at + #word
  end
  local digits = word and word:match("^[+-]?%d[%d_]*$")
  local number = digits and math.tointeger(tonumber((digits:gsub("_", ""))))
  if number then
    return number, at + #word
  end
  return nil, "a value that is not a text, true, false or a whole number"
end

local function ends(line, at)
  local rest = line:sub(skip(line, at), -1)
  return rest == "" or rest:sub(1, 1) == "#"
end

-- The table at a path below root, made where it is missing.
local function descend(root, parts, last)
  local place = root
  for i = 1, last do
    local inner = place[parts[i]]
    if inner == nil then
      inner = {}
      place[parts[i]] = inner
    elseif type(inner) ~= "table" then
      return nil
    end
    place = inner
  end
  return place
end

local function header(state, line)
  if line:sub(2, 2) == "[" then
    return "an array of tables, which is not supported"
  end
  local parts, at = key(line, 2)
  if not parts then
    return at
  end
  if line:sub(at, at) ~= "]" or not ends(line, at + 1) then
    return "a table's name that does not end in ]"
  end
  local name = table.concat(parts, "\0")
  if state.seen[name] then
    return "a table that is there already"
  end
  state.seen[name] = true
  state.table = descend(state.root, parts, #parts)
  return not state.table and "a table's name that is a value already" or nil
end

local function assignment(state, line, at)
  local parts, stop = key(line, at)
  if not parts then
    return stop
  end
  if line:sub(stop, stop) ~= "=" then
    return "a key without ="
  end
  local v, after = value(line, skip(line, stop + 1))
  if v == nil then
    return after
  end
  if not ends(line, after) then
    return "something after the value"
  end
  local place = descend(state.table, parts, #parts - 1)
  if not place or place[parts[#parts]] ~= nil then
    return "a key that is there already"
  end
  place[parts[#parts]] = v
end

--- Reads a document.
---@param text string
---@return table|nil document
---@return string|nil why "line 3: a key without ="
function M.decode(text)
  if #text > MAX_SIZE then
    return nil, "larger than 1 MiB"
  end
  local state, number = { root = {}, seen = {} }, 0
  state.table = state.root
  for line in (text:gsub("^\239\187\191", "") .. "\n"):gmatch("(.-)\r?\n") do
    number = number + 1
    if number > MAX_LINES then
      return nil, "too many lines"
    end
    local at, why = skip(line, 1), nil
    local c = line:sub(at, at)
    if c == "[" then
      why = header(state, line:sub(at))
    elseif c ~= "" and c ~= "#" then
      why = assignment(state, line, at)
    end
    if why then
      return nil, ("line %d: %s"):format(number, why)
    end
  end
  return state.root
end

return M
