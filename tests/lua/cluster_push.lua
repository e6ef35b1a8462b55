-- A push whose answer is lost, between the driver and a sandbox.
local cluster = require("godwit.cluster")
local effect = require("godwit.effect")
local git = require("godwit.git")
local relay = require("support.relay")
local sandboxes = require("support.sandboxes")
local secret = require("godwit.core.secret")
local settle = require("godwit.effect.settle")

require("godwit.log").setup({ quiet = true })
settle.timing.scale = 0.01

-- A sandbox with acme/Hello behind a relay, and a commit to push there.
local function start(t, on)
  local s = sandboxes.start(t)
  local r = relay.start(t, s.api, on)
  local driver = cluster.open({ name = "box", kind = "http", api = r.url,
    key = secret.new(s:key("acme"), { label = "acme key",
      origins = { r.url } }) })
  s:create("Hello")
  local tip = driver:git_tip("acme", "Hello", { service = "receive-pack" })
  local store = git.open_store(t:tmpdir() .. "/s.git")
  t:defer(function()
    store:close()
  end)
  driver:git_fetch("acme", "Hello", store.core, { commit = tip.commit })
  local files = store:tree(tip.commit)
  files:write("new.txt", "x")
  local who = { name = "T", email = "t@example.com", time = 1, offset = 0 }
  local commit = store:make_commit({ tree = files:save(),
    parents = { tip.commit }, author = who, committer = who,
    message = "change\n" })
  return driver, { store = store.core, commit = commit,
    expected = tip.commit, advert = tip.advert }, r
end

local PACK = "POST /git/acme/Hello.git/git-receive-pack"

test("a push that arrived is done, though its answer was cut", function(t)
  local driver, push, r = start(t, function(seen, pass)
    if seen.line == PACK then
      pass()
      return "cut"
    end
  end)
  local settled = effect.counts.settled
  driver:push("acme", "Hello", push)
  t:eq(driver:git_tip("acme", "Hello").commit, push.commit)
  t:eq(driver:each_build("acme", "Hello")().commit_sha, push.commit)
  t:eq(r:count(PACK), 1)
  t:eq(effect.counts.settled, settled + 1)
end)

test("a push that did not arrive is said so, and not made again", function(t)
  local driver, push, r = start(t, function(seen)
    if seen.line == PACK then
      return "cut"
    end
  end)
  local e = t:raises(nil, driver.push, "was not carried out", driver, "acme",
    "Hello", push)
  t:no(e.in_doubt)
  t:eq(driver:git_tip("acme", "Hello").commit, push.expected)
  t:eq(r:count(PACK), 1)
end)

test("a push that cannot be looked at is in doubt", function(t)
  local cut = false
  local driver, push, r = start(t, function(seen, pass)
    if seen.line == PACK then
      cut = true
      pass()
      return "cut"
    elseif cut then
      return { status = 403, headers = {}, body = "" }
    end
  end)
  local e = t:raises(nil, driver.push, "look before repeating", driver,
    "acme", "Hello", push)
  t:ok(e.in_doubt)
  t:eq(r:count(PACK), 1)
end)
