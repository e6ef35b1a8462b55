--- members: who has to be a member of an organization at the destination, and
--- who is: compared while both lists are read, so that only what is to be done
--- is kept. No API gives a role: owners can be compared, not made.

local account_list = require("godwit.copy.accounts.account_list")
local err = require("godwit.err")
local migrator = require("godwit.copy.accounts.migrator")
local suggest = require("godwit.config.suggest")
local task = require("godwit.task")
local unknown = require("godwit.unknown")

local M = {}

local SHOWN = 10
local AT_ONCE = 16

---@class godwit.copy.Members
---@field add string[]
---@field remove string[]
---@field extra string[] Members there who are none at the source, and stay.
---@field demoted string[] Owners at the source, not there.
---@field missing string[] Not users there.
---@field others string[] There that is somebody else.
---@field owners table<string, boolean> Who is to be an owner where roles are kept.
---@field keeps_roles boolean
---@field left_out integer By the map.
---@field invited integer
---@field pending string[] Invited there, and no members before they accept.
---@field dismiss? string The migrating account, which does not stay.
---@field last? string The migrating account, which has to stay.
---@field kept? string The migrating account, which a protected cluster keeps.
---@field unsure? string[] Owners who stay, and of whom one may be the migrating account.
---@field settles? boolean Whoever the migrating account is, it is taken out.

-- Who should be there, by the name there, with the role at the source.
---@async
local function wanted(job, found)
  local side, names = job.side, {}
  for row in side.from:each_member(job.doc.org_name) do
    local name = row.role ~= "invited" and side.people:name(row.username)
    if row.role == "invited" then
      found.invited = found.invited + 1
    elseif not name then
      found.left_out = found.left_out + 1
    elseif not side.roster:has_user(name) then
      found.missing[#found.missing + 1] = name
    elseif side.is_other and side.is_other(row.username, name) then
      found.others[#found.others + 1] = name
    elseif names[name] ~= "owner" then
      names[name] = row.role
    end
  end
  return names
end

local function is_protected(job)
  return (job.side.to.profile or {}).protected == true
end

-- Who made it, if that was us: nobody else's owner is taken for him, so that
-- where a run began to make it and ended before it learned who became its owner,
-- nobody is. Once he is seen to be gone, whoever comes is somebody's wish.
local function who_made_it(job, found, others)
  local to = job.side.to
  local known = migrator.of(to, job.name)
  if known == "" and #others > 0 then
    found.unsure = others
    return nil
  end
  for _, name in ipairs(others) do
    if name == known then
      return name
    end
  end
  if known then
    migrator.forget(to, job.name)
  end
  return nil
end

-- Takes away who is there; what is left of `names` is to be added.
---@async
local function compare(job, names, found)
  local owners, others, extra = 0, {}, {}
  for row in job.side.to:each_member(job.name) do
    local role = names[row.username]
    owners = owners + (row.role == "owner" and 1 or 0)
    if row.role == "invited" then -- no member yet, so that nobody is too much
      found.pending[#found.pending + 1] = role and row.username
      names[row.username] = nil
    elseif role then
      local promote = role == "owner" and row.role ~= "owner"
      if promote and not found.keeps_roles then
        found.demoted[#found.demoted + 1] = row.username
      end
      if not promote or not found.keeps_roles then
        names[row.username] = nil
      end
    else
      extra[#extra + 1] = row.username
      if row.role == "owner" then
        others[#others + 1] = row.username
      end
    end
  end
  return owners, others, extra
end

-- Who of those who are no members at the source goes.
local function decide(job, found, owners, others, extra)
  local made_it = who_made_it(job, found, others)
  if made_it then
    found[owners == 1 and "last" or is_protected(job) and "kept"
      or "dismiss"] = made_it
  end
  local stays = owners - #others > 0
  if found.unsure and stays and job.side.remove_members then
    found.unsure, found.settles = nil, true
  end
  local is_owner = {}
  for _, name in ipairs(others) do
    is_owner[name] = true
  end
  for _, name in ipairs(extra) do
    local goes = job.side.remove_members and (stays or not is_owner[name])
    if name ~= made_it then
      table.insert(goes and found.remove or found.extra, name)
    end
  end
end

--- Compares the members of both sides.
---@async
---@param job godwit.copy.OrganizationJob
---@return godwit.copy.Members
function M.look(job)
  local found = { add = {}, remove = {}, extra = {}, demoted = {},
    missing = {}, pending = {}, others = {},
    owners = {}, left_out = 0, invited = 0,
    keeps_roles = job.side.to:keeps_roles() }
  local names = wanted(job, found)
  if job.there then
    decide(job, found, compare(job, names, found))
  end
  for name, role in pairs(names) do
    if role == "owner" and found.keeps_roles then
      found.owners[name] = true
    elseif role == "owner" then
      found.demoted[#found.demoted + 1] = name
    end
  end
  found.add = suggest.names(names)
  for _, list in ipairs({ found.demoted, found.missing, found.others,
      found.pending, found.extra, found.remove }) do
    table.sort(list)
  end
  return found
end

-- words ------------------------------------------------------------------

local function count(n, what)
  return ("%d %s%s"):format(n, what, n == 1 and "" or "s")
end

-- Whose name somebody else has there.
local function report_others(job, others, to)
  if #others > 0 and not job.side.without_missing then
    job:problem("somebody else on %s has the name of %s of it: %s; if it is the "
      .. "same person, map the address (--map-email, --map), else the name "
      .. "(--map-user, --map), or leave them out (--without-missing-members)",
      to, count(#others, "member"), account_list.some(others, SHOWN))
  elseif #others > 0 then
    job:warn("left out, since somebody else on %s has their names: %s", to,
      account_list.some(others, SHOWN))
  end
end

--- Problems of the members, and what is said of them in the result.
---@param job godwit.copy.OrganizationJob
function M.report(job)
  local m, to = job.members, job.side.to.name
  if #m.missing > 0 and not job.side.without_missing then
    job:problem("%s of it %s not on %s: %s; migrate them first (godwit "
      .. "migrate-users), map them (--map, --map-user), or leave them out "
      .. "(--without-missing-members)", count(#m.missing, "member"),
      #m.missing == 1 and "is" or "are", to,
      account_list.some(m.missing, SHOWN))
  elseif #m.missing > 0 then
    job:warn("left out, since they are not on %s: %s", to,
      account_list.some(m.missing, SHOWN))
  end
  report_others(job, m.others, to)
  if m.left_out > 0 then
    job:warn("%s left out by the map", count(m.left_out, "member"))
  end
  if m.invited > 0 then
    job:warn("%s not copied: who has not accepted is no member",
      count(m.invited, "invitation"))
  end
  if #m.pending > 0 then
    job:warn("invited on %s, and no members before they accept: %s", to,
      account_list.some(m.pending, SHOWN))
  end
  if #m.extra > 0 then
    job:warn("members there and not at the source, who stay: %s (%s)",
      account_list.some(m.extra, SHOWN), job.side.remove_members
      and "an organization needs an owner" or is_protected(job)
      and to .. " is protected: nobody is taken out there"
      or "migrate-organizations --remove-members takes them out")
  end
  if #m.remove > 0 and is_protected(job) then
    job:problem("%s is protected: nobody is taken out there; leave out "
      .. "--remove-members", to)
  end
end

--- Says whose role could not be had, and who had to stay for it.
---@param job godwit.copy.OrganizationJob
function M.report_owners(job)
  local m = job.members
  if #m.demoted > 0 then
    job:warn("owners at the source who are members there, since no API makes "
      .. "an owner: %s; make them owners in the web page",
      account_list.some(m.demoted, SHOWN))
  end
  if m.last then
    job:warn("%s, whose key made it, stays its owner: it has no other; make "
      .. "one in the web page and give the command again", tostring(m.last))
  end
  if m.kept then
    job:warn("%s, whose key made it, stays an owner: %s is protected, and "
      .. "nobody is taken out there", m.kept, job.side.to.name)
  end
  if m.unsure then
    table.sort(m.unsure)
    job:warn("whose key made it is not known, since no run learned it; it may "
      .. "be: %s, and stays unless somebody takes it out",
      account_list.some(m.unsure, SHOWN))
  end
end

-- doing ------------------------------------------------------------------

local function some_failed(failures, n, what)
  local words, retryable = {}, true
  for i, one in ipairs(failures) do
    words[i] = ("%s (%s)"):format(one.name, tostring(one.e.message))
    retryable = retryable and one.e.retryable == true
  end
  error(err.new({ kind = failures[1].e.kind, retryable = retryable,
    message = ("%d of %s could not be %s: %s"):format(#failures,
      count(n, "member"), what, account_list.some(words)),
    cause = failures[1].e }), 0)
end

-- Does something for every name; one that fails holds up no other.
---@async
local function each(job, names, what, symbol, fn)
  local done, failures = {}, {}
  task.each(names, function(name)
    local ok, e = xpcall(fn, err.traced, name)
    if ok then
      done[#done + 1] = name
    elseif err._is_final(err.from(e)) then
      error(e, 0)
    else
      failures[#failures + 1] = { name = name, e = err.from(e) }
    end
    if #done % 1000 == 0 then
      job:progress("members", ("%d of %d"):format(#done, #names))
    end
  end, { jobs = AT_ONCE })
  if #done > 0 then
    table.sort(done)
    job:did(symbol, "%s: %s", count(#done, "member"),
      account_list.some(done, SHOWN))
  end
  if #failures > 0 then
    some_failed(failures, #names, what)
  end
end

local function take(list, name)
  for i, one in ipairs(list) do
    if rawequal(one, name) then
      return table.remove(list, i)
    end
  end
  return nil
end

--- Learns who became the owner of what was just created. He stays if he is a
--- member at the source. Of several owners (an identity provider's groups make
--- some) nobody can say which one it is.
---@async
---@param job godwit.copy.OrganizationJob
function M.meet_migrator(job)
  local to, m = job.side.to, job.members
  local owners, strangers = 0, {}
  for row in to:each_member(job.name) do
    if row.role == "owner" then
      owners = owners + 1
      if take(m.add, row.username) then
        take(m.demoted, row.username)
      else
        strangers[#strangers + 1] = row.username
      end
    end
  end
  if #strangers == 0 then
    return migrator.forget(to, job.name)
  elseif owners > 1 then
    m.unsure = strangers
    return
  elseif not unknown.is(strangers[1]) then
    migrator.learn(to, job.name, strangers[1])
  end
  m.last = strangers[1]
end

---@async
local function dismiss(job, name)
  local ok, e = pcall(job.side.to.remove_member, job.side.to, job.name, name)
  if ok then
    job:did("-", "%s, whose key made it", name)
    return migrator.forget(job.side.to, job.name)
  elseif not err.is(e, "refused") and not err.is(e, "conflict") then
    error(e, 0)
  end
  job:warn("%s, whose key made it, stays an owner: %s", name, e.message)
end

--- Adds who is missing and takes out who does not stay.
---@async
---@param job godwit.copy.OrganizationJob
function M.ensure(job)
  local m, to = job.members, job.side.to
  each(job, m.add, "added", "+", function(name)
    to:add_member(job.name, name, m.owners[name] and "owner" or nil)
  end)
  each(job, m.remove, "taken out", "-", function(name)
    to:remove_member(job.name, name)
  end)
  if m.settles then
    migrator.forget(to, job.name)
  end
  if m.dismiss then
    dismiss(job, m.dismiss)
  end
end

--- Whether there is nothing to do.
---@param m godwit.copy.Members
---@return boolean
function M.are_same(m)
  return #m.add == 0 and #m.remove == 0 and not m.dismiss
end

return M
