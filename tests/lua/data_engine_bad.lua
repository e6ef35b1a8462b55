-- The engine against servers that misbehave and files that change: what is
-- not whole at the source is never whole at the destination.
local badserver = require("support.badserver")
local data = require("godwit.core.data")
local err = require("godwit.err")
local folder = require("godwit.core.folder")
local fs = require("godwit.core.fs")
local nginx = require("support.nginx")
local serve = require("godwit.core.serve")
local sys = require("godwit.core.sys")
local task = require("godwit.task")

local MIB = 1 << 20

local function copier(from, to, opts) return err.check(data.copier(from, to, opts)) end

local function open(t) return assert(folder.open(t:tmpdir(), true)) end

local function one(c, job)
  c:submit({ job })
  c:finish()
  return c:wait()[1]
end

local function listen(t, handler)
  local server = assert(serve.listen({ handler = handler }))
  t:defer(function() server:close(0) end)
  return "http://127.0.0.1:" .. server.port
end

-- Nothing came of it at either kind of destination.
local function nothing(t, from, job, kind, words)
  local b, to = nginx.webdav(t), open(t)
  for _, dest in ipairs({ { url = b.url }, { folder = to } }) do
    local r = one(copier(from, dest), job)
    t:no(r.ok)
    t:eq(r.err.kind, kind)
    t:eq(r.stage, "read")
    t:match(r.err.message, words)
    t:ok(r.err.retryable)
  end
  task.sleep(0.05)
  t:eq(fs.list(b.files), {})
  t:eq(fs.list(to:path()), {})
end

test("bodies that are cut off, small and large", function(t)
  local bad = badserver.start(t)
  nothing(t, { url = bad.url .. "/short=100/" }, { name = "f" }, "net", "cut off")
  nothing(t, { url = bad.url .. "/short=3000000/" }, { name = "f" }, "net", "cut off")
  nothing(t, { url = bad.url .. "/badchunk=0/" }, { name = "f" }, "net", "")
  nothing(t, { url = bad.url .. "/close=0/" }, { name = "f" }, "net", "")
end)

test("a length beside a body in chunks is no reason to wait for ever", function(t)
  local bad, to = badserver.start(t), open(t)
  for _, length in ipairs({ 0, 5, 50000, 99999 }) do
    local r = one(copier({ url = ("%s/both=%d/"):format(bad.url, length) }, { folder = to }), { name = "f" })
    t:eq(r.err and r.err.kind, "remote", tostring(length))
    t:match(r.err.message, "f: " .. length .. " bytes were announced, more came")
  end
  t:eq(fs.list(to:path()), {})
  local r = one(copier({ url = bad.url .. "/both=100000/" }, { folder = to }), { name = "f" })
  t:ok(r.ok)
  r = one(copier({ url = bad.url .. "/both=100001/" }, { folder = to }), { name = "f" })
  t:eq(r.err.kind, "conflict")
end)

test("a body without a length that ends before its listed size", function(t)
  local origin = listen(t, function(req)
    req:start(200, {})
    req:write(("x"):rep(1000))
    req:finish()
  end)
  nothing(t, { url = origin .. "/" }, { name = "f", size = 1001 }, "conflict", "1001 bytes were announced, 1000 came")
  local to = open(t)
  t:ok(one(copier({ url = origin .. "/" }, { folder = to }), { name = "f", size = 1000 }).ok)
  t:ok(one(copier({ url = origin .. "/" }, { folder = to }), { name = "f" }).ok)
end)

test("a source that falls silent ends both sides; so does a destination", function(t)
  local bad = badserver.start(t)
  local b = nginx.webdav(t)
  local r = one(copier({ url = bad.url .. "/stall=3000000/", stall_timeout = 0.3 }, { url = b.url }), { name = "f" })
  t:eq(r.err.kind, "timeout")
  t:eq(r.stage, "read")
  t:match(r.err.message, "nothing moved for 0.3 s")
  t:eq(fs.list(b.files), {})
  local from = open(t)
  assert(fs.write(from:path() .. "/f", ("y"):rep(20 * MIB)))
  r = one(copier({ folder = from }, { url = bad.url .. "/deaf=0/", stall_timeout = 0.3 }), { name = "f" })
  t:eq(r.err.kind, "timeout")
  t:eq(r.stage, "write")
  t:ok(r.sent)
  r = one(copier({ folder = from }, { url = bad.url .. "/hang=0/", answer_timeout = 0.3 }), { name = "f" })
  t:eq(r.err.kind, "timeout")
  t:match(r.err.message, "no answer for 0.3 s")
end)

test("a side that waits for the other does not time out by itself", function(t)
  local bad = badserver.start(t)
  local a = nginx.webdav(t)
  assert(fs.write(a.files .. "/f", ("z"):rep(6 * MIB)))
  -- The destination takes its time: the source is silent for longer than it may.
  local r = one(copier({ url = a.url, stall_timeout = 0.2 }, { url = bad.url .. "/sip=10/" }, { buffer = 65536 }),
    { name = "f" })
  t:ok(r.ok, tostring(r.err))
  -- The source does: the destination gets nothing for longer than it may take.
  local b = nginx.webdav(t)
  r = one(copier({ url = bad.url .. "/later=3000000/" }, { url = b.url, stall_timeout = 0.3 }), { name = "f" })
  t:ok(r.ok, tostring(r.err))
  t:eq(fs.stat(b.files .. "/f").size, 3000000)
end)

test("an error before the body was read ends the pair, with what was said", function(t)
  local bad = badserver.start(t)
  local a, from = nginx.webdav(t), open(t)
  assert(fs.write(a.files .. "/f", ("z"):rep(6 * MIB)))
  assert(fs.write(from:path() .. "/f", ("z"):rep(6 * MIB)))
  for _, source in ipairs({ { url = a.url }, { folder = from } }) do
    local r = one(copier(source, { url = bad.url .. "/early=409/" }), { name = "f" })
    t:eq(r.err.kind, "conflict")
    t:eq(r.status, 409)
    t:eq(r.body, "early")
    t:eq(r.stage, "write")
    t:match(r.err.message, "f: the destination answered 409")
  end
  -- It waits for more of a slow source when the answer comes.
  local r = one(copier({ url = bad.url .. "/later=3000000/" }, { url = bad.url .. "/early=403/" }), { name = "f" })
  t:eq(r.err.kind, "auth")
  t:eq(r.body, "early")
end)

test("answers that are errors: kind, body, and whether a repeat helps", function(t)
  local status, headers
  local origin = listen(t, function(req)
    req:body()
    req:respond(status, headers or {}, '{"error":{"message":"no"}}')
  end)
  local to = open(t)
  local function ask(s, h)
    status, headers = s, h
    return one(copier({ url = origin .. "/" }, { folder = to }), { name = "f" })
  end
  for s, kind in pairs({ [401] = "auth", [403] = "auth", [404] = "notfound", [409] = "conflict", [429] = "limit",
    [500] = "remote", [501] = "remote", [503] = "remote", [206] = "remote", [302] = "remote", [204] = "remote" }) do
    local r = ask(s)
    t:eq(r.err.kind, kind, tostring(s))
    t:eq(r.status, s)
    t:eq(r.err.retryable, s == 429 or s == 500 or s == 503)
    if s > 299 then t:eq(r.body, '{"error":{"message":"no"}}') end
  end
  t:eq(ask(503, { ["Retry-After"] = "7" }).retry_after, 7)
  t:eq(ask(503, { ["Retry-After"] = "Sun, 06 Nov 1994 08:49:37 GMT" }).retry_after, 0)
  t:eq(ask(503, { ["Retry-After"] = "soon" }).retry_after, nil)
  t:eq(fs.list(to:path()), {})
end)

test("a redirect is not followed, and says where to, but not what opens it", function(t)
  local location
  local origin = listen(t, function(req)
    req:body()
    req:respond(302, { Location = location }, "")
  end)
  local from, to = open(t), open(t)
  assert(fs.write(from:path() .. "/f", "x"))
  for given, shown in pairs({ ["https://u:pw@store.example.com/a?sig=s3cret"] = "https://store%.example%.com:443,",
    ["/elsewhere?sig=s3cret"] = "another address,", ["javascript:s3cret"] = "another address," }) do
    location = given
    for side, c in pairs({ source = copier({ url = origin .. "/" }, { folder = to }),
      destination = copier({ folder = from }, { url = origin .. "/" }) }) do
      local r = one(c, { name = "f" })
      t:match(r.err.message, "f: the " .. side .. " answered 302 and points to " .. shown)
      t:no(r.err.message:find("s3cret") or r.err.message:find("pw"))
    end
  end
end)

test("a body that is coded on its way is not the file", function(t)
  local coding
  local origin = listen(t, function(req)
    req:body()
    req:respond(200, { ["Content-Encoding"] = coding }, "0123456789")
  end)
  local to = open(t)
  local function ask(size) return one(copier({ url = origin .. "/" }, { folder = to }), { name = "f", size = size }) end
  coding = "gzip"
  for _, size in ipairs({ 9, 1000, false }) do
    local r = ask(size or nil)
    t:eq({ r.ok, r.err.kind, r.stage }, { nil, "remote", "read" })
    t:match(r.err.message, "f: it came encoded %(gzip%), not as it is stored")
    t:eq(fs.list(to:path()), {})
  end
  -- It may be kept like that.
  t:ok(ask(10).ok)
  coding = "identity"
  t:ok(ask(9).ok)
end)

test("an error under a status that is none comes along; a long answer is none", function(t)
  local text = '{"error":{"message":"full"}}'
  local origin = listen(t, function(req)
    req:body()
    req:respond(200, {}, text)
  end)
  local from = open(t)
  assert(fs.write(from:path() .. "/f", "x"))
  t:eq(one(copier({ folder = from }, { url = origin .. "/" }), { name = "f" }).body, text)
  text = ("x"):rep(100000)
  local r = one(copier({ folder = from }, { url = origin .. "/" }), { name = "f" })
  t:eq(r.err.kind, "limit")
  t:ok(r.sent)
end)

test("a busy server is left alone for as long as it says, then gets half", function(t)
  local busy, times = true, {}
  local origin = listen(t, function(req)
    if busy then
      busy = false
      return req:respond(503, { ["Retry-After"] = "1" }, "")
    end
    times[#times + 1] = sys.monotonic()
    req:respond(200, {}, "x")
  end)
  local c = copier({ url = origin .. "/" }, nil, { start = 8 })
  c:submit({ { name = "f" } })
  local begin = sys.monotonic()
  t:eq(c:wait()[1].retry_after, 1)
  t:eq(c:stats().limit, 4)
  c:submit({ { name = "f" } })
  t:ok(c:wait()[1].ok)
  t:ok(times[1] - begin > 0.9)
end)

test("an ETag that is an MD5 must be it, unless it is said not to be", function(t)
  local etag
  local origin = listen(t, function(req) req:respond(200, { ETag = etag }, "hello\n") end)
  local to = open(t)
  local function ask(text, opts)
    etag = text
    return one(copier({ url = origin .. "/" }, { folder = to }, opts), { name = "f" })
  end
  t:ok(ask('"b1946ac92492d2347c6235b4d2611184"').ok)
  t:ok(ask("B1946AC92492D2347C6235B4D2611184").ok)
  local r = ask('"b1946ac92492d2347c6235b4d2611185"')
  t:eq(r.err.kind, "conflict")
  t:match(r.err.message, "f: the source says its MD5 is b1946ac92492d2347c6235b4d2611185, what came has")
  t:eq({ r.other_etag, r.bytes, r.md5, r.source_etag }, { true, 6,
    "b1946ac92492d2347c6235b4d2611184", '"b1946ac92492d2347c6235b4d2611185"' })
  t:ok(ask('"b1946ac92492d2347c6235b4d2611185"', { etag = false }).ok)
  t:ok(one(copier({ url = origin .. "/" }, { folder = to }), { name = "f", etag = false }).ok)
  t:ok(ask('W/"b1946ac92492d2347c6235b4d2611185"').ok)
  t:ok(ask('"b1946ac92492d2347c6235b4d2611185-3"').ok)
end)

test("a file that grows, shrinks or is written to while it is read", function(t)
  local b, from, to = nginx.webdav(t), open(t), open(t)
  local path = from:path() .. "/f"
  local changes = {
    function(f) f:seek("end") f:write("more") end,
    function(f) f:seek("set", 2 * MIB) f:write("other") end,
    function() assert(os.execute(("truncate -s 100 '%s'"):format(path))) end,
  }
  for _, change in ipairs(changes) do
    for _, dest in ipairs({ { url = b.url }, { folder = to } }) do
      assert(fs.write(path, ("s"):rep(3 * MIB)))
      local c = copier({ folder = from }, dest, { rate = 3 * MIB, buffer = 65536 })
      c:submit({ { name = "f" } })
      task.sleep(0.25)
      t:eq(c:stats().done, 0)
      local f = assert(io.open(path, "r+"))
      change(f)
      f:close()
      local r = c:wait()[1]
      t:eq(r.err and r.err.kind, "conflict")
      t:ok(r.err.retryable)
      t:match(r.err.message, "f changed while it was read")
    end
  end
  t:eq(fs.list(b.files), {})
  t:eq(fs.list(to:path()), {})
end)

test("a destination that cannot be written to", function(t)
  local from, to = open(t), open(t)
  assert(fs.write(from:path() .. "/f", "x"))
  assert(fs.mkdir(to:path() .. "/f"))
  local r = one(copier({ folder = from }, { folder = to }), { name = "f" })
  t:eq(r.err.kind, "io")
  t:eq(r.stage, "write")
  t:eq(#fs.list(to:path()), 1)
  r = one(copier({ folder = from }, { url = "http://127.0.0.1:1/" }), { name = "f" })
  t:eq(r.err.kind, "net")
  t:match(r.err.message, "nobody listens")
  t:eq(r.sent, false)
end)
