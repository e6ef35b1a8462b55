-- Promotions into and out of a folder, no server on that side.
local cli = require("support.cli")
local git = require("godwit.cluster.platform.git")
local json = require("godwit.core.json")
local sandbox = require("godwit.sandbox")
local sandboxes = require("support.sandboxes")

local function tree(dir, owner)
  return sandboxes.git("--git-dir=" .. dir .. "/git/" .. owner
    .. "/FraudScore.git", "ls-tree", "-r", "master")
end

test("a cluster to a folder, and from there to another owner", function(t)
  local dev = sandboxes.start(t, { seed = "demo" })
  local shelf = t:tmpdir() .. "/shelf"
  sandbox.create({ dir = shelf, seed = "empty" })
  local home = cli.home(t)
  local function promote(from, to, ...)
    return home:expect(0, { "promote", "acme/FraudScore", "--from", from,
      "--to", to, "-y", "--json", ... })
  end
  local first = promote("sandbox:" .. dev.dir, shelf).out
  t:match(first, '"created"')
  t:ok(json.decode(first, {}))
  local function without_conf(s)
    return (s:gsub("[^\n]*algorithmia.conf\n", ""))
  end
  t:eq(without_conf(tree(shelf, "acme")), without_conf(tree(dev.dir, "acme")))
  local head = git.head(shelf .. "/git/acme/FraudScore.git")
  t:match(promote("sandbox:" .. dev.dir, shelf).out, '"unchanged"')
  t:eq(git.head(shelf .. "/git/acme/FraudScore.git"), head)
  t:match(promote(shelf, "sandbox:" .. dev.dir, "--to-owner", "labs").out,
    '"created"')
  t:eq(without_conf(tree(dev.dir, "labs")),
    without_conf(tree(dev.dir, "acme")))
  t:match(dev:send("GET", "/v1/algorithms/labs/FraudScore", { as = "labs" })
    .doc.version_info.semantic_version, "^0%.1%.0$")
end)

test("a folder that is being served is not written past its server",
  function(t)
    local dev = sandboxes.start(t, { seed = "demo" })
    local busy = sandboxes.start(t)
    local home = cli.home(t)
    local r = home:run({ "promote", "acme/FraudScore", "--from",
      "sandbox:" .. dev.dir, "--to", busy.dir, "-y" })
    t:ok(r.code ~= 0)
    t:match(r.all, "in use by another")
    t:eq(#busy:send("GET", "/v1/users/acme/algorithms").doc, 0)
  end)
