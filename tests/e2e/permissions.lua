--- Workflows with permissions that try to reach more than these say, by every
--- way there is; and files that try not to be held to them.
local cli = require("support.cli")
local fs = require("godwit.core.fs")
local repo = require("support.gitrepo")
local sandboxes = require("support.sandboxes")
local serve = require("godwit.core.serve")

-- A host of nobody's: what it is asked stands in `log`.
local function host(t, answer)
  local self = { log = {} }
  local server = assert(serve.listen({ port = 0, handler = function(req)
    self.log[#self.log + 1] = req.method .. " " .. req.path
    local r = answer and answer(req) or {}
    req:respond(r.status or 200, r.headers or {}, r.body or "fine")
  end }))
  t:defer(function() server:close() end)
  self.url = "http://127.0.0.1:" .. server.port
  return self
end

local CONFIG = [[return {
  clusters = {
    dev = { api = %q, key = env "DEV_KEY" },
    prod = { api = %q, key = env "PROD_KEY" },
    guarded = { api = %q, key = env "PROD_KEY", protected = true },
  },
  secrets = {
    forge = { hosts = { %q, %q }, value = env "TOKEN" },
    jira = { hosts = { %q, %q }, value = env "TOKEN" },
  },
}]]

-- dev (read), prod (not declared), a host that is declared and one that is not.
local function world(t)
  local w = { dev = sandboxes.start(t), prod = sandboxes.start(t),
    other = host(t) }
  w.dev:create("Alpha")
  w.prod:create("Beta")
  w.known = host(t, function(req)
    if req.path:find("^/away") then
      return { status = 302, headers = { Location = w.other.url .. "/stolen" } }
    end
  end)
  local home = cli.home(t)
  home:config(CONFIG:format(w.dev.api, w.prod.api, w.prod.api, w.known.url,
    w.other.url, w.known.url, w.other.url))
  home.env.DEV_KEY, home.env.PROD_KEY = w.dev:key("acme"), w.prod:key("acme")
  home.env.TOKEN = "a-token-of-ours"
  for _, dir in ipairs({ "in", "out", "private" }) do
    fs.mkdir(home.dir .. "/work/" .. dir, 448)
  end
  home:write("work/private/key.txt", "private\n")
  home:write("work/in/note.txt", "note\n")
  repo.run({ "ln", "-s", "../private", home.dir .. "/work/in/link" })
  w.home = home
  return w
end

local HEAD = [[
return {
  params = { from = "cluster", out = { "folder", default = "out" } },
  permissions = {
    clusters = { from = "read" },
    hosts = { [%q] = { "GET", "POST" }, [%q] = { "GET" } },
    secrets = { "forge" }, read = { "./in" }, write = { "$out" },
  },
  run = function(cx)
    local KNOWN, OTHER, p = %q, %q, cx.params
    local API = p.from.id
    local function try(name, fn)
      local ok, e = pcall(fn)
      print(("%%s: %%s"):format(name, ok and "DONE " .. tostring(e)
        or err.is(e) and e.kind .. " " .. e.message or "raised " .. tostring(e)))
    end
%s
  end,
}
]]

local function run(w, body, code, ...)
  local home = w.home
  home:write("work/x.lua", HEAD:format(w.known.url, w.known.url .. "/below",
    w.known.url, w.other.url, body))
  local r = home:expect(code or 0, { "run", "x.lua", "--from", "dev", ... })
  local said = {}
  for name, text in r.out:gmatch("([%w ]+): ([^\n]*)\n") do
    said[name] = text
  end
  return said, r
end

local function all_denied(t, said, count)
  local n = 0
  for name, text in pairs(said) do
    t:ok(text:find("^denied "), name .. ": " .. text)
    n = n + 1
  end
  t:eq(n, count)
end

test("hosts, methods and redirects", function(t)
  local w = world(t)
  local said = run(w, [[
    try("elsewhere", function() return http.get(OTHER .. "/x").body end)
    try("redirected", function() return http.get(KNOWN .. "/away").body end)
    try("deleting", function() return http.delete(KNOWN .. "/x").body end)
    try("overriding", function() return http.post(KNOWN .. "/x",
      { headers = { ["x-http-method-override"] = "DELETE" } }).body end)
    try("by the query", function()
      return http.post(KNOWN .. "/x?a=1&_METHOD=put").body end)
    try("by the last of the query", function()
      return http.post(KNOWN .. "/x?_method=&%5fmetho%64=de%6cete").body end)
    try("by a form", function()
      return http.post(KNOWN .. "/x", { body = "a=\0&_method=patch",
        headers = { ["Content-Type"] = "application/x-www-form-urlencoded" } })
        .body end)
    try("by a form in parts", function()
      return http.post(KNOWN .. "/x", { body = { "_meth", "od=DELETE" },
        headers = { ["Content-Type"] = "application/x-www-form-urlencoded" } })
        .body end)
    try("by a secret in a form", function()
      return http.post(KNOWN .. "/x", {
        body = { "_method=", godwit.secret "forge" },
        headers = { ["Content-Type"] = "application/x-www-form-urlencoded" } })
        .body end)
    try("by a form as gateways have it", function()
      return http.post(KNOWN .. "/x", { body = "_method=DELETE",
        headers = { Content_type = "application/x-www-form-urlencoded" } })
        .body end)
    try("by a header as gateways have it", function()
      return http.post(KNOWN .. "/x", { headers = {
        ["X_HTTP-Method_Override"] = "DELETE " } }).body end)
    try("elsewhere as gateways have it", function()
      return http.get(KNOWN .. "/x", { headers = {
        X_Rewrite_URL = "/admin" } }).body end)
    try("elsewhere by a header", function()
      return http.get(KNOWN .. "/x", { headers = {
        ["X-Original-URL"] = "/admin" } }).body end)
    try("another host by a header", function()
      return http.get(KNOWN .. "/x", { headers = {
        ["x-forwarded-host"] = "other" } }).body end)
    try("another host by a header of its own", function()
      return http.get(KNOWN .. "/x", { headers = {
        Forwarded = "host=other" } }).body end)
    try("small letters", function()
      return http.request("delete", KNOWN .. "/x").body end)
    try("in a task", function() task.all { function()
      http.get(OTHER .. "/x") end } end)
    try("in an item", function() task.each({ 1 }, function()
      http.get(OTHER .. "/x") end) end)
    try("by a proxy", function()
      return http.get(KNOWN .. "/x", { proxy = OTHER }).body end)
    try("with a file", function() return http.get(KNOWN .. "/x",
      { tls = { cert = "private/key.txt", cert_key = "private/key.txt" } }) end)
    try("listing", function() git.ls_remote(git.remote(OTHER .. "/a.git")) end)
    try("copying", function()
      git.copy(p.from.algorithms:get("acme/Alpha"):remote(),
        git.remote(OTHER .. "/a.git", godwit.secret "forge")) end)
    try("the API", function() return http.post(API .. "/v1/algorithms/acme",
      { json = { name = "Evil" } }) end)
    try("compiling", function()
      return p.from.algorithms:get("acme/Alpha"):compile() end)]])
  all_denied(t, said, 24)
  t:match(said["elsewhere as gateways have it"], "%(X_Rewrite_URL%)")
  t:no(said["by a secret in a form"]:lower():find("a%-tok"))
  t:match(said.elsewhere, "GET to " .. w.other.url:gsub("%p", "%%%0")
    .. " is not allowed:.-hosts = { %[\"")
  t:match(said.compiling, "clusters would say \"write\"")
  t:eq(w.other.log, {})
  t:eq(w.known.log, { "GET /away" })
  t:eq(#w.dev:send("GET", "/v1/algorithms/acme/Alpha/builds").doc.results, 0)
end)

-- The server may take either; ours is asked about one.
test("headers that say twice what a body is, or say it with a secret",
  function(t)
    local w = world(t)
    local said = run(w, [[
      local FORM = "application/x-www-form-urlencoded"
      try("two types", function() return http.post(KNOWN .. "/x", {
        body = "_method=DELETE", headers = { ["content-Type"] = FORM,
          ["Content-type"] = "text/plain" } }).body end)
      try("two as gateways have it", function() return http.post(KNOWN .. "/x",
        { json = "_method=DELETE", headers = { Content_Type = FORM } }).body end)
      for i, name in ipairs { "Content-Type", "x-original_url", "Host",
        "X-HTTP-Method" } do
        try("secret " .. i, function() return http.post(KNOWN .. "/x", {
          body = "_method=DELETE", auth = godwit.secret "forge",
          auth_header = name, auth_scheme = FORM .. ";" }).body end)
      end]])
    for i = 1, 2 do
      t:match(said[({ "two types", "two as gateways have it" })[i]],
        "^usage the header Content%-Type is given twice")
    end
    for i, name in ipairs({ "Content%-Type", "x%-original_url", "Host",
      "X%-HTTP%-Method" }) do
      t:match(said["secret " .. i], "^usage a secret is not sent as the header "
        .. name)
    end
    t:eq(w.known.log, {})
  end)

test("what is declared works", function(t)
  local w = world(t)
  local said = run(w, [[
    try("get", function() return http.get(KNOWN .. "/x").body end)
    try("post", function() return http.post(KNOWN .. "/x",
      { auth = godwit.secret "forge", json = {} }).body end)
    try("from", function() return p.from.algorithms:get("acme/Alpha").ref end)
    try("in", function() return tree.sync("in", p.out,
      { exclude = "link" }).written end)
    try("commit", function()
      return p.from.algorithms:get("acme/Alpha"):tree():exists "algorithmia.conf" end)]])
  t:eq(said, { get = "DONE fine", post = "DONE fine", from = "DONE acme/Alpha",
    ["in"] = "DONE 1", commit = "DONE true" })
  t:eq(fs.read(w.home.dir .. "/work/out/note.txt"), "note\n")
end)

test("clusters, secrets and modules beside the script", function(t)
  local w = world(t)
  w.home:write("work/helper.lua", [[
    return { open = function(name) return godwit.cluster(name) end,
      secret = function(name) return godwit.secret(name) end }]])
  local said = run(w, ([[
    for i, name in ipairs { "prod", "dev", "from", %q, %q, "./in" } do
      try("cluster " .. i, function() return godwit.cluster(name).name end)
    end
    try("helper", function() return require("helper").open "prod" end)
    try("a copy", function() return copy.algorithm(
      p.from.algorithms:get "acme/Alpha", godwit.cluster "prod") end)
    try("a call", function() return cx:call("promote", { from = p.from,
      to = "prod", algorithms = "acme/Alpha" }) end)
    for i, file in ipairs { "algorithms_from", "secrets", "policy" } do
      try("a file " .. i, function() return cx:call("promote", { from = p.from,
        to = p.from, algorithms = "acme/Alpha",
        [file] = "private/key.txt" }) end)
    end
    try("secret", function() return godwit.secret "jira" end)
    try("secret there", function() return require("helper").secret "jira" end)
    try("policy", function() return copy.algorithm(
      p.from.algorithms:get "acme/Alpha", p.from, { to_owner = "bob",
        policy = "private" }) end)]]):format(w.prod.api .. "//", w.prod.api))
  t:match(said["cluster 1"], "do not name the cluster 'prod'; add clusters = "
    .. "{ %[\"prod\"%] = \"read\" }")
  all_denied(t, said, 15)
  t:match(said.secret, "do not name the secret 'jira'; add secrets = "
    .. "{ \"jira\" }")
  t:match(said.policy, "names no policy itself")
end)

test("folders, and links in them", function(t)
  local w = world(t)
  local work = w.home.dir .. "/work"
  local said = run(w, ([[
    try("out of it", function() return tree.sync("in/../private", p.out) end)
    try("a link", function() return tree.sync("in/link", p.out) end)
    try("absolute", function() return tree.sync(%q, p.out) end)
    try("above", function() return tree.sync(".", p.out) end)
    try("writing to what is read", function()
      return tree.sync(p.out, "in/new") end)
    try("beside", function() return tree.sync("in", "out2") end)
    try("home", function() return tree.sync("in", "..") end)]]):format(work
    .. "/private"))
  all_denied(t, said, 7)
  t:match(said.beside, "do not let it write to the folder out2; add write = ")
  t:eq(fs.stat(work .. "/out2"), nil)
  t:eq(#fs.list(work .. "/out"), 0)
end)

test("no flag widens them, and a protected cluster is asked about", function(t)
  local w = world(t)
  local said, r = run(w, [[
    try("prod", function() return godwit.cluster "prod" end)
    try("folder", function() return tree.sync("private", p.out) end)
    try("dev", function()
      return p.from.algorithms:get("acme/Alpha"):compile() end)]], 0,
    "--allow-write", "prod", "--allow-write", "dev", "--allow-read",
    "./private")
  all_denied(t, said, 3)
  t:match(r.err, "Its permissions bind it")
  w.home:write("work/p.lua", [[return { params = { to = "cluster" },
    permissions = { clusters = { to = "write" } },
    run = function(cx) print("RAN") end }]])
  r = w.home:expect(2, { "run", "p.lua", "--to", "guarded", "--no-input" })
  t:no(r.out:find("RAN"))
  t:match(w.home:expect(0, { "run", "p.lua", "--to", "guarded", "-y" }).out,
    "RAN")
  t:match(w.home:expect(0, { "run", "p.lua", "--to", "guarded", "-n" }).out,
    "RAN")
end)

test("a cluster that is declared \"write\" is written to, no other", function(t)
  local w = world(t)
  w.home:write("work/w.lua", [[return { params = { from = "cluster",
      opt = { "cluster", optional = true } },
    permissions = { clusters = { from = "write", prod = "read" } },
    run = function(cx)
      print(godwit.cluster("prod").algorithms:get("acme/Beta").ref)
      cx.params.from.algorithms:get("acme/Alpha"):compile()
      godwit.cluster("prod").algorithms:get("acme/Beta"):compile()
    end }]])
  local r = w.home:expect(9, { "run", "w.lua", "--from", "dev" })
  t:match(r.out, "acme/Beta")
  t:match(r.err, "let it read prod only")
  local r2 = w.home:expect(9, { "run", "w.lua", "--from", "dev", "--opt",
    "prod" })
  t:match(r2.err, "parameter opt; add clusters = { opt = \"read\" }")
  t:no(r2.out:find("Beta"))
end)

-- The top level, before the head is known.
test("at the top level of a file with permissions nothing is reached",
  function(t)
    local w = world(t)
    local tail = [[ return { permissions = {}, run = function() print "RAN" end }]]
    for _, code in ipairs({
      ("http.get(%q)"):format(w.other.url),
      ("git.ls_remote(git.remote(%q))"):format(w.other.url .. "/a.git"),
      "godwit.cluster('dev')", "godwit.secret('forge')",
      "tree.sync('in', 'out')",
    }) do
      w.home:write("work/t.lua", code .. tail)
      local r = w.home:expect(9, { "run", "t.lua", "--allow-write", "dev",
        "--allow-read", "./in", "--allow-write", "./out" })
      t:no(r.out:find("RAN"))
      w.home:write("work/t.lua", "local ok, e = pcall(function() " .. code
        .. " end) print(ok, e)" .. tail)
      r = w.home:expect(0, { "run", "t.lua" })
      t:match(r.out, "^false[^\n]*\n.*RAN")
      w.home:expect(0, { "inspect", "t.lua" })
    end
    t:eq(w.other.log, {})
  end)

test("permissions that a file makes up are refused, in whatever way",
  function(t)
    local w = world(t)
    local run_it = "run = function() print 'RAN' end }"
    w.home:write("work/hidden.lua", "return { permissions = {}, " .. run_it)
    for _, text in ipairs({
      "return { ['permis' .. 'sions'] = {}, " .. run_it,
      "local h = { " .. run_it .. " rawset(h, 'permissions', {}) return h",
      "return require 'hidden'",
      "return { permissions = {}, ['r' .. 'un'] = function() print 'RAN' end }",
      "return setmetatable({ " .. run_it
        .. ", { __index = { ['permissions'.. ''] = {} } })",
    }) do
      w.home:write("work/m.lua", text)
      local r = w.home:expect(2, { "run", "m.lua" })
      t:match(r.err, "permissions, and they are not seen in its text")
      t:no(r.out:find("RAN"))
    end
    -- Nor does a word in a text give a script other rights than it says.
    w.home:write("work/m.lua", "-- permissions = {}, run = function\n"
      .. "print(pcall(godwit.cluster, 'dev'))")
    t:match(w.home:expect(0, { "run", "m.lua" }).out,
      "^false.-at the top level of such a file nothing is reached")
    w.home:write("work/m.lua", "print(godwit.cluster('dev').name) "
      .. "local o = { permissions = 1 }")
    t:match(w.home:expect(0, { "run", "m.lua" }).out, "^dev\n")
    w.home:write("work/m.lua", "local o = { permissions = 1 }\nreturn { "
      .. "run = function() print(godwit.cluster('dev').name) end }")
    t:match(w.home:expect(0, { "run", "m.lua" }).out, "^dev\n")
  end)

local POLICY = [[return { gate = function(a, cx)
  local r = http.get(%q .. "/approved")
  if not r.body:find "fine" then return cx:wait "not yet" end
end }]]

test("a policy of a person's is not held to them, another is", function(t)
  local w = world(t)
  local script = [[return { params = { from = "cluster" },
    permissions = { clusters = { from = "write" } },
    run = function(cx)
      cx:each({ cx.params.from.algorithms:get "acme/Alpha" }, function(a)
        return copy.algorithm(a, cx.params.from, { to_owner = "bob" })
      end)
    end }]]
  w.home:write("work/c.lua", script)
  w.home:write("work/policies/default.lua", POLICY:format(w.other.url))
  local r = w.home:run { "run", "c.lua", "--from", "dev" }
  t:eq(r.code, 9, r.all)
  t:match(r.all, "GET to [^\n]+ is not allowed")
  t:eq(w.other.log, {})
  local config = fs.read(w.home.dir .. "/.config/godwit/config.lua", 65536)
  w.home:config((config:gsub("return {", ("return { policies = %q,"):format(
    w.home.dir .. "/work/policies"), 1)))
  r = w.home:run { "run", "c.lua", "--from", "dev" }
  t:eq(w.other.log, { "GET /approved" }, r.all)
end)

test("a script's document does not speak for the policy that sees it",
function(t)
  local w = world(t)
  w.home:write("work/policies/default.lua", ([[return {
    map_user = function(u, cx)
      http.get(%q .. "/asked")
      local nothing = u.nickname, u.tostring
      return u.username
    end }]]):format(w.other.url))
  local config = fs.read(w.home.dir .. "/.config/godwit/config.lua", 65536)
  w.home:config((config:gsub("return {", ("return { policies = %q,"):format(
    w.home.dir .. "/work/policies"), 1):gsub("key = env \"DEV_KEY\"",
    "%0, admin_key = env \"ADMIN_KEY\"", 1)))
  w.home.env.ADMIN_KEY = w.dev:key("admin")
  w.home:write("work/u.lua", ([[return { params = { from = "cluster" },
    permissions = { clusters = { from = "write" } },
    run = function(cx)
      local function steal() print(pcall(http.get, %q .. "/stolen")) end
      local doc = setmetatable({ username = "zed", email = "z@example.com",
        nested = setmetatable({}, { __index = steal, __pairs = steal }) },
        { __index = steal, __pairs = steal, __len = steal })
      print(pcall(copy.user, doc, cx.params.from, { from = cx.params.from }))
    end }]]):format(w.other.url))
  local r = w.home:run { "run", "u.lua", "--from", "dev" }
  t:eq(w.other.log, { "GET /asked" }, r.all)
end)

test("data: other collections, other folders", function(t)
  local w = world(t)
  for _, box in ipairs({ w.dev, w.prod }) do
    box:send("POST", "/v1/data/acme", { json = { name = "models" } })
    box:send("PUT", "/v1/data/acme/models/m", { body = "m",
      type = "application/octet-stream" })
  end
  local said = run(w, [[
    local c = p.from.data:get "acme/models"
    try("by name", function() return data.copy("prod:acme/models", p.out) end)
    try("dev by name", function()
      return data.copy("dev:acme/models", p.out) end)
    try("to a cluster", function()
      return data.copy(c, "prod:acme/models") end)
    try("to itself", function()
      return data.copy("in", p.from.data:get "acme/models",
        { exclude = "link" }) end)
    try("to a folder", function() return data.copy(c, "private") end)
    try("from a folder", function()
      return data.copy("private", p.out) end)
    try("through a link", function()
      return data.copy(c, "in/link") end)
    try("from a folder by a workflow", function()
      return cx:call("copy-data", { collections = { "./private", "./out" } }) end)
    try("to a folder by a workflow", function()
      return cx:call("copy-data", { collections = { "./out", "./private" } }) end)
    try("writing", function() return c:write("evil", "x") end)]])
  all_denied(t, said, 10)
  t:eq(w.dev:send("GET", "/v1/data/acme/models/evil").status, 404)
  t:eq(fs.list(w.home.dir .. "/work/out"), {})
  t:eq(#fs.list(w.home.dir .. "/work/private"), 1)
  said = run(w, [[
    try("data", function()
      return data.copy(p.from.data:get "acme/models", p.out .. "/m").files end)]])
  t:eq(said.data, "DONE 1")
  -- Without permissions a script's folders are those of the command line.
  w.home:write("work/y.lua", [[cx = nil
    return { run = function(cx)
      return cx:call("copy-data", { collections = { "./private", "./out" } })
    end }]])
  local r = w.home:run { "run", "y.lua" }
  t:eq(r.code, 9, r.all)
  t:match(r.all, "may not read that folder; add %-%-allow%-read")
  t:no(fs.stat(w.home.dir .. "/work/out/key.txt"))
end)
