-- godwit migrate-organizations: types by name, members, who made it; a second
-- run finds all of it done.
local e2e = require("support.e2e")
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local json = require("godwit.core.json")
local people = require("support.people")
local relay = require("support.relay")

-- alice, bob, carol and dave on both; acme and labs at the source only.
local function world(t, prepare)
  local ids = {}
  local w = people.world(t, function(dev, prod)
    for _, box in ipairs({ dev, prod }) do
      err.check(fs.remove(box.dir .. "/organizations/acme.json"))
      for _, name in ipairs({ "alice", "bob", "carol", "dave" }) do
        people.user(box, name)
      end
    end
    ids.dev = people.types(dev, { "basic", "pro" })
    ids.prod = people.types(prod, { "legacy", "pro", "basic" })
    people.organization(dev, "acme", { "alice:owner", "bob", "carol:owner" },
      { type_id = ids.dev.pro, external_id = "ext-1", org_url = "https://a",
        external_admin_group = json.array({ "g1", "g2" }) })
    people.organization(dev, "labs", { "bob:owner" },
      { type_id = ids.dev.basic, external_member_group = "m" })
    if prepare then prepare(dev, prod, ids) end
  end)
  return w, ids
end

local function run(w, words, env)
  return people.run(w, "migrate-organizations", words, env)
end

local function notes(item)
  return table.concat(item.warnings or {}, "\n")
end

local function problems(item)
  return table.concat(item.problems or {}, "\n")
end

-- prod stays the same cluster, whoever stands before it.
local SAME = { prod = { more = 'id = "prod-1",' } }

-- Makes somebody owner, as only the web page can, while nobody serves it.
local function make_owner(w, org, name, changes)
  w.prod:stop()
  local path = w.prod.dir .. "/organizations/" .. org .. ".json"
  local doc = e2e.read_json(path)
  for _, m in ipairs(doc.members) do
    if m.username == name then m.role = "owner" end
  end
  err.check(fs.write(path, json.encode(doc), 384))
  w.prod:start()
  people.configure(w, changes)
end

test("plan, first run, repeat", function(t)
  local w, ids = world(t)
  local r = e2e.expect(run(w, { "-n" }), 0)
  t:eq(people.words(r), { "acme created", "labs created" })
  t:match(notes(r.by.acme), "%(known after apply%), whose key made it, stays")
  t:no(people.admin(w.prod):try_get_organization("acme"))

  r = e2e.expect(run(w), 0)
  t:eq(people.words(r), { "acme created", "labs created" })
  people.reconcile(t, r, { "acme", "labs" })
  t:eq(r.by.acme.steps, {
    { symbol = "+", text = "organization acme of type pro" },
    { symbol = "+", text = "3 members: alice, bob, carol" } })
  t:match(notes(r.by.acme), "no API makes an owner: alice, carol;")
  t:match(notes(r.by.acme), "admin[%w_]*, whose key made it, stays its owner")
  t:match(r.doc.notes[1], "Never moved.*who owns an organization")
  local acme = people.admin(w.prod):try_get_organization("acme")
  t:eq({ acme.type_id, acme.external_id, acme.org_url },
    { ids.prod.pro, "ext-1", "https://a" })
  t:eq(acme.external_admin_group, { "g1", "g2" })
  local members = people.members(w.prod, "acme")
  t:eq(#members, 4)

  r = e2e.expect(run(w), 0)
  t:eq(r.doc.counts.unchanged, 2)
  t:match(notes(r.by.labs), "stays its owner")
  t:eq(people.members(w.prod, "acme"), members)
end)

test("who made it goes once there is another owner, and only then", function(t)
  local w = world(t)
  e2e.expect(run(w, { "acme" }), 0)
  make_owner(w, "acme", "alice")
  local r = e2e.expect(run(w, { "acme" }), 0)
  t:eq(r.by.acme.outcome, "updated")
  t:match(r.by.acme.steps[1].text, "admin.*, whose key made it")
  t:match(notes(r.by.acme), "no API makes an owner: carol;")
  t:eq(people.members(w.prod, "acme"), { "alice:owner", "bob:member",
    "carol:member" })
  r = e2e.expect(run(w, { "acme" }), 0)
  t:eq(r.by.acme.outcome, "unchanged")
  t:no(notes(r.by.acme):find("whose key made it"))
  -- who comes back later is somebody's wish
  people.admin(w.prod):add_member("acme", "dave")
  r = e2e.expect(run(w, { "acme" }), 0)
  t:match(notes(r.by.acme), "not at the source, who stay: dave "
    .. "%(migrate%-organizations %-%-remove")
end)

test("types go by name; a missing one names all it concerns", function(t)
  local w = world(t, function(dev, prod, ids)
    ids.prod = people.types(prod, { "legacy", "basic" })
    people.organization(dev, "more", { "dave:owner" },
      { type_id = ids.dev.pro })
    people.organization(dev, "bare", { "dave:owner" })
  end)
  local r = e2e.expect(run(w), 3)
  for _, name in ipairs({ "acme", "more" }) do
    t:match(problems(r.by[name]), "prod has no organization type 'pro' %(it "
      .. "has: legacy, basic%), which these have: acme, more; .* "
      .. "%-%-map%-type pro=TYPE")
  end
  t:match(problems(r.by.bare), "prod demands a type .* these have none: bare")
  t:eq(r.by.labs.outcome, "created")
  t:no(people.admin(w.prod):try_get_organization("acme"))
  r = e2e.expect(run(w, { "--map-type", "pro=legacy", "--map-type",
    "none=basic" }), 0)
  t:eq(r.doc.counts.created, 3)
  t:eq(r.doc.counts.unchanged, 1)
  t:match(r.by.acme.steps[1].text, "of type legacy")
end)

test("a type that was mapped to none is told by the source's name", function(t)
  local w = world(t, function(dev, _, ids)
    people.organization(dev, "bare", { "dave:owner" })
    people.organization(dev, "more", { "dave:owner" },
      { type_id = ids.dev.pro })
  end)
  local r = e2e.expect(run(w, { "--map-type", "basic=nope", "--map-type",
    "pro=nope", "--map-type", "none=no_type" }), 6)
  t:eq(problems(r.by.labs), "prod has no organization type 'nope' (it has: "
    .. "legacy, pro, basic), which --map-type basic=nope gives to these: labs; "
    .. "add it there, or give --map-type basic=TYPE instead")
  for _, name in ipairs({ "acme", "more" }) do
    t:match(problems(r.by[name]), "which %-%-map%-type pro=nope gives to these: "
      .. "acme, more; .* %-%-map%-type pro=TYPE instead")
  end
  t:match(problems(r.by.bare), "%-%-map%-type none=TYPE instead")
  r = e2e.expect(run(w, { "labs", "--map-type", "*=*_x" }), 6)
  t:match(problems(r.by.labs), "type 'basic_x' .*%-%-map%-type %*=%*_x gives to "
    .. "these: labs; .* give %-%-map%-type basic=TYPE before it")
  r = e2e.expect(run(w, { "labs", "--map-type", "basic=none" }), 6)
  t:match(problems(r.by.labs), "prod demands a type of organization %(legacy, "
    .. "pro, basic%), and %-%-map%-type basic=none gives none to these: labs; "
    .. "give %-%-map%-type basic=TYPE instead")
  e2e.expect(run(w, { "labs", "--map-type", "basic=pro", "--map-type",
    "*=*_x" }), 0)
end)

test("a type that the source itself does not list", function(t)
  local lost = "ed727483-0000-4000-8000-000000000001"
  local w = world(t, function(dev)
    for _, name in ipairs({ "one", "two" }) do
      people.organization(dev, name, { "dave:owner" }, { type_id = lost })
    end
  end)
  local r = e2e.expect(run(w), 3)
  t:eq(people.words(r), { "acme created", "labs created", "one refused",
    "two refused" })
  for _, name in ipairs({ "one", "two" }) do
    t:eq(problems(r.by[name]), "dev does not list the organization type "
      .. lost .. " (it has: basic, pro), which these have: one, two; name one "
      .. "of prod (it has: legacy, pro, basic) with --map-type " .. lost
      .. "=TYPE")
  end
  r = e2e.expect(run(w, { "one", "two", "--map-type", lost .. "=pro" }), 0)
  t:eq(r.by.two.steps[1].text, "organization two of type pro")
end)

test("members that are not there are a hole, or left out", function(t)
  local w = world(t, function(dev)
    for _, name in ipairs({ "erin", "finn", "gus" }) do
      people.user(dev, name)
    end
    people.organization(dev, "team", { "alice:owner", "erin", "finn", "gus",
      "dave:invited" })
  end)
  local r = e2e.expect(run(w, { "team", "labs" }), 3)
  t:eq(r.by.labs.outcome, "created")
  t:match(problems(r.by.team), "3 members of it are not on prod: erin, finn, "
    .. "gus; .*migrate%-users.*%-%-without%-missing%-members")
  t:no(people.admin(w.prod):try_get_organization("team"))
  err.check(fs.write(w.home .. "/map.csv", "erin,-\nfinn,carol\n"))
  r = e2e.expect(run(w, { "team", "--without-missing-members", "--map",
    "map.csv" }), 6)
  t:match(problems(r.by.team), "a type of organization")
  r = e2e.expect(run(w, { "team", "--without-missing-members", "--map",
    "map.csv", "--map-type", "none=pro" }), 0)
  t:match(notes(r.by.team), "left out, since they are not on prod: gus")
  t:match(notes(r.by.team), "1 member left out by the map")
  t:match(notes(r.by.team), "1 invitation not copied")
  t:eq(r.by.team.steps[2].text, "2 members: alice, carol")
end)

test("members of the destination are kept, or taken out", function(t)
  local w = world(t, function(_, prod, ids)
    people.organization(prod, "acme", { "dave:owner", "carol", "bob" },
      { type_id = ids.prod.pro })
    people.organization(prod, "labs", { "bob:owner", "dave:owner", "carol" },
      { type_id = ids.prod.basic })
  end)
  local r = e2e.expect(run(w), 0)
  t:eq(people.words(r), { "acme updated", "labs unchanged" })
  t:match(notes(r.by.acme), "who stay: dave %(migrate%-organizations "
    .. "%-%-remove%-members")
  t:match(notes(r.by.labs), "who stay: carol, dave")
  t:eq(r.by.acme.steps[2].text, "1 member: alice")
  r = e2e.expect(run(w, { "--remove-members" }), 0)
  t:match(notes(r.by.acme), "who stay: dave %(an organization needs an owner%)")
  t:eq(r.by.labs.steps[#r.by.labs.steps],
    { symbol = "-", text = "2 members: carol, dave" })
  t:eq(people.members(w.prod, "labs"), { "bob:owner" })
  people.configure(w, { prod = { more = "protected = true," } })
  people.admin(w.prod):add_member("labs", "carol")
  r = e2e.expect(run(w, { "labs", "--remove-members", "-y" }), 6)
  t:match(problems(r.by.labs), "prod is protected: nobody is taken out")
end)

test("fields: reported, changed with --update, in full", function(t)
  local w, ids = world(t, function(_, prod, ids)
    people.organization(prod, "labs", { "bob:owner" }, { org_label = "Other",
      type_id = ids.prod.pro, external_member_group = json.array({ "m" }),
      stripe_customer_id = "keep" })
  end)
  local r = e2e.expect(run(w, { "labs" }), 0)
  t:eq(r.by.labs.outcome, "unchanged")
  t:eq(r.by.labs.differences, {
    { field = "org_label", source = "labs label", destination = "Other" },
    { field = "type", source = "basic", destination = "pro" } })
  t:match(notes(r.by.labs), "stays on prod, since the source has nothing "
    .. "there: stripe_customer_id %(keep%)")
  r = e2e.expect(run(w, { "labs", "--update" }), 0)
  t:eq(r.by.labs.steps, { { symbol = "~", text = "org_label, type" } })
  local labs = people.admin(w.prod):try_get_organization("labs")
  t:eq({ labs.org_label, labs.type_id, labs.stripe_customer_id },
    { "labs label", ids.prod.basic, "keep" })
  t:eq(e2e.expect(run(w, { "labs", "--update" }), 0).by.labs.outcome,
    "unchanged")
end)

test("names: --to-name, rules, a file, a policy; what is taken", function(t)
  local w = world(t, function(dev, prod, ids)
    people.organization(prod, "other", { "bob:owner" },
      { external_id = "ext-1", type_id = ids.prod.pro })
    people.organization(dev, "dave2", { "dave:owner" },
      { type_id = ids.dev.basic })
  end)
  local r = e2e.expect(run(w, { "acme", "-n" }), 6)
  t:match(problems(r.by.acme), "another organization with its external_id "
    .. "ext%-1: other")
  r = e2e.expect(run(w, { "labs", "--to-name", "labs_prod", "-n" }), 0)
  t:eq(r.by.labs.to, "prod:labs_prod")
  r = e2e.expect(run(w, { "labs", "dave2", "--map-organization", "*2=*" }), 3)
  t:match(problems(r.by.dave2), "dave is a user on prod")
  err.check(fs.write(w.home .. "/map.csv", "dave2,labs9\nacme,-\n"))
  r = e2e.expect(run(w, { "-n", "--map", "map.csv", "--map-organization",
    "labs=labs9" }), 3)
  t:match(problems(r.by.labs), "dave2 and labs would both become labs9")
  t:match(problems(r.by.dave2), "dave2 and labs would both become labs9")
  t:match(r.by.acme.why, "left out %(map.csv:2%)")
  err.check(fs.write(w.home .. "/policy.lua",
    "return { map_owner = { dave2 = 'from_policy' } }"))
  r = e2e.expect(run(w, { "dave2", "--policy", "policy.lua" }), 0)
  t:eq(r.by.dave2.to, "prod:from_policy")
  t:match(run(w, { "*", "--to-name", "x" }).err, "for one organization")
  r = run(w, { "nobody", "labs", "-n" })
  t:match(problems(r.by.nobody), "dev has no organization nobody")
end)

test("one that fails among good ones; a member that fails, too", function(t)
  local w = world(t, function(dev, _, ids)
    people.organization(dev, "zoo", { "bob:owner" }, { type_id = ids.dev.pro })
  end)
  local to = relay.start(t, w.prod.api, function(seen)
    if seen.path:find("/labs$") and seen.method == "GET" then
      return { status = 400, body = '{"error":{"code":6001,"message":"no"}}' }
    elseif seen.path:find("/acme/members/bob$") then
      return { status = 404, body = '{"error":{"code":3000,"message":"gone"}}' }
    end
  end)
  people.configure(w, { prod = { api = to.url } })
  local r = run(w)
  t:eq(r.code, 3)
  t:eq(people.words(r), { "acme failed", "labs failed", "zoo created" })
  people.reconcile(t, r, { "acme", "labs", "zoo" })
  t:match(r.by.acme.why, "1 of 3 members could not be added: bob %(gone")
  t:eq(r.by.acme.wrote, true)
  t:eq(r.by.acme.steps[2].text, "2 members: alice, carol")
  to.on = nil
  r = e2e.expect(run(w), 0)
  t:eq(people.words(r), { "acme updated", "labs created", "zoo unchanged" })
  t:eq(r.by.acme.steps, { { symbol = "+", text = "1 member: bob" } })
end)

test("lists with duplicates: what is named twice is taken once", function(t)
  local w = world(t)
  err.check(fs.write(w.home .. "/list.txt", "labs\nacme\nlabs # again\n"))
  local r = e2e.expect(run(w, { "acme", "--organizations-from", "list.txt" }),
    0)
  t:eq(people.words(r), { "acme created", "labs created" })
  t:match(r.doc.notes[1], "Organizations named twice, taken once: acme "
    .. "%(the command line and list.txt:2%), labs %(list.txt:1 and "
    .. "list.txt:3%)")
end)

test("a name over 30 characters is named before the first write", function(t)
  local long = ("n"):rep(31)
  local w = world(t)
  local to = relay.start(t, w.prod.api)
  people.configure(w, { prod = { api = to.url } })
  local r = e2e.expect(run(w, { "labs", "acme", "--map-organization",
    "labs=" .. long, "--fail-fast" }), 6)
  t:eq(#r.by.labs.problems, 1)
  t:match(problems(r.by.labs), "^[^\n]*" .. long
    .. "[^\n]* has 31 characters; at most 30[^\n]*$")
  t:match(r.by.acme.why, "not started: pre%-flight found problems")
  for _, method in ipairs({ "POST ", "PUT ", "DELETE " }) do
    t:eq(to:count(method), 0)
  end
end)

test("what is there already is compared, whatever the rules say of it",
  function(t)
    local long = ("l"):rep(101)
    local w = world(t, function(dev, prod, ids)
      for _, box in ipairs({ dev, prod }) do
        people.organization(box, "odd", { "alice:owner" }, { org_label = long,
          type_id = ids[box == dev and "dev" or "prod"].pro })
      end
      people.organization(prod, "labs", { "bob:owner" },
        { type_id = ids.prod.basic, external_member_group = "m" })
      local labs = dev.dir .. "/organizations/labs.json"
      local doc = e2e.read_json(labs)
      doc.org_label = long
      err.check(fs.write(labs, json.encode(doc), 384))
    end)
    local r = e2e.expect(run(w, { "odd", "labs" }), 0)
    t:eq(people.words(r), { "odd unchanged", "labs unchanged" })
    t:eq({ r.by.labs.differences[1].field, r.by.odd.differences },
      { "org_label" })
    r = e2e.expect(run(w, { "odd", "labs", "--update" }), 3)
    t:eq(people.words(r), { "odd unchanged", "labs refused" })
    t:match(problems(r.by.labs), "org_label has 101 characters; at most 100")
  end)

test("a name that was a user's stays taken, and that is said", function(t)
  local w = world(t)
  local prod = people.admin(w.prod)
  prod:create_user { username = "labs", email = "labs@example.com" }
  prod:delete_user("labs")
  local r = e2e.expect(run(w), 3)
  t:eq(people.words(r), { "acme created", "labs refused" })
  t:match(r.by.labs.why, "^prod says that the name labs is taken, and nobody "
    .. "has it: names and addresses of deleted users stay taken for ever; map "
    .. "it to another one %(%-%-map%-organization, %-%-map%)")
  -- what was learned is known before the first write from then on
  r = e2e.expect(run(w, { "labs", "-n" }), 6)
  t:match(problems(r.by.labs), "the name labs is taken, and nobody has it")
  e2e.expect(run(w, { "labs", "--to-name", "labs2" }), 0)
end)

test("a name that somebody takes in between is not burnt", function(t)
  local w = world(t)
  local to = relay.start(t, w.prod.api, function(seen)
    if seen.method == "POST" and seen.n == 1 then
      people.admin(w.prod):create_user { username = "labs",
        email = "labs@example.com" }
    end
  end)
  people.configure(w, { prod = { api = to.url } })
  local r = e2e.expect(run(w, { "labs" }), 6)
  t:match(r.by.labs.why, "^labs is a user on prod by now, and both have one "
    .. "name space")
  t:no(fs.stat(w.home .. "/.local/state/godwit/burnt"))
end)

test("an invitation at the destination is no member, and is told", function(t)
  local w = world(t, function(_, prod, ids)
    people.organization(prod, "acme", { "alice:owner", "bob:invited",
      "dave:invited", "carol" }, { type_id = ids.prod.pro,
      external_id = "ext-1", org_url = "https://a",
      external_admin_group = json.array({ "g1", "g2" }) })
  end)
  for _, more in ipairs({ "-n", "-v", "--remove-members" }) do
    local r = e2e.expect(run(w, { "acme", more }), 0)
    t:eq(r.by.acme.outcome, "unchanged")
    t:match(notes(r.by.acme), "invited on prod, and no members before they "
      .. "accept: bob")
    t:no(notes(r.by.acme):find("dave", 1, true))
  end
  t:eq(people.members(w.prod, "acme"), { "alice:owner", "bob:invited",
    "carol:member", "dave:invited" })
  local r = people.finish(w, people.launch(w, { "verify", "--from", "dev",
    "--to", "prod", "--only", "organizations", "--owner", "acme", "--json" }))
  t:eq(r.code, 7)
  t:eq(r.by.acme.differences, { { field = "member bob", source = "member",
    destination = "invited" } })
end)

test("killed at its writes: the same command converges", function(t)
  local w = world(t)
  local to = relay.start(t, w.prod.api)
  people.configure(w, { prod = { api = to.url } })
  for _, at in ipairs({ { "POST", "^/v1/organizations$", true },
      { "PUT", "/acme/members/bob$", false },
      { "PUT", "/acme/members/carol$", true } }) do
    local started
    to.on = function(seen, pass)
      if started and seen.method == at[1] and seen.path:find(at[2]) then
        if at[3] then pass() end
        started.process:kill(9)
        started = nil
        return "cut"
      end
    end
    started = people.start(w, "migrate-organizations", { "acme" })
    people.finish(w, started)
    to.on = nil
  end
  local r = e2e.expect(run(w, { "acme" }), 0)
  -- the run that made it was killed before it learned whose key that was
  t:match(notes(r.by.acme), "whose key made it is not known, .*: admin")
  t:eq(#people.members(w.prod, "acme"), 4)
  t:eq(e2e.expect(run(w, { "acme" }), 0).by.acme.outcome, "unchanged")
  t:eq(to:count("POST /v1/organizations"), 1)
end)

-- A run that ends between making acme and learning who became its owner.
local function cut_short(t, w)
  local started
  local to = relay.start(t, w.prod.api, function(seen, pass)
    if started and seen.method == "POST" then
      pass()
      started.process:kill(9)
      started = nil
      return "cut"
    end
  end)
  people.configure(w, { prod = { api = to.url, more = SAME.prod.more } })
  started = people.start(w, "migrate-organizations", { "acme" })
  people.finish(w, started)
  people.configure(w, SAME)
end

test("where it is not known whose key made it, no owner is taken for him",
  function(t)
    local w = world(t)
    cut_short(t, w)
    local prod = people.admin(w.prod)
    prod:add_member("acme", "alice")
    prod:add_member("acme", "dave")
    make_owner(w, "acme", "alice", SAME)
    make_owner(w, "acme", "dave", SAME)
    local r = e2e.expect(run(w, { "acme" }), 0)
    t:match(notes(r.by.acme), "not at the source, who stay: admin, dave ")
    t:match(notes(r.by.acme), "whose key made it is not known, since no run "
      .. "learned it; it may be: admin, dave, and stays unless")
    -- the administrator goes, dave has been owner since, by hand
    prod = people.admin(w.prod)
    prod:remove_member("acme", "admin")
    r = e2e.expect(run(w, { "acme" }), 0)
    t:eq(r.by.acme.outcome, "unchanged")
    t:match(notes(r.by.acme), "it may be: dave")
    t:eq(people.members(w.prod, "acme"), { "alice:owner", "bob:member",
      "carol:member", "dave:owner" })
    -- asked for, he goes, and then it is settled
    r = e2e.expect(run(w, { "acme", "--remove-members" }), 0)
    t:eq(r.by.acme.steps, { { symbol = "-", text = "1 member: dave" } })
    people.admin(w.prod):add_member("acme", "dave")
    make_owner(w, "acme", "dave", SAME)
    r = e2e.expect(run(w, { "acme" }), 0)
    t:match(notes(r.by.acme), "who stay: dave")
    t:no(notes(r.by.acme):find("whose key made it"))
  end)

test("who made it and went comes back as anybody", function(t)
  local w = world(t)
  people.configure(w, SAME)
  e2e.expect(run(w, { "acme" }), 0)
  make_owner(w, "acme", "alice", SAME)
  people.admin(w.prod):remove_member("acme", "admin")
  e2e.expect(run(w, { "acme" }), 0)
  w.prod:stop()
  people.user(w.prod, "admin")
  w.prod:start()
  people.configure(w, SAME)
  people.admin(w.prod):add_member("acme", "admin")
  make_owner(w, "acme", "admin", SAME)
  local r = e2e.expect(run(w, { "acme" }), 0)
  t:eq(r.by.acme.outcome, "unchanged")
  t:match(notes(r.by.acme), "who stay: admin")
end)

test("of several first owners none is taken for who made it", function(t)
  local w = world(t)
  local to = relay.start(t, w.prod.api, function(seen, pass)
    if seen.method == "POST" then
      -- an identity provider's group made somebody else an owner at once
      local answer = pass()
      local path = w.prod.dir .. "/organizations/acme.json"
      local doc = e2e.read_json(path)
      table.insert(doc.members, 1, { username = "aaron", role = "owner" })
      err.check(fs.write(path, json.encode(doc), 384))
      return answer
    end
  end)
  people.user(w.prod, "aaron")
  people.configure(w, { prod = { api = to.url } })
  local r = e2e.expect(run(w, { "acme" }), 0)
  t:match(notes(r.by.acme), "it may be: aaron, admin")
  r = e2e.expect(run(w, { "acme" }), 0)
  t:match(notes(r.by.acme), "it may be: aaron, admin")
  t:eq(#people.members(w.prod, "acme"), 5)
end)

test("a dismissal that does not happen is no update", function(t)
  local w = world(t)
  people.configure(w, SAME)
  e2e.expect(run(w, { "acme" }), 0)
  make_owner(w, "acme", "alice", SAME)
  local to = relay.start(t, w.prod.api, function(seen)
    if seen.method == "DELETE" then
      return { status = 400, body = '{"error":{"code":3102,"message":"last"}}' }
    end
  end)
  people.configure(w, { prod = { api = to.url,
    more = SAME.prod.more .. "protected = true," } })
  for _, flag in ipairs({ "-n", "-y" }) do
    local r = e2e.expect(run(w, { "acme", flag }), 0)
    t:eq({ r.by.acme.outcome, r.by.acme.steps, r.by.acme.wrote },
      { "unchanged" })
    t:match(notes(r.by.acme), "admin, whose key made it, stays an owner: prod "
      .. "is protected")
  end
  t:eq(to:count("DELETE"), 0)
  -- the same where the cluster itself says no
  people.configure(w, { prod = { api = to.url, more = SAME.prod.more } })
  local r = e2e.expect(run(w, { "acme" }), 0)
  t:eq({ r.by.acme.outcome, r.by.acme.steps, r.by.acme.wrote },
    { "unchanged" })
  t:match(notes(r.by.acme), "admin, whose key made it, stays an owner: .*last")
  people.admin(w.dev):update_organization("acme", { org_label = "New" })
  r = e2e.expect(run(w, { "acme" }), 0)
  t:eq({ r.by.acme.outcome, #r.by.acme.differences }, { "unchanged", 1 })
  t:eq(to:count("DELETE"), 2)
end)

test("hostile lists of members are an error", function(t)
  local w = world(t)
  for _, answer in ipairs({
    { { results = { { username = "a/../b" } } }, "without a usable name" },
    { { results = { 5 } }, "without a usable name" },
    { { results = { { username = "alice" } }, marker = "same" }, "never ends" },
    { { results = "x" }, "list" },
  }) do
    local from = relay.start(t, w.dev.api, function(seen)
      return seen.path:find("/members$")
        and { status = 200, body = json.encode(answer[1]) } or nil
    end)
    people.configure(w, { dev = { api = from.url } })
    local r = run(w, { "acme" })
    t:eq(r.code, 1)
    t:match(r.by.acme.why, answer[2])
  end
  t:no(people.admin(w.prod):try_get_organization("acme"))
end)

test("changed on either side: what is missing there comes back", function(t)
  local w = world(t)
  e2e.expect(run(w, { "acme" }), 0)
  local dev, prod = people.admin(w.dev), people.admin(w.prod)
  prod:remove_member("acme", "bob")
  dev:add_member("acme", "dave")
  dev:update_organization("acme", { org_label = "ACME II" })
  local r = e2e.expect(run(w, { "acme" }), 0)
  t:eq(r.by.acme.outcome, "updated")
  t:eq(r.by.acme.steps[2], { symbol = "+", text = "2 members: bob, dave" })
  t:eq(r.by.acme.differences, { { field = "org_label", source = "ACME II",
    destination = "acme label" } })
  t:eq(prod:try_get_organization("acme").org_label, "acme label")
  dev:remove_member("acme", "dave")
  r = e2e.expect(run(w, { "acme", "--update", "--remove-members" }), 0)
  t:eq(r.by.acme.steps, { { symbol = "~", text = "org_label" },
    { symbol = "-", text = "1 member: dave" } })
  t:eq(prod:try_get_organization("acme").org_label, "ACME II")
  t:eq(e2e.expect(run(w, { "acme", "--update" }), 0).by.acme.outcome,
    "unchanged")
end)

test("a folder keeps roles, and gives back what there was", function(t)
  local w = world(t)
  local folder = w.home .. "/folder"
  local store = require("godwit.cluster.archive")
  store.create(folder):close()
  local function move(name, from, to, ...)
    return e2e.expect(people.godwit(w, { name, "--from", from, "--to", to, ... }),
      0)
  end
  move("migrate-users", "dev", folder)
  local function take(...)
    return move("migrate-organizations", "dev", folder, "--map-type",
      "pro=none", "--map-type", "basic=none", ...)
  end
  t:match(take("-n").out, "created    acme")
  local r = take()
  t:match(r.out, "created    acme")
  t:no(r.out:find("owner"), r.out)
  t:match(take().out, "unchanged  acme")
  local box = store.open({ dir = folder, name = "folder" })
  local roles = {}
  for m in box:each_member("acme") do roles[m.username] = m.role end
  t:eq(roles, { alice = "owner", bob = "member", carol = "owner" })
  t:eq(#box:try_get_organization("acme").owner_ids, 2)
  -- somebody who is a member there and owner here becomes one
  box:add_member("labs", "bob", "member")
  box:close()
  t:match(take("-n").out, "updated    labs")
  r = take()
  t:match(r.out, "updated    labs")
  t:match(take().out, "unchanged  labs")
  r = move("migrate-organizations", folder, "prod", "acme", "--map-type",
    "none=pro")
  t:match(r.out, "created    acme")
  t:match(r.out, "no API makes an owner: alice, carol;")
  r = move("migrate-organizations", folder, "prod", "acme", "--map-type",
    "none=pro")
  t:match(r.out, "unchanged  acme")
end)

test("who made what we could not make is nobody of ours", function(t)
  local w = world(t)
  local to = relay.start(t, w.prod.api, function(seen)
    if seen.method == "POST" then
      return { status = 400, body = '{"error":{"code":6001,"message":"no"}}' }
    end
  end)
  people.configure(w, { prod = { api = to.url } })
  t:eq(run(w, { "acme" }).by.acme.outcome, "failed")
  to.on = nil
  w.prod:stop()
  people.organization(w.prod, "acme", { "dave:owner", "alice:owner" })
  w.prod:start()
  people.configure(w)
  local r = e2e.expect(run(w, { "acme" }), 0)
  t:match(notes(r.by.acme), "who stay: dave")
  t:eq(#people.members(w.prod, "acme"), 4)
end)

test("what another run made in the meantime is said, and whose key made it kept",
  function(t)
    local w = world(t)
    local second
    local to = relay.start(t, w.prod.api, function(seen)
      if seen.method == "POST" and not second then
        second = true
        w:configure()
        people.configure(w, SAME)
        e2e.expect(run(w, { "acme" }), 0)
      end
    end)
    people.configure(w, { prod = { api = to.url, more = SAME.prod.more } })
    local r = e2e.expect(run(w, { "acme" }), 5)
    t:match(r.by.acme.why, "^somebody made acme on prod in the meantime")
    t:ok(r.by.acme.retryable)
    people.configure(w, SAME)
    make_owner(w, "acme", "alice", SAME)
    r = e2e.expect(run(w, { "acme" }), 0)
    t:eq(r.by.acme.steps, { { symbol = "-", text = "admin, whose key made it" } })
  end)
