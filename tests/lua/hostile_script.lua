--- Scripts that try to get at files, at stores in use, or at the library's own
--- classes through what the modules take and give.
local closed = require("godwit.closed")
local err = require("godwit.err")
local fs = require("godwit.core.fs")

local MODULES = { http = "godwit.http", git = "godwit.git",
  tree = "godwit.tree", err = "godwit.err", task = "godwit.task" }

local function run(code, dir)
  local fn = assert(closed.load("local dir = ... " .. code,
    "@/nowhere/hostile.lua", MODULES))
  return fn(dir)
end

local function raised(fn)
  local ok, e = pcall(fn)
  assert(not ok, "nothing was raised")
  return e
end

test("an option that is not in the table itself is none", function(t)
  local dir = t:tmpdir()
  assert(fs.write(dir .. "/private", "text"))
  local e = raised(function()
    run([[http.get("http://127.0.0.1:1/", setmetatable({ retry = false },
      { __index = { from_file = dir .. "/missing" } }))]], dir)
  end)
  t:eq(err.from(e).kind, "net")
  for _, option in ipairs({ "from_file", "to_file" }) do
    e = raised(function()
      run(([[http.get("http://127.0.0.1:1/", setmetatable({ %s = dir .. "/x" },
        { __pairs = function() return next, {} end }))]]):format(option), dir)
    end)
    t:eq(err.from(e).kind, "denied")
  end
end)

test("tls options are these four", function(t)
  for _, option in ipairs({ "body_file", "sink_file", "url", "method" }) do
    local e = raised(function()
      run(([[http.get("http://127.0.0.1:1/", { tls = { %s = "x" } })]])
        :format(option))
    end)
    t:match(tostring(e), "unknown option '" .. option)
  end
end)

test("closing a store removes nothing but its own folder", function(t)
  local dir = t:tmpdir()
  assert(fs.write(dir .. "/precious", "text"))
  run([[local s = git.store() s.temporary = dir s:close()
    s = git.store() rawset(s, "temporary", dir) s:close() s:close()]], dir)
  t:eq(fs.read(dir .. "/precious"), "text")
end)

test("a remote does not change its mind", function(t)
  local dir = t:tmpdir()
  local e = raised(function()
    run([[local n = 0
      git.ls_remote(setmetatable({}, { __index = function(_, k)
        if k == "path" then n = n + 1 return n > 1 and dir or nil end
      end }))]], dir)
  end)
  t:match(tostring(e), "either a url or a path")
  e = raised(function()
    run([[git.ls_remote({ path = dir })]], dir)
  end)
  t:eq(err.from(e).kind, "denied")
end)

test("a store closed by the options of a call", function(t)
  raised(function()
    run([[local s = git.store()
      s:close()
      s:edit(nil, {})]])
  end)
  -- What is read has no say: nothing is closed while it is in use.
  local id = run([[local s <close> = git.store()
    return s:edit(nil, setmetatable({}, { __len = function() s:close() end,
      __index = function() s:close() return { path = "a", data = "x" } end }))]])
  t:eq(#id, 40)
  local e = raised(function()
    run([[local s <close> = git.store()
      s:make_commit(setmetatable({}, { __index = function()
        s:close() return ("a"):rep(40) end }))]])
  end)
  t:match(tostring(e), "missing option 'tree'")
end)

test("objects do not lead to their class", function(t)
  t:eq(run([[local s <close> = git.store() return s.__index]]), nil)
  t:eq(run([[return dir.__index]], require("godwit.tree").open({}, nil)), nil)
  t:eq(run([[return err.new({}).__index]]), nil)
  t:eq(run([[return task.semaphore(1).__index]]), nil)
end)
