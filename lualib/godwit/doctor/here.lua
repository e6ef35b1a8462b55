--- doctor.here: this machine's side: configuration files, variables, folders.
local algorithmia = require("godwit.config.algorithmia")
local file = require("godwit.config.file")
local fs = require("godwit.core.fs")
local lists = require("godwit.doctor.list")
local places = require("godwit.config.places")

local M = {}

local MIB = 1 << 20
local LITTLE, TOO_LITTLE = 1024 * MIB, 64 * MIB
local READ = 60 -- seconds; it may have to ask for nothing

local function mode_of(info)
  return ("%04o"):format(info.mode & 4095)
end

local function clusters_of(loaded)
  local n = 0
  for _ in pairs(loaded.doc.clusters or {}) do
    n = n + 1
  end
  return n
end

-- Returns how many clusters it names.
local function own(list)
  local path, named = places.config_file()
  local info = fs.stat(path)
  local label = file.label(path)
  if not info and named then
    list:fail("config.file", "correct --config", "there is no file %s", label)
    return 0
  elseif not info then
    list:skip("config.file", "godwit init writes one to start from",
      "there is no %s", label)
    return 0
  end
  local ok, loaded = lists.try(READ, file.load, path, true)
  if not ok then
    list:failed("config.file", loaded, "correct the file")
    return 0
  end
  local n = clusters_of(loaded)
  list:ok("config.file", "%s, mode %s, names %s", label, mode_of(info),
    lists.count(n, "cluster"))
  return n
end

local function project(list)
  local path = places.PROJECT_FILE
  if not fs.stat(path) then
    list:ok("config.project", "no %s in this folder", path)
    return 0
  end
  local ok, loaded = lists.try(READ, file.load, path, false)
  if not ok then
    list:failed("config.project", loaded, "correct the file, or remove it")
    return 0
  end
  local n = clusters_of(loaded)
  list:ok("config.project", "%s names %s; it is %s", path,
    lists.count(n, "cluster"), loaded.full and "trusted"
    or "not trusted, and need not be: it only refers to secrets by name")
  return n
end

local function platform(list)
  local ok, profiles = lists.try(READ, algorithmia.profiles)
  if not ok then
    list:failed("config.platform", profiles, "correct the file")
    return 0
  end
  local names = {}
  for name, p in pairs(profiles) do
    names[#names + 1] = ("%s from %s"):format(name, p.label)
  end
  table.sort(names)
  if #names > 0 then
    list:ok("config.platform", "the platform's own configuration: %s",
      table.concat(names, ", "))
  end
  return #names
end

local function variables(list, unknown)
  for _, v in ipairs(unknown) do
    list:warn("config.variables", "unset it, or correct its name",
      "%s in the environment is no setting of godwit%s", v.name, v.hint)
  end
end

local function parent_of(path)
  return path:match("^(.+)/[^/]*$") or "/"
end

-- The folder itself, or the nearest above it that is there.
local function nearest(path)
  while path ~= "/" and not fs.stat(path) do
    path = parent_of(path)
  end
  return path
end

local function size(bytes)
  return bytes >= 1024 * MIB and ("%.1f GiB"):format(bytes / (1024 * MIB))
    or ("%d MiB"):format(bytes // MIB)
end

local function space(list, id, path, label)
  local free = fs.space(path)
  if free and free < TOO_LITTLE then
    list:fail(id, "make room; godwit cache prune removes cached repositories",
      "only %s are free for %s", size(free), label)
  elseif free and free < LITTLE then
    list:warn(id, "make room; godwit cache prune removes cached repositories",
      "only %s are free for %s", size(free), label)
  end
  return free
end

local function folder(list, name, path)
  local id, label = "folder." .. name, file.label(path)
  local there = nearest(path)
  local real = fs.realpath(there) or there
  local info = fs.stat(real)
  if not info or info.type ~= "dir" then
    list:fail(id, "remove it, or name another folder",
      "%s is no folder", file.label(there))
    return
  elseif not fs.may_write(real) then
    list:fail(id, name == "state" and "give a folder of your own with "
      .. "--state-dir DIR" or "set XDG_CACHE_HOME to a folder of your own",
      "%s cannot be written to", file.label(there))
    return
  end
  local free = space(list, id, real, label)
  if there ~= path then
    list:ok(id, "%s is made when it is needed%s", label,
      free and ", " .. size(free) .. " free" or "")
  elseif info.mode & 63 ~= 0 then
    list:warn(id, "chmod 700 " .. label, "others can look into %s (mode %s)",
      label, mode_of(info))
  else
    list:ok(id, "%s can be written to, mode %s%s", label, mode_of(info),
      free and ", " .. size(free) .. " free" or "")
  end
end

--- Looks at this machine's side. `unknown` are GODWIT_ variables nobody knows;
--- without `needed` a configuration without clusters is as good as any.
---@async
---@param list godwit.doctor.List
---@param unknown { name: string, hint: string }[]
---@param needed boolean
function M.look(list, unknown, needed)
  local n = own(list) + project(list) + platform(list)
  if n == 0 and needed and not list:has_failed() then
    local path = places.config_file()
    list:warn("config.clusters", fs.stat(path) and "name one in "
      .. file.label(path) or "godwit init writes a configuration to start "
      .. "from", "no cluster is configured")
  end
  variables(list, unknown)
  folder(list, "state", places.state_dir())
  folder(list, "cache", places.cache_dir())
end

return M
