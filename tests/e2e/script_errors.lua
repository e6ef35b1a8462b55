--- What a failed script says: its line, the lines around it, the calls that
--- led there, and the request.
local cli = require("support.cli")
local json = require("godwit.core.json")
local serve = require("godwit.core.serve")

local FIX = [[
local host = godwit.args[1]

local function look(n)
  return http.get(host .. "/v1/things/" .. n .. "?key=hidden-in-a-query",
    { retry = false }).body
end

task.each({ 1, 2, 3 }, function(n)
  local text = look(n)
  log.info("%s", text)
end, { jobs = 2 })
]]

local function server(t, answer)
  local s = assert(serve.listen({ handler = function(req)
    req:body(1 << 20)
    req:respond(table.unpack(answer, 1, 3))
  end }))
  t:defer(function() s:close(0) end)
  return "http://127.0.0.1:" .. s.port
end

local function position(text, pattern)
  return text:find(pattern) or error("no " .. pattern .. " in " .. text, 0)
end

test("line, excerpt, calls through tasks, request: in this order", function(t)
  local home = cli.home(t)
  local url = server(t, { 404, { ["Content-Type"] = "application/json",
    ["X-Request-Id"] = "req-1234" },
    '{"error":{"code":1001,"message":"no such thing"}}' })
  home:write("work/fix.lua", FIX)
  local r = home:expect(1, { "run", "fix.lua", "--", url })
  local last = 0
  for _, pattern in ipairs {
    "\nerror: fix%.lua:4: http: GET [^\n]*answered 404: no such thing",
    "\n    2 |\n    3 | local function look%(n%)\n  > 4 |   return http%.get",
    "\n    6 | end\n",
    "\n  called at fix%.lua:9\n",
    "\n  called by task%.each at fix%.lua:8\n",
    "\n  request: GET http://127%.0%.0%.1:%d+/v1/things/%d%?…, "
      .. "answered 404, request id req%-1234\n",
  } do
    local at = position(r.err, pattern)
    t:ok(at > last, pattern)
    last = at
  end
  t:no(r.err:find("request: [^\n]*hidden%-in%-a%-query"))
  t:no(r.err:find("lualib/", 1, true))
  t:no(home:expect(1, { "run", "-v", "fix.lua", "--", url }).err
    :find("lualib/", 1, true))
  t:match(home:expect(1, { "run", "-vv", "fix.lua", "--", url }).err,
    "lualib/godwit/http%.lua:%d+")

  r = home:expect(1, { "run", "--json", "fix.lua", "--", url })
  local e = json.decode(r.out).error
  t:eq({ e.line, e.kind, e.status, e.method }, { "fix.lua:4", "notfound", 404,
    "GET" })
  t:eq({ e.request.method, e.request.status, e.request.request_id },
    { "GET", 404, "req-1234" })
  t:no(e.url:find("hidden", 1, true))
  t:eq(#e.excerpt, 5)
  t:eq({ e.excerpt[3].number, e.excerpt[3].here }, { 4, true })
  t:eq({ e.calls[2].line, e.calls[3].line, e.calls[3].via },
    { 9, 8, "task.each" })
  t:eq(e.calls[2].source, "local text = look(n)")
end)

test("a cluster's refusal has its code and the request's id", function(t)
  local home = cli.home(t)
  local api = server(t, { 404, { ["Content-Type"] = "application/json" },
    '{"error":{"id":"5fd1","code":1001,"message":"no such algorithm"}}' })
  home:config(("return { clusters = { dev = { api = %q, key = env 'K' } } }")
    :format(api))
  home:write("work/get.lua", "local c = godwit.cluster 'dev'\n"
    .. "local a = c.algorithms:get 'acme/Nothing'\n")
  local env = { K = "simX1simX1simX1simX1simX1" }
  local r = home:expect(1, { "run", "get.lua", env = env })
  t:match(r.err, "error: get%.lua:2: GET ")
  t:match(r.err, "\n  > 2 | local a = c%.algorithms:get")
  t:match(r.err, "\n  request: GET " .. api:gsub("%p", "%%%0")
    .. "/v1/algorithms/acme/Nothing, answered 404, code 1001, "
    .. "request id 5fd1\n")
  local e = json.decode(home:run({ "run", "get.lua", "--json", env = env })
    .out).error
  t:eq({ e.request.status, e.request.code, e.request.request_id },
    { 404, 1001, "5fd1" })
end)

test("task.all, deadline, nested loops and coroutines are passed through",
  function(t)
    local home = cli.home(t)
    home:write("work/nested.lua", [[
task.each({ 1 }, function()
  task.all {
    function()
      local walk = coroutine.wrap(function()
        err.throw("refused", "not this one")
      end)
      walk()
    end,
  }
end)
]])
    local r = home:expect(6, { "run", "nested.lua" })
    t:match(r.err, "nested%.lua:5: not this one")
    local last = 0
    for _, pattern in ipairs { "> 5 |", "coroutine%.wrap at nested%.lua:7",
      "task%.all at nested%.lua:2", "task%.each at nested%.lua:1" } do
      local at = position(r.err, pattern)
      t:ok(at > last, r.err)
      last = at
    end
  end)

test("eval, workflows and what does not compile", function(t)
  local home = cli.home(t)
  home:sandbox(t, "dev", "empty")
  local r = home:expect(1, { "eval", "local x\nreturn x.y" })
  t:match(r.err, "error: eval:2: attempt to index a nil value")
  t:match(r.err, "\n    1 | local x\n  > 2 | return x%.y\n")
  t:no(home:expect(1, { "eval", "nothing.x" }).err:find("|", 1, true))
  home:write("work/flow.lua", [[
return { params = { on = "cluster" }, run = function(cx)
  local c = cx.params.on
  c.algorithms:get "nobody"
end }]])
  r = home:expect(2, { "run", "flow.lua", "--on", "sandbox:dev" })
  t:match(r.err, "error: flow%.lua:3: an algorithm is named OWNER/NAME")
  t:match(r.err, "\n  > 3 |   c%.algorithms:get \"nobody\"\n")
  home:write("work/typo.lua", "local a = 1\nlocal b = = 2\nlocal c = 3\n")
  r = home:expect(2, { "run", "typo.lua" })
  t:match(r.err, "error: typo%.lua:2: unexpected symbol near '='")
  t:match(r.err, "\n    1 | local a = 1\n  > 2 | local b = = 2\n")
end)

test("an item of one's own workflow that fails has its line", function(t)
  local home = cli.home(t)
  home:sandbox(t, "dev", "empty")
  home:write("work/items.lua", [[
return { params = { on = "cluster" }, run = function(cx)
  cx:each({ "acme/A", "acme/B" }, function(ref)
    if ref == "acme/A" then return "unchanged" end
    return "updated", ref.nothing.more
  end)
end }]])
  local words = { "run", "items.lua", "--on", "sandbox:dev" }
  local r = home:expect(3, words)
  t:match(r.out, "items%.lua:4: attempt to index a nil value[^\n]*\n"
    .. " +2 |[^\n]*\n +3 |[^\n]*\n +> 4 |     return \"updated\"")
  words[#words + 1] = "--json"
  local item = json.decode(home:expect(3, words).out).items[2]
  t:eq({ item.ref, item.error.line, #item.error.excerpt },
    { "acme/B", "items.lua:4", 5 })
end)

test("a long path is said whole, deep recursion is cut short", function(t)
  local home = cli.home(t)
  local folder = ("a-folder-with-a-long-name/"):rep(5)
  home:write("work/" .. folder .. "deep.lua", [[
local function down(n)
  if n == 0 then error "at the bottom" end
  down(n - 1)
  return n
end
down(150)]])
  local r = home:expect(1, { "run", folder .. "deep.lua" })
  t:match(r.err, "error: " .. folder:gsub("%p", "%%%0")
    .. "deep%.lua:2: at the bottom\n")
  t:match(r.err, "> 2 |   if n == 0")
  t:match(r.err, "and %d+ calls more\n")
  t:ok(select(2, r.err:gsub("\n", "")) < 30)
end)

test("no secret in it, and what servers say does not steer the terminal",
  function(t)
    local home = cli.home(t)
    local url = server(t, { 500, { ["Content-Type"] = "application/json",
      ["X-Request-Id"] = "id\27]0;title" },
      '{"error":{"message":"bad \27[2J hunter2-hunter2 \226\128\174"}}' })
    home:config(([[return { secrets = { host = { host = %q,
      value = env "HOST_KEY" } } }]]):format(url))
    home:write("work/leak.lua", [[
local key = godwit.secret "host" -- "hunter2-hunter2" stands here by mistake
local r = http.get(godwit.args[1] .. "/x?token=hunter2-hunter2",
  { auth = key, retry = false })]])
    for _, more in ipairs { {}, { "--json" }, { "-vv" } } do
      local words = { "run", "leak.lua", table.unpack(more) }
      table.move({ "--", url }, 1, 2, #words + 1, words)
      words.env = { HOST_KEY = "hunter2-hunter2" }
      local r = home:run(words)
      t:ok(r.code ~= 0)
      t:match(r.all, "leak%.lua:2")
      t:no(r.all:find("hunter2-hunter2", 1, true), r.all)
      t:no(r.all:find("\27", 1, true), r.all)
    end
  end)

test("a secret that a server says is not told in part either", function(t)
  local long = ("S3cr3tpart"):rep(40)
  for _, answer in ipairs({
    { 400, { ["Content-Type"] = "text/plain" }, "bad value: " .. long },
    { 400, { ["Content-Type"] = "application/json" },
      json.encode({ error = { code = 8001, message = "bad: " .. long } }) },
    { 200, { ["Content-Type"] = "text/plain" }, "no JSON: " .. long },
  }) do
    local home = cli.home(t)
    local url = server(t, answer)
    home:config(([[return { secrets = { host = { host = %q,
      value = env "HOST_KEY" } } }]]):format(url))
    home:write("work/leak.lua", [[http.get(godwit.args[1],
      { auth = godwit.secret "host", retry = false }):json()]])
    local r = home:run({ "run", "leak.lua", "--", url,
      env = { HOST_KEY = long } })
    t:eq(r.code, 1)
    t:match(r.err, "%[secret%]")
    t:no(r.all:find("S3cr3t", 1, true), r.all)
  end
end)

test("a document on a terminal does not steer it either", function(t)
  local home = cli.home(t)
  local r = home:expect(1, { "eval", "error('\\xc2\\x9b31m \\x7f \\27[31m')",
    "--json" })
  t:no(r.out:find("\xc2\x9b"), r.out)
  t:no(r.out:find("[\27\x7f]"), r.out)
  t:match(json.decode(r.out).error.message, "\xc2\x9b31m \x7f \27%[31m")
end)

test("the library's line is not the script's, but each script's own is",
  function(t)
    local home = cli.home(t)
    home:write("work/lualib/godwit/mine.lua", "local x\nlocal y = x.z\n")
    t:match(home:expect(1, { "run", "lualib/godwit/mine.lua" }).err,
      "error: lualib/godwit/mine%.lua:2: attempt to index")
    home:write("work/scripts/promote.lua", "local x\nlocal y = x.z\n")
    t:match(home:expect(1, { "run", "scripts/promote.lua" }).err,
      "> 2 | local y = x%.z")
    -- A chunk cannot claim the lines of a file.
    home:write("work/claim.lua", "load('error(\"x\")', '@/etc/passwd')()")
    t:no(home:expect(1, { "run", "claim.lua" }).err:find("root:", 1, true))
  end)

test("what was raised without a sentence of its own is shown", function(t)
  local home = cli.home(t)
  home:write("work/raise.lua",
    "local function stop()\n  error({ why = \"it's late\", at = { 3 } })\nend\n"
    .. "stop()\n")
  local r = home:expect(1, { "run", "raise.lua" })
  t:match(r.err, "error: raise%.lua:2: {\"at\":%[3%],\"why\":\"it's late\"}\n")
  t:match(r.err, "\n  called at raise%.lua:4\n")
  local e = json.decode(home:expect(1, { "run", "raise.lua", "--json" }).out)
  t:eq(e.error.message, "{\"at\":[3],\"why\":\"it's late\"}")
  r = home:expect(1, { "eval", "local l = {} for i = 1, 9 do l[i] = ('x'):rep(99) end "
    .. "error(l)" })
  t:match(r.err, "error: eval:1: %[\"xxx[^\n]*…\n")
  t:ok(#r.err < 600)
  t:match(home:expect(1, { "eval", "local x = {} x.x = x error(x)" }).err,
    "error: eval:1: a table was raised, not a text\n")
  home:sandbox(t, "dev", "empty")
  home:write("work/item.lua", [[
return { params = { on = "cluster" }, run = function(cx)
  cx:each({ "acme/A" }, function() error { 7 } end)
end }]])
  t:match(home:expect(1, { "run", "item.lua", "--on", "sandbox:dev" }).out,
    "item%.lua:2: %[7%] %(bug%)\n")
end)

test("what eval returns is of its line, with or without return", function(t)
  local home = cli.home(t)
  local url = server(t, { 404, {}, "none" })
  for _, word in ipairs { "", "return ", "  return\n" } do
    local r = home:expect(1, { "eval", word .. ("http.get(%q, { retry = false })")
      :format(url) })
    t:match(r.err, "error: eval:%d: http: GET ")
    t:match(r.err, "\n  request: GET [^\n]*, answered 404\n")
  end
  t:eq(home:expect(0, { "eval", "returned = 4 return returned" }).out, "4\n")
  t:eq(home:expect(0, { "eval", "return" }).out, "")
  t:eq(home:expect(0, { "eval", "return 1, nil" }).out, "1\nnil\n")
  t:eq(home:expect(0, { "eval", "return -- nothing" }).out, "")
end)

test("a wrong argument is the script's, and no line of ours is named",
  function(t)
    local home = cli.home(t)
    for code, says in pairs {
      ["task.each(nil, print)"] = "task%.each: the items are a list",
      ["task.each({ 1 })"] = "task%.each: what is called for each item",
      ["task.all(print)"] = "task%.all: what it runs is a list",
      ["task.all { print, 2 }"] = "task%.all: number 2 of the list is a number",
      ["copy.algorithm()"] = "copy%.algorithm: the first argument is an algo",
      ["git.remote()"] = "git%.remote: the address is a text, not a nil",
      ["setmetatable(_G, {})"] = "cannot change a protected metatable",
      ["setmetatable('x', {})"] = "bad argument #1 to 'setmetatable'",
    } do
      local r = home:run({ "eval", code })
      t:ok(r.code ~= 0, code)
      t:match(r.err, "error: eval:1: " .. says)
      t:no(r.err:find("lualib", 1, true), r.err)
    end
  end)

test("a byte order mark is no part of a script; compiled ones are named",
  function(t)
    local home = cli.home(t)
    home:write("work/bom.lua", "\xef\xbb\xbfprint('ran')\r\nlocal y = x.y\r\n")
    local r = home:expect(1, { "run", "bom.lua" })
    t:eq(r.out, "ran\n")
    t:match(r.err, "error: bom%.lua:2: attempt to index a nil value")
    t:match(r.err, "\n    1 | print%('ran'%)\n  > 2 | local y = x%.y\n")
    home:write("work/luac.lua", "\27Lua\x54")
    r = home:expect(2, { "run", "luac.lua" })
    t:match(r.err, "error: luac%.lua is compiled Lua; only its source is run")
  end)

test("the password of an address stands in no excerpt", function(t)
  local home = cli.home(t)
  home:write("work/url.lua",
    "local r = http.get('https://bob:s3cr3t@127.0.0.1:1/x')\nprint(r)\n")
  for _, more in ipairs { {}, { "--json" }, { "-vv" } } do
    local r = home:expect(2, { "run", "url.lua", table.unpack(more) })
    t:match(r.all, "https://…@127%.0%.0%.1:1/x")
    t:no(r.all:find("s3cr3t", 1, true), r.all)
  end
end)
