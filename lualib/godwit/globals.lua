--- globals: what scripts and policies find without require: the modules, and
--- `godwit`, which opens configured clusters and hands out opaque secrets.
local config = require("godwit.config")
local rights = require("godwit.rights")

local M = {}

local MODULES = {
  "http", "git", "tree", "copy", "data", "json", "task", "step", "log", "err",
}

--- A cluster of the configuration as scripts see it.
---@async
---@param spec string
---@return table
local function open(spec)
  local cluster = require("godwit.cluster")
  return cluster.handle(cluster.open(rights.cluster(spec, function()
    return config.profile(spec)
  end)))
end

--- The names of the globals that are modules.
---@return string[]
function M.names()
  return { "cjson", table.unpack(MODULES) }
end

--- The globals of one script, for godwit.closed.
---@param words string[] Its arguments.
---@return table
function M.make(words)
  local globals = { godwit = {
    cluster = open, args = { table.unpack(words) },
    version = require("godwit.core.sys").version,
    secret = function(name)
      rights.secret(name)
      return config.secret(name)
    end,
  } }
  for _, name in ipairs(MODULES) do
    globals[name] = "godwit." .. name
  end
  globals.cjson = "cjson"
  return globals
end

return M
