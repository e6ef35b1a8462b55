--- Help, made from the same declarations the command line is read with.
local options = require("godwit.cli.options")

local M = {}

local WIDTH, COLUMN = 80, 28

local function wrap(text, indent, width)
  local lines, line = {}, ""
  for word in text:gmatch("%S+") do
    if line ~= "" and #line + 1 + #word > width - indent then
      lines[#lines + 1] = line
      line = word
    else
      line = line == "" and word or line .. " " .. word
    end
  end
  lines[#lines + 1] = line
  return lines
end

-- A term with its text beside it, or below it when the term is long.
local function item(out, term, text)
  local lines = wrap(text, COLUMN, WIDTH)
  local head = "  " .. term
  if #head > COLUMN - 2 then
    out[#out + 1] = head
    head = ""
  end
  for _, line in ipairs(lines) do
    out[#out + 1] = (head .. (" "):rep(COLUMN - #head) .. line)
      :gsub("%s+$", "")
    head = ""
  end
end

local function metavar(p)
  return p.metavar or p.choices and table.concat(p.choices, "|")
    or p.name:upper()
end

local function term(p)
  if p.positional then
    return metavar(p) .. (p.many and " ..." or "")
  end
  local text = (p.short and "-" .. p.short:gsub("^%-", "") .. ", " or "")
    .. (p.type == "boolean" and p.default == true
      and "--[no-]" .. p.flag:sub(3) or p.flag)
  if p.type ~= "boolean" and p.type ~= "count" then
    text = text .. " " .. metavar(p)
  end
  return text
end

local function describe(p)
  local text = p.help or ""
  if text ~= "" and not text:find("[.!?]$") then
    text = text .. "."
  end
  if p.choices and #p.choices > 1 and p.metavar then
    text = text .. " One of " .. table.concat(p.choices, ", ") .. "."
  end
  if p.default ~= nil and p.type ~= "boolean" then
    text = text .. " Default: " .. tostring(p.default) .. "."
  end
  if p.many and not p.positional and not text:find("repeat") then
    text = text .. " May be repeated."
  end
  return (text:gsub("^ ", ""))
end

local function section(out, title, params)
  local shown = {}
  for _, p in ipairs(params) do
    if not p.hidden then
      shown[#shown + 1] = p
    end
  end
  if #shown == 0 then
    return
  end
  out[#out + 1] = ""
  out[#out + 1] = title
  for _, p in ipairs(shown) do
    item(out, term(p), describe(p))
  end
end

-- The terms alone: what each command has is explained in one place, so that
-- what is a command's own fits on a screen.
local function terms(out, title, params)
  local words = {}
  for _, p in ipairs(params) do
    if not p.hidden then
      words[#words + 1] = (term(p):gsub(" ", "\1"))
    end
  end
  out[#out + 1] = ""
  out[#out + 1] = title
  for _, line in ipairs(wrap(table.concat(words, "; "), 2, WIDTH)) do
    out[#out + 1] = "  " .. line:gsub("\1", " ")
  end
end

local function usage(name, params)
  local words = { "Usage: godwit", name }
  for _, p in ipairs(params) do
    if p.positional then
      local word = metavar(p) .. (p.many and "..." or "")
      words[#words + 1] = p.required and word or "[" .. word .. "]"
    end
  end
  for _, p in ipairs(params) do
    if p.required and not p.positional then
      words[#words + 1] = p.flag .. " " .. metavar(p)
    end
  end
  words[#words + 1] = "[options]"
  return table.concat(words, " ")
end

--- The help of one command.
---@param about { name: string, summary: string, usage?: string, details?: string, params: table[], writes?: boolean, reads?: boolean }
---@return string
function M.command(about)
  local out = { about.usage and "Usage: " .. about.usage
    or usage(about.name, about.params), "", about.summary }
  if about.details then
    out[#out + 1] = ""
    out[#out + 1] = (about.details:gsub("%s+$", ""))
  end
  local positional, own = {}, {}
  for _, p in ipairs(about.params) do
    local into = p.positional and positional or own
    into[#into + 1] = p
  end
  section(out, "Arguments", positional)
  section(out, "Options", own)
  if about.reads then -- -n and --allow-write would be about nothing
    section(out, "Reading", { table.unpack(options.WRITING, 3) })
  elseif about.writes then
    section(out, "Writing", options.WRITING)
  end
  terms(out, "Options of every command (godwit help explains them)",
    options.GLOBAL)
  return table.concat(out, "\n") .. "\n"
end

--- The help of the program.
---@param commands { name: string, summary: string }[]
---@param workflows { name: string, summary: string, alias?: string }[]
---@return string
function M.program(commands, workflows)
  local out = {
    "Usage: godwit COMMAND [arguments] [options]", "",
    "Moves algorithms, data, users and organizations between Algorithmia "
      .. "clusters.",
    "", "Workflows",
  }
  for _, w in ipairs(workflows) do
    item(out, w.name, w.summary .. (w.alias and " Also " .. w.alias .. "."
      or ""))
  end
  out[#out + 1] = ""
  out[#out + 1] = "Commands"
  for _, c in ipairs(commands) do
    item(out, c.name, c.summary)
  end
  section(out, "Options of every command", options.GLOBAL)
  for _, line in ipairs { "",
    "A cluster is a profile of your configuration, an address, sandbox:NAME "
      .. "or an",
    "archive folder. Each option can stand in the environment, as "
      .. "GODWIT_STATE_DIR",
    "for --state-dir. More about a command: godwit COMMAND --help" } do
    out[#out + 1] = line
  end
  return table.concat(out, "\n") .. "\n"
end

return M
