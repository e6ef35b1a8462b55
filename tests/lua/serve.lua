-- core.http against core.serve, both on this loop.
local core = require("godwit.core.http")
local err = require("godwit.err")
local serve = require("godwit.core.serve")
local task = require("godwit.task")

local function start(t, handler)
  local server = assert(serve.listen({ port = 0, handler = handler }))
  t:defer(function()
    server:close(1)
  end)
  return server, "http://127.0.0.1:" .. server.port
end

test("a request has its parts, an answer its headers", function(t)
  local seen
  local _, base = start(t, function(req)
    seen = { req.method, req.path, req.query, req.headers["x-a"], req:body(100) }
    req:respond(201, { ["X-B"] = { "1", "2" }, ["X-C"] = "c" }, "made")
  end)
  local r = err.check(core.send({
    method = "PUT", url = base .. "/a%2Fb?q=1", headers = { ["X-A"] = "é" }, body = "hi",
  }))
  t:eq(seen, { "PUT", "/a%2Fb", "q=1", "é", "hi" })
  t:eq({ r.status, r.body, r.headers["x-b"], r.headers["x-c"] }, { 201, "made", "1, 2", "c" })
  t:ok(r.headers.date)
  t:eq(r.headers["content-length"], "4")
  t:eq(r.bytes_up, 2)
end)

test("bodies of both directions stream with back-pressure", function(t)
  local chunk = ("x"):rep(100000)
  local _, base = start(t, function(req)
    req:start(200, {})
    for c in function() return req:read() end do
      req:write(c)
    end
    req:finish()
  end)
  local r = err.check(core.send({ method = "POST", url = base, body = chunk:rep(50) }))
  t:eq(#r.body, 5000000)
  t:eq(r.headers["transfer-encoding"], "chunked")
end)

test("a slow reader of a body holds its sender back", function(t)
  local taken = 0
  local _, base = start(t, function(req)
    task.sleep(0.2)
    t:ok(taken == 0)
    for c in function() return req:read() end do
      taken = taken + #c
    end
    req:respond(200, nil, tostring(taken))
  end)
  local r = err.check(core.send({ method = "POST", url = base, body = ("y"):rep(20000000) }))
  t:eq(r.body, "20000000")
end)

test("a handler's error is a 500 in JSON", function(t)
  local _, base = start(t, function(req)
    if req.path == "/silent" then return end
    error('it "broke"')
  end)
  local r = err.check(core.send({ url = base }))
  t:eq(r.status, 500)
  t:match(r.body, '{"error":{"message":".*it \\"broke\\""}}')
  t:eq(core.send({ url = base .. "/silent" }).status, 500)
end)

test("an answer that is not finished is cut", function(t)
  local _, base = start(t, function(req)
    req:start(200, {})
    req:write("half")
    error("no more")
  end)
  local r, e = core.send({ url = base })
  t:eq(r, nil)
  t:eq({ e.kind, e.sent, e.method }, { "net", true, "GET" })
end)

test("too large a body is refused by the handler's cap", function(t)
  local _, base = start(t, function(req)
    local body, e = req:body(10)
    req:respond(body and 200 or 413, nil, e and e.kind or "")
  end)
  local r = err.check(core.send({ method = "POST", url = base, body = ("z"):rep(300000) }))
  t:eq({ r.status, r.body }, { 413, "limit" })
end)

test("HEAD answers carry a length and no body", function(t)
  local _, base = start(t, function(req)
    if req.path == "/s" then
      req:start(200, { ["Content-Length"] = "300000" })
      for _ = 1, 3 do t:ok(req:write(("x"):rep(100000))) end
      return req:finish()
    end
    req:respond(200, nil, "body")
  end)
  local r = err.check(core.send({ method = "HEAD", url = base }))
  t:eq({ r.body, r.headers["content-length"] }, { "", "4" })
  r = err.check(core.send({ method = "HEAD", url = base .. "/s" }))
  t:eq({ r.body, r.headers["content-length"] }, { "", "300000" })
  r = err.check(core.send({ url = base .. "/s" }))
  t:eq({ #r.body, r.headers["content-length"] }, { 300000, "300000" })
end)

test("a handler learns that its client went away", function(t)
  local gone, wrote
  local _, base = start(t, function(req)
    req:start(200, {})
    for _ = 1, 200 do
      if req:closed() then
        gone = true
        break
      end
      task.sleep(0.01)
    end
    for _ = 1, 20 do
      local ok, e = req:write(("x"):rep(1000000))
      if not ok then wrote = e.kind break end
    end
  end)
  local child = task.spawn(core.send, { url = base })
  task.sleep(0.2)
  task.cancel(child)
  local ok, e = pcall(task.join, child)
  t:ok(ok or err.is(e, "cancelled"))
  for _ = 1, 500 do
    if wrote then break end
    task.sleep(0.01)
  end
  t:ok(gone)
  t:eq(wrote, "net")
end)

test("a cancelled exchange says whether it was sent", function(t)
  local server, base = start(t, function(req)
    task.sleep(0.3)
    req:respond(200)
  end)
  local got
  local child = task.spawn(function()
    local _, e = core.send({ url = base })
    got = e
  end)
  while server:running() == 0 do task.sleep(0.01) end
  task.cancel(child)
  task.join(child)
  t:eq({ got.kind, got.sent }, { "cancelled", true })
end)

test("close waits for what runs and takes nothing new", function(t)
  local server, base = start(t, function(req)
    task.sleep(0.15)
    req:respond(200, nil, "late")
  end)
  local child = task.spawn(core.send, { url = base })
  while server:running() == 0 do task.sleep(0.01) end
  server:close()
  t:eq(task.join(child).body, "late")
  local _, e = core.send({ url = base, fresh = true })
  t:eq({ e.kind, e.sent }, { "net", false })
end)

test("close with a limit cuts what hangs", function(t)
  local server, base = start(t, function(req)
    task.sleep(0.5)
    req:respond(200)
  end)
  local child = task.spawn(core.send, { url = base })
  while server:running() == 0 do task.sleep(0.01) end
  server:close(0.05)
  local r, e = task.join(child)
  t:eq({ r, e.kind }, { nil, "net" })
  task.sleep(0.5)
end)

test("many at once", function(t)
  local _, base = start(t, function(req)
    task.sleep(0.01)
    req:respond(200, nil, req.path)
  end)
  local list = {}
  for i = 1, 300 do list[i] = i end
  task.each(list, function(i)
    t:eq(err.check(core.send({ url = base .. "/" .. i })).body, "/" .. i)
  end, { jobs = 64 })
end)

test("addresses", function(t)
  t:eq(core.url.parse("https://me@h/p?q").origin, "https://h:443")
  t:eq(core.url.resolve("https://h/a/b", "../c"), "https://h/c")
  t:eq(core.url.encode("a b/é~"), "a%20b%2F%C3%A9~")
  t:eq(core.url.decode("a%20b%2F%C3%A9%zz%4"), "a b/é%zz%4")
  local _, e = core.url.parse("nonsense")
  t:eq(e.kind, "usage")
end)
