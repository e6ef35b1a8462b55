local core = require("godwit.core.task")
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local process = require("godwit.core.process")
local secret = require("godwit.core.secret")
local sys = require("godwit.core.sys")
local task = require("godwit.task")
local vmap = require("godwit.core.vmap")

test("fs: a file is written whole and read back", function(t)
  local dir = t:tmpdir()
  t:ok(fs.write(dir .. "/a", "hello\0x", 384))
  t:eq(fs.read(dir .. "/a"), "hello\0x")
  t:eq(fs.stat(dir .. "/a").mode, 384)
  local v, e = fs.read(dir .. "/a", 3)
  t:eq(v, nil)
  t:eq(e.kind, "limit")
  v, e = fs.read(dir .. "/none")
  t:eq(v, nil)
  t:eq(e.kind, "notfound")
  v, e = fs.write(dir .. "/no/such/folder", "x")
  t:eq(v, nil)
  t:eq(e.kind, "notfound")
end)

test("fs: folders", function(t)
  local dir = t:tmpdir()
  t:ok(fs.mkdir(dir .. "/b/c"))
  t:ok(fs.write(dir .. "/b/x", "1"))
  t:ok(fs.symlink("x", dir .. "/b/l"))
  local names = {}
  for i, entry in ipairs(fs.list(dir .. "/b")) do
    names[i] = entry.name .. ":" .. entry.type
  end
  t:eq(names, { "c:dir", "l:link", "x:file" })
  t:ok(fs.rename(dir .. "/b/x", dir .. "/b/y"))
  t:ok(fs.remove(dir .. "/b/y"))
  t:no(fs.remove(dir .. "/b/y"))
  t:ok(fs.remove_tree(dir .. "/b"))
  t:eq(fs.stat(dir .. "/b"), nil)
  t:match(fs.realpath(dir .. "/."), "godwit%-test")
end)

test("fs: a lock is held until it is closed", function(t)
  local path = t:tmpdir() .. "/lock"
  local lock = t:ok(fs.lock(path))
  local v, e = fs.lock(path)
  t:eq(v, nil)
  t:eq(e.kind, "locked")
  lock:close()
  lock:close()
  local again <close> = t:ok(fs.lock(path))
end)

test("fs: a cancelled write ends its task at once", function(t)
  local dir = t:tmpdir()
  local result
  local child = task.spawn(function()
    result = table.pack(fs.write(dir .. "/a", "x"))
  end)
  task.sleep(0)
  task.cancel(child)
  core.join(child)
  if result and result[2] then t:eq(result[2].kind, "cancelled") end
end)

test("process: output, input, errors and code", function(t)
  local p = err.check(process.start({
    argv = { "sh", "-c", "cat; echo err >&2; exit 3" },
    stdin = true, stdout = true, stderr = true,
  }))
  t:ok(math.type(p.pid) == "integer")
  p:write("one\n")
  p:write("two\n")
  p:close_stdin()
  local out = {}
  for chunk in function() return p:read() end do
    out[#out + 1] = chunk
  end
  t:eq(table.concat(out), "one\ntwo\n")
  t:eq(p:read_err(), "err\n")
  t:eq(p:wait(), 3)
  p:close()
  t:raises(nil, p.wait, "closed", p)
end)

test("process: much goes through both ways at once", function(t)
  local p <close> = err.check(process.start({
    argv = { "cat" }, stdin = true, stdout = true }))
  local big, got = ("x"):rep(3000000), 0
  task.all({
    function()
      err.check(p:write(big))
      p:close_stdin()
    end,
    function()
      for chunk in function() return p:read() end do
        got = got + #chunk
      end
    end,
  })
  t:eq(got, #big)
end)

test("process: own environment and folder; kill; missing program", function(t)
  local p <close> = err.check(process.start({
    argv = { "/bin/sh", "-c", "pwd; echo $A-$HOME; exec sleep 100" },
    env = { A = "b", PATH = "/bin:/usr/bin" }, cwd = "/", stdout = true }))
  local out = ""
  while not out:find("-\n") do
    out = out .. p:read()
  end
  t:eq(out, "/\nb-\n")
  p:kill(9)
  t:eq(p:wait(), 137)
  local v, e = process.start({ argv = { "/no/such/program" } })
  t:eq(v, nil)
  t:ok(err.is(e))
end)

test("process: closing wakes who waits", function(t)
  local p = err.check(process.start({ argv = { "sleep", "100" }, stdout = true }))
  local reader = task.spawn(function() return p:read() end)
  local waiter = task.spawn(function() return p:wait() end)
  task.sleep(0.01)
  p:close()
  t:no((core.join(reader)))
  t:no((core.join(waiter)))
end)

test("process: a cancelled reader makes room for another", function(t)
  local p <close> = err.check(process.start({ argv = { "cat" }, stdin = true,
    stdout = true }))
  local reader = task.spawn(function() return p:read() end)
  task.sleep(0.01)
  task.cancel(reader)
  local ok, e = core.join(reader)
  t:no(ok)
  t:eq(e.kind, "cancelled")
  p:write("x")
  t:eq(p:read(), "x")
end)

test("secret: opaque", function(t)
  local s = secret.new("topsecret-value", { label = "prod" })
  t:eq(tostring(s), "[secret prod]")
  t:eq(("%s"):format(s), "[secret prod]")
  for _, fn in ipairs({
    function() return s .. "" end, function() return "" .. s end,
    function() return #s end, function() return s.text end,
    function() s.x = 1 end, function() return s() end,
    function() return s < s end, function() return pairs(s) end,
    function() return require("godwit.json").encode({ s }) end,
  }) do
    local e = t:raises("usage", fn)
    t:no(tostring(e):find("topsecret"))
  end
  t:eq(getmetatable(s), "godwit.secret")
  t:ok(secret.is(s))
  t:no(secret.is("x"))
  t:eq(secret.redact("a topsecret-value b"), "a [secret] b")
  t:no(pcall(setmetatable, s, {}))
end)

test("sys", function(t)
  t:eq(sys.hash("sha1", "abc"), "a9993e364706816aba3e25717850c26c9cd0d89d")
  t:eq(sys.unbase64(sys.base64("a\0b")), "a\0b")
  t:no((sys.unbase64("!")))
  t:eq(#sys.random_hex(8), 16)
  t:match(sys.uuid(), "^%x+%-%x+%-4%x+%-[89ab]%x+%-%x+$")
  t:match(sys.format_time(0), "^1970%-01%-01T00:00:00.000Z$")
  t:ok(sys.width() > 0 and sys.pid > 0 and #sys.hostname() > 0)
  local fn = sys.load("return x", "=x", { x = 1 })
  t:eq(fn(), 1)
  local v, e = sys.load(string.char(27) .. "Lua", "=x", {})
  t:eq(v, nil)
  t:match(e, "binary")
end)

test("vmap: rows come back, newest first", function(t)
  local db = err.check(vmap.open(t:tmpdir() .. "/s/versions.db"))
  t:defer(function() db:close() end)
  local row = { source_cluster = "dev", source_owner = "acme",
    source_name = "Hello", source_commit = "c1", dest_cluster = "prod",
    dest_owner = "acme", dest_name = "Hello", dest_commit = "d1",
    created_at = "2021-01-01T00:00:00.000Z" }
  err.check(db:put(row))
  row.source_commit, row.dest_commit = "c2", "d2"
  row.created_at = "2022-01-01T00:00:00.000Z"
  err.check(db:put(row))
  local rows = err.check(db:find({ cluster = "prod", owner = "acme" }))
  t:eq(#rows, 2)
  t:eq(rows[1].source_commit, "c2")
  t:eq(rows[1].run, nil)
  t:eq(#db:find({ limit = 1 }), 1)
  t:raises(nil, db.find, "no field", db, { nope = "x" })
  t:eq(db:clear({ source_commit = "c1" }), 1)
  t:eq(#db:find({}), 1)
  db:close()
  t:raises(nil, db.find, "closed", db, {})
end)

-- cancelling every kind of wait ------------------------------------------

local function cat()
  return err.check(process.start({ argv = { "cat" }, stdin = true,
    stdout = true, stderr = true }))
end

local db

local waits = {
  ["process:read"] = function(p) return p:read() end,
  ["process:read_err"] = function(p) return p:read_err() end,
  ["process:wait"] = function(p) return p:wait() end,
  ["process:write"] = function(p) return p:write(("x"):rep(8 << 20)) end,
  ["fs.write"] = function(_, dir)
    return fs.write(dir .. "/a", ("x"):rep(64 << 20))
  end,
  ["vmap.open"] = function(_, dir) return vmap.open(dir .. "/b.db") end,
  ["vmap:put"] = function()
    return db:put({ source_cluster = "a", source_commit = "b" })
  end,
  ["vmap:find"] = function() return db:find({ cluster = "a" }) end,
}

for name, fn in pairs(waits) do
  test("cancelled while waiting: " .. name, function(t)
    local p <close> = cat()
    local dir = t:tmpdir()
    db = err.check(vmap.open(dir .. "/v.db"))
    t:defer(function() db:close() end)
    local closed = false
    local child = task.spawn(function()
      local c <close> = setmetatable({}, { __close = function()
        task.sleep(0)
        closed = true
      end })
      return err.check(fn(p, dir))
    end)
    core.sleep(0) -- it waits now
    task.cancel(child)
    local ok, e = core.join(child)
    -- A job may have ended in the same turn; what the loop can stop never has.
    t:ok(ok or err.is(e, "cancelled"), tostring(e))
    if name:find("process") then t:no(ok) end
    t:ok(closed)
  end)
end

test("a job that goes on after its task is gone touches nothing", function(t)
  local dir = t:tmpdir()
  for i = 1, 20 do
    local child = task.spawn(function()
      fs.write(dir .. "/f" .. i, ("x"):rep(1 << 20))
    end)
    core.sleep(0)
    task.cancel(child)
    core.join(child)
    collectgarbage()
  end
  -- Written whole or not at all.
  for _, entry in ipairs(fs.list(dir)) do
    if entry.name:find("^f%d+$") then t:eq(entry.size, 1 << 20) end
  end
end)
