--- What scripts find without require, on a command line: with --json nothing
--- but the document goes to stdout.
local globals = require("godwit.globals")
local output = require("godwit.cli.output")

local M = {}

local function say(...)
  local texts = table.pack(...)
  for i = 1, texts.n do
    texts[i] = tostring(texts[i])
  end
  output.say("%s", table.concat(texts, "\t"))
end

--- The globals of one script.
---@param words string[] Its arguments.
---@return table
function M.make(words)
  local made = globals.make(words)
  if output.is_json() then -- stdout is one document
    made.print = say
  end
  return made
end

return M
