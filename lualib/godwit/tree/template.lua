--- tree.template: the text of one file with its {{name}} placeholders
--- replaced. What stands between the marks and is no name is left alone: it is
--- another program's.
local err = require("godwit.err")
local quote = require("godwit.tree.path").quote

local M = {}

local NAME = "^%s*([%a_][%w_.-]*)%s*$"
local SHOWN = 20

local function line_of(text, at)
  local _, n = text:sub(1, at - 1):gsub("\n", "")
  return n + 1
end

local function known(values)
  local names = {}
  for name in pairs(values) do
    names[#names + 1] = tostring(name)
  end
  table.sort(names)
  if #names > SHOWN then
    names[SHOWN + 1] = ("and %d more"):format(#names - SHOWN)
  end
  return #names > 0 and table.concat(names, ", ", 1, math.min(#names, SHOWN + 1)) or "none"
end

local function ask(values, name, path)
  if type(values) == "function" then return values(name, path) end
  return values[name]
end

--- A value as text; raises with the place when there is none.
local function value_of(values, name, path, text, at)
  local v = ask(values, name, path)
  if type(v) == "string" or type(v) == "number" or type(v) == "boolean" then
    return tostring(v)
  end
  local where = ("%s:%d"):format(path, line_of(text, at))
  if v ~= nil then
    err.throw("usage", "%s: the value of %s is a %s, not a text", where, quote(name), type(v))
  elseif type(values) == "function" then
    err.throw("usage", "%s: there is no value for %s: the function gave none", where, quote(name))
  end
  err.throw("usage", "%s: there is no value for %s; known are: %s", where, quote(name), known(values))
end

--- The text with every placeholder replaced; what a value brings in is not
--- looked at again.
---@param text string
---@param path string For messages, and for the function.
---@param values table<string, any>|fun(name: string, path: string): any
---@param open string
---@param close string
---@return string
function M.fill(text, path, values, open, close)
  local out, at = {}, 1
  while true do
    local from, inner = text:find(open, at, true)
    local to, last
    if from then to, last = text:find(close, inner + 1, true) end
    if not to then break end
    local name = text:sub(inner + 1, to - 1):match(NAME)
    if name then
      out[#out + 1] = text:sub(at, from - 1)
      out[#out + 1] = value_of(values, name, path, text, from)
      at = last + 1
    else
      -- Perhaps a later one opens here: only the mark itself is passed over.
      out[#out + 1] = text:sub(at, from)
      at = from + 1
    end
  end
  out[#out + 1] = text:sub(at)
  return table.concat(out)
end

return M
