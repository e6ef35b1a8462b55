--- line: where in a policy's text a point stands, for messages: the last
--- `name =` in the table that is returned, or `T.name =`, `function T.name`.
--- Comments, texts and the bodies of functions are passed over.
local M = {}

local OPENS = { ["function"] = 1, ["do"] = 1, ["if"] = 1, ["repeat"] = 1 }
local CLOSES = { ["end"] = 1, ["until"] = 1 }

-- The end of what starts at `at` and is no code: a comment or a text.
local function skip(text, at)
  local level = text:match("^%-%-%[(=*)%[", at) or text:match("^%[(=*)%[", at)
  if level then
    local _, stop = text:find("]" .. level .. "]", at, true)
    return (stop or #text) + 1
  elseif text:find("^%-%-", at) then
    return (text:find("\n", at, true) or #text) + 1
  end
  local quote = text:match("^[\"']", at)
  if not quote then
    return nil
  end
  local i = at + 1
  while i <= #text do
    local c = text:sub(i, i)
    if c == "\\" then
      i = i + 1
    elseif c == quote or c == "\n" then
      break
    end
    i = i + 1
  end
  return i + 1
end

-- Whether a field of that name begins here: [ "name" ] = or name =.
local function names_field(text, at, name)
  local plain = name:gsub("%p", "%%%0")
  return text:find("^" .. plain .. "%s*=[^=]", at)
    or text:find("^%[%s*[\"']" .. plain .. "[\"']%s*%]%s*=[^=]", at)
end

--- The line of a point; 1 when it is not seen.
---@param text string
---@param name string
---@return integer
function M.of(text, name)
  local at, line, found = 1, 1, nil
  local braces, blocks = 0, 0
  local heading = false -- between "function" and its parameters

  local function advance(to)
    local _, n = text:sub(at, to - 1):gsub("\n", "")
    line, at = line + n, to
  end

  local function take_word(word)
    if heading and word == name and text:find("^[.:]", at - 1) then
      found = line
    end
    blocks = blocks + (OPENS[word] or 0) - (CLOSES[word] or 0)
    heading = word == "function" and braces == 0
      or heading and text:find("^[.:]", at + #word) ~= nil
    advance(at + #word)
  end

  while at <= #text do
    local first = text:sub(at, at)
    if blocks == 0 and (braces == 1 or text:find("^%.", at - 1))
        and names_field(text, at, name) then
      found = line
    end
    local word = text:match("^[%a_][%w_]*", at)
    local past = not word and skip(text, at)
    if word then
      take_word(word)
    elseif past then
      advance(past)
    else
      braces = braces + (first == "{" and 1 or first == "}" and -1 or 0)
      heading = heading and first:find("[%s.:]") ~= nil
      advance(at + 1)
    end
  end
  return found or 1
end

return M
