-- godwit init and the editor: settings, definitions, and what is not touched.
local cli = require("support.cli")
local fs = require("godwit.core.fs")
local json = require("godwit.core.json")

local function names(folder)
  local list = {}
  for _, entry in ipairs(assert(fs.list(folder))) do
    list[#list + 1] = entry.name
  end
  return list
end

local function read(path)
  return assert(fs.read(path, 1 << 20))
end

test("settings and definitions: relative, valid, the program's own", function(t)
  local home = cli.home(t)
  local r = home:expect(0, { "init", "--editor" })
  t:match(r.out, "Wrote %.luarc%.json for the editor")
  t:match(r.out, "Wrote the definitions .- to %.godwit/meta")
  local doc = json.decode(read(home.cwd .. "/.luarc.json"))
  t:eq(doc["workspace.library"], { ".godwit/meta" })
  t:eq(doc["runtime.version"], "Lua 5.4")
  -- What a script lacks (of os it has a part, which the definitions name).
  t:eq(doc["runtime.builtin"], { debug = "disable", io = "disable",
    os = "disable", package = "disable" })
  t:eq(home:expect(0, { "eval", "debug, io, package" }).out,
    "nil\nnil\nnil\n")
  t:no(read(home.cwd .. "/.luarc.json"):find(home.dir, 1, true))
  local source = cli.source() .. "/lualib/godwit/meta/public"
  local made = home.cwd .. "/.godwit/meta/godwit"
  t:eq(names(made), names(source))
  for _, name in ipairs(names(made)) do
    t:eq(read(made .. "/" .. name), read(source .. "/" .. name))
  end
  t:eq(read(home.cwd .. "/.godwit/.gitignore"), "*\n")
  r = home:expect(0, { "init", "--editor" })
  t:match(r.out, "%.luarc%.json is there already and stays as it is%.")
  t:match(r.out, "up to date")
end)

test("a project gets them without being asked, another folder does not",
  function(t)
    local home = cli.home(t)
    home:expect(0, { "init" })
    t:eq(names(home.cwd), {})
    fs.mkdir(home.cwd .. "/policies")
    home:expect(0, { "init" })
    t:ok(fs.stat(home.cwd .. "/.luarc.json"))
    home = cli.home(t)
    home:project("return {}")
    local doc = json.decode(home:expect(0, { "init", "--json" }).out)
    t:ok(doc.editor.created and doc.editor.changed > 10)
  end)

test("settings of one's own stay, with what to add", function(t)
  local home = cli.home(t)
  local mine = "// mine\n{ }\n"
  home:write("work/.luarc.json", mine)
  local r = home:expect(0, { "init", "--editor" })
  t:match(r.out, "stays as it is; add to it: "
    .. '"runtime%.version": "Lua 5%.4", "workspace%.library": %["%.godwit/meta"%]')
  t:eq(read(home.cwd .. "/.luarc.json"), mine)
  t:ok(fs.stat(home.cwd .. "/.godwit/meta/godwit/http.lua"))
  home = cli.home(t)
  home:write("work/.luarc.jsonc", mine)
  t:match(home:expect(0, { "init", "--editor" }).out, "%.luarc%.jsonc is there")
  t:no(fs.stat(home.cwd .. "/.luarc.json"))
end)

test("definitions of another version are replaced, one's own files not",
  function(t)
    local home = cli.home(t)
    home:write("work/.godwit/meta/godwit/http.lua", "---@meta\n-- old\n")
    home:write("work/.godwit/meta/godwit/gone.lua", "---@meta\n-- old\n")
    home:write("work/.godwit/meta/godwit/mine.lua", "return 1\n")
    home:expect(0, { "init", "--editor" })
    local made = home.cwd .. "/.godwit/meta/godwit/"
    t:match(read(made .. "http.lua"), "http = {}")
    t:no(fs.stat(made .. "gone.lua"))
    t:eq(read(made .. "mine.lua"), "return 1\n")
  end)

test("nothing is written through a link", function(t)
  local home = cli.home(t)
  local elsewhere = home.dir .. "/elsewhere"
  assert(fs.mkdir(elsewhere))
  assert(fs.symlink(elsewhere, home.cwd .. "/.godwit"))
  local r = home:expect(2, { "init", "--editor" })
  t:match(r.err, "%.godwit is there and is no folder")
  t:eq(names(elsewhere), {})
end)
