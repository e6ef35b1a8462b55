-- Policy files: finding, loading, the forms of the points, what is said of
-- those that are none.
local check = require("godwit.policy.check")
local config = require("godwit.config")
local err = require("godwit.err")
local find = require("godwit.policy.find")
local fs = require("godwit.core.fs")
local line = require("godwit.policy.line")
local load = require("godwit.policy.load")
local places = require("godwit.config.places")
local policy = require("godwit.policy")

local function write(t, files)
  local dir = t:tmpdir()
  for path, text in pairs(files) do
    err.check(fs.mkdir((dir .. "/" .. path):match("^(.*)/"), 448))
    err.check(fs.write(dir .. "/" .. path, text, 420))
  end
  return dir
end

local function place(dir, name)
  return { path = dir .. "/" .. (name or "acme.lua"),
    label = "policies/" .. (name or "acme.lua"), forced = false,
    origin = "policies" }
end

local function loaded(t, text, more)
  local files = more or {}
  files["acme.lua"] = text
  return load.load(place(write(t, files)))
end

local function refused(t, text, pattern, more)
  return t:raises("usage", function()
    loaded(t, text, more)
  end, pattern)
end

test("a policy is a table of points, in all their forms", function(t)
  local file = loaded(t, [[
    local names = { Python = "Python 3" }
    return {
      select = { "acme/*", "!acme/Test*" },
      revision = "latest",
      map_owner = { acme = "labs" },
      map_name = function(name) return name end,
      map_environment = names,
      map_user = { ann = "anna", bob = { email = "b@x.org" }, eve = false },
      settings = { label = "x", pipeline_enabled = false, license = "mit",
        network_access = "full", callability = "private" },
      transform = function(tree, cx) end,
      message = "Promoted",
      version_step = false,
      gate = function(a, cx) end,
      on_drift = "merge",
      compare = function(old, new, cx) end,
      after = function(record, cx) end,
    }]])
  local n = 0
  for name in pairs(check.POINTS) do
    t:ok(file.points[name] ~= nil, name)
    n = n + 1
  end
  t:eq(n, 14)
  t:eq(#file.digest, 64)
end)

local BAD = {
  { "return 5", "acme.lua:1: a policy returns a table .*not a number" },
  { "", "acme.lua:1: .*not nothing" },
  { "return setmetatable({}, {})", "acme.lua:1: a policy returns" },
  { "return {\n\n  gates = function() end }",
    "acme.lua:3: there is no point 'gates' in a policy; did you mean 'gate'%?" },
  { "return { 'gate' }", "acme.lua:1: there is no point '1'" },
  { "return {\n  gate = { 'x' } }", "acme.lua:2: gate: expected a function, not a table" },
  { "return {\n  gate = true }", "acme.lua:2: gate: expected a function, not true" },
  { "return {\n  version_step = 'big' }",
    "acme.lua:2: version_step: expected minor, major, revision or no, not 'big'" },
  { "return {\n  version_step = true }", "version_step: expected minor" },
  { "return {\n  message = '  ' }", "acme.lua:2: message: the message of a commit is empty" },
  { "return {\n  message = 5 }", "message: expected a function or a text, not a number" },
  { "return {\n  select = 'acme/*' }", "select: expected a function or a list" },
  { "return {\n  select = { 'acme' } }", "acme.lua:2: select: expected a list of OWNER/NAME" },
  { "return {\n  select = {} }", "select: the list of what is selected is empty" },
  { "return {\n  select = { 'a/*', [3] = 'b/*' } }", "empty or has holes" },
  { "return {\n  map_name = { Old = 'New Name' } }",
    "acme.lua:2: map_name: Old: 'New Name' is not a name" },
  { "return {\n  map_owner = { 'labs' } }", "map_owner: expected a table of names" },
  { "return {\n  map_user = { ann = { nam = 'x' } } }",
    "map_user: ann: a user has no field 'nam'" },
  { "return {\n  map_user = { ann = 5 } }",
    "map_user: ann: expected a name, a table" },
  { "return {\n  map_user = 'x' }", "expected a function or a table" },
  { "return {\n  map_environment = { A = 1 } }",
    "map_environment: A: expected the name of an environment, not a number" },
  { "return {\n  settings = { tag_line = 'x' } }",
    "acme.lua:2: settings: there is no setting 'tag_line'; did you mean 'tagline'" },
  { "return {\n  settings = { pipeline_enabled = 'yes' } }",
    "settings: pipeline_enabled takes a boolean, not 'yes'" },
  { "return {\n  settings = { network_access = 'some' } }",
    "network_access is full or isolated, not 'some'" },
  { "return {\n  on_drift = 'adopt' }", "on_drift: expected refuse, overwrite or merge" },
  { "return {\n  revision = 'a b' }", "acme.lua:2: revision: 'a b' names no version" },
  { "return {\n  revision = 7 }", "revision: expected a function or a text" },
  { "return {", "acme.lua:1: .*expected" },
  { "\n\nerror('not today')", "acme.lua:3: not today" },
  { "\nerror({})", "acme.lua:[12]: raised a table instead of a text" },
  { "\27Lua", "acme.lua:1: attempt to load a binary chunk" },
  { "\nlocal x = nil\nreturn x.y", "acme.lua:3: attempt to index" },
  { "\nio.open('x')", "acme.lua:2: attempt to index a nil value %(global 'io'%)" },
  { "\ntask.sleep(0)", "acme.lua:2: cannot wait at the top level" },
  { "\nhttp.get('http://127.0.0.1:1/')", "cannot wait at the top level" },
}

for _, case in ipairs(BAD) do
  test("refused: " .. case[1]:gsub("%s+", " "), function(t)
    refused(t, case[1], case[2])
  end)
end

test("what some editors begin a text with is no error", function(t)
  local file = loaded(t, "\xEF\xBB\xBFreturn {\n  message = 'x' }")
  t:eq(file.points.message, "x")
end)

test("a policy that does not end when it is loaded is stopped", function(t)
  refused(t, "\nwhile true do end", "acme.lua:2: it computed for 5 seconds")
end)

test("what it requires beside it is part of its digest", function(t)
  local text = "local lib = require 'lib' return { message = lib.text }"
  local a = loaded(t, text, { ["lib.lua"] = "return { text = 'a' }" })
  local b = loaded(t, text, { ["lib.lua"] = "return { text = 'b' }" })
  local c = loaded(t, text, { ["lib.lua"] = "return { text = 'a' }" })
  t:eq(a.points.message, "a")
  t:eq(a.digest, c.digest)
  t:ok(a.digest ~= b.digest)
  refused(t, "return require 'lib'", "lib.lua:2: broken",
    { ["lib.lua"] = "\nerror 'broken'" })
end)

test("what the file does to its table later counts no more", function(t)
  local file = loaded(t, [[
    local p = { map_name = { A = "B" } }
    p.gate = function() p.map_name.A = "C" p.transform = 5 end
    return p]])
  file.points.gate()
  t:eq(file.points.map_name.A, "B")
  t:eq(file.points.transform, nil)
end)

test("a policy that others load has its own globals", function(t)
  local a = loaded(t, "x = 1 return { message = function() return x end }")
  local b = loaded(t, "return { message = function() return x end }")
  t:eq(a.points.message(), 1)
  t:eq(b.points.message(), nil)
end)

-- Lines ------------------------------------------------------------------

test("the line of a point is that of its field", function(t)
  local text = [[
-- gate = a comment
local gate = 5
local s = "transform = 1" --[=[ after = 2
]=]
local t = { inner = { select = 1 } }
return {
  transform = function(tree)
    local message = { gate = 1 }
    message = nil
    if x then gate = 2 end
  end,
  ["gate"] = function() end,
  message = "it's",
  select = { "a/b" },
}]]
  t:eq(line.of(text, "transform"), 7)
  t:eq(line.of(text, "gate"), 12)
  t:eq(line.of(text, "message"), 13)
  t:eq(line.of(text, "select"), 14)
  t:eq(line.of(text, "compare"), 1)
  text = "local P = {}\nfunction P.gate(a)\n  local x = 1\nend\n"
    .. "P.message = 'x'\nreturn P"
  t:eq(line.of(text, "gate"), 2)
  t:eq(line.of(text, "message"), 5)
end)

-- Finding ----------------------------------------------------------------

local function driver(name, asked)
  return { id = "id-" .. name, name = name, profile = { policy = asked } }
end

local function with_config(t, dir, text)
  if text then
    err.check(fs.write(dir .. "/config.lua", text, 384))
  end
  places.set_config_file(text and dir .. "/config.lua" or dir .. "/none.lua")
  config.reset()
  t:defer(function()
    places.set_config_file(nil)
    config.reset()
  end)
end

test("a folder holds OWNER.lua, else default.lua counts", function(t)
  local dir = write(t, { ["p/acme.lua"] = "", ["p/default.lua"] = "",
    ["q/x.lua"] = "" })
  with_config(t, dir, ("return { policies = %q }"):format("p"))
  local p = find.find("acme", driver("prod"))
  t:eq(p.path, dir .. "/p/acme.lua")
  t:eq(p.forced, false)
  t:match(p.label, "p/acme%.lua$")
  t:eq(find.find("bob", driver("prod")).path, dir .. "/p/default.lua")
  -- A name from outside never leads out of the folder.
  for _, hostile in ipairs({ "../q/x", "..", ".", "/etc/passwd", "a/b", "",
    "x\0y", "acme.lua/.." }) do
    t:eq(find.find(hostile, driver("prod")).path, dir .. "/p/default.lua")
  end
  with_config(t, dir, ("return { policies = %q }"):format("q"))
  t:eq(find.find("acme", driver("prod")), nil)
  with_config(t, dir, ("return { policies = %q }"):format("none"))
  t:raises("usage", function()
    find.find("acme", driver("prod"))
  end, "there is no folder .*/none")
end)

test("--policy names a file or a folder and has to be there", function(t)
  local dir = write(t, { ["p/acme.lua"] = "", ["f.lua"] = "" })
  with_config(t, dir)
  t:eq(find.find("bob", driver("prod"), dir .. "/f.lua").path, dir .. "/f.lua")
  t:eq(find.find("acme", driver("prod"), dir .. "/p").path,
    dir .. "/p/acme.lua")
  t:raises("usage", function()
    find.find("bob", driver("prod"), dir .. "/p")
  end, "neither bob.lua nor default.lua in .*godwit new policy bob")
  t:raises("usage", function()
    find.find("bob", driver("prod"), "")
  end, "^%-%-policy: no file or folder is named")
  t:raises("usage", function()
    find.find("bob", driver("prod"), dir .. "/none")
  end, "%-%-policy: there is no ")
end)

test("the destination's profile replaces both and excludes --policy",
function(t)
  local dir = write(t, { ["p/acme.lua"] = "", ["f.lua"] = "" })
  with_config(t, dir)
  local p = find.find("acme", driver("prod", dir .. "/f.lua"))
  t:eq(p.path, dir .. "/f.lua")
  t:eq(p.forced, true)
  t:eq(p.origin, "the profile of prod")
  t:raises("usage", function()
    find.find("acme", driver("prod", dir .. "/f.lua"), dir .. "/p")
  end, "%-%-policy .*the profile of prod has a policy of its own")
  t:raises("usage", function()
    find.find("acme", driver("prod", dir .. "/gone"))
  end, "the profile of prod: there is no ")
end)

test("each file is loaded once for a run", function(t)
  local dir = write(t, { ["default.lua"] = "return { message = 'x' }" })
  with_config(t, dir)
  local set = policy.set(dir)
  err.check(fs.write(dir .. "/zoe.lua", "return { gate = print }"))
  local a = set:of("acme", driver("prod"))
  local b = set:of("bob", driver("dr"))
  t:eq(a.digest, b.digest)
  t:eq(set:of("acme", driver("prod")), a)
  t:ok(a:has("message"))
  t:ok(set:of("zoe", driver("prod")):has("gate"))
  t:no(a:has("gate"))
  t:no(policy.NONE:has("gate"))
  err.check(fs.write(dir .. "/default.lua", "return {"))
  t:eq(set:of("carl", driver("prod")).digest, a.digest)
end)
