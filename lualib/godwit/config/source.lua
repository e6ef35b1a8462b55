--- Where the text of a secret comes from: env, file, command, or the text
--- itself. A source is only a description until `text` asks for it.
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local process = require("godwit.core.process")
local sys = require("godwit.core.sys")
local places = require("godwit.config.places")

local M = {}

local MAX_SECRET = 64 * 1024

---@class godwit.config.Source
---@field kind "env"|"file"|"command"|"secret"|"keys"
---@field name? string Variable, path or secret's name.
---@field other? any Of keys: for owners that are not in the file.
---@field argv? string[]
local Source = { __name = "source", __metatable = "source" }

--- Never the text: only what was written in the configuration.
function Source.__tostring(source)
  if source.kind == "command" then
    return ("command %q"):format(source.argv[1])
  end
  return ("%s %q"):format(source.kind, source.name)
end

---@param v any
---@return boolean
function M.is(v)
  return type(v) == "table" and rawget(v, "is_source") == Source
end

local function new(source)
  source.is_source = Source
  return setmetatable(source, Source)
end

--- env "NAME", file "PATH" and secret "NAME".
---@param kind string
---@param name string
---@return godwit.config.Source
function M.named(kind, name)
  if type(name) ~= "string" or name == "" then
    error(("%s takes a name, as in %s \"NAME\""):format(kind, kind), 3)
  end
  return new { kind = kind, name = name }
end

--- keys("PATH", other): a file with a key for each owner.
---@param name string
---@param other any A source, a text or a function of the owner.
---@return godwit.config.Source
function M.keys(name, other)
  if type(name) ~= "string" or name == "" then
    error('keys takes a file, as in keys "~/.keys/prod"', 2)
  end
  local kind = type(other)
  if other ~= nil and kind ~= "string" and kind ~= "function"
    and (not M.is(other) or other.kind == "keys") then
    error("keys(FILE, other): other is env, file, command, secret, a text or "
      .. "a function of the owner", 2)
  end
  return new { kind = "keys", name = name, other = other }
end

--- command { "program", "argument" }.
---@param argv string[]
---@return godwit.config.Source
function M.command(argv)
  if type(argv) ~= "table" or #argv == 0 then
    error('command takes a list, as in command { "pass", "show", "prod" }; '
      .. "there is no shell", 2)
  end
  local copy = {}
  for i, word in ipairs(argv) do
    if type(word) ~= "string" then
      error("command takes a list of texts", 2)
    end
    copy[i] = word
  end
  return new { kind = "command", argv = copy }
end

local function fail(what, fmt, ...)
  err.throw("usage", "%s: %s", what, fmt:format(...))
end

--- Raises when others may read the file: it holds a secret.
---@param path string
---@param what string Named in the error.
function M.check_private(path, what)
  local info = fs.stat(path)
  if not info then
    fail(what, "there is no file %s", path)
  end
  if info.mode and info.mode & 63 ~= 0 then -- 077: group and others
    fail(what, "%s holds a secret and others can read it; run: chmod 600 %s",
      path, path)
  end
end

-- One line, without the line break that editors and programs add; or, with
-- `lines`, any text.
local function clean(text, what, lines)
  text = text:gsub("\r?\n$", "")
  if text == "" then
    fail(what, "is empty")
  elseif lines and not utf8.len(text) then
    fail(what, "is not UTF-8 text")
  elseif not lines and text:find("[%c]") then
    fail(what, "has a line break or control character in it")
  end
  return text
end

local function from_file(source, what, base)
  local path = places.expand(source.name)
  if path:sub(1, 1) ~= "/" and base then
    path = base .. "/" .. path
  end
  M.check_private(path, what)
  return (err.check(fs.read(path, MAX_SECRET)))
end

local function from_command(source, what)
  local name = source.argv[1]
  local p, e = process.start {
    argv = source.argv, stdout = true,
  }
  if not p then
    fail(what, "the command %s does not start: %s", name, e.message)
  end
  local parts, size = {}, 0
  while true do
    local chunk = p:read()
    if not chunk or chunk == "" then
      break
    end
    size = size + #chunk
    if size > MAX_SECRET then
      p:kill(9)
      fail(what, "the command %s prints more than 64 KiB", name)
    end
    parts[#parts + 1] = chunk
  end
  local code = p:wait()
  if code ~= 0 then
    fail(what, "the command %s failed with status %s", name, code)
  end
  return table.concat(parts)
end

-- The text as it comes.
local function raw(source, what, base)
  if type(source) == "string" then
    return source
  elseif not M.is(source) then
    fail(what, "is a %s; write env, file, command or a text", type(source))
  end
  if source.kind == "env" then
    local text = sys.env(source.name)
    if not text then
      fail(what, "the environment variable %s is not set", source.name)
    end
    return text
  elseif source.kind == "file" then
    return from_file(source, what, base)
  elseif source.kind == "keys" then
    fail(what, "keys is for the key of a cluster")
  end
  return from_command(source, what)
end

--- The text of a source or a literal. Raises kind "usage", never with the text.
---@async
---@param source godwit.config.Source|string
---@param what string Named in errors: "key of 'prod' (config.lua:3)".
---@param base? string Folder of relative paths.
---@param opts? { lines: boolean? } It may have several lines.
---@return string
function M.text(source, what, base, opts)
  return clean(raw(source, what, base), what, opts and opts.lines)
end

return M
