-- `key = keys "FILE"`: a private file with a key for each owner, and what is
-- behind it for others.
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local keys_file = require("godwit.config.keys_file")
local profile = require("godwit.config.profile")
local schema = require("godwit.config.schema")
local secret = require("godwit.core.secret")
local source = require("godwit.config.source")
local sys = require("godwit.core.sys")

local ONE, TWO = "simOneOneOneOneOneOneOneOne1", "simTwoTwoTwoTwoTwoTwoTwoTwo2"

local function file(t, text, mode)
  local path = t:tmpdir() .. "/keys"
  err.check(fs.write(path, text, mode or 384))
  return path
end

local function key_of(key)
  return profile.make({ name = "prod", label = "config.lua", folder = "/etc",
    fields = { api = "https://api.example.com", key = key } }).key
end

local function label(v)
  return v and tostring(v)
end

test("each owner has a key, the last line counts", function(t)
  local key = key_of(source.keys(file(t, "# ours\nacme " .. TWO
    .. " old\r\nacme " .. ONE .. " godwit-1\n\n bob  " .. TWO .. "\n")))
  t:eq(label(key("acme")), "[secret prod key of acme]")
  t:eq(label(key("bob")), "[secret prod key of bob]")
  t:eq(key("zed"), nil)
  t:eq(label(key(nil)), "[secret prod key of bob]")
end)

test("thousands of owners; a file that changes is read again", function(t)
  local lines = {}
  for i = 1, 2000 do
    lines[i] = ("o%d sim%025d l%d\n"):format(i, i, i)
  end
  local path = file(t, table.concat(lines))
  local key, begun = key_of(source.keys(path)), sys.monotonic()
  for i = 1, 2000 do
    t:eq(label(key("o" .. i)), ("[secret prod key of o%d]"):format(i))
  end
  t:ok(sys.monotonic() - begun < 30, sys.monotonic() - begun)
  t:ok(rawequal(key("o7"), key("o7")))
  t:eq(secret.redact("the key is sim" .. ("%025d"):format(7)),
    "the key is [secret]")
  -- Of the same size, by whatever way.
  t:eq(key("p7"), nil)
  err.check(fs.write(path, (table.concat(lines):gsub("o7 ", "p7 ")), 384))
  t:eq(label(key("p7")), "[secret prod key of p7]")
  t:eq(key("o7"), nil)
  t:ok(os.execute("chmod 644 " .. path))
  t:raises("usage", key, "chmod 600", "p7")
  t:ok(os.remove(path))
  t:eq(key("p7"), nil)
end)

test("for others there is what stands behind it", function(t)
  local path = file(t, "acme " .. ONE .. "\n")
  local key = key_of(source.keys(path, function(owner)
    return owner == "bob" and TWO or nil
  end))
  t:eq(label(key("acme")), "[secret prod key of acme]")
  t:eq(label(key("bob")), "[secret prod key]")
  t:eq(key("zed"), nil)
  key = key_of(source.keys(path .. "-none", TWO))
  t:eq(label(key("acme")), "[secret prod key]")
  t:eq(label(key(nil)), "[secret prod key]")
end)

test("what others can read, or is no line, is refused without its words",
  function(t)
    local key = key_of(source.keys(file(t, "acme " .. ONE .. "\n", 416)))
    t:raises("usage", key, "key of 'prod' %(config.lua%): .*chmod 600", "acme")
    key = key_of(source.keys(file(t, "acme " .. ONE .. "\n" .. TWO .. "\n")))
    local e = t:raises("usage", key, "keys:2: expected OWNER KEY LABEL", "acme")
    t:no(e.message:find(TWO, 1, true))
  end)

test("where the word may stand", function(t)
  local function check(field, v)
    schema.check({ label = "config.lua", text = "" }, { clusters = { prod = {
      api = "https://api.example.com", [field] = v } } })
  end
  check("key", source.keys("x"))
  check("key", source.keys("x", source.named("env", "Y")))
  t:raises("usage", check, "a key for each owner: it is for key", "admin_key",
    source.keys("x"))
  t:raises(nil, source.keys, "takes a file", 5)
  t:raises(nil, source.keys, "other is env, file", "x", 5)
  t:raises(nil, source.keys, "other is env, file", "x", source.keys("y"))
  t:raises("usage", source.text, "keys is for the key of a cluster",
    source.keys("x"), "value")
end)

test("it is written as it was read, and privately", function(t)
  local path = file(t, "# mine\nacme " .. ONE .. " l1\n")
  local opts = { name = "prod", origins = {} }
  local f = keys_file.read(path, "x", opts)
  f:note("bob", "l2")
  f:note("carol", "l3")
  f:note("carol", "l3", true)
  f:add({ owner = "acme", key = secret.new(TWO, { label = "k" }), label = "l4" })
  f:save()
  local text = fs.read(path)
  t:match(text, "^# Keys by owner.-\n# mine\n#%? bob l2\nacme " .. ONE
    .. " l1\nacme " .. TWO .. " l4\n$")
  t:eq(fs.stat(path).mode & 511, 384)
  f = keys_file.read(path, "x", opts)
  t:eq(f.lost, { { owner = "bob", label = "l2" } })
  t:eq(f:find("acme").label, "l4")
  t:eq(f:drop("acme", f:find("acme")), { "l1" })
  t:eq(#f.entries, 1)
  f:save()
  t:eq(select(2, fs.read(path):gsub("# Keys by owner", "")), 1)
end)

test("a key that is being imported is marked; profiles see the key", function(t)
  local path = file(t, "#+ acme l1\nacme " .. ONE .. " l1\n#+ bob l9\nbob "
    .. TWO .. " l2\n#? zed l3\n")
  local key = key_of(source.keys(path))
  t:eq({ label(key("acme")), label(key("bob")), key("zed"), key("#+") },
    { "[secret prod key of acme]", "[secret prod key of bob]" })
  local f = keys_file.read(path, "x", { name = "prod", origins = {} })
  t:eq({ f:is_pending("acme"), f:is_pending("bob"), f:is_pending("zed") },
    { true, false, false })
  f:add({ owner = "carol", key = secret.new(TWO, { label = "k" }), label = "l5",
    pending = true })
  f:remove(f:find("bob"))
  f:save()
  t:match(fs.read(path), "^# Keys by owner.-\n#%? zed l3\n#%+ acme l1\nacme "
    .. ONE .. " l1\n#%+ carol l5\ncarol " .. TWO .. " l5\n$")
end)

test("a file of texts and secrets survives every fault", function(t)
  local path = t:tmpdir() .. "/f"
  local parts = { "a ", secret.new(ONE, { label = "k" }), "\n" }
  err.check(secret.save(path, { "old" }))
  t:break_each(function()
    return secret.save(path, parts)
  end, function()
    local text = fs.read(path)
    t:ok(text == "old" or text == "a " .. ONE .. "\n", text)
    err.check(secret.save(path, { "old" }))
  end)
  t:raises(nil, secret.save, "texts and secrets", path, { {} })
  t:raises(nil, secret.save, "not a path", "a\0b", {})
  local ok, e = secret.save(path .. "/x", parts)
  t:eq(ok, nil)
  t:no(tostring(e):find(ONE, 1, true))
end)

-- A block that grows leaves the old one behind, with keys in it.
test("a file of many secrets is put together in one block", function(t)
  local path = t:tmpdir() .. "/f"
  local function faults_of(count)
    local parts, size = {}, 0
    for i = 1, count do
      parts[2 * i - 1] = "owner" .. i .. " "
      parts[2 * i] = secret.new(("key%04d"):format(i) .. ("x"):rep(60))
      size = size + #parts[2 * i - 1] + 67
    end
    local n = t:break_each(function() err.check(secret.save(path, parts)) end)
    t:eq(#fs.read(path, 1 << 20), size)
    return n
  end
  t:eq(faults_of(300), faults_of(1))
end)
