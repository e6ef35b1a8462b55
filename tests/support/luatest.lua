--- The test runner: loads each file with `test(name, fn)` and `assert`
--- (luassert), runs every test in a task of its own, and fails one that
--- leaves anything running. Also GODWIT_TEST_FILTER: a pattern for names.
local luassert = require("luassert")
local core = require("godwit.core.task")
local err = require("godwit.err")
local sys = require("godwit.core.sys")
local task = require("godwit.task")

local M = {}

local LIMIT = 120 -- seconds for one test, unless it names others

local function say(fmt, ...)
  sys.write(2, fmt:format(...) .. "\n")
end

local T = {}
T.__index = T

--- Equal, tables by their contents: (actual, expected).
function T:eq(actual, expected, message)
  luassert.same(expected, actual, message)
end

function T:ok(value, message)
  luassert.truthy(value, message)
  return value
end

function T:no(value, message)
  luassert.falsy(value, message)
end

--- The text has the pattern in it.
function T:match(text, pattern)
  luassert.is_string(text)
  if not text:find(pattern) then
    error(("no %q in %q"):format(pattern, text), 2)
  end
end

--- fn raises an error of that kind (nil: any) whose text has the pattern;
--- returns it.
function T:raises(kind, fn, pattern, ...)
  local ok, e = pcall(fn, ...)
  if ok then error("nothing was raised", 2) end
  if kind and not err.is(e, kind) then
    error(("expected an error of kind %s, got: %s"):format(kind, tostring(e)), 2)
  end
  if pattern and not tostring(e):find(pattern) then
    error(("no %q in the error: %s"):format(pattern, tostring(e)), 2)
  end
  return e
end

--- Runs fn when the test has ended, the last one first.
function T:defer(fn)
  self.deferred[#self.deferred + 1] = fn
end

--- The fault module, disarmed afterwards; skips where it is not compiled in.
function T:faults()
  local ok, fault = pcall(require, "godwit.core.fault")
  if not ok then self:skip("built without GODWIT_FAULTS") end
  self:defer(function()
    fault.disarm()
    fault.alloc()
  end)
  return fault
end

--- Runs fn again and again; in the n-th run Lua's n-th allocation fails, and
--- every later one, until a run needs fewer. Each must raise or succeed, and
--- leave no task. Returns the number of runs.
function T:starve(fn)
  local fault = self:faults()
  for n = 1, 20000 do
    collectgarbage()
    fault.alloc(n)
    local ok, e = pcall(fn)
    local reached = fault.alloc()
    while core.live() > self.live do
      core.sleep(0)
    end
    if not reached then
      if not ok then error(e, 0) end
      return n
    end
    if not ok and not tostring(e):find("memory") then
      error(("allocation %d: %s"):format(n, tostring(e)), 0)
    end
  end
  error("never enough memory")
end

--- The same with the faults of C: the n-th call that can fail, fails. `check`
--- is called after each run with whether fn succeeded, and its error.
function T:break_each(fn, check)
  local fault = self:faults()
  for n = 0, 10000 do
    fault.arm(n)
    local ok, e = pcall(fn)
    local reached = fault.disarm()
    if not reached then
      if not ok then error(e, 0) end
      return n
    end
    if check then check(ok, e) end
  end
  error("always another fault")
end

--- Ends the test as not run; counted.
function T:skip(why)
  error({ skip = why }, 0)
end

--- A new empty folder, removed afterwards.
function T:tmpdir()
  local fs = require("godwit.core.fs")
  local dir = err.check(fs.mktemp(sys.env("TMPDIR") or "/tmp", "godwit-test"))
  self:defer(function()
    -- A job that outlived its task may put something in meanwhile.
    local deadline = sys.monotonic() + 10
    while true do
      local ok, e = fs.remove_tree(dir)
      if ok then return end
      if sys.monotonic() > deadline then error(e, 0) end
      core.sleep(0.02)
    end
  end)
  return dir
end

local function run_deferred(t)
  local first
  for i = #t.deferred, 1, -1 do
    local ok, e = xpcall(t.deferred[i], err.traced)
    if not ok then first = first or e end
  end
  if first then error(first, 0) end
end

--- A handler that leaves luassert's and our own tables as they are.
local function traced(e)
  if type(e) == "table" and e.skip then return e end
  if type(e) == "table" and not err.is(e) and e.message then
    e = tostring(e.message)
  end
  return err.traced(e)
end

--- Our own child processes, as the kernel knows them.
local function children()
  local f <close> = io.open("/proc/thread-self/children")
  local n = 0
  for _ in (f and f:read("a") or ""):gmatch("%d+") do
    n = n + 1
  end
  return n
end

--- Nothing may be left: what a test started is over when it ends.
local function settle(tasks, processes)
  for _ = 1, 100 do
    if core.live() <= tasks and children() <= processes then return end
    core.sleep(0.005)
  end
  error(("still running after the test: %d task(s), %d process(es)"):format(
    core.live() - tasks, children() - processes), 0)
end

local function run_one(case)
  local t = setmetatable({ deferred = {}, name = case.name }, T)
  t.live = core.live() + 3 -- the case, its deadline and the timer of that
  local before, processes = core.live(), children()
  local child = task.spawn(function()
    local ok, e = xpcall(function()
      task.deadline(case.limit or LIMIT, function()
        local good, bad = xpcall(case.fn, traced, t)
        if not good then error(bad, 0) end
      end)
    end, traced)
    run_deferred(t)
    if not ok then error(e, 0) end
  end)
  local ok, e = core.join(child)
  local clean, left = pcall(settle, before, processes)
  if ok and not clean then
    ok, e = false, left
  end
  return ok, e
end

--- The environment of a test file: everything of Lua, and ours.
local function environment(cases)
  local env = setmetatable({}, { __index = _G })
  env._G = env
  env.assert = luassert
  function env.test(name, fn, limit)
    cases[#cases + 1] = { name = name, fn = fn, limit = limit }
  end
  return env
end

function M.run(argv)
  local passed, failed, skipped = 0, {}, 0
  local filter = sys.env("GODWIT_TEST_FILTER")
  for _, file in ipairs(argv) do
    local cases = {}
    local f <close> = assert(io.open(file))
    local chunk, why = load(f:read("a"), "@" .. file, "t", environment(cases))
    if not chunk then
      say("%s", why)
      return 1
    end
    chunk()
    for _, case in ipairs(cases) do
      if not filter or case.name:find(filter) then
        local started = sys.monotonic()
        local ok, e = run_one(case)
        if ok then
          passed = passed + 1
        elseif type(e) == "table" and (e.skip or e.value and e.value.skip) then
          skipped = skipped + 1
          say("skipped  %s: %s", case.name, e.skip or e.value.skip)
        else
          failed[#failed + 1] = case.name
          say("FAILED   %s\n  %s", case.name, tostring(e))
          if type(e) == "table" and e.traceback then say("%s", e.traceback) end
        end
        local took = sys.monotonic() - started
        if took > 5 then say("slow     %s: %.1f s", case.name, took) end
      end
    end
  end
  say("%d passed, %d failed, %d skipped", passed, #failed, skipped)
  for _, name in ipairs(failed) do
    say("  failed: %s", name)
  end
  if #failed > 0 or passed + skipped == 0 then return 1 end
  return 0
end

return M
