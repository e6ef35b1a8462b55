-- `godwit sandbox`, the program itself, with plain git and curl.
local cli = require("support.cli")
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local json = require("godwit.core.json")
local process = require("godwit.core.process")
local sandboxes = require("support.sandboxes")
local sys = require("godwit.core.sys")

--- Starts one; returns the process and a client of it.
local function start(t, dir, ...)
  local argv = { cli.program(), "sandbox", "--dir",
    dir, "--json", ... }
  local p = err.check(process.start({ argv = argv, stdout = true,
    env = { PATH = sys.env("PATH"), HOME = dir .. ".home" } }))
  t:defer(function() p:close() end)
  local text = ""
  while not json.decode(text, {}) do
    text = text .. assert(p:read(), "the sandbox ended: " .. text)
  end
  return p, sandboxes.at(dir, json.decode(text, {}).api)
end

test("it serves, stops cleanly and comes back where it was", function(t)
  local dir = t:tmpdir() .. "/box"
  local p, s = start(t, dir, "--seed", "demo-dev")
  local work = s:clone(t, "FraudScore")
  t:eq(fs.stat(work .. "/model/fraud.bin").size, 6 << 20)
  local sha = sandboxes.commit(work, "x", "1")
  local code, out = sandboxes.push(work)
  t:eq(code, 0)
  t:match(out, "Build successful for algo://acme/FraudScore/" .. sha)
  local _, who = sandboxes.run({ "curl", "-s", "--max-time", "20", "-H",
    "Authorization: Simple " .. s:key("alice"), s.api .. "/v1/data/" })
  t:eq(json.decode(who, {}), { folders = { { name = "alice" },
    { name = "acme" } } })
  p:kill(15)
  t:eq(p:wait(), 143)
  t:eq(json.decode(fs.read(dir .. "/sandbox.json"), {}).pid, nil)
  local again, s2 = start(t, dir)
  t:eq(s2.api, s.api)
  t:eq(s2:builds("FraudScore")[1].commit_sha, sha)
  again:kill(9)
  again:wait()
  local _, s3 = start(t, dir)
  t:eq(s3.api, s.api)
end)

test("a push that is waiting when it stops is answered", function(t)
  local dir = t:tmpdir() .. "/box"
  local p, s = start(t, dir, "--seed", "empty", "--build-seconds", "60")
  s:create("Hello")
  local work = s:clone(t, "Hello")
  sandboxes.commit(work, "x", "1")
  local task = require("godwit.task")
  local code, out
  local pushing = task.spawn(function() code, out = sandboxes.push(work) end)
  repeat task.sleep(0.05) until #s:builds("Hello") == 1
  p:kill(2)
  task.join(pushing)
  t:eq(code, 0)
  t:match(out, "Build successful")
  t:eq(p:wait(), 130)
end)

test("what cannot be served is one sentence and a code", function(t)
  local home = cli.home(t)
  local dir = t:tmpdir() .. "/box"
  local _, s = start(t, dir, "--seed", "empty")
  local port = s.api:match("%d+$")
  local r = home:expect(11, { "sandbox", "--dir", dir })
  t:match(r.err, "in use by another")
  r = home:run({ "sandbox", "--dir", dir .. "2", "--seed", "empty",
    "--listen", "127.0.0.1:" .. port })
  t:ok(r.code ~= 0)
  t:match(r.err, "127%.0%.0%.1:" .. port .. " is taken; choose another")
  t:no(r.err:find("traceback", 1, true))
  r = home:expect(2, { "sandbox", "--dir", dir .. "3", "--seed", "empty",
    "--listen", "nonsense" })
  t:match(r.err, "ADDRESS:PORT")
  fs.mkdir(dir .. "4", 448)
  fs.write(dir .. "4/mine", "x", 384)
  r = home:run({ "sandbox", "--dir", dir .. "4" })
  t:match(r.err, "not empty")
end)

test("it says what it is reached by", function(t)
  local home = cli.home(t)
  for words, name in pairs({ ["--name trial"] = "trial",
    ["--dir ./box"] = "./box" }) do
    local argv = { cli.program(), "sandbox", "--seed", "empty" }
    for word in words:gmatch("%S+") do
      argv[#argv + 1] = word
    end
    local p = err.check(process.start({ argv = argv, stdout = true,
      cwd = home.dir, env = { PATH = sys.env("PATH"), HOME = home.dir } }))
    t:defer(function() p:close() end)
    local text = ""
    while not text:find("\n") do
      text = text .. assert(p:read(), "the sandbox ended: " .. text)
    end
    t:eq(text:match("^(%S+) is ready at http://"), name)
  end
end)
