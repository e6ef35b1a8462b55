--- GODWIT_ variables that nobody knows: a misspelt one would be silently
--- without effect, so it is named.
local options = require("godwit.cli.options")
local output = require("godwit.cli.output")
local suggest = require("godwit.config.suggest")
local sys = require("godwit.core.sys")

local M = {}

local function add(known, params)
  for _, p in ipairs(params) do
    local name = options.variable(p)
    if name then
      known[name] = true
    end
  end
end

local function all_known()
  local args = require("godwit.cli.args")
  local commands = require("godwit.cli.commands")
  local scripts = require("godwit.cli.scripts")
  local known = {}
  for _, name in ipairs(commands.ORDER) do
    add(known, args.regular(commands.find(name), name).order)
  end
  for _, w in ipairs(scripts.bundled()) do
    add(known, w.head.order)
  end
  return known
end

--- GODWIT_ variables that are no flag of any command; `more` are the
--- parameters of what is run.
---@param more? table[]
---@return { name: string, hint: string }[]
function M.unknown(more)
  local names, near = {}, {}
  for name in pairs(options.OTHER_VARIABLES) do
    near[name] = true
  end
  for _, params in ipairs { options.GLOBAL, options.WRITING, more or {} } do
    add(near, params)
  end
  for name in pairs(sys.environ()) do
    if name:find("^GODWIT_") and not near[name] then
      names[#names + 1] = name
    end
  end
  if #names == 0 then
    return {}
  end
  table.sort(names)
  local known, found = all_known(), {}
  for name in pairs(near) do
    known[name] = true
  end
  for _, name in ipairs(names) do
    if not known[name] and not name:find("^GODWIT_TEST_") then
      found[#found + 1] = { name = name,
        hint = suggest.hint(name, suggest.names(known)) }
    end
  end
  return found
end

--- Warns about them.
---@param more? table[]
function M.warn_unknown(more)
  for _, v in ipairs(M.unknown(more)) do
    output.warn("%s in the environment is no setting of godwit%s", v.name,
      v.hint)
  end
end

return M
