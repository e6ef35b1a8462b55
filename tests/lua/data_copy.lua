-- Collections and folders copied: what arrives, what is left alone, what is
-- refused, over every kind of place.
local archive = require("godwit.cluster.archive")
local cluster = require("godwit.cluster")
local data = require("godwit.data")
local effect = require("godwit.effect")
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local handle = require("godwit.cluster.handle")
local overlay = require("godwit.cluster.overlay")
local places = require("godwit.config.places")
local sandbox = require("godwit.sandbox")
local sandboxes = require("support.sandboxes")
local secret = require("godwit.core.secret")
local settle = require("godwit.effect.settle")

settle.timing.scale = 0.01

local count = 0

local function over_http(t, options)
  local s = sandboxes.start(t, { options = options })
  count = count + 1
  return cluster.open({ name = "box" .. count, kind = "http", api = s.api,
    id = "box" .. count .. t:tmpdir(),
    key = secret.new(s:key("acme"), { label = "acme key",
      origins = { s.api } }) }), s
end

local function over_archive(t)
  local dir = t:tmpdir() .. "/archive"
  sandbox.create({ dir = dir, seed = "empty" })
  local a = archive.open({ name = "arch", dir = dir })
  t:defer(function() a:close() end)
  return a
end

local function side(driver, name)
  return { cluster = handle.new(driver), owner = "acme", name = name or "m" }
end

local function put(dir, name, text)
  local f = assert(io.open(dir .. "/" .. name, "wb"))
  f:write(text)
  f:close()
end

local function folder(t, files)
  local dir = t:tmpdir() .. "/files"
  err.check(fs.mkdir(dir, 448))
  for name, text in pairs(files or {}) do put(dir, name, text) end
  return dir
end

local function contents_of_folder(dir)
  local out = {}
  for _, e in ipairs(err.check(fs.list(dir))) do
    local f <close> = assert(io.open(dir .. "/" .. e.name, "rb"))
    out[e.name] = f:read("a")
  end
  return out
end

local function contents(driver, name)
  local out = {}
  for page in driver:each_file_page("acme", name or "m") do
    for _, r in ipairs(page) do
      out[r.name] = driver:read_file("acme", name or "m", r.name)
    end
  end
  return out
end

local function state(t)
  local dir = t:tmpdir() .. "/state"
  places.set_state_dir(dir)
  t:defer(function() places.set_state_dir(nil) end)
  return dir
end

local FILES = { ["a b"] = "one", ["50%+#?"] = "two", ["é日本"] = "three",
  empty = "", big = ("0123456789abcdef"):rep(40000) }

local function counts(r)
  return { outcome = r.outcome, files = r.files, copied = r.copied,
    unchanged = r.unchanged, skipped = r.skipped, failed = r.failed,
    deleted = r.deleted }
end

for what, open in pairs({ http = over_http, archive = over_archive }) do
  test("folder to " .. what .. " and back: first, again, changed", function(t)
    state(t)
    local d, dir = open(t), folder(t, FILES)
    local r = data.copy(dir, side(d))
    t:eq(counts(r), { outcome = "created", files = 5, copied = 5,
      unchanged = 0, skipped = 0, failed = 0, deleted = 0 })
    t:eq(r.bytes, 640011)
    t:eq(contents(d), FILES)
    t:eq(d:try_get_collection("acme", "m").acl, {})
    t:eq(counts(data.copy(dir, side(d))), { outcome = "unchanged", files = 5,
      copied = 0, unchanged = 5, skipped = 0, failed = 0, deleted = 0 })
    put(dir, "a b", "ONE")
    d:write_file("acme", "m", "empty", "not so")
    d:write_file("acme", "m", "é日本", "THREE") -- of the same size
    r = data.copy(dir, side(d))
    t:eq({ r.outcome, r.copied, r.unchanged }, { "updated", 3, 2 })
    local back = t:tmpdir() .. "/back"
    r = data.copy(side(d), back)
    t:eq({ r.outcome, r.copied }, { "created", 5 })
    local want = { table.unpack({}) }
    for k, v in pairs(FILES) do want[k] = v end
    want["a b"] = "ONE"
    t:eq(contents_of_folder(back), want)
    t:eq(data.copy(side(d), back).outcome, "unchanged")
  end)
end

test("a script's plan writes nothing, and sees what would be there",
  function(t)
    state(t)
    local d, dir = over_http(t), folder(t, FILES)
    local o = overlay.new(d, {})
    local to = side(o)
    local r = data.copy(dir, to)
    t:eq(counts(r), { outcome = "created", files = 5, copied = 5,
      unchanged = 0, skipped = 0, failed = 0, deleted = 0 })
    t:eq(d:try_get_collection("acme", "m"), nil)
    local seen = {}
    for page in o:each_file_page("acme", "m") do
      for _, row in ipairs(page) do seen[row.name] = row.size end
    end
    t:eq(seen["a b"], 3)
    local last = effect.planned[#effect.planned - 1]
    t:eq({ last.kind, last.target, last.detail.files }, { "data.sync",
      o.name .. ":data/acme/m", 5 }) -- all files are one
  end)

test("sides in words, as handles, and a cluster alone", function(t)
  state(t)
  local a, b, dir = over_archive(t), over_http(t), folder(t, { x = "1" })
  t:eq(data.copy(dir, side(a)).outcome, "created")
  t:eq(data.copy(side(a), handle.new(b)).outcome, "created")
  t:eq(contents(b), { x = "1" })
  t:eq(data.copy(handle.new(b).data:get("acme/m"), side(a)).outcome,
    "unchanged")
  t:raises("usage", data.copy, "which collection", dir, handle.new(b))
  t:raises("usage", data.copy, "copied to itself", side(a), side(a))
  t:raises("usage", data.copy, "one inside the other", dir, dir .. "/sub")
  t:raises("usage", data.copy, "one inside the other", dir .. "/.", dir .. "/..")
  t:raises("usage", data.copy, "no option deletes", dir, side(a),
    { deletes = true })
  t:raises("usage", data.copy, "delete is a boolean", dir, side(a),
    { delete = 1 })
  t:raises("usage", data.copy, "a side is", 5, side(a))
  t:raises("usage", data.copy, "a side is", dir, {})
  t:raises("usage", data.copy, "acl is public", dir, side(a),
    { acl = "everybody" })
  t:raises("notfound", data.copy, "there is no", dir .. "/none", side(a))
  t:raises("notfound", data.copy, "there is no", side(a, "none"), side(b))
end)

test("what fails is raised with its record; a refusal is an outcome",
  function(t)
    state(t)
    local d, dir = over_http(t), folder(t, { a = "1", b = "22" })
    local e = t:raises("budget", data.copy, "max%-transfer", dir, side(d),
      { max_transfer = 1 })
    t:eq(e.record.outcome, "failed")
    t:eq(e.record.files, e.record.copied + e.record.failed)
    err.check(fs.mkdir(dir .. "/sub", 448))
    local r = data.copy(dir, side(d))
    t:eq(r.outcome, "refused")
    t:match(r.why, "a collection has no folders")
    t:eq(data.copy(dir, side(d), { exclude = "sub", acl = "public" }).outcome,
      "updated")
    t:eq(d:try_get_collection("acme", "m").acl, { "user://*" })
  end)

test("a protected cluster: nothing is deleted", function(t)
  state(t)
  local d, dir = over_http(t), folder(t, { a = "1" })
  data.copy(dir, side(d))
  d:write_file("acme", "m", "extra", "x")
  d.profile.protected = true
  t:raises(nil, data.copy, "protected", dir, side(d), { delete = true })
  t:eq(contents(d), { a = "1", extra = "x" })
  t:eq(data.copy(dir, side(d)).outcome, "unchanged")
end)

test("digests are told by the cluster, or read; files of one size differ",
  function(t)
    for _, etag in ipairs({ true, false }) do
      state(t)
      local a = over_http(t, { etag = etag })
      local b = over_http(t, { etag = etag })
      local big = ("x"):rep(300000)
      a:create_collection("acme", "m", {})
      a:write_file("acme", "m", "big", big)
      a:write_file("acme", "m", "small", "one")
      t:eq(data.copy(side(a), side(b)).copied, 2)
      state(t) -- nothing is remembered
      t:eq(data.copy(side(a), side(b)).unchanged, 2)
      state(t)
      b:write_file("acme", "m", "big", big:sub(1, -2) .. "y")
      b:write_file("acme", "m", "small", "two")
      local r = data.copy(side(a), side(b))
      t:eq({ r.copied, r.unchanged }, { 2, 0 })
      t:eq(contents(b), { big = big, small = "one" })
    end
  end)

test("a folder: what is too much goes, what a killed run left goes, links stay",
  function(t)
    state(t)
    local from, to = folder(t, { a = "1" }), folder(t, { a = "1", b = "2" })
    local stale, fresh = ".godwit-0123456789abcdef-1f",
      ".godwit-fedcba9876543210"
    put(to, stale, "half")
    put(to, fresh, "at work")
    assert(os.execute(("touch -d '3 hours ago' %s/%s"):format(to, stale)))
    assert(os.execute(("ln -s /etc/passwd %s/link; mkdir %s/sub"):format(to,
      to)))
    local r = data.copy(from, to, { delete = true })
    t:eq(counts(r), { outcome = "updated", files = 1, copied = 0,
      unchanged = 1, skipped = 0, failed = 0, deleted = 1 })
    local left = {}
    for _, e in ipairs(fs.list(to)) do left[#left + 1] = e.name end
    t:eq(left, { fresh, "a", "link", "sub" })
    -- As a source it has one file, and it is said why.
    r = data.copy(to, folder(t), { exclude = { "link", "sub" } })
    t:eq(counts(r).files, 3)
    t:match(r.warnings[1], "^1 file of .* that another copy has not finished")
  end)

test("a name that a folder has for unfinished files does not go there",
  function(t)
    state(t)
    local d = over_http(t)
    local name = ".godwit-0123456789abcdef"
    d:create_collection("acme", "m")
    d:write_file("acme", "m", name, "one")
    d:write_file("acme", "m", "good", "two")
    local dir = t:tmpdir() .. "/dir"
    local e = t:raises(nil, data.copy, "unfinished files", side(d), dir)
    t:eq(counts(e.record), { outcome = "failed", files = 2, copied = 1,
      unchanged = 0, skipped = 0, failed = 1, deleted = 0 })
    t:eq(contents_of_folder(dir), { good = "two" })
    t:eq(data.copy(side(d), dir, { exclude = name }).outcome, "unchanged")
    t:eq(data.copy(side(d), side(over_archive(t))).copied, 2)
  end)

-- Of the same size, as a backup that is put back: with its own, older time.
local function replace(path, text, year)
  local f = assert(io.open(path, "wb"))
  f:write(text)
  f:close()
  assert(os.execute(("touch -d '%d-01-02 03:04:05.6' '%s'"):format(year,
    path)))
end

test("what took the place of a file is seen, however old it is", function(t)
  state(t)
  local from, to = folder(t, { a = "12345", b = "67890" }), t:tmpdir() .. "/to"
  local d, s = over_http(t)
  data.copy(from, to)
  t:eq(counts(data.copy(from, to)).unchanged, 2)
  replace(to .. "/a", "other", 2020)
  t:eq(counts(data.copy(from, to)).copied, 1)
  t:eq(contents_of_folder(to), { a = "12345", b = "67890" })
  -- What was a destination is a source now.
  replace(to .. "/b", "OTHER", 2020)
  data.copy(to, side(d))
  t:eq(contents(d), { a = "12345", b = "OTHER" })
  replace(to .. "/b", "thing", 2019)
  t:eq(counts(data.copy(to, side(d))).copied, 1)
  t:eq(contents(d), { a = "12345", b = "thing" })
  -- Behind a cluster.
  replace(s.dir .. "/data/acme/m/files/a", "stale", 2020)
  t:eq(contents(d).a, "stale")
  t:eq(counts(data.copy(to, side(d))).copied, 1)
  t:eq(contents(d), { a = "12345", b = "thing" })
end)

test("in a plan a collection that is only planned can be copied from",
  function(t)
    state(t)
    local before = effect.mode
    effect.mode = "plan"
    t:defer(function() effect.mode = before end)
    local d = overlay.new(over_archive(t))
    d:create_collection("acme", "m")
    d:write_file("acme", "m", "a", "one")
    local dir = t:tmpdir() .. "/to"
    local r = data.copy({ cluster = handle.new(d), owner = "acme", name = "m" },
      dir)
    t:eq({ r.outcome, r.files }, { "created", 1 })
    t:no(fs.stat(dir))
  end)

test("checksum: what looks the same is read all the same", function(t)
  state(t)
  local a, dir = over_archive(t), folder(t, { a = "12345", b = "same" })
  data.copy(dir, side(a))
  t:eq(data.copy(dir, side(a)).outcome, "unchanged") -- known by its time now
  local files = a.store.dir .. "/data/acme/m/files"
  local stamp = t:tmpdir() .. "/stamp"
  assert(os.execute(("touch -r %s/a %s; printf 54321 > %s/a; touch -r %s %s/a")
    :format(files, stamp, files, stamp, files)))
  t:eq(data.copy(dir, side(a)).outcome, "unchanged")
  local r = data.copy(dir, side(a), { checksum = true })
  t:eq({ r.outcome, r.copied, r.unchanged }, { "updated", 1, 1 })
  t:eq(contents(a), { a = "12345", b = "same" })
end)
