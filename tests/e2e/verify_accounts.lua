-- Users and organizations compared: between archives, and between two clusters
-- that are served.
local e2e = require("support.e2e")
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local json = require("godwit.core.json")

local function write(path, doc)
  err.check(fs.write(path, json.encode(doc), 384))
end

local function change(box, path, fn)
  local file = box.dir .. "/" .. path
  local doc = e2e.read_json(file)
  fn(doc)
  write(file, doc)
end

local function types(box, ...)
  local list = json.array({})
  for i, name in ipairs({ ... }) do
    list[i] = { id = ("%s%07d-0000-4000-8000-000000000000"):format(
      box.name == "dev" and "a" or "b", i), name = name }
  end
  write(box.dir .. "/organization-types.json", list)
  return list
end

-- Two archives that agree but for their ids, their order and e-mail addresses.
local function twins(t)
  local dir = t:tmpdir()
  local w = { dir = dir, home = dir, boxes = {} }
  for _, name in ipairs({ "dev", "prod" }) do
    local box = e2e.archive(dir .. "/" .. name, name)
    w[name] = box
    for _, user in ipairs({ "alice", "bob" }) do
      change(box, "users/" .. user .. ".json", function(doc)
        doc.email = user .. "@example.com"
        doc.company_name = name == "dev" and json.null or nil
      end)
    end
    local list = name == "dev" and types(box, "basic", "pro")
      or types(box, "pro", "basic")
    change(box, "organizations/acme.json", function(doc)
      doc.org_email, doc.org_contact_name = "acme@example.com", "Ann"
      doc.type_id = list[name == "dev" and 2 or 1].id
      doc.external_id = "ext-1"
      doc.external_admin_group = name == "dev" and "admins"
        or json.array({ "admins" })
      doc.external_member_group = name == "dev"
        and json.array({ "a", "b" }) or json.array({ "b", "a" })
      doc.external_executor_group = name == "dev" and json.null or nil
    end)
  end
  return setmetatable(w, { __index = { run = function(self, words)
    local cli = require("support.cli")
    self.cli = self.cli or cli.home(t)
    local r = self.cli:run({ "verify", "--from", self.dev.dir, "--to",
      self.prod.dir, "--json", table.unpack(words or {}) })
    r.doc = r.out:find("^%s*{") and json.decode(r.out)
    return r
  end } })
end

local function expect(r, code)
  if r.code ~= code then
    error(("exit %s, expected %d\n%s"):format(r.code, code, r.all), 2)
  end
  return r
end

local function item(r, kind, ref)
  for _, one in ipairs(r.doc.items) do
    if one.type == kind and one.ref == ref then
      return one
    end
  end
  error("no " .. kind .. " " .. ref .. " in " .. r.out, 2)
end

local function difference(one, field)
  for _, d in ipairs(one.differences or {}) do
    if d.field == field then
      return { d.source, d.destination }
    end
  end
end

local ACCOUNTS = { "--only", "users,organizations" }

test("ids, order, spellings of nothing and of groups are no differences",
function(t)
  local w = twins(t)
  local r = expect(w:run(ACCOUNTS), 0)
  t:eq({ r.doc.counts.equal, #r.doc.items }, { 3, 3 })
  t:eq(item(r, "organization", "acme").members, 2)
end)

test("every field of a user is compared, by the map of people", function(t)
  local w = twins(t)
  change(w.prod, "users/bob.json", function(doc)
    doc.email, doc.company_role, doc.fullname = "bob@else.example.com",
      "Clerk", "Robert"
  end)
  local r = expect(w:run(ACCOUNTS), 7)
  local bob = item(r, "user", "bob")
  t:eq(#bob.differences, 3)
  t:eq(difference(bob, "email"), { "bob@example.com",
    "bob@else.example.com" })
  t:eq(difference(bob, "company_role"), { nil, "Clerk" })
  t:eq(difference(bob, "fullname"), { "bob", "Robert" })
  -- The map says who is who.
  fs.rename(w.prod.dir .. "/users/bob.json",
    w.prod.dir .. "/users/bob_prod.json")
  change(w.prod, "users/bob_prod.json", function(doc)
    doc.username, doc.email = "bob_prod", "bob@prod.example.com"
    doc.fullname, doc.company_role = "bob", nil
  end)
  change(w.prod, "organizations/acme.json", function(doc)
    doc.members[2].username = "bob_prod"
  end)
  r = expect(w:run(ACCOUNTS), 7)
  t:eq(item(r, "user", "bob").outcome, "missing")
  t:eq(item(r, "user", "prod:bob_prod" and r.doc.items[3].ref).outcome,
    "extra")
  t:eq(difference(item(r, "organization", "acme"), "member bob_prod"),
    { nil, "member" })
  r = expect(w:run({ "--only", "users,organizations", "--map-user",
    "b*=b*_prod", "--map-email", "bob@*=bob@prod.*" }), 0)
  t:match(item(r, "user", "bob").to, ":bob_prod$")
  -- Somebody who is left out is not missing.
  fs.remove(w.prod.dir .. "/users/bob_prod.json")
  change(w.prod, "organizations/acme.json", function(doc)
    table.remove(doc.members, 2)
  end)
  err.check(fs.write(w.dir .. "/who.csv", "bob,-\n"))
  r = expect(w:run({ "--only", "users,organizations", "--map", w.dir
    .. "/who.csv" }), 0)
  t:eq(item(r, "user", "bob").outcome, "skipped")
end)

test("every field of an organization, its type by name, its members",
function(t)
  local w = twins(t)
  change(w.prod, "organizations/acme.json", function(doc)
    doc.org_label, doc.org_url = "ACME", "https://acme.example.com"
    doc.external_id = nil
    doc.external_member_group = json.array({ "a" })
    doc.type_id = e2e.read_json(w.prod.dir .. "/organization-types.json")[2].id
    doc.members = json.array({ { username = "alice", role = "owner" },
      { username = "carol", role = "member" } })
  end)
  local acme = item(expect(w:run(ACCOUNTS), 7), "organization", "acme")
  t:eq(difference(acme, "org_label"), { "Acme", "ACME" })
  t:eq(difference(acme, "org_url"), { nil, "https://acme.example.com" })
  t:eq(difference(acme, "external_id"), { "ext-1", nil })
  t:eq(difference(acme, "external_member_group"), { { "a", "b" }, "a" })
  t:eq(difference(acme, "type"), { "pro", "basic" })
  t:eq(difference(acme, "member bob"), { "member", nil })
  t:eq(difference(acme, "member carol"), { nil, "member" })
  t:eq(#acme.differences, 7)
end)

local function set_members(box, ...)
  local list = json.array({})
  for i, text in ipairs({ ... }) do
    local name, role = text:match("^(%S+) (%S+)$")
    list[i] = { username = name, role = role }
  end
  change(box, "organizations/acme.json", function(doc) doc.members = list end)
end

test("an archive keeps roles: they are compared", function(t)
  local w = twins(t)
  set_members(w.prod, "alice member", "bob owner", "migration owner")
  local r = expect(w:run(ACCOUNTS), 7)
  local acme = item(r, "organization", "acme")
  t:eq(difference(acme, "member alice"), { "owner", "member" })
  t:eq(difference(acme, "member bob"), { "member", "owner" })
  t:eq(difference(acme, "member migration"), { nil, "owner" })
  t:eq(acme.cannot_move, nil)
  local text = w.cli:run({ "verify", "--from", w.dev.dir, "--to", w.prod.dir,
    "--only", "organizations" })
  t:match(text.out, "member migration: nothing at the source, owner at the "
    .. "destination\n")
end)

test("missing and extra; --owner takes one", function(t)
  local w = twins(t)
  fs.remove(w.prod.dir .. "/users/bob.json")
  fs.rename(w.prod.dir .. "/organizations/acme.json",
    w.prod.dir .. "/organizations/other.json")
  change(w.prod, "organizations/other.json", function(doc)
    doc.org_name = "other"
  end)
  local r = expect(w:run(ACCOUNTS), 7)
  t:eq(item(r, "user", "bob").outcome, "missing")
  t:eq(item(r, "organization", "acme").outcome, "missing")
  t:eq({ r.doc.counts.missing, r.doc.counts.extra, r.doc.counts.equal },
    { 2, 1, 1 })
  r = expect(w:run({ "--only", "users,organizations", "--owner", "alice" }), 0)
  t:eq(#r.doc.items, 1)
end)

test("with --to-owner an owner's account stays where it is", function(t)
  local w = twins(t)
  fs.rename(w.prod.dir .. "/organizations/acme.json",
    w.prod.dir .. "/organizations/labs.json")
  change(w.prod, "organizations/labs.json", function(doc)
    doc.org_name = "labs"
  end)
  fs.remove(w.prod.dir .. "/users/bob.json")
  local r = expect(w:run({ "--owner", "acme", "--owner", "bob", "--owner",
    "alice", "--to-owner", "labs" }), 0)
  for _, ref in ipairs({ "alice", "bob" }) do
    t:eq(item(r, "user", ref).outcome, "skipped")
  end
  local acme = item(r, "organization", "acme")
  t:eq({ acme.outcome, acme.why }, { "skipped",
    "what acme has is labs's there (--to-owner), so its account stays" })
  -- Its own name is no other owner's.
  r = expect(w:run({ "--owner", "acme", "--to-owner", "acme" }), 7)
  t:eq(item(r, "organization", "acme").outcome, "missing")
end)

test("between two clusters that are served, with their admin keys",
function(t)
  local w = e2e.world(t, function(dev, prod)
    types(dev, "basic")
    types(prod, "basic")
    for _, box in ipairs({ dev, prod }) do
      for _, user in ipairs({ "alice", "bob" }) do
        change(box, "users/" .. user .. ".json", function(doc)
          doc.email = user .. "@example.com"
        end)
      end
      change(box, "organizations/acme.json", function(doc)
        doc.org_email = "acme@example.com"
      end)
    end
  end)
  local words = { "verify", "--from", "dev", "--to", "prod", "--only",
    "users,organizations", "--json" }
  local r = expect(w:run(words), 1)
  t:eq(r.doc.items[1].outcome, "unreadable")
  t:match(r.doc.items[1].problems[1], "needs the key of an administrator")
  t:match(r.doc.items[1].warnings[1], "%-%-skip users$")
  w:configure({ dev = { more = 'admin_key = env "DEV_ADMIN"' },
    prod = { more = 'admin_key = env "PROD_ADMIN"' } })
  local env = { DEV_ADMIN = w.dev.admin_key, PROD_ADMIN = w.prod.admin_key }
  r = expect(w:run(words, env), 0)
  t:eq(r.doc.counts.equal, 3)
  -- One key is not everybody's: what it cannot see is not equal.
  words[7] = "data"
  r = expect(w:run(words, env), 1)
  t:match(r.doc.items[1].problems[1], "the key of dev is none of bob")
  words[7] = "users,organizations"
  w.prod:stop()
  change(w.prod, "organizations/acme.json", function(doc)
    table.remove(doc.members, 2)
  end)
  w.prod:start()
  w:configure({ dev = { more = 'admin_key = env "DEV_ADMIN"' },
    prod = { more = 'admin_key = env "PROD_ADMIN"' } })
  r = expect(w:run(words, env), 7)
  t:eq(difference(item(r, "organization", "acme"), "member bob"),
    { "member", nil })
end)

test("owner roles of a live cluster cannot move: they are listed apart",
function(t)
  local w = e2e.world(t, function(dev, prod)
    for _, box in ipairs({ dev, prod }) do
      change(box, "organizations/acme.json", function(doc)
        doc.org_email = "acme@example.com"
      end)
    end
    set_members(prod, "alice member", "bob member", "migration owner")
  end)
  local words = { "verify", "--from", "sandbox:" .. w.dev.dir, "--to",
    "sandbox:" .. w.prod.dir, "--only", "organizations", "--json" }
  local r = expect(w:run(words), 0)
  local apart = table.concat(item(r, "organization", "acme").cannot_move, "\n")
  t:match(apart, "the owner role of migration at the destination, who is no "
    .. "member at the source")
  t:match(apart, "the owner role of alice")
  -- Of two owners one is too many.
  w.prod:stop()
  set_members(w.prod, "alice owner", "bob member", "migration owner")
  w.prod:start()
  r = expect(w:run(words), 7)
  t:eq(difference(item(r, "organization", "acme"), "member migration"),
    { nil, "owner" })
end)

test("who was invited and has not accepted is no member", function(t)
  local w = twins(t)
  set_members(w.dev, "alice owner", "bob member")
  set_members(w.prod, "alice owner", "bob invited", "carol invited")
  local r = expect(w:run(ACCOUNTS), 7)
  local acme = item(r, "organization", "acme")
  t:eq(difference(acme, "member bob"), { "member", "invited" })
  t:eq(#acme.differences, 1)
end)
