-- The engine that streams files: between nginx servers with WebDAV and folders.
local copier = require("godwit.core.data").copier
local folder = require("godwit.core.folder")
local fs = require("godwit.core.fs")
local nginx = require("support.nginx")

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
  for name, text in pairs(files) do assert(fs.write(dir .. "/" .. name, text)) end
end

local FILES = { ["a.txt"] = "hello\n", ["empty"] = "", ["b c+d%e.bin"] = ("x"):rep(70000),
  ["größe.txt"] = "ü", ["large"] = ("0123456789abcdef"):rep(200000) }

local function names(files)
  local jobs = {}
  for name in pairs(files) do jobs[#jobs + 1] = { name = name } end
  return jobs
end

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

test("all kinds of files, between all kinds of ends", function(t)
  local a, b = nginx.webdav(t), nginx.webdav(t)
  put(a.files, FILES)
  local opts = { sha256 = true }
  check(t, run(assert(copier({ url = a.url }, { url = b.url .. "x/" }, opts)), names(FILES)), b.files .. "/x")
  local dir, second = t:tmpdir(), t:tmpdir()
  local to = assert(folder.open(dir, true))
  check(t, run(assert(copier({ url = a.url }, { folder = to }, opts)), names(FILES)), dir)
  check(t, run(assert(copier({ folder = to }, { url = b.url .. "y/" }, opts)), names(FILES)), b.files .. "/y")
  local other = assert(folder.open(second, true))
  check(t, run(assert(copier({ folder = to }, { folder = other }, opts)), names(FILES)), second)
  check(t, run(assert(copier({ folder = to }, nil, opts)), names(FILES)))
  check(t, run(assert(copier({ url = a.url }, nil, opts)), names(FILES)))
  t:eq(#fs.list(dir), 5)
end)
