--- migrate.algorithms: the algorithms of owners that move, as one stage of a
--- workflow: listed and looked at with everything else, promoted after the
--- accounts and the data they need, and those that call others after these.

local collections = require("godwit.copy.collections")
local copy = require("godwit.copy")
local decide = require("godwit.copy.decide")
local err = require("godwit.err")
local key = require("godwit.copy.key")
local listing = require("godwit.migrate.listing")
local order = require("godwit.copy.order")
local outcome = require("godwit.workflow.outcome")
local promotion = require("godwit.copy.promotion")
local ref = require("godwit.copy.ref")
local run = require("godwit.copy.run")
local secrets = require("godwit.config.secrets")
local source = require("godwit.copy.source")
local stages = require("godwit.workflow.stages")
local store = require("godwit.copy.store")

local M = {}

--- Parameters of a promotion that mean the same for all algorithms.
M.PARAMS = {}
for _, name in ipairs({ "source_version", "publish", "callability",
  "overwrite_drift", "adopt", "update_settings", "without_secrets", "secrets",
  "call", "call_timeout", "build_timeout" }) do
  local p = {}
  for k, v in pairs(promotion.PARAMS[name]) do
    p[k] = v
  end
  p.order = 50 + (p.order or 0)
  M.PARAMS[name] = p
end

local function names_of(from, owner)
  local names = {}
  for _, row in ipairs(from:list_algorithms(owner.name)) do
    names[#names + 1] = row.algoname or row.name
  end
  return names
end

local function new_job(from, to, owner, name, shared)
  local named = { owner = owner.name, name = name,
    revision = ref.revision(shared.params.source_version or "head") }
  local opts = {}
  for k, v in pairs(shared) do
    opts[k] = v
  end
  opts.to_owner, opts.owner_settled = owner.to, true
  local place = decide.place(named, from, to, opts)
  local inner = copy.placed(source.new(from, owner.name, name, place.revision),
    to, place, opts)
  if inner.to_owner == owner.to then
    inner.coming = owner.coming and "which is created first"
      or owner.keyless and "whose key is made first" or nil
  end
  return stages.job({ ref = inner.ref, to = inner.dest_ref, inner = inner,
    owner = owner })
end

-- Two that would become one, by the names a policy gives them: neither is
-- promoted, also where one of them is there already.
local function check_double(jobs)
  stages.check_double(jobs, function(job)
    local inner = job.inner
    return inner and not inner.record and not inner.failure and inner.dest_ref
      or nil
  end, "%s and %s would both become %s; let the policy give one of them another "
    .. "name (map_name)")
end

-- Every owner without a usable key is named before anything else.
local function check_keys(jobs, at_once)
  local all, there = {}, {}
  for _, job in ipairs(jobs) do
    if job.inner then
      all[#all + 1] = job.inner
      there[#there + 1] = not job.inner.coming and job.inner or nil
    end
  end
  key.check_jobs(all, "from", at_once)
  key.check_jobs(there, "to", at_once)
end

-- What is to be said of what nobody could know beforehand.
local function note_open(job)
  job.unknowable = {}
  for i, text in ipairs(job.inner.unchanged and {} or job.inner.unknowable) do
    job.unknowable[i] = text
  end
end

local function look(job, check)
  local inner = job.inner
  local why = check(job.owner)
  if why then
    return job:problem("%s", why)
  end
  if #job.problems > 0 then
    return -- one of two: what is there is neither's
  end
  run.look_at(inner)
  note_open(job)
  job.record = inner.record
  job.warnings = inner.warnings
  for _, text in ipairs(inner.problems) do
    job:problem("%s", text)
  end
  if inner.refusal and #inner.problems == 0 then
    job:problem("%s", inner.refusal)
  end
  job.failure = inner.failure
end

-- A failure keeps what was done until then.
local function work_on(inner)
  if inner.coming then
    copy.renew(inner) -- its owner is there by now
    run.look_at(inner)
  end
  local ok, result = xpcall(run.work_on, err.traced, inner, copy.carry_out)
  store.close(inner)
  if not ok then
    local e = err.from(result)
    if not err._is_final(e) then
      e.record = copy.failed(inner, outcome.failure(e))
    end
    error(e, 0)
  end
  return result
end

-- It would be published without what it reads when it is loaded.
local function missing_data(inner, lacks)
  for _, taken in ipairs(collections.named(inner)) do
    if lacks(taken.owner, taken.name) then
      return ("%s names data://%s/%s, which was not copied whole"):format(
        taken.place, taken.owner, taken.name)
    end
  end
  return nil
end

--- The stage; its algorithms are listed here.
---@async
---@param cx godwit.workflow.Cx
---@param from table Driver.
---@param to table Driver.
---@param owners godwit.migrate.Owner[]
---@param check fun(owner: godwit.migrate.Owner): string|nil Why nothing can be written for it.
---@param lacks fun(owner: string, name: string): boolean Whether a collection was not copied that should have been.
---@return godwit.workflow.Stage
function M.stage(cx, from, to, owners, check, lacks)
  local shared, stage = promotion.options(cx), { kind = "algorithm" }

  shared.references = true
  shared.secrets = cx.params.secrets and secrets.load(cx.params.secrets)
  stage.secrets = shared.secrets
  stage.jobs = listing.jobs(owners, cx.jobs, { from = from,
    what = "algorithms",
    names = function(owner)
      return names_of(from, owner)
    end,
    job = function(owner, name)
      return new_job(from, to, owner, name, shared)
    end })
  check_double(stage.jobs)
  check_keys(stage.jobs, cx.jobs)

  local queue
  function stage.before()
    local inner, of, jobs = {}, {}, {}
    for _, job in ipairs(stage.jobs) do
      if job.inner then
        inner[#inner + 1], of[job.inner] = job.inner, job
      else
        jobs[#jobs + 1] = job
      end
    end
    queue = order.queue(inner)
    for _, one in ipairs(queue.jobs) do
      jobs[#jobs + 1] = of[one]
    end
    stage.jobs = jobs
  end

  function stage.ended(job)
    if job.inner then
      queue:finish(job.inner)
    end
  end

  function stage.look(job)
    if job.inner then
      look(job, check)
    end
  end

  function stage.work(job)
    local why = check(job.owner) or missing_data(job.inner, lacks)
    if why then
      return cx:refuse(why)
    end
    local turn <close> = queue:turn(job.inner)
    return decide.after(job.inner, work_on(job.inner))
  end
  return stage
end

--- Says what only trying could tell, as far as it was not tried, and which
--- secrets were given for nothing.
---@param cx godwit.workflow.Cx
---@param stage godwit.workflow.Stage
function M.finish(cx, stage)
  for i, job in ipairs(stage.jobs) do
    local ended = (stage.items[i] or {}).outcome
    for _, text in ipairs((cx.dry_run or ended == "refused"
        or ended == "failed") and job.unknowable or {}) do
      cx:note("only trying can tell %s", text)
    end
  end
  run.name_unused(stage.secrets)
end

return M
