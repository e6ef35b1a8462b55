-- A script that fixes many algorithms: seen first, then allowed, then run
-- again with nothing to do.
local cli = require("support.cli")
local json = require("godwit.core.json")

local FIX = [[
local dev = godwit.cluster "sandbox:dev"
task.each(dev.algorithms:each { owner = "acme", name = "F*" }, function(a)
  local commit = a:edit("Cap numpy below 2", function(tree)
    local req = tree:try_read "requirements.txt"
    if req and not req:find("numpy<2", 1, true) then
      tree:write("requirements.txt", req .. "numpy<2\n")
    end
    tree:remove ".sandbox-build-fails"
    local now = tree:read "requirements.txt"
    tree:write("requirements.txt", (now:gsub("sandbox%-build%-fails\n", "")))
  end)
  if commit then
    a:wait_build(commit)
    a:publish { step = "revision" }
  end
  log.info("%s: %s", a.ref, commit and "changed" or "nothing to do")
end, { jobs = 8, keep_going = true })
]]

local function lines(text, pattern)
  local n = 0
  for _ in text:gmatch(pattern) do
    n = n + 1
  end
  return n
end

local function commits(text)
  local found = {}
  for commit in text:gmatch('commit: "(%x+)"') do
    found[#found + 1] = commit
  end
  table.sort(found)
  return found
end

test("a fix of many algorithms", function(t)
  local home = cli.home(t)
  home:sandbox(t, "dev", "demo", { "--build-seconds", "0" })
  home:write("work/fix.lua", FIX)

  local plan = home:expect(0, { "run", "-n", "./fix.lua" })
  local n = lines(plan.err, "acme/F%w+: changed")
  t:ok(n >= 2, plan.all)
  t:eq(lines(plan.out, "git%.push sandbox:dev:acme/F"), n, plan.all)

  -- The plan wrote nothing, so it says the same again.
  local same = home:expect(0, { "run", "-n", "./fix.lua" })
  t:eq(commits(same.out), commits(plan.out))

  local denied = home:expect(9, { "run", "./fix.lua" })
  t:match(denied.err, "%-%-allow%-write sandbox:dev")

  local done = home:expect(0, { "run", "./fix.lua", "--allow-write",
    "sandbox:dev" })
  t:eq(lines(done.err, "acme/F%w+: changed"), n, done.all)

  local again = home:expect(0, { "run", "./fix.lua", "--allow-write",
    "sandbox:dev" })
  t:eq(lines(again.err, "acme/F%w+: nothing to do"), n, again.all)
end)

test("deciding by what is not known raises with the script's line",
  function(t)
    local home = cli.home(t)
    home:sandbox(t, "dev", "demo", { "--build-seconds", "0" })
    home:write("work/decide.lua", [[
local a = godwit.cluster("sandbox:dev").algorithms:get "acme/Forecast"
local answer = a:call "x"
if answer > 1 then a:publish() end
]])
    local r = home:run({ "run", "-n", "./decide.lua" })
    t:ok(r.code ~= 0)
    t:match(r.err, "known after apply")
    t:match(r.err, "decide%.lua:3")
  end)

local TIDY = [[
local dev = godwit.cluster "sandbox:dev"
local made, how = dev.data:ensure { owner = "acme", name = "reports",
  acl = "private" }
made:write("größe+50%.txt", "first")
for c in dev.data:each { owner = "acme" } do
  local n = 0
  for f in c:files() do n = n + #c:read(f.name) end
  print(c.ref, c:get().acl[1] or "private", n)
end
local models = dev.data:get "acme/models"
for f in models:files { name = "*7.bin" } do
  print(f.name, models:remove(f.name), models:head(f.name))
end
print(how, models:set_acl "public", models:set_acl { "user://*" })
]]

local TOLD = [[
acme/audit	private	18
acme/models	algo://.my/*	131115
acme/reports	private	5
acme/samples	user://*	45
fraud-7.bin	true	nil
created	updated	unchanged
]]

-- Whatever order the cluster lists them in.
local function told(text)
  local list = {}
  for line in text:gmatch("[^\n]*\t[^\n]*") do list[#list + 1] = line end
  table.sort(list)
  return table.concat(list, "\n")
end

test("collections and files: planned as they are then done", function(t)
  local home = cli.home(t)
  home:sandbox(t, "dev", "demo")
  home:write("work/tidy.lua", TIDY)
  local plan = home:expect(0, { "run", "-n", "./tidy.lua" })
  t:eq(told(plan.out), told(TOLD))
  for _, line in ipairs({ "data%.create sandbox:dev:data/acme/reports",
    "data%.put sandbox:dev:data/acme/reports/größe%+50%%%.txt",
    "data%.delete sandbox:dev:data/acme/models/fraud%-7%.bin",
    "data%.acl sandbox:dev:data/acme/models" }) do
    t:match(plan.out, line)
  end
  t:eq(told(home:expect(0, { "run", "-n", "./tidy.lua" }).out), told(TOLD))
  local denied = home:expect(9, { "run", "./tidy.lua" })
  t:match(denied.err, "%-%-allow%-write sandbox:dev")
  local done = home:expect(0, { "run", "./tidy.lua", "--allow-write",
    "sandbox:dev" })
  t:eq(told(done.out), told(TOLD))
end)

test("a workflow that lists no items says what it writes all the same",
  function(t)
    local home = cli.home(t)
    home:sandbox(t, "dev", "demo")
    home:write("work/label.lua", [[return {
      params = { on = "cluster", owner = "string" },
      run = function(cx)
        for a in cx.params.on.algorithms:each { owner = cx.params.owner } do
          a:update { details = { tagline = "ours" } }
        end
      end,
    }]])
    local words = { "run", "./label.lua", "--on", "sandbox:dev", "--owner",
      "alice" }
    local function go(...)
      local argv = table.move(words, 1, #words, 1, {})
      table.move({ ... }, 1, select("#", ...), #argv + 1, argv)
      return home:expect(0, argv)
    end
    local plan = go("-n").out
    t:match(plan, "^algorithm%.update sandbox:dev:alice/Hello\n"
      .. "  details%.tagline: .*\"ours\"\n")
    t:match(plan, "\nPlan, nothing was written: 1 write%.\n$")
    local doc = json.decode(go("-n", "--json").out)
    t:eq(doc.planned[1], "algorithm.update sandbox:dev:alice/Hello")
    t:eq(doc.writes, 1)
    t:eq(go().out, "1 write.\n")
    t:eq(go().out, "nothing to do.\n")
    t:eq(go("-n").out, "Plan, nothing was written: nothing to do.\n")
  end)
