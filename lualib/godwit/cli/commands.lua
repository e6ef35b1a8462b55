--- The commands, each in a file of its own, loaded when it is asked for. Help
--- loads them all, so what a command works with is loaded when it runs.
local M = {}

--- In the order help shows them.
M.ORDER = {
  "run", "eval", "repl", "list", "inspect", "ls", "version-map", "doctor",
  "sandbox", "init", "new", "trust", "cache", "version", "help",
}

local MODULES = {}
for _, name in ipairs(M.ORDER) do
  MODULES[name] = "godwit.cli." .. name:gsub("-", "_")
end
MODULES.help = "godwit.cli.help_command"

---@class godwit.cli.Command
---@field summary string
---@field details? string
---@field usage? string
---@field params? table
---@field no_config? boolean Loads no configuration.
---@field writes? boolean Takes --dry-run and --allow-write.
---@field open? boolean Reads its words itself, behind its first argument.
---@field run fun(cx: godwit.cli.Cx): integer

---@param name string
---@return godwit.cli.Command|nil
function M.find(name)
  return MODULES[name] and require(MODULES[name]) or nil
end

return M
