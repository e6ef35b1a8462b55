-- The engine that streams files: between nginx servers with WebDAV and folders.
local data = require("godwit.core.data")
local err = require("godwit.err")
local folder = require("godwit.core.folder")
local fs = require("godwit.core.fs")
local nginx = require("support.nginx")
local secret = require("godwit.core.secret")
local serve = require("godwit.core.serve")
local sys = require("godwit.core.sys")
local task = require("godwit.task")

local MIB = 1 << 20

local function copier(from, to, opts) return err.check(data.copier(from, to, opts)) end

-- What became of all jobs, by name.
local function run(c, jobs)
  local by = {}
  c:submit(jobs)
  c:finish()
  for results in c.wait, c do
    for _, r in ipairs(results) do by[r.name] = r end
  end
  return by
end

local function put(dir, files)
  for name, text in pairs(files) do
    local f = assert(io.open(dir .. "/" .. name, "w"))
    f:write(text)
    f:close()
  end
end

local function names(files)
  local jobs = {}
  for name in pairs(files) do jobs[#jobs + 1] = { name = name } end
  return jobs
end

local function open(t, write) return assert(folder.open(t:tmpdir(), write)) end

-- A file of so many bytes that takes no room.
local function sparse(path, size)
  local f = assert(io.open(path, "w"))
  f:seek("set", size - 1)
  f:write("x")
  f:close()
end

local FILES = { ["a.txt"] = "hello\n", ["empty"] = "", ["b c+d%e&f?g#h.bin"] = ("x"):rep(70000),
  ["größe — 漢字.txt"] = "ü", ["large"] = ("0123456789abcdef"):rep(200000),
  ["%2e%2e"] = "dots", ["back\\slash"] = "b", ["-"] = "dash" }

local function check(t, by, dir)
  for name, text in pairs(FILES) do
    local r = by[name]
    t:ok(r and r.ok, name .. ": " .. tostring(r and r.err))
    t:eq(r.bytes, #text)
    t:eq(#r.md5, 32)
    t:eq(#r.sha256, 64)
    if dir then t:ok(fs.read(dir .. "/" .. name, 1 << 24) == text, name) end
  end
end

-- One of these for each of a million files: nothing that nobody reads.
local function fields(r)
  local list = {}
  for name in pairs(r) do list[#list + 1] = name end
  table.sort(list)
  return table.concat(list, " ")
end

test("all kinds of files, between all kinds of ends", function(t)
  local a, b = nginx.webdav(t), nginx.webdav(t)
  put(a.files, FILES)
  local opts = { sha256 = true }
  local by = run(copier({ url = a.url }, { url = b.url .. "x/" }, opts), names(FILES))
  check(t, by, b.files .. "/x")
  t:match(by["a.txt"].source_etag, '^"')
  t:match(by["a.txt"].date, "GMT$")
  t:eq(by["a.txt"].status, 201)
  t:eq(by["a.txt"].md5, "b1946ac92492d2347c6235b4d2611184")
  t:eq(fields(by["a.txt"]), "bytes date md5 name ok sha256 source_etag status took")
  local first, second = open(t, true), open(t, true)
  check(t, run(copier({ url = a.url }, { folder = first }, opts), names(FILES)), first:path())
  check(t, run(copier({ folder = first }, { url = b.url .. "y/" }, opts), names(FILES)), b.files .. "/y")
  by = run(copier({ folder = first }, { folder = second }, opts), names(FILES))
  check(t, by, second:path())
  t:eq(fields(by["a.txt"]), "bytes md5 modified name ok sha256 took")
  check(t, run(copier({ folder = first }, nil, opts), names(FILES)))
  check(t, run(copier({ url = a.url }, nil, opts), names(FILES)))
  t:eq(#fs.list(first:path()), #names(FILES)) -- no parts
end)

test("over TLS, with the server's own authority", function(t)
  local a, b = nginx.webdav(t, { tls = true }), nginx.webdav(t)
  put(a.files, FILES)
  check(t, run(copier({ url = a.url, ca = a.ca }, { url = b.url }, { sha256 = true }), names(FILES)), b.files)
  local r = run(copier({ url = a.url }, { url = b.url }), { { name = "a.txt" } })["a.txt"]
  t:eq(r.err.kind, "net")
  t:eq(r.stage, "read")
  t:match(r.err.message, "certificate")
end)

test("a file goes under another name, over what is there, and through a folder for parts", function(t)
  local from, to, parts = open(t, true), open(t, true), open(t, true)
  put(from:path(), { new = "the new one" })
  put(to:path(), { old = "what was there, and longer" })
  local c = copier({ folder = from }, { folder = to, temp = parts, private = true })
  local by = run(c, { { name = "new", to = "old", size = 11 } })
  t:ok(by.new.ok)
  t:eq(fs.read(to:path() .. "/old"), "the new one")
  t:eq(fs.stat(to:path() .. "/old").mode & 511, 384)
  t:eq(c:flush(), true)
  t:eq(#fs.list(to:path()), 1)
  t:eq(#fs.list(parts:path()), 0)
end)

test("a link at the destination is replaced, not followed; one at the source is refused", function(t)
  local from, to, else_where = open(t, true), open(t, true), t:tmpdir()
  put(from:path(), { a = "new" })
  put(else_where, { secret = "untouched" })
  assert(fs.symlink(else_where .. "/secret", to:path() .. "/a"))
  assert(fs.symlink(else_where .. "/secret", from:path() .. "/link"))
  assert(fs.mkdir(from:path() .. "/sub"))
  local by = run(copier({ folder = from }, { folder = to }), { { name = "a" }, { name = "link" }, { name = "sub" },
    { name = "gone" } })
  t:ok(by.a.ok)
  t:eq(fs.read(else_where .. "/secret"), "untouched")
  t:eq(fs.read(to:path() .. "/a"), "new")
  t:eq(by.link.err.kind, "conflict")
  t:match(by.link.err.message, "link is a link, and links are not followed")
  t:eq(by.sub.err.kind, "conflict")
  t:eq(by.gone.err.kind, "notfound")
  t:eq(by.gone.stage, "read")
  t:eq(#fs.list(to:path()), 1)
end)

test("names that lead elsewhere are none", function(t)
  local from, to = open(t, true), open(t, true)
  local c = copier({ folder = from }, { folder = to })
  for _, name in ipairs({ "", ".", "..", "a/b", "../x", "/etc/passwd", ("x"):rep(2000) }) do
    t:raises("usage", c.submit, "name", c, { { name = name } })
    t:raises("usage", c.submit, "name", c, { { name = "a", to = name } })
  end
  t:raises(nil, c.submit, "NUL", c, { { name = "a\0b" } })
  t:raises(nil, c.submit, "without a name", c, { {} })
  t:raises(nil, c.submit, "jobs expected", c, { "a" })
  t:raises(nil, c.submit, "not a size", c, { { name = "a", size = -7 } })
  c:finish()
  t:raises(nil, c.submit, "finish was called", c, {})
  t:eq(c:wait(), nil)
end)

test("ends that are none", function(t)
  local root, read_only = open(t, true), open(t, false)
  t:raises(nil, data.copier, "no url", {})
  t:raises(nil, data.copier, "table expected", "x")
  t:raises(nil, data.copier, "root expected", { folder = "x" })
  local c, e = data.copier({ url = "http://127.0.0.1:1/x" }, { folder = root })
  t:eq(c, nil)
  t:match(e.message, "ends with a slash")
  c, e = data.copier({ url = "http://127.0.0.1:1/x/?y=/" })
  t:eq(c, nil)
  t:match(e.message, "ends with a slash")
  c, e = data.copier({ url = "ftp://127.0.0.1/x/" })
  t:eq(c, nil)
  t:eq(e.kind, "usage")
  t:raises("denied", data.copier, "not opened for writing", { folder = root }, { folder = read_only })
  t:raises(nil, data.copier, "rate", { folder = root }, nil, { rate = -1 })
  t:raises(nil, data.copier, "start", { folder = root }, nil, { start = 0 / 0 })
end)

test("a secret goes with every request, to its own origin only", function(t)
  local seen = {}
  local server = assert(serve.listen({ handler = function(req)
    seen[#seen + 1] = ("%s %s %s %s"):format(req.method, req.path, tostring(req.headers.authorization),
      tostring(req.headers["x-more"]))
    req:body()
    req:respond(200, {}, req.method == "GET" and "bytes" or "")
  end }))
  t:defer(function() server:close(0) end)
  local origin = "http://127.0.0.1:" .. server.port
  local key = secret.new("simGEHEIM", { label = "test key", origins = { origin } })
  local from = { url = origin .. "/v1/a/", auth = key, auth_scheme = "Simple" }
  local to = { url = origin .. "/v1/b/", auth = key, auth_scheme = "Simple", headers = { ["X-More"] = "yes" } }
  t:ok(run(copier(from, to), { { name = "f g" } })["f g"].ok)
  t:eq(seen, { "GET /v1/a/f%20g Simple simGEHEIM nil", "PUT /v1/b/f%20g Simple simGEHEIM yes" })
  local c, e = data.copier({ url = "http://127.0.0.1:1/", auth = key }, to)
  t:eq(c, nil)
  t:eq(e.kind, "denied")
end)

test("300 MB pass through a few", function(t)
  local a, b = nginx.webdav(t), nginx.webdav(t)
  local size = 300 * MIB
  sparse(a.files .. "/huge", size)
  local function resident()
    return math.tointeger(tonumber(io.open("/proc/self/statm"):read("a"):match("^%d+ (%d+)"))) * 4096
  end
  local before, most = resident(), 0
  local c = copier({ url = a.url }, { url = b.url })
  c:submit({ { name = "huge" } })
  c:finish()
  local done = false
  local watch = task.spawn(function()
    while not done do
      most = math.max(most, resident())
      task.sleep(0.01)
    end
  end)
  local r = c:wait()[1]
  done = true
  task.join(watch)
  t:ok(r.ok, tostring(r.err))
  t:eq(r.bytes, size)
  t:eq(fs.stat(b.files .. "/huge").size, size)
  -- AddressSanitizer keeps up to 256 MB of what was freed.
  local limit = sys.env("ASAN_OPTIONS") and 100 or 48
  t:ok(most - before < limit * MIB, ("%d MiB more"):format((most - before) // MIB))
end)

test("thousands of small ones, in and out as arrays", function(t)
  local a = nginx.webdav(t)
  local from = open(t, true)
  local jobs = {}
  for i = 1, 3000 do
    put(from:path(), { ["f" .. i] = "file " .. i })
    jobs[i] = { name = "f" .. i, size = #("file " .. i) }
  end
  local c = copier({ folder = from }, { url = a.url }, { start = 8, max = 40 })
  c:submit(jobs)
  t:ok(c:stats().queued > 2900)
  c:finish()
  local count, calls, most = 0, 0, 0
  for results in c.wait, c do
    calls = calls + 1
    count = count + #results
    for _, r in ipairs(results) do t:ok(r.ok, tostring(r.err)) end
    most = math.max(most, c:stats().in_flight)
  end
  t:eq(count, 3000)
  t:ok(calls < 3000)
  t:ok(most <= 40)
  t:eq(c:stats().done, 3000)
  t:eq(fs.read(a.files .. "/f2999"), "file 2999")
end)

test("who submits far too many waits until some are gone", function(t)
  local from = open(t, true)
  local c = copier({ folder = from })
  local total, submitted = 0, 0
  local feeder = task.spawn(function()
    for _ = 1, 12 do
      local jobs = {}
      for i = 1, 1000 do jobs[i] = { name = "none" .. i } end
      c:submit(jobs)
      submitted = submitted + 1000
      t:ok(c:stats().queued < 4096 + 1000)
    end
    c:finish()
  end)
  for results in c.wait, c do total = total + #results end
  task.join(feeder)
  t:eq(total, 12000)
  t:eq(submitted, 12000)
end)

test("a rate is kept, and can be lifted", function(t)
  local a = nginx.webdav(t)
  local to = open(t, true)
  sparse(a.files .. "/f", 2 * MIB)
  local begin = sys.monotonic()
  local c = copier({ url = a.url }, { folder = to }, { rate = 4 * MIB })
  t:ok(run(c, { { name = "f" } }).f.ok)
  t:ok(sys.monotonic() - begin > 0.3)
  local jobs = {}
  for i = 1, 4 do -- each fits into its ring, and comes in pieces
    sparse(a.files .. "/s" .. i, 60000)
    jobs[i] = { name = "s" .. i }
  end
  for _, r in pairs(run(copier({ url = a.url }, { folder = to }, { rate = 400000 }), jobs)) do
    t:ok(r.ok, tostring(r.err))
  end
  begin = sys.monotonic()
  c = copier({ url = a.url }, { folder = to }, { rate = 1000 })
  c:submit({ { name = "f" } })
  c:finish()
  task.sleep(0.05)
  t:eq(c:stats().done, 0)
  c:rate(nil)
  t:ok(c:wait()[1].ok)
  t:ok(sys.monotonic() - begin < 30)
end)

test("a rate holds for small files of a folder, too", function(t)
  local from, to = open(t, true), open(t, true)
  local jobs = {}
  for i = 1, 40 do
    sparse(from:path() .. "/s" .. i, 50000)
    jobs[i] = { name = "s" .. i, size = i % 2 == 0 and 50000 or nil }
  end
  local begin = sys.monotonic()
  for _, r in pairs(run(copier({ folder = from }, { folder = to }, { rate = 2 * MIB }), jobs)) do
    t:ok(r.ok, tostring(r.err))
  end
  t:ok(sys.monotonic() - begin > 0.6) -- 0.95 s, less what is owed at the end
end)

test("what comes beyond a listed size is taken from the quota", function(t)
  local a, from, to = nginx.webdav(t), open(t, true), open(t, true)
  for _, dir in ipairs({ a.files, from:path() }) do
    sparse(dir .. "/small", 3000)
    sparse(dir .. "/large", 3 * MIB)
  end
  local chunked = assert(serve.listen({ handler = function(req)
    req:respond(200, { ["Transfer-Encoding"] = "chunked" }, ("x"):rep(3000))
  end }))
  t:defer(function() chunked:close(0) end)
  local ends = { { url = a.url }, { folder = from },
    { url = "http://127.0.0.1:" .. chunked.port .. "/" } }
  for i, source in ipairs(ends) do
    for name, size in pairs({ small = 3000, large = i < 3 and 3 * MIB or 3000 }) do
      for _, listed in ipairs({ -1, 0, 1000 }) do
        local quota = data.quota(size - math.max(listed, 0) - 1)
        local left = quota:left()
        local function once()
          return run(copier(source, { folder = to }, { quota = quota }),
            { { name = name, size = listed } })[name]
        end
        local r = once()
        t:no(r.ok)
        t:ok(r.over)
        t:eq({ r.err.kind, r.stage }, { "limit", "read" })
        t:match(r.err.message, "more bytes than may still be transferred")
        t:eq(r.announced, size)
        t:ok(quota:left() >= left - 3000) -- what came, and no more
        t:eq(fs.list(to:path()), {})
        quota = data.quota(left + 1)
        r = once()
        t:ok(r.ok, tostring(r.err))
        t:eq({ r.bytes, quota:left() }, { size, 0 })
        err.check(to:remove(name))
      end
      local r = run(copier(source, { folder = to }), { { name = name } })[name]
      t:ok(r.ok, tostring(r.err))
      t:eq(r.modified, fs.stat(to:path() .. "/" .. name).mtime)
      t:ok(r.took >= 0)
      err.check(to:remove(name))
    end
  end
end)

test("a job that is to wait, waits", function(t)
  local from = open(t, true)
  put(from:path(), { now = "1", later = "2" })
  local begin = sys.monotonic()
  local c = copier({ folder = from })
  c:submit({ { name = "later", delay = 0.3 }, { name = "now" } })
  c:finish()
  local order = {}
  for results in c.wait, c do
    for _, r in ipairs(results) do order[#order + 1] = r.name end
  end
  t:eq(order, { "now", "later" })
  t:ok(sys.monotonic() - begin > 0.28)
end)

test("cancelled in the middle: every job is told of, no part stays", function(t)
  local a = nginx.webdav(t)
  local to = open(t, true)
  sparse(a.files .. "/f", 8 * MIB)
  put(a.files, { g = "g" })
  local c = copier({ url = a.url }, { folder = to }, { rate = 2 * MIB, max = 1 })
  c:submit({ { name = "f", size = 8 * MIB }, { name = "g" }, { name = "g", delay = 1000 } })
  task.sleep(0.4)
  c:cancel()
  c:finish()
  local kinds = {}
  for results in c.wait, c do
    for _, r in ipairs(results) do kinds[#kinds + 1] = r.err and r.err.kind or "ok" end
  end
  t:eq(#kinds, 3)
  t:ok(table.concat(kinds, " "):find("cancelled"))
  for _ = 1, 100 do -- a worker may still have the part
    if #fs.list(to:path()) <= 1 then break end
    task.sleep(0.02)
  end
  t:eq(fs.stat(to:path() .. "/f"), nil)
  t:ok(#fs.list(to:path()) <= 1)
end)

test("a task that waits is cancelled; a copier that nobody has any more ends", function(t)
  local a = nginx.webdav(t)
  local to = open(t, true)
  sparse(a.files .. "/f", 8 * MIB)
  local c = copier({ url = a.url }, { folder = to }, { rate = MIB })
  c:submit({ { name = "f" } })
  local waiter = task.spawn(function() c:wait() end)
  task.sleep(0.05)
  t:raises(nil, c.wait, "another task waits", c)
  task.cancel(waiter)
  t:raises("cancelled", task.join, nil, waiter)
  c = nil
  collectgarbage()
  collectgarbage()
  for _ = 1, 100 do
    if #fs.list(to:path()) == 0 then break end
    task.sleep(0.02)
  end
  t:eq(#fs.list(to:path()), 0)
end)

test("without memory nothing is lost but the copy", function(t)
  local from, to = open(t, true), open(t, true)
  put(from:path(), { a = "1", b = ("2"):rep(100000) })
  t:starve(function()
    local c = copier({ folder = from }, { folder = to }, { sha256 = true })
    run(c, { { name = "a" }, { name = "b" }, { name = "none" } })
  end)
end)
