--- Budgets of a script's permissions: what is used up ends the run with exit
--- code 8, says what it was and what was done, and nothing more leaves.
local cli = require("support.cli")
local fs = require("godwit.core.fs")
local json = require("godwit.core.json")
local sandboxes = require("support.sandboxes")
local serve = require("godwit.core.serve")

local function world(t)
  local w = { log = {}, home = cli.home(t) }
  local server = assert(serve.listen({ port = 0, handler = function(req)
    req:body(1 << 24)
    w.log[#w.log + 1] = req.method .. " " .. req.path
    req:respond(200, {}, req.path == "/large" and ("x"):rep(300000) or "fine")
  end }))
  t:defer(function() server:close() end)
  w.url = "http://127.0.0.1:" .. server.port
  return w
end

-- Runs a workflow with these budgets; `items` is what each item does.
local function run(w, code, budgets, body, ...)
  w.home:write("work/b.lua", ([[
    local URL = %q
    return {
      params = {},
      permissions = { hosts = { [URL] = { "GET", "POST", "DELETE" } },
        read = { "./in" }, write = { "./out" }, budgets = { %s } },
      run = function(cx) %s end,
    }]]):format(w.url, budgets, body))
  local r = w.home:expect(code, { "run", "b.lua", "-j", "1", "--json", ... })
  return json.decode(r.out), r
end

local POSTS = [[
  cx:each({ "a", "b", "c", "d" }, function(name)
    http.post(URL .. "/" .. name)
    return { outcome = "created", ref = name }
  end)]]

test("writes that are used up end the loop", function(t)
  local w = world(t)
  local doc = run(w, 8, "writes = 2", POSTS)
  t:eq(w.log, { "POST /a", "POST /b" })
  t:eq(doc.counts.created, 2)
  t:eq(doc.counts.failed, 2)
  t:eq(doc.exit, 8)
  t:match(doc.budget, "^the budget writes = 2 is used up: POST 127%.0%.0%.1:%d+"
    .. "/c was not sent$")
  t:eq(doc.used.writes, 2)
  t:eq(doc.used.requests, 2)
  for i = 3, 4 do
    t:eq(doc.items[i].kind, "budget")
    t:eq(doc.items[i].why, doc.budget)
  end
  -- The same in words; and again, with a budget of its own each time.
  local r = w.home:run { "run", "b.lua", "-j", "1" }
  t:eq(r.code, 8)
  t:match(r.out, "\nA budget ended the run: the budget writes = 2 is used up: "
    .. "POST [^\n]+/c was not sent%. By then: 2 requests, 2 writes, 0 deletes, "
    .. "8 B%.\n")
  t:no(r.out:find("give the same command again"))
end)

test("enough is enough, and a plan uses nothing", function(t)
  local w = world(t)
  local doc = run(w, 0, "writes = 4, deletes = 0, requests = 4", POSTS)
  t:eq(doc.budget, nil)
  doc = run(w, 0, "writes = 0", POSTS, "-n")
  t:eq(#w.log, 4)
  t:eq(doc.mode, "plan")
end)

test("deletions, by whatever name", function(t)
  local w = world(t)
  for _, call in ipairs({ "http.delete(URL .. '/x')",
    "http.post(URL .. '/x', { headers = { ['X-HTTP-Method-Override'] = "
      .. "'DELETE' } })", "http.post(URL .. '/x?_method=delete')",
    "http.post(URL .. '/x', { body = { '_meth', 'od=DELETE' }, headers = "
      .. "{ ['Content-Type'] = 'application/x-www-form-urlencoded' } })",
    "http.post(URL .. '/x', { body = '_method=DELETE', headers = "
      .. "{ Content_type = 'application/x-www-form-urlencoded' } })" }) do
    local doc = run(w, 8, "deletes = 0", ("http.get(URL .. '/y') %s"):format(
      call))
    t:match(doc.budget, "deletes = 0 is used up")
  end
  t:eq(w.log, { "GET /y", "GET /y", "GET /y", "GET /y", "GET /y" })
end)

test("bytes, received and sent", function(t)
  local w = world(t)
  local doc = run(w, 8, "bytes = 100000", "http.get(URL .. '/large')")
  t:match(doc.budget, "bytes = 100000 is used up: GET [^\n]+ ends here")
  doc = run(w, 8, "bytes = 100000",
    "http.post(URL .. '/up', { body = ('x'):rep(100001) })")
  t:match(doc.budget, "bytes = 100000 is used up: POST [^\n]+ was not sent")
  run(w, 0, "bytes = 400000", "http.get(URL .. '/large')")
  t:eq(w.log, { "GET /large", "GET /large" })
end)

test("requests, each attempt", function(t)
  local w = world(t)
  local doc = run(w, 8, "requests = 3",
    "for i = 1, 9 do http.get(URL .. '/' .. i) end")
  t:eq(#w.log, 3)
  t:match(doc.budget, "requests = 3")
end)

test("a script that goes on all the same gets nothing out", function(t)
  local w = world(t)
  local doc = run(w, 8, "requests = 1", [[
    for i = 1, 5 do pcall(http.get, URL .. "/" .. i) end
    cx:each({ "a" }, function() return "created" end)]])
  t:eq(w.log, { "GET /1" })
  t:eq(doc.counts.created, 1)
  t:match(doc.budget, "requests = 1 is used up: GET [^\n]+/2 was not sent")
end)

test("minutes cancel what is under way, and nothing leaves then", function(t)
  local w = world(t)
  local doc = run(w, 8, "minutes = 0.01", [[
    cx:each({ "a", "b", "c" }, function(name)
      if name == "a" then return "created" end
      local late <close> = setmetatable({}, { __close = function()
        print(pcall(http.get, URL .. "/late"))
      end })
      while true do pcall(task.sleep, 30) end
    end)]])
  t:eq(w.log, {})
  t:match(doc.budget, "minutes = 0.01 is used up")
  t:eq(doc.counts.created, 1)
  t:eq(doc.counts.failed, 2)
  for i = 2, 3 do
    t:eq(doc.items[i].kind, "budget")
    t:eq(doc.items[i].why, doc.budget)
  end
  t:eq(doc.interrupted, false)
  -- Outside of any loop, too; and one that does not end is left.
  doc = run(w, 8, "minutes = 0.005", [[
    local never <close> = setmetatable({}, { __close = function()
      while true do pcall(task.sleep, 1000) end
    end })
    task.sleep(60)]])
  t:match(doc.budget, "minutes = 0.005 is used up")
  doc = run(w, 8, "minutes = 0.005", "task.sleep(60)")
  t:match(doc.budget, "minutes = 0.005 is used up: what was under way was "
    .. "stopped")
end)

test("Ctrl-C ends what has minutes as it ends anything", function(t)
  local w = world(t)
  w.home:write("work/c.lua", [[return { permissions = {
    budgets = { minutes = 5 } }, run = function(cx)
      cx:each({ "a", "b" }, function(name)
        if name == "a" then return "created" end
        log.info "WAITING"
        task.sleep(100)
      end)
    end }]])
  local p = w.home:start { "run", "c.lua", "-j", "1" }
  local text = ""
  while not text:find("WAITING") do
    text = text .. assert(p:read_err())
  end
  p:kill(2)
  local out = ""
  for chunk in function() return p:read() end do
    out = out .. chunk
  end
  t:eq(p:wait(), 130)
  t:match(out, "failed     b\n           interrupted")
  t:no(out:find("budget"))
end)

test("files that are written and removed", function(t)
  local w = world(t)
  local work = w.home.dir .. "/work"
  for _, name in ipairs({ "in/a", "in/b", "out/old" }) do
    w.home:write("work/" .. name, name)
  end
  local SYNC = "tree.sync('./in', './out', { delete = true })"
  local doc, r = run(w, 8, "writes = 1", SYNC)
  t:match(doc.budget, "writes = 1 is used up: writing [ab] was not done")
  t:match(r.err, "at most 1 write;")
  t:eq(#fs.list(work .. "/out"), 2)
  doc = run(w, 8, "deletes = 0", SYNC)
  t:match(doc.budget, "deletes = 0 is used up: removing old was not done")
  t:eq(fs.read(work .. "/out/old", 16), "out/old")
  run(w, 0, "writes = 0, deletes = 1", SYNC)
  t:eq(fs.stat(work .. "/out/old"), nil)
  t:eq(fs.read(work .. "/out/a", 16), "in/a")
end)

test("what a run left half written is nobody's file, what is called alike is",
  function(t)
    local w = world(t)
    local out = w.home.dir .. "/work/out/"
    w.home:write("work/in/a", "a")
    for _, call in ipairs({ "tree.sync", "data.copy" }) do
      local code = call .. "('./in', './out', { delete = true })"
      w.home:write("work/out/.godwit-notes", "mine")
      local doc = run(w, 8, "deletes = 0", code)
      t:match(doc.budget, "deletes = 0 is used up: removing %.godwit%-notes was "
        .. "not done")
      t:eq(fs.read(out .. ".godwit-notes", 16), "mine")
      fs.remove(out .. ".godwit-notes")
      local left = ".godwit-0123456789abcdef"
      w.home:write("work/out/" .. left, "half")
      w.home:write("work/in/" .. call, "new")
      assert(os.execute(("touch -d '3 hours ago' %s%s"):format(out, left)))
      run(w, 0, "deletes = 0", code)
      t:eq(fs.stat(out .. left), nil)
    end
  end)

local DATA = [[return {
  params = { from = "cluster" },
  permissions = { clusters = { from = "write" }, write = { "./out" },
    read = { "./in" }, budgets = { %s } },
  run = function(cx)
    cx:each(cx.params.from.data:each { owner = "acme" }, function(c)
      return data.copy(%s).outcome
    end)
  end,
}]]

test("data: bytes, files, deletions", function(t)
  local box, home = sandboxes.start(t), cli.home(t)
  home:config(("return { clusters = { dev = { api = %q, key = env 'KEY' } } }")
    :format(box.api))
  home.env.KEY = box:key("acme")
  box:send("POST", "/v1/data/acme", { json = { name = "models" } })
  for _, name in ipairs({ "a", "b", "c" }) do
    t:eq(box:send("PUT", "/v1/data/acme/models/" .. name, { type =
      "application/octet-stream", body = name:rep(400000) }).status, 200)
  end
  home:write("work/in/new", "new")
  local function copy(code, budgets, what)
    home:write("work/d.lua", DATA:format(budgets, what))
    return json.decode(home:expect(code, { "run", "d.lua", "--from", "dev",
      "--json" }).out)
  end
  local doc = copy(8, "bytes = 1000000", "c, './out'")
  t:match(doc.budget, "bytes = 1000000 is used up")
  t:eq(doc.items[1].kind, "budget")
  for _, entry in ipairs(fs.list(home.dir .. "/work/out")) do
    t:eq(fs.stat(home.dir .. "/work/out/" .. entry.name).size, 400000,
      entry.name)
  end
  copy(0, "bytes = 2000000", "c, './out'")
  t:eq(#fs.list(home.dir .. "/work/out"), 3)
  doc = copy(8, "writes = 0", "'./in', c")
  t:match(doc.budget, "writes = 0 is used up: ")
  doc = copy(8, "deletes = 2", "'./in', c, { delete = true }")
  t:match(doc.budget, "deletes = 2 is used up: DELETE [^\n]+ was not sent")
end)

test("what tries does not go on without a budget", function(t)
  local box, home = sandboxes.start(t), cli.home(t)
  home:config(("return { clusters = { dev = { api = %q, key = env 'KEY' } } }")
    :format(box.api))
  home.env.KEY = box:key("acme")
  for _, try in ipairs({ "c.data:try_get('acme/c' .. i)",
    "c.algorithms:try_get('acme/a' .. i)" }) do
    home:write("work/t.lua", ([[return {
      params = { from = "cluster" },
      permissions = { clusters = { from = "read" },
        budgets = { requests = 3 } },
      run = function(cx)
        local c = cx.params.from
        for i = 1, 6 do %s end
        cx:each({ "went on" }, function() return "created" end)
      end,
    }]]):format(try))
    local doc = json.decode(home:expect(8, { "run", "t.lua", "--from", "dev",
      "--json" }).out)
    t:match(doc.budget, "requests = 3 is used up")
    t:eq(#doc.items, 0, try)
  end
end)
