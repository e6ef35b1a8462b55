-- The sandbox's data API, asked as the official clients ask it.
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local json = require("godwit.core.json")
local process = require("godwit.core.process")
local sandboxes = require("support.sandboxes")
local sys = require("godwit.core.sys")
local task = require("godwit.task")

local code = sandboxes.code

local function md5(text) return sys.hash("md5", text) end

local function create(s, name, acl, as)
  local r = s:send("POST", "/v1/data/" .. (as or "acme"), { as = as,
    json = { name = name, acl = acl and { read = json.array(acl) } } })
  assert(r.status == 200, r.body)
  return r
end

local function put(s, path, body, as)
  local r = s:send("PUT", "/v1/data/" .. path, { body = body, as = as })
  assert(r.status == 200, r.body)
  return r
end

test("root: the caller first, then its organizations", function(t)
  local s = sandboxes.start(t)
  for _, path in ipairs({ "/v1/data/", "/v1/data", "/v1/connector/data/",
    "/v1/connector/data" }) do
    local r = s:send("GET", path, { as = "bob" })
    t:eq({ r.status, r.headers["x-data-type"] }, { 200, "directory" })
    t:eq(r.doc, { folders = { { name = "bob" }, { name = "acme" },
      { name = "labs" } } })
  end
  local r = s:send("HEAD", "/v1/data/")
  t:eq({ r.status, r.headers["x-data-type"], r.body },
    { 200, "directory", "" })
  t:eq(s:send("PUT", "/v1/data/", { body = "x" }).status, 400)
  t:eq(s:send("GET", "/v1/data/", { as = false }).status, 401)
  t:eq(s:send("GET", "/v1/data/", { as = "admin" }).status, 403)
  t:eq(s:send("GET", "/v1/connector/data/", { as = "admin" }).status, 200)
end)

test("collections: created as JSON, as text, and listed", function(t)
  local s = sandboxes.start(t)
  t:eq(create(s, "models").doc, { result = "data://acme/models" })
  local r = s:send("POST", "/v1/data/.my", { body = "raw", type = "text/plain" })
  t:eq({ r.status, r.doc }, { 200, { result = "data://acme/raw" } })
  r = s:send("POST", "/v1/data/acme/", { body = '"quoted"',
    type = "application/json" })
  t:eq(r.doc.result, "data://acme/quoted")
  for _, path in ipairs({ "acme", ".my", "acme/" }) do
    r = s:send("GET", "/v1/data/" .. path)
    t:eq(r.doc, { folders = { { name = "models" }, { name = "quoted" },
      { name = "raw" } } })
    t:eq(s:send("HEAD", "/v1/data/" .. path).status, 200)
  end
  r = s:send("GET", "/v1/data/acme/models")
  t:eq({ r.status, r.body, r.headers["x-data-type"] },
    { 200, "{}", "directory" })
  t:eq(s:send("HEAD", "/v1/data/acme/models").headers["x-data-type"],
    "directory")
  r = s:send("POST", "/v1/data/acme", { json = { name = "models" } })
  t:eq({ r.status, type(r.doc.error.message) }, { 409, "string" })
  for _, name in ipairs({ "1a", "a-b", "", ("a"):rep(31), "a/b", ".." }) do
    t:eq(s:send("POST", "/v1/data/acme", { json = { name = name } }).status,
      400)
  end
  t:eq(code(s:send("POST", "/v1/data/acme", { body = "{" })), 2013)
  t:eq(s:send("POST", "/v1/data/nobody", { json = { name = "x" } }).status, 404)
  t:eq(s:send("POST", "/v1/data/alice", { json = { name = "x" } }).status, 403)
  t:eq(code(s:send("GET", "/v1/data/nobody")), 3000)
end)

test("files: put, read, headers, deleted", function(t)
  local s = sandboxes.start(t)
  create(s, "models")
  t:eq(put(s, "acme/models/a.bin", "hello").doc,
    { result = "data://acme/models/a.bin" })
  for _, prefix in ipairs({ "/v1/data/", "/v1/connector/data/" }) do
    local r = s:send("GET", prefix .. "acme/models/a.bin")
    t:eq({ r.status, r.body, r.headers["x-data-type"],
      r.headers["content-length"], r.headers.etag },
      { 200, "hello", "file", "5", '"' .. md5("hello") .. '"' })
    t:match(r.headers.date, "GMT")
    r = s:send("HEAD", prefix .. "acme/models/a.bin")
    t:eq({ r.status, r.body, r.headers["x-data-type"],
      r.headers["content-length"], r.headers.etag },
      { 200, "", "file", "5", '"' .. md5("hello") .. '"' })
  end
  put(s, "acme/models/a.bin", "other")
  t:eq(s:send("GET", "/v1/data/.my/models/a.bin").body, "other")
  put(s, "acme/models/empty", "")
  local r = s:send("GET", "/v1/data/acme/models/empty")
  t:eq({ r.status, r.body, r.headers["content-length"] }, { 200, "", "0" })
  r = s:send("GET", "/v1/data/acme/models")
  t:eq(r.doc.folders, nil)
  t:eq({ r.doc.files[1].filename, r.doc.files[1].size }, { "a.bin", 5 })
  t:match(r.doc.files[1].last_modified,
    "^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d+Z$")
  r = s:send("DELETE", "/v1/data/acme/models/a.bin")
  t:eq({ r.status, r.doc }, { 200, { result = { deleted = 1 } } })
  r = s:send("DELETE", "/v1/data/acme/models/a.bin")
  t:eq({ r.status, type(r.doc.error.message) }, { 404, "string" })
  r = s:send("HEAD", "/v1/data/acme/models/a.bin")
  t:eq({ r.status, r.body }, { 404, "" })
  t:match(r.headers["x-error-message"], "there is no file")
  t:eq(s:send("GET", "/v1/data/acme/models/a.bin").status, 404)
  t:eq(s:send("PUT", "/v1/data/acme/none/x", { body = "x" }).status, 404)
  t:eq(s:send("PUT", "/v1/data/acme/models", { body = "x" }).status, 400)
  t:eq(s:send("PUT", "/v1/data/acme/models/a/b", { body = "x" }).status, 400)
  r = s:send("HEAD", "/v1/data/acme/none")
  t:match(r.headers["x-error-message"], "there is no collection")
end)

test("names: encoded by segment, or as a form as a whole", function(t)
  local s = sandboxes.start(t)
  create(s, "c")
  local function at(path) return s:send("GET", "/v1/data/" .. path) end
  put(s, "acme/c/a%20b%2Bc%25%C3%A9", "1")
  t:eq(at("acme/c").doc.files[1].filename, "a b+c%é")
  t:eq(at("acme%2Fc%2Fa+b%2Bc%25%C3%A9").body, "1")
  t:eq(at("data%3A%2F%2Facme%2Fc%2Fa+b%2Bc%25%C3%A9").body, "1")
  t:eq(at("data://acme/c/a%20b%2Bc%25%C3%A9").body, "1")
  put(s, "acme%2fc%2fx+y", "2")
  t:eq(at("acme/c/x%20y").body, "2")
  put(s, "acme/c/x+y", "3")
  t:eq(at("acme/c/x%2By").body, "3")
  put(s, "acme/c/" .. ("n"):rep(255), "4")
  for _, bad in ipairs({ "%2E%2E", "..", ".", "%00", "a%2Fb", "%FF", "%zz",
    "%", ("n"):rep(256) }) do
    local r = s:send("PUT", "/v1/data/acme/c/" .. bad, { body = "x" })
    t:eq({ r.status, type(r.doc.error.message) }, { 400, "string" }, bad)
  end
  for _, bad in ipairs({ "%2E%2E/c", "acme/%2E%2E", "acme//c",
    "acme%2F..%2F..%2Fkeys.json" }) do
    t:eq(at(bad).status, 400, bad)
  end
  t:eq(at("s3://bucket/key").status, 404)
  t:match(at("s3+lab://bucket/key").doc.error.message, "connector s3%+lab")
  t:match(s:send("GET", "/v1/connector/dropbox/x").doc.error.message,
    "no connector dropbox")
  t:eq(s:send("GET", "/v1/connector/ftp/x").status, 404)
end)

test("directories: deleted empty, or by force", function(t)
  local s = sandboxes.start(t)
  create(s, "c")
  local r = s:send("DELETE", "/v1/data/acme/c")
  t:eq({ r.status, r.doc }, { 200, { result = { deleted = 0 } } })
  t:eq(s:send("DELETE", "/v1/data/acme/c").status, 404)
  create(s, "c")
  put(s, "acme/c/a", "1")
  put(s, "acme/c/b", "2")
  r = s:send("DELETE", "/v1/data/acme/c")
  t:eq({ r.status, r.doc.error.deleted }, { 409, 0 })
  t:match(r.doc.error.message, "not empty")
  t:eq(s:send("GET", "/v1/data/acme/c/a").body, "1")
  r = s:send("DELETE", "/v1/data/acme/c?force=true")
  t:eq({ r.status, r.doc }, { 200, { result = { deleted = 2 } } })
  t:eq(s:send("GET", "/v1/data/acme/c").status, 404)
  create(s, "c")
  t:eq(s:send("GET", "/v1/data/acme/c").body, "{}")
end)

test("access: public, the owner's algorithms', private", function(t)
  local s = sandboxes.start(t)
  local acls = { everyone = { "user://*" }, mine = { "algo://.my/*" },
    secret = {} }
  for name, acl in pairs(acls) do
    create(s, name, acl)
    put(s, "acme/" .. name .. "/f", name)
  end
  create(s, "default")
  local function acl(name)
    return s:send("GET", "/v1/data/acme/" .. name .. "?acl=true").doc.acl.read
  end
  for name, want in pairs(acls) do t:eq(acl(name), want) end
  t:eq(acl("default"), { "algo://.my/*" })
  t:eq(s:send("GET", "/v1/data/acme/default").doc.acl, nil)
  local function seen(as, name)
    return s:send("GET", "/v1/data/acme/" .. name .. "/f", { as = as }).status
  end
  for name in pairs(acls) do t:eq(seen("bob", name), 200) end
  t:eq({ seen("carol", "everyone"), seen("carol", "mine"),
    seen("carol", "secret") }, { 200, 403, 403 })
  t:eq(s:send("GET", "/v1/data/acme", { as = "carol" }).doc,
    { folders = { { name = "everyone" } } })
  t:eq(s:send("PUT", "/v1/data/acme/everyone/x", { as = "carol",
    body = "x" }).status, 403)
  t:eq(s:send("PUT", "/v1/data/acme/secret/x", { as = "bob",
    body = "x" }).status, 200)
  local r = s:send("PATCH", "/v1/data/acme/everyone",
    { json = { acl = { read = json.array({}) } } })
  t:eq({ r.status, r.body }, { 200, "" })
  t:eq(acl("everyone"), {})
  t:eq(seen("carol", "everyone"), 403)
  t:eq(s:send("DELETE", "/v1/data/acme/mine/f", { as = "carol" }).status, 403)
  t:eq(s:send("DELETE", "/v1/data/acme/mine?force=true", { as = "carol" })
    .status, 403)
  for _, bad in ipairs({ { "user://bob" }, { "user://*", "algo://.my/*" },
    { 1 } }) do
    t:eq(s:send("PATCH", "/v1/data/acme/mine", { json = { acl = {
      read = json.array(bad) } } }).status, 400)
  end
  t:eq(s:send("PATCH", "/v1/data/acme/mine", { json = {} }).status, 400)
  t:eq(s:send("PATCH", "/v1/data/acme/mine", { body = "x" }).status, 400)
  t:eq(s:send("PATCH", "/v1/data/acme/none", { json = { acl = { read =
    json.array({}) } } }).status, 404)
end)

test("keys: what they permit", function(t)
  local s = sandboxes.start(t)
  create(s, "c", nil, "carol")
  put(s, "carol/c/f", "x", "carol")
  local function weak(method, path)
    return s:send(method, "/v1/data/carol/c/" .. path, { as = "carol",
      label = "weak", body = method == "PUT" and "y" or nil }).status
  end
  t:eq({ weak("GET", "f"), weak("PUT", "f"), weak("DELETE", "f") },
    { 200, 403, 403 })
  s:stop()
  local text = fs.read(s.dir .. "/keys.json")
  t:ok(fs.write(s.dir .. "/keys.json", (text:gsub('("allow_data": )true',
    "%1false"))))
  s = sandboxes.start(t, { dir = s.dir })
  t:eq({ s:send("GET", "/v1/data/").status,
    s:send("GET", "/v1/hostedData").status,
    s:send("GET", "/v1/data/carol/c/f", { as = "carol" }).status,
    s:send("PUT", "/v1/data/carol/c/g", { as = "carol", body = "x" }).status },
    { 403, 403, 403, 200 })
end)

test("pages: by name, with a marker until the end", function(t)
  local s = sandboxes.start(t, { options = { data_page = 3 } })
  create(s, "c")
  for i = 1, 7 do put(s, "acme/c/f" .. i, "x") end
  local function walk()
    local names, marker, pages = {}, "", 0
    repeat
      local r = s:send("GET", "/v1/data/acme/c?marker=" .. marker)
      for _, f in ipairs(r.doc.files or {}) do names[#names + 1] = f.filename end
      marker, pages = r.doc.marker, pages + 1
    until not marker
    return table.concat(names, " "), pages
  end
  t:eq({ walk() }, { "f1 f2 f3 f4 f5 f6 f7", 3 })
  s:send("DELETE", "/v1/data/acme/c/f4")
  put(s, "acme/c/f0", "x")
  put(s, "acme/c/f9", "x")
  t:eq({ walk() }, { "f0 f1 f2 f3 f5 f6 f7 f9", 3 })
  t:eq(code(s:send("GET", "/v1/data/acme/c?marker=%21")), 5002)
  for i = 1, 5 do create(s, "d" .. i) end
  local r = s:send("GET", "/v1/data/acme")
  t:eq(#r.doc.folders, 3)
  t:eq(#s:send("GET", "/v1/data/acme?marker=" .. r.doc.marker).doc.folders, 3)
end)

test("a list of folders goes on behind a marker whose folder is gone",
  function(t)
    local s = sandboxes.start(t, { options = { data_page = 1 } })
    local function page(path, marker)
      local doc = s:send("GET", "/v1/data/" .. path .. "?marker="
        .. (marker or ""), { as = path == "" and "bob" or nil }).doc
      return doc.folders and doc.folders[1].name, doc.marker
    end
    for _, name in ipairs({ "aaa", "bbb", "ccc" }) do create(s, name) end
    local _, first = page("acme")
    local name, second = page("acme", first)
    t:eq(name, "bbb")
    t:eq(s:send("DELETE", "/v1/data/acme/bbb").status, 200)
    t:eq({ page("acme", second) }, { "ccc" })
    t:eq(s:send("DELETE", "/v1/data/acme/ccc").status, 200)
    t:eq({ page("acme", second) }, {})
    -- the caller first, then organizations
    local types = s:send("GET", "/v1/organization/types", { as = "admin" })
    for _, org in ipairs({ "beta", "aardvark" }) do
      local admin = { as = "admin", json = { org_name = org, org_label = org,
        org_contact_name = "x", org_email = org .. "@example.com",
        type_id = types.doc[1].id } }
      t:eq(s:send("POST", "/v1/organizations", admin).status, 200)
      t:ok(s:send("PUT", "/v1/organizations/" .. org .. "/members/bob",
        { as = "admin" }).status < 300)
    end
    local names, markers, marker = {}, {}, nil
    repeat
      names[#names + 1], marker = page("", marker)
      markers[#names] = marker
    until not marker
    t:eq(names, { "bob", "aardvark", "acme", "beta", "labs" })
    t:eq(s:send("DELETE", "/v1/organizations/aardvark", { as = "admin" })
      .status, 204)
    t:eq((page("", markers[1])), "acme")
    t:eq((page("", markers[2])), "acme")
    t:eq((page("", markers[3])), "beta")
  end)

test("hostedData: the caller's collections with their ids", function(t)
  local s = sandboxes.start(t)
  create(s, "a", { "user://*" })
  create(s, "b")
  create(s, "c", {})
  local rows = s:send("GET", "/v1/hostedData").doc.result
  t:eq(#rows, 3)
  for i, want in ipairs({ { true, false }, { false, true },
    { false, false } }) do
    t:eq({ rows[i].acl.read_w, rows[i].acl.read_a }, want)
    t:match(rows[i].object_id, "^%x+%-")
  end
  t:eq({ rows[1].collection_name, rows[1].username, rows[1].location },
    { "a", "acme", "data://acme/a" })
  t:eq(s:send("GET", "/v1/hostedData", { as = "admin" }).status, 403)
end)

test("what an algorithm keeps for a caller", function(t)
  local s = sandboxes.start(t)
  s:create("Hello")
  local base = "/v1/data/.algo/acme/Hello/"
  t:eq(s:send("PUT", base .. "perm/x", { body = "1" }).doc.result,
    "data://.algo/acme/Hello/perm/x")
  t:eq(s:send("GET", base .. "perm/x").body, "1")
  local r = s:send("GET", base .. "perm?acl=true")
  t:eq({ r.doc.files[1].filename, r.doc.acl }, { "x", nil })
  t:eq(s:send("GET", base .. "temp").body, "{}")
  t:eq(s:send("GET", base .. "perm/x", { as = "bob" }).status, 404)
  t:eq(s:send("GET", "/v1/data/.algo/acme/None/perm/x").status, 404)
  t:eq(s:send("GET", "/v1/data/.algo/temp/x").status, 400)
  t:eq(s:send("GET", "/v1/data/.session/x").status, 400)
  t:eq(s:send("GET", "/v1/data/acme").body, "{}")
  t:eq(s:send("DELETE", base .. "perm/x").doc.result.deleted, 1)
end)

test("a large file goes both ways in pieces, and keeps its digest", function(t)
  local s = sandboxes.start(t)
  create(s, "c")
  local big = ("0123456789abcdef"):rep(3 << 16)
  put(s, "acme/c/big", big)
  for _ = 1, 2 do
    local r = s:send("GET", "/v1/data/acme/c/big")
    t:ok(r.body == big)
    t:eq(r.headers.etag, '"' .. md5(big) .. '"')
    t:eq(r.headers["content-length"], tostring(#big))
  end
  -- changed behind its back
  local path = s.dir .. "/data/acme/c/files/big"
  t:ok(fs.write(path, big .. "x"))
  t:eq(s:send("HEAD", "/v1/data/acme/c/big").headers.etag,
    '"' .. md5(big .. "x") .. '"')
end)

test("an upload that is cut leaves the old file", function(t)
  local s = sandboxes.start(t)
  create(s, "c")
  put(s, "acme/c/f", "old")
  local host, port = s.api:match("//([^:]+):(%d+)")
  local status = sandboxes.run({ "bash", "-c", ([[
    exec 3<>/dev/tcp/%s/%s
    printf 'PUT /v1/data/acme/c/f HTTP/1.1\r\nHost: x\r\nAuthorization: Simple %s\r\nContent-Length: 100\r\n\r\nnew' >&3
    sleep 0.2
    exec 3>&-
    exec 3<>/dev/tcp/%s/%s
    printf 'PUT /v1/data/acme/c/g HTTP/1.1\r\nHost: x\r\nAuthorization: Simple %s\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nnew\r\n' >&3
    sleep 0.2
  ]]):format(host, port, s:key("acme"), host, port, s:key("acme")) })
  t:eq(status, 0)
  t:eq(s:send("GET", "/v1/data/acme/c/f").body, "old")
  t:eq(s:send("GET", "/v1/data/acme/c/g").status, 404)
  t:eq(#(fs.list(s.dir .. "/run/data") or {}), 0)
end)

test("uploads in chunks, as streams are sent", function(t)
  local s = sandboxes.start(t)
  create(s, "c")
  local _, out = sandboxes.run({ "curl", "-s", "-w", "%{http_code}", "-X",
    "PUT", "-H", "Authorization: " .. s:key("acme"), "-H",
    "Transfer-Encoding: chunked", "--data-binary", "hello world",
    s.api .. "/v1/data/acme/c/f" })
  t:match(out, "200$")
  t:eq(s:send("GET", "/v1/data/acme/c/f").body, "hello world")
end)

test("options: without ETag, a refused ACL, a list that never ends",
  function(t)
    local s = sandboxes.start(t, { options = { etag = false,
      refuse_acl = true, endless_marker = true } })
    create(s, "c")
    put(s, "acme/c/f", "x")
    t:eq(s:send("GET", "/v1/data/acme/c/f").headers.etag, nil)
    t:eq(s:send("PATCH", "/v1/data/acme/c", { json = { acl = {
      read = json.array({}) } } }).status, 400)
    local r = s:send("GET", "/v1/data/acme/c")
    t:ok(r.doc.marker)
    local again = s:send("GET", "/v1/data/acme/c?marker=" .. r.doc.marker)
    t:eq({ again.doc.files, again.doc.marker }, { r.doc.files, r.doc.marker })
  end)

test("options: one kind of ACL is refused", function(t)
  local s = sandboxes.start(t, { options = { refuse_acl = "public" } })
  create(s, "c", {})
  local function patch(acl)
    return s:send("PATCH", "/v1/data/acme/c", { json = { acl = {
      read = json.array(acl) } } }).status
  end
  t:eq({ patch({ "user://*" }), patch({ "algo://.my/*" }) }, { 400, 200 })
end)

test("options: those of the data API are read from the folder", function(t)
  local s = sandboxes.start(t)
  s:stop()
  t:ok(fs.write(s.dir .. "/options.json",
    '{"etag": false, "data_page": 2, "refuse_acl": "private"}'))
  local again = sandboxes.start(t, { dir = s.dir })
  create(again, "c")
  for i = 1, 3 do put(again, "acme/c/f" .. i, "x") end
  t:eq(#again:send("GET", "/v1/data/acme/c").doc.files, 2)
  t:eq(again:send("HEAD", "/v1/data/acme/c/f1").headers.etag, nil)
  again:stop()
  t:ok(fs.write(s.dir .. "/options.json", '{"refuse_acl": 5}'))
  t:raises("usage", sandboxes.start, "refuse_acl", t, { dir = s.dir })
end)

test("an organization made again under its name has nothing", function(t)
  local s = sandboxes.start(t)
  local function org(method, body)
    return s:send(method, method == "POST" and "/v1/organizations"
      or "/v1/organizations/fresh", { as = "admin", json = body })
  end
  local types = s:send("GET", "/v1/organization/types", { as = "admin" }).doc
  local doc = { org_name = "fresh", org_label = "Fresh",
    org_contact_name = "A", org_email = "a@example.com",
    type_id = types[1].id }
  t:eq(org("POST", doc).status, 200)
  t:eq(s:send("PUT", "/v1/organizations/fresh/members/bob",
    { as = "admin", body = "" }).status, 201)
  local function make()
    return s:send("POST", "/v1/data/fresh", { as = "bob",
      json = { name = "c" } }).status
  end
  t:eq(make(), 200)
  put(s, "fresh/c/f", "x", "bob")
  t:eq(#s:send("GET", "/v1/data/fresh/c", { as = "bob" }).doc.files, 1)
  t:eq(org("DELETE").status, 204)
  t:eq(s:send("GET", "/v1/data/fresh/c", { as = "bob" }).status, 404)
  t:eq(org("POST", doc).status, 200)
  s:send("PUT", "/v1/organizations/fresh/members/bob",
    { as = "admin", body = "" })
  t:eq(s:send("GET", "/v1/data/fresh", { as = "bob" }).body, "{}")
  t:eq(make(), 200)
  t:eq(s:send("GET", "/v1/data/fresh/c", { as = "bob" }).body, "{}")
end)

test("a collection survives a restart", function(t)
  local s = sandboxes.start(t)
  create(s, "c", {})
  put(s, "acme/c/f", "x")
  s:stop()
  local again = sandboxes.start(t, { dir = s.dir })
  local r = again:send("GET", "/v1/data/acme/c?acl=true")
  t:eq({ r.doc.files[1].filename, r.doc.acl.read }, { "f", {} })
end)

test("an archive from elsewhere: links are neither listed nor followed",
  function(t)
    local s = sandboxes.start(t)
    create(s, "c")
    put(s, "acme/c/f", "x")
    t:ok(fs.symlink("/etc/passwd", s.dir .. "/data/acme/c/files/link"))
    t:eq((sandboxes.run({ "mkfifo", s.dir .. "/data/acme/c/files/pipe" })), 0)
    t:eq(#s:send("GET", "/v1/data/acme/c").doc.files, 1)
    for _, name in ipairs({ "link", "pipe" }) do
      local r = s:send("GET", "/v1/data/acme/c/" .. name)
      t:eq(r.status, 500)
      t:no(r.body:find("root", 1, true))
    end
    put(s, "acme/c/link", "a file again")
    t:eq(s:send("GET", "/v1/data/acme/c/link").body, "a file again")
    s:stop()
    t:ok(fs.symlink("/etc", s.dir .. "/data/acme/d"))
    t:raises("io", sandboxes.start, "no links", t, { dir = s.dir })
  end)

-- Bare key, /v1/data, JSON demanded of every answer but an empty one.
test("the Python client's requests", function(t)
  local s = sandboxes.start(t)
  local function py(method, path, opts)
    opts = opts or {}
    opts.auth = s:key("acme")
    return s:send(method, "/v1/data/" .. path, opts)
  end
  t:eq(py("GET", "").doc.folders[1].name, "acme")
  t:eq(py("GET", "acme/c").status, 404) -- exists()
  t:eq(type(py("GET", "acme/c").doc.error.message), "string")
  local r = py("POST", "acme/", { json = { name = "c",
    acl = { read = json.array({ "algo://.my/*" }) } } })
  t:eq({ r.status, type(r.doc) }, { 200, "table" })
  t:eq(py("HEAD", "acme/c/f").status, 404)
  r = py("PUT", "acme/c/f", { body = '{"a": 1}', type = "application/json" })
  t:eq({ r.status, r.doc.result }, { 200, "data://acme/c/f" })
  t:eq(py("HEAD", "acme/c/f").status, 200)
  t:eq(py("GET", "acme/c/f").body, '{"a": 1}')
  r = py("GET", "acme/c/?marker=")
  local date = r.doc.files[1].last_modified
  t:match(date, "%.%d+Z$") -- strptime("%Y-%m-%dT%H:%M:%S.%fZ")
  r = py("PATCH", "acme/c", { json = { acl = { read = json.array({}) } } })
  t:eq(r.status, 200)
  t:eq(py("GET", "acme/c?acl=true").doc.acl.read, {})
  r = py("DELETE", "acme/c/f", { body = "" })
  t:eq(r.doc, { result = { deleted = 1 } })
  py("PUT", "acme/c/f", { body = "x" })
  r = py("DELETE", "acme/c?force=true")
  t:eq(r.doc, { result = { deleted = 1 } })
end)

test("the Node client's requests", function(t)
  local s = sandboxes.start(t)
  local function node(method, path, opts)
    opts = opts or {}
    opts.headers = { Accept = "*/*" }
    return s:send(method, "/v1/data/" .. path, opts)
  end
  t:eq(node("HEAD", "acme").status, 200)
  t:eq(node("POST", ".my", { body = "c", type = "text/plain" }).status, 200)
  t:eq(node("HEAD", ".my/c").status, 200)
  node("PUT", ".my/c/f.txt", { body = "text" })
  for accept, kind in pairs({ ["application/json"] = "application/json",
    ["text/plain"] = "text/plain; charset=utf-8",
    ["application/octet-stream"] = "application/octet-stream",
    ["*/*"] = "application/octet-stream" }) do
    local r = s:send("GET", "/v1/data/.my/c/f.txt",
      { headers = { Accept = accept } })
    t:eq({ r.body, r.headers["content-type"] }, { "text", kind })
  end
  t:eq(node("DELETE", ".my/c/f.txt").body, '{"result":{"deleted":1}}')
end)

-- A sandbox in a process of its own, which a test may kill.
local function serve(t, dir)
  local script = t:tmpdir() .. "/serve.lua"
  fs.write(script, ([[
    test("serves", function()
      require("godwit.sandbox").run({ dir = %q, seed = "empty",
        ready = function()
          require("godwit.core.sys").write(1, "ready\n")
        end })
    end)]]):format(dir), 384)
  local p = err.check(process.start({ argv = { (sys.env("GODWIT_BUILD")
    or fs.cwd() .. "/build") .. "/godwit_luatest", script }, stdout = true,
    stderr = false }))
  t:ok((p:read() or ""):find("ready"))
  return p, sandboxes.at(dir, json.decode(fs.read(dir .. "/sandbox.json"),
    {}).api)
end

test("killed during uploads: the old file or the new one, and no parts",
  function(t)
    local dir = t:tmpdir() .. "/s"
    local p, s = serve(t, dir)
    create(s, "c")
    local function upload(n)
      return s:send("PUT", "/v1/data/acme/c/f",
        { body = ("%08d"):format(n):rep(1 << 17) })
    end
    t:eq(upload(1).status, 200)
    local last = 1
    for round = 1, 5 do
      local busy = true
      local writer = task.spawn(function()
        for n = last + 1, math.huge do
          local ok, r = pcall(upload, n)
          if not ok or r.status ~= 200 or not busy then return end
          last = n
        end
      end)
      task.sleep(0.05 + 0.03 * round)
      p:kill(9)
      p:wait()
      p:close()
      busy = false
      task.join(writer)
      p, s = serve(t, dir)
      local body = s:send("GET", "/v1/data/acme/c/f").body
      local first = body:sub(1, 8)
      t:eq({ #body, body == first:rep(1 << 17) }, { 1 << 20, true })
      t:ok(tonumber(first) >= last, "what was answered is there")
      t:eq(#(fs.list(dir .. "/run/data") or {}), 0)
      last = tonumber(first)
    end
    p:kill(9)
    p:wait()
    p:close()
  end)

test("writers and readers of one collection do not disturb each other",
  function(t)
    local s = sandboxes.start(t, { options = { data_page = 5 } })
    create(s, "c")
    for i = 1, 20 do put(s, "acme/c/keep" .. i, "x") end
    local busy = true
    local writer = task.spawn(function()
      local n = 0
      while busy do
        n = n % 30 + 1
        put(s, "acme/c/new" .. n, ("y"):rep(n))
        s:send("DELETE", "/v1/data/acme/c/new" .. (n + 15) % 30)
      end
    end)
    for _ = 1, 5 do
      local seen, marker = {}, ""
      repeat
        local r = s:send("GET", "/v1/data/acme/c?marker=" .. marker)
        for _, f in ipairs(r.doc.files) do
          t:no(seen[f.filename])
          seen[f.filename] = true
        end
        marker = r.doc.marker
      until not marker
      for i = 1, 20 do t:ok(seen["keep" .. i], i) end
    end
    busy = false
    task.join(writer)
  end)

test("a collection removed during an upload takes it along", function(t)
  local s = sandboxes.start(t, { options = { data_delay = 0 } })
  create(s, "c")
  local host, port = s.api:match("//([^:]+):(%d+)")
  local slow = task.spawn(function()
    return select(2, sandboxes.run({ "bash", "-c", ([[
      exec 3<>/dev/tcp/%s/%s
      printf 'PUT /v1/data/acme/c/f HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Simple %s\r\nContent-Length: 6\r\n\r\nabc' >&3
      sleep 0.4
      printf 'def' >&3
      cat <&3
    ]]):format(host, port, s:key("acme")) }))
  end)
  task.sleep(0.15)
  t:eq(s:send("DELETE", "/v1/data/acme/c?force=true").status, 200)
  task.join(slow)
  t:eq(s:send("GET", "/v1/data/acme/c").status, 404)
  t:eq(#(fs.list(s.dir .. "/run/data") or {}), 0)
end)
