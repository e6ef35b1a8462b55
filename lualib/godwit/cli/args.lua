--- Reads command lines: declared parameters in, given values out. The parsing
--- is argparse's; the words of the errors, the suggestions and where values
--- come from besides (environment, configuration) are ours.
local argparse = require("argparse")
local err = require("godwit.err")
local sys = require("godwit.core.sys")
local options = require("godwit.cli.options")
local suggest = require("godwit.config.suggest")

local M = {}

local function spellings(p)
  local names = { p.flag, p.short and "-" .. p.short:gsub("^%-", "") or nil }
  return names
end

-- --dry_run is understood where --dry-run is meant.
local function hidden(p)
  local body = p.flag:sub(3)
  return body:find("-", 1, true) and "--" .. body:gsub("-", "_") or nil
end

local function add_option(parser, p)
  local names = table.concat(spellings(p), " ")
  local option
  if p.type == "boolean" then
    option = parser:flag(names)
    if p.default == true then
      parser:flag("--no-" .. p.flag:sub(3)):target(p.name)
        :action("store_false")
    end
  elseif p.type == "count" then
    option = parser:flag(names):count("0-9")
  else
    option = parser:option(names):args(1)
    if p.many then
      option:count("*")
    else
      option:overwrite(false)
    end
  end
  option:target(p.name)
  if hidden(p) then
    option:hidden_name(hidden(p))
  end
end

local function add(parser, p)
  if p.positional then
    parser:argument(p.name):args(p.many and "*" or "?"):target(p.name)
  else
    add_option(parser, p)
  end
end

--- A command's parameters in the shape of a workflow's head.
---@param command { summary: string, params?: table }
---@param name string
---@return godwit.workflow.Head
function M.regular(command, name)
  return require("godwit.workflow.head").check({
    summary = command.summary, params = command.params or {},
    run = command.run }, name)
end

--- All spellings of these parameters.
---@param params table[]
---@return string[]
function M.flags(params)
  local names = {}
  for _, p in ipairs(params) do
    if not p.positional then
      for _, name in ipairs(spellings(p)) do
        names[#names + 1] = name
      end
      if p.type == "boolean" and p.default == true then
        names[#names + 1] = "--no-" .. p.flag:sub(3)
      end
    end
  end
  return names
end

-- argparse's words, as one sentence that says what to do.
local function complaint(command, message, params)
  local first = message:match("^[^\n]*")
  local word = first:match("^unknown option '(.-)'$")
  local says
  if word then
    local dash = word:gsub("_", "-")
    says = ("unknown option %s%s"):format(word,
      suggest.hint(dash, M.flags(params)))
  elseif first == "too many arguments" then
    says = "more arguments than it takes"
  else
    says = first:gsub("^option '(.-)'", "%1")
      :gsub(" must be used at most 1 time$", " is given twice")
      :gsub("requires an argument$", "needs a value")
  end
  err.throw("usage", "%s: %s (see: %s --help)", command, says, command)
end

local function given(result, params)
  local values = {}
  for _, p in ipairs(params) do
    local v = result[p.name]
    if type(v) == "table" and #v == 0 or p.type == "count" and v == 0 then
      v = nil
    end
    values[p.name] = v
  end
  return values
end

--- Parses words by parameters. Values stay texts; what is missing is nil.
---@param command string As typed: "godwit promote".
---@param params table[] Regular parameters (godwit.workflow.head).
---@param words string[]
---@return table<string, any>
function M.parse(command, params, words)
  local parser = argparse(command):add_help(false)
  for _, p in ipairs(params) do
    add(parser, p)
  end
  local ok, result = parser:pparse(words)
  if not ok then
    complaint(command, result, params)
  end
  return given(result, params)
end

-- The parameter a word names, and its value when it is joined to it.
local function named(word, params)
  local flag, joined = word:match("^(%-%-[^=]+)=(.*)$")
  local wanted = (flag or word):gsub("_", "-")
  for _, p in ipairs(params) do
    for _, name in ipairs(p.positional and {} or spellings(p)) do
      if name == wanted or p.type == "boolean" and p.default == true
        and wanted == "--no-" .. p.flag:sub(3) then
        return p, joined
      end
    end
  end
  return nil
end

local function takes_value(p)
  return p.type ~= "boolean" and p.type ~= "count"
end

-- "-nv" or "-j4": the parameter that wants the next word, if the last one does.
local function cluster_of_shorts(word, params)
  for i = 2, #word do
    local p = named("-" .. word:sub(i, i), params)
    if not p then
      return nil, false
    elseif takes_value(p) then
      return p, i < #word
    end
  end
  return true, true
end

--- Splits words at the first that is no option: the words before, it, and the
--- words behind. Unknown options before it are errors.
---@param command string
---@param params table[]
---@param words string[]
---@return string[] before
---@return string|nil word
---@return string[] behind
function M.split(command, params, words)
  local i = 1
  while i <= #words do
    local word = words[i]
    if word == "--" then
      i = i + 1
      break
    elseif word:sub(1, 1) ~= "-" or word == "-" then
      break
    end
    local p, joined = named(word, params)
    if not p and word:find("^%-%w%w") then
      p, joined = cluster_of_shorts(word, params)
    end
    if not p then
      complaint(command, ("unknown option '%s'"):format(
        word:match("^[^=]*")), params)
    end
    i = i + (p ~= true and takes_value(p) and not joined and 2 or 1)
  end
  local before = { table.unpack(words, 1, math.min(i - 1, #words)) }
  return before, words[i], { table.unpack(words, i + 1) }
end

--- Parts words into those these parameters take and the rest. What follows
--- "--" is rest.
---@param params table[]
---@param words string[]
---@return string[] known
---@return string[] rest
---@return string|nil unknown The first option among the rest.
function M.part(params, words)
  local known, rest, unknown, i = {}, {}, nil, 1
  while i <= #words do
    local word = words[i]
    if word == "--" then
      table.move(words, i + 1, #words, #rest + 1, rest)
      break
    end
    local p, joined = named(word, params)
    if not p and word:find("^%-%w%w") then
      p, joined = cluster_of_shorts(word, params)
    end
    if p then
      known[#known + 1] = word
      if p ~= true and takes_value(p) and not joined then
        i = i + 1
        known[#known + 1] = words[i]
      end
    else
      if word:find("^%-.") then
        unknown = unknown or word
      end
      rest[#rest + 1] = word
    end
    i = i + 1
  end
  return known, rest, unknown
end

--- Raises for an option that nobody takes.
---@param command string
---@param word string
---@param params table[]
function M.refuse(command, word, params)
  complaint(command, ("unknown option '%s'"):format(word:match("^[^=]*")),
    params)
end

local BOOLEANS = {
  ["1"] = true, ["true"] = true, yes = true, on = true,
  ["0"] = false, ["false"] = false, no = false, off = false, [""] = false,
}

local function from_variable(p, name, text)
  if p.type == "boolean" then
    local v = BOOLEANS[text:lower()]
    if v == nil then
      err.throw("usage", "%s is '%s'; write true or false", name, text)
    end
    return v
  elseif p.type == "count" then
    local n = math.tointeger(tonumber(text)) or BOOLEANS[text:lower()] and 1
    if not n or n < 0 then
      err.throw("usage", "%s is '%s'; write 1 or 2", name, text)
    end
    return n
  elseif p.many then
    local values = {}
    for word in text:gmatch("[^%s,]+") do
      values[#values + 1] = word
    end
    return #values > 0 and values or nil
  end
  return text ~= "" and text or nil
end

--- Fills what the command line left out from the environment, then from the
--- defaults of the configuration.
---@param values table<string, any> Changed.
---@param params table[]
---@param defaults? table<string, any>
---@param labels? table<string, string>
---@return table<string, string> origins Where each value is from.
function M.complete(values, params, defaults, labels)
  local origins = {}
  for _, p in ipairs(params) do
    local variable = options.variable(p)
    local text = variable and sys.env(variable)
    if values[p.name] ~= nil then
      origins[p.name] = "command line"
    elseif text then
      values[p.name] = from_variable(p, variable, text)
      origins[p.name] = values[p.name] ~= nil and variable or nil
    end
    local v
    if defaults and not p.positional then
      v = defaults[p.name]
    end
    if v ~= nil and p.config == false then
      err.throw("usage", "%s is for the command line, not for the defaults of %s",
        p.flag, labels and labels[p.name] or "a configuration")
    end
    if values[p.name] == nil and v ~= nil then
      values[p.name] = p.type == "boolean" and v
        or p.many and { tostring(v) } or tostring(v)
      origins[p.name] = labels and labels[p.name] or "configuration"
    end
  end
  return origins
end

--- The numbers and choices of our own flags; those of workflows are checked
--- by their head.
---@param values table<string, any> Changed.
---@param params table[]
---@param origins? table<string, string> Where each value is from.
function M.check(values, params, origins)
  for _, p in ipairs(params) do
    local v = values[p.name]
    local flag, origin = p.flag, origins and origins[p.name]
    if origin and origin ~= "command line" then
      flag = ("%s (%s)"):format(flag, origin)
    end
    if v ~= nil and p.type == "integer" then
      local n = math.tointeger(tonumber(v))
      if not n or p.min and n < p.min or p.max and n > p.max then
        err.throw("usage", "%s takes a whole number%s, not '%s'", flag,
          p.max and (" from %d to %d"):format(p.min, p.max)
          or p.min and (" of at least %d"):format(p.min) or "", tostring(v))
      end
      values[p.name] = n
    elseif v ~= nil and p.choices then
      local fits = false
      for _, choice in ipairs(p.choices) do
        fits = fits or choice == v
      end
      if not fits then
        err.throw("usage", "%s takes %s, not '%s'%s", flag,
          table.concat(p.choices, ", "), tostring(v),
          suggest.hint(tostring(v), p.choices))
      end
    end
  end
end

return M
