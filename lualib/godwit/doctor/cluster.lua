--- doctor.cluster: everything about one cluster, in order; what needs an
--- answer of the cluster is left out when there is none.
local api_error = require("godwit.cluster.api_error")
local cluster = require("godwit.cluster")
local connection = require("godwit.doctor.connection")
local json = require("godwit.core.json")
local keys = require("godwit.doctor.keys")
local lists = require("godwit.doctor.list")
local repositories = require("godwit.doctor.repositories")
local task = require("godwit.task")
local url = require("godwit.core.http").url

local M = {}

---@class godwit.doctor.Subject
---@field name string
---@field profile table
---@field driver? table Once it is open.
---@field timeout number Seconds for each look.
---@field owners string[] Given with --owner.
---@field by_owner boolean Its key is a function of the owner.
---@field ownerless? boolean There is no key without an owner, and none was given.

local function target_of(subject, base, prefix)
  local driver = subject.driver
  return { url = base, profile = subject.profile, timeout = subject.timeout,
    limiter = driver.limiter, prefix = prefix }
end

local function is_html(response)
  return response.body:find("^%s*<") ~= nil
end

local NOT_THERE = "give the API's address: https://api.DOMAIN"

-- Whether who answers is a cluster: without a key it says so in JSON.
local function say_api(list, target, r)
  local status, where = r.status, target.url
  local doc = json.decode(r.body, { max = 1 << 20, depth = 100 })
  local problem = type(doc) == "table" and api_error.find(status, doc)
  if status >= 300 and status < 400 then
    local there = url.resolve(where, r.headers.location or "")
    local parts = there and url.parse(there)
    list:fail("api", parts and "give " .. parts.origin .. " as its api, if "
      .. "you know it" or NOT_THERE, "it points elsewhere instead of "
      .. "answering%s", parts and ": to " .. parts.origin or "")
  elseif is_html(r) then
    local check = list:fail("api", status >= 500 and "ask who runs it"
      or NOT_THERE, status >= 500 and "it answers %d with a web page: it, or "
      .. "a proxy before it, is failing" or "a web page is there (%d), not an "
      .. "Algorithmia API", status)
    check.temporary = status >= 500 or nil
  elseif status == 401 or status == 403 or status >= 200 and status < 300
    and type(doc) == "table" and not problem then
    list:ok("api", "an Algorithmia API answers")
    return true
  elseif status == 404 then
    list:fail("api", NOT_THERE, "there is no /v1 at this address (404): it is "
      .. "no Algorithmia API")
  elseif status == 429 or status >= 500 then
    list:fail("api", "try again later", "the API is busy or failing: it "
      .. "answers %d%s", status, problem and ", " .. problem.message or "")
      .temporary = true
  else
    list:fail("api", NOT_THERE, "it does not answer as an Algorithmia API "
      .. "does (%d)", status)
  end
  return false
end

local function look_at_api(list, subject)
  local target = target_of(subject, subject.driver.address.api .. keys.PATH,
    "")
  local response = connection.look(list, target)
  return response ~= nil and say_api(list, target, response)
end

-- Git often has a host of its own.
local function look_at_git(list, subject)
  local where = subject.driver.address
  local base = url.parse(where.git)
  if base.origin == where.origin then
    return true
  end
  return connection.look(list, target_of(subject, where.git .. "/", "git."))
    ~= nil
end

local function say_profile(list, subject)
  local p = subject.profile
  list:ok("profile", "%s, from %s%s", p.api, p.label or "what was given",
    p.protected and "; protected" or "")
  if p.key == nil and not subject.without_keys then
    list[p.admin_key and "warn" or "fail"](list, "key", "give its profile a "
      .. "key, as in key = env \"KEY\"", "there is no standard key: neither "
      .. "algorithms nor Git can be reached")
  end
end

-- Returns the algorithms the keys see.
local function look_at_keys(list, subject)
  local sections, work, found = {}, {}, {}
  local function add(fn)
    local at = lists.new()
    sections[#sections + 1] = at
    work[#work + 1] = function()
      fn(at)
    end
  end
  local owners = subject.by_owner and #subject.owners > 0 and subject.owners
    or { false }
  for i, owner in ipairs(subject.profile.key ~= nil and owners or {}) do
    add(function(at)
      found[i] = keys.standard(at, subject, owner or nil)
    end)
  end
  if subject.profile.admin_key ~= nil then
    add(function(at)
      keys.admin(at, subject)
    end)
  end
  task.all(work)
  local algorithms = {}
  for i, at in ipairs(sections) do
    list:append(at)
    local some = found[i] or {}
    table.move(some, 1, #some, #algorithms + 1, algorithms)
  end
  return algorithms
end

--- Looks at a live cluster. Sets `subject.driver`, and `subject.reached` when
--- it answers.
---@async
---@param list godwit.doctor.List
---@param subject godwit.doctor.Subject
function M.look(list, subject)
  say_profile(list, subject)
  subject.driver = cluster.open(subject.profile)
  subject.by_owner = type(subject.profile.key) == "function"
  local git, there, has_git = lists.new("Git: "), nil, nil
  task.all({
    function()
      there = look_at_api(list, subject)
    end,
    function()
      has_git = look_at_git(git, subject)
    end,
  })
  list:append(git)
  subject.reached = there
  if not there then
    list:skip("keys", nil, "keys and repositories were not looked at: no API "
      .. "answers")
    return
  end
  if subject.profile.key ~= nil or subject.profile.admin_key ~= nil then
    repositories.look(list, subject, look_at_keys(list, subject), has_git)
  end
end

return M
