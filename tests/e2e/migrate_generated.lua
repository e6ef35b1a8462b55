-- Generated clusters (sizes, odd names, all field combinations): everything
-- moves, and verify finds nothing beyond what cannot move. Then one thing is
-- changed, and found by its name.
local cluster = require("godwit.cluster")
local e2e = require("support.e2e")
local generate = require("support.generate")
local json = require("godwit.core.json")
local sandbox = require("godwit.sandbox")
local sys = require("godwit.core.sys")
local task = require("godwit.task")

local SEEDS = tonumber(sys.env("GODWIT_TEST_CLUSTERS") or 5) or 5

local function run(w, ...)
  local r = w:run({ ... })
  r.items = r.doc and r.doc.items or {}
  return r
end

-- From one generated cluster to an empty one, both served.
local function world(t, seed)
  local dir = t:tmpdir()
  local made = generate.cluster(dir .. "/one", "one", seed)
  local empty = generate.empty(dir .. "/two", "two")
  return made, empty
end

-- What verify says differs: "user alice: email", or "extra member" and so on.
local function differences(w, from, to)
  local r = run(w, "verify", "--from", from, "--to", to, "--json")
  local list = {}
  for _, item in ipairs(r.items) do
    if item.outcome ~= "equal" then
      for _, d in ipairs(item.differences or {}) do
        list[#list + 1] = ("%s %s: %s"):format(item.type, item.ref, d.field)
      end
      if #(item.differences or {}) == 0 then
        list[#list + 1] = ("%s %s %s"):format(item.outcome, item.type,
          item.ref)
      end
    end
  end
  return list, r
end

local function first(list, test)
  for _, one in ipairs(list) do
    if test(one) then
      return one
    end
  end
  return error("the generated cluster has no such thing", 0)
end

-- One change of each kind at the destination, and what it has to be called. A
-- cluster that has no such thing gets the next one.
local CHANGES = {
  function(made, driver) -- a flipped byte
    local file
    local c = first(made.collections, function(one)
      for _, f in ipairs(one.files) do
        file = file or f.size > 0 and f or nil
      end
      return file
    end)
    local bytes = driver:read_file(c.owner, c.name, file.name, {})
    driver:write_file(c.owner, c.name, file.name,
      string.char(bytes:byte(1) ~ 1) .. bytes:sub(2))
    return ("collection %s/%s: file %s"):format(c.owner, c.name, file.name)
  end,
  function(made, driver) -- an ACL
    local c = made.collections[1]
    local doc = driver:try_get_collection(c.owner, c.name)
    driver:set_acl(c.owner, c.name, #doc.acl == 0 and json.array({ "user://*" })
      or json.array({}))
    return ("collection %s/%s: acl"):format(c.owner, c.name)
  end,
  function(made, driver, source) -- a field of a user
    local name = first(made.users, function(one)
      return source:try_get_user(one).fullname
    end)
    driver:update_user(name, { fullname = "Somebody Else" })
    return "user " .. name .. ": fullname"
  end,
  function(made, driver) -- a member
    local org, who
    first(made.organizations, function(name)
      for m in driver:each_member(name) do
        if m.role == "member" then
          org, who = name, m.username
          return true
        end
      end
    end)
    driver:remove_member(org, who)
    return "organization " .. org .. ": member " .. who
  end,
  function(made, driver) -- a flag of an algorithm
    local a = made.algorithms[1]
    local doc = driver:get_algorithm(a.owner, a.name)
    driver:update_algorithm(a.owner, a.name, { settings = {
      pipeline_enabled = not doc.settings.pipeline_enabled } })
    return "algorithm " .. a.ref .. ": settings.pipeline_enabled"
  end,
}

local function change(t, seed, made, driver, source)
  for i = 0, #CHANGES - 1 do
    local ok, what = pcall(CHANGES[(seed - 1 + i) % #CHANGES + 1], made, driver,
      source)
    if ok then
      return what
    end
    t:match(tostring(what), "no such thing")
  end
  error("there is nothing to change")
end

for seed = 1, SEEDS do
  test(("generated cluster %d moves, and verify agrees"):format(seed),
    function(t)
      local w = e2e.world(t, function() end)
      local made, empty = world(t, seed)
      made.box:start()
      t:defer(function() made.box:stop() end)
      empty:start()
      t:defer(function() empty:stop() end)
      local from, to = "sandbox:" .. made.box.dir, "sandbox:" .. empty.dir
      local r = run(w, "migrate-cluster", "--from", from, "--to", to, "--json",
        "--without-secrets", "--issue-keys", w.home .. "/two.keys")
      for _, item in ipairs(r.items) do
        t:eq(item.outcome, "created", ("%s %s: %s"):format(item.type,
          item.ref, tostring(item.why)))
      end
      local list, v = differences(w, from, to)
      t:eq(list, {})
      t:eq(v.code, 0)

      local driver = cluster.open(sandbox.load_profile(empty.dir))
      -- A change in the very second of our copy is not seen by size and time.
      task.sleep(1.2)
      local what = change(t, seed, made, driver,
        cluster.open(sandbox.load_profile(made.box.dir)))
      list, v = differences(w, from, to)
      t:eq(v.code, 7)
      t:eq(list, { what })

      -- And mended, or said: nothing is made twice.
      r = run(w, "migrate-cluster", "--from", from, "--to", to, "--json",
        "--without-secrets", "--update", "--update-settings", "--publish",
        "major", "--issue-keys", w.home .. "/two.keys")
      for _, item in ipairs(r.items) do
        t:ok(item.outcome == "unchanged" or item.outcome == "updated",
          item.ref .. " " .. item.outcome .. " " .. tostring(item.why))
      end
      t:eq(differences(w, from, to), {})
    end, 120)
end
