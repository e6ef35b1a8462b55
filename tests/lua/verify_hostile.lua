-- What a comparison makes of servers that answer nonsense, or without end: it
-- is said, nothing is taken for equal, and nothing grows.
local contexts = require("godwit.workflow.cx")
local cluster = require("godwit.cluster")
local driver = require("godwit.cluster.http")
local e2e = require("support.e2e")
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local json = require("godwit.core.json")
local odd = require("support.oddcluster")
local output = require("godwit.cli.output")
local report = require("godwit.cli.report_comparison")
local secret = require("godwit.core.secret")
local verify = require("godwit.verify")

local function compare(from, to, params)
  local values = { from = cluster.handle(from), to = cluster.handle(to) }
  for k, v in pairs(params or {}) do
    values[k] = v
  end
  local context = contexts.new(values, { given = {} })
  local run = verify.open(context)
  for _, kind in ipairs(run.kinds) do
    run:compare(kind)
  end
  return context:finish()
end

local function place(t, routes)
  local server = odd.start(t, routes)
  return driver.open(server:profile({ admin_key = secret.new(
    "simOddClusterKey000000000002", { label = "odd admin",
      origins = { server.url } }) })), server
end

local function archive(t)
  local box = e2e.archive(t:tmpdir() .. "/twin", "twin")
  t:defer(function()
    if box.open then
      box.open:close()
    end
  end)
  return box
end

local ACME = { id = "a", org_name = "acme", org_label = "Acme",
  org_email = "acme@twin.example.com" }
local PEOPLE = { results = json.array({ { username = "alice", role = "owner" },
  { username = "bob", role = "member" } }) }

local function organization(t, change)
  local routes = {
    ["GET /v1/organizations"] = { json = { results = json.array({ ACME }) } },
    ["GET /v1/organizations/acme"] = { json = ACME },
    ["GET /v1/organization/types"] = { json = json.array({}) },
    ["GET /v1/organizations/acme/members"] = { json = PEOPLE },
  }
  for k, v in pairs(change or {}) do
    routes[k] = v
  end
  return (place(t, routes))
end

local ORGANIZATIONS = { only = { "organizations" } }

test("an organization that is as it should be is equal", function(t)
  local r = compare(organization(t), archive(t):driver(), ORGANIZATIONS)
  t:eq({ r.exit, r.items[1].outcome, r.items[1].members }, { 0, "equal", 2 },
    json.encode(r))
end)

test("a list of members without end, and one that is none", function(t)
  local page = { results = PEOPLE.results, marker = "again" }
  local r = compare(organization(t, {
    ["GET /v1/organizations/acme/members"] = { json = page } }),
    archive(t):driver(), ORGANIZATIONS)
  t:eq({ r.exit, r.items[1].outcome }, { 1, "unreadable" })
  t:match(r.items[1].problems[1], "the members of acme: ")
  r = compare(organization(t, {
    ["GET /v1/organizations/acme/members"] = { body = "<html>" } }),
    archive(t):driver(), ORGANIZATIONS)
  t:eq(r.items[1].outcome, "unreadable")
  r = compare(archive(t):driver(), organization(t, {
    ["GET /v1/organizations/acme/members"] = { status = 503 } }),
    ORGANIZATIONS)
  t:eq({ r.exit, r.items[1].outcome, r.items[1].retryable },
    { 5, "unreadable", true })
end)

test("fields of any type are shown, and no terminal obeys them", function(t)
  local doc = { id = 1, org_name = "acme", org_label = "\27[31mred\nline",
    org_email = json.array({ "x", { y = 1 } }), org_url = { a = {} },
    external_id = 17, external_admin_group = true,
    org_contact_name = "c\u{9b}31m" .. ("long "):rep(1000) }
  local r = compare(archive(t):driver(), organization(t, {
    ["GET /v1/organizations/acme"] = { json = doc } }), ORGANIZATIONS)
  t:eq(r.exit, 7)
  t:eq(#r.items[1].differences, 6)
  output.reset()
  output.setup({ color = "never" })
  local text = report.text(r)
  t:no(text:find("\27", 1, true))
  t:no(text:find("\u{9b}", 1, true))
  t:match(text, "org_label: Acme at the source, \\x1b%[31mred\\nline at the")
  t:match(text, "… %(5008 bytes%)")
  t:no(text:find("\nline", 1, true))
end)

test("nothing is equal where types, users or lists cannot be read", function(t)
  local typed = { org_name = "acme", type_id = "1", org_label = "Acme",
    org_email = "acme@twin.example.com" }
  local r = compare(organization(t, { ["GET /v1/organizations"] =
      { json = { results = json.array({ typed }) } },
    ["GET /v1/organization/types"] = { json = json.array({ { id = 1 } }) } }),
    archive(t):driver(), ORGANIZATIONS)
  t:eq({ r.exit, #r.items, r.items[1].outcome }, { 1, 1, "unreadable" })
  r = compare(place(t, { ["GET /v1/users"] = { json = { results =
    json.array({ { username = "../x", email = "x" } }) } } }),
    archive(t):driver(), { only = { "users" } })
  t:eq({ r.exit, r.items[1].outcome }, { 1, "unreadable" })
  -- Something could be read, something not.
  local box = archive(t)
  r = compare(place(t, { ["GET /v1/users"] = { json = { results = json.array({
      { username = "alice", email = "alice@twin.example.com" },
      { username = "bob", email = { 1 } } }) } },
    ["GET /v1/organizations"] = { status = 500 },
    ["GET /v1/organization/types"] = { json = json.array({}) } }),
    box:driver(), { only = { "users,organizations" } })
  t:eq(r.exit, 7) -- the address is none
  t:eq({ r.counts.equal, r.counts.different, r.counts.unreadable },
    { 1, 1, 1 })
end)

local function collection(files, more)
  local routes = {
    ["GET /v1/data/acme"] = { json = { folders = json.array({
      { name = "models" } }) } },
    ["GET /v1/data/acme/models"] = { json = { files = files,
      acl = { read = json.array({}) } } },
  }
  for k, v in pairs(more or {}) do
    routes[k] = v
  end
  return routes
end

local DATA = { only = { "data" }, owner = { "acme" } }

local function twin(t, files)
  local box = archive(t)
  box:driver():create_collection("acme", "models", {})
  for name, bytes in pairs(files) do
    box:driver():write_file("acme", "models", name, bytes)
  end
  return box:driver()
end

local function row(name, size)
  return { filename = name, size = size,
    last_modified = "2021-07-30T18:02:11.093Z" }
end

test("names, sizes and markers of a list that make no sense", function(t)
  local there = twin(t, { a = "x" })
  local r
  local file = { body = "x", headers = { ["X-Data-Type"] = "file" } }
  r = compare(place(t, collection(json.array({ row("a", 1) }), {
    ["GET /v1/data/acme/models/a"] = file,
    ["GET /v1/data/acme/models"] = { json = { marker = "m", acl = { read =
      json.array({}) }, files =
      json.array({ row("a", 1) }) } } })), there, DATA)
  t:eq(r.items[1].outcome, "unreadable")
  t:match(r.items[1].problems[1], "never ends")
  -- A size that is none is not the same size: the bytes decide.
  r = compare(place(t, collection(json.array({ row("a", -5) }), {
    ["GET /v1/data/acme/models/a"] = file,
    ["HEAD /v1/data/acme/models/a"] = file })), there, DATA)
  t:eq({ r.exit, r.items[1].digests }, { 0, 1 }, json.encode(r))
end)

-- Pages with other markers and other first rows every time. They end at last,
-- so that a test does not wait for ever.
local function endless(names)
  local n = 0
  return { ["GET /v1/data/acme/models"] = function()
    n = n + 1
    local rows = json.array({})
    for i, name in ipairs(names) do
      rows[(i + n) % #names + 1] = row(name, 1)
    end
    return { json = { files = rows, acl = { read = json.array({}) },
      marker = n < 400 and "m" .. n or nil } }
  end }
end

test("a list of files without end, on either side", function(t)
  local there = twin(t, { a = "x", b = "y", c = "z" })
  local function server(names)
    return (place(t, collection(nil, endless(names))))
  end
  local quick = { only = { "data" }, owner = { "acme" }, quick = true }
  local r = compare(server({ "a", "b", "c" }), there, quick)
  t:eq({ r.exit, r.items[1].outcome }, { 1, "unreadable" }, json.encode(r))
  t:match(r.items[1].problems[1], "odd:acme/models lists the same files again "
    .. "and again: its list has no end")
  r = compare(there, server({ "a", "b", "c" }), quick)
  t:eq({ r.exit, r.items[1].outcome }, { 1, "unreadable" })
  t:match(r.items[1].problems[1], "its list has no end")
  -- Names that are none are no new ones.
  r = compare(there, server({ "a\n", "b\n", "c\n" }), quick)
  local problems = r.items[1].problems
  t:match(problems[#problems], "its list has no end")
  t:eq(#problems, 301)
end)

test("a name that is none hides no other file", function(t)
  local there = twin(t, { a = "x", b = "y" })
  local function file(bytes)
    return { body = bytes, headers = { ["X-Data-Type"] = "file" } }
  end
  local function server(a)
    return (place(t, collection(json.array({ row("bad\n", 1), row("a", 1),
      { size = 1 }, row("b", 1) }), {
      ["GET /v1/data/acme/models/a"] = file(a),
      ["GET /v1/data/acme/models/b"] = file("y") })))
  end
  local r = compare(server("x"), there, DATA)
  t:eq({ r.exit, r.items[1].outcome, r.items[1].digests },
    { 1, "unreadable", 2 }, json.encode(r))
  t:eq(#r.items[1].problems, 2)
  t:match(r.items[1].problems[1], "^a file of odd:acme/models: it is called "
    .. "\"bad\\n\": it has a control character in it")
  t:match(r.items[1].problems[2], "it is called nothing: it is no text")
  for _, places in ipairs({ { server("?"), there }, { there, server("?") } }) do
    r = compare(places[1], places[2], DATA)
    t:eq({ r.exit, #r.items[1].differences, #r.items[1].problems },
      { 7, 1, 2 }, json.encode(r))
    t:eq(r.items[1].differences[1].field, "file a")
  end
end)

test("a collection that shows no ACL is said apart", function(t)
  local there = twin(t, { a = "x" })
  local function server(acl)
    return (place(t, collection(nil, {
      ["GET /v1/data/acme/models"] = { json = { acl = acl, files =
        json.array({ row("a", 1) }) } },
      ["GET /v1/data/acme/models/a"] = { body = "x" } })))
  end
  local r = compare(server(nil), there, DATA)
  t:eq({ r.exit, r.items[1].outcome }, { 0, "equal" }, json.encode(r))
  t:eq(r.items[1].cannot_move, { "who may read it cannot be compared: "
    .. "acme/models shows no ACL" })
  r = compare(there, server({ read = json.array({ 1 }) }), DATA)
  t:eq({ r.exit, r.items[1].cannot_move[1] }, { 0, "who may read it cannot be "
    .. "compared: odd:acme/models shows no ACL" })
  r = compare(server(nil), server(nil), DATA)
  t:match(r.items[1].cannot_move[1], "both places show no ACL$")
  r = compare(server({ read = json.array({}) }), there, DATA)
  t:eq(r.items[1].cannot_move, nil)
end)

test("owners of the destination for whom there is no key", function(t)
  local routes = collection(json.array({ row("a", 1) }), {
    ["GET /v1/users"] = { json = { results = json.array({
      { username = "carol" }, { username = "acme" } }) } },
    ["GET /v1/organizations"] = { json = { results = json.array({}) } },
    ["GET /v1/data/acme/models/a"] = { body = "x" },
    ["GET /v1/users/carol/algorithms"] = { status = 403 } })
  local server = odd.start(t, routes)
  local profile = server:profile({ admin_key = secret.new(
    "simOddClusterKey000000000002", { label = "admin",
      origins = { server.url } }) })
  local key = profile.key
  profile.key = function(owner)
    return owner ~= "carol" and key or nil
  end
  local params = { only = { "data,algorithms" } }
  local r = compare(twin(t, { a = "x" }), driver.open(profile), params)
  t:eq({ r.exit, r.counts.unreadable, r.counts.equal }, { 0, 0, 1 },
    json.encode(r))
  local notes = table.concat(r.notes, "\n")
  t:match(notes, "Which collections only odd has is not known of carol: the ")
  t:match(notes, "Which algorithms only odd has is not known of carol: the ")
  params.strict = true
  r = compare(twin(t, { a = "x" }), driver.open(profile), params)
  t:eq({ r.exit, r.counts.unreadable }, { 3, 2 }, json.encode(r))
  t:eq({ r.items[2].type, r.items[2].ref, r.items[3].type },
    { "collection", "odd:*", "algorithm" })
end)

test("sizes that a list does not tell are asked for", function(t)
  local there = twin(t, { a = "x", b = "y" })
  local function server(a, b)
    return place(t, collection(json.array({ row("a"), row("b") }), {
      ["HEAD /v1/data/acme/models/a"] = a,
      ["HEAD /v1/data/acme/models/b"] = b }))
  end
  local function file(size)
    return { body = ("x"):rep(size) }
  end
  local function quick(from, to)
    local r = compare(from, to, { only = { "data" }, owner = { "acme" },
      quick = true })
    return r, r.items[1]
  end
  local driver_there, odd_server = server(file(1), file(1))
  local r, item = quick(driver_there, there)
  t:eq({ r.exit, item.outcome, item.files }, { 0, "equal", 2 }, json.encode(r))
  local log = table.concat(odd_server:log(), "\n")
  t:eq(select(2, log:gsub("HEAD ", "")), 2, log)
  t:no(log:find("GET [^\n]*/models/"), log)
  for _, turned in ipairs({ false, true }) do
    local one = server(file(1), file(3))
    r, item = quick(turned and there or one, turned and one or there)
    t:eq({ r.exit, #item.differences, item.differences[1].field },
      { 7, 1, "file b" }, json.encode(r))
    local here, other = item.differences[1].source,
      item.differences[1].destination
    t:eq({ here.size, other.size }, turned and { 1, 3 } or { 3, 1 })
  end
  r, item = quick(server(file(1), nil), there)
  t:eq({ r.exit, item.differences[1].field, item.differences[1].source },
    { 7, "file b", nil }, json.encode(r))
  r, item = quick(server(file(1), nil), (server(file(1), nil)))
  t:eq({ r.exit, item.outcome, #item.problems }, { 1, "unreadable", 2 },
    json.encode(r))
  t:match(item.problems[1], "^file b of .*its size is not told")
  r, item = quick(server({ status = 500 }, file(1)), there)
  t:eq({ r.exit, item.outcome, #item.problems }, { 5, "unreadable", 1 },
    json.encode(r))
  t:match(item.problems[1], "^file a of acme/models: ")
end)

test("where no questions are answered, large files are read", function(t)
  local bytes = ("x"):rep(300000)
  for status, exit in pairs({ [404] = 0, [405] = 0, [403] = 0, [501] = 7 }) do
    local there = twin(t, { a = bytes })
    local r = compare(place(t, collection(json.array({ row("a", #bytes) }), {
      ["HEAD /v1/data/acme/models/a"] = { status = status },
      ["GET /v1/data/acme/models/a"] = { body = exit == 7
        and ("y"):rep(#bytes) or bytes } })), there, DATA)
    t:eq({ r.exit, r.items[1].files_read }, { exit, 1 }, json.encode(r))
  end
end)

test("a size that nobody tells is not the same size", function(t)
  local there = twin(t, { a = "x", b = "y" })
  local files = place(t, collection(json.array({ row("a"), row("b", 1) })))
  files.try_head_file = function() return {} end
  local r = compare(files, there, { only = { "data" }, owner = { "acme" },
    quick = true })
  t:eq({ r.exit, r.items[1].outcome }, { 1, "unreadable" }, json.encode(r))
  t:eq(r.items[1].problems, { "file a of acme/models: its size is not told "
    .. "(remote)" })
end)

test("a digest that is none is not believed; a file that vanishes", function(t)
  local there = twin(t, { a = "x", b = "y" })
  local function server(a, b)
    return (place(t, collection(json.array({ row("a", 1), row("b", 1) }), {
      ["GET /v1/data/acme/models/a"] = a, ["HEAD /v1/data/acme/models/a"] = a,
      ["GET /v1/data/acme/models/b"] = b,
      ["HEAD /v1/data/acme/models/b"] = b })))
  end
  local r = compare(server({ body = "x", headers = { ETag = "\"abc\"" } },
    { body = "y" }), there, DATA)
  t:eq(r.exit, 0, json.encode(r))
  r = compare(server({ body = "x" }, { status = 404 }), there, DATA)
  t:eq(r.exit, 7)
  t:eq({ r.items[1].differences[1].field, r.items[1].differences[1].source },
    { "file b", nil })
  r = compare(server({ body = "x" }, { status = 500 }), there, DATA)
  t:eq({ r.items[1].outcome, #r.items[1].problems }, { "unreadable", 1 })
end)

test("a hundred thousand members on both sides, in any order", function(t)
  local N, SIZE = 100000, 5000
  local function members(order)
    return function(req)
      local from = math.tointeger(tonumber((req.query or "")
        :match("marker=(%d+)") or 0))
      local rows = json.array({})
      for i = from + 1, math.min(from + SIZE, N) do
        rows[#rows + 1] = { username = "user" .. order(i), role = "member" }
      end
      return { json = { results = rows,
        marker = from + SIZE < N and tostring(from + SIZE) or nil } }
    end
  end
  local here = organization(t, { ["GET /v1/organizations/acme/members"] =
    members(function(i) return i end) })
  local there = organization(t, { ["GET /v1/organizations/acme/members"] =
    members(function(i) return i == 77 and 0 or N + 1 - i end) })
  local r = compare(here, there, ORGANIZATIONS)
  t:eq({ r.exit, r.items[1].members }, { 7, N })
  t:eq(#r.items[1].differences, 2)
  t:eq(r.items[1].differences[1].field, "member user" .. N + 1 - 77)
  t:eq(r.items[1].differences[2].field, "member user0")
end)
