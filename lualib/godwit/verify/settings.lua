--- settings: the settings of an algorithm at the destination against those a
--- promotion would leave there: by the policy, the environment by name, where
--- the code is kept by provider and address.

local decide = require("godwit.copy.decide")
local environment = require("godwit.copy.environment")
local repository = require("godwit.cluster.repository")
local scm = require("godwit.copy.scm")
local settings = require("godwit.copy.settings")

local M = {}

local present = settings.present

local function environments(job, item)
  local id = present(job.source.algorithm.settings, "algorithm_environment")
  if not id then
    return nil, {}
  end
  local theirs = item:read("the environments of " .. job.from.name, function()
    return job.from:list_environments()
  end)
  local ours = item:read("the environments of " .. job.to.name, function()
    return job.to:list_environments()
  end)
  if not theirs or not ours then
    return nil, {}, true
  end
  local env, problem = decide.environment(job, id, theirs, ours)
  job.dest.environment, job.dest.environments = env, ours
  local names = {}
  for _, one in ipairs(ours) do
    names[one.id] = environment.show(one)
  end
  if not env then
    local has = present(job.dest.algorithm.settings, "algorithm_environment")
    item:differ("settings.algorithm_environment",
      environment.show(environment.find(theirs, id)),
      has and (names[has] or has) or nil, problem)
  end
  return env, names, not env
end

-- Callability reaches callers with a publish, and belongs to the version.
local function compare_callability(job, item, desired)
  local theirs = job.theirs
  local wanted = decide.callability(job) or desired.callability

  if theirs and wanted then
    item:compare("settings.algorithm_callability", wanted,
      present(theirs.settings, "algorithm_callability") or "private")
  end
end

local function compare_sample(job, item, desired)
  local theirs = job.theirs or job.dest.algorithm

  if type(theirs.version_info) == "table" then
    item:compare("version_info.sample_input", desired.sample_input,
      present(theirs.version_info, "sample_input"))
  end
end

local function is_archive(driver)
  return (driver.under or driver).kind == "archive"
end

-- An archive keeps all code itself, whatever its documents say.
local function compare_scm(job, item, desired)
  local named = desired.scm

  if is_archive(job.to) or is_archive(job.from) and not named then
    return
  end
  local ours = repository.external_scm(job.dest.algorithm)
  if named then
    local is_it = ours and (ours.id == named or ours.name == named)
      or not ours and named == "internal"
    item:compare("source.scm", named, is_it and named or scm.natural(ours))
  else
    item:compare("source.scm",
      scm.natural(repository.external_scm(job.source.algorithm)),
      scm.natural(ours))
  end
end

--- Compares settings, callability, sample input and where the code is kept.
---@async
---@param job godwit.copy.Job With what `versions` found.
---@param item godwit.verify.Item
function M.compare(job, item)
  local env, names, hole = environments(job, item)
  local desired = settings.desired(job.source.algorithm, env)

  job.source.doc = job.mine or job.source.doc
  desired.sample_input = job.source:sample_input()
  desired = decide.settings(job, desired)
  for _, text in ipairs(job.problems) do
    item:differ("settings", text, nil)
  end
  for _, d in ipairs(settings.differences(desired, job.dest.algorithm, {
      readme = job.readme, name = function(id)
        return names[id] or id
      end })) do
    if not (hole and d.field == "settings.algorithm_environment") then
      item:differ(d.field, d.source, d.destination)
    end
  end
  compare_callability(job, item, desired)
  compare_sample(job, item, desired)
  compare_scm(job, item, desired)
end

return M
