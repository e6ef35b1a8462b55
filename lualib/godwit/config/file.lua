--- One configuration file, read in a closed environment. What it may use
--- depends on whose it is: env, file and command are the user's own, unless
--- the project file's digest is trusted.
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local sys = require("godwit.core.sys")
local places = require("godwit.config.places")
local schema = require("godwit.config.schema")
local source = require("godwit.config.source")
local trust = require("godwit.config.trust")

local M = {}

local MAX_FILE = 1 << 20
local BASIC = {
  assert = assert, error = error, ipairs = ipairs, next = next, pairs = pairs,
  pcall = pcall, select = select, tonumber = tonumber, tostring = tostring,
  type = type,
}
local LIBRARIES = { math = math, string = string, table = table, utf8 = utf8 }

---@class godwit.config.File
---@field path string
---@field label string As printed: short, "~" for the home folder.
---@field folder string Base of relative paths.
---@field text string
---@field doc table
---@field full boolean May it use env, file and command?

--- A path as people write it.
---@param path string
---@return string
function M.label(path)
  local home = places.home()
  if home ~= "/" and path:sub(1, #home + 1) == home .. "/" then
    return "~" .. path:sub(#home + 1)
  end
  return path
end

local function refuser(word, file)
  return function()
    error(("%s works in your own configuration (%s) only; read this file, "
      .. "then allow it with: godwit trust %s"):format(word,
      M.label((places.config_file())), file.label), 2)
  end
end

local function environment(file)
  local env = {}
  for name, fn in pairs(BASIC) do
    env[name] = fn
  end
  for name, library in pairs(LIBRARIES) do
    env[name] = {}
    for key, value in pairs(library) do
      env[name][key] = value
    end
  end
  env.string.dump, env.string.rep = nil, nil
  env._G = env
  -- The words of a configuration; see meta/public/config.lua.
  function env.secret(name)
    return (source.named("secret", name))
  end
  if file.full then
    -- A variable of the environment.
    function env.env(name)
      return (source.named("env", name))
    end
    -- A file with one secret in it.
    function env.file(name)
      return (source.named("file", name))
    end
    env.command = source.command
    env.keys = source.keys
  else
    for _, word in ipairs { "env", "file", "command", "keys" } do
      env[word] = refuser(word, file)
    end
  end
  return env
end

local function refuse_project(file, path, why)
  schema.fail(file, path, "%s; to allow it, read the file, then run: godwit "
    .. "trust %s", why, file.label)
end

-- A project file that is not trusted carries no secrets of its own (they would
-- be in everybody's repository), and must not lead one's own elsewhere: not
-- past a certificate or over a proxy of its choice, nor the key of a variable
-- to an address it names.
local function check_project(file)
  local doc = file.doc
  local path = schema.literal_secret(doc) or schema.key_function(doc)
  if path then
    refuse_project(file, path, "a project file names a secret of your own "
      .. "configuration, as in key = secret \"NAME\"")
  end
  path = schema.connection(doc)
  if path then
    refuse_project(file, path, "a project file does not say how connections "
      .. "are made")
  end
  path = schema.address_default(doc)
  if path then
    refuse_project(file, path, "a project file does not make an address the "
      .. "default")
  end
end

local function check_rights(file)
  if not file.full then
    check_project(file)
  elseif schema.literal_secret(file.doc) then
    source.check_private(file.path, file.label)
  end
end

local function check_writers(file)
  local info = fs.stat(file.path)
  if info and info.mode and info.mode & 18 ~= 0 then -- 022
    err.throw("usage", "%s: others can change this file, and it runs commands "
      .. "and reads keys; run: chmod go-w %s", file.label, file.path)
  end
end

--- Reads a file and runs it; its `doc` is not checked yet. Raises where there
--- is none.
---@async
---@param path string
---@param own boolean Is it the user's own file?
---@return godwit.config.File
function M.read(path, own)
  ---@type godwit.config.File
  local file = {
    path = path, label = M.label(path), own = own,
    folder = path:match("^(.*)/[^/]*$") or ".",
    text = err.check(fs.read(path, MAX_FILE)),
  }
  file.full = own or trust.is_trusted(file.text)
  if file.full then
    check_writers(file)
  end
  local chunk, why = sys.load(file.text, "@" .. file.label, environment(file))
  if not chunk then
    err.throw("usage", "%s", tostring(why))
  end
  local ok, doc = pcall(chunk)
  if not ok then
    if err.is(doc, "cancelled") then
      error(doc, 0)
    end
    err.throw("usage", "%s", type(doc) == "table" and doc.message
      or tostring(doc))
  end
  file.doc = doc
  return file
end

--- Reads and checks a configuration; nil when there is none.
---@async
---@param path string
---@param own boolean Is it the user's own file?
---@return godwit.config.File|nil
function M.load(path, own)
  if not fs.stat(path) then
    return nil
  end
  local file = M.read(path, own)
  schema.check(file, file.doc)
  check_rights(file)
  return file
end

return M
