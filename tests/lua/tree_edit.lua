-- What a policy's transform and a script's edit do to a tree: filter,
-- template, exists, and paths that no tree can hold.
local err = require("godwit.err")
local glob = require("godwit.tree.glob")
local repo = require("support.gitrepo")
local tree = require("godwit.tree")
local git = require("godwit.git")

local function new_tree(t, files)
  local store = git.open_store(repo.bare(t:tmpdir() .. "/r.git"))
  t:defer(function()
    store:close()
  end)
  local tr = tree.open(store.core, nil)
  for path, text in pairs(files) do
    tr:write(path, text)
  end
  return tr, store
end

local function paths(tr)
  local list = {}
  for path in tr:each() do
    list[#list + 1] = path
  end
  return table.concat(list, " ")
end

test("exists: files and folders with files in them", function(t)
  local tr = new_tree(t, { ["a/b/c"] = "1", d = "2" })
  for _, path in ipairs { "a", "a/b", "a/b/c", "d" } do
    t:ok(tr:exists(path), path)
  end
  for _, path in ipairs { "b", "a/b/c/d", "a/", "", "/d", "../d" } do
    t:no(tr:exists(path), path)
  end
  tr:remove("a/**")
  t:no(tr:exists("a"))
  tr:move("d", "d/e")
  t:ok(tr:exists("d/e") and tr:exists("d"))
  tr:save()
  t:ok(tr:exists("d") and not tr:exists("a/b"))
end)

test("filter keeps what matches", function(t)
  local files = { ["src/a.py"] = "", ["src/a_test.py"] = "", ["data/x.bin"] = "", README = "" }
  local tr = new_tree(t, files)
  t:eq(tr:filter { "**.py", "README", "!**_test.py" }, 2)
  t:eq(paths(tr), "README src/a.py")
  t:eq(tr:filter("**"), 0)
  tr = new_tree(t, files)
  t:eq(tr:filter { "!data/**" }, 1)
  t:eq(paths(tr), "README src/a.py src/a_test.py")
  t:raises("usage", function() tr:filter { "lib/**", "*.c" } end, "no file matches lib/%*%*, %*%.c")
  t:eq(paths(tr), "README src/a.py src/a_test.py")
  t:raises("usage", function() tr:filter {} end, "list of globs is empty")
  t:raises("usage", function() tr:filter(3) end, "not a number")
  t:raises("usage", function() tr:filter { "a", "" } end, "glob 2")
  t:eq(tree.open(tr.store, nil):filter("x"), 0) -- nothing there, nothing lost
  t:ok(glob.chooser({ "!a" })("b"))
end)

test("template replaces placeholders", function(t)
  local tr = new_tree(t, {
    ["conf.json"] = '{"db": "{{db}}", "n": {{ n }}, "t": {{on}}}',
    ["web.html"] = "{{ user | upper }} {% x %} {{{db}}} {{",
    ["b.bin"] = "{{db}}\0",
    ["other.txt"] = "{{db}}",
  })
  t:eq(tr:template("*.{json}", { db = "x" }), 0) -- no such file
  t:eq(tr:template("[bcw]*", { db = "{{n}}", n = 7, on = true, unused = 1 }), 2)
  t:eq(tr:read("conf.json"), '{"db": "{{n}}", "n": 7, "t": true}')
  t:eq(tr:read("web.html"), "{{ user | upper }} {% x %} {{{n}}} {{")
  t:eq(tr:read("b.bin"), "{{db}}\0")
  t:eq(tr:read("other.txt"), "{{db}}")
  t:eq(tr:template("other.txt", function(name, path) return name .. "@" .. path end), 1)
  t:eq(tr:read("other.txt"), "db@other.txt")
  tr:write("sh", "a=<%a%> {{a}}")
  t:eq(tr:template("sh", { a = 1 }, { open = "<%", close = "%>" }), 1)
  t:eq(tr:read("sh"), "a=1 {{a}}")
end)

test("template: a name without a value names file, line and what is known", function(t)
  local tr = new_tree(t, { a = "{{x}}", b = "1\n2\n{{ x }}{{ y }}\n" })
  t:raises("usage", function() tr:template("*", { x = "1", z = 2 }) end,
    'b:3: there is no value for "y"; known are: x, z')
  t:eq(tr:read("a"), "{{x}}") -- nothing changed
  t:raises("usage", function() tr:template("b", {}) end, "known are: none")
  t:raises("usage", function() tr:template("b", { x = {} }) end, 'b:3: the value of "x" is a table')
  t:raises("usage", function() tr:template("b", function() end) end, "the function gave none")
  t:raises(nil, function() tr:template("b", "x") end, "a table or a function")
  t:raises(nil, function() tr:template("b", {}, { open = "" }) end, "are texts")
end)

test("paths that no tree can hold are refused where they are written", function(t)
  local tr = new_tree(t, { a = "1", ["d/x"] = "2" })
  local cases = {
    { "../x", "leads elsewhere" }, { "a/../../x", "leads elsewhere" }, { "./x", "leads elsewhere" },
    { "/etc/passwd", "begins with a /" }, { "", "is empty" }, { "x//y", "is empty" }, { "x/", "is empty" },
    { ".git", "Git names its own folder" }, { "sub/.GiT/hooks/x", "Git names its own folder" },
    { ".g\u{200c}it/x", "Git names its own folder" }, { "git~1", "Git names its own folder" },
    { "a\0b", "has a NUL" }, { ("n"):rep(256), "longer than 255" }, { ("n/"):rep(2000) .. "x", "longer than 4000" },
    { 7, "is a number" }, { {}, "is a table" },
  }
  for _, c in ipairs(cases) do
    t:raises("usage", function() tr:write(c[1], "x") end, c[2])
    t:raises("usage", function() tr:move("a", c[1]) end, c[2])
    t:raises("usage", function() tr:move("d", c[1]) end, c[2])
  end
  t:raises("usage", function() tr:move("d", ("n/"):rep(1999) .. "nn") end, "longer than 4000")
  t:eq(paths(tr), "a d/x")
  -- The sentence comes where the script stands.
  local ok, e = xpcall(function() tr:write("../x", "x") end, err.traced)
  t:no(ok)
  t:match(err.script_line(e), "tree_edit.lua:%d+$")
  for _, path in ipairs { "a b", "a\nb", "ä", "-n", "...", ".gitignore", "a:b", ("n"):rep(255) } do
    tr:write(path, "fine")
  end
  tr:save()
  t:eq(tr:read("a\nb"), "fine")
end)

test("a path in a sentence is UTF-8, whatever it is and wherever it is cut",
  function(t)
    local quote = require("godwit.tree.path").quote
    t:eq(quote("bad\xff\xfe!"), [["bad\255\254!"]])
    t:eq(quote("é\xe6\x97"), [["é\230\151"]])
    t:eq(quote(("日"):rep(30)), '"' .. ("日"):rep(26) .. '…"')
    t:eq(quote(("x"):rep(80) .. "é"), '"' .. ("x"):rep(80) .. '…"')
    t:eq(quote("a\n\0\"\\"), [["a\n\0\"\\"]])
    for n = 1, 90 do
      t:ok(utf8.len(quote(("\xe6"):rep(n))), n)
      t:ok(utf8.len(quote(("x"):rep(n) .. ("\u{10ffff}"):rep(30))), n)
    end
  end)

test("a move that cannot be leaves the tree as it was", function(t)
  local tr = new_tree(t, { a = "1", b = "2", ["d/x"] = "3" })
  t:raises("conflict", function() tr:move("a", "b/c") end, "b is a file")
  t:raises("conflict", function() tr:move("a", "d") end, "d is a folder")
  t:raises("notfound", function() tr:move("none", "x") end)
  t:eq(paths(tr), "a b d/x")
  tr:move("a", "b") -- as mv does
  t:eq(tr:read("b"), "1")
end)

test("many files: writing does not look at all of them each time", function(t)
  local tr = new_tree(t, {})
  for i = 1, 20000 do
    tr:write(("d%d/e%d/f%d"):format(i % 100, i % 7, i), "")
  end
  t:raises("conflict", function() tr:write("d1/e1", "") end, "is a folder")
  t:eq(tr:remove("d1/**"), 200)
  tr:write("d1", "")
  t:no(tr:exists("d1/e1"))
end)
