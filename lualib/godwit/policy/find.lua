--- find: which policy file counts for an owner's algorithms on their way to a
--- destination: the one its profile names, else --policy, else a file in the
--- folder of policies. A folder holds OWNER.lua and default.lua.
local config = require("godwit.config")
local config_file = require("godwit.config.file")
local err = require("godwit.err")
local fs = require("godwit.core.fs")

local M = {}

local FOLDER = "policies"

---@class godwit.policy.Place
---@field path string
---@field label string As printed, and the name of its chunk.
---@field forced boolean The destination's profile asks for it.
---@field persons boolean The user's own configuration names it, or a trusted project's.
---@field origin string Who names it: "--policy", "the profile of prod", …

-- Lua cuts the names of chunks that are longer.
local LONGEST = 56

--- A path as messages have it: short, and never cut.
---@param path string
---@return string
function M.label(path)
  local label = config_file.label(path)
  local cwd = fs.cwd() .. "/"
  if path:sub(1, #cwd) == cwd then
    label = path:sub(#cwd + 1)
  end
  label = label:gsub("^%./", "")
  if #label > LONGEST then
    label = label:match("([^/]+/[^/]+)$") or label:match("[^/]+$")
  end
  return #label > LONGEST and label:match("[^/]+$"):sub(-LONGEST) or label
end

local function kind_of(path)
  local info = fs.stat(path)
  return info and info.type
end

-- An owner's name comes from a server; it never leads out of the folder.
local function in_folder(folder, owner)
  if owner:find("^%a[%w_]*$") then
    local own = ("%s/%s.lua"):format(folder, owner)
    if fs.stat(own) then
      return own
    end
  end
  local default = folder .. "/default.lua"
  return fs.stat(default) and default or nil
end

local function place(path, origin, forced, persons)
  if kind_of(path) == "dir" then
    err.throw("usage", "%s: %s is a folder, not a policy", origin, path)
  end
  return { path = path, label = M.label(path), origin = origin,
    forced = forced, persons = persons or false }
end

-- A file or folder that somebody named: it has to be there, and to have
-- something for this owner.
local function named(path, origin, owner, forced, persons)
  if path == "" then
    err.throw("usage", "%s: no file or folder is named", origin)
  end
  local kind = kind_of(path)
  if not kind then
    err.throw("usage", "%s: there is no %s", origin, path)
  elseif kind ~= "dir" then
    return place(path, origin, forced, persons)
  end
  local found = in_folder(path, owner)
  if not found then
    err.throw("usage", "%s: there is neither %s.lua nor default.lua in %s; "
      .. "write one with: godwit new policy %s", origin, owner, path, owner)
  end
  return place(found, origin, forced, persons)
end

--- Whether there can be a policy at all for a destination.
---@async
---@param driver table
---@param flag? string --policy
---@return boolean
function M.any(driver, flag)
  return (driver.profile or driver).policy ~= nil or flag ~= nil
    or config.policies() ~= nil or kind_of(FOLDER) == "dir"
end

--- The policy of an owner for a destination; nil when there is none. Raises
--- kind "usage" when a file that is asked for is not there.
---@async
---@param owner string
---@param driver table The destination.
---@param flag? string --policy
---@return godwit.policy.Place?
function M.find(owner, driver, flag)
  local profile = driver.profile or driver
  local asked = profile.policy
  if asked then
    local origin = "the profile of " .. driver.name
    if flag then
      err.throw("usage", "--policy %s: the profile of %s has a policy of its "
        .. "own (%s), which is not to be replaced; leave out --policy", flag,
        driver.name, M.label(asked))
    end
    return named(asked, origin, owner, true, config.is_persons(profile.label))
  elseif flag then
    return named(flag, "--policy", owner, false, true)
  end
  local folder, label = config.policies()
  if folder and kind_of(folder) ~= "dir" then
    err.throw("usage", "%s: policies: there is no folder %s", label, folder)
  end
  local found = (folder or kind_of(FOLDER) == "dir")
    and in_folder(folder or FOLDER, owner)
  return found and place(found, "policies", false, config.is_persons(label))
    or nil
end

return M
