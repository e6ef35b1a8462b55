--- Where a script's modules come from: its own folder and those that were
--- declared, whatever the folder one stands in or the system says.
local cli = require("support.cli")
local fs = require("godwit.core.fs")

local function home_with(t, files)
  local home = cli.home(t)
  for path, text in pairs(files) do
    home:write(path, text)
  end
  return home
end

test("beside the script, then declared folders, then GODWIT_PATH", function(t)
  local home = home_with(t, {
    ["scripts/main.lua"] = [[
      local names = {}
      for _, name in ipairs { "a", "b", "c", "lib.deep", "pack" } do
        names[#names + 1] = require(name)
      end
      print(table.concat(names, " "))]],
    ["scripts/a.lua"] = "return 'beside'",
    ["scripts/lib/deep.lua"] = "return 'deep'",
    ["scripts/pack/init.lua"] = "return 'pack'",
    ["declared/a.lua"] = "return 'declared'",
    ["declared/b.lua"] = "return 'declared'",
    ["team/a.lua"] = "return 'team'",
    ["team/b.lua"] = "return 'team'",
    ["team/c.lua"] = "return 'team'",
    ["work/c.lua"] = "return 'here'",
  })
  t:eq(home:expect(0, { "run", "../scripts/main.lua", "--lua-path",
    "../declared", env = { GODWIT_PATH = home.dir .. "/team" } }).out,
    "beside declared team deep pack\n")
end)

test("neither where one stands nor where the system looks", function(t)
  local home = home_with(t, {
    ["scripts/main.lua"] = "require 'here'",
    ["work/here.lua"] = "print 'loaded'",
    ["system/here.lua"] = "print 'loaded'",
  })
  local system = home.dir .. "/system/?.lua"
  for _, words in ipairs { { "run", "../scripts/main.lua" },
    { "eval", "require 'here'" } } do
    words.env = { LUA_PATH = system, LUA_PATH_5_4 = system,
      LUA_CPATH = system }
    local r = home:expect(1, words)
    t:match(r.err, "module 'here' not found")
    t:no(r.all:find("loaded", 1, true))
  end
  local r = home:expect(1, { "run", "../scripts/main.lua", "--lua-path",
    "../system/.." })
  t:match(r.err, "looked for %.%./scripts/here%.lua, "
    .. "%.%./scripts/here/init%.lua, %.%./system/%.%./here%.lua")
  r = home:expect(1, { "eval", "require 'here'" })
  t:match(r.err, "%-%-lua%-path DIR says where yours are")
  home:expect(0, { "eval", "require 'here'", "--lua-path", "." })
end)

test("a name leads nowhere but down", function(t)
  local home = home_with(t, { ["scripts/main.lua"] = "require(godwit.args[1])",
    ["scripts/sub/x.lua"] = "", ["secret.lua"] = "print 'loaded'" })
  for _, name in ipairs { "..secret", "../secret", "sub/../../secret", ".",
    "", "/secret", "sub..x", ".sub.x", "sub.x.", "a\\b", "secret\0",
    home.dir .. "/secret" } do
    if not name:find("\0") then
      local r = home:expect(1, { "run", "../scripts/main.lua", "--", name })
      t:match(r.err, "bad module name", name)
      t:no(r.all:find("loaded", 1, true), name)
    end
  end
  t:match(home:expect(1, { "eval", "require 'secret\\0'" }).err,
    "bad module name")
  home:expect(0, { "run", "../scripts/main.lua", "--", "sub.x" })
end)

test("a link in the folder is followed; what is no file is said to be none",
  function(t)
    local home = home_with(t, { ["scripts/main.lua"] = "print(require 'm')",
      ["elsewhere/real.lua"] = "return 'real'" })
    assert(fs.symlink("../elsewhere/real.lua",
      home.dir .. "/scripts/m.lua"))
    t:eq(home:expect(0, { "run", "../scripts/main.lua" }).out, "real\n")
    fs.remove(home.dir .. "/scripts/m.lua")
    fs.mkdir(home.dir .. "/scripts/m.lua", 448)
    t:match(home:expect(1, { "run", "../scripts/main.lua" }).err,
      "main%.lua:1: [^\n]*scripts/m%.lua: not a regular file")
  end)

test("what is wrong in a module is shown in the module", function(t)
  local home = home_with(t, {
    ["work/main.lua"] = "local m = require 'm'\n\nm.run()\n",
    ["work/m.lua"] = "local M = {}\nfunction M.run()\n  local x\n"
      .. "  return x.y\nend\nreturn M\n" })
  local r = home:expect(1, { "run", "main.lua" })
  t:match(r.err, "error: %./m%.lua:4: attempt to index a nil value")
  t:match(r.err, "\n  > 4 |   return x%.y\n")
  t:match(r.err, "called at main%.lua:3\n")
  home:write("work/m.lua", "local M = {\n")
  r = home:expect(1, { "run", "main.lua" })
  t:match(r.err, "error: %./m%.lua:%d: .-expected")
end)

test("where code comes from is said on the command line only", function(t)
  local home = home_with(t, { ["work/godwit.config.lua"] =
    "return { defaults = { lua_path = '.' } }", ["work/m.lua"] =
    "print 'loaded'" })
  local r = home:expect(2, { "eval", "require 'm'" })
  t:match(r.err, "%-%-lua%-path is for the command line, not for the "
    .. "defaults of [^\n]*godwit%.config%.lua")
  t:no(r.all:find("loaded", 1, true))
  home:write("work/godwit.config.lua", "return {}")
  r = home:expect(1, { "eval", "require 'm'",
    env = { GODWIT_LUA_PATH = "." } })
  t:match(r.err, "GODWIT_LUA_PATH in the environment is no setting")
  t:match(home:expect(2, { "eval", "1", "--lua-path", "nowhere" }).err,
    "%-%-lua%-path: there is no folder nowhere")
end)
