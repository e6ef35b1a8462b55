--- migrate.keys: keys for owners at the destination, as one stage of a workflow:
--- who has none that works gets one, as `issue-keys` makes it, and this run uses
--- it for what comes later.

local err = require("godwit.err")
local keys = require("godwit.copy.keys")
local stages = require("godwit.workflow.stages")
local task = require("godwit.task")

local M = {}

M.PARAMS = {
  issue_keys = { "string", optional = true, order = 7, metavar = "FILE",
    help = "Make keys for owners that have none at the destination, into this "
      .. "private file, and use them" },
}

-- Everything a migration does with a key, and nothing else.
local function open(cx, path)
  return keys.open({ dry_run = cx.dry_run, params = { to = cx.params.to,
    out = path, manage = true, call = true, data = true, data_write = true } })
end

-- Whether the owner's key is taken, and is the owner's: a profile may have one
-- key for everything. nil and why where the cluster does not tell whether it
-- knows the key.
---@async
local function is_usable(to, owner)
  local driver = to.under or to
  local ok, names, why = pcall(function()
    return driver:owners_of_key(driver:key(owner))
  end)
  if not ok and not err.is(names, "auth") and not err.is(names, "usage") then
    error(names, 0)
  elseif ok and not names and why then
    return nil, why
  end
  for _, name in ipairs(ok and names or {}) do
    if name == owner then
      return true
    end
  end
  return ok and names ~= nil and #names == 0
end

-- What the file has comes first: a key of the organization's own may publish
-- what a member's may not.
local function use(run, to)
  local before = to.profile.key
  to.profile.key = function(owner)
    local entry = run.file:find(owner)
    if entry then
      return entry.key
    elseif type(before) == "function" then
      return before(owner)
    end
    return before
  end
end

-- Who is there and has no key that works gets one in this run, before anybody
-- looks at what is there. Where nobody can tell, the one there is stays, and is
-- looked at as any other, unless its import was begun and goes on now.
---@async
local function find_keyless(stage, to, at_once)
  task.each(stage.jobs, function(job)
    local account = job.account
    if account.coming or #account.job.problems > 0 then
      return
    end
    stages.guard(job, function()
      local usable, why = is_usable(to, account.to)
      job.doubt = why
      if why then
        account.keyless = stage.run.file:is_pending(account.to)
      else
        account.keyless = not usable
      end
    end)
  end, { jobs = at_once })
end

-- The key that was of no use is remembered nowhere.
local function issue(job)
  local outcome = keys.issue(job)
  local driver = job.run.to
  for _, what in ipairs({ "key/", "user/", "git user/" }) do
    if driver.memo then
      driver.memo:forget(what .. job.owner)
    end
  end
  return outcome
end

-- The file's key in doubt is `issue-keys`'s own case; this is the profile's.
local function stay(job)
  job.record = { outcome = "unchanged" }
  if not job.doubt then
    return job:did("=", "there is a key that works")
  end
  job:warn("whether %s knows the profile's key for %s cannot be told: %s; if it "
    .. "does not work, %s makes one", job.run.to.name, job.owner,
    job.doubt.message, keys.renewal(job))
end

---@async
local function look_at_key(job)
  keys.look(job)
  if job.run.dry_run and job.account.keyless and #job.problems == 0
    and not job.record then
    job.run.to:veil(job.owner)
  end
end

--- The stage. `run` of what it gives is to be closed.
---@async
---@param cx godwit.workflow.Cx
---@param to table Driver.
---@param owners godwit.migrate.Owner[]
---@param check fun(owner: godwit.migrate.Owner): string|nil
---@return godwit.workflow.Stage
function M.stage(cx, to, owners, check)
  local run = open(cx, cx.params.issue_keys)
  local stage = { kind = "key", jobs = {}, run = run }

  for i, account in ipairs(owners) do
    stage.jobs[i] = stages.job({ ref = account.to, owner = account.to,
      to = to.name .. ":" .. account.to, run = run, account = account })
    account.key_job = stage.jobs[i]
  end
  use(run, to)
  find_keyless(stage, to, cx.jobs)

  function stage.look(job)
    local why = check(job.account)
    if why then
      job:problem("%s", why)
    elseif job.account.coming then
      keys.look_at_file(job) -- the rest when it is there
    elseif job.account.keyless or run.file:is_pending(job.owner)
      or job.doubt and run.file:find(job.owner) then
      look_at_key(job)
    else
      stay(job)
    end
  end

  function stage.work(job)
    local why = check(job.account)
    if why then
      return cx:refuse(why)
    end
    job.begun = true
    if job.account.coming then
      keys.look(job)
    end
    if #job.problems > 0 then
      return cx:refuse(table.concat(job.problems, "; "))
    end
    local outcome = job.record or issue(job)
    job.done = true
    return outcome
  end
  return stage
end

--- Says what is left to do by hand.
---@param cx godwit.workflow.Cx
---@param stage godwit.workflow.Stage
function M.finish(cx, stage)
  stage.run.params.out = cx.params.issue_keys
  keys.finish(cx, stage.run)
end

return M
