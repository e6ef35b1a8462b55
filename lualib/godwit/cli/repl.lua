--- godwit repl: a prompt. Each chunk runs in a task of its own, in one closed
--- environment, so that what waits may wait and Ctrl-C ends it alone.
local err = require("godwit.err")
local exit = require("godwit.cli.exit")
local output = require("godwit.cli.output")
local sys = require("godwit.core.sys")
local task = require("godwit.task")

local M = {
  summary = "Runs Lua as it is typed.",
  usage = "godwit repl [options]",
  details = [[
A prompt with history and completion; a chunk that is not complete goes on in
the next line. _ is the last value. Ctrl-C ends what runs or clears the line,
Ctrl-D leaves. A line that begins with a space is not kept in the history.
Without a terminal it reads lines and exits with the first failure's code.]],
  params = {},
  writes = true,
}

local MORE = "   .. "
local SIGINT = 2

local Session = {}
Session.__index = Session

-- reading ----------------------------------------------------------------

local function ends_early(why)
  return tostring(why):find("near '?<eof>'?$") ~= nil
end

-- Would more lines make it a chunk?
local function is_incomplete(code)
  local whole, why = sys.load("return nil, " .. code, "=x", {})
  if whole then
    return false
  end
  local statement, why_not = sys.load(code, "=x", {})
  return not statement and (ends_early(why) or ends_early(why_not))
end

--- The next chunk: its text, nil at the end, false when it was given up.
function Session:read()
  local lines = {}
  while true do
    local line = self:line(#lines == 0 and self.prompt or MORE)
    if not line then
      return line == nil and #lines > 0 and table.concat(lines, "\n") or line
    end
    lines[#lines + 1] = line
    local code = table.concat(lines, "\n")
    if not is_incomplete(code) then
      return code
    end
  end
end

-- running ----------------------------------------------------------------

local function is_call(code)
  return code:find("[%)}\"'%]]%s*$") ~= nil
end

function Session:show(code, result)
  local show = require("godwit.cli.show")
  if result.n > 0 then
    rawset(self.env, "_", result[1])
  end
  for i = 1, result.n do
    local text = show.value(result[i])
    if type(result[i]) == "function" and is_call(code) then
      text = text .. " -- an iterator? for x in _ do print(x) end"
    end
    output.text(text .. "\n")
  end
end

function Session:show_plan()
  local effect = require("godwit.effect")
  for i = self.planned + 1, #effect.planned do
    for _, text in ipairs(effect.describe(effect.planned[i])) do
      output.text(text .. "\n")
    end
  end
  self.planned = #effect.planned
end

-- In the task of the chunk; printing, too, may run a script's code.
function Session:execute(code)
  self.count = self.count + 1
  local script = require("godwit.cli.eval").script(code,
    "=repl#" .. self.count)
  require("godwit.trace").remember(script.chunk, code)
  local fn, why = sys.load(script.text, script.chunk, self.env)
  if not fn then
    err.throw("usage", "%s", tostring(why))
  end
  local all = table.pack(fn()) -- no tail call: it stays in the traceback
  self:show(code, table.pack(table.unpack(all, script.skip + 1, all.n)))
end

--- Runs one chunk to its end; what fails is said and remembered.
function Session:run(code)
  self.running = task.spawn(self.execute, self, code)
  local ok, e = pcall(task.join, self.running)
  if not ok and task.cancelled() then -- the whole program is to end
    task.cancel(self.running)
    error(e, 0)
  end
  self.running = nil
  if self.interrupted then
    sys.stop_dealt()
  end
  self:show_plan()
  if ok then
    return
  end
  e = err.from(e)
  if self.interrupted and e.kind == "cancelled" then
    output.say("Interrupted.")
  else
    output.fail(e, exit.of(e))
  end
  self.code = self.code or exit.of(e)
end

function Session:go_on()
  while true do
    self.interrupted = false
    local code = self:read()
    if code == nil then
      return
    elseif code and code:find("%S") then
      self:run(code)
    end
  end
end

-- the terminal -----------------------------------------------------------

local function prompt_of(flags)
  if flags.dry_run then
    return "plan> "
  elseif flags.allow_write then
    return "write " .. table.concat(flags.allow_write, " ") .. "> "
  end
  return "godwit> "
end

-- Ctrl-C: what runs, else the line that is typed. Until what runs has ended,
-- a second one still leaves at once.
function Session:interrupt()
  self.interrupted = true
  if self.running then
    return task.cancel(self.running)
  elseif self.editor:stop() then
    sys.write(2, "^C\n")
  end
  sys.stop_dealt()
end

local function read_edited(editor, prompt)
  local ok, line = pcall(editor.read, editor, prompt)
  if not ok then -- the program is to end
    sys.write(2, "\n")
    error(line, 0)
  end
  return line
end

local function on_terminal(self, flags)
  local complete = require("godwit.cli.complete")
  local history = require("godwit.cli.history")
  local completion = { env = self.env, profiles =
    require("godwit.config").names(),
    modules = require("godwit.globals").names() }
  local editor <close> = err.check(require("godwit.core.edit").open(
    function(before)
      return complete.of(completion, before)
    end))
  self.editor, self.prompt = editor, prompt_of(flags)
  for _, line in ipairs(history.load()) do
    editor:remember(line)
  end
  function self:line(prompt)
    local line = read_edited(editor, prompt)
    local kept = line and history.add(line)
    if kept then
      editor:remember(kept)
    end
    return line
  end
  local main = require("godwit.cli.main")
  local handler <close> = setmetatable({}, { __close = function()
    main.on_interrupt(nil)
  end })
  main.on_interrupt(function(signal)
    if signal ~= SIGINT then
      return false
    end
    self:interrupt()
    return true
  end)
  output.note("godwit %s. Tab completes, _ is the last value, Ctrl-D leaves.",
    sys.version)
  self:go_on()
  sys.write(2, "\n")
  history.settle()
end

function M.run(cx)
  local flags = cx.flags
  if output.is_json() then
    err.throw("usage", "repl is for people to read; with --json, use eval")
  end
  require("godwit.cli.workflow").restrict(flags)
  output.note("%s: repl", flags.dry_run and "plan, nothing is written"
    or "apply")
  local self = setmetatable({ count = 0, planned = 0,
    env = require("godwit.closed").prompt(
      require("godwit.cli.globals").make({})) }, Session)
  if sys.isatty(0) and sys.isatty(1) then
    on_terminal(self, flags)
    self.code = nil -- somebody saw what failed
  else
    self.line = function()
      return sys.read_line()
    end
    self:go_on()
  end
  if flags.dry_run then
    output.note("Plan: %d %s, none of them made.", self.planned,
      self.planned == 1 and "write" or "writes")
  end
  return self.code or 0
end

return M
