--- The lines typed at the prompt, for the next time: a file of one's own,
--- without secrets.
local fs = require("godwit.core.fs")
local log = require("godwit.log")
local places = require("godwit.config.places")
local secret = require("godwit.core.secret")

local M = {}

local KEPT = 1000 -- lines
local MAX_LINE = 4096 -- bytes
local MAX_FILE = 8 << 20
local PRIVATE_FILE, PRIVATE_DIR = 384, 448 -- 0600, 0700

local last

local function path()
  return places.state_dir() .. "/repl_history"
end

--- The lines kept so far, oldest first.
---@return string[]
function M.load()
  local text, lines = fs.read(path(), MAX_FILE), {}
  for line in (text or ""):gmatch("[^\n]+") do
    lines[#lines + 1] = line
  end
  last = lines[#lines]
  return lines
end

-- What was no secret when it was typed may be one by now.
local function save(lines)
  local ok, e = fs.mkdir(places.state_dir(), PRIVATE_DIR)
  if ok then
    ok, e = fs.write(path(), secret.redact(table.concat(lines, "\n",
      math.max(1, #lines - KEPT + 1)) .. "\n"), PRIVATE_FILE)
  end
  if not ok then
    log.debug("the history is not kept: %s", tostring(e))
  end
end

--- Keeps a line, with what is secret taken out, and returns it as it is kept;
--- nil when it is not: an empty one, one that begins with a space, the same
--- again.
---@async
---@param line string
---@return string?
function M.add(line)
  if not line:find("%S") or line:find("^%s") or #line > MAX_LINE then
    return nil
  end
  line = secret.redact(line):gsub("[\r\n%z]", " ")
  if line == last then
    return nil
  end
  local lines = M.load() -- another prompt may have added to it
  lines[#lines + 1] = line
  last = line
  save(lines)
  return line
end

--- Takes out what has become a secret since it was typed.
---@async
function M.settle()
  local lines = M.load()
  if #lines > 0 then
    save(lines)
  end
end

return M
