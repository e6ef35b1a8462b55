-- A push to a Git host elsewhere whose answer is lost: the host's ref says
-- what became of it, and nothing is pushed twice.
local cluster = require("godwit.cluster")
local effect = require("godwit.effect")
local external = require("support.external")
local git = require("godwit.git")
local json = require("godwit.core.json")
local odd = require("support.oddcluster")
local relay = require("support.relay")
local secret = require("godwit.core.secret")
local settle = require("godwit.effect.settle")

require("godwit.log").setup({ quiet = true })
settle.timing.scale = 0.01

local PACK = "POST /git/acme/hello.git/git-receive-pack"

-- A host behind a relay, a cluster that says the code is there, and a commit.
local function start(t, on)
  local host = external.start(t)
  host:make("acme/hello", { branch = "trunk", silent = true })
  host:commit("acme/hello", { { path = "one", data = "1" } })
  local r = relay.start(t, host.origin, on)
  local server = odd.start(t, {
    ["GET /v1/algorithms/acme/Hello"] = { json = { id = "1",
      source = { scm = { id = "gh", provider = "github" },
        repository_https_url = r.url .. "/git/acme/hello.git" } } },
    ["GET /v1/algorithms/acme/Hello/builds"] = { json = {
      results = json.array({}) } } })
  local driver = cluster.open({ name = "box", kind = "http", api = server.url,
    user = "acme", key = secret.new("cluster-key-8", { label = "key",
      origins = { server.url } }), hosts = { [r.url] = {
        user = external.USER, scheme = "Basic", key = secret.new(
          external.PASSWORD, { label = "host", origins = { r.url } }) } } })
  local tip = driver:git_tip("acme", "Hello", { service = "receive-pack" })
  t:eq(tip.branch, "refs/heads/trunk")
  t:eq(tip.commit, host:head("acme/hello"))
  local store = git.open_store(t:tmpdir() .. "/s.git")
  t:defer(function()
    store:close()
  end)
  driver:git_fetch("acme", "Hello", store.core, { commit = tip.commit })
  local files = store:tree(tip.commit)
  files:write("two", "2")
  local who = { name = "T", email = "t@example.com", time = 1, offset = 0 }
  local commit = store:make_commit({ tree = files:save(),
    parents = { tip.commit }, author = who, committer = who,
    message = "change\n" })
  return driver, { store = store.core, commit = commit, ref = tip.branch,
    expected = tip.commit, advert = tip.advert }, r, host
end

test("a push goes to the host's default branch", function(t)
  local driver, push, r, host = start(t)
  driver:push("acme", "Hello", push)
  t:eq(host:head("acme/hello"), push.commit)
  t:eq(r:count(PACK), 1)
  -- Without being told which branch that is, too.
  push.ref, push.advert, push.expected = nil, nil, host:head("acme/hello")
  driver:push("acme", "Hello", push)
end)

test("a push that arrived is done, though its answer was cut", function(t)
  local driver, push, r, host = start(t, function(seen, pass)
    if seen.line == PACK then
      pass()
      return "cut"
    end
  end)
  local settled = effect.counts.settled
  driver:push("acme", "Hello", push)
  t:eq(host:head("acme/hello"), push.commit)
  t:eq(r:count(PACK), 1)
  t:eq(effect.counts.settled, settled + 1)
end)

test("a push that did not arrive is said so, and not made again", function(t)
  local driver, push, r, host = start(t, function(seen)
    if seen.line == PACK then
      return "cut"
    end
  end)
  t:raises(nil, driver.push, "was not carried out", driver, "acme", "Hello",
    push)
  t:eq(host:head("acme/hello"), push.expected)
  t:eq(r:count(PACK), 1)
end)

test("somebody else's push in between is a conflict", function(t)
  local driver, push, _, host = start(t)
  local theirs = host:commit("acme/hello", { { path = "x", data = "x" } })
  t:raises("conflict", driver.push, nil, driver, "acme", "Hello", push)
  t:eq(host:head("acme/hello"), theirs)
end)
