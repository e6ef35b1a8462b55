--- migrate.keys: keys for owners at the destination, as one stage of a workflow:
--- who has none that works gets one, as `issue-keys` makes it, and this run uses
--- it for what comes later.

local err = require("godwit.err")
local key = require("godwit.copy.key")
local keys = require("godwit.copy.keys")
local stages = require("godwit.workflow.stages")

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

local function is_usable(to, owner)
  local ok, e = pcall(key.try(to, owner))
  if not ok and not err.is(e, "auth") and not err.is(e, "usage") then
    error(e, 0)
  end
  return ok
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
  end
  if not cx.dry_run then
    use(run, to)
  end

  function stage.look(job)
    local why = check(job.account)
    if why then
      job:problem("%s", why)
    elseif job.account.coming then
      return -- looked at when it is there
    elseif is_usable(to, job.owner) then
      job.record = { outcome = "unchanged" }
      job:did("=", "there is a key that works")
    else
      keys.look(job)
    end
  end

  function stage.work(job)
    local why = check(job.account)
    if why then
      return cx:refuse(why)
    elseif job.account.coming then
      keys.look(job)
    end
    if #job.problems > 0 then
      return cx:refuse(table.concat(job.problems, "; "))
    end
    return job.record or keys.issue(job)
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
