-- Bindings when memory ends, or the disk.
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local json = require("godwit.core.json")
local process = require("godwit.core.process")
local secret = require("godwit.core.secret")
local sys = require("godwit.core.sys")
local vmap = require("godwit.core.vmap")

test("json survives every failed allocation of Lua", function(t)
  local text = '{"a":[1,2.5,"x",{"b":null}],"c":"' .. ("y"):rep(300) .. '"}'
  t:starve(function()
    local v = err.check(json.decode(text))
    t:ok(json.encode(v) == text)
    t:ok(#json.encode(v, { pretty = true }) > #text)
  end)
end)

test("files survive every failed allocation of Lua", function(t)
  local dir = t:tmpdir()
  t:starve(function()
    err.check(fs.write(dir .. "/a", "text"))
    t:ok(fs.read(dir .. "/a") == "text")
    t:ok(#err.check(fs.list(dir)) >= 1)
    err.check(fs.stat(dir .. "/a"))
    local lock <close> = err.check(fs.lock(dir .. "/a"))
    fs.read("/none")
    fs.realpath(dir)
    fs.cwd()
    local temp = err.check(fs.mktemp(dir, "x"))
    fs.remove(temp)
  end)
  -- A folder whose name Lua had no memory for is still empty.
  for _, entry in ipairs(fs.list(dir)) do
    t:ok(entry.name == "a" or entry.name:find("^x%-"))
  end
end)

test("a write that fails leaves the old file", function(t)
  local path = t:tmpdir() .. "/a"
  err.check(fs.write(path, "old"))
  local broken = t:break_each(function()
    err.check(fs.write(path, "new"))
  end, function(ok, e)
    t:no(ok)
    t:ok(err.is(e))
    local now = fs.read(path)
    t:ok(now == "old" or now == "new")
    err.check(fs.write(path, "old"))
  end)
  t:ok(broken >= 3)
  t:eq(fs.read(path), "new")
end)

test("processes survive every failed allocation of Lua", function(t)
  t:starve(function()
    local p <close> = err.check(process.start({
      argv = { "/bin/cat" }, env = { A = "b" }, stdin = true, stdout = true }))
    err.check(p:write("text"))
    p:close_stdin()
    t:ok(p:read() == "text")
    t:ok(p:read() == nil)
    t:ok(p:wait() == 0)
  end)
end)

test("secrets and sys survive every failed allocation of Lua", function(t)
  t:starve(function()
    local s = secret.new("starved-secret", { label = "x",
      origins = { "https://example.com:443" } })
    t:ok(tostring(s) == "[secret x]")
    secret.redact("a starved-secret b")
    sys.base64(sys.random_hex(16))
    sys.unbase64("YWJj")
    sys.hash("sha256", sys.uuid())
    sys.environ()
    sys.load("return 1", "=x", {})
  end)
end)

test("the version map survives every failed allocation of Lua", function(t)
  local path = t:tmpdir() .. "/v.db"
  t:starve(function()
    local db <close> = err.check(vmap.open(path))
    err.check(db:put({ source_cluster = "a", source_owner = "o",
      source_name = "n", source_commit = "c", dest_cluster = "b",
      dest_owner = "o", dest_name = "n", dest_commit = "d" }))
    t:ok(#err.check(db:find({ cluster = "a", limit = 5 })) == 1)
  end)
end)

test("the version map survives every fault", function(t)
  local path = t:tmpdir() .. "/v.db"
  t:break_each(function()
    local db <close> = err.check(vmap.open(path))
    err.check(db:put({ source_cluster = "a", source_owner = "o",
      source_name = "n", source_commit = "c", dest_cluster = "b",
      dest_owner = "o", dest_name = "n", dest_commit = "d" }))
    t:ok(#err.check(db:find({ cluster = "a" })) == 1)
  end, function(ok, e)
    t:no(ok)
    t:ok(err.is(e))
  end)
end)
