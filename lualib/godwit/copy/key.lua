--- key: whether the key for an owner is taken at all, and whose it is.

local err = require("godwit.err")
local log = require("godwit.log")
local task = require("godwit.task")

local M = {}

--- A read that asks for the key's own user name. One that may not read data
--- still has a name we cannot learn; what it may do is seen by other reads.
---@param driver table
---@param owner string
---@return fun(): { name: string? }
function M.try(driver, owner)
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

--- What such a read is called when it fails.
---@param driver table
---@param owner string
---@return string
function M.what(driver, owner)
  return string.format("the key of %s for %s", driver.name, owner)
end

---@class godwit.copy.KeyCheck
---@field driver table
---@field owner string
---@field problem? godwit.Err Why the key is of no use, or cannot be asked about.

-- What makes every other read a waste of time: a key that is missing or
-- refused, a cluster that cannot be reached or does not answer.
local function is_final(e)
  return e.kind == "auth" or e.kind == "usage" or e.kind == "timeout"
    or (e.kind == "net" and e.sent == false)
end

--- Asks for all keys at once and fills in the problems.
---@async
---@param checks godwit.copy.KeyCheck[]
---@param jobs integer
function M.check_all(checks, jobs)
  task.each(checks, function(check)
    local ok, e = pcall(M.try(check.driver, check.owner))
    if not ok then
      e = err.from(e)
      if err._is_final(e) or e.kind == "bug" then
        error(e, 0)
      end
      check.problem = is_final(e) and e or nil
    end
  end, { jobs = jobs })
end

-- The jobs by the keys they need on one side.
local function needs_of(jobs, side)
  local needs, known = {}, {}

  for _, job in ipairs(jobs) do
    local driver = job[side]
    local owner = side == "from" and job.owner or job.to_owner
    if not known[owner] then
      known[owner] = { driver = driver, owner = owner, jobs = {} }
      needs[#needs + 1] = known[owner]
    end
    table.insert(known[owner].jobs, job)
  end
  return needs
end

--- Before anything else every owner without a usable key is named; what needs
--- one of these keys goes no further.
---@async
---@param jobs godwit.copy.Job[]
---@param side "from"|"to"
---@param at_once integer
function M.check_jobs(jobs, side, at_once)
  local needs, named = needs_of(jobs, side), {}

  M.check_all(needs, at_once)
  for _, need in ipairs(needs) do
    local e = need.problem
    for _, job in ipairs(e and need.jobs or {}) do
      job:take(M.what(need.driver, need.owner), { false, e })
    end
    if e and e.kind ~= "net" and e.kind ~= "timeout" then
      named[#named + 1] = string.format("%s on %s", need.owner,
        need.driver.name)
    end
  end
  if #named > 1 then
    log.warn("there is no usable key for %s", table.concat(named, ", "))
  end
end

return M
