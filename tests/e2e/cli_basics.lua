local args = require("godwit.cli.args")
local cli = require("support.cli")
local commands = require("godwit.cli.commands")
local fs = require("godwit.core.fs")
local json = require("godwit.core.json")

test("version, in both spellings, loads no configuration", function(t)
  local home = cli.home(t)
  home:config("this is no Lua")
  home:project("neither is this")
  t:match(home:expect(0, { "version" }).out, "^godwit %d+%.%d+%.%d+\n$")
  t:match(home:expect(0, { "--version" }).out, "^godwit ")
  local doc = json.decode(home:expect(0, { "version", "--json" }).out)
  t:eq(doc.name, "godwit")
end)

test("help loads no configuration and names every command", function(t)
  local home = cli.home(t)
  home:config("this is no Lua")
  local r = home:expect(0, { "help" })
  t:eq(r.err, "")
  for _, name in ipairs { "promote", "migrate%-algorithms", "run", "eval",
    "list", "ls", "version%-map", "sandbox", "init", "trust", "cache" } do
    t:match(r.out, name)
  end
  t:eq(home:expect(0, { "--help" }).out, r.out)
  t:eq(home:expect(0, { "-h" }).out, r.out)
end)

-- Names of all workflows, as the program says.
local function workflows(home)
  local names = {}
  for i, w in ipairs(json.decode(home:expect(0, { "list", "--json" }).out)
    .workflows) do
    names[i] = w.name
  end
  return names
end

-- Parameters of a workflow or a command: what its help is made from.
local function parameters(home, name)
  local command = commands.find(name)
  if command then
    return args.regular(command, name).order
  end
  return json.decode(home:expect(0, { "inspect", name, "--json" }).out)
    .parameters
end

local function words_of(text)
  return " " .. text:gsub("%s+", " ") .. " "
end

test("every command has help, and no line is too long", function(t)
  local home = cli.home(t)
  local all = workflows(home)
  t:ok(#all >= 7, table.concat(all, " "))
  table.move(commands.ORDER, 1, #commands.ORDER, #all + 1, all)
  local program = home:expect(0, { "help" }).out
  for _, name in ipairs(all) do
    t:ok(program:find("\n  " .. name, 1, true), name)
    local r = home:expect(0, { name, "--help" })
    t:match(r.out, "^Usage: godwit")
    t:match(r.out, "Options of every command")
    for line in r.out:gmatch("[^\n]+") do
      t:ok(#line <= 110, line)
    end
    -- Each parameter is in it, and all of what is said of it.
    local said = words_of(r.out)
    for _, p in ipairs(parameters(home, name)) do
      local what = name .. " " .. p.name
      t:ok(p.hidden or p.help and said:find(words_of(p.help):sub(1, -2), 1, true),
        what)
      if not p.hidden and not p.positional and p.flag then
        local flag = p.type == "boolean" and p.default == true
          and "--[no-]" .. p.flag:sub(3) or p.flag
        t:ok(r.out:find("\n  [^\n]*" .. flag:gsub("%p", "%%%0")
          .. "%f[^%w-]"), what)
      end
    end
    local doc = json.decode(home:expect(0, { name, "--help", "--json" }).out)
    t:eq(doc.help, r.out)
    t:eq(home:expect(0, { "help", name }).out, r.out)
  end
end)

test("every workflow takes -j", function(t)
  local home = cli.home(t)
  for _, name in ipairs(workflows(home)) do
    local words = { name }
    for _, p in ipairs(parameters(home, name)) do
      if p.required and p.flag then
        table.move({ p.flag, home.dir .. "/" .. p.name }, 1, 2, #words + 1,
          words)
      elseif p.required then
        words[#words + 1] = "acme"
      end
    end
    for jobs, said in pairs({ ["0"] = "%-%-jobs takes a whole number",
        ["x"] = "%-%-jobs takes a whole number" }) do
      t:match(home:expect(2, { name, "-j", jobs }).err, said)
    end
    -- What is wrong then is something else.
    for _, flags in ipairs({ { "-j", "3" }, { "--jobs", "3" }, { "-j3" } }) do
      local r = home:run(table.move(flags, 1, #flags, #words + 1,
        table.move(words, 1, #words, 1, {})))
      t:ok(r.code ~= 0)
      t:no(r.err:find("jobs", 1, true) or r.err:find("option", 1, true), r.err)
    end
  end
end)

test("a second name is the same command", function(t)
  local home = cli.home(t)
  t:eq(home:expect(0, { "migrate-algorithms", "--help" }).out,
    home:expect(0, { "promote", "--help" }).out)
end)

test("a wrong value from elsewhere is named with its place", function(t)
  local home = cli.home(t)
  local r = home:expect(2, { "version", env = { GODWIT_JOBS = "many" } })
  t:match(r.err, "%-%-jobs %(GODWIT_JOBS%) takes a whole number")
end)

test("wrong command lines end with 2 and one sentence", function(t)
  local home = cli.home(t)
  local wrong = {
    { { "pormote" }, "did you mean 'promote'" },
    { { "lst" }, "did you mean 'list'" },
    { { "xyzzy" }, "there is no command 'xyzzy'" },
    { { "--jsn" }, "did you mean '%-%-json'" },
    { { "version", "--jsn" }, "did you mean '%-%-json'" },
    { { "version", "more" }, "more arguments" },
    { { "version", "--color", "pink" }, "auto, always, never" },
    { { "version", "-j", "0" }, "%-%-jobs takes a whole number" },
    { { "version", "-j", "many" }, "%-%-jobs takes" },
    { { "ls" }, "CLUSTER is missing" },
    { { "trust" }, "FILE is missing" },
    { { "trust", "nowhere" }, "there is no file nowhere" },
    { { "cache", "purge" }, "must be one of prune" },
    { { "cache", "prune", "--max-size", "big" }, "takes a size" },
    { { "help", "nothing" }, "there is no command" },
    { { "run" }, "needs a file" },
    { { "run", "nosuch" }, "no workflow 'nosuch'" },
    { { "run", "./nosuch.lua" }, "no file %./nosuch%.lua" },
    { { "nosuch.lua" }, "no file nosuch%.lua" },
    { { "sandbox", "--name", "../x" }, "%-%-name takes letters" },
    { { "sandbox", "--seed", "x" }, "must be one of" },
    { { "promote" }, "is missing" },
    { { "promote", "a/b", "--form", "dev" }, "did you mean '%-%-from'" },
    { { "promote", "a/b", "--from", "x", "--to", "y", "--publish", "big" },
      "must be one of" },
    { { "promote", "a/b", "--from", "x", "--from", "y", "--to", "z" },
      "%-%-from is given twice" },
  }
  for _, case in ipairs(wrong) do
    local r = home:expect(2, case[1])
    t:eq(r.out, "")
    t:match(r.err, "^error: [^\n]+\n$")
    t:match(r.err, case[2])
    case[1][#case[1] + 1] = "--json"
    local doc = json.decode(home:expect(2, case[1]).out)
    t:eq({ doc.error.kind, doc.error.exit }, { "usage", 2 })
    t:match(doc.error.message, case[2])
  end
end)

test("no command at all shows help on stderr", function(t)
  local r = cli.home(t):expect(2, {})
  t:eq(r.out, "")
  t:match(r.err, "Usage: godwit COMMAND")
end)

test("misspelt variables are named, known ones are not", function(t)
  local home = cli.home(t)
  local r = home:expect(0, { "version", env = { GODWIT_STATEDIR = "/x",
    GODWIT_PUBLISH = "major", GODWIT_QUIET = "0", GODWIT_BUILD_SECONDS = "1",
    GODWIT_VERBOSE = "1" } })
  t:match(r.err, "GODWIT_STATEDIR .-did you mean 'GODWIT_STATE_DIR'")
  local _, lines = r.err:gsub("\n", "")
  t:eq(lines, 1)
  t:match(r.out, "^godwit ")
end)

test("a wrong value in a variable is an error that names it", function(t)
  local r = cli.home(t):expect(2, { "version",
    env = { GODWIT_JSON = "perhaps" } })
  t:match(r.err, "GODWIT_JSON is 'perhaps'")
end)

test("init writes a configuration that works, and never over one", function(t)
  local home = cli.home(t)
  local path = home.dir .. "/.config/godwit/config.lua"
  t:match(home:expect(0, { "init" }).out, "Wrote ")
  t:eq(fs.stat(path).mode & 511, 384)
  local text = fs.read(path, 1 << 20)
  local r = home:expect(2, { "ls", "dev" })
  t:match(r.err, "there is no cluster 'dev'; none is configured %(name it in "
    .. "~/.config/godwit/config.lua%)")
  t:match(home:expect(0, { "doctor" }).out, "no cluster is configured\n"
    .. " +%-> name one in ~/.config/godwit/config.lua\n")
  fs.write(path, text .. "-- mine\n", 384)
  t:no(fs.stat(home.cwd .. "/.luarc.json"))
  local doc = json.decode(home:expect(0, { "init", "--editor", "--json" }).out)
  t:eq({ doc.config.created, doc.editor.created }, { false, true })
  t:eq(fs.read(path, 1 << 20), text .. "-- mine\n")
end)

test("init writes where --config says", function(t)
  local home = cli.home(t)
  home:expect(0, { "init", "--config", home.dir .. "/new/c.lua" })
  t:ok(fs.stat(home.dir .. "/new/c.lua"))
end)

test("the cache is pruned, the longest unused first", function(t)
  local home = cli.home(t)
  home:write(".cache/godwit/git/a.git/HEAD", ("x"):rep(2000))
  home:write(".cache/godwit/git/b.git/objects/p", ("x"):rep(3000))
  home:write(".cache/godwit/git/readme", "not a store")
  local dry = json.decode(home:expect(0, { "cache", "prune", "--max-size",
    "0", "-n", "--json" }).out)
  t:eq({ #dry.removed, dry.removed_bytes, dry.dry_run }, { 2, 5000, true })
  t:ok(fs.stat(home.dir .. "/.cache/godwit/git/a.git"))
  t:match(home:expect(0, { "cache", "prune", "--max_size", "0" }).out,
    "Removed 2, 4%.9 KiB")
  t:eq(fs.stat(home.dir .. "/.cache/godwit/git/a.git"), nil)
  t:ok(fs.stat(home.dir .. "/.cache/godwit/git/readme"))
  t:match(home:expect(0, { "cache", "prune" }).out, "Removed 0")
end)

test("nobody reading any more is no error", function(t)
  local home = cli.home(t)
  local r = home:run { argv = { "sh", "-c",
    '"$0" help 2>err | true; cat err', cli.program() } }
  t:no(r.out:find("error"))
  t:no(r.out:find("Broken"))
end)

test("a result that a full disk does not take is no success", function(t)
  local home = cli.home(t)
  for _, words in ipairs { "help", "list --json", "version",
    "eval 'print(1)'", "eval 1 --json" } do
    local r = home:run { argv = { "sh", "-c", '"$0" ' .. words
      .. " >/dev/full; echo $?", cli.program() } }
    t:match(r.out, "^1\n")
    t:match(r.err, "No space left")
  end
end)

test("colors are for terminals, and for who asks", function(t)
  local home = cli.home(t)
  t:no(home:expect(2, { "xyzzy" }).err:find("\27"))
  t:match(home:expect(2, { "xyzzy",
    env = { CLICOLOR_FORCE = "1" } }).err, "\27")
  t:no(home:expect(2, { "xyzzy", env = { CLICOLOR_FORCE = "1",
    NO_COLOR = "1" } }).err:find("\27"))
end)
