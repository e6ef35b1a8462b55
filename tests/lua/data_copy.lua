-- Collections and folders copied: what arrives, what is left alone, what is
-- refused, over every kind of place.
local archive = require("godwit.cluster.archive")
local cluster = require("godwit.cluster")
local data = require("godwit.data")
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local handle = require("godwit.cluster.handle")
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
