--- secrets: the secrets of an algorithm on its way: which of the source's the
--- destination lacks, which of these somebody gave a value for, and setting
--- these. Values cannot be read at a cluster, so they never travel; what is
--- there is never overwritten.

local cluster_secrets = require("godwit.cluster.secrets")
local err = require("godwit.err")
local settings = require("godwit.copy.settings")

local M = {}

---@class godwit.copy.NewSecret
---@field key string
---@field doc table The source's.
---@field given godwit.config.SecretValue
---@field value any Opaque, bound to the destination.
---@field provider string An id.

-- A source's secrets are read once for all destinations.
local function at_source(job)
  return job.source.memo:get("secrets", function()
    return job.from:list_secrets(job.owner, job.name, job.source.algorithm)
  end)
end

-- Those the destination lacks, as the source describes them; nil when that
-- cannot be said.
local function missing(job)
  local ok, theirs = pcall(at_source, job)
  if not ok then
    local e = err.from(theirs)
    if err._is_final(e) then
      error(e, 0)
    end
    job:only_trying("whether %s uses secrets (%s)", job.ref, tostring(e))
    return nil
  end
  if job.opts.secrets then
    job.opts.secrets:seen(job.owner, job.name, theirs)
  end
  local lacking = {}
  if #theirs == 0 then
    return lacking
  end
  local ours = not job.creating and job:read("the secrets of "
    .. job.dest_ref, function()
      return job.to:list_secrets(job.to_owner, job.to_name,
        job.dest.algorithm)
    end) or {}
  for _, doc in ipairs(theirs) do
    local key = cluster_secrets.key(doc)
    if key and not cluster_secrets.find(ours, key) then
      lacking[#lacking + 1] = doc
    end
  end
  return lacking
end

-- The value somebody gave for it, with all that is needed to set it; what is
-- wrong with it is a problem.
local function take(job, doc)
  local key = cluster_secrets.key(doc)
  local given, problem = job.opts.secrets:find(job.owner, job.name, key)
  if problem then
    job:problem("%s", problem)
    return true
  elseif not given then
    return false
  end
  local new = { key = key, doc = doc, given = given }
  new.value = job:read("the secret " .. key .. " of " .. job.ref, function()
    return given:value_for(job.to)
  end)
  new.provider = job:read("the secret providers of " .. job.to.name, function()
    return cluster_secrets.provider(job.to, given.provider)
  end)
  if new.value and new.provider then
    job.new_secrets[#job.new_secrets + 1] = new
  end
  return true
end

local function looks_due(job)
  local given = job.opts.secrets

  if not given or not given:concerns(job.owner, job.name) then
    return false
  end
  for _, doc in ipairs(missing(job) or {}) do
    local value, problem = given:find(job.owner, job.name,
      cluster_secrets.key(doc))
    if value or problem then
      return true
    end
  end
  return false
end

--- Whether the destination lacks a secret that a value was given for: then
--- there is something to do though nothing else has changed.
---@async
---@param job godwit.copy.Job
---@return boolean
function M.is_due(job)
  if job.secrets_due == nil then
    job.secrets_due = looks_due(job)
  end
  return job.secrets_due
end

--- Compares the secrets of both sides, by their keys.
---@async
---@param job godwit.copy.Job
function M.compare(job)
  for _, doc in ipairs(missing(job) or {}) do
    if not job.opts.secrets or not take(job, doc) then
      job.missing_secrets[#job.missing_secrets + 1] = cluster_secrets.key(doc)
    end
  end
  if #job.new_secrets > 0 then
    job:only_trying("whether the key of %s may set secrets of %s",
      job.to.name, job.to_owner)
  end
end

--- What it means that secrets are missing depends on whether it is published.
---@param job godwit.copy.Job
function M.judge(job)
  local keys = job.missing_secrets

  if #keys == 0 then
    return
  end
  local text = string.format("%s lacks the secret%s %s of the source (values "
    .. "cannot be copied)", job.dest_ref, #keys == 1 and "" or "s",
    table.concat(keys, ", "))
  if job.step ~= "no" and not job.opts.without_secrets then
    job:problem("%s: set %s there first, give %s with --secrets FILE, or "
      .. "publish without: --without-secrets, or do not publish: "
      .. "--publish no", text, #keys == 1 and "it" or "them",
      #keys == 1 and "its value" or "their values")
  else
    job:warn("%s", text)
  end
end

-- As at the source, unless the file says otherwise.
local function spec_of(new)
  local given, doc = new.given, new.doc
  local description = given.description
    or settings.present(doc, "description")

  return { secret_key = new.key, secret_value = new.value,
    provider_id = new.provider,
    short_name = given.short_name or settings.present(doc, "short_name")
      or new.key,
    description = description ~= "" and description or " " }
end

--- Sets what is missing and was given.
---@async
---@param job godwit.copy.Job
function M.set(job)
  for _, new in ipairs(job.new_secrets) do
    job:progress("secrets", new.key)
    job:write("set secrets of " .. job.dest_ref, function()
      return job.to:create_secret(job.to_owner, job.to_name, spec_of(new))
    end)
    job:did("secrets", "+", "secret %s", new.key)
    new.value = nil
  end
end

return M
