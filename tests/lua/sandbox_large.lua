-- Many members and many users: a page, or one more of them, costs what it
-- holds and not what there is.
local archive = require("godwit.cluster.archive")
local fs = require("godwit.core.fs")
local json = require("godwit.core.json")
local sandboxes = require("support.sandboxes")
local sys = require("godwit.core.sys")

-- With a full collection at every resume, fewer will do.
local STRESS = os.getenv("GODWIT_GC_STRESS") ~= nil
local MEMBERS = STRESS and 1000 or 100000
local USERS = STRESS and 300 or 5000

local function pages(t, s, path)
  local key, seen, last, marker = s:key("admin"), 0, "", ""
  repeat
    local doc = s:send("GET", path .. "?limit=100" .. marker,
      { auth = key }).doc
    for _, row in ipairs(doc.results) do
      t:ok(row.username > last)
      seen, last = seen + 1, row.username
    end
    marker = doc.marker ~= json.null and "&marker=" .. doc.marker
  until not marker
  return seen
end

-- How many documents the sandbox reads while fn runs.
local function reads(s, fn)
  local store, count = s.sandbox.store, 0
  local read = store.read
  store.read = function(self, name)
    count = count + 1
    return read(self, name)
  end
  fn()
  store.read = nil
  return count
end

test("an organization with very many members", function(t)
  local s = sandboxes.start(t)
  local list = json.array({ { username = "alice", role = "owner" } })
  for i = 1, MEMBERS do
    list[#list + 1] = { username = ("user%06d"):format(i), role = "member" }
  end
  local doc = s.sandbox.store:organization("acme")
  doc.members = list
  s.sandbox.store:write("organizations/acme.json", doc)
  local path = "/v1/organizations/acme/members"
  t:eq(pages(t, s, path), MEMBERS + 1)
  local admin = s:key("admin")
  local function send(method, name)
    return s:send(method, path .. "/" .. name, { auth = admin, body = "" })
      .status
  end
  t:eq(send("PUT", "bob"), 201) -- the list becomes files, once
  local many = reads(s, function()
    for _ = 1, 10 do
      t:eq(send("PUT", "carol"), 201)
      t:eq(send("DELETE", "carol"), 204)
    end
  end)
  t:ok(many <= 20 * 6, many .. " documents for 20 changes")
  t:eq(send("DELETE", "alice"), 400)
  t:ok(fs.stat(s.dir .. "/organizations/acme.json").size < 2000)
  s:stop()
  local a = archive.open({ name = "shelf", dir = s.dir })
  t:defer(function() a:close() end)
  local count, owners = 0, 0
  for m in a:each_member("acme") do
    count, owners = count + 1, owners + (m.role == "owner" and 1 or 0)
  end
  t:eq({ count, owners }, { MEMBERS + 2, 1 })
  t:eq(#a:try_get_organization("acme").owner_ids, 1)
end)

test("very many users", function(t)
  local s = sandboxes.start(t)
  for i = 1, USERS do
    local name = ("user%06d"):format(i)
    local f = assert(io.open(("%s/users/%s.json"):format(s.dir, name), "w"))
    f:write(json.encode({ id = sys.uuid(), username = name,
      email = name .. "@example.com" }))
    f:close()
  end
  t:eq(pages(t, s, "/v1/users"), USERS + 3)
  local admin = s:key("admin")
  local function create(name, email)
    return s:send("POST", "/v1/users", { auth = admin, json = {
      username = name, email = email } }).status
  end
  t:eq(create("dora", "dora@example.com"), 200)
  local many = reads(s, function()
    for i = 1, 20 do
      t:eq(create("new" .. i, "new" .. i .. "@example.com"), 200)
    end
  end)
  t:ok(many <= 20 * 6, many .. " documents for 20 users")
  t:eq(create("eve", "USER000007@example.com"), 409)
  t:eq(pages(t, s, "/v1/users"), USERS + 24)
end)
