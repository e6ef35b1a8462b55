-- godwit new policy: a start with every point in it, never over a file.
local check = require("godwit.policy.check")
local cli = require("support.cli")
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local json = require("godwit.json")
local load = require("godwit.policy.load")

local function read(home, path)
  return err.check(fs.read(home.cwd .. "/" .. path, 1 << 20))
end

local function loaded(home, path)
  return load.load({ path = home.cwd .. "/" .. path, label = path,
    forced = false, origin = "policies" })
end

test("new policy writes a start that decides nothing yet", function(t)
  local home = cli.home(t)
  local r = home:expect(0, { "new", "policy", "acme" })
  t:match(r.out, "Wrote policies/acme.lua")
  t:match(read(home, "policies/acme.lua"), "promoting the algorithms of acme")
  t:eq(loaded(home, "policies/acme.lua").points, {})
  local doc = json.decode(home:expect(0, { "new", "policy", "default",
    "--json" }).out)
  t:eq(doc, { kind = "policy", path = "policies/default.lua" })
  t:eq(loaded(home, "policies/default.lua").points, {})
end)

test("uncommented, every point is there and valid", function(t)
  local home = cli.home(t)
  home:expect(0, { "new", "policy", "acme" })
  local text = read(home, "policies/acme.lua")
  local bare, n = ("\n" .. text):gsub("\n(%s*)%-%- ([^\n]*)", "\n%1%2")
  t:ok(n > 20)
  err.check(fs.write(home.cwd .. "/policies/acme.lua", bare))
  local points = loaded(home, "policies/acme.lua").points
  for name in pairs(check.POINTS) do
    t:ok(points[name] ~= nil, name)
  end
end)

test("nothing that exists is changed, and what there is to write is named",
function(t)
  local home = cli.home(t)
  home:write("work/policies/acme.lua", "return {}")
  local r = home:expect(2, { "new", "policy", "acme" })
  t:match(r.err, "policies/acme.lua is there already")
  t:eq(read(home, "policies/acme.lua"), "return {}")
  r = home:expect(2, { "new", "polciy", "acme" })
  t:match(r.err, "new makes no 'polciy'; did you mean 'policy'%?; there is: policy")
  for _, name in ipairs({ "../x", "a/b", "", "a.b", "-x" }) do
    home:expect(2, { "new", "policy", "--", name })
  end
  home:expect(2, { "new", "policy" })
  home:expect(2, { "new" })
  t:no(fs.stat(home.dir .. "/x.lua"))
end)

test("it is written where promotions look for it", function(t)
  local home = cli.home(t)
  home:project("return { policies = 'rules' }")
  local r = home:expect(0, { "new", "policy", "acme" })
  t:match(r.out, "Wrote rules/acme.lua")
  t:ok(fs.stat(home.cwd .. "/rules/acme.lua"))
end)
