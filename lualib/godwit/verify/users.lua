--- users: the accounts of two places, each with who it should be there by the
--- map of people. Passwords, keys and sign-on are nobody's to compare.

local account_docs = require("godwit.cluster.account_docs")
local accounts = require("godwit.cluster.accounts")

local M = {}

local KIND = accounts.KINDS.users

-- Of the destination's users only what is compared is kept.
local function brief(doc)
  local out = { email = account_docs.value(doc, "email") }
  for _, field in ipairs(account_docs.USER_FIELDS) do
    out[field] = account_docs.value(doc, field)
  end
  return out
end

-- All of them at once: a request for each would be a hundred times as many.
local function everybody(v)
  local known = {}
  for doc in v.to:each_user() do
    local name = accounts.name(KIND, doc)
    if name then
      known[name] = brief(doc)
    end
  end
  return known
end

-- Those of whom things are compared: organizations may be among the names.
local function named(v)
  local list = {}
  for _, owner in ipairs(v.owners) do
    list[#list + 1] = v.from:try_get_user(owner)
  end
  return list
end

local function source_users(v)
  if #v.owners > 0 then
    return named(v)
  end
  local list = {}
  for doc in v.from:each_user() do
    if accounts.name(KIND, doc) then
      list[#list + 1] = doc
    end
  end
  return list
end

-- One that has no full name is called by the user name there.
local function compare_name(item, person, there)
  local wanted = person.fullname
  if wanted or there.fullname ~= person.username then
    item:compare("fullname", wanted, there.fullname)
  end
end

local function compare(v, job, item, known)
  local person, why = job.person, job.why

  if not person then
    return item:ends("skipped", why)
  end
  local there
  if known then
    there = known[person.username]
  else
    local doc, read = item:read(job.dest_ref, function()
      return v.to:try_get_user(person.username)
    end)
    if not read then
      return
    end
    there = doc and brief(doc)
  end
  if not there then
    return item:ends("missing")
  end
  if not account_docs.same_email(person.email, there.email) then
    item:compare("email", person.email, there.email)
  end
  compare_name(item, person, there)
  item:compare("company_name", person.company_name, there.company_name)
  item:compare("company_role", person.company_role, there.company_role)
end

local function job_of(v, doc)
  local stays, person, why = v:stays(doc.username), nil, nil
  if not stays then
    person, why = v.people:user(doc)
  end
  local there = person and person.username or doc.username

  return { ref = doc.username, dest_ref = v.to.name .. ":" .. there,
    person = person, why = stays or why }
end

--- Compares users: all, or those among the owners that were named.
---@async
---@param v godwit.verify.Run
function M.compare(v)
  local known, jobs, expected = nil, {}, {}

  if #v.owners == 0 then
    known = everybody(v)
  end
  for i, doc in ipairs(source_users(v)) do
    jobs[i] = job_of(v, doc)
    expected[jobs[i].dest_ref] = true
  end
  v:each("user", jobs, function(job, item)
    compare(v, job, item, known)
  end)
  local extra = {}
  for name in pairs(known or {}) do
    if not expected[v.to.name .. ":" .. name] then
      extra[#extra + 1] = name
    end
  end
  v:extra("user", extra)
end

return M
