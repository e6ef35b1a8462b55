-- 100,000 members: both lists are read once, page by page, and only who is
-- missing is added. The clusters are generated, so that the tests are quick.
local cli = require("support.cli")
local fs = require("godwit.core.fs")
local json = require("godwit.core.json")
local odd = require("support.oddcluster")
local sys = require("godwit.core.sys")
local task = require("godwit.task")

-- Fewer under checkers, where also memory says nothing.
local FEWER = sys.env("GODWIT_TEST_FLEET") ~= nil
local MANY, MISSING, PAGE = FEWER and 10000 or 100000, 50, 100

local function name(i)
  return ("user%06d"):format(i)
end

-- A page of rows, of which `row(i)` gives the text or nil; the marker is the
-- number of the next one.
local function page(req, row)
  local first = tonumber((req.query or ""):match("marker=(%d+)") or 1)
  local rows, i = {}, first
  while i <= MANY and #rows < PAGE do
    rows[#rows + 1] = row(i)
    i = i + 1
  end
  return { body = ('{"results":[%s],"marker":%s}'):format(
    table.concat(rows, ","), i <= MANY and ('"%d"'):format(i) or "null") }
end

local function user(i)
  return ('{"username":"%s","email":"%s@example.com","fullname":"U"}'):format(
    name(i), name(i))
end

local ORG = { org_name = "big", org_label = "Big", org_contact_name = "C",
  org_email = "big@example.com" }

-- A cluster with all users; members are those that `is_member` says.
local function crowd(t, is_member)
  local added = {}
  local server
  server = odd.start(t, {
    ["GET /v1/users"] = function(req) return page(req, user) end,
    ["GET /v1/organizations"] = { json = { results = { ORG } } },
    ["GET /v1/organizations/big"] = { json = ORG },
    ["GET /v1/organization/types"] = { json = json.array({}) },
    ["GET /v1/organizations/big/members"] = function(req)
      return page(req, function(i)
        return (is_member(i) or added[name(i)])
          and ('{"username":"%s","role":"%s"}'):format(name(i),
            i == 1 and "owner" or "member") or nil
      end)
    end,
    ["*"] = function(req)
      local who = req.method == "PUT" and req.path:match("/members/(%w+)$")
      if who then
        added[who] = true
        return { status = 201 }
      end
    end,
  })
  return server, added
end

local function count(t)
  local n = 0
  for _ in pairs(t) do n = n + 1 end
  return n
end

-- The most memory a process has had, in MiB; nil when it has ended.
local function peak(pid)
  local text = fs.read(("/proc/%d/status"):format(pid), 1 << 16) or ""
  local kib = tonumber(text:match("VmHWM:%s*(%d+)"))
  return kib and kib / 1024
end

-- Runs the program; its result, and how much memory it took at most.
local function run(home, argv)
  local p, result, most = home:start(argv), {}, 0
  local function all(read)
    local parts = {}
    for chunk in read do parts[#parts + 1] = chunk end
    return table.concat(parts)
  end
  task.all {
    function() result.out = all(function() return p:read() end) end,
    function() result.err = all(function() return p:read_err() end) end,
    function()
      while not result.out do
        most = math.max(most, peak(p.pid) or 0)
        task.sleep(0.05)
      end
    end,
  }
  result.code = p:wait()
  return result, most
end

test("only who is missing is added, in one pass", function(t)
  local all = function() return true end
  local from = crowd(t, all)
  local to, added = crowd(t, function(i) return i % (MANY // MISSING) ~= 7 end)
  local home = cli.home(t)
  home:config(([[
return { clusters = {
  dev = { api = %q, admin_key = "simAdmin00000000000000000001" },
  prod = { api = %q, admin_key = "simAdmin00000000000000000002" },
} }]]):format(from.url, to.url))
  local r, most = run(home, { "migrate-organizations", "big", "--from", "dev",
    "--to", "prod", "--json" })
  t:eq(r.code, 0, r.err)
  local big = json.decode(r.out).items[1]
  t:eq(big.outcome, "updated")
  t:match(big.steps[1].text, "^50 members: user000007, .* and 40 more$")
  t:eq(count(added), MISSING)
  t:ok(#from.requests <= MANY // PAGE + 10, #from.requests)
  t:ok(#to.requests <= 2 * (MANY // PAGE) + MISSING + 20, #to.requests)
  t:ok(FEWER or most < 160, most)
end)
