--- load: reads a policy file into a closed environment, once for each file and
--- run, and checks what it returns. What it requires beside it is required
--- while it is loaded: the digest of all these texts says when a policy changed.
local check = require("godwit.policy.check")
local closed = require("godwit.closed")
local core = require("godwit.core.closed")
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local globals = require("godwit.globals")
local log = require("godwit.log")
local modules = require("godwit.core.modules")
local sys = require("godwit.core.sys")
local task = require("godwit.task")
local taskcore = require("godwit.core.task")

local M = {}

local MAX_FILE = 1 << 20
local SECONDS = 5 -- of computing, to load a file

---@class godwit.policy.Loaded
---@field label string
---@field text string
---@field points table<string, any>
---@field digest string
---@field persons boolean A person's own: see godwit.rights.
---@field chunks table<string, boolean> The names its chunks have in messages.

-- What a policy prints is no result: it is told like any other log line.
local function say(label)
  return function(...)
    local texts = table.pack(...)
    for i = 1, texts.n do
      texts[i] = tostring(texts[i])
    end
    log.info("%s: %s", label, table.concat(texts, "\t"))
  end
end

local function environment(file)
  local own = globals.make({})
  own.print = say(file.label)
  local folders = { file.path:match("^(.*)/[^/]*$") or "." }
  for _, dir in ipairs(modules.path()) do
    folders[#folders + 1] = dir
  end
  return closed.environment({ globals = own, folders = folders,
    on_module = function(name, path, text)
      if file.sealed then
        error(("require \"%s\" at the top of the policy: what it says is part "
          .. "of the policy's digest"):format(name), 0)
      end
      file.chunks[path] = true
      file.texts[#file.texts + 1] = path:match("[^/]*$") .. "\0" .. text
    end })
end

-- The place that Lua puts before a message says enough.
local function fail(file, e)
  e = err.from(e)
  if err._is_final(e) then
    error(e, 0)
  end
  local text = tostring(e.message):gsub("^stopped: computed", "it computed")
  if e.value ~= nil then
    text = ("raised a %s instead of a text"):format(type(e.value))
  end
  if not text:find("^[^:\n]+:%d+: ") then
    text = (err.script_line(e) or file.label .. ":1") .. ": " .. text
  end
  err.throw("usage", "%s", (text:gsub("[\r\n]+", " ")))
end

--- Loads and checks a policy. Raises kind "usage" with the file and line of
--- what is wrong with it.
---@async
---@param place godwit.policy.Place
---@return godwit.policy.Loaded
function M.load(place)
  local text, e = fs.read(place.path, MAX_FILE)
  if not text then
    err.throw("usage", "%s: the policy cannot be read: %s", place.label,
      err.from(e).message)
  end
  local file = { path = place.path, label = place.label, text = text,
    texts = { text }, chunks = { [place.label] = true },
    persons = place.persons }
  require("godwit.trace").remember("@" .. place.label, text) -- for errors
  text = text:gsub("^\xEF\xBB\xBF", "") -- what some editors begin a text with
  local chunk, why = sys.load(text, "@" .. place.label, environment(file))
  if not chunk then
    why = tostring(why):gsub("[\r\n]+", " ")
    err.throw("usage", "%s%s", why:find("^[^\n]-:%d+: ") and ""
      or place.label .. ":1: ", why)
  end
  local ok, value = task.limited(SECONDS, function()
    if file.persons then
      taskcore.act_for_person()
    end
    return core.run(chunk, place.label)
  end)
  if not ok then
    fail(file, value)
  end
  file.points = check.check(file, value)
  file.sealed = true
  file.digest = sys.hash("sha256", table.concat(file.texts, "\0\0"))
  return file
end

return M
