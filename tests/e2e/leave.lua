--- The workflow leave.lua as docs/scripting.md prints it: an owner's
--- repositories go to https://git.example.com, behind a proxy and with an
--- authority of a test, and its data to a folder; all within its permissions.
local cli = require("support.cli")
local forge = require("support.forge")
local fs = require("godwit.core.fs")
local json = require("godwit.core.json")
local sandboxes = require("support.sandboxes")

local function printed()
  local text = assert(fs.read(cli.source() .. "/docs/scripting.md", 1 << 20))
  for block in text:gmatch("```lua\n(.-)```") do
    if block:find('^local HOST = "https://git.example.com"\n') then
      return block
    end
  end
  error("docs/scripting.md does not print leave.lua")
end

local CONFIG = [[return {
  clusters = { prod = { api = %q, key = env "PROD_KEY" } },
  secrets = { forge = { host = %q, scheme = "Bearer",
    value = env "FORGE_TOKEN" } },
}]]

local FILES = { ["a b.txt"] = "hello\n", ["p+q%.bin"] = ("\0\1"):rep(5000),
  empty = "" }

-- A cluster with two algorithms and two collections of acme.
local function world(t)
  local prod, f = sandboxes.start(t), forge.start(t)
  for _, name in ipairs({ "Alpha", "Beta" }) do
    prod:create(name)
  end
  for _, name in ipairs({ "models", "empty" }) do
    local r = prod:send("POST", "/v1/data/acme", { json = { name = name } })
    t:eq(r.status, 200, r.body)
  end
  for name, bytes in pairs(FILES) do
    local path = name:gsub("[^%w.]", function(c)
      return ("%%%02X"):format(c:byte())
    end)
    local r = prod:send("PUT", "/v1/data/acme/models/" .. path,
      { body = bytes, type = "application/octet-stream" })
    t:eq(r.status, 200, r.body)
  end
  local home = cli.home(t)
  home:write("work/leave.lua", printed())
  home:config(CONFIG:format(prod.api, forge.HOST))
  home.env.PROD_KEY = prod:key("acme")
  for name, value in pairs(f.env) do
    home.env[name] = value
  end
  return home, f, prod
end

local function leave(home, code, ...)
  local r = home:expect(code, { "run", "leave.lua", "--from", "prod",
    "--owner", "acme", "--json", ... })
  return r, json.decode(r.out)
end

local function outcomes(doc)
  local words = {}
  for _, item in ipairs(doc.items) do
    words[#words + 1] = ("%s %s %s"):format(item.type, item.ref, item.outcome)
  end
  table.sort(words)
  return words
end

test("leave.lua, as it is printed", function(t)
  local home, f = world(t)
  local r, doc = leave(home, 0)
  t:eq(outcomes(doc), { "algorithm acme/Alpha created",
    "algorithm acme/Beta created", "collection acme/empty created",
    "collection acme/models created" })
  t:eq(f.log, { "POST /api/v1/orgs/acme/repos 201",
    "POST /api/v1/orgs/acme/repos 201" })
  for _, name in ipairs({ "Alpha", "Beta" }) do
    t:match(f:refs(name), "^refs/heads/master %x+$")
  end
  for name, bytes in pairs(FILES) do
    t:eq(fs.read(home.dir .. "/work/out/models/" .. name, 1 << 20), bytes)
  end
  t:match(r.err, "sends GET and POST to https://git%.example%.com")
  t:no(r.all:find(forge.TOKEN, 1, true))
  t:eq(doc.used.deletes, 0)
  t:ok(doc.used.requests > 10)

  -- Again: nothing is left to do.
  _, doc = leave(home, 0)
  t:eq(outcomes(doc), { "algorithm acme/Alpha unchanged",
    "algorithm acme/Beta unchanged", "collection acme/empty unchanged",
    "collection acme/models unchanged" })
  t:eq(f.log[3], "POST /api/v1/orgs/acme/repos 409")
end)

test("a plan of leave.lua writes nowhere", function(t)
  local home, f = world(t)
  local _, doc = leave(home, 0, "-n")
  t:eq(doc.mode, "plan")
  t:eq(f.log, {})
  t:eq(fs.stat(home.dir .. "/work/out"), nil)
  t:eq(#fs.list(f.root .. "/acme"), 0)
end)

test("leave.lua ends when its host sends it elsewhere", function(t)
  local home, f = world(t)
  f.answer = function()
    return { status = 303, headers = { Location = "https://evil.example.com/" } }
  end
  local r, doc = leave(home, 9)
  for _, item in ipairs(doc.items) do
    if item.type == "algorithm" then
      t:eq(item.outcome, "failed")
      t:eq(item.kind, "denied")
      t:match(item.why, "GET to https://evil%.example%.com is not allowed")
    end
  end
  t:no(fs.read(f.access, 1 << 20):find("evil"), r.err)
end)
