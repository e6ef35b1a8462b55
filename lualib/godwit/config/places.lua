--- Where things are kept: configuration, state and cache folders, as XDG says,
--- changed for one run by --config and --state-dir.
local sys = require("godwit.core.sys")

local M = {}

local state_dir, config_file
local cluster_flags = {}

local function absolute(path)
  return path and path:sub(1, 1) == "/" and path or nil
end

--- The user's home folder.
---@return string
function M.home()
  return absolute(sys.env("HOME")) or "/"
end

-- XDG says that a relative path in its variables is to be ignored.
local function xdg(variable, fallback)
  local base = absolute(sys.env(variable)) or M.home() .. "/" .. fallback
  return base .. "/godwit"
end

--- "~/x" with the home folder in place of "~".
---@param path string
---@return string
function M.expand(path)
  if path == "~" then
    return M.home()
  end
  return path:sub(1, 2) == "~/" and M.home() .. path:sub(2) or path
end

--- Sets the state folder of this run; nil: the default again.
---@param path string|nil
function M.set_state_dir(path)
  state_dir = path and M.expand(path)
end

--- Sets the user's configuration file of this run; nil: the default again.
---@param path string|nil
function M.set_config_file(path)
  config_file = path and M.expand(path)
end

--- Sets what the command line says about every cluster of this run.
---@param flags { ca_cert?: string, client_cert?: string, client_key?: string, insecure?: boolean }|nil
function M.set_cluster_flags(flags)
  cluster_flags = flags or {}
end

---@return table
function M.cluster_flags()
  return cluster_flags
end

--- $XDG_STATE_HOME/godwit: version map, trust, sandboxes.
---@return string
function M.state_dir()
  return state_dir or xdg("XDG_STATE_HOME", ".local/state")
end

--- $XDG_CACHE_HOME/godwit: repositories.
---@return string
function M.cache_dir()
  return xdg("XDG_CACHE_HOME", ".cache")
end

--- $XDG_CONFIG_HOME/godwit.
---@return string
function M.config_dir()
  return xdg("XDG_CONFIG_HOME", ".config")
end

--- The user's configuration file, and whether it was named for this run.
---@return string path
---@return boolean named
function M.config_file()
  if config_file then
    return config_file, true
  end
  return M.config_dir() .. "/config.lua", false
end

--- The project's configuration file, in the current folder.
M.PROJECT_FILE = "godwit.config.lua"

return M
