-- Collections and files: what the drivers promise, each over a real place.
local archive = require("godwit.cluster.archive")
local cluster = require("godwit.cluster")
local fs = require("godwit.core.fs")
local http = require("godwit.cluster.http")
local json = require("godwit.core.json")
local listing = require("godwit.cluster.data_listing")
local odd = require("support.oddcluster")
local sandbox = require("godwit.sandbox")
local sandboxes = require("support.sandboxes")
local secret = require("godwit.core.secret")
local settle = require("godwit.effect.settle")
local sys = require("godwit.core.sys")

settle.timing.scale = 0.01

local function over_http(t, options)
  local s = sandboxes.start(t, { options = options })
  return cluster.open({ name = "box", kind = "http", api = s.api,
    key = secret.new(s:key("acme"), { label = "acme key",
      origins = { s.api } }) }), s
end

local function over_folder(t)
  local dir = t:tmpdir() .. "/archive"
  sandbox.create({ dir = dir, seed = "empty" })
  local a = archive.open({ name = "box", dir = dir })
  t:defer(function() a:close() end)
  return a
end

local function names(driver, owner, name)
  local out = {}
  for page in driver:each_file_page(owner, name) do
    for _, r in ipairs(page) do out[#out + 1] = r.name end
  end
  table.sort(out)
  return out
end

local function collections(driver, owner)
  local out = {}
  for c in driver:each_collection(owner) do out[#out + 1] = c.name end
  table.sort(out)
  return out
end

local ODD = { "a b", "a+b", "50%", "é.txt", "%2F", "~x'(1)!*", "#?&=;", ".hid",
  "日本" }

for what, open in pairs({ http = over_http, archive = over_folder }) do
  test(what .. ": collections and files, there and back", function(t)
    local d = open(t)
    t:eq(collections(d, "acme"), {})
    t:eq(d:try_get_collection("acme", "c"), nil)
    d:create_collection("acme", "c", {})
    d:create_collection("acme", "d")
    local e = t:raises("exists", d.create_collection, "box:data/acme/c exists",
      d, "acme", "c")
    t:eq(e.kind, "exists")
    t:eq(collections(d, "acme"), { "c", "d" })
    t:eq(d:try_get_collection("acme", "c"), { owner = "acme", name = "c",
      acl = json.array({}) })
    t:ok(json.is_array(d:try_get_collection("acme", "c").acl))
    t:eq(d:try_get_collection("acme", "d").acl, { "algo://.my/*" })
    t:eq(names(d, "acme", "c"), {})
    for i, name in ipairs(ODD) do
      d:write_file("acme", "c", name, "text " .. i)
    end
    local want = { table.unpack(ODD) }
    table.sort(want)
    t:eq(names(d, "acme", "c"), want)
    for i, name in ipairs(ODD) do
      t:eq(d:read_file("acme", "c", name), "text " .. i)
      local h = d:try_head_file("acme", "c", name)
      t:eq({ h.size, h.md5 }, { 6, sys.hash("md5", "text " .. i) })
    end
    t:eq(d:try_head_file("acme", "c", "none"), nil)
    t:raises("notfound", d.read_file, "none", d, "acme", "c", "none")
    t:raises("notfound", d.write_file, nil, d, "acme", "none", "x", "y")
    t:raises("limit", d.read_file, nil, d, "acme", "c", "a b", { max = 3 })
    t:eq(d:delete_file("acme", "c", "a+b"), 1)
    t:eq(d:delete_file("acme", "c", "a+b"), 0)
    d:set_acl("acme", "c", { "user://*" })
    t:eq(d:try_get_collection("acme", "c").acl, { "user://*" })
    t:raises(nil, d.set_acl, "acl.read", d, "acme", "c", { "user://bob" })
    t:raises("notfound", d.set_acl, nil, d, "acme", "none", {})
    t:raises("conflict", d.delete_collection, "not empty", d, "acme", "c")
    t:eq(d:delete_collection("acme", "c", { force = true }), #ODD - 1)
    t:eq(collections(d, "acme"), { "d" })
    t:raises("notfound", collections, nil, d, "nobody")
  end)

  test(what .. ": a row has size and time", function(t)
    local d = open(t)
    d:create_collection("acme", "c")
    d:write_file("acme", "c", "f", "12345")
    local r = d:each_file_page("acme", "c")()[1]
    t:eq({ r.name, r.size }, { "f", 5 })
    t:ok(math.abs(r.time - os.time()) < 60)
    local rows = d:list_hosted_data("acme")
    t:eq({ rows[1].collection_name, rows[1].acl.read_a }, { "c", true })
  end)

  test(what .. ": more files than a page", function(t)
    local d = open(t, { data_page = 7 })
    d:create_collection("acme", "c")
    for i = 1, 30 do d:write_file("acme", "c", "f" .. i, "") end
    t:eq(#names(d, "acme", "c"), 30)
  end)

  test(what .. ": a protected place keeps what it has", function(t)
    local d = open(t)
    d:create_collection("acme", "c")
    d:write_file("acme", "c", "f", "1")
    d.profile.protected = true
    t:raises("refused", d.delete_file, "protected", d, "acme", "c", "f")
    t:raises("refused", d.delete_collection, "protected", d, "acme", "c",
      { force = true })
    t:eq(names(d, "acme", "c"), { "f" })
  end)
end

test("archive: the end of a copy is a folder, its temp on the same disk",
  function(t)
    local d = over_folder(t)
    d:create_collection("acme", "c")
    local to = d:data_end("acme", "c", "write")
    t:match(to.folder:path(), "/data/acme/c/files$")
    t:match(to.temp:path(), "/run/data$")
    t:ok(to.folder:write("f", "x"))
    t:eq(names(d, "acme", "c"), { "f" })
    t:eq(d:data_end("acme", "c", "read").folder:read("f", 10), "x")
    t:raises("notfound", d.data_end, nil, d, "acme", "none", "read")
  end)

test("archive: what is no plain file is refused", function(t)
  local d = over_folder(t)
  d:create_collection("acme", "c")
  local dir = d.store.dir .. "/data/acme/c/files"
  t:ok(fs.symlink("/etc/passwd", dir .. "/link"))
  t:raises("io", names, "plain files only", d, "acme", "c")
  t:raises("io", d.read_file, nil, d, "acme", "c", "link")
  -- Who takes what is odd gets the rest.
  d:write_file("acme", "c", "f", "x")
  t:ok(fs.mkdir(dir .. "/sub"))
  t:ok(fs.write(dir .. "/bad\xff", "x"))
  local odd_ones, rest = {}, {}
  for page in d:each_file_page("acme", "c", function(name, other)
    odd_ones[name] = other or "file"
  end) do
    for _, r in ipairs(page) do rest[#rest + 1] = r.name end
  end
  t:eq(rest, { "f" })
  t:eq(odd_ones, { link = "link", sub = "dir", ["bad\xff"] = "file" })
  t:raises("notfound", d.read_file, nil, d, "acme", "c", "../collection.json")
  t:raises("notfound", d.read_file, nil, d, "acme", "../acme/c", "link")
end)

test("http: the end of a copy is an address with the owner's key", function(t)
  local d, s = over_http(t)
  local to = d:data_end("acme", "c d", "read")
  t:eq({ to.url, to.auth_scheme }, { s.api .. "/v1/data/acme/c%20d/",
    "Simple" })
  t:match(tostring(to.auth), "acme key")
end)

-- A cluster that does otherwise -------------------------------------------

local C = "/v1/data/acme/c"

local function other(t, routes, more)
  local server = odd.start(t, routes)
  return http.open(server:profile(more)), server
end

local function directory(doc)
  return { json = doc, headers = { ["X-Data-Type"] = "directory" } }
end

test("an ETag that is absent, bare, weak or no MD5", function(t)
  local sum = sys.hash("md5", "x")
  for etag, want in pairs({ [""] = false, [sum] = sum, ['"' .. sum .. '"'] = sum,
    ['"' .. sum:upper() .. '"'] = sum, ['W/"' .. sum .. '"'] = false,
    ['"abc-2"'] = false }) do
    local d = other(t, { ["HEAD " .. C .. "/f"] = { headers = { ETag = etag,
      ["X-Data-Type"] = "file" }, body = "x" } })
    local h = d:try_head_file("acme", "c", "f")
    t:eq({ h.size, h.md5 or false }, { 1, want }, etag)
  end
end)

test("a file whose digest is another is not believed", function(t)
  -- Not even if it comes like that every time, where ETags are digests.
  local d, server = other(t, { ["GET " .. C .. "/f"] = { body = "y",
    headers = { ETag = sys.hash("md5", "x") } }, ["GET " .. C .. "/g"] = {
      body = "z", headers = { ETag = sys.hash("md5", "z") } } })
  t:eq(d:read_file("acme", "c", "g"), "z")
  local e = t:raises("remote", d.read_file, "digest differs", d, "acme", "c",
    "f")
  t:ok(e.retryable)
  t:eq(#server.requests, 3)
  -- One that was broken on its way once is read again.
  local headers = { ETag = sys.hash("md5", "x") }
  d = other(t, { ["GET " .. C .. "/f"] = { { body = "y", headers = headers },
    { body = "x", headers = headers } } })
  t:eq(d:read_file("acme", "c", "f"), "x")
  -- And never the same: it cannot be told what it is.
  d = other(t, { ["GET " .. C .. "/f"] = { { body = "y", headers = headers },
    { body = "z", headers = headers } } })
  t:raises("remote", d.read_file, "digest differs", d, "acme", "c", "f")
end)

test("an ETag that looks like an MD5 and is none", function(t)
  local answer = { body = "x", headers = { ["X-Data-Type"] = "file",
    ETag = '"' .. ("ab"):rep(16) .. '"' } }
  local d, server = other(t, { ["GET " .. C .. "/f"] = answer,
    ["HEAD " .. C .. "/f"] = answer, ["GET " .. C .. "/g"] = answer })
  t:eq(d:read_file("acme", "c", "f"), "x")
  t:eq(#server.requests, 2)
  t:eq(d:read_file("acme", "c", "f"), "x")
  t:eq(d:read_file("acme", "c", "g"), "x")
  t:eq(#server.requests, 6) -- what comes the same twice is what there is
  local h = d:try_head_file("acme", "c", "f")
  t:eq({ h.etag, h.md5 }, { answer.headers.ETag, ("ab"):rep(16) })
end)

test("errors: three shapes, and a header", function(t)
  for _, doc in ipairs({ { error = { code = 2001, message = "no way" } },
    { code = 2001, message = "no way" }, { error = "no way" } }) do
    local d = other(t, { ["GET " .. C .. "/f"] = { status = 403, json = doc },
      ["GET " .. C] = { status = 403, json = doc } })
    t:raises("auth", d.read_file, "no way", d, "acme", "c", "f")
    t:raises("auth", d.try_get_collection, "no way", d, "acme", "c")
  end
  local d = other(t, { ["HEAD " .. C .. "/f"] = { status = 403,
    headers = { ["X-Error-Message"] = "not yours" } } })
  t:raises("auth", d.try_head_file, "not yours", d, "acme", "c", "f")
end)

test("a collection that exists: 200, 400 or 409, and an empty answer",
  function(t)
    for _, status in ipairs({ 400, 409, 422 }) do
      local d = other(t, { ["POST /v1/data/acme"] = { status = status,
        json = { error = { message = "exists" } } },
        ["GET " .. C] = { { status = 404, json = { error = "none" } },
          directory({}) } })
      t:raises("exists", d.create_collection, "exists already", d, "acme", "c")
    end
    local d, server = other(t, { ["POST /v1/data/acme"] = { body = "" },
      ["GET " .. C] = { status = 404, json = { error = "none" } } })
    d:create_collection("acme", "c", {})
    t:eq(server.requests[2].body, '{"acl":{"read":[]},"name":"c"}')
  end)

test("a deletion that is refused inside a success, or finds nothing",
  function(t)
    local d = other(t, { ["DELETE " .. C] = { json = { error = {
      message = "not empty", deleted = 0 } } } })
    t:raises("conflict", d.delete_collection, "not empty", d, "acme", "c")
    d = other(t, { ["DELETE " .. C .. "/f"] = { json = { result = {
      deleted = 0 } } } })
    t:eq(d:delete_file("acme", "c", "f"), 0)
  end)

test("a list that grows while it is read: each collection once", function(t)
  local function named(...)
    local rows = json.array({})
    for i, name in ipairs({ ... }) do rows[i] = { name = name } end
    return rows
  end
  local d = other(t, { ["GET /v1/data/acme"] = {
    directory({ folders = named("a", "b"), marker = "m" }),
    directory({ folders = named("b", "c", "c") }) } })
  t:eq(collections(d, "acme"), { "a", "b", "c" })
end)

local function forever(fn)
  return { ["GET " .. C] = function(seen)
    return directory(fn(seen.query and seen.query:match("marker=([^&]*)")))
  end }
end

test("lists that never end are noticed", function(t)
  local function walk(d)
    for _ in d:each_file_page("acme", "c") do end
  end
  local n = 0
  local function file()
    n = n + 1
    return { filename = "f" .. n, size = 1 }
  end
  local rounds = { m1 = "m2", m2 = "m3", m3 = "m4", m4 = "m5", m5 = "m3" }
  t:raises("remote", walk, "same marker", other(t, forever(function(m)
    return { files = json.array({ file() }), marker = rounds[m or ""] or "m1" }
  end)))
  t:raises("remote", walk, "same page", other(t, forever(function()
    n = n + 1
    return { files = json.array({ { filename = "f" } }), marker = "m" .. n }
  end)))
  t:raises("remote", walk, "without content", other(t, forever(function()
    n = n + 1
    return { marker = "m" .. n }
  end)))
end)

test("what is no directory is not the end of a list", function(t)
  local first = directory({ files = json.array({ { filename = "f" } }),
    marker = "m" })
  for what, second in pairs({
    ["not usable JSON: there is none"] = { body = "" },
    ["(remote, 204)"] = { status = 204 },
    ["(remote, 202)"] = { status = 202, body = " \n" },
    ["data/acme/c: a directory was expected"] = { json = { a = 1 },
      headers = { ["X-Data-Type"] = "file" } },
    ["directory was expected"] = { json = { message = "timed out" } },
  }) do
    local d = other(t, { ["GET " .. C] = { first, second } })
    t:raises("remote", names, what:gsub("[()]", "%%%0"), d, "acme", "c")
    d = other(t, { ["GET " .. C] = second, ["GET /v1/data/acme"] = second })
    t:raises("remote", collections, nil, d, "acme")
    t:raises("remote", d.try_get_collection, nil, d, "acme", "c")
  end
  -- One without files may have no field, or some that only it knows.
  for _, last in ipairs({ directory({}), directory({ quota = 5 }),
    { json = {} }, { json = { acl = { read = json.array({}) } } } }) do
    local d = other(t, { ["GET " .. C] = { first, last } })
    t:eq(names(d, "acme", "c"), { "f" })
  end
end)

test("rows that cannot be used are refused in one sentence", function(t)
  for _, bad in ipairs({ "a/b", "..", "", "x\nY", ("n"):rep(1025), "a\xc2\x85",
    json.null, 5 }) do
    local d = other(t, { ["GET " .. C] = directory({ files = json.array({
      { filename = bad } }) }) })
    t:raises("remote", names, "usable name", d, "acme", "c")
  end
  -- A secret that a message cuts is known by its beginning and the cut.
  local echo = other(t, { ["GET " .. C] = directory({ files = json.array({
    { filename = ("/"):rep(70) .. "simOddClusterKey000000000001" } }) }) })
  local e = t:raises("remote", names, "usable name", echo, "acme", "c")
  t:match(secret.redact(e.message), "/%[secret%]…\"$")
  local d = other(t, { ["GET " .. C] = directory({ files = {} }) })
  t:raises("remote", names, "not a list", d, "acme", "c")
  d = other(t, { ["GET " .. C] = { json = json.array({}) } })
  t:raises("remote", names, "directory was expected", d, "acme", "c")
  d = other(t, { ["GET /v1/data/acme"] = directory({ folders = json.array({
    { name = "../x" } }) }) })
  t:raises("remote", collections, "usable name: \"../x\"", d, "acme")
  d = other(t, { ["GET " .. C] = directory({ files = json.array({
    { filename = "f", size = -1, last_modified = "x" },
    { filename = "g", size = 1 << 62 }, { filename = "h", size = 1 << 50 },
    { filename = "i", size = "5" }, { filename = "j", size = 1e300 },
    }) }) })
  t:eq(d:each_file_page("acme", "c")(), { { name = "f" }, { name = "g" },
    { name = "h", size = 1 << 50 }, { name = "i" }, { name = "j" } })
end)

test("a hundred thousand files are listed in flat memory", function(t)
  local pages = 0
  local d, server = other(t, { ["GET " .. C] = function(seen)
    local from = math.tointeger(tonumber((seen.query or "")
      :match("marker=(%d+)") or 0))
    local files = json.array({})
    for i = 1, 1000 do
      files[i] = { filename = ("file number %d"):format(from + i), size = i,
        last_modified = "2021-07-30T18:02:11.093Z" }
    end
    pages = pages + 1
    return directory({ files = files,
      marker = pages < 100 and tostring(from + 1000) or nil })
  end })
  local n, most = 0, 0
  for rows in d:each_file_page("acme", "c") do
    n = n + #rows
    server.requests = {}
    if n % 10000 == 0 then
      collectgarbage()
      most = math.max(most, collectgarbage("count"))
    end
    if n == 10000 then most = 0 end
  end
  t:eq(n, 100000)
  collectgarbage()
  t:ok(most < 8192, most)
end)

test("a collection that vanishes while it is listed is no short one",
  function(t)
    local d = other(t, { ["GET " .. C] = {
      directory({ files = json.array({ { filename = "f" } }), marker = "m" }),
      { status = 404, json = { error = { message = "no such collection" } } },
    } })
    t:raises("notfound", names, "no such collection", d, "acme", "c")
    local a = over_folder(t)
    a:create_collection("acme", "c")
    a:write_file("acme", "c", "f", "x")
    local pages = a:each_file_page("acme", "c")
    t:eq(#pages(), 1)
    a:delete_collection("acme", "c", { force = true })
    t:raises("notfound", pages, "no collection")
  end)

test("archive: kept where empty folders are not", function(t)
  local a = over_folder(t)
  a:create_collection("acme", "c")
  t:ok(fs.remove(a.store.dir .. "/data/acme/c/files"))
  t:eq(names(a, "acme", "c"), {})
  t:ok(a:data_end("acme", "c", "read").folder)
  a:write_file("acme", "c", "f", "x")
  t:eq(names(a, "acme", "c"), { "f" })
end)

test("names that lead elsewhere are not asked for", function(t)
  local d, server = other(t, {})
  for _, bad in ipairs({ "..", ".", "a/b", "", "a\0b" }) do
    t:raises("usage", d.read_file, nil, d, "acme", "c", bad)
    t:raises("usage", d.try_get_collection, nil, d, "acme", bad)
    t:raises("usage", d.each_collection, nil, d, bad)
  end
  t:eq(#server.requests, 0)
end)

test("times", function(t)
  t:eq(listing.time("1970-01-01T00:00:01.500Z"), 1.5)
  t:eq(listing.time("2021-07-30T18:02:11.093Z"), 1627668131.093)
  t:eq(listing.time("2021-07-30T18:02:11"), 1627668131)
  t:eq(listing.time("2021-07-30T20:02:11+02:00"), 1627668131)
  t:eq(listing.time("2000-02-29T00:00:00Z"), 951782400)
  for _, bad in ipairs({ "", "yesterday", "2021-13-01T00:00:00Z",
    "2021-07-30T18:02:11x", 5 }) do
    t:eq(listing.time(bad), nil)
  end
end)

-- What is only pretended --------------------------------------------------

local overlay = require("godwit.cluster.overlay")

-- What a call gives, or what it raises, as a text.
local function result(fn, ...)
  local ok, v = pcall(fn, ...)
  if ok then return json.encode(v == nil and json.null or v) end
  return v.kind
end

-- The same steps anywhere; what is read after each of them.
local function steps(d)
  local log = {}
  local function note(...) log[#log + 1] = table.concat({ ... }, " ") end
  local function look()
    local ok, all = pcall(collections, d, "acme")
    for _, c in ipairs(ok and all or {}) do
      local doc = d:try_get_collection("acme", c)
      note(c, doc.acl[1] or "private", table.concat(names(d, "acme", c), ","))
      for _, f in ipairs(names(d, "acme", c)) do
        note(f, d:read_file("acme", c, f),
          d:try_head_file("acme", c, f).size)
      end
    end
  end
  local function act(name, ...)
    note(name, result(d[name], d, "acme", ...))
    look()
  end
  look()
  act("create_collection", "c")
  act("create_collection", "c")
  act("create_collection", "old")
  act("create_collection", "1x")
  act("create_collection", "p", { "user://bob" })
  act("create_collection", "p", {})
  act("write_file", "c", "f", "one")
  act("write_file", "c", "f", "two")
  act("write_file", "none", "f", "two")
  act("write_file", "old", "kept", "new")
  act("write_file", "old", "more", "more")
  act("delete_file", "old", "gone")
  act("delete_file", "old", "gone")
  act("delete_file", "none", "gone")
  act("set_acl", "old", { "user://*" })
  act("set_acl", "none", {})
  act("set_acl", "old", { "x" })
  act("delete_collection", "c")
  act("delete_collection", "old")
  act("delete_collection", "p")
  act("delete_collection", "p")
  act("delete_collection", "old", { force = true })
  act("create_collection", "old", {})
  note(result(d.create_collection, d, "nobody", "c"))
  note(result(d.read_file, d, "acme", "c", "none"))
  note(result(d.read_file, d, "acme", "c", "f", { max = 2 }))
  return log
end

local function prepared(t)
  local d = over_http(t)
  d:create_collection("acme", "old", {})
  for _, f in ipairs({ "kept", "gone", "other" }) do
    d:write_file("acme", "old", f, "was " .. f)
  end
  return d
end

test("overlay: pretends what the platform does", function(t)
  local real, below = prepared(t), prepared(t)
  local over = overlay.new(below, {})
  local want, got = steps(real), steps(over)
  for i, line in ipairs(want) do
    -- how many went with it is not looked at
    if not line:find("^delete_collection %d") then t:eq(got[i], line) end
  end
  t:eq(#got, #want)
  t:eq(collections(below, "acme"), { "old" })
  t:eq(names(below, "acme", "old"), { "gone", "kept", "other" })
  t:eq(#over:planned(), 11)
end)

test("overlay: a copy's files are seen, and too many are not", function(t)
  local over = overlay.new(prepared(t), {})
  over:pretend_files("acme", "old", { { name = "kept", size = 7 },
    { name = "new", size = 9, time = 5 } }, function(file)
    return "from the source: " .. file
  end)
  over:pretend_removed("acme", "old", { "other" })
  t:eq(names(over, "acme", "old"), { "gone", "kept", "new" })
  t:eq(over:try_head_file("acme", "old", "kept").size, 7)
  t:eq(over:read_file("acme", "old", "new"), "from the source: new")
  local rows = {}
  for i = 1, 100001 do rows[i] = { name = "n" .. i } end
  over:pretend_files("acme", "old", rows)
  t:raises("usage", names, "known after apply", over, "acme", "old")
  t:raises("usage", over.read_file, "known after apply", over, "acme", "old",
    "n1")
  t:raises("denied", over.data_end, "plan", over, "acme", "old", "write")
end)

test("overlay: a file is named as where it is written takes it", function(t)
  local said = {}
  local files = { "a\tb", "\1", "\xc2\x85", "a/b", "a\0b", "..", "", "\xff",
    ("n"):rep(255), ("n"):rep(256) }
  for i, over in ipairs({ over_folder, over_http }) do
    for j, pretend in ipairs({ false, true }) do
      local d = over(t)
      d:create_collection("acme", "c", {})
      d = pretend and overlay.new(d, {}) or d
      local list = {}
      for n, file in ipairs(files) do
        list[n] = ("%q %s"):format(file, result(d.write_file, d, "acme", "c",
          file, "x"))
      end
      list[#list + 1] = table.concat(names(d, "acme", "c"), " ")
      said[2 * i + j] = list
    end
    t:eq(said[2 * i + 2], said[2 * i + 1])
  end
  t:match(said[3][1], "true") -- a folder keeps what the platform would
end)

test("overlay: bytes that are no more are given back", function(t)
  local d = over_folder(t)
  d:create_collection("acme", "c", {})
  local over = overlay.new(d, {})
  local mib = ("x"):rep(1 << 20)
  local function fill(file)
    for i = 1, 16 do over:write_file("acme", "c", file .. i, mib) end
    t:eq(#over:read_file("acme", "c", file .. 16), 1 << 20)
  end
  for _ = 1, 17 do over:write_file("acme", "c", "same", mib) end
  t:eq(over:read_file("acme", "c", "same"), mib)
  over:pretend_files("acme", "c", { { name = "same", size = 1 } })
  fill("a")
  over:write_file("acme", "c", "one more", "x")
  t:raises("usage", over.read_file, "known after apply", over, "acme", "c",
    "one more")
  for i = 1, 16 do over:delete_file("acme", "c", "a" .. i) end
  fill("b")
  over:delete_collection("acme", "c", { force = true })
  over:create_collection("acme", "c", {})
  fill("c")
  local rows = {}
  for i = 1, 20001 do rows[i] = { name = "n" .. i } end
  over:pretend_files("acme", "c", rows) -- too many: all are forgotten
  over:create_collection("acme", "d", {})
  over:write_file("acme", "d", "f", mib)
  t:eq(over:read_file("acme", "d", "f"), mib)
  t:eq({ over.pretended_data.files, over.pretended_data.bytes },
    { 1, 1 << 20 })
end)

-- What scripts see --------------------------------------------------------

test("handles: a collection and its files", function(t)
  local driver = over_http(t, { data_page = 2 })
  local box = cluster.handle(driver)
  t:no(box.data:try_get "acme/c")
  local c = box.data:create { owner = "acme", name = "c", acl = "private" }
  t:eq({ c.cluster, c.owner, c.name, c.ref, tostring(c) },
    { box, "acme", "c", "acme/c", "box:acme/c" })
  t:raises("exists", box.data.create, nil, box.data,
    { owner = "acme", name = "c" })
  local function ensure(acl)
    return select(2, box.data:ensure { owner = "acme", name = "c", acl = acl })
  end
  t:eq({ ensure(), ensure("private"), ensure("public"),
    ensure { "user://*" }, ensure("algorithms") },
    { "unchanged", "unchanged", "updated", "unchanged", "updated" })
  t:eq(select(2, box.data:ensure { owner = "acme", name = "d" }), "created")
  t:eq(c:get().acl, { "algo://.my/*" })
  for _, name in ipairs({ "a.txt", "b.bin", "c.txt", "d.txt", "e.bin" }) do
    c:write(name, "text of " .. name)
  end
  local found = {}
  for f in c:files { name = "*.txt" } do
    found[#found + 1] = f.name .. " " .. f.size
  end
  t:eq(found, { "a.txt 13", "c.txt 13", "d.txt 13" })
  t:eq({ c:read("b.bin"), c:head("b.bin").size, c:head("none") },
    { "text of b.bin", 13, nil })
  t:raises("limit", c.read, nil, c, "a.txt", { max = 3 })
  t:eq({ c:remove("a.txt"), c:remove("a.txt") }, { true, false })
  local list = {}
  for each in box.data:each { owner = "acme", name = "?" } do
    list[#list + 1] = each.ref
  end
  t:eq(list, { "acme/c", "acme/d" })
  t:raises("conflict", c.delete, "not empty", c)
  c:delete { force = true }
  t:raises("notfound", c.get, "no collection acme/c", c)
  t:raises("notfound", box.data.get, nil, box.data, "acme/c")
  for _, bad in ipairs({ "c", "a/b/c", 5, {} }) do
    t:raises("usage", box.data.get, "OWNER/NAME", box.data, bad)
  end
  t:raises("usage", box.data.create, "an acl is", box.data,
    { owner = "acme", name = "x", acl = "open" })
  t:raises("usage", c.write, "bytes of a file", c, "f", 5)
end)
