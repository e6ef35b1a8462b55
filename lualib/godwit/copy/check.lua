--- check: the pre-flight of one algorithm. Reads both sides and writes down
--- every hole at once: nothing here stops at the first, nothing here writes.

local environment = require("godwit.copy.environment")
local err = require("godwit.err")
local settings = require("godwit.copy.settings")
local source = require("godwit.copy.source")
local task = require("godwit.task")

local M = {}

-- Does several reads at once; each comes back as {ok, value}.
local function together(reads)
  local list, results = {}, {}

  for name, fn in pairs(reads) do
    list[#list + 1] = function()
      results[name] = { xpcall(fn, err.traced) }
    end
  end
  task.all(list)
  return results
end

-- Takes the result of a read. What a person has to fix becomes a problem,
-- anything else is why the job failed; either way the next one is looked at.
local function take(job, what, result)
  if result[1] then
    return result[2]
  end
  local e = err.from(result[2])
  if e.kind == "cancelled" or e.kind == "denied" or e.kind == "bug" then
    error(e, 0)
  elseif e.kind == "refused" then
    job:problem("%s", e.message)
  elseif e.kind == "auth" or e.kind == "notfound" or e.kind == "usage" then
    job:problem("%s: %s", what, tostring(e))
  elseif not job.failure or (job.failure.retryable and not e.retryable) then
    job.failure = e
  end
end

local function read(job, what, fn)
  return take(job, what, { xpcall(fn, err.traced) })
end

local function external_scm(doc)
  local scm = type(doc.source) == "table" and doc.source.scm
  local provider = type(scm) == "table" and settings.present(scm, "provider")

  if provider and provider ~= "internal" then
    return settings.present(scm, "name") or settings.present(scm, "id")
      or provider, provider
  end
end

local function check_scm(job, doc, where)
  local name, provider = external_scm(doc)
  if name then
    job:problem("the source code of %s is kept at %s (%s), not on the "
      .. "cluster; that is not promoted yet", where, name, provider)
  end
end

-- Whether a key is taken at all. One that may not read data still has a name
-- we cannot learn; what it may do is seen by the other reads.
local function try_key(driver, owner)
  return function()
    local ok, name = pcall(driver.whoami, driver, owner)
    if ok then
      return { name = name }
    end
    local e = err.from(name)
    if e.kind ~= "notfound" and not (e.kind == "auth" and e.status == 403) then
      error(e, 0)
    end
    return {}
  end
end

local function take_key(job, driver, owner, result)
  return take(job, string.format("the key of %s for %s", driver.name, owner),
    result)
end

-- All at once: what is asked of a repository that turns out not to be there
-- is not looked at.
local function source_reads(job)
  local from, owner, name = job.from, job.owner, job.name

  return {
    key = try_key(from, owner),
    doc = function()
      return from:try_get_algorithm(owner, name) or err.throw("refused",
        "%s has no algorithm %s, or this key may not see it", from.name,
        job.ref)
    end,
    published = function()
      return source.published(from, owner, name)
    end,
    tip = function()
      return from:git_tip(owner, name, { service = "upload-pack" })
    end,
  }
end

local function read_source(job)
  local from, got = job.from, together(source_reads(job))

  if not take_key(job, from, job.owner, got.key) then
    return
  end
  local doc = take(job, job.ref .. " on " .. from.name, got.doc)
  if not doc then
    return
  end
  job.source.algorithm = doc
  check_scm(job, doc, job.ref .. " on " .. from.name)
  if external_scm(doc) then
    return
  end
  local published = take(job, "the versions of " .. job.ref, got.published)
  local tip = take(job, "the repository of " .. job.ref, got.tip)
  local found = published and tip and read(job, "the versions of " .. job.ref,
    function()
      return source.resolve(job, tip, published)
    end)
  for k, v in pairs(found or {}) do
    job.source[k] = v
  end
  if found and found.ahead_of then
    job:warn("the head of %s (%s) is newer than its latest published version "
      .. "%s", job.ref, found.commit:sub(1, 10), found.ahead_of)
  end
end

-- A missing algorithm will be created: its owner must exist and the name must
-- be free, also for those who may not read it.
local function check_creation(job)
  local to, known = job.to, nil

  local list = read(job, string.format("the owner %s on %s", job.to_owner,
    to.name), function()
      return to:list_algorithms(job.to_owner)
    end)
  for _, a in ipairs(list or {}) do
    local listed = a.algoname or a.name
    if listed == job.name then
      job:problem("%s exists, but this key may not read it", job.dest_ref)
      known = true
    elseif listed and listed:lower() == job.name:lower() then
      job:problem("%s:%s/%s exists and differs from %s only in case", to.name,
        job.to_owner, listed, job.name)
      known = true
    end
  end
  if list and not known then
    job:only_trying("whether the key of %s may create, push and publish "
      .. "algorithms of %s", to.name, job.to_owner)
  end
end

local function dest_reads(job)
  local to, owner, name = job.to, job.to_owner, job.name

  return {
    key = try_key(to, owner),
    doc = function()
      return to:try_get_algorithm(owner, name) or false
    end,
  }, {
    published = function()
      return source.published(to, owner, name)
    end,
    tip = function()
      return to:git_tip(owner, name, { service = "receive-pack" })
    end,
  }
end

local function read_dest(job)
  local to, first, second = job.to, dest_reads(job)
  local known = job.last ~= nil

  -- Where we have been before it will be there: everything at once.
  for name, fn in pairs(known and second or {}) do
    first[name] = fn
  end
  local got = together(first)
  local key = take_key(job, to, job.to_owner, got.key)
  if not key then
    return
  end
  job.dest.key_owner = key.name
  local doc = take(job, job.dest_ref, got.doc)
  if doc == nil then
    return
  elseif not doc then
    job.creating = true
    return check_creation(job)
  end
  job.dest.algorithm = doc
  check_scm(job, doc, job.dest_ref)
  if external_scm(doc) then
    return
  end
  got = known and got or together(second)
  local published = take(job, "the versions of " .. job.dest_ref,
    got.published)
  job.dest.published = published or {}
  job.dest.latest = source.newest(published or {})
  job.dest.tip = take(job, "the repository of " .. job.dest_ref, got.tip)
  job:only_trying("whether the key of %s may publish algorithms of %s",
    to.name, job.to_owner)
end

--- Reads both sides, at the same time.
---@async
---@param job godwit.copy.Job
function M.read(job)
  if job.from.id == job.to.id and job.owner == job.to_owner then
    job:problem("%s and %s are one and the same: give --to-owner another "
      .. "owner or --to another cluster", job.ref, job.dest_ref)
    return
  end
  task.all({
    function() read_source(job) end,
    function() read_dest(job) end,
  })
end

local function short(id)
  return type(id) == "string" and id or "none"
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
  local got = together({
    theirs = function()
      return job.from:list_environments()
    end,
    ours = function()
      return job.to:list_environments()
    end,
  })
  local theirs = take(job, "the environments of " .. job.from.name,
    got.theirs)
  local ours = take(job, "the environments of " .. job.to.name, got.ours)
  if not theirs or not ours then
    return
  end
  local env, problem = environment.map(id, theirs, ours)
  if not env then
    job:problem("%s: %s", job.ref, problem)
  end
  job.dest.environment = env
  job.dest.environments = ours
end

local function secret_keys(driver, owner, name)
  local keys = {}
  for _, s in ipairs(driver:list_secrets(owner, name)) do
    local key = settings.present(s, "secret_key")
      or settings.present(s, "short_name")
    if key then
      keys[#keys + 1] = key
      keys[key] = true
    end
  end
  return keys
end

-- Values cannot be read anywhere, so they cannot travel; only names can be
-- compared.
local function check_secrets(job)
  local ok, theirs = pcall(secret_keys, job.from, job.owner, job.name)
  if not ok then
    local e = err.from(theirs)
    if e.kind == "cancelled" then
      error(e, 0)
    end
    job:only_trying("whether %s uses secrets (%s)", job.ref, tostring(e))
    return
  end
  if #theirs == 0 then
    return
  end
  local ours = not job.creating and read(job, "the secrets of "
    .. job.dest_ref, function()
      return secret_keys(job.to, job.to_owner, job.name)
    end) or {}
  local missing = {}
  for _, key in ipairs(theirs) do
    if not ours[key] then
      missing[#missing + 1] = key
    end
  end
  if #missing == 0 then
    return
  end
  local text = string.format("%s lacks the secret%s %s of the source (values "
    .. "cannot be copied)", job.dest_ref, #missing == 1 and "" or "s",
    table.concat(missing, ", "))
  if job.opts.publish ~= "no" and not job.opts.without_secrets then
    job:problem("%s: set %s there first, or publish without: "
      .. "--without-secrets, or do not publish: --publish no", text,
      #missing == 1 and "it" or "them")
  else
    job:warn("%s", text)
  end
end

--- The callability a publish gives: as asked, else as at the destination,
--- else (nothing was published there yet) as at the source.
---@param job godwit.copy.Job
---@return string
function M.callability(job)
  local latest = job.dest.latest

  return job.opts.callability
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

--- A change of permissions without a major step is refused beforehand.
---@param job godwit.copy.Job
function M.permissions(job)
  local step = job.opts.publish

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

--- Everything that is compared only when there may be something to do.
---@async
---@param job godwit.copy.Job
function M.compare(job)
  task.all({
    function()
      check_secrets(job)
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
  job.desired = settings.desired(job.source.algorithm, job.dest.environment)
  job.desired.sample_input = source.sample_input(job)
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
