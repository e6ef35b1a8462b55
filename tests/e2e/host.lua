-- The program as a process: signals, exit codes, what it gives away.
local badserver = require("support.badserver")
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local process = require("godwit.core.process")
local sys = require("godwit.core.sys")
local task = require("godwit.task")

local PROGRAM = os.getenv("GODWIT_BUILD") .. "/godwit"

--- Starts the program with a home of its own.
local function start(t, argv, more)
  local home = t:tmpdir()
  local env = { HOME = home, PATH = sys.env("PATH"), NO_COLOR = "1",
    XDG_CONFIG_HOME = home .. "/c", XDG_STATE_HOME = home .. "/s",
    XDG_CACHE_HOME = home .. "/k" }
  for k, v in pairs(more or {}) do
    env[k] = v
  end
  local p = err.check(process.start({ argv = { PROGRAM, table.unpack(argv) },
    env = env, cwd = home, stdout = true, stderr = true }))
  t:defer(function() p:close() end)
  return p, home
end

local function finish(p)
  local out, errors = {}, {}
  task.all({
    function()
      for chunk in function() return p:read() end do out[#out + 1] = chunk end
    end,
    function()
      for chunk in function() return p:read_err() end do
        errors[#errors + 1] = chunk
      end
    end,
  })
  return p:wait(), table.concat(out), table.concat(errors)
end

local function run(t, argv, more)
  return finish((start(t, argv, more)))
end

test("it starts within milliseconds", function(t)
  local least = math.huge -- what the machine does meanwhile is not its fault
  for _ = 1, 5 do
    local started = sys.monotonic()
    t:eq(run(t, { "version" }), 0)
    least = math.min(least, sys.monotonic() - started)
  end
  t:ok(least < 1)
end)

test("the first signal ends the script's waits, in order; the exit code is its",
  function(t)
    for signo, code in pairs({ [2] = 130, [15] = 143 }) do
      local p = start(t, { "eval", [[
        local c <close> = setmetatable({}, { __close = function()
          task.sleep(0.01) print("cleaned") end })
        print("ready")
        while true do pcall(task.sleep, 100) end]] })
      local text = ""
      while not text:find("ready") do
        text = text .. p:read()
      end
      p:kill(signo)
      local status, out = finish(p)
      t:eq(status, code)
      t:match(out, "cleaned")
    end
  end)

test("a second signal leaves at once", function(t)
  local p = start(t, { "eval", [[
    local c <close> = setmetatable({}, { __close = function()
      print("cleaning") task.sleep(100) end })
    print("ready")
    task.sleep(100)]] })
  local text = ""
  while not text:find("ready") do
    text = text .. p:read()
  end
  p:kill(2)
  while not text:find("cleaning") do
    text = text .. p:read()
  end
  p:kill(2)
  t:eq((finish(p)), 130)
end)

test("a signal ends a script that computes, within a second of CPU",
  function(t)
    local p = start(t, { "eval", "print('ready') while true do end" })
    local text = ""
    while not text:find("ready") do
      text = text .. p:read()
    end
    p:kill(2)
    local started = sys.monotonic()
    t:eq((finish(p)), 130)
    t:ok(sys.monotonic() - started < 60)
  end)

test("a second signal ends a script that computes, too",
  function(t)
    local p = start(t, { "eval", "print('ready') while true do end" })
    local text = ""
    while not text:find("ready") do
      text = text .. p:read()
    end
    p:kill(15)
    task.sleep(0.1)
    p:kill(15)
    t:eq((finish(p)), 143)
  end)

test("no core files, and nothing for a debugger of the same user", function(t)
  local p = start(t, { "eval", "print('ready') task.sleep(100)" })
  local text = ""
  while not text:find("ready") do
    text = text .. p:read()
  end
  local f <close> = assert(io.open(("/proc/%d/limits"):format(p.pid)))
  t:match(f:read("a"), "Max core file size%s+0%s+0")
end)

test("GODWIT_PATH: a module that shadows one of ours is announced", function(t)
  local dir = t:tmpdir()
  fs.mkdir(dir .. "/godwit")
  err.check(fs.write(dir .. "/godwit/log.lua",
    'return { info = function() print("theirs") end, setup = function() end }'))
  err.check(fs.write(dir .. "/team.lua", "return { answer = 42, io = io }"))
  local code, out, errors = run(t, { "eval",
    "return require 'team'.answer, require 'team'.io" },
    { GODWIT_PATH = "/nowhere:" .. dir })
  t:eq(code, 0, errors)
  t:match(out, "42")
  t:match(errors, "godwit.log is taken from .*/godwit/log.lua")
end)

test("a script out of memory fails; nothing else happens", function(t)
  local code, _, errors = run(t, { "eval",
    "local t = {} while true do t = { t, ('x'):rep(1e6) } end" },
    { GODWIT_MEMORY = "32" })
  t:eq(code, 1)
  t:match(errors, "not enough memory")
end)

test("the bodies of requests and answers have a bound together", function(t)
  local b = badserver.start(t)
  local code, out, errors = run(t, { "eval", ([[
    local url = %q
    print(err.is(select(2, pcall(http.get, url .. "/endless",
      { max_body = 1 << 50 })), "nomem"))
    local n, kinds = 0, {}
    task.each({ 1, 2, 3, 4, 5, 6 }, function()
      local ok, e = pcall(http.get, url .. "/endless", { max_body = 1 << 50 })
      kinds[e.kind] = true
      n = n + 1
    end, { jobs = 6 })
    print(n, kinds.nomem)
    print(http.get(url .. "/ok").status)]]):format(b.url) },
    { GODWIT_MEMORY = "64" })
  t:eq(code, 0, errors)
  t:match(out, "^true\n6\ttrue\n")
  t:match(out, "\n200\n$")
end)
