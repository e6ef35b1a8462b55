--- decide: what is somebody's to decide about a promotion: what goes where,
--- under which name, as which version. Here the command line and a policy meet:
--- what was typed wins over a policy, the policy of the destination's profile
--- wins over what was typed.

local check_ref = require("godwit.copy.ref")
local environment = require("godwit.copy.environment")
local err = require("godwit.err")
local given = require("godwit.policy.given")
local rules = require("godwit.copy.rules")
local tree_of = require("godwit.tree")

local M = {}

-- What the policy is told of a job, or of an earlier commit of its source.
local function where(job, commit)
  local source = job.source

  return { from = job.from, to = job.to, params = job.opts.params,
    dry_run = job.opts.dry_run, owner = job.to_owner, name = job.to_name,
    commit = given.commit(commit or source and source.info
      or job.source_info) }
end

local function handle(job)
  local doc = job.source and job.source.algorithm

  return given.algorithm(job.from, job.owner, job.name, doc and doc.id)
end

local function flag_of(name)
  return "--" .. name:gsub("_", "-")
end

-- Whether what was typed decides, and not the policy's point.
local function is_typed(job, name, point)
  if not (job.opts.given or {})[name] then
    return false
  elseif not job.policy.forced or not job.policy:has(point) then
    return true
  end
  job:warn("%s of %s decides with %s; %s counts no more", point,
    job.policy.origin, job.policy.label, flag_of(name))
  return false
end

-- what goes where --------------------------------------------------------

local function warn(place, point, what)
  table.insert(place.warnings, string.format("%s of %s decides with %s; %s "
    .. "counts no more", point, place.policy.origin, place.policy.label, what))
end

-- The revision, by the policy unless one was named.
local function revision(place, ref, a)
  local policy, opts = place.policy, place.opts
  local named = ref.asked or ref.revision.kind ~= "head"
    or (opts.given or {}).source_version

  if named and not policy.forced then
    return ref.revision
  end
  local asked, text = policy:revision(place.where, a)
  if not asked then
    return ref.revision
  elseif not text then
    return nil
  end
  if named then
    warn(place, "revision", "the version that was named")
  end
  return check_ref.revision(text)
end

-- The owner there, by the policy unless one was typed, or it was decided with
-- the account itself.
local function map_owner(place, owner)
  local policy, typed = place.policy, (place.opts.given or {}).to_owner

  if place.opts.owner_settled then
    return
  elseif policy:has("map_owner") and (policy.forced or not typed) then
    place.owner = policy:map_owner(place.where, owner)
    if typed then
      warn(place, "map_owner", "--to-owner")
    end
  end
end

local function settle(place, ref, a)
  local policy = place.policy
  local yes, why = policy:select(place.where, a)

  if not yes then
    place.skipped = why
    return
  end
  map_owner(place, ref.owner)
  place.name = policy:map_name(place.where, ref.name)
  place.revision = revision(place, ref, a)
  if not place.revision then
    place.skipped = string.format("the policy chose no revision (%s)",
      policy.label)
  end
end

---@class godwit.copy.Place
---@field policy godwit.policy.Policy
---@field owner string
---@field name string
---@field revision? godwit.copy.Revision
---@field skipped? string Why it is not promoted at all.
---@field failure? godwit.Err What asking the policy raised.
---@field warnings string[]

local function new_place(owner, name, from, to, opts)
  return {
    policy = opts.policies:of(owner, to), opts = opts,
    owner = opts.to_owner or owner, name = name, warnings = {},
    where = { from = from, to = to, params = opts.params,
      dry_run = opts.dry_run, owner = opts.to_owner or owner, name = name },
  }
end

--- What an owner is called at a destination.
---@async
---@param owner string
---@param from table
---@param to table
---@param opts godwit.copy.Options
---@return string
function M.owner(owner, from, to, opts)
  local place = new_place(owner, nil, from, to, opts)
  map_owner(place, owner)
  return place.owner
end

--- What an algorithm is called at a destination, which revision of it is
--- promoted, or why none is. Raises when the policy cannot be used at all; what
--- goes wrong when it is asked is the place's failure.
---@async
---@param ref godwit.copy.Ref
---@param from table
---@param to table
---@param opts godwit.copy.Options
---@return godwit.copy.Place
function M.place(ref, from, to, opts)
  local place = new_place(ref.owner, ref.name, from, to, opts)
  local ok, e = xpcall(settle, err.traced, place, ref,
    given.algorithm(from, ref.owner, ref.name))
  if not ok then
    e = err.from(e)
    if e.kind == "cancelled" then
      error(e, 0)
    end
    place.failure = e
  end
  place.revision = place.revision or ref.revision
  return place
end

-- what is promoted -------------------------------------------------------

--- Whether it may be published at all, as far as it is known before the source
--- commit is.
---@param job godwit.copy.Job
---@return boolean
function M.publishes(job)
  local fixed = job.policy:constant("version_step")
  if fixed ~= nil and not is_typed(job, "publish", "version_step") then
    return fixed ~= "no" and fixed ~= false
  end
  return job.opts.publish ~= "no"
end

--- The destination's environment for the source's.
---@async
---@param job godwit.copy.Job
---@param id string The source's.
---@param theirs table[] The source's catalogue.
---@param ours table[] The destination's.
---@return table? env
---@return string? problem
function M.environment(job, id, theirs, ours)
  local source = environment.find(theirs, id)
  local chosen = rules.overrides(job, where(job)).environment
  local point = chosen and "settings" or "map_environment"
  local name = chosen
    or source and job.policy:map_environment(where(job), source)

  if name then
    return rules.environment(job, point, name, ours, source)
  end
  local env, problem = environment.map(id, theirs, ours)
  return env, problem and problem .. "; enable one there, or name another in a "
    .. "policy (map_environment)"
end

--- The settings the destination should have.
---@async
---@param job godwit.copy.Job
---@param desired godwit.copy.Settings
---@return godwit.copy.Settings
function M.settings(job, desired)
  if not job.policy:has("settings") then
    return desired
  end
  return rules.apply(job, desired, rules.overrides(job, where(job)))
end

--- Who may call what is published, as the command line or the policy has it;
--- nil: neither does.
---@param job godwit.copy.Job
---@return "public"|"private"|nil
function M.callability(job)
  local theirs = job.overrides and job.overrides.callability
  if not theirs or is_typed(job, "callability", "settings") then
    return job.opts.callability
  end
  return theirs
end

--- The tree the destination should have.
---@async
---@param job godwit.copy.Job
---@param repo table From copy.store.
---@param tree string With the owner rewritten.
---@param commit? table The commit it is of; default: the source's.
---@return string tree
function M.tree(job, repo, tree, commit)
  if not job.policy:has("transform") then
    return tree
  end
  local files = tree_of.open(repo.raw, tree)
  job.policy:transform(where(job, commit), files)
  local ok, saved = pcall(files.save, files)
  if ok then
    return saved
  end
  local e = err.from(saved) -- what no tree can hold is the policy's doing
  error(e.kind == "limit" and job.policy:error("transform", e) or e, 0)
end

--- The message of the commit; nil: the source commit's. Asked once for a job.
---@async
---@param job godwit.copy.Job
---@return string?
function M.message(job)
  if is_typed(job, "message", "message") then
    return job.opts.message
  end
  job.message = job.message
    or { job.policy:message(where(job)) or job.opts.message }
  return job.message[1]
end

--- How it is published.
---@async
---@param job godwit.copy.Job
---@return "minor"|"major"|"revision"|"no"
function M.step(job)
  if is_typed(job, "publish", "version_step") then
    return job.opts.publish
  end
  return job.policy:version_step(where(job), handle(job)) or job.opts.publish
end

-- What the flags say of a destination that has drifted or is unknown.
local function flagged(job)
  local opts = job.opts

  if opts.on_drift then
    return opts.on_drift, "on_drift"
  elseif job.state.kind == "drifted" then
    return opts.overwrite_drift and "overwrite" or "refuse", "overwrite_drift"
  end
  return opts.adopt and "overwrite" or "refuse", "adopt"
end

--- What becomes of a destination that has drifted or is unknown.
---@async
---@param job godwit.copy.Job
---@return "refuse"|"overwrite"|"merge"
function M.drift(job)
  local answer, name = flagged(job)

  if is_typed(job, name, "on_drift") then
    return answer
  end
  return job.policy:on_drift(where(job), rules.drift(job.state)) or answer
end

--- Whether the answers of the published version and of the new one are
--- compared before the new one is published.
---@param job godwit.copy.Job
---@return boolean
function M.compares(job)
  return job.opts.compare ~= nil or job.policy:has("compare")
end

--- Why the new one is not published; nil: it is. Asked when `compares` says
--- so and both calls returned.
---@async
---@param job godwit.copy.Job
---@param old { result: any, metadata: table }
---@param new { result: any, metadata: table }
---@return string?
function M.compare(job, old, new)
  local why = job.opts.compare and job.opts.compare(old, new)

  return why or job.policy:compare(where(job), old, new)
end

-- before and after -------------------------------------------------------

--- What becomes of a job that its policy does not let through; nil: it does.
--- Asked when all of it is known and before the first write.
---@async
---@param job godwit.copy.Job
---@return godwit.policy.Verdict?
function M.gate(job)
  return job.policy:gate(where(job), handle(job))
end

--- Tells the policy what became of a job. When that fails, so has the item,
--- whatever the promotion itself did.
---@async
---@param job godwit.copy.Job
---@param record godwit.Outcome
---@return godwit.Outcome
function M.after(job, record)
  if not job.policy:has("after") or record.kind == "cancelled" then
    return record
  end
  local ok, e = xpcall(job.policy.after, err.traced, job.policy, where(job),
    record)
  if ok then
    return record
  end
  e = err.from(e)
  if e.kind == "cancelled" or e.kind == "budget" then
    error(e, 0)
  end
  local why = string.format("%s; the promotion itself ended as %s", e.message,
    record.outcome)
  if record.why and record.outcome ~= "failed" then
    why = why .. ": " .. record.why
  elseif record.why then
    why = record.why .. "; then " .. e.message
  end
  record.outcome, record.why, record.kind = "failed", why,
    e.kind == "denied" and "denied" or record.kind or e.kind
  record.retryable = nil
  return record
end

return M
