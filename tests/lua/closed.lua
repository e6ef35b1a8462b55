local closed = require("godwit.closed")
local core = require("godwit.core.task")
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local task = require("godwit.task")

local function run(code, globals)
  local fn = assert(closed.load(code, "@/nowhere/script.lua", globals))
  return fn()
end

test("what scripts need is there", function(t)
  t:eq(run("return 1 + #'ab'"), 3)
  t:eq(run("return string.format('%5.1f', math.pi), table.concat({1,2}, '-')"),
    "  3.1")
  t:eq(run("return ('x'):rep(3) .. utf8.char(233) .. os.date('!%Y', 0)"),
    "xxxé1970")
  t:eq(run("local ok, e = pcall(error, {a=1}) return e.a"), 1)
  t:eq(run("return select('#', load('return ...')(1, 2))"), 2)
  t:eq(run("return load('return x', 'n', 't', {x = 5})()"), 5)
  t:eq(run("local n = 0 return load(function() n = n + 1 "
    .. "return ({'return', ' 7'})[n] end)()"), 7)
  t:eq(run("x = 1 return _G.x + _ENV.x"), 2)
  t:eq(run("return type(collectgarbage('count'))"), "number")
  t:eq(run("return tostring(setmetatable({}, {__tostring = function() "
    .. "return 'me' end}))"), "me")
  t:eq(run("return getmetatable(setmetatable({}, {a = 4})).a"), 4)
end)

test("what scripts must not have is not there", function(t)
  for _, name in ipairs({
    "io", "debug", "package", "dofile", "loadfile", "os.execute", "os.exit",
    "os.getenv", "os.remove", "os.rename", "os.tmpname", "os.setlocale",
    "string.dump", "('').dump",
  }) do
    t:eq(run("return " .. name), nil)
  end
end)

local hostile = {
  ["bytecode"] = { "return assert(load('\\27Lua'))", "binary" },
  ["bytecode by mode"] = { "return assert(load('\\27Lua', 'x', 'b'))", "text" },
  ["a finalizer"] = { "setmetatable({}, {__gc = print})", "finalizers" },
  ["stopping the collector"] = { "collectgarbage('stop')", "count" },
  ["the string metatable"] = { "getmetatable('').__index.rep = nil",
    "attempt to index" },
  ["setting the string metatable"] = { "setmetatable('', {})", "bad argument" },
  ["writing a module"] = { "err.new = 1", "read%-only" },
  ["writing inside a module"] = { "require 'json'.x = 1", "read%-only" },
  ["changing a module's metatable"] = { "setmetatable(err, {})", "protected" },
  ["changing the environment's metatable"] = { "setmetatable(_G, {})",
    "protected" },
  ["core modules"] = { "require 'godwit.core.sys'", "not found" },
  ["library modules that are not public"] = { "require 'godwit.effect'",
    "not found" },
  ["modules outside the folder"] = { "require '../../etc/passwd'", "bad module" },
  ["modules with dots"] = { "require '..x'", "bad module" },
  ["absolute modules"] = { "require '/etc/passwd'", "bad module" },
  ["hidden functions"] = { "require 'task'.spawn(print)", "nil value" },
  ["the class of errors"] = { "getmetatable(require 'err'.new{}).__tostring = 1",
    "attempt to index" },
  ["huge texts"] = { "return ('x'):rep(1 << 40)", "too large" },
  ["huge texts by separator"] = { "return string.rep('', 1 << 30, 'xxxx')",
    "too large" },
  ["a C stack overflow by parsing"] = { "return assert(load('return ' .. "
    .. "('('):rep(100000)))", "overflow" },
  ["endless recursion"] = { "local function f() return 1 + f() end f()",
    "stack overflow" },
  ["endless recursion through pcall"] = {
    "local function f() local a, b = pcall(f) error(b, 0) end f()", "overflow" },
  ["endless recursion through metatables"] = {
    "local t = {} setmetatable(t, {__index = function(t, k) return t[k] end}) "
    .. "return t.x", "overflow" },
  ["a deep cjson text"] = { "return cjson.decode(('['):rep(100000))", "nested" },
  ["a deep cjson value"] = { "local t = {} for i = 1, 2000 do t = {t} end "
    .. "return cjson.encode(t)", "levels deep" },
  ["a cycle for cjson"] = { "local t = {} t[1] = t return cjson.encode(t)",
    "levels deep" },
  ["much from little for cjson"] = { "local t = {'x'} for i = 1, 40 do "
    .. "t = {t, t} end return cjson.encode(t)", "larger than" },
  ["a deeper cjson"] = { "cjson.decode_max_depth(1e6)", "depth up to" },
  ["a deeper cjson instance"] = { "cjson.new().decode_max_depth(1e6)",
    "depth up to" },
  ["a sparse array for cjson"] = { "return cjson.encode({[1 << 30] = 1})",
    "sparse" },
  ["resuming a task"] = { "local me = coroutine.running() "
    .. "return assert(coroutine.wrap(function() "
    .. "coroutine.resume(me) end)())", "task" },
  ["closing a task"] = { "coroutine.close((coroutine.running()))", "task" },
  ["yielding from a task"] = { "coroutine.yield()", "outside a coroutine" },
  ["a bad xpcall handler"] = { "error(setmetatable({}, {__tostring = "
    .. "function() error('no') end}))", "" },
  ["a waiting metamethod of sort"] = { "table.sort({2, 1}, function() "
    .. "require 'task'.sleep(0) end)", "callback of 'sort'" },
  ["a waiting replacement"] = { "('x'):gsub('x', function() "
    .. "require 'task'.sleep(0) end)", "callback of 'gsub'" },
  ["waiting in a coroutine"] = { "coroutine.wrap(function() "
    .. "require 'task'.sleep(0) end)()", "coroutine of the script's own" },
}

for name, case in pairs(hostile) do
  test("a script cannot have " .. name, function(t)
    local child = task.spawn(run, case[1], { err = "godwit.err",
      cjson = "cjson" })
    local ok, e = core.join(child)
    t:no(ok)
    t:match(err.is(e) and e.message or tostring(e), case[2])
  end)
end

test("a library's method table is not reachable through an object", function(t)
  local class = { hello = function() return 1 end }
  class.__index = class
  local object = setmetatable({}, class)
  t:eq(run("return getmetatable(object)", { object = setmetatable(object,
    class) }), "locked")
  t:eq(run("return object:hello()", { object = object }), 1)
end)

test("a wait inside a coroutine is named, and pcall does not hide it", function(t)
  local ok, e = run([[
    local task = require "task"
    local co = coroutine.create(function() task.sleep(0) end)
    return coroutine.resume(co)]])
  t:eq(ok, false)
  t:match(tostring(e), "coroutine of the script's own")
end)

test("own coroutines work", function(t)
  t:eq(run([[
    local sum = 0
    for v in coroutine.wrap(function()
      for i = 1, 3 do coroutine.yield(i) end
    end) do sum = sum + v end
    local co = coroutine.create(function() error("x") end)
    local ok = coroutine.resume(co)
    return sum .. tostring(ok) .. coroutine.status(co)
      .. tostring(coroutine.close(co))]]), "6falsedeadfalse")
end)

test("pcall does not keep a cancelled script going", function(t)
  local count = 0
  local child = task.spawn(run, [[
    while true do pcall(sleep, 10) count() end]],
    { sleep = task.sleep, count = function() count = count + 1 end })
  task.sleep(0.01)
  core.cancel(child)
  local ok, e = core.join(child)
  t:no(ok)
  t:eq(e.kind, "cancelled")
  t:eq(count, 0)
end)

test("the traceback names the script's line", function(t)
  local child = task.spawn(run, "local x = 1\nlocal y = nil\nreturn x + y.z")
  local _, e = core.join(child)
  t:match(e.message, "script.lua:3: attempt to index")
  t:eq(err.script_line(e), "/nowhere/script.lua:3")
  child = task.spawn(run, "local e = require 'err'\n\ne.throw('limit', 'x')")
  _, e = core.join(child)
  t:eq(e.kind, "limit")
  t:eq(err.script_line(e), "/nowhere/script.lua:3")
end)

test("modules beside the script are required, once, in its environment",
  function(t)
    local dir = t:tmpdir()
    fs.mkdir(dir .. "/lib")
    err.check(fs.write(dir .. "/lib/a.lua",
      "hits = (hits or 0) + 1 return { n = hits, io = io }"))
    err.check(fs.write(dir .. "/loop.lua", "return require 'loop'"))
    err.check(fs.write(dir .. "/late.lua", "require 'task'.sleep(0)"))
    err.check(fs.write(dir .. "/bad.lua", "x ="))
    local function at(code)
      return assert(closed.load(code, "@" .. dir .. "/s.lua"))()
    end
    t:eq(at("local a, b = require 'lib.a', require 'lib.a' "
      .. "return a == b and a.n, a.io"), 1)
    t:raises(nil, at, "requires itself", "require 'loop'")
    t:raises("usage", at, "top level of module 'late'", "require 'late'")
    t:raises(nil, at, "bad.lua:1", "require 'bad'")
    t:eq(at("return rawequal(require 'err'.is, require 'godwit.err'.is)"), true)
  end)

test("globals: views, values, and modules when they are first used", function(t)
  local data = { list = { 1, 2, 3 }, _private = 1 }
  local function eval(code)
    return run(code, { data = data, n = 5, json = "godwit.json" })
  end
  t:eq(eval("return #data.list + n"), 8)
  t:eq(eval("local s = 0 for _, v in ipairs(data.list) do s = s + v end "
    .. "return s"), 6)
  t:eq(eval("local k = '' for name in pairs(data) do k = k .. name end "
    .. "return k"), "list")
  t:eq(eval("return data._private"), nil)
  t:raises(nil, eval, "read%-only", "data.list[1] = 2")
  t:eq(eval("return json.encode({1})"), "[1]")
  t:eq(eval("return rawget(_G, 'json')"), nil)
  t:eq(eval("return nope"), nil)
end)

test("cjson is what scripts know, and null is one", function(t)
  t:eq(run("return cjson.encode({1, 2, cjson.null})", { cjson = "cjson" }),
    "[1,2,null]")
  t:eq(run("return require 'cjson'.decode('{\"a\":[1]}').a[1]"), 1.0)
  t:eq(run("return require 'cjson'.null == require 'json'.null"), true)
  t:raises("usage", run, "known after apply",
    "return cjson.encode({ u })", { cjson = "cjson",
      u = require("godwit.unknown").new() })
  t:raises(nil, run, nil, "return cjson.encode({ s })", { cjson = "cjson",
    s = require("godwit.core.secret").new("something") })
end)

test("what is the library's own is hidden", function(t)
  local globals = require("godwit.cli.globals").make({})
  for _, name in ipairs({ "task.spawn", "task.cancel", "task.self",
    "task.lineage", "git.open_store", "log.setup", "log.before",
    "json.core", "err.core" }) do
    t:eq(run("return " .. name, globals), nil, name)
  end
end)

test("tables, errors and secrets that scripts meet cannot be turned", function(t)
  t:eq(run([[
    local err, json = require "err", require "json"
    local list = json.decode("[1]")
    return table.concat({
      tostring(pcall(setmetatable, list, {})),
      tostring(pcall(setmetatable, err.new {}, nil)),
      type(getmetatable(list)), type(getmetatable(err.new {})),
    }, " ")]]), "false false string string")
end)
