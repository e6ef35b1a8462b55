--- The command line: finds the command, reads its flags, runs it, and turns
--- whatever ended it into one clear sentence and an exit code.
local err = require("godwit.err")
local sys = require("godwit.core.sys")
local task = require("godwit.core.task")
local args = require("godwit.cli.args")
local ask = require("godwit.cli.ask")
local commands = require("godwit.cli.commands")
local exit = require("godwit.cli.exit")
local options = require("godwit.cli.options")
local output = require("godwit.cli.output")
local places = require("godwit.config.places")
local words_of = require("godwit.cli.words")

local M = {}

local hidden = {} -- kept, so that the output filter keeps them

---@class godwit.cli.Cx
---@field name string The command's name.
---@field args table<string, any> Its own values.
---@field flags table<string, any> Those every command takes.
---@field origins table<string, string> Where each value is from.
---@field words string[] The whole command line.
---@field rest string[] With `open`: the words behind the first argument.
---@field progress? fun() Prints the state, for SIGUSR1.

-- Before anything is parsed: errors of parsing come as asked, too.
local function asks_json(words)
  for _, word in ipairs(words) do
    if word == "--" then
      break
    elseif word == "--json" then
      return true
    end
  end
  local v = (sys.env("GODWIT_JSON") or ""):lower()
  return v == "1" or v == "true" or v == "yes" or v == "on"
end

-- A key somebody put into an address is refused later; from here on it is not
-- printed either.
local function hide_passwords(words)
  for _, word in ipairs(words) do
    local text = word:match("://[^/?#@]*:([^/?#@]+)@")
    if text then
      hidden[#hidden + 1] = require("godwit.core.secret").new(text,
        { label = "in an address" })
    end
  end
end

local function setup(flags, origins)
  args.check(flags, options.GLOBAL, origins)
  output.setup {
    json = flags.json or false, quiet = flags.quiet or false,
    verbose = flags.verbose or 0, color = flags.color or "auto",
  }
  ask.setup { yes = flags.yes, no_input = flags.no_input }
  places.set_config_file(flags.config)
  places.set_state_dir(flags.state_dir)
  places.set_cluster_flags {
    ca_cert = flags.ca_cert, client_cert = flags.client_cert,
    client_key = flags.client_key, insecure = flags.insecure,
  }
  local log = require("godwit.log")
  log.setup { quiet = flags.quiet, verbose = flags.verbose }
end

local function concat(...)
  local all = {}
  for _, list in ipairs { ... } do
    table.move(list, 1, #list, #all + 1, all)
  end
  return all
end

local function pick(values, params)
  local some = {}
  for _, p in ipairs(params) do
    some[p.name] = values[p.name]
  end
  return some
end

--- Reads words that hold nothing but the flags of every command and, with
--- `writes`, those of writing ones.
---@async
---@param command string
---@param words string[]
---@param opts { config?: boolean, writes?: boolean }
---@return table flags
function M.flags(command, words, opts)
  local params = concat(opts.writes and options.WRITING or {},
    options.GLOBAL)
  local flags = args.parse(command, params, words)
  if flags.help then
    return flags
  end
  local origins = args.complete(flags, params)
  setup(pick(flags, options.GLOBAL), origins)
  if opts.config then
    local later = args.complete(flags, params,
      require("godwit.config").defaults())
    for key, origin in pairs(later) do
      origins[key] = origins[key] or origin
    end
    setup(pick(flags, options.GLOBAL), origins)
  end
  args.check(flags, params, origins)
  return flags
end

-- What the head finds wrong, with the command it was said to.
local function own_values(name, head, given)
  local ok, result = pcall(require("godwit.workflow.head").values, head,
    given)
  if ok then
    return result
  elseif err.is(result, "usage") then
    err.throw("usage", "godwit %s: %s (see: godwit %s --help)", name,
      result.message, name)
  end
  error(result, 0)
end

--- Reads all words of a command whose parameters are known.
---@async
---@param name string
---@param head godwit.workflow.Head
---@param words string[]
---@param opts { config: boolean, writes: boolean }
---@return table own
---@return table flags
---@return table<string, string> origins
function M.read(name, head, words, opts)
  local params = concat(head.order, opts.writes and options.WRITING or {},
    options.GLOBAL)
  local values = args.parse("godwit " .. name, params, words)
  if values.help then
    return values, values, {}
  end
  local origins = args.complete(values, params)
  setup(pick(values, options.GLOBAL), origins)
  if opts.config then
    local defaults, labels = require("godwit.config").defaults()
    for key, v in pairs(args.complete(values, params, defaults, labels)) do
      origins[key] = origins[key] or v
    end
    setup(pick(values, options.GLOBAL), origins)
  end
  local flags = pick(values, options.GLOBAL)
  if opts.writes then
    for key, v in pairs(pick(values, options.WRITING)) do
      flags[key] = v
    end
  end
  return own_values(name, head, pick(values, head.order)), flags, origins
end

local function run_command(name, command, words, all)
  local help = require("godwit.cli.help_command")
  if command.open then
    return command.run { name = name, rest = words, words = all, main = M }
  end
  local head = args.regular(command, name)
  local own, flags, origins = M.read(name, head, words,
    { config = not command.no_config, writes = command.writes })
  if own.help then
    return help.print(help.of(name))
  end
  require("godwit.cli.environment").warn_unknown(head.order)
  return command.run { name = name, args = own, flags = flags,
    origins = origins, words = all }
end

local function is_file(word)
  return word:find("/", 1, true) ~= nil or word:find("%.lua$") ~= nil
end

local function dispatch(words)
  local help = require("godwit.cli.help_command")
  if words[1] == "--version" then
    words = { "version", table.unpack(words, 2) }
  end
  local before, word, behind = args.split("godwit", options.GLOBAL, words)
  if not word then
    local flags = M.flags("godwit", before, {})
    if flags.help then
      return help.print(help.program())
    end
    output.say("%s", help.program())
    err.throw("usage", "no command was given")
  end
  local command = commands.find(word)
  if command then
    return run_command(word, command, concat(before, behind), words)
  end
  local scripts = require("godwit.cli.scripts")
  if is_file(word) or scripts.find_bundled(word) then
    return run_command("run", commands.find("run"),
      concat(before, { word }, behind), words)
  end
  err.throw("usage", "there is no command '%s'%s (see: godwit help)", word,
    require("godwit.config.suggest").hint(word, scripts.known_words()))
end

-- What the user can do after a signal. State needs no saving: every step
-- looks before it acts.
local function interrupted(signal, words)
  local again, code = words_of.again(words), exit.of_signal(signal)
  output.say("Interrupted. To go on: %s", again)
  if output.is_json() then -- unless the result is printed already
    output.result(output.error_document(err.new { kind = "cancelled",
      message = "interrupted", retryable = true, next = again }, code))
  end
  return code
end

local function fail(e)
  e = err.from(e)
  local code = exit.of(e)
  output.fail(e, code)
  return code
end

local handler -- of a command that lives on after Ctrl-C

--- Sets who is asked first when a signal comes: fn returns true when it has
--- dealt with it, and the program goes on. nil: nobody.
---@param fn? fun(signal: integer): boolean
function M.on_interrupt(fn)
  handler = fn
end

--- Runs a command line; returns the exit code.
---@async
---@param argv string[] Without the program's name.
---@return integer
function M.run(argv)
  local words, signal = { table.unpack(argv) }, nil
  output.reset()
  output.setup { json = asks_json(words) }
  hide_passwords(words)
  local main = task.spawn(function()
    return dispatch(words)
  end)
  sys.on_signal(function(number)
    if handler and handler(number) then
      return
    end
    signal = signal or number
    exit.note_signal(signal)
    task.cancel(main)
  end)
  local ok, result = task.join(main)
  if signal then
    if not ok and not err.is(result, "cancelled") then
      output.fail(err.from(result), exit.of(err.from(result)))
    end
    return output.finish(interrupted(signal, words))
  end
  return output.finish(ok and (math.tointeger(result) or 0) or fail(result))
end

return M
