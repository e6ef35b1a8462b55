--- doctor.keys: what a profile's keys are and may do, as far as reading tells.
---
--- Each key is shown to a few lists that only one kind may read. Nothing is
--- asked that gives out keys, and nothing is written: what only a write can
--- tell is said to be so.
local address = require("godwit.cluster.address")
local err = require("godwit.err")
local lists = require("godwit.doctor.list")
local pages = require("godwit.cluster.pages")
local secret = require("godwit.core.secret")
local sys = require("godwit.core.sys")
local task = require("godwit.task")

local M = {}

local NEAR = 3600 -- seconds before a token's end
local MAX_SHOWN = 12

-- What an answer says about a key: "yes", "no" (not permitted), "unknown" (no
-- key of this cluster), "missing" (the cluster has no such list), "trouble".
local function meaning(ok, e)
  if ok then
    return "yes"
  elseif e.code == 2002 then
    return "unknown"
  elseif e.code == 2001 then
    return "no"
  elseif e.status == 401 then
    return "unknown"
  elseif e.status == 403 then
    return "no"
  elseif e.kind == "notfound" or e.status == 501 or e.status == 405
    or e.code == 5005 then
    return "missing"
  end
  return "trouble"
end

---@class godwit.doctor.Answer
---@field means string
---@field doc any
---@field e? table

local function ask(subject, key, path, query)
  local ok, result = lists.try(subject.timeout, function()
    return (subject.driver.rest:send("GET", path, key, { query = query }))
  end)
  return { means = meaning(ok, result), doc = ok and result or nil,
    e = not ok and result or nil }
end

local function ask_all(subject, key, questions)
  local answers, list = {}, {}
  for name, q in pairs(questions) do
    list[#list + 1] = function()
      answers[name] = ask(subject, key, q[1], q[2])
    end
  end
  task.all(list)
  return answers
end

local ONE = { limit = 1 }

local function folders_of(doc)
  local names = {}
  local rows = type(doc) == "table" and doc.folders
  for _, row in ipairs(type(rows) == "table" and rows or {}) do
    if type(row) == "table" and type(row.name) == "string"
      and row.name ~= "" then
      names[#names + 1] = row.name
    end
  end
  return names
end

local function shown(names)
  local some = { table.unpack(names, 1, MAX_SHOWN) }
  local text = table.concat(some, ", ")
  return #names > MAX_SHOWN and ("%s and %d more"):format(text,
    #names - MAX_SHOWN) or text
end

-- What went wrong where neither yes nor no was the answer.
local function trouble(answers)
  for _, name in ipairs({ "data", "scms", "users" }) do
    local a = answers[name]
    if a and a.means == "trouble" then
      return a.e
    end
  end
  return nil
end

local function any(answers, means)
  for _, a in pairs(answers) do
    if a.means == means then
      return true
    end
  end
  return false
end

local function where(subject, field)
  return ("%s of '%s' (%s)"):format(field, subject.profile.name,
    subject.profile.label or "given")
end

local function say_token(list, subject, key, id)
  local ends = secret.expiry(key)
  if not ends then
    if subject.profile.auth_scheme == "Bearer" and id == "key" then
      list:skip("key.token", nil, "when the token ends cannot be told: it is "
        .. "no JWT that says so")
    end
    return
  end
  local left, day = ends - sys.time(), sys.format_time(ends)
  if left <= 0 then
    list:fail(id .. ".token", "get a new one", "the token ended at %s", day)
  elseif left < NEAR then
    list:warn(id .. ".token", "get a new one before longer work",
      "the token ends in %d minutes, at %s", left // 60, day)
  else
    list:ok(id .. ".token", "the token ends at %s", day)
  end
end

-- The standard key ---------------------------------------------------------

local function say_kind(list, subject, answers, field, who)
  local data, users = answers.data.means, answers.users.means
  if data == "yes" then
    list:ok("key", "%s is accepted: %s%s", who, users == "yes"
      and "one key for everything" or "a standard key", users == "missing"
      and " (whether it is an administrator's, too, cannot be told here)"
      or "")
  elseif users == "yes" then
    list:fail("key", ("write it as admin_key, and a standard key as %s")
      :format(field), "%s is an administrator's key: it opens neither "
      .. "algorithms nor Git", who)
  elseif not any(answers, "yes") and not any(answers, "no") then
    local e = trouble(answers)
    if e then
      list:failed("key", e, "try again later", who)
    elseif any(answers, "unknown") then
      list:fail("key", "look whether it is a key of this cluster and was not "
        .. "removed; it is " .. where(subject, field),
        "%s is not accepted", who)
    else
      list:skip("key", nil, "%s: the cluster serves none of what a key could "
        .. "be tried with", who)
    end
    return false
  elseif not any(answers, "yes") then
    list:fail("key", "look whether it is a key of this cluster, and what it "
      .. "may do; it is " .. where(subject, field),
      "%s is refused everything it was tried with", who)
    return false
  else
    list:warn("key", "a key that may read data tells more; an administrator's "
      .. "key belongs into admin_key", "%s is accepted; of which kind it is "
      .. "cannot be told", who)
  end
  return true
end

local function say_data(list, subject, answers, names)
  local data, profile = answers.data, subject.profile
  local told = profile.user or subject.driver.address.user
  if data.means == "yes" then
    list:ok("key.data", "it may read data")
  elseif data.means == "no" or data.means == "unknown" then
    list:warn("key.data", told and "let it read data if data is to be copied"
      or "write its user name into the profile (user = \"NAME\"), or let it "
        .. "read data", "it may not read data%s", told and "" or
      ", so its user name cannot be learned")
  elseif data.means == "trouble" then
    list:failed("key.data", data.e, nil, "whether it may read data")
  end
  if #names > 0 and told and not subject.by_owner then
    local known = false
    for _, name in ipairs(names) do
      known = known or name == told
    end
    if not known then
      list:warn("key.user", "correct user in the profile: Git asks for the "
        .. "name the key belongs to", "its profile says user %s, the key acts "
        .. "for %s", told, names[1])
      return told
    end
  end
  local user = told or names[1]
  if user then
    list:ok("key.user", "it acts for %s", user)
  end
  if #names > 1 then
    list:ok("key.owners", "it sees the owners %s", shown(names))
  end
  return user
end

local function say_scms(list, subject, answers)
  local scms = answers.scms
  if scms.means ~= "yes" and subject.profile.admin_key then
    scms = ask(subject, subject.profile.admin_key, "/v1/scms")
  end
  local ok, rows = pcall(pages.rows, scms.doc, "results", "scms")
  if scms.means ~= "yes" or not ok then
    list:warn("key.scms", "without the list algorithms with their source on "
      .. "an outside host cannot be promoted", "the SCMs cannot be read%s",
      scms.e and ": " .. lists.words(scms.e) or "")
    return
  end
  local names = {}
  for _, scm in ipairs(rows) do
    if type(scm) == "table" and scm.enabled ~= false then
      names[#names + 1] = tostring(scm.name or scm.id or scm.provider)
    end
  end
  list:ok("key.scms", "SCMs: %s", #names > 0 and shown(names) or "none")
end

-- The algorithms of an owner go into `found`, for the look at Git. A key may
-- act for somebody who is no account, an administrator's for one.
local function say_algorithms(list, subject, owner, given, found)
  local ok, rows = lists.try(subject.timeout, function()
    return subject.driver:list_algorithms(owner)
  end)
  if not ok then
    local missing = meaning(false, rows) == "missing"
      or rows.code == 3000 or rows.code == 3100
    if missing and not given then
      list:warn("key.algorithms", "give --owner OWNER of somebody who has "
        .. "algorithms", "%s is no owner of algorithms there", owner)
      return
    end
    list:failed("key.algorithms", rows, missing
      and "correct the owner's name" or "give the key of " .. owner
        .. ", or of a member", "the algorithms of " .. owner)
    return
  end
  list:ok("key.algorithms", "%s has %s", owner,
    lists.count(#rows, "algorithm"))
  for _, row in ipairs(rows) do
    found[#found + 1] = { owner = owner, name = row.algoname or row.name }
  end
end

local function key_for(subject, owner)
  local ok, key = lists.try(subject.timeout, function()
    return subject.driver:key(owner)
  end)
  return ok and key or nil, not ok and key or nil
end

--- Looks at the key for an owner (nil: the profile's own). Returns the
--- algorithms it sees.
---@async
---@param list godwit.doctor.List
---@param subject godwit.doctor.Subject
---@param owner? string
---@return { owner: string, name: string }[]
function M.standard(list, subject, owner)
  local found = {}
  local key, e = key_for(subject, owner)
  local field = subject.profile.auth_scheme == "Bearer" and "bearer_token"
    or "key"
  if not key then
    if subject.by_owner and not owner then
      subject.ownerless = true
      list:skip("key", "give --owner OWNER", "the key is a function of the "
        .. "owner, and there is none without one")
    else
      list:failed("key", e)
    end
    return found
  end
  local who = subject.by_owner and owner and "the key for " .. owner
    or "the key"
  say_token(list, subject, key, "key")
  local answers = ask_all(subject, key, {
    data = { "/v1/data/" }, users = { "/v1/users", ONE },
    scms = { "/v1/scms" },
  })
  if not say_kind(list, subject, answers, field, who) then
    return found
  end
  local names = folders_of(answers.data.doc)
  local user = say_data(list, subject, answers, names)
  say_scms(list, subject, answers)
  if answers.data.means ~= "yes" and answers.users.means == "yes" then
    return found
  end
  local owners = owner and { owner } or subject.owners
  local given = #owners > 0
  if not given then
    owners = #names > 0 and { table.unpack(names, 1, MAX_SHOWN) }
      or { user }
  end
  for _, name in ipairs(owners) do
    say_algorithms(list, subject, name, given, found)
  end
  list:skip("key.writes", "creating needs \"Manage My Algorithms\" and, for "
    .. "an organization, membership", "whether it may create, push and "
    .. "publish algorithms and write data: only trying can tell")
  return found
end

-- The administrator's key ----------------------------------------------------

--- Looks at the administrator's key.
---@async
---@param list godwit.doctor.List
---@param subject godwit.doctor.Subject
function M.admin(list, subject)
  local key = subject.profile.admin_key
  if type(key) == "function" then
    local ok, made = pcall(key, subject.owners[1])
    if not ok or made == nil then
      list:failed("admin", not ok and made or err.new({ kind = "usage",
        message = "admin_key gives no key" }))
      return
    end
    key = made
  end
  say_token(list, subject, key, "admin")
  local answers = ask_all(subject, key, {
    users = { "/v1/users", ONE }, data = { "/v1/data/" },
    organizations = { "/v1/organizations", ONE },
  })
  local users, data = answers.users.means, answers.data.means
  if users == "yes" then
    list:ok("admin", "the administrator's key is accepted%s", data == "yes"
      and "; it opens everything else, too" or "")
  elseif data == "yes" and users ~= "missing" and users ~= "trouble" then
    list:fail("admin", "write an administrator's key as admin_key",
      "admin_key is a standard key: it may not list users")
    return
  elseif users == "missing" then
    list:skip("admin", nil, "whether the administrator's key is accepted "
      .. "cannot be told: the cluster does not serve its list of users")
    return
  elseif users == "trouble" then
    list:failed("admin", answers.users.e, "try again later",
      "the administrator's key")
    return
  elseif users == "no" then
    list:fail("admin", "write an administrator's key as admin_key",
      "admin_key may not list users")
    return
  else
    list:fail("admin", "look whether it is a key of this cluster and was not "
      .. "removed; it is " .. where(subject, "admin_key"),
      "the administrator's key is not accepted")
    return
  end
  local organizations = answers.organizations
  if organizations.means == "yes" then
    list:ok("admin.lists", "it may list users and organizations")
  else
    list:warn("admin.lists", nil, "it may list users; organizations: %s",
      organizations.e and lists.words(organizations.e) or "no answer")
  end
end

--- The path the keys are tried on without one: what answers 401 there is a
--- cluster.
M.PATH = "/v1" .. address.path("data") .. "/"

return M
