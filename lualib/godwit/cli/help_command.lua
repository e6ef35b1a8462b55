--- godwit help [COMMAND]
local args = require("godwit.cli.args")
local commands = require("godwit.cli.commands")
local err = require("godwit.err")
local output = require("godwit.cli.output")
local suggest = require("godwit.config.suggest")

local M = {
  summary = "Shows help, also of one command.",
  params = {
    command = { type = "string", positional = true, optional = true,
      metavar = "COMMAND", help = "The command to explain." },
  },
  no_config = true,
}

--- The help of the whole program.
---@return string
function M.program()
  local scripts = require("godwit.cli.scripts")
  local rows = {}
  for i, name in ipairs(commands.ORDER) do
    rows[i] = { name = name, summary = commands.find(name).summary }
  end
  return require("godwit.cli.help").program(rows, scripts.bundled())
end

--- The help of a command or of a bundled workflow, or nil.
---@param name string
---@return string|nil
function M.of(name)
  local help = require("godwit.cli.help")
  local scripts = require("godwit.cli.scripts")
  local command = commands.find(name)
  if command then
    local head = args.regular(command, name)
    return help.command { name = name, summary = command.summary,
      usage = command.usage, details = command.details, params = head.order,
      writes = command.writes }
  end
  local script = scripts.find_bundled(name)
  local head = script and scripts.head(script)
  return head and help.command { name = name, summary = head.summary,
    usage = head.usage, details = head.details, params = head.order,
    writes = true, reads = head.reads == true }
end

--- Prints a help text as the result.
---@param text string
---@return integer
function M.print(text)
  output.result({ help = text }, text)
  return 0
end

function M.run(cx)
  local name = cx.args.command
  local text = name and M.of(name) or not name and M.program()
  if not text then
    err.throw("usage", "there is no command '%s'%s", name,
      suggest.hint(name, require("godwit.cli.scripts").known_words()))
  end
  return M.print(text)
end

return M
