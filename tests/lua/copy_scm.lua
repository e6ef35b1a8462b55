-- The destination's SCM for the source's, and what it costs a cluster that
-- keeps its code itself.
local cluster = require("godwit.cluster")
local err = require("godwit.err")
local findings = require("godwit.copy.findings")
local odd = require("support.oddcluster")
local relay = require("support.relay")
local sandboxes = require("support.sandboxes")
local scm = require("godwit.copy.scm")
local secret = require("godwit.core.secret")

require("godwit.log").setup({ quiet = true })

local function of(id, provider, web, client, more)
  local s = { id = id, provider = provider, urls = { web = web },
    oauth = client and { client_id = client } or nil }
  for k, v in pairs(more or {}) do
    s[k] = v
  end
  return s
end

test("the same provider at the same address", function(t)
  local wanted = of("x", "github", "https://github.com", "1")
  local function match(list)
    local found = scm.match(wanted, list)
    return found and found.id
  end
  t:eq(match({ { id = "internal", provider = "internal" },
    of("a", "gitlab", "https://github.com"),
    of("b", "github", "https://ghe.example.com"),
    of("c", "github", "https://GitHub.com/", "2") }), "c")
  t:eq(match({ of("a", "github", "https://github.com", "2"),
    of("b", "github", "https://github.com", "1") }), "b")
  t:eq(match({ of("a", "github", "https://github.com", "2"),
    of("b", "github", "https://github.com", "3") }), nil)
  t:eq(match({ of("a", "github", "https://github.com", "1",
    { enabled = false }) }), nil)
  t:eq(match({}), nil)
  t:eq(scm.match(of("x", "bitbucket_cloud", "https://bitbucket.org"),
    { of("a", "bitbucket-cloud", "https://bitbucket.org") }).id, "a")
  -- Not everybody's client has an id: there it is a project's key.
  local key = { scm = { project_key = "B" } }
  t:eq(scm.match(of("x", "bitbucket", "https://b", nil, key), {
    of("a", "bitbucket", "https://b", nil, { scm = { project_key = "A" } }),
    of("b", "bitbucket", "https://b", nil, key) }).id, "b")
  -- Whoever has folders has them in one case.
  t:eq(match({ of("a", "github", "https://github.com/A") }), nil)
  -- What is no SCM is passed over.
  t:eq(scm.match(wanted, { 7, { id = 1, provider = "github" }, {} }), nil)
end)

-- A job as far as these questions go.
local function job_of(to)
  local job = { to = to, to_owner = "acme", to_name = "Hello", ref = "acme/Hello",
    dest_ref = "prod:acme/Hello", desired = {}, problems = {}, warnings = {},
    unknowable = {}, dest = { place = { url = "https://h/a.git" } },
    source = { algorithm = { source = { scm = of("x", "github", "https://h") } } } }
  for name, method in pairs(findings.methods) do
    job[name] = method
  end
  to.name, to.profile = "prod", { hosts = { ["https://h:443"] = { key = "k" } } }
  function to:list_scms()
    return { of("y", "github", "https://h") }
  end
  return job
end

test("a question a cluster does not answer stops nothing", function(t)
  local job = job_of({ get_scm_status = function()
    err.throw("notfound", "no such resource")
  end, get_scm_authorization = function()
    return {}
  end })
  scm.check_connection(job)
  t:match(job.unknowable[1], "reaches the repository of prod:acme/Hello "
    .. "%(no such resource")
  t:eq(scm.choose(job), { scm = "y", repository_name = "Hello" })
  t:match(job.unknowable[2], "is connected to the SCM y")
  t:eq(job.problems, {})
end)

test("what ends the run is no answer", function(t)
  local secrets = require("godwit.copy.secrets")
  local memo = require("godwit.memo")
  for _, kind in ipairs({ "cancelled", "denied", "budget" }) do
    local function over()
      err.throw(kind, "it is over")
    end
    local job = job_of({ get_scm_status = over })
    t:raises(kind, scm.check_connection, "it is over", job)
    job.from, job.owner, job.name = { list_secrets = over }, "acme", "Hello"
    job.source.memo, job.opts = memo.new(), {}
    t:raises(kind, secrets.compare, "it is over", job)
    t:eq(job.unknowable, {})
  end
end)

test("one that says no does", function(t)
  local job = job_of({ get_scm_status = function()
    return { scm_connection_status = "provider_internal_error" }
  end, get_scm_authorization = function()
    return { authorization_status = "unauthorized", scm_username = 7 }
  end })
  scm.check_connection(job)
  scm.choose(job)
  t:match(job.problems[1], "is provider_internal_error: the host answers")
  t:match(job.problems[2], "has not connected the SCM y")
end)

test("nothing is asked about code at the cluster itself", function(t)
  local job = job_of({})
  job.dest.place = nil
  scm.check_connection(job)
  job.source.algorithm = {}
  t:eq(scm.choose(job), { scm = "internal" })
end)

local function open(t, api, key, more)
  local profile = { name = "box", kind = "http", api = api, user = "acme",
    key = secret.new(key, { label = "key", origins = { api } }) }
  for k, v in pairs(more or {}) do
    profile[k] = v
  end
  return cluster.open(profile)
end

test("a cluster that keeps its code itself is asked nothing more", function(t)
  local s = sandboxes.start(t)
  local r = relay.start(t, s.api)
  local driver = open(t, r.url, s:key("acme"))
  s:create("Hello")
  -- Both at once, as a pre-flight does.
  driver:git_tip("acme", "Hello", { guess = true })
  driver:get_algorithm("acme", "Hello")
  driver:git_tip("acme", "Hello", { service = "receive-pack" })
  driver:git_remote("acme", "Hello")
  local gets = 0
  for _, line in ipairs(r.log) do
    gets = gets + (line:find("/v1/algorithms/", 1, true) and 1 or 0)
  end
  t:eq(gets, 1)
  t:eq(#r.log, 3)
end)

test("one that was just made is not asked where it is", function(t)
  local s = sandboxes.start(t)
  local r = relay.start(t, s.api)
  local driver = open(t, r.url, s:key("acme"))
  driver:create_algorithm("acme", s:body("Hello"))
  local before = #r.log
  driver:git_tip("acme", "Hello", { service = "receive-pack" })
  t:eq(#r.log, before + 1)
end)

test("a document says where the code is, before anything goes there",
  function(t)
    local host = odd.start(t, {})
    local server
    server = odd.start(t, { ["GET /v1/algorithms/acme/Hello"] = { json = {
      id = "1", source = { scm = { id = "gh", provider = "github" },
        repository_https_url = host.url .. "/acme/hello.git" } } } })
    local driver = open(t, server.url, "cluster-key-3")
    local e = t:raises(nil, driver.git_tip, nil, driver, "acme", "Hello")
    t:match(e.message, "asked without a credential")
    t:eq(#host.requests, 1)
    t:eq(host.requests[1].path, "/acme/hello.git/info/refs")
    t:eq(host.requests[1].headers.authorization, nil)
    for _, req in ipairs(server.requests) do
      t:no(req.path:find("^/git/"))
    end
    e = t:raises("auth", driver.push, nil, driver, "acme", "Hello", {})
    t:match(e.message, "there is no credential for it")
    t:eq(#host.requests, 1)
  end)

test("a host's refusal names the credential it was asked with", function(t)
  local host = odd.start(t, { ["GET /acme/hello.git/info/refs"] = {
    status = 401, headers = { ["WWW-Authenticate"] = 'Basic realm="x"' },
    type = "text/plain" } })
  local server = odd.start(t, { ["GET /v1/algorithms/acme/Hello"] = { json = {
    id = "1", source = { scm = { id = "gh", provider = "github" },
      repository_https_url = host.url .. "/acme/hello.git" } } } })
  local driver = open(t, server.url, "cluster-key-4", { hosts = {
    [host.url] = { user = "bot", scheme = "Bearer", key = secret.new("tok-99", {
      label = "hosts", origins = { host.url } }) } } })
  local e = t:raises("auth", driver.git_tip, nil, driver, "acme", "Hello")
  t:match(e.message, "asked with the credential of the profile 'box'")
  t:no(tostring(e):find("tok%-99"))
  t:eq(host.requests[1].headers.authorization, "Bearer tok-99")
  for _, req in ipairs(server.requests) do
    t:no((req.headers.authorization or ""):find("tok%-99"))
  end
end)
