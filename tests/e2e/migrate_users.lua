-- godwit migrate-users: who is created, compared, refused and left out; a
-- second run finds all of it done.
local e2e = require("support.e2e")
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local json = require("godwit.core.json")
local people = require("support.people")
local relay = require("support.relay")
local task = require("godwit.task")

-- alice and bob are on both; three more at the source.
local function world(t, prepare)
  return people.world(t, function(dev, prod)
    for _, name in ipairs({ "alice", "bob" }) do
      people.user(dev, name)
      people.user(prod, name)
    end
    people.user(dev, "carol", { fullname = "Carol C", company_name = "ACME",
      company_role = "it" })
    people.user(dev, "dave")
    people.user(dev, "erin")
    if prepare then prepare(dev, prod) end
  end)
end

local function run(w, words, env)
  return people.run(w, "migrate-users", words, env)
end

local function file(w, name, text)
  err.check(fs.write(w.home .. "/" .. name, text))
  return name
end

test("first run, plan, and repeat", function(t)
  local w = world(t)
  local r = e2e.expect(run(w, { "-n" }), 0)
  t:eq(r.doc.counts.created, 3)
  t:match(r.doc.notes[1], "only trying can tell whether names or addresses")
  t:no(people.admin(w.prod):try_get_user("carol"))
  r = e2e.expect(run(w), 0)
  t:eq(people.words(r), { "alice unchanged", "bob unchanged", "carol created",
    "dave created", "erin created" })
  t:eq(r.by.carol.to, "prod:carol")
  t:eq(r.by.carol.steps[1].symbol, "+")
  t:eq(r.by.carol.type, "user")
  t:match(r.doc.notes[1], "Never moved.*passwords")
  people.reconcile(t, r, { "alice", "bob", "carol", "dave", "erin" })
  local carol = people.admin(w.prod):try_get_user("carol")
  t:eq({ carol.fullname, carol.company_name, carol.company_role, carol.email },
    { "Carol C", "ACME", "it", "carol@example.com" })
  -- no sample algorithm was made for anybody
  t:no(fs.stat(w.prod.dir .. "/algorithms/carol"))
  r = e2e.expect(run(w), 0)
  t:eq(r.doc.counts.unchanged, 5)
  t:eq(r.doc.notes, {})
end)

test("who is there and not at the source stays", function(t)
  local w = world(t, function(_, prod)
    people.user(prod, "zed", { fullname = "Zed Z" })
  end)
  local to = relay.start(t, w.prod.api)
  people.configure(w, { prod = { api = to.url } })
  local was = people.admin(w.prod):try_get_user("zed")
  for _, words in ipairs({ {}, { "--update" }, { "*" } }) do
    local r = e2e.expect(run(w, words), 0)
    t:eq({ #r.items, r.by.zed }, { 5 })
    t:eq(people.admin(w.prod):try_get_user("zed"), was)
  end
  t:eq(to:count("DELETE"), 0)
  t:eq(to:count("PUT"), 0)
end)

test("differences are reported, and changed with --update", function(t)
  local w = world(t, function(_, prod)
    people.user(prod, "carol", { email = "CAROL@example.com",
      fullname = "Other" })
  end)
  local r = e2e.expect(run(w, { "carol" }), 0)
  t:eq(people.words(r), { "carol unchanged" })
  t:eq(r.by.carol.differences[1], { field = "fullname",
    source = "Carol C", destination = "Other" })
  t:match(r.by.carol.steps[1].text, "3 differences left as they are %(%-%-upd")
  r = e2e.expect(run(w, { "carol", "--update" }), 0)
  t:eq(people.words(r), { "carol updated" })
  local carol = people.admin(w.prod):try_get_user("carol")
  t:eq({ carol.fullname, carol.company_role, carol.email },
    { "Carol C", "it", "CAROL@example.com" })
  t:eq(e2e.expect(run(w, { "carol", "--update" }), 0).by.carol.outcome,
    "unchanged")
  local text = people.godwit(w, { "migrate-users", "--from", "dev", "--to",
    "prod" })
  t:match(text.out, "created    dave %-> prod:dave")
end)

test("what only the destination has stays, and is told", function(t)
  local w = world(t, function(dev, prod)
    people.user(dev, "plain", { fullname = json.null })
    people.user(prod, "plain")
    people.user(dev, "other", { fullname = json.null })
    people.user(prod, "other", { fullname = "Oth Er", company_name = "ACME" })
  end)
  for _, words in ipairs({ { "-n" }, { "-v" }, { "--update" } }) do
    local r = e2e.expect(run(w, { "plain", "other", words[1] }), 0)
    t:eq(people.words(r), { "plain unchanged", "other unchanged" })
    t:eq(r.by.plain.warnings, nil)
    t:eq(r.by.other.warnings, { "stays on prod, since the source has nothing "
      .. "there: fullname (Oth Er), company_name (ACME)" })
  end
end)

test("conflicts are found before the first write, all at once", function(t)
  local long = ("n"):rep(31)
  local w = world(t, function(dev, prod)
    people.user(dev, "longy")
    people.user(dev, "bad1", { email = "not an address" })
    people.user(dev, "bad2", { email = json.null })
    people.user(dev, "wide", { company_role = ("r"):rep(201) })
    people.user(dev, "same", { email = "Dave@example.com" })
    people.user(dev, "team")
    people.organization(prod, "team", { "alice:owner" })
    people.user(prod, "zed", { email = "ERIN@example.com" })
    people.user(prod, "carol", { email = "other@example.com" })
  end)
  local r = e2e.expect(run(w, { "--map-user", "longy=" .. long }), 3)
  people.reconcile(t, r, { "alice", "bob", "carol", "dave", "erin", "longy",
    "bad1", "bad2", "wide", "same", "team" })
  local function why(name, pattern)
    t:eq(r.by[name].outcome, "refused", name)
    t:match(table.concat(r.by[name].problems, "\n"), pattern)
  end
  why("carol", "another e%-mail address %(other@example.com, not carol@ex")
  why("longy", "has 31 characters; at most 30")
  why("bad1", "'not an address' is no e%-mail address")
  why("bad2", "there is no e%-mail address")
  why("wide", "company_role has 201 characters; at most 200")
  why("same", "dave and same would both have the e%-mail address dave@example")
  why("dave", "dave and same would both have")
  why("team", "team is an organization on prod")
  why("erin", "the e%-mail address erin@example.com is zed's on prod")
  t:eq(r.doc.counts.created, 0)
  t:eq(r.doc.counts.unchanged, 2)
  r = e2e.expect(run(w, { "--fail-fast" }), 3)
  t:eq(r.doc.counts.refused, 9) -- and longy with its own name
  t:match(r.by.longy.why, "not started: pre%-flight found problems with 8")
  t:eq(r.doc.counts.unchanged, 2)
end)

test("who is there already is compared, whatever the rules say of him",
  function(t)
    local long = ("r"):rep(201)
    local odd = { email = "tech@example.photography", company_role = long }
    local w = world(t, function(dev, prod)
      for _, box in ipairs({ dev, prod }) do
        people.user(box, "odd", odd)
        people.user(box, "nobody", { email = json.null })
      end
      people.user(dev, "wide", { company_role = long })
      people.user(prod, "wide")
    end)
    local r = e2e.expect(run(w, { "odd", "wide", "nobody" }), 3)
    t:eq(people.words(r), { "odd unchanged", "wide unchanged",
      "nobody refused" })
    t:eq(r.by.nobody.problems, { "there is no e-mail address" })
    t:eq(r.by.odd.differences, nil)
    t:eq(r.by.wide.differences[1].field, "company_role")
    -- What would be written has to be what the platform takes.
    r = e2e.expect(run(w, { "odd", "wide", "--update" }), 3)
    t:eq(people.words(r), { "odd unchanged", "wide refused" })
    t:match(r.by.wide.problems[1], "company_role has 201 characters")
    local map = file(w, "odd.csv", "wide,odd,tech@example.photography\n")
    r = e2e.expect(run(w, { "wide", "--map", map }), 0)
    t:eq({ r.by.wide.outcome, r.by.wide.to }, { "unchanged", "prod:odd" })
    r = e2e.expect(run(w, { "odd", "--map-user", "odd=odd2", "--map-email",
      "tech@*=tec@*" }), 6)
    t:match(r.by.odd.problems[1], "is no e%-mail address that the platform")
  end)

test("maps: a file, rules, a policy; who is left out", function(t)
  local w = world(t)
  local map = file(w, "map.csv", "# who is who\ncarol,caroline,c@new.org\n"
    .. "erin,-\n")
  local r = e2e.expect(run(w, { "carol", "dave", "erin", "--map", map,
    "--map-user", "*=*_prod", "--map-email", "*@example.com=*@new.org" }), 0)
  t:eq(people.words(r), { "carol created", "dave created", "erin skipped" })
  t:match(r.by.erin.why, "left out %(map.csv:3%)")
  t:eq(people.admin(w.prod):try_get_user("caroline").email, "c@new.org")
  t:eq(people.admin(w.prod):try_get_user("dave_prod").email, "dave@new.org")
  err.check(fs.mkdir(w.home .. "/policies"))
  file(w, "policies/default.lua", [[
return {
  map_user = function(user, cx)
    if user.username == "erin" then return nil end
    if user.username == "dave" then return cx:refuse "not him" end
    return { username = "p_" .. user.username, company_name = cx.to.name }
  end,
}]])
  r = e2e.expect(run(w, { "carol", "dave", "erin", "--map-email",
    "carol@*=carol2@*" }), 3)
  t:eq(people.words(r), { "carol created", "dave refused", "erin skipped" })
  t:match(r.by.dave.why, "not him %(policies/default.lua, map_user%)")
  t:match(r.by.erin.why, "policies/default.lua, map_user")
  t:eq(people.admin(w.prod):try_get_user("p_carol").company_name, "prod")
  r = e2e.expect(run(w, { "--map", file(w, "bad.csv", "carol,a b\nx,y,z,a\n") }),
    2)
  t:match(r.err, "bad.csv:1: 'a b' is no name.*bad.csv:2: expected OLD,NEW")
end)

test("a policy that cannot be used ends the run, once", function(t)
  local w = world(t)
  for text, pattern in pairs({ ["return {"] = "policy.lua:1: ",
      ["return { map_user = 5 }"] = "expected a function or a table",
      ["return { map_usr = {} }"] = "no point 'map_usr' .*map_user" }) do
    local r = run(w, { "--policy", file(w, "policy.lua", text) })
    t:eq(r.code, 2, r.all)
    t:match(r.err, pattern)
    t:eq(select(2, r.err:gsub("error: ", "")), 1)
  end
  t:eq(run(w, { "--policy", "none.lua" }).code, 2)
end)

test("lists with duplicates, names that are not there, globs", function(t)
  local w = world(t)
  local list = file(w, "list.txt", "carol\n# more\ncarol # again\nnobody\nd*\n")
  local r = e2e.expect(run(w, { "dave", "--users-from", list, "-n" }), 3)
  t:eq(people.words(r), { "carol created", "dave created", "nobody refused" })
  t:match(r.by.nobody.why, "dev has no user nobody")
  t:match(r.doc.notes[1],
    "named twice, taken once: carol %(list.txt:1 and list.txt:3%)")
  r = e2e.expect(run(w, { "zzz*" }), 2)
  t:match(r.err, "no user of dev matches 'zzz%*'")
  r = e2e.expect(run(w, { "a/b" }), 2)
  t:match(r.err, "'a/b' is no name")
  r = e2e.expect(run(w, { "--users-from", file(w, "none.txt", "# none\n") }), 2)
  t:match(r.err, "names nobody")
end)

test("a name that was deleted stays taken, and that is said", function(t)
  local w = world(t)
  local prod = people.admin(w.prod)
  prod:create_user { username = "carol", email = "carol@example.com" }
  prod:delete_user("carol")
  local r = e2e.expect(run(w), 3)
  t:eq(r.by.carol.outcome, "refused")
  t:match(r.by.carol.why, "the name carol is taken, and nobody has it: "
    .. "names and addresses of deleted users stay taken")
  t:eq(r.by.dave.outcome, "created")
  r = e2e.expect(run(w, { "carol", "--map-user", "carol=carol2" }), 6)
  t:match(r.by.carol.why, "the address carol@example.com is taken")
  -- what was learned is known before the first write from then on
  r = e2e.expect(run(w, { "-n" }), 3)
  t:match(table.concat(r.by.carol.problems, "\n"), "the name carol is taken")
  r = e2e.expect(run(w, { "carol", "--map-user", "carol=carol3", "-n" }), 6)
  t:match(r.by.carol.problems[1], "the address carol@example.com is taken")
  t:eq(e2e.expect(run(w, { "carol", "--map-user", "carol=carol3",
    "--map-email", "carol@*=c@*" }), 0).by.carol.outcome, "created")
end)

test("one that fails among good ones, and what a repeat makes of it",
  function(t)
    local w = world(t)
    local to = relay.start(t, w.prod.api, function(seen)
      if seen.method == "POST" and seen.body:find('"dave"', 1, true) then
        return { status = 400, body = json.encode({ error = { code = 6001,
          message = "not today" } }) }
      end
    end)
    people.configure(w, { prod = { api = to.url } })
    local r = e2e.expect(run(w), 3)
    t:eq(r.by.dave.outcome, "failed")
    t:match(r.by.dave.why, "not today")
    t:eq(r.doc.counts.created, 2)
    to.on = nil
    r = e2e.expect(run(w), 0)
    t:eq(r.doc.counts.created, 1)
  end)

test("killed at a write, before and after it: run again, nobody is double",
  function(t)
    local w = world(t)
    local to = relay.start(t, w.prod.api)
    people.configure(w, { prod = { api = to.url } })
    for _, after in ipairs({ true, false }) do
      local started
      to.on = function(seen, pass)
        if started and seen.method == "POST" and seen.path == "/v1/users" then
          if after then pass() end
          started.process:kill(9)
          started = nil
          return "cut"
        end
      end
      started = people.start(w, "migrate-users", { "-j", "1" })
      people.finish(w, started)
      to.on = nil
    end
    local r = e2e.expect(run(w), 0)
    t:eq(r.doc.counts.created + r.doc.counts.unchanged, 5)
    t:eq(r.by.carol.outcome, "unchanged") -- made by the first one
    t:eq(e2e.expect(run(w), 0).doc.counts.unchanged, 5)
  end)

test("-j bounds how many are created at once", function(t)
  local w = world(t, function(dev)
    for i = 1, 9 do people.user(dev, "many" .. i) end
  end)
  local now, most, all = 0, 0, 0
  local to = relay.start(t, w.prod.api, function(seen, pass)
    if seen.method == "POST" and seen.path == "/v1/users" then
      now, all = now + 1, all + 1
      most = math.max(most, now)
      task.sleep(0.1)
      local answer = pass()
      now = now - 1
      return answer
    end
  end)
  people.configure(w, { prod = { api = to.url } })
  for _, case in ipairs({ { "1", { "carol", "dave", "erin" }, 3 },
      { "3", {}, 9 } }) do
    most, all = 0, 0
    e2e.expect(run(w, { "-j", case[1], table.unpack(case[2]) }), 0)
    t:eq({ most, all }, { tonumber(case[1]), case[3] })
  end
end)

test("a lost answer is looked for, not sent again", function(t)
  local w = world(t)
  local to = relay.start(t, w.prod.api, function(seen, pass)
    if seen.method == "POST" and seen.n == 1 then
      pass()
      return "cut"
    end
  end)
  people.configure(w, { prod = { api = to.url } })
  local r = e2e.expect(run(w, { "carol" }), 0)
  t:eq(r.by.carol.outcome, "created")
  t:eq(to:count("POST /v1/users"), 1)
end)

test("lists that lie are an error, and nothing is written", function(t)
  local w = world(t)
  for _, answer in ipairs({
    { json.encode({ results = { { username = "../x" } } }), "usable name" },
    { json.encode({ results = { "x" } }), "usable name" },
    { json.encode({ results = { { username = "a" } }, marker = "m" }),
      "never ends" },
    { "<html>", "web page" },
  }) do
    local from = relay.start(t, w.dev.api, function(seen)
      return seen.path == "/v1/users" and { status = 200, body = answer[1] }
        or nil
    end)
    people.configure(w, { dev = { api = from.url } })
    local r = run(w)
    t:eq(r.code, 1)
    t:match(r.err, answer[2])
  end
  t:no(people.admin(w.prod):try_get_user("carol"))
end)

test("without an administrator's key it is said what to add", function(t)
  local w = world(t)
  w:configure()
  local r = run(w)
  t:ok(r.code ~= 0)
  t:match(r.err, "admin_key = env")
end)

test("nothing secret was said in all of this", function(t)
  local w = world(t)
  run(w, { "-vv" })
  for _, box in ipairs(w.boxes) do
    t:no(w.said:find(box.admin_key, 1, true))
  end
end)

test("what somebody else takes in the meantime is his, and not burnt",
  function(t)
    local w = world(t)
    local raced
    local to = relay.start(t, w.prod.api, function(seen)
      if seen.method == "POST" and not raced then
        raced = true
        local prod = people.admin(w.prod)
        prod:create_user { username = "zed", email = "carol@example.com" }
        prod:create_user { username = "dave", email = "dave@example.com" }
        prod:create_user { username = "erin", email = "other@example.com" }
      end
    end)
    people.configure(w, { prod = { api = to.url } })
    local r = e2e.expect(run(w, { "-j", "1" }), 3)
    t:match(r.by.carol.why, "the address carol@example.com is zed's on prod")
    t:eq(r.by.dave.outcome, "unchanged")
    t:match(r.by.dave.steps[1].text, "made by somebody else in the meantime")
    t:match(r.by.erin.why, "a user erin with another e%-mail address by now")
    t:no(fs.stat(w.home .. "/.local/state/godwit/burnt"))
  end)
