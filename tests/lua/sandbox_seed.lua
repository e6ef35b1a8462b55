-- What the demo clusters hold.
local fs = require("godwit.core.fs")
local sandboxes = require("support.sandboxes")

local function git(s, ...)
  return sandboxes.git("--git-dir=" .. s.dir .. "/git/acme/FraudScore.git",
    ...)
end

test("development has what a promotion has to get right", function(t)
  local s = sandboxes.start(t, { seed = "demo" })
  local names = {}
  for _, a in ipairs(s:send("GET", "/v1/users/acme/algorithms").doc) do
    names[#names + 1] = a.algoname
  end
  t:eq(names, { "Forecast", "FraudScore", "Geocode", "ImageTagger", "Notify",
    "Tokenize" })
  local path = "/v1/algorithms/acme/FraudScore"
  local doc = s:send("GET", path).doc
  t:eq({ doc.settings.network_access, doc.settings.pipeline_enabled,
    doc.version_info.semantic_version }, { "isolated", false })
  t:match(doc.details.summary, "<h1>FraudScore</h1>")
  local published = {}
  for _, v in ipairs(s:send("GET", path .. "/versions?published=true").doc
    .results) do
    published[#published + 1] = v.version_info.semantic_version
  end
  t:eq(published, { "0.1.1", "0.1.0" })
  local tree = git(s, "ls-tree", "-r", "-l", "master")
  t:match(tree, "100755 blob %x+ +%d+\tbin/train.sh\n")
  t:match(tree, "120000 blob %x+ +%d+\tmodel/current\n")
  t:match(tree, "100644 blob %x+ 6291456\tmodel/fraud.bin\n")
  t:match(tree, "\t.dockerignore\n")
  t:no(tree:find("FraudScore_test", 1, true))
  t:match(git(s, "show", "master:.gitignore"), "model/%*%.bin")
  t:eq(#s:builds("FraudScore"), 3)
  t:eq(s:builds("Forecast")[1].status, "failed")
  local id = s:send("GET", "/v1/algorithms/acme/Notify").doc.id
  t:eq(s:send("GET", "/v1/algorithms/" .. id .. "/secrets").doc.results[1]
    .secret_key, "CHAT_TOKEN")
  local geo = s:send("GET", "/v1/algorithms/acme/Geocode").doc
  t:eq({ geo.source.scm.provider, geo.source.repository_name },
    { "github", "geocode" })
  t:ok(sandboxes.run({ "git", "ls-remote", s:url("acme/Geocode") }) ~= 0)
  t:eq(s:send("POST", "/v1/algo/alice/Hello/latestPrivate", { as = "alice",
    body = "Jane", type = "text/plain" }).doc.result, "hello Jane")
  t:eq(s:send("POST", "/v1/algo/acme/FraudScore/0.1.0", {
    body = doc.version_info.sample_input or "{}", type = "application/json" })
    .doc.metadata.content_type, "json")
end)

test("two clusters of one seed have the same source, other ids", function(t)
  local a = sandboxes.start(t, { seed = "demo" })
  local b = sandboxes.start(t, { seed = "demo-dev" })
  t:eq(git(a, "ls-tree", "-r", "master"), git(b, "ls-tree", "-r", "master"))
  t:eq(git(a, "rev-parse", "master"), git(b, "rev-parse", "master"))
  local p = "/v1/algorithms/acme/FraudScore"
  t:ok(a:send("GET", p).doc.id ~= b:send("GET", p).doc.id)
  t:ok(a:key("acme") ~= b:key("acme"))
  t:eq({ #a:key("acme"), a:key("acme"):sub(1, 3) }, { 28, "sim" })
end)

test("production has one algorithm that was copied by hand", function(t)
  local s = sandboxes.start(t, { seed = "demo-prod" })
  local list = s:send("GET", "/v1/users/acme/algorithms").doc
  t:eq({ #list, list[1].algoname }, { 1, "Tokenize" })
  t:eq(s:environment("PyTorch 1.6"), nil)
  t:ok(s:environment("Python 3.8"))
  local dev = sandboxes.start(t, { seed = "demo" })
  local function tree(of)
    return sandboxes.git("--git-dir=" .. of.dir .. "/git/acme/Tokenize.git",
      "ls-tree", "-r", "master")
  end
  local function without_main(text)
    return (text:gsub("[^\n]*src/Tokenize.py\n", ""))
  end
  t:ok(tree(s) ~= tree(dev))
  t:eq(without_main(tree(s)), without_main(tree(dev)))
end)

test("the state is its owner's only", function(t)
  local s = sandboxes.start(t)
  s:create("Hello")
  local work = s:clone(t, "Hello")
  sandboxes.commit(work, "a", "1")
  sandboxes.push(work)
  t:eq(sandboxes.git("ls-remote", s:url("acme/Hello"), "HEAD"):sub(1, 40),
    sandboxes.git("-C", work, "rev-parse", "HEAD"):sub(1, 40))
  local _, open = sandboxes.run({ "find", s.dir, "-perm", "/077" })
  t:eq(open, "")
  t:eq(fs.stat(s.dir).mode & 511, 448)
  for _, f in ipairs({ "keys.json", "sandbox.json", "archive.json",
    "users/alice.json", "algorithms/acme/Hello/algorithm.json" }) do
    t:eq(fs.stat(s.dir .. "/" .. f).mode & 511, 384, f)
  end
end)

test("development has collections of each kind, and odd names", function(t)
  local s = sandboxes.start(t, { seed = "demo" })
  local function acl(path, as)
    return s:send("GET", "/v1/data/" .. path .. "?acl=true", { as = as })
      .doc.acl.read
  end
  t:eq({ acl("acme/models"), acl("acme/samples"), acl("acme/audit"),
    acl("alice/notes", "alice") },
    { { "algo://.my/*" }, { "user://*" }, {}, {} })
  local names = {}
  for i, f in ipairs(s:send("GET", "/v1/data/acme/models").doc.files) do
    names[i] = f.filename
  end
  t:eq(names, { "fraud-7.bin", "fraud-8.bin", "größe+50%.json",
    "labels 2021.csv" })
end)
