-- A sandbox that is killed while accounts change: what it answered for is
-- there, and nothing is half there.
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local json = require("godwit.core.json")
local process = require("godwit.core.process")
local sandboxes = require("support.sandboxes")
local sys = require("godwit.core.sys")
local task = require("godwit.task")

local MEMBERS = 190 -- a few more, and the list becomes files

--- A sandbox in a process of its own.
local function serve(t, dir)
  local script = t:tmpdir() .. "/serve.lua"
  fs.write(script, ([[
    test("serves", function()
      require("godwit.sandbox").run({ dir = %q, seed = "empty",
        ready = function()
          require("godwit.core.sys").write(1, "ready\n")
        end })
    end)]]):format(dir), 384)
  local p = err.check(process.start({
    argv = { (sys.env("GODWIT_BUILD") or fs.cwd() .. "/build")
      .. "/godwit_luatest", script },
    stdout = true, stderr = false }))
  t:ok((p:read() or ""):find("ready"))
  local info = json.decode(fs.read(dir .. "/sandbox.json"), {})
  return p, info.api
end

local function prepare(t, dir)
  local s = sandboxes.start(t, { dir = dir })
  local doc = s.sandbox.store:organization("acme")
  for i = 1, MEMBERS do
    doc.members[#doc.members + 1] = { username = ("m%03d"):format(i),
      role = "member" }
  end
  s.sandbox.store:write("organizations/acme.json", doc)
  s:stop()
  return s:key("admin")
end

-- Makes users and members until the server is gone; notes what was answered.
local function work(s, admin, round, answered)
  local n = 0
  local function send(method, path, body)
    local r = s:send(method, path, { auth = admin, json = body,
      body = not body and "" or nil })
    return r.status
  end
  while true do
    n = n + 1
    local name = ("u%d_%d"):format(round, n)
    local ok = pcall(function()
      if send("POST", "/v1/users", { username = name,
        email = name .. "@example.com" }) == 200 then
        answered.users[name] = true
      end
      local path = "/v1/organizations/acme/members/" .. name
      if send("PUT", path) == 201 then answered.members[name] = true end
      if n % 3 == 0 and send("DELETE", "/v1/users/" .. name) == 204 then
        answered.gone[name] = true
      end
    end)
    if not ok then return name end
  end
end

test("killed while accounts change, nothing is half there", function(t)
  local dir = t:tmpdir() .. "/s"
  local admin = prepare(t, dir)
  local answered = { users = {}, members = {}, gone = {} }
  local last = {}
  for round = 1, 5 do
    local p, api = serve(t, dir)
    local s = sandboxes.at(dir, api)
    local worker = task.spawn(function()
      last[#last + 1] = work(s, admin, round, answered)
    end)
    task.sleep(0.05 + 0.04 * round)
    p:kill(9)
    p:wait()
    p:close()
    task.join(worker)
  end
  local s = sandboxes.start(t, { dir = dir })
  local store, count = s.sandbox.store, 0
  local open = {} -- what the server was at when it was killed
  for _, name in ipairs(last) do open[name] = true end
  for name in pairs(answered.users) do
    count = count + 1
    if answered.gone[name] then
      t:no(store:user(name), name)
      t:no(store:role("acme", name), name)
      t:eq(s:send("POST", "/v1/users", { auth = admin, json = {
        username = name, email = "x" .. name .. "@example.com" } }).status, 409)
    elseif not open[name] then
      t:eq(store:user(name).username, name)
      t:eq(s:send("GET", "/v1/data/", { as = name }).doc.folders[1].name, name)
      t:eq(store:role("acme", name), answered.members[name] and "member" or nil)
    end
  end
  t:ok(count > 5)
  local m = store:members("acme")
  t:eq({ m.owners, m.roles.alice, m.roles.m001 }, { 1, "owner", "member" })
  t:ok(#m.names >= MEMBERS + 2)
  for name in pairs(open) do -- what broke off can be done again
    local status = s:send("POST", "/v1/users", { auth = admin, json = {
      username = name, email = name .. "@example.com" } }).status
    t:ok(status == 200 or status == 409)
    if status == 200 then
      t:eq(s:send("GET", "/v1/data/", { as = name }).status, 200)
    end
  end
end)
