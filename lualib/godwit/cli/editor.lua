--- editor: what an editor with lua-language-server needs to know the names
--- that scripts use: a project's .luarc.json, if there is none, and the
--- definitions it names, in .godwit/meta. Paths are relative: the settings are
--- the same on every machine, the definitions are this program's own and are
--- kept out of Git.
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local modules = require("godwit.core.modules")

local M = {}

local DEFINITIONS = "godwit/meta/public/"
local SETTINGS = ".luarc.json"
local LIBRARY = ".godwit/meta"
local FOLDERS = { ".godwit", LIBRARY, LIBRARY .. "/godwit" }
local FILE, FOLDER = tonumber("644", 8), tonumber("755", 8)
local MAX = 1 << 20

local TEXT = [[
{
  "$schema": "https://raw.githubusercontent.com/LuaLS/vscode-lua/master/setting/schema.json",
  "runtime.version": "Lua 5.4",
  "runtime.builtin": {
    "debug": "disable", "io": "disable", "os": "disable", "package": "disable"
  },
  "workspace.library": [".godwit/meta"],
  "workspace.checkThirdParty": false
}
]]

--- What to add to settings of one's own.
M.ADD = '"runtime.version": "Lua 5.4", "workspace.library": ["' .. LIBRARY
  .. '"]'

--- Whether this folder is one where scripts and policies are written.
---@async
---@return boolean
function M.is_project()
  local policies = fs.stat("policies")
  return fs.stat("godwit.config.lua") ~= nil
    or policies ~= nil and policies.type == "dir"
end

-- A link would lead what is written here elsewhere.
local function make_folders()
  for _, path in ipairs(FOLDERS) do
    local info = fs.stat(path)
    if info and info.type ~= "dir" then
      err.throw("usage", "%s is there and is no folder; the definitions for "
        .. "the editor belong in it: remove it", path)
    elseif not info then
      err.check(fs.mkdir(path, FOLDER))
    end
  end
end

local function put(path, text)
  local info = fs.stat(path)
  if info and info.type == "file" and info.size == #text
    and fs.read(path, MAX) == text then
    return 0
  end
  err.check(fs.write(path, text, FILE))
  return 1
end

-- Definitions of another version, of what is gone.
local function remove_old(current)
  local folder = FOLDERS[#FOLDERS]
  local n = 0
  for _, entry in ipairs(err.check(fs.list(folder))) do
    local path = folder .. "/" .. entry.name
    if not current[entry.name] and entry.type == "file"
      and (fs.read(path, MAX) or ""):find("^%-%-%-@meta\n") then
      err.check(fs.remove(path))
      n = n + 1
    end
  end
  return n
end

--- Brings the definitions up to date; returns how many files changed.
---@async
---@return integer
function M.definitions()
  make_folders()
  local changed, current = put(".godwit/.gitignore", "*\n"), {}
  for _, name in ipairs(modules.names(DEFINITIONS)) do
    local file = name:sub(#DEFINITIONS + 1)
    current[file] = true
    changed = changed + put(FOLDERS[#FOLDERS] .. "/" .. file,
      modules.source(name))
  end
  return changed + remove_old(current)
end

--- Writes the settings unless there are some: the path of those there are,
--- whether they are new, and whether they name the definitions.
---@async
---@return { path: string, created: boolean, complete: boolean }
function M.settings()
  for _, path in ipairs({ SETTINGS, SETTINGS .. "c" }) do
    if fs.stat(path) then
      local text = fs.read(path, MAX) or ""
      return { path = path, created = false,
        complete = text:find(LIBRARY, 1, true) ~= nil }
    end
  end
  err.check(fs.write(SETTINGS, TEXT, FILE))
  return { path = SETTINGS, created = true, complete = true }
end

--- Both, and what to tell about it.
---@async
---@return table doc
---@return string[] lines
function M.write()
  local changed = M.definitions()
  local doc, lines = M.settings(), {}
  doc.definitions, doc.changed = LIBRARY, changed
  if doc.created then
    lines[1] = ("Wrote %s for the editor (lua-language-server)."):format(
      doc.path)
  elseif doc.complete then
    lines[1] = ("%s is there already and stays as it is."):format(doc.path)
  else
    lines[1] = ("%s is there already and stays as it is; add to it: %s")
      :format(doc.path, M.ADD)
    doc.add = M.ADD
  end
  lines[2] = changed > 0
    and ("Wrote the definitions of what scripts can use to %s."):format(LIBRARY)
    or ("The definitions in %s are up to date."):format(LIBRARY)
  return doc, lines
end

return M
