--- Runs the program in an empty home folder of the test's own.
local fs = require("godwit.core.fs")
local process = require("godwit.core.process")
local sys = require("godwit.core.sys")
local task = require("godwit.task")

local M = {}

local Home = {}
Home.__index = Home

--- The program under test.
---@return string
function M.program()
  local build = sys.env("GODWIT_BUILD")
  return build and build .. "/godwit"
    or (sys.self_exe():gsub("[^/]*$", "godwit"))
end

--- The source tree.
---@return string
function M.source()
  return sys.env("GODWIT_SOURCE") or fs.cwd()
end

--- A home folder with nothing in it; env is what every run of it gets.
---@param t table
---@return table
function M.home(t)
  local dir = t:tmpdir()
  fs.mkdir(dir .. "/work", 448)
  return setmetatable({ dir = dir, cwd = dir .. "/work", env = {
    HOME = dir, PATH = sys.env("PATH"), LC_ALL = "C.UTF-8",
    TMPDIR = sys.env("TMPDIR"), ASAN_OPTIONS = sys.env("ASAN_OPTIONS"),
    UBSAN_OPTIONS = sys.env("UBSAN_OPTIONS"),
    TSAN_OPTIONS = sys.env("TSAN_OPTIONS"),
    LSAN_OPTIONS = sys.env("LSAN_OPTIONS"),
  } }, Home)
end

--- Writes a file below the home folder.
function Home:write(path, text, mode)
  path = self.dir .. "/" .. path
  fs.mkdir(path:match("^(.*)/"), 448)
  assert(fs.write(path, text, mode or 384))
  return path
end

--- Writes the user's configuration.
function Home:config(text, mode)
  return self:write(".config/godwit/config.lua", text, mode)
end

--- Writes the project's configuration.
function Home:project(text, mode)
  return self:write("work/godwit.config.lua", text, mode or 420)
end

local function drain(read)
  local parts = {}
  while true do
    local chunk = read()
    if not chunk or chunk == "" then
      return table.concat(parts)
    end
    parts[#parts + 1] = chunk
  end
end

--- Starts the program or, with opts.argv, another one.
---@param opts { [integer]: string, env?: table, argv?: string[], stdin?: string }
function Home:start(opts)
  local env, argv = {}, opts.argv or { M.program(), table.unpack(opts) }
  for name, value in pairs(self.env) do
    env[name] = value
  end
  for name, value in pairs(opts.env or {}) do
    env[name] = value or nil
  end
  local p, e = process.start { argv = argv, env = env, cwd = self.cwd,
    stdin = opts.stdin ~= nil, stdout = true, stderr = true }
  if not p then
    error(e, 0)
  end
  if opts.stdin then
    p:write(opts.stdin)
    p:close_stdin()
  end
  return p
end

--- Runs it to its end.
---@return { code: integer, out: string, err: string, all: string }
function Home:run(opts)
  local p = self:start(opts)
  local result = {}
  task.all {
    function()
      result.out = drain(function() return p:read() end)
    end,
    function()
      result.err = drain(function() return p:read_err() end)
    end,
  }
  result.code = p:wait()
  result.all = result.out .. result.err
  return result
end

--- Runs it and expects an exit code.
function Home:expect(code, opts)
  local result = self:run(opts)
  if result.code ~= code then
    error(("expected exit %d, got %s\nstdout: %s\nstderr: %s"):format(code,
      tostring(result.code), result.out, result.err), 2)
  end
  return result
end

--- Starts a sandbox that ends with the test; returns its address. It is
--- reached as sandbox:NAME.
---@param t table
---@param name string
---@param seed string
---@param more? string[]
---@return string api
function Home:sandbox(t, name, seed, more)
  local p = self:start { "sandbox", "--name", name, "--seed", seed,
    table.unpack(more or {}) }
  t:defer(function()
    p:kill(15)
    p:wait()
  end)
  local text = ""
  while not text:find("\n") do
    local chunk = p:read()
    if not chunk then
      error(("the sandbox %s did not start: %s"):format(name,
        drain(function() return p:read_err() end)), 2)
    end
    text = text .. chunk
  end
  return text:match("is ready at (%S+)")
end

return M
