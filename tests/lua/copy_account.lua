-- copy.user and copy.organization: the workflows' steps for a script.
local cluster = require("godwit.cluster")
local copy = require("godwit.copy")
local http = require("godwit.cluster.http")
local sandboxes = require("support.sandboxes")
local secret = require("godwit.core.secret")

local function handle(s, name)
  return cluster.handle(http.open({ name = name, kind = "http", api = s.api,
    admin_key = secret.new(s:key("admin"), { label = name .. " admin",
      origins = { s.api } }) }))
end

local function pair(t)
  return handle(sandboxes.start(t), "dev"), handle(sandboxes.start(t), "prod")
end

test("a user: created, unchanged, updated, refused", function(t)
  local dev, prod = pair(t)
  dev.users:create { username = "ann", email = "ann@example.com",
    fullname = "Ann" }
  local r = copy.user(dev.users:get("ann"), prod)
  t:eq({ r.outcome, r.ref, r.to, r.type }, { "created", "ann", "prod:ann",
    "user" })
  t:eq(copy.user(dev.users:get("ann"), prod).outcome, "unchanged")
  dev.users:ensure { username = "ann", fullname = "Ann B" }
  local doc = dev.users:get("ann")
  t:eq(copy.user(doc, prod).differences[1].source, "Ann B")
  t:eq(copy.user(doc, prod, { update = true }).outcome, "updated")
  t:eq(copy.user(doc, prod, { username = "ann2", email = "b@x.org" }).to,
    "prod:ann2")
  r = copy.user(doc, prod, { username = "acme", email = "c@x.org" })
  t:eq(r.outcome, "refused")
  t:match(r.why, "acme is an organization on prod")
  r = copy.user({ username = "made", email = "nothing" }, prod)
  t:match(r.why, "no e%-mail address")
  -- who a script made in between is seen
  prod.users:create { username = "zed", email = "zed@example.com" }
  t:eq(copy.user({ username = "zed", email = "zed@example.com" }, prod).outcome,
    "unchanged")
end)

test("an organization with its members", function(t)
  local dev, prod = pair(t)
  local team = dev.organizations:create { org_name = "team", org_label = "T",
    org_contact_name = "C", org_email = "t@example.com", type = "pro" }
  for _, name in ipairs({ "bob", "carol" }) do
    dev.organizations:add_member(team, name)
  end
  dev.users:create { username = "ann", email = "ann@example.com" }
  dev.organizations:add_member("team", "ann")
  local r = copy.organization(team, prod)
  t:eq(r.outcome, "refused")
  t:match(r.why, "not on prod: .*ann")
  r = copy.organization(team, prod, { users = { ann = "alice", carol = false },
    name = "team2", type = "basic", without_missing_members = true })
  t:eq({ r.outcome, r.to, r.steps[1].text }, { "created", "prod:team2",
    "organization team2 of type basic" })
  local found = {}
  for m in prod.organizations:members("team2") do found[m.username] = true end
  t:eq({ found.alice, found.bob, found.carol }, { true, true, nil })
  r = copy.organization(team, prod, { type = "none" })
  t:match(r.why, "demands a type .*; name one as type = \"TYPE\"$")
  r = copy.organization(team, prod, { type = "nope" })
  t:match(r.why, "has no organization type 'nope' %(it has: basic, legacy, pro%)")
  t:match(r.why, "; add it there, or name another as type = \"TYPE\"$")
  -- a type that its own cluster does not list
  team.type_id = "ed727483-0000-4000-8000-000000000001"
  r = copy.organization(team, prod)
  t:match(r.why, "^dev does not list the organization type ed727483.*; name one "
    .. "of prod %(it has: basic, legacy, pro%) as type = \"TYPE\"$")
end)

test("what is no document, no cluster, no option", function(t)
  local dev, prod = pair(t)
  t:raises("usage", copy.user, "first argument is a document", "ann", prod)
  t:raises("usage", copy.user, "the cluster to copy to", { username = "a" }, 5)
  t:raises("usage", copy.user, "no option mail", { username = "a" }, prod,
    { mail = "x" })
  t:raises("usage", copy.organization, "update takes a boolean",
    { org_name = "a" }, prod, { update = "yes" })
  t:raises("usage", copy.organization, "from no cluster", { org_name = "a" },
    prod)
  t:raises("usage", copy.organization, "users: '1x' is no name",
    dev.organizations:get("acme"), prod, { users = { a = "1x" } })
  local e = t:raises("notfound", copy.organization, nil, { org_name = "gone",
    org_label = "l", org_contact_name = "c", org_email = "a@b.org" }, prod,
    { from = dev, type = "pro" })
  t:eq(e.record.outcome, "failed")
end)
