-- Who a user of one cluster is on another: file, rules, policy, and who wins.
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local people = require("godwit.copy.accounts.people")
local policy = require("godwit.policy")
local rename = require("godwit.copy.accounts.rename")
local rules = require("godwit.cluster.account_rules")

local FROM = { name = "dev", id = "id-dev", kind = "http" }
local ANN = { username = "ann", email = "Ann@Old.example.com",
  fullname = "Ann A", company_name = "", id = "x" }

local function file(t, text)
  local path = t:tmpdir() .. "/map.csv"
  assert(fs.write(path, text))
  return path
end

local function to(t, text, forced)
  local dir = t:tmpdir()
  err.check(fs.write(dir .. "/default.lua", "return {\n" .. text .. "\n}\n"))
  return { name = "prod", id = "id-prod",
    profile = { policy = forced and dir or nil } }, policy.set(
      not forced and dir or nil)
end

local function plain(more)
  local opts = { from = FROM, to = { name = "prod", id = "id-prod" } }
  for k, v in pairs(more or {}) do opts[k] = v end
  return people.new(opts)
end

test("nobody says anything: the same", function(t)
  local p = plain()
  t:eq(p:user(ANN), { username = "ann", email = "Ann@Old.example.com",
    fullname = "Ann A" })
  t:eq(p:name("bob"), "bob")
end)

test("a file: names, addresses, who is left out", function(t)
  local p = plain { file = file(t, "\u{FEFF}# who is who\n\nann, ann_prod , "
    .. "a@new.example.com\r\nbob,robert  # short\ncarl,-\nd,d2,\n") }
  local ann = p:user(ANN)
  t:eq({ ann.username, ann.email, ann.fullname }, { "ann_prod",
    "a@new.example.com", "Ann A" })
  t:eq(p:name("bob"), "robert")
  local none, why = p:name("carl")
  t:eq(none, nil)
  t:match(why, "left out %(.*map%.csv:5%)")
  t:eq(p:name("d"), "d2")
  t:eq(p:name("zoe"), "zoe")
end)

test("what is wrong with a file is said with its lines, all at once",
  function(t)
    local text = "ann\na,b,c,d\n,x\nann,1x\nann,"
      .. ("n"):rep(31) .. "\nann,x,not-an-address\n"
    local e = t:raises("usage", plain, nil, { file = file(t, text) })
    t:match(e.message, "map%.csv:1: expected OLD,NEW")
    t:match(e.message, "map%.csv:3: expected .*:4: '1x' is no name")
    t:match(e.message, ":5: the name .* 31 characters; at most 30")
    t:match(e.message, "and 1 more")
    t:raises("usage", plain, "map%.csv:3: ann is mapped twice %(.*:1%)",
      { file = file(t, "ann,a\nbob,b\nann,c\n") })
    t:raises("usage", plain, ":2: a is taken already %(.*:1%)",
      { file = file(t, "ann,a\nbob,a\n") })
    t:raises("usage", plain, ":2: x@a.org is taken already",
      { file = file(t, "ann,a,X@a.org\nbob,b,x@A.org\n") })
    t:raises("usage", plain, "%-%-map: there is no file .*none%.csv",
      { file = t:tmpdir() .. "/none.csv" })
  end)

test("rules: one star on both sides or none, the first that fits", function(t)
  local p = plain { names = { "svc_*=bot_*", "ann=anna", "*=*_prod" },
    emails = { "*@old.EXAMPLE.com=*@new.example.com" } }
  local ann = p:user(ANN)
  t:eq({ ann.username, ann.email }, { "anna", "Ann@new.example.com" })
  t:eq(p:name("svc_x"), "bot_x")
  t:eq(p:name("bob"), "bob_prod")
  t:eq(rename.rules({ "a*a=x*" }, "-")("aa"), "x")
  t:eq(rename.rules({ "a*a=x*" }, "-")("a"), nil)
  t:eq(rename.rules({ "*=%1*" }, "-")("a%b"), "%1a%b")
  for _, bad in ipairs({ "*", "*=", "=x", "**=*", "*=x", "x=*" }) do
    t:raises("usage", people.check, nil, { map_user = { bad } })
  end
  t:raises("usage", people.check, "about the same",
    { map_email = { "*@A.org=*@b.org", "*@a.org=*@c.org" } })
end)

test("a policy: a table of names, of users, of who is left out", function(t)
  local prod, set = to(t, [[map_user = { ann = "anna",
    bob = { username = "b", email = "b@x.org", company_role = "it" },
    carl = false }]])
  local p = plain { to = prod, policies = set }
  t:eq(p:user(ANN).username, "anna")
  t:eq(p:user { username = "bob", email = "bob@y.org", fullname = "B" },
    { username = "b", email = "b@x.org", fullname = "B", company_role = "it" })
  local none, why = p:user { username = "carl" }
  t:eq(none, nil)
  t:match(why, "left out by the policy %(.*default.lua, map_user%)")
  t:eq(p:name("zoe"), "zoe")
end)

test("a policy's function sees the document, also for a name", function(t)
  local prod, set = to(t, [[map_user = function(user, cx)
    if user.email:find("@gone") then return nil end
    if user.username == "bad" then return { name = "x" } end
    if user.username == "no" then cx:refuse "not him" end
    return user.username .. "_" .. cx.to.name
  end]])
  local asked = 0
  local from = { name = "dev", id = "id-dev", kind = "http",
    try_get_user = function(_, name)
      asked = asked + 1
      return { username = name, email = name .. (name == "gus" and "@gone.org"
        or "@x.org") }
    end }
  local p = plain { from = from, to = prod, policies = set }
  t:eq(p:user(ANN).username, "ann_prod")
  t:eq({ p:name("bob"), (p:name("bob")) }, { "bob_prod", "bob_prod" })
  t:eq((p:name("gus")), nil)
  t:eq(asked, 2) -- each once
  t:raises("policy", p.user, "map_user: a user has no field 'name'", p,
    { username = "bad", email = "b@x.org" })
  t:raises("refused", p.user, "not him", p,
    { username = "no", email = "b@x.org" })
end)

test("what was typed wins over a policy, but not over the profile's",
  function(t)
    local text = [[map_user = function(user)
      if user.username == "out" then return nil end
      return { username = "p_" .. user.username, email = "p@x.org" }
    end]]
    local prod, set = to(t, text)
    local typed = { names = { "ann=anna", "out=in" },
      emails = { "*@old.example.com=*@new.example.com" }, to = prod,
      policies = set }
    local ann = plain(typed):user(ANN)
    t:eq({ ann.username, ann.email }, { "anna", "Ann@new.example.com" })
    t:eq(plain(typed):user { username = "out", email = "o@x.org" }.username,
      "in")
    t:eq(plain(typed):user { username = "zed", email = "z@x.org" }.email,
      "p@x.org")
    typed.to, typed.policies = to(t, text, true)
    ann = plain(typed):user(ANN)
    t:eq({ ann.username, ann.email }, { "p_ann", "p@x.org" })
    t:eq(plain(typed):user { username = "out", email = "o@x.org" }, nil)
  end)

test("names and addresses the platform takes", function(t)
  for _, ok in ipairs({ "a", "A_9", ("n"):rep(30) }) do
    t:eq(rules.name_problem(ok), nil)
  end
  for _, bad in ipairs({ "", "9a", "a-b", "a b", "é", ("n"):rep(31) }) do
    t:ok(rules.name_problem(bad), bad)
  end
  t:ok(rules.name_problem(nil))
  for _, ok in ipairs({ "a@b.org", "a.b+c%d-e_f@x-y.z.museum" }) do
    t:eq(rules.email_problem(ok), nil, ok)
  end
  for _, bad in ipairs({ "", "a", "a@b", "a@b.c", "a@b.abcdefg", "a b@c.org",
      "a@b_c.org", "a@.org1", ("a"):rep(95) .. "@b.org", "a@b.org\nx" }) do
    t:ok(rules.email_problem(bad), bad)
  end
end)
