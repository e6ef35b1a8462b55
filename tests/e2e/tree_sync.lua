-- tree.sync in scripts: which folders they may open, what a plan says, what
-- is left when it fails half-way.
local cli = require("support.cli")
local fs = require("godwit.core.fs")
local json = require("godwit.core.json")

local SCRIPT = [[
local from, to, how = table.unpack(godwit.args)
local opts = how == "delete" and { delete = true } or nil
if how == "twice" then tree.sync(from, to) end
local ok, r = pcall(tree.sync, from, to, opts)
if not ok then
  print(r.kind)
  error(r)
end
return r
]]

local function world(t)
  local home = cli.home(t)
  home:write("work/sync.lua", SCRIPT)
  home:write("work/in/a", "a")
  home:write("work/in/d/b", "b")
  home:write("private/secret", "secret")
  return home
end

local function sync(home, code, words, env)
  local argv = { "run", "sync.lua", "--json", env = env }
  table.move(words, 1, #words, #argv + 1, argv)
  local r = home:expect(code, argv)
  r.doc = json.decode(r.out)
  return r
end

local function exists(home, path)
  return fs.stat(home.dir .. "/" .. path) ~= nil
end

test("a script has no folder but those it is given", function(t)
  local home = world(t)
  local r = sync(home, 9, { "--", "in", "out" })
  t:match(r.err, "may not write to that folder; add %-%-allow%-write %./out")
  t:no(exists(home, "work/out"))
  r = sync(home, 9, { "--allow-write", "./out", "--", "./in", "out" })
  t:match(r.err, "may not read that folder; add %-%-allow%-read %./in")
  t:no(exists(home, "work/out"))
  local both = { "--allow-read", "in", "--allow-write", "./out", "--" }
  r = sync(home, 0, { "--allow-read", "in", "--allow-write", "./out", "--", "./in", "out/new/deep" })
  t:eq(r.doc.result, { outcome = "created", files = 2, written = 2, unchanged = 0, deleted = 0, skipped = 0,
    bytes = 2 })
  t:eq(fs.read(home.cwd .. "/out/new/deep/d/b"), "b")
  for _, place in ipairs { "out/../elsewhere", "out2", ".", "..", home.dir .. "/private", "out/new/../../x",
    "missing/../out/../in" } do
    local argv = { table.unpack(both) }
    table.move({ "in", place }, 1, 2, #argv + 1, argv)
    r = home:run { "run", "sync.lua", table.unpack(argv) }
    t:ok(r.code == 9 or place:find("^missing") and r.code == 2, place .. " " .. r.code .. r.err)
  end
  t:no(exists(home, "work/elsewhere") or exists(home, "work/out2"))
  -- Writing does not open what may only be read, reading nothing else.
  sync(home, 9, { "--allow-read", "in", "--allow-read", "./out", "--", "in", "out" })
  sync(home, 9, { "--allow-read", "in", "--allow-write", "./out", "--", "../private", "out" })
  t:no(exists(home, "work/out/secret"))
  -- A folder that may be written to may be read.
  sync(home, 0, { "--allow-write", "./out", "--", "out/new", "out/copy" })
end)

test("a link does not lead out of what is allowed", function(t)
  local home = world(t)
  assert(fs.mkdir(home.cwd .. "/out", 448))
  assert(fs.symlink(home.dir .. "/private", home.cwd .. "/out/door"))
  assert(fs.symlink(home.dir .. "/private", home.cwd .. "/in/door"))
  local flags = { "--allow-read", "in", "--allow-write", "./out", "--" }
  local function with(...)
    local argv = { table.unpack(flags) }
    return table.move({ ... }, 1, select("#", ...), #argv + 1, argv)
  end
  sync(home, 9, with("in", "out/door"))
  sync(home, 9, with("in", "out/door/new"))
  sync(home, 9, with("in/door", "out"))
  t:no(exists(home, "private/a") or exists(home, "private/new"))
  -- As what it is it is copied.
  sync(home, 0, with("in", "out/copy"))
  t:eq(fs.stat(home.cwd .. "/out/copy/door").type, "link")
  -- The folder that was named may be a link itself: that is the person's.
  assert(fs.symlink(home.dir .. "/private", home.cwd .. "/mine"))
  sync(home, 0, { "--allow-read", "./mine", "--allow-write", "./out", "--", "mine", "out/mine" })
  t:ok(exists(home, "work/out/mine/secret"))
end)

test("a plan writes nothing and says what it would do", function(t)
  local home = world(t)
  local flags = { "--allow-read", "in", "--allow-write", "./out", "--" }
  local function run(code, more, ...)
    local argv = { table.unpack(more) }
    table.move(flags, 1, #flags, #argv + 1, argv)
    return sync(home, code, table.move({ ... }, 1, select("#", ...), #argv + 1, argv))
  end
  local r = run(0, { "-n" }, "in", "out")
  t:eq({ r.doc.mode, r.doc.result.outcome, r.doc.result.written }, { "plan", "created", 2 })
  t:match(r.doc.planned[1], "^folder%.sync out")
  t:no(exists(home, "work/out"))
  run(0, {}, "in", "out")
  home:write("work/in/a", "A")
  home:write("work/out/old", "")
  r = run(0, { "-n" }, "in", "out", "delete")
  t:eq({ r.doc.result.written, r.doc.result.unchanged, r.doc.result.deleted }, { 1, 1, 1 })
  t:match(table.concat(r.doc.planned, "\n"), 'delete: ""?old')
  t:eq(fs.read(home.cwd .. "/out/a"), "a")
  t:ok(exists(home, "work/out/old"))
  r = run(0, {}, "in", "out", "delete")
  t:eq({ r.doc.result.written, r.doc.result.unchanged, r.doc.result.deleted }, { 1, 1, 1 })
  -- Also what is looked at needs its flag.
  sync(home, 9, { "-n", "--", "in", "out" })
  sync(home, 9, { "-n", "--allow-read", "in", "--", "in", "out" })
end)

test("a policy's transform takes files from a folder that is allowed", function(t)
  local e2e = require("support.e2e")
  local w = e2e.seeded(t)
  assert(fs.mkdir(w.home .. "/overlay/conf", 448))
  assert(fs.write(w.home .. "/overlay/conf/prod.json", "{}", 420))
  assert(fs.write(w.home .. "/p.lua", [[
local tree = require "godwit.tree"
return { transform = function(files) tree.sync("overlay", files) end }
]], 384))
  local words = { "acme/Hello", "--policy", "p.lua" }
  local r = w:promote(words)
  t:eq(r.code, 9, r.out .. r.err)
  t:match(r.out, "add %-%-allow%-read %./overlay")
  table.move({ "--allow-read", "./overlay" }, 1, 2, 4, words)
  e2e.expect(w:promote(words), 0)
  t:eq(w.prod:read("acme/Hello").texts["conf/prod.json"], "{}")
end)

test("a folder given as a parameter may be used, a default may not", function(t)
  local home = world(t)
  home:write("work/flow.lua", [[
return {
  summary = "Copies.",
  params = { from = { "folder" }, out = { "folder", default = "./out" } },
  run = function(cx)
    cx:each({ "one" }, function()
      return tree.sync(cx.params.from, cx.params.out).outcome
    end)
  end,
}
]])
  local r = home:expect(9, { "run", "flow.lua", "--from", "in" })
  t:match(r.err .. r.out, "%-%-allow%-write %./out")
  home:expect(0, { "run", "flow.lua", "--from", "in", "--out", "./out" })
  t:ok(exists(home, "work/out/a"))
  home:expect(0, { "run", "flow.lua", "--from", "in", "--allow-write", "./out" })
  home:expect(0, { "run", "flow.lua", "--from", "in", "--out", "out/n", "-n" })
  t:no(exists(home, "work/out/n"))
  -- A configuration may have come with the script.
  home:project('return { defaults = { out = "./sly" } }')
  home:expect(9, { "run", "flow.lua", "--from", "in" })
  home:expect(0, { "run", "flow.lua", "--from", "in", env = { GODWIT_OUT = "out/e" } })
  t:ok(exists(home, "work/out/e/a"))
  home:project('return { defaults = { allow_read = "/" } }')
  home:expect(2, { "run", "flow.lua", "--from", "in" })
  fs.remove(home.cwd .. "/godwit.config.lua")
  -- What things are taken from is not written to.
  home:write("work/back.lua", [[
return { params = { from = "folder", out = "folder" }, run = function(cx)
  cx:each({ 1 }, function() return tree.sync(cx.params.out, cx.params.from).outcome end)
end }
]])
  home:expect(9, { "run", "back.lua", "--from", "in", "--out", "out" })
end)

test("a full disk leaves each file whole, and no temporary one", function(t)
  local home = world(t)
  home:write("work/in/a", ("new"):rep(100))
  home:write("work/out/a", "old")
  local flags = { "--allow-read", "in", "--allow-write", "./out", "--", "in", "out" }
  for _, fault in ipairs { "root.write", "root.fsync", "root.rename", "root.mkdir" } do
    local r = home:run { "run", "sync.lua", env = { GODWIT_FAULT = fault }, table.unpack(flags) }
    if r.code == 0 then t:skip("built without GODWIT_FAULTS") end
    t:eq(r.code, 1, fault)
    t:match(r.err, "tree%.sync to out: folder:")
    t:eq(fs.read(home.cwd .. "/out/a"):match("^o?l?d?n?"), fault == "root.mkdir" and "n" or "old", fault)
    for _, e in ipairs(fs.list(home.cwd .. "/out")) do
      t:no(e.name:find("^%.godwit"), fault)
    end
    fs.remove_tree(home.cwd .. "/out")
    home:write("work/out/a", "old")
  end
  local r = home:run { "run", "sync.lua", env = { GODWIT_FAULT = "root.changed" }, table.unpack(flags) }
  t:match(r.err, "changed while it was read")
  t:eq(fs.read(home.cwd .. "/out/a"), "old")
  r = home:run { "run", "sync.lua", env = { GODWIT_FAULT = "root.open" }, table.unpack(flags) }
  t:match(r.err, "folder: a: Permission denied")
  t:eq(r.code, 1)
  sync(home, 0, flags)
  t:eq(sync(home, 0, flags).doc.result.outcome, "unchanged")
end)
