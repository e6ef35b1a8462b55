--- With -n nothing is written, however hard a script tries: two clusters and a
--- host beside them, each behind something that sees every request.
local cli = require("support.cli")
local fs = require("godwit.core.fs")
local gitrepo = require("support.gitrepo")
local gitserver = require("support.gitserver")
local json = require("godwit.core.json")
local relay = require("support.relay")
local serve = require("godwit.core.serve")

-- What the script tries, each by itself, and whether -n lets it go on (a plan
-- of it is made) or refuses it.
local TRIES = [[
local dev, prod = godwit.cluster "dev", godwit.cluster "prod"
local HOST = godwit.args[1]
local key = godwit.secret "host"
local a = dev.algorithms:get "acme/FraudScore"
local tries = {}

function tries.update() a:update { details = { label = "Planned" } } end
function tries.create()
  dev.algorithms:create { owner = "acme", name = "Made", details = {},
    settings = { algorithm_environment = dev.environments:get("Python 3.8").id,
      source_visibility = "closed", license = "apl",
      network_access = "isolated", pipeline_enabled = true } }
end
function tries.ensure() dev.algorithms:ensure { owner = "acme",
  name = "FraudScore", details = { label = "Ensured" } } end
function tries.edit()
  local commit = a:edit("Change", function(tree) tree:write("x", "y") end)
  a:wait_build(commit, { timeout = 1 })
  a:publish { step = "revision" }
end
function tries.compile() a:compile() end
function tries.publish() a:publish() end
function tries.call() a:call "x" end
function tries.set_secret()
  a:set_secret { name = "TOKEN", short_name = "TOKEN", value = key }
end
function tries.copy() copy.algorithm(a, prod, { call = false }) end
function tries.data() data.copy("dev:acme/models", "prod:acme/planned") end
function tries.data_over()
  data.copy(dev.data:get "acme/samples", prod, { delete = true })
end
function tries.data_folder() data.copy("dev:acme/models", "./planned") end
function tries.post() http.post(HOST .. "/post", { json = { a = 1 } }) end
function tries.put() http.put(HOST .. "/put", { body = "x", auth = key }) end
function tries.patch() http.patch(HOST .. "/patch", { body = "x" }) end
function tries.delete() http.delete(HOST .. "/delete") end
function tries.request() http.request("BREW", HOST .. "/pot") end
function tries.lower() http.request("post", HOST .. "/lower") end
function tries.one_table()
  http.request { method = "POST", url = HOST .. "/table", idempotent = true }
end
function tries.cluster_by_hand()
  http.post(HOST .. "/cluster", { json = {}, retry = 4, redirects = 10 })
end
function tries.fetch_as_write()
  http.post(HOST .. "/x/git-upload-pack", { body = "0000", headers = {
    ["Content-Type"] = "application/x-git-upload-pack-request" } })
end
function tries.git_push()
  local store <close> = git.store()
  git.push(store, git.remote(HOST .. "/r.git", key), {
    commit = ("1"):rep(40), ref = "refs/heads/master" })
end
function tries.git_copy()
  git.copy(a:remote(), git.remote(HOST .. "/r.git", key),
    { refs = { "heads/*" } })
end
function tries.redirected() http.get(HOST .. "/redirect") end

local names = {}
for name in pairs(tries) do names[#names + 1] = name end
table.sort(names)

local function attempt(name, how)
  local ok, e = how(tries[name])
  log.info("%s: %s", name, ok and "planned" or err.is(e) and e.kind
    or tostring(e))
end

-- Alone, in many tasks at once, under pcalls, in coroutines, after errors.
for _, name in ipairs(names) do attempt(name, pcall) end
task.each(names, function(name)
  attempt(name, function(fn)
    return pcall(function() task.all { fn } end)
  end)
end, { jobs = 8, keep_going = true })
for _, name in ipairs(names) do
  attempt(name, function(fn)
    return coroutine.resume(coroutine.create(fn))
  end)
  attempt(name, function(fn)
    return xpcall(function()
      local late <close> = setmetatable({}, { __close = function() fn() end })
      error "and yet"
    end, function(e) pcall(fn) return e end)
  end)
  attempt(name, function(fn)
    return pcall(step.once, name, function() fn() return 1 end)
  end)
  attempt(name, function(fn)
    return pcall(load("local fn = ... return fn()"), fn)
  end)
end
]]

local function key_of(home, name)
  local text = fs.read(("%s/.local/state/godwit/sandboxes/%s/keys.json")
    :format(home.dir, name), 1 << 20)
  for _, account in ipairs(json.decode(text).accounts) do
    if account.username == "acme" then
      return account.key
    end
  end
end

-- Everything but reads, and the fetches of Git, which are POSTs.
local function writes(log)
  local found = {}
  for _, line in ipairs(log) do
    if not line:find("^GET ") and not line:find("^HEAD ")
      and not line:find("^POST [^?]*/git%-upload%-pack$") then
      found[#found + 1] = line
    end
  end
  return found
end

test("no server sees a write of a plan", function(t)
  local home = cli.home(t)
  local dev = relay.start(t, home:sandbox(t, "dev", "demo-dev",
    { "--build-seconds", "0" }))
  local prod = relay.start(t, home:sandbox(t, "prod", "demo-prod",
    { "--build-seconds", "0" }))
  local host = { log = {}, repo = t:tmpdir() .. "/r.git" }
  gitrepo.run({ "git", "init", "-q", "--bare", host.repo })
  local server = assert(serve.listen({ handler = function(req)
    host.log[#host.log + 1] = req.method .. " " .. req.path
    if req.path:find("^/r%.git/") then
      return gitserver.answer(req, host.repo)
    end
    req:body(1 << 20)
    if req.path == "/redirect" then
      return req:respond(307, { Location = "/post" }, "")
    end
    req:respond(200, { ["Content-Type"] = "application/json" }, "{}")
  end }))
  t:defer(function() server:close(0) end)
  host.url = "http://127.0.0.1:" .. server.port
  home:config(([[return { clusters = {
    dev = { api = %q, key = env "DEV" }, prod = { api = %q, key = env "PROD" },
  }, secrets = { host = { host = %q, value = env "HOST_KEY" } } }]])
    :format(dev.url, prod.url, host.url))
  home:write("work/tries.lua", TRIES)
  local env = { DEV = key_of(home, "dev"), PROD = key_of(home, "prod"),
    HOST_KEY = "hunter2-hunter2" }

  local r = home:expect(0, { "run", "-n", "tries.lua", "--allow-write",
    "./planned", "--", host.url, env = env })
  for name, words in pairs { update = "planned", create = "planned",
    edit = "planned", compile = "planned",
    call = "planned", copy = "planned", data = "planned",
    data_over = "planned", data_folder = "planned", post = "planned", put = "planned",
    delete = "planned", git_push = "planned", git_copy = "planned" } do
    t:match(r.err, "\n" .. name .. ": " .. words .. "\n")
  end
  t:ok(#dev.log > 10)
  t:ok(#prod.log > 0)
  t:eq(writes(dev.log), {})
  t:eq(writes(prod.log), {})
  t:eq(writes(host.log), {})
  t:no(fs.stat(home.dir .. "/work/planned"))
  t:no(r.all:find("hunter2", 1, true))
  t:match(r.out, "http%.post " .. host.url .. "/post")

  -- The same script does write where it may: the test sees what it claims to.
  home:write("work/one.lua", TRIES:gsub("local function attempt.*", "")
    .. "tries.update() tries.compile()")
  home:expect(0, { "run", "one.lua", "--allow-write", "dev", "--", host.url,
    env = env })
  t:ok(#writes(dev.log) >= 2)

  -- A workflow and a line of Lua are planned by the same guard.
  dev:clear()
  home:write("work/flow.lua", [[return { params = { on = "cluster" },
    run = function(cx)
      cx:each({ "acme/FraudScore", "acme/Tokenize" }, function(ref)
        cx.params.on.algorithms:get(ref):compile()
        return "updated"
      end)
    end }]])
  home:expect(0, { "run", "flow.lua", "--on", "dev", "-n", env = env })
  home:expect(0, { "eval", "-n", "godwit.cluster 'dev'.algorithms"
    .. ":get 'acme/Tokenize':compile()", env = env })
  t:ok(#dev.log > 0)
  t:eq(writes(dev.log), {})
end)
