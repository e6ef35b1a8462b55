--- rules: what a policy says in names, translated for one destination: its
--- settings and environments.

local core_json = require("godwit.core.json")
local environment = require("godwit.copy.environment")
local settings = require("godwit.copy.settings")
local suggest = require("godwit.config.suggest")

local M = {}

local DETAILS = { "label", "tagline", "summary" }
local SETTINGS = { "source_visibility", "license", "network_access",
  "pipeline_enabled" }

local function source_environment(job)
  local id = settings.present(job.source.algorithm.settings,
    "algorithm_environment")
  local env = id and environment.find(job.from:list_environments(), id)

  return env and env.display_name or nil
end

-- The source's settings by the names a policy uses.
local function named(job)
  local doc, out = job.source.algorithm, {}

  for _, key in ipairs(DETAILS) do
    out[key] = settings.present(doc.details, key)
  end
  for _, key in ipairs(SETTINGS) do
    out[key] = settings.present(doc.settings, key)
  end
  out.callability = settings.present(doc.settings, "algorithm_callability")
  out.sample_input = job.source:sample_input()
  out.environment = source_environment(job)
  local from = type(doc.source) == "table" and doc.source or {}
  out.scm = type(from.scm) == "table" and (settings.present(from.scm, "name")
    or settings.present(from.scm, "id")) or nil
  out.repository_owner = settings.present(from, "repository_owner")
  out.repository_name = settings.present(from, "repository_name")
  return out
end

--- What the policy's `settings` say, asked once for a job.
---@async
---@param job godwit.copy.Job
---@param where godwit.policy.Where
---@return table<string, any>
function M.overrides(job, where)
  if not job.overrides then
    job.overrides = job.policy:has("settings")
      and job.policy:settings(where, named(job)) or {}
  end
  return job.overrides
end

local function language(env)
  return type(env.language) == "table" and env.language.name or nil
end

local function names_of(envs)
  local seen = {}
  for _, env in ipairs(envs) do
    seen[env.display_name or env.id] = true
  end
  return suggest.names(seen)
end

local SHOWN = 20

--- The destination's environment of that name. Of several like it the one with
--- the source's machine and language.
---@param job godwit.copy.Job
---@param point string Who says so.
---@param name string
---@param ours table[]
---@param source? table The source's environment.
---@return table? env
---@return string? problem
function M.environment(job, point, name, ours, source)
  local found, same = {}, {}

  for _, env in ipairs(ours) do
    if env.display_name == name or env.id == name then
      found[#found + 1] = env
      if source and env.machine_type == source.machine_type
          and language(env) == language(source) then
        same[#same + 1] = env
      end
    end
  end
  if #found == 1 or #same == 1 then
    return #found == 1 and found[1] or same[1]
  end
  local says = string.format("%s of %s asks for the environment '%s'", point,
    job.policy.label, name)
  if #found > 1 then
    return nil, string.format("%s, and %s has %d of that name", says,
      job.to.name, #found)
  end
  local known = names_of(ours)
  return nil, string.format("%s, which %s does not have%s; it has: %s", says,
    job.to.name, suggest.hint(name, known),
    table.concat(known, ", ", 1, math.min(#known, SHOWN)))
end

-- The environment that `settings` names where the source has none.
local function add_environment(job, desired, name)
  local ours = job.dest.environments or job.to:list_environments()
  local env, problem = M.environment(job, "settings", name, ours)

  if not env then
    job:problem("%s: %s", job.ref, problem)
    return
  end
  job.dest.environments, job.dest.environment = ours, env
  local to = desired.settings
  to.algorithm_environment = env.id
  to.language, to.environment, to.package_set = nil, nil, nil
end

--- The settings with what the policy has said about them.
---@async
---@param job godwit.copy.Job
---@param desired godwit.copy.Settings
---@param overrides table<string, any>
---@return godwit.copy.Settings
function M.apply(job, desired, overrides)
  for _, key in ipairs(DETAILS) do
    if overrides[key] ~= nil then
      desired.details[key] = overrides[key] ~= "" and overrides[key] or nil
    end
  end
  for _, key in ipairs(SETTINGS) do
    if overrides[key] ~= nil then
      desired.settings[key] = overrides[key]
    end
  end
  desired.callability = overrides.callability or desired.callability
  if overrides.sample_input ~= nil then
    desired.sample_input = overrides.sample_input ~= ""
      and overrides.sample_input or nil
  end
  desired.scm = overrides.scm
  desired.repository_owner = overrides.repository_owner
  desired.repository_name = overrides.repository_name
  if overrides.environment and not job.dest.environment
      and not job.same_settings then
    add_environment(job, desired, overrides.environment)
  end
  return desired
end

local function subject(commit)
  return (commit.message or ""):match("^[^\r\n]*")
end

--- A destination that was changed, as a policy sees it.
---@param state godwit.copy.State
---@return { kind: string, commits: table[], files: table[] }
function M.drift(state)
  local commits, files = {}, {}

  for i, commit in ipairs(state.after or {}) do
    commits[i] = { id = commit.id, subject = subject(commit),
      author = commit.author and commit.author.name }
  end
  for i, change in ipairs(state.changes or {}) do
    files[i] = { status = change.status, path = change.path }
  end
  return { kind = state.kind, commits = core_json.array(commits),
    files = core_json.array(files) }
end

return M
