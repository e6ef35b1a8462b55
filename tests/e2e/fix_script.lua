--- The script of whoever is on call, as it stands in the sketch of what scripts
--- see: forty algorithms, seen first, then allowed, then nothing to do.
local cli = require("support.cli")
local fs = require("godwit.core.fs")
local json = require("godwit.core.json")

local FIX = [[
local dev = godwit.cluster "dev"
task.each(dev.algorithms:each { owner = "acme", name = "Fraud*" }, function(a)
  local commit = a:edit("Cap numpy below 2", function(tree)
    local req = tree:try_read "requirements.txt"
    if req then tree:write("requirements.txt", (req:gsub("numpy%s*\n", "numpy<2\n"))) end
  end)
  if commit then
    a:wait_build(commit)
    a:publish { step = "revision" }
  end
  log.info("%s: %s", a.ref, commit or "nothing to do")
end, { jobs = 8, keep_going = true })
]]

-- Of every four: two name numpy, one caps it already, one has no such file.
local MAKE = [[
local dev = godwit.cluster "dev"
local names = {}
for i = 1, 40 do names[i] = ("Fraud%02d"):format(i) end
task.each(names, function(name)
  local n = tonumber(name:match "%d+") % 4
  local a = dev.algorithms:create { owner = "acme", name = name,
    details = { summary = name, label = name },
    settings = { source_visibility = "closed", license = "apl",
      network_access = "isolated", pipeline_enabled = true,
      algorithm_environment = dev.environments:get("Python 3.8").id } }
  local commit = a:edit("Begin", function(tree)
    if n == 0 then tree:remove "requirements.txt"
    else
      tree:write("requirements.txt", "algorithmia>=1.0.0\n"
        .. (n == 1 and "numpy<2\n" or "numpy \n"))
    end
    tree:write("README.md", name .. "\n")
  end)
  a:wait_build(commit)
end, { jobs = 6 })
]]

local function key_of(home, owner)
  local text = fs.read(home.dir
    .. "/.local/state/godwit/sandboxes/dev/keys.json", 1 << 20)
  for _, account in ipairs(json.decode(text).accounts) do
    if account.username == owner then
      return account.key
    end
  end
end

local function count(text, pattern)
  return select(2, text:gsub(pattern, ""))
end

-- Several at once: the order is nobody's promise.
local function sorted(text)
  local lines = {}
  for line in text:gmatch("[^\n]+") do
    lines[#lines + 1] = line
  end
  table.sort(lines)
  return lines
end

test("fix.lua of forty algorithms", function(t)
  local home = cli.home(t)
  local api = home:sandbox(t, "dev", "demo-dev", { "--build-seconds", "0" })
  home:config(("return { clusters = { dev = { api = %q, key = %q } } }"):format(
    api, key_of(home, "acme")))
  home:write("work/make.lua", MAKE)
  home:write("work/fix.lua", FIX)
  home:expect(0, { "run", "make.lua", "--allow-write", "dev" })
  -- The demo has a FraudScore of its own.
  local all = json.decode(home:expect(0, { "-q", "eval", [[
    local n = 0
    for a in godwit.cluster "dev".algorithms:each { owner = "acme",
      name = "Fraud*" } do n = n + 1 end
    return n]] }).out)
  t:eq(all, 41)

  local plan = home:expect(0, { "run", "-n", "fix.lua" })
  t:eq(count(plan.err, "acme/Fraud%w+: %x+\n"), 20, plan.all)
  t:eq(count(plan.err, "acme/Fraud%w+: nothing to do\n"), 21, plan.all)
  t:eq(count(plan.out, "git%.push dev:acme/Fraud"), 20, plan.all)
  t:eq(count(plan.out, "algorithm%.publish dev:acme/Fraud"), 20, plan.all)
  t:eq(sorted(home:expect(0, { "run", "-n", "fix.lua" }).out),
    sorted(plan.out))

  local denied = home:expect(9, { "run", "fix.lua" })
  t:match(denied.err, "fix%.lua:3: .-add %-%-allow%-write dev")
  t:match(denied.err, "\n  > 3 |   local commit = a:edit")
  t:match(denied.err, "\n  called by task%.each at fix%.lua:2\n")

  local done = home:expect(0, { "run", "fix.lua", "--allow-write", "dev" })
  t:eq(count(done.err, "acme/Fraud%w+: %x+\n"), 20, done.all)
  t:eq(count(done.err, "acme/Fraud%w+: nothing to do\n"), 21, done.all)

  local again = home:expect(0, { "run", "fix.lua", "--allow-write", "dev" })
  t:eq(count(again.err, "acme/Fraud%w+: nothing to do\n"), 41, again.all)

  -- What was said is what is there: the plan's commits, published once.
  local found = json.decode(home:expect(0, { "-q", "eval", [[
    local found = {}
    for a in godwit.cluster "dev".algorithms:each { owner = "acme",
      name = "Fraud*" } do
      local n = 0
      for v in a:versions { published = true } do n = n + 1 end
      found[a.ref] = { commit = a:commit(), versions = n,
        text = a:tree():try_read "requirements.txt" or "none" }
    end
    return found]] }).out)
  for ref, commit in done.err:gmatch("(acme/Fraud%w+): (%x+)\n") do
    t:eq(found[ref], { commit = commit, versions = 1,
      text = "algorithmia>=1.0.0\nnumpy<2\n" }, ref)
    t:ok(plan.err:find(ref .. ": " .. commit, 1, true), ref)
  end
  t:eq(found["acme/Fraud04"].text, "none")
  t:eq(found["acme/Fraud01"].versions, 0)
end)
