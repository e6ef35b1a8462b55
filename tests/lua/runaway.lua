-- Scripts that do not end or want all memory, each in a process of its own.
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local process = require("godwit.core.process")
local sys = require("godwit.core.sys")

local PRELUDE = [[
local closed = require("godwit.closed")
local core = require("godwit.core.task")
local function script(code)
  local child = core.spawn(assert(closed.load(code, "@s.lua",
    { task = "godwit.task" })))
  local ok, e = core.join(child)
  return ok, tostring(e)
end
]]

--- Runs code as a test file; returns the exit code and what it printed.
local function isolated(t, code, env)
  local file = t:tmpdir() .. "/case.lua"
  err.check(fs.write(file, PRELUDE .. code))
  local vars = sys.environ()
  vars.GODWIT_GC_STRESS = nil
  for k, v in pairs(env) do
    vars[k] = v
  end
  local p <close> = err.check(process.start({
    argv = { sys.self_exe(), file }, env = vars, stderr = true }))
  local text = {}
  for chunk in function() return p:read_err() end do
    text[#text + 1] = chunk
  end
  return p:wait(), table.concat(text)
end

local LIMIT = { GODWIT_TEST_CPU_SECONDS = "0.2" }

local loops = {
  ["a plain loop"] = "while true do end",
  ["a loop that catches everything"] = "while true do pcall(error) end",
  ["a loop around its own limit error"] = [[
    while true do pcall(function() while true do end end) end]],
  ["a loop in a coroutine"] = [[
    while true do
      coroutine.resume(coroutine.create(function()
        while true do pcall(function() while true do end end) end
      end))
    end]],
  ["a loop in a close handler"] = [[
    local c <close> = setmetatable({}, { __close = function()
      while true do end
    end })
    error("x")]],
  ["a loop in a metamethod of sort"] = [[
    table.sort({ 3, 2, 1 }, function() while true do end end)]],
  ["a loop in an error handler"] = [[
    xpcall(error, function() while true do end end)
    while true do end]],
  ["a loop in a tostring of the error"] = [[
    error(setmetatable({}, { __tostring = function() while true do end end }))]],
}

for name, code in pairs(loops) do
  test("stopped: " .. name, function(t)
    local status, text = isolated(t, ([[
      test("case", function(t)
        local ok, e = script(%q)
        t:no(ok)
        t:ok(e:find("without waiting") or e:find("error in error handling")
          or e:find("C stack overflow"), e)
        -- and the host goes on
        t:ok(script("return 1"))
        t:ok(script("for i = 1, 1e6 do end"))
      end)]]):format(code), LIMIT)
    t:eq(status, 0, text)
  end)
end

test("a call into C that does not end ends the process, and says so", function(t)
  local status, text = isolated(t, [[
    test("case", function(t)
      script("return ('x'):rep(100000):find('x*x*x*x*y')")
    end)]], LIMIT)
  t:eq(status, 1)
  t:match(text, "godwit: s.lua:1: a call of the script does not end")
end)

test("a task that waits may take as long as it likes", function(t)
  local status, text = isolated(t, [[
    test("case", function(t)
      t:ok(script("for i = 1, 10 do for j = 1, 3e6 do end task.sleep(0) end"))
    end)]], LIMIT)
  t:eq(status, 0, text)
end)

local LIMITED = [[
local err = require("godwit.err")
local real = require("godwit.task")
local function limited(seconds, code)
  local ok, e = real.limited(seconds, assert(closed.load(code, "@s.lua",
    { task = "godwit.task" })))
  return ok, tostring(e)
end
]]

local exhausting = {
  ["at once"] = "while true do end",
  ["between waits"] = [[
    while true do
      for i = 1, 1e5 do end
      task.sleep(0)
    end]],
  ["that catches everything"] = [[
    while true do pcall(function()
      while true do task.sleep(0) for i = 1, 1e5 do end end
    end) end]],
  ["in a task it starts"] = [[
    task.each({ 1 }, function() while true do end end)]],
}

for name, code in pairs(exhausting) do
  test("a limit ends a task of its own, " .. name, function(t)
    local status, text = isolated(t, LIMITED .. ([[
      test("case", function(t)
        local ok, e = limited(0.2, %q)
        t:no(ok)
        t:ok(e:find("computed for 0.2 seconds"), e)
        -- the task that asked goes on, with its own time
        for i = 1, 1e7 do end
        t:ok(limited(5, "for i = 1, 1e6 do end"))
      end)]]):format(code), {})
    t:eq(status, 0, text)
  end)
end

test("a call into C that does not end is given as much as its limit",
function(t)
  -- With the host's own limit it would be killed by the test's.
  local status, text = isolated(t, LIMITED .. [[
    test("case", function(t)
      limited(0.2, "\n local s = ('x'):rep(100000) s:find('x*x*x*x*y')")
    end)]], { GODWIT_TEST_CPU_SECONDS = "1000" })
  t:eq(status, 1)
  t:match(text, "godwit: [%w.]+:2: a call of the script does not end")
end)

test("a limit within a limit is the smaller one", function(t)
  local status, text = isolated(t, LIMITED .. [[
    test("case", function(t)
      local ok, e = real.limited(0.2, function()
        core.limit(100)
        while true do end
      end)
      t:no(ok)
      t:ok(tostring(e):find("computed for 0.2 seconds"), tostring(e))
    end)]], {})
  t:eq(status, 0, text)
end)

test("cancelling who asked cancels the limited task", function(t)
  local status, text = isolated(t, LIMITED .. [[
    test("case", function(t)
      local said
      local asker = core.spawn(function()
        real.limited(5, function()
          local ok, e = pcall(core.sleep, 1000)
          said = e
          error(e, 0)
        end)
      end)
      core.sleep(0.01)
      core.cancel(asker)
      local ok, e = core.join(asker)
      t:no(ok)
      t:ok(err.is(e, "cancelled"), tostring(e))
      t:ok(err.is(said, "cancelled"), tostring(said))
    end)]], {})
  t:eq(status, 0, text)
end)

local hungry = {
  ["texts"] = "local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1e6) .. i end",
  ["tables"] = "local t = {} for i = 1, 1e9 do t = { t, {}, {} } end",
  ["coroutines"] = [[local t = {} for i = 1, 1e9 do
    t[i] = coroutine.create(function() end) end]],
  ["one big text"] = "return ('x'):rep(200 * 1024 * 1024)",
  ["formatting"] = [[local s = "x" while true do
    s = string.format("%s%s", s, s) end]],
  ["concatenation"] = "local s = 'x' while true do s = s .. s end",
  ["unpacking"] = "return table.concat({ ('x'):rep(1e8):byte(1, -1) })",
}

for name, code in pairs(hungry) do
  test("memory ends, the host goes on: " .. name, function(t)
    local status, text = isolated(t, ([[
      test("case", function(t)
        local ok, e = script(%q)
        t:no(ok)
        t:ok(e:find("not enough memory") or e:find("too many results")
          or e:find("slice too long"), e)
        t:ok(script("return 1"))
      end)]]):format(code), { GODWIT_MEMORY = "64" })
    t:eq(status, 0, text)
  end)
end
