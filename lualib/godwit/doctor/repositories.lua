--- doctor.repositories: whether Git can be read and pushed to: one repository
--- at the cluster, and one at every Git host elsewhere. The list of references
--- a push would begin with is a read, so it is asked for.
local connection = require("godwit.doctor.connection")
local git = require("godwit.git")
local limiter = require("godwit.limiter")
local lists = require("godwit.doctor.list")
local repository = require("godwit.cluster.repository")
local task = require("godwit.task")

local M = {}

local LOOKED = 20 -- algorithms asked where their code is
local AT_CLUSTER = "" -- in place of a host's origin

local function short(id)
  return type(id) == "string" and id:sub(1, 10) or "nothing"
end

local function ask(subject, remote, service)
  return lists.try(subject.timeout, git.ls_remote, remote,
    { service = service, timeout = subject.timeout })
end

local function hint_of(subject, e, origin)
  if origin ~= AT_CLUSTER then
    return (e.kind == "auth" or e.kind == "notfound")
      and repository.how_to_open(subject.driver, origin) or nil
  elseif e.status == 401 then
    return "the key is the password and its user's name the user: write user "
      .. "= \"NAME\" into the profile if it is another"
  elseif e.status == 403 then
    return "give the key of the owner, or of a member"
  elseif e.kind == "notfound" then
    return "correct git in the profile: the base of Git addresses"
  end
  return nil
end

local function say_tip(list, id, what, advert)
  local branch = advert.head or repository.MASTER
  local tip = advert.refs[branch]
  list:ok(id, tip and "%s can be read: %s is at %s" or "%s can be read: it is "
    .. "empty", what, (branch:gsub("^refs/heads/", "")), short(tip))
end

-- Reads the references as a fetch and as a push would.
local function try_one(list, subject, algorithm, origin)
  local ref = algorithm.owner .. "/" .. algorithm.name
  local prefix = origin == AT_CLUSTER and "git." or "host."
  local ok, remote = lists.try(subject.timeout, function()
    return subject.driver:git_remote(algorithm.owner, algorithm.name)
  end)
  if not ok then
    list:failed(prefix .. "read", remote, nil, "the repository of " .. ref)
    return
  end
  local read, advert = ask(subject, remote, "upload-pack")
  if not read then
    list:failed(prefix .. "read", advert, hint_of(subject, advert, origin),
      "the repository of " .. ref)
    return
  end
  say_tip(list, prefix .. "read", "the repository of " .. ref, advert)
  local push, e = ask(subject, remote, "receive-pack")
  if push then
    list:ok(prefix .. "push", "a push to %s would be let in", ref)
  elseif e.kind == "auth" then
    list:warn(prefix .. "push", "as a source that is enough; as a destination "
      .. (origin == AT_CLUSTER and "give the key of the owner, or of a member"
        or repository.how_to_open(subject.driver, origin)),
      "a push to %s is not permitted", ref)
  else
    list:failed(prefix .. "push", e, nil, "a push to " .. ref)
  end
end

-- One algorithm for each place where code is kept, by origin; and why it is
-- not known of some.
local function places_of(subject, algorithms)
  local found, problems = {}, {}
  task.each({ table.unpack(algorithms, 1, LOOKED) }, function(algorithm)
    local ok, place = lists.try(subject.timeout, subject.driver.git_place,
      subject.driver, algorithm.owner, algorithm.name)
    if not ok then
      problems[#problems + 1] = { algorithm = algorithm, e = place }
      return
    end
    local origin = place and place.origin or AT_CLUSTER
    local first = found[origin]
    -- Whichever is read first, the same one is named every time.
    if not first or algorithm.owner .. "/" .. algorithm.name
      < first.owner .. "/" .. first.name then
      found[origin] = algorithm
    end
  end)
  return found, problems
end

-- An address that only a server named is not gone to unasked.
local function look_at_host(list, subject, origin, algorithm)
  local profile = subject.profile
  local host = (profile.hosts or {})[origin]
  if not host then
    list:warn("host.read", repository.how_to_open(subject.driver, origin),
      "the code of %s/%s is there, and the profile does not name this host; "
      .. "it was not asked", algorithm.owner, algorithm.name)
    return
  end
  local reached = connection.look(list, { url = origin .. "/",
    profile = { ca = host.ca, proxy = profile.proxy,
      no_proxy = profile.no_proxy }, timeout = subject.timeout,
    limiter = limiter.of("git " .. origin), prefix = "host." })
  if not reached then
    return
  elseif algorithm then
    try_one(list, subject, algorithm, origin)
  else
    list:skip("host.read", nil, "whether its credential is accepted only a "
      .. "repository can tell, and no algorithm that was looked at has its "
      .. "code there")
  end
end

local function origins_of(subject, found)
  local set, origins = {}, {}
  for _, map in ipairs({ subject.profile.hosts or {}, found }) do
    for origin in pairs(map) do
      if origin ~= AT_CLUSTER and not set[origin] then
        set[origin] = true
        origins[#origins + 1] = origin
      end
    end
  end
  table.sort(origins)
  return origins
end

local function look_at_cluster(list, subject, algorithm, has_git)
  if not algorithm then
    list:skip("git.read", "give --owner OWNER of somebody who has one",
      "Git was not asked: no algorithm to ask for is known")
  elseif not has_git then
    list:skip("git.read", nil, "Git was not asked: it is not reached")
  else
    try_one(list, subject, algorithm, AT_CLUSTER)
  end
end

--- Looks at one repository of the cluster's own and one of every host.
---@async
---@param list godwit.doctor.List
---@param subject godwit.doctor.Subject
---@param algorithms { owner: string, name: string }[] Those the keys see.
---@param has_git boolean Whether the cluster's Git is reached.
function M.look(list, subject, algorithms, has_git)
  local found, problems = places_of(subject, algorithms)
  local sections, work = { lists.new() }, {}
  work[1] = function()
    look_at_cluster(sections[1], subject, found[AT_CLUSTER], has_git)
  end
  for i, origin in ipairs(origins_of(subject, found)) do
    local at = lists.new(repository.show_origin(origin) .. ": ")
    sections[i + 1] = at
    work[i + 1] = function()
      look_at_host(at, subject, origin, found[origin])
    end
  end
  task.all(work)
  for _, at in ipairs(sections) do
    list:append(at)
  end
  for _, problem in ipairs(problems) do
    list:failed("host.place", problem.e, nil, ("where the code of %s/%s is")
      :format(problem.algorithm.owner, problem.algorithm.name))
  end
end

return M
