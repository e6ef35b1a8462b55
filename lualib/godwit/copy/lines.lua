--- lines: the lines of a list that a person wrote, from a file or stdin:
--- comments, blanks and what editors elsewhere put before a text are gone.

local err = require("godwit.err")
local fs = require("godwit.core.fs")
local sys = require("godwit.core.sys")

local M = {}

local BOM = "^\u{FEFF}"

local function too_long(flag, path, max)
  err.throw("usage", "%s %s: more than %d MiB", flag, path, max >> 20)
end

local function stdin_lines(flag, max)
  local bytes = 0

  return function()
    local line, e = sys.read_line()
    if e then
      error(err.wrap(e, flag .. " -"), 0)
    end
    bytes = bytes + #(line or "") + 1
    if bytes > max then
      too_long(flag, "-", max)
    end
    return line
  end
end

local function file_lines(path, flag, max)
  local text, e = fs.read(path, max)

  if not text then
    e = err.from(e)
    if e.kind == "notfound" then
      err.throw("usage", "%s: there is no file %s", flag, path)
    end
    e.kind = e.kind == "cancelled" and e.kind or "usage"
    error(err.wrap(e, flag .. " " .. path), 0)
  end
  return text:gmatch("([^\n]*)\n?")
end

-- What a line says: a "#" begins a comment where a word could begin.
local function content(line)
  return ((" " .. line):gsub("%s#.*$", ""):match("^%s*(.-)%s*$"))
end

--- Iterates over what the lines say, with where each stands: "list.txt:3".
--- Raises `usage` for a file that cannot be read.
---@async
---@param path string "-": stdin.
---@param flag string For messages.
---@param max integer Bytes.
---@return fun(): string|nil, string|nil
function M.each(path, flag, max)
  local n = 0
  local read = path == "-" and stdin_lines(flag, max)
    or file_lines(path, flag, max)

  return function()
    for line in read do
      n = n + 1
      local text = content(n == 1 and line:gsub(BOM, "") or line)
      if text ~= "" then
        return text, string.format("%s:%d", path, n)
      end
    end
    return nil
  end
end

return M
