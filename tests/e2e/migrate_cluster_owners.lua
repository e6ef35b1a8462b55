-- migrate-cluster: whose things move and to whom, whichever kinds are chosen.
local e2e = require("support.e2e")
local cluster = require("godwit.cluster")
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local json = require("godwit.core.json")
local people = require("support.people")
local sandbox = require("godwit.sandbox")

-- On both sides there is an eve, and she is not the same; acme is.
local function world(t, more)
  return e2e.world(t, function(dev, prod)
    for _, box in ipairs({ dev, prod }) do
      people.user(box, "eve", { email = "eve@" .. box.name .. ".org" })
    end
    dev:put("eve", "private", "p.txt", "hers")
    dev:put("acme", "models", "a.bin", "model")
    if more then
      more(dev, prod)
    end
  end)
end

local function result(r)
  r.items = r.doc and r.doc.items or {}
  r.notes = table.concat(r.doc and r.doc.notes or {}, "\n")
  return r
end

local function migrate(w, ...)
  return result(w:run({ "migrate-cluster", "--from", "sandbox:" .. w.dev.dir,
    "--to", "sandbox:" .. w.prod.dir, "--json", ... }))
end

local function words(r)
  local out = {}
  for i, item in ipairs(r.items) do
    out[i] = item.type .. " " .. item.ref .. " " .. item.outcome
  end
  return out
end

local function has(box, owner, name)
  local driver = cluster.open(sandbox.load_profile(box.dir))
  return driver:try_get_collection(owner, name) ~= nil
end

test("nothing goes to somebody else, whichever kinds are chosen", function(t)
  local w = world(t, function(dev) e2e.seed(dev, "eve/Hers") end)
  for _, flag in ipairs({ "-n", "--json" }) do
    for _, owner in ipairs({ "ev*", "eve" }) do
      local r = e2e.expect(migrate(w, "--only", "data,algorithms", "--owner",
        owner, flag), 6)
      t:eq(words(r), { "collection eve/private refused",
        "algorithm eve/Hers refused" })
      for _, item in ipairs(r.items) do
        t:match(item.why, "its owner eve was not taken to be eve there: .*has "
          .. "a user eve with another e%-mail address %(eve@prod%.org, not "
          .. "eve@dev%.org%)")
      end
    end
  end
  -- Nor does she get a key that this run uses; others go on.
  local r = e2e.expect(migrate(w, "--only", "data", "--owner", "eve",
    "--owner", "acme", "--issue-keys", w.dir .. "/prod.keys"), 3)
  t:eq(words(r), { "key eve refused", "key acme unchanged",
    "collection eve/private refused", "collection acme/models created" })
  t:no(has(w.prod, "eve", "private"))
  -- Who says that she is the same has it.
  r = e2e.expect(migrate(w, "--only", "data", "--owner", "eve", "--map-email",
    "*@dev.org=*@prod.org"), 0)
  t:eq(words(r), { "collection eve/private created" })
end)

test("a user and an organization never become one", function(t)
  local w = world(t, function(dev) dev:put("eve", "models", "e.bin", "e") end)
  for why, owners in pairs({
    ["eve and acme would both have the name acme there"] = { "eve", "acme" },
    ["acme is an organization on .*, and both have one name space"] = { "eve",
      "eve" } }) do
    local r = e2e.expect(migrate(w, "--map-user", "eve=acme", "--only", "data",
      "-n", "--owner", owners[1], "--owner", owners[2]), 6)
    for _, item in ipairs(r.items) do
      t:eq(item.outcome, "refused", item.ref)
      t:match(item.why, why)
    end
  end
  -- Nor where neither is there yet.
  local r = e2e.expect(migrate(w, "--map-user", "eve=lab", "--map-organization",
    "acme=lab", "--owner", "eve", "--owner", "acme", "-n"), 6)
  t:eq(words(r), { "user eve refused", "organization acme refused",
    "collection eve/models refused", "collection eve/private refused",
    "collection acme/models refused" })
  for i = 1, 2 do
    t:match(r.items[i].why, "eve and acme would both have the name lab there")
  end
  -- Nor does an organization become a user.
  r = e2e.expect(migrate(w, "--map-organization", "acme=bob", "--owner", "acme",
    "--only", "data"), 6)
  t:match(r.items[1].why, "bob is a user on ")
end)

test("an organization that another identity provider knows is another one",
  function(t)
    local w = world(t, function(dev, prod)
      for box, id in pairs({ [dev] = "payments", [prod] = "logistics" }) do
        people.organization(box, "acme", { "alice:owner", "bob" },
          { external_id = "idp-" .. id })
      end
    end)
    -- By a list, and by asking for the one.
    for _, owner in ipairs({ "acm*", "acme" }) do
      for _, flags in ipairs({ { "-n" }, {}, { "--map-organization", "*=*" } })
      do
        local r = e2e.expect(migrate(w, "--only", "data", "--owner", owner,
          table.unpack(flags)), 6)
        t:eq(words(r), { "collection acme/models refused" })
        t:match(r.items[1].why, "its owner acme was not taken to be acme there: "
          .. ".* has an organization acme with another external_id "
          .. "%(idp%-logistics, not idp%-payments%): if it is the same one, say "
          .. "so %(%-%-map%-organization acme=acme, %-%-map%)")
      end
    end
    t:no(has(w.prod, "acme", "models"))
    local r = e2e.expect(migrate(w, "--only", "data", "--owner", "acme",
      "--map-organization", "acme=acme"), 0)
    t:eq(words(r), { "collection acme/models created" })
  end)

test("an address that is not shown is no other address", function(t)
  local w = world(t, function(_, prod)
    people.user(prod, "eve", { email = json.null })
  end)
  for _, owner in ipairs({ "eve", "ev*" }) do
    local r = e2e.expect(migrate(w, "--only", "data", "--owner", owner, "-n"), 0)
    t:eq(words(r), { "collection eve/private created" })
    t:match(r.notes, "whether eve is the same on .* cannot be told: .*prod "
      .. "gives no e%-mail address")
  end
end)

test("what of an account is not worked on stands in no way", function(t)
  local w = world(t, function(dev)
    dev:put("alice", "notes", "n.txt", "note")
    people.user(dev, "carol")
    people.user(dev, "alice", { email = "alice@prod.example.com",
      company_role = ("r"):rep(300) })
    people.organization(dev, "acme", { "alice:owner", "carol" })
  end)
  -- acme has no contact, a member is nobody there, alice's role is too long.
  local r = e2e.expect(migrate(w, "--only", "data", "--owner", "acme",
    "--owner", "ali*"), 0)
  t:eq(words(r), { "collection alice/notes created",
    "collection acme/models created" })
  -- Who is only looked at is nobody that will be made.
  r = e2e.expect(migrate(w, "--only", "organizations,data", "--owner", "acme",
    "--owner", "carol"), 6)
  t:match(r.items[1].why, "carol")
end)

test("without an administrator's key it is said what cannot be told",
  function(t)
    local w = world(t)
    local function only(owner, more, ...)
      local function key(box)
        return box.keys[owner] or box.keys.alice
      end
      w:configure(more)
      return result(w:run({ "migrate-cluster", "--from", "dev", "--to", "prod",
        "--only", "data", "--json", "--owner", owner, ... },
        { DEV_ADMIN = w.dev.admin_key, PROD_ADMIN = w.prod.admin_key,
          DEV_KEY = key(w.dev), PROD_KEY = key(w.prod) }))
    end
    local dev = { more = "admin_key = env 'DEV_ADMIN'" }
    local prod = { more = "admin_key = env 'PROD_ADMIN'" }
    for _, more in ipairs({ {}, { dev = dev }, { prod = prod } }) do
      for owner, name in pairs({ eve = "private", acme = "models" }) do
        local r = e2e.expect(only(owner, more, "-n"), 0)
        t:eq(words(r), { ("collection %s/%s created"):format(owner, name) })
        t:match(r.notes, ("whether %s is the same on prod as on dev cannot be "
          .. "told: .*needs the key of an administrator"):format(owner))
      end
    end
    local r = e2e.expect(only("eve", { dev = dev, prod = prod }), 6)
    t:eq(words(r), { "collection eve/private refused" })
    r = e2e.expect(only("acme", { dev = dev, prod = prod }), 0)
    t:eq(words(r), { "collection acme/models created" })
    t:no(r.notes:find("cannot be told", 1, true))
  end)

test("a policy that gives owners other names is asked, however they are named",
  function(t)
    local w = world(t)
    err.check(fs.mkdir(w.home .. "/policies", 448))
    err.check(fs.write(w.home .. "/policies/default.lua",
      "return { map_owner = { acme = 'acme_p' } }", 384))
    for _, owner in ipairs({ "acme", "acm*" }) do
      local r = migrate(w, "--only", "data", "--owner", owner, "-n")
      t:eq(r.items[1].to:match("[^:]*$"), "acme_p/models", r.all)
    end
  end)

test("who is named twice is taken once, and it is said", function(t)
  local w = world(t)
  for _, owner in ipairs({ "acme", "acm*" }) do
    for i, flags in ipairs({ { "-n" }, {}, {} }) do
      local r = e2e.expect(migrate(w, "--only", "data", "--owner", owner,
        "--owner", owner, table.unpack(flags)), 0)
      t:eq(words(r), { "collection acme/models " .. (owner == "acme" and i < 3
        and "created" or "unchanged") })
      people.reconcile(t, r, { "acme/models" })
      t:match(r.notes, "Owners named twice, taken once: "
        .. owner:gsub("%*", "%%*"))
    end
  end
end)

test("an organization takes in nobody else of a member's name", function(t)
  local w = world(t, function(dev)
    people.user(dev, "frank")
    people.organization(dev, "team", { "eve", "frank" })
  end)
  local plans = { "--owner team", "--owner team --only organizations,data",
    "--owner team --owner eve", "--owner team -n" }
  e2e.expect(migrate(w, "--only", "users", "--owner", "frank"), 0)
  for _, flags in ipairs(plans) do
    local argv = {}
    for word in flags:gmatch("%S+") do
      argv[#argv + 1] = word
    end
    local r = e2e.expect(migrate(w, table.unpack(argv)), 6)
    for _, item in ipairs(r.items) do
      t:eq(item.outcome, "refused", item.ref)
      if item.type == "organization" then
        t:match(item.why, "somebody else on .* has the name of 1 member of it: "
          .. "eve; .*%-%-map%-email.*%-%-without%-missing%-members")
      end
    end
  end
  -- Who says that she is the same has her in it.
  local r = e2e.expect(migrate(w, "--owner", "team", "-n", "--map-email",
    "*@dev.org=*@prod.org"), 0)
  t:eq(r.items[1].steps[2].text, "2 members: eve, frank")
  r = e2e.expect(migrate(w, "--owner", "team", "--without-missing-members"), 0)
  t:match(table.concat(r.items[1].warnings, "\n"),
    "left out, since somebody else on .* has their names: eve")
  t:eq(r.items[1].steps[2].text, "1 member: frank")
end)

test("two that would become one are in no organization there", function(t)
  local w = world(t, function(dev)
    people.user(dev, "frank", { email = "frank@prod.org" })
    people.organization(dev, "team", { "frank" })
  end)
  local r = e2e.expect(migrate(w, "--owner", "team", "--owner", "frank",
    "--owner", "eve", "--map-user", "frank=eve", "--map-email",
    "*@dev.org=*@prod.org", "--map-email", "frank@prod.org=eve@prod.org",
    "-n", "--only", "organizations"), 6)
  t:match(r.items[1].why, "has the name of 1 member of it: eve")
end)
