--- algorithm: `copy.algorithm`, the whole way of one algorithm for a script of
--- one's own. What the bundled `promote` asks on the command line are options
--- here, with the same defaults.

local collections = require("godwit.copy.collections")
local copy = require("godwit.copy")
local decide = require("godwit.copy.decide")
local driver_of = require("godwit.cluster.driver_of")
local err = require("godwit.err")
local effect = require("godwit.effect")
local lock = require("godwit.copy.lock")
local outcome = require("godwit.workflow.outcome")
local policy = require("godwit.policy")
local ref = require("godwit.copy.ref")
local rights = require("godwit.rights")
local secrets = require("godwit.config.secrets")
local source = require("godwit.copy.source")
local store = require("godwit.copy.store")
local sys = require("godwit.core.sys")
local versionmap = require("godwit.versionmap")

local M = {}

local KNOWN = {
  to_owner = "string", policy = "string", version = "string", publish = "string",
  callability = "string", message = "string", overwrite_drift = "boolean",
  adopt = "boolean", update_settings = "boolean", without_secrets = "boolean",
  on_drift = "string", compare = "function", secrets = "table",
  with_data = "boolean", call = "boolean", call_timeout = "number", build_timeout = "number",
}
local DRIFT = { refuse = true, overwrite = true, merge = true }
local STEPS = { minor = true, major = true, revision = true, no = true }

-- A script's table without what its metatable says: what is checked is used.
local function raw(given)
  local copy = {}
  if type(given) ~= "table" then
    err.throw("usage", "copy.algorithm: options are a table, not a %s",
      type(given))
  end
  for name, v in next, given do
    copy[name] = v
  end
  return copy
end

local function check_options(given)
  for name, v in pairs(given) do
    if not KNOWN[name] then
      err.throw("usage", "copy.algorithm: there is no option %s",
        tostring(name))
    elseif type(v) ~= KNOWN[name]
        and not (name == "publish" and v == false) then
      err.throw("usage", "copy.algorithm: %s takes a %s", name, KNOWN[name])
    end
  end
  if given.on_drift and not DRIFT[given.on_drift] then
    err.throw("usage", "copy.algorithm: on_drift is refuse, overwrite or "
      .. "merge, not %s", given.on_drift)
  end
  local step = given.publish
  if step and not STEPS[step] then
    err.throw("usage", "copy.algorithm: publish is minor, major, revision "
      .. "or false, not %s", step)
  end
end

-- What a script's compare answers: nothing or true; false, or why not.
local function asks(compare)
  return function(old, new)
    local good, why = compare(old, new)
    if good == nil or good == true then
      return nil
    elseif good ~= false or why ~= nil and type(why) ~= "string" then
      err.throw("usage", "copy.algorithm: compare answers nothing, true, or "
        .. "false and why, not %s", tostring(good))
    end
    return why or "its answer differs from that of the published version"
  end
end

-- What policies see of them: texts and numbers.
local function plain(given)
  local params = {}
  for name, v in pairs(given) do
    params[name] = type(v) ~= "table" and type(v) ~= "function" and v or nil
  end
  return params
end

local function options(given)
  given = raw(given)
  check_options(given)
  local opts = { call = true, call_timeout = 300, build_timeout = 1800,
    publish = "minor" }
  for name, v in pairs(given) do
    opts[name] = v
  end
  opts.compare = given.compare and asks(given.compare)
  opts.secrets = given.secrets
    and secrets.of(given.secrets, "copy.algorithm: secrets")
  if given.publish == false then
    opts.publish = "no"
  end
  rights.policy(opts.policy)
  opts.policies, opts.given = policy.set(opts.policy), {}
  opts.params = plain(given)
  opts.dry_run = effect.mode == "plan"
  for name in pairs(given) do
    opts.given[name] = true
  end
  opts.references, opts.shared_data = given.with_data, collections.shared()
  opts.map = versionmap.open()
  opts.run = sys.uuid()
  opts.who = string.format("%s@%s", sys.username(), sys.hostname())
  return opts
end

-- Reads and compares; an outcome when there is nothing to write.
local function look(job)
  if job.record or job.failure then
    return job.record or error(job.failure, 0)
  end
  if #job.problems == 0 then
    copy.check(job)
  end
  if #job.problems == 0 and not job.failure and not job.unchanged then
    copy.prepare(job)
  end
  if job.failure then
    error(job.failure, 0)
  end
  local why = copy.refusal(job)
  if why then
    return copy.refused(job, why)
  elseif job.record then
    return job.record
  end
  return job.unchanged and copy.outcome(job) or nil
end

local function write(job)
  local held <close> = lock.take(job)

  if held.changed then
    copy.renew(job)
    local ended = look(job)
    if ended then
      return ended
    end
  end
  return copy.carry_out(job)
end

local function carry_out(job)
  return look(job) or write(job)
end

--- Promotes an algorithm and returns its outcome. A refusal is an outcome; a
--- failure is raised, with what was done until then as its `record`.
---@async
---@param a godwit.Algorithm
---@param to godwit.Cluster
---@param given? table
---@return godwit.Outcome
function M.run(a, to, given)
  local cluster, owner, name -- read once: it may be a script's own table
  if type(a) == "table" then
    cluster, owner, name = a.cluster, a.owner, a.name
  end
  if type(owner) ~= "string" or type(name) ~= "string" or not cluster then
    err.throw("usage", "copy.algorithm: the first argument is an algorithm, "
      .. "as godwit.cluster(…).algorithms:get(…) gives it")
  elseif type(to) ~= "table" then
    err.throw("usage", "copy.algorithm: the second argument is the cluster "
      .. "to copy to, not a %s", type(to))
  end
  local opts = options(given or {})
  local from, there = driver_of(cluster), driver_of(to)
  local place = decide.place({ owner = owner, name = name,
    revision = ref.revision(opts.version or "head"),
    asked = opts.version ~= nil }, from, there, opts)
  local job = copy.placed(source.new(from, owner, name, place.revision),
    there, place, opts)

  local ok, result = xpcall(carry_out, err.traced, job)
  store.close(job)
  opts.map:close()
  if ok then
    return decide.after(job, result)
  end
  local e = err.from(result)
  e.record = decide.after(job, copy.failed(job, outcome.failure(e)))
  error(e, 0)
end

return M
