--- check: the pre-flight of one algorithm at one destination. Reads both sides
--- and writes down every hole at once: nothing here stops at the first, nothing
--- here writes.

local decide = require("godwit.copy.decide")
local environment = require("godwit.copy.environment")
local err = require("godwit.err")
local findings = require("godwit.copy.findings")
local key = require("godwit.copy.key")
local scm = require("godwit.copy.scm")
local secrets = require("godwit.copy.secrets")
local settings = require("godwit.copy.settings")
local source = require("godwit.copy.source")
local task = require("godwit.task")

local M = {}

-- A missing algorithm will be created: its owner must exist and the name must
-- be free, also for those who may not read it.
local function check_creation(job)
  local to, known = job.to, nil

  local list = job:read(string.format("the owner %s on %s", job.to_owner,
    to.name), function()
      local ok, rows = pcall(to.list_algorithms, to, job.to_owner)
      if not ok and err.is(rows, "notfound") then
        err.throw("refused", "%s has no user or organization %s: it has to be "
          .. "made there first, or give another with --to-owner", to.name,
          job.to_owner)
      elseif not ok then
        error(rows, 0)
      end
      return rows
    end)
  for _, a in ipairs(list or {}) do
    local listed = a.algoname or a.name
    if listed == job.to_name then
      job:problem("%s exists, but this key may not read it", job.dest_ref)
      known = true
    elseif listed and listed:lower() == job.to_name:lower() then
      job:problem("%s:%s/%s exists and differs from %s only in case", to.name,
        job.to_owner, listed, job.to_name)
      known = true
    end
  end
  if list and not known then
    job:only_trying("whether the key of %s may create, push and publish "
      .. "algorithms of %s", to.name, job.to_owner)
  end
end

local function dest_reads(job)
  local to, owner, name = job.to, job.to_owner, job.to_name

  return {
    key = key.try(to, owner),
    doc = function()
      return to:try_get_algorithm(owner, name) or false
    end,
  }, function(guess)
    return to:git_tip(owner, name, { service = "receive-pack",
      guess = guess })
  end
end

-- The tip of a repository that is kept elsewhere. Where the source is kept in
-- the same one, nothing is written there.
local function external_tip(job)
  local to, owner, name = job.to, job.to_owner, job.to_name

  job.dest.place = to:git_place(owner, name)
  job.shared = scm.is_shared(job)
  return to:git_tip(owner, name, { service = job.shared and "upload-pack"
    or "receive-pack" })
end

-- The document and the tip. Where we have been before both will be there, so
-- they are asked for at once.
local function read_dest(job)
  local reads, tip = dest_reads(job)

  reads.tip = job.last and function()
    return tip(true)
  end or nil
  local got = findings.together(reads)
  local owner = job:take(key.what(job.to, job.to_owner), got.key)
  if not owner then
    return
  end
  job.dest.key_owner = owner.name
  local doc = job:take(job.dest_ref, got.doc)
  if doc == nil then
    return
  elseif not doc then
    job.creating = true
    return check_creation(job)
  end
  job.dest.algorithm = doc
  local what = "the repository of " .. job.dest_ref
  if scm.is_external(doc) then
    job.source:read_basics() -- says whether both have the same repository
    job.dest.tip = job:read(what, function()
      return external_tip(job)
    end)
  elseif got.tip then
    job.dest.tip = job:take(what, got.tip)
  else
    job.dest.tip = job:read(what, tip)
  end
end

local function read_dest_versions(job)
  if job.creating or not job.dest.tip then
    return
  end
  job.dest.published = job:read("the versions of " .. job.dest_ref, function()
    return source.published(job.to, job.to_owner, job.to_name)
  end) or {}
  job.dest.latest = source.newest(job.dest.published)
  job:only_trying("whether the key of %s may publish algorithms of %s",
    job.to.name, job.to_owner)
end

local function same_place(job)
  return job.from.id == job.to.id and job.owner == job.to_owner
    and job.name == job.to_name
end

-- Nobody can be asked about what is made in this run: it is looked at when it
-- is there.
local function foresee(job)
  job.creating = true
  job:only_trying("what %s says of the algorithms of %s, %s", job.to.name,
    job.to_owner, job.coming)
end

--- Reads documents and tips of both sides, at the same time: enough to see
--- that there is nothing to do.
---@async
---@param job godwit.copy.Job
function M.read(job)
  if same_place(job) then
    job:problem("%s and %s are one and the same: give --to-owner another "
      .. "owner or --to another cluster", job.ref, job.dest_ref)
    return
  end
  task.all({
    function()
      job.source:read_basics()
      job:adopt(job.source)
    end,
    function()
      if job.coming then
        foresee(job)
      else
        read_dest(job)
      end
    end,
  })
end

--- Reads what is left to know: versions of both sides.
---@async
---@param job godwit.copy.Job
function M.read_versions(job)
  task.all({
    function()
      job.source:settle()
      job:adopt(job.source)
    end,
    function() read_dest_versions(job) end,
  })
end

local function short(id)
  return type(id) == "string" and id or "none"
end

-- Whose owner is created first has no key yet, and a cluster where nobody has
-- one shows its environments to nobody.
local function is_untold(job, result)
  return not result[1] and err.is(result[2], "auth")
    and (job.coming or job.to.is_new_owner ~= nil
      and job.to:is_new_owner(job.to_owner))
end

local function check_environment(job)
  local id = settings.present(job.source.algorithm.settings,
    "algorithm_environment")
  if not id then
    local language = settings.present(job.source.algorithm.settings,
      "language")
    if language then
      job:only_trying("whether %s still takes the legacy language %s",
        job.to.name, language)
    end
    return
  end
  local got = findings.together({
    theirs = function()
      return job.from:list_environments()
    end,
    ours = function()
      return job.to:list_environments()
    end,
  })
  local theirs = job:take("the environments of " .. job.from.name,
    got.theirs)
  if is_untold(job, got.ours) then
    job:only_trying("whether %s has an environment like the source's",
      job.to.name)
    return
  end
  local ours = job:take("the environments of " .. job.to.name, got.ours)
  if not theirs or not ours then
    return
  end
  local env, problem = decide.environment(job, id, theirs, ours)
  if not env then
    job:problem("%s: %s", job.ref, problem)
  end
  job.dest.environment = env
  job.dest.environments = ours
end

--- The callability a publish gives: as asked, else as at the destination,
--- else (nothing was published there yet) as at the source.
---@param job godwit.copy.Job
---@return string
function M.callability(job)
  local latest = job.dest.latest

  return decide.callability(job)
    or latest and settings.present(latest.settings, "algorithm_callability")
    or latest and settings.present(job.dest.algorithm.settings,
      "algorithm_callability")
    or settings.present(job.source.algorithm.settings,
      "algorithm_callability")
    or "private"
end

-- What a publish would change of the permissions against the version before.
local function permission_changes(job)
  local latest, changes = job.dest.latest, {}
  local wanted = { algorithm_callability = M.callability(job) }

  for _, key in ipairs({ "network_access", "pipeline_enabled" }) do
    wanted[key] = settings.present(job.dest.algorithm.settings, key)
    if job.opts.update_settings and job.desired.settings[key] ~= nil then
      wanted[key] = job.desired.settings[key]
    end
  end
  for _, key in ipairs(settings.PERMISSIONS) do
    local was = settings.present(latest.settings, key)
    if was ~= nil and wanted[key] ~= nil and was ~= wanted[key] then
      changes[#changes + 1] = string.format("%s from %s to %s", key,
        tostring(was), tostring(wanted[key]))
    end
  end
  return changes
end

-- A change of permissions without a major step is refused beforehand.
local function judge_permissions(job)
  local step = job.step

  if not job.dest.latest or not job.desired or step == "no"
      or step == "major" then
    return
  end
  local changes = permission_changes(job)
  if #changes > 0 then
    job:problem("publishing %s would change %s, which the platform allows "
      .. "with a major step only: --publish major", job.dest_ref,
      table.concat(changes, ", "))
  end
end

--- What depends on how it will be published.
---@param job godwit.copy.Job
function M.judge(job)
  secrets.judge(job)
  judge_permissions(job)
end

--- Everything that is compared only when there may be something to do.
---@async
---@param job godwit.copy.Job
function M.compare(job)
  task.all({
    function()
      secrets.compare(job)
    end,
    function()
      scm.check_connection(job)
    end,
    function()
      -- Nobody touched either side since we compared them.
      if not job.same_settings then
        check_environment(job)
      end
    end,
  })
  local names = {}
  for _, env in ipairs(job.dest.environments or {}) do
    names[env.id] = environment.show(env)
  end
  local desired = settings.desired(job.source.algorithm, job.dest.environment)
  desired.sample_input = job.source:sample_input()
  job.desired = decide.settings(job, desired)
  if job.creating then
    job.desired.source = scm.choose(job)
  end
  if job.dest.algorithm then
    job.compare_settings = function(readme)
      return settings.differences(job.desired, job.dest.algorithm, {
        readme = readme,
        name = function(id)
          return names[id] or short(id)
        end,
      })
    end
  end
end

return M
