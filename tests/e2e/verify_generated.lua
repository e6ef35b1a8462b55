-- Clusters made by numbers, compared with copies of themselves: nothing
-- differs; then one thing is changed, and that one is found and named.
local cli = require("support.cli")
local e2e = require("support.e2e")
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local generate = require("support.generate")
local json = require("godwit.core.json")

local function verify(t, made, copy, words)
  local r = cli.home(t):run({ "verify", "--from", made.box.dir, "--to",
    copy.dir, "--json", table.unpack(words or {}) })
  r.doc = r.out:find("^%s*{") and json.decode(r.out)
  return r
end

local function found(r)
  local list = {}
  for _, item in ipairs(r.doc.items) do
    if item.outcome ~= "equal" then
      for _, d in ipairs(item.differences or {}) do
        list[#list + 1] = item.type .. " " .. item.ref .. ": " .. d.field
      end
      if not item.differences then
        list[#list + 1] = item.outcome .. " " .. item.type .. " " .. item.ref
          .. (item.problems and ": " .. item.problems[1] or "")
      end
    end
  end
  return list
end

local function change(copy, path, fn)
  local file = copy.dir .. "/" .. path
  local doc = e2e.read_json(file)
  fn(doc)
  err.check(fs.write(file, json.encode(doc), 384))
end

local function first(list, test)
  for _, one in ipairs(list) do
    if test(one) then
      return one
    end
  end
end

-- Each changes one thing and says what it is called; nil: there is no such
-- thing in this cluster.
local CHANGES = {
  function(made, copy)
    local user = made.users[1]
    change(copy, "users/" .. user .. ".json", function(doc)
      doc.email = "other." .. doc.email
    end)
    return "user " .. user .. ": email"
  end,
  function(made, copy)
    local org = made.organizations[1]
    local gone
    change(copy, "organizations/" .. org .. ".json", function(doc)
      gone = table.remove(doc.members).username
    end)
    return "organization " .. org .. ": member " .. gone
  end,
  function(made, copy)
    local org = made.organizations[#made.organizations]
    change(copy, "organizations/" .. org .. ".json", function(doc)
      doc.external_member_group = "another"
    end)
    return "organization " .. org .. ": external_member_group"
  end,
  function(made, copy)
    local c = first(made.collections, function(one)
      return first(one.files, function(f) return f.size > 0 end)
    end)
    local file = c and first(c.files, function(f) return f.size > 0 end)
    if not file then
      return nil
    end
    local path = ("%s/data/%s/%s/files/%s"):format(copy.dir, c.owner, c.name,
      file.name)
    local bytes = fs.read(path, 1 << 20)
    err.check(fs.write(path, string.char(bytes:byte(1) ~ 1) .. bytes:sub(2)))
    return ("collection %s/%s: file %s"):format(c.owner, c.name, file.name)
  end,
  function(made, copy)
    local c = made.collections[1]
    change(copy, ("data/%s/%s/collection.json"):format(c.owner, c.name),
      function(doc)
        doc.acl = { read = #c.acl > 0 and json.array({})
          or json.array({ "user://*" }) }
      end)
    return ("collection %s/%s: acl"):format(c.owner, c.name)
  end,
  function(made, copy)
    local a = made.algorithms[1]
    change(copy, ("algorithms/%s/%s/algorithm.json"):format(a.owner, a.name),
      function(doc)
        doc.settings.pipeline_enabled = not doc.settings.pipeline_enabled
      end)
    return "algorithm " .. a.ref .. ": settings.pipeline_enabled"
  end,
  function(made, copy)
    local a = made.algorithms[#made.algorithms]
    copy:commit(a.ref, { { path = "count.txt", data = "!" } })
    copy.open:close()
    copy.open = nil
    return "algorithm " .. a.ref .. ": file count.txt"
  end,
}

for seed = 1, 4 do
  test("cluster " .. seed .. ": a copy is equal, and each change is named",
  function(t)
    local dir = t:tmpdir()
    local made = generate.cluster(dir .. "/dev", "dev", seed)
    local copy = e2e.copy(made.box, dir .. "/prod", "prod")
    copy.scratch = dir
    local r = verify(t, made, copy)
    t:eq(found(r), {}, r.all)
    t:eq(r.code, 0, r.all)
    t:eq(r.doc.counts.equal, #made.users + #made.organizations
      + #made.collections + #made.algorithms)
    local expected = {}
    for _, fn in ipairs(CHANGES) do
      expected[#expected + 1] = fn(made, copy)
    end
    r = verify(t, made, copy)
    local list = {}
    for _, text in ipairs(found(r)) do
      -- Nothing says any more what the copy was made from.
      if not text:find("promoted commit", 1, true)
        and not text:find("published version", 1, true) then
        list[#list + 1] = text
      end
    end
    table.sort(list)
    table.sort(expected)
    t:eq(list, expected)
    t:eq(r.code, 7)
  end)
end

test("the same number makes the same cluster, another one another",
function(t)
  local a, b = generate.random(3), generate.random(3)
  t:eq(a:bytes(100), b:bytes(100))
  t:no(generate.random(4):bytes(100) == generate.random(3):bytes(100))
end)
