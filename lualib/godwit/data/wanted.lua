--- data.wanted: which collections a run is about: globs of owners and names,
--- whose keys work, and whose they are there.

local accounts = require("godwit.cluster.accounts")
local err = require("godwit.err")
local glob = require("godwit.cluster.glob")
local key = require("godwit.copy.key")
local log = require("godwit.log")
local seen = require("godwit.data.seen")
local side = require("godwit.data.side")
local stages = require("godwit.workflow.stages")
local task = require("godwit.task")

local M = {}

---@class godwit.data.CollectionJob: godwit.workflow.Job
---@field from_side? godwit.data.Side
---@field to_side? godwit.data.Side

--- A job from one side to another.
---@param run table
---@param from godwit.data.Side
---@param to godwit.data.Side
---@param label? string
---@return godwit.data.CollectionJob
function M.job(run, from, to, label)
  return stages.job({ ref = label or from.label, to = to.label, run = run,
    from_side = from, to_side = to })
end

-- Nothing may be read or written where no key is.
local function refuse(ref, fmt, ...)
  local job = stages.job({ ref = ref })
  job:problem(fmt, ...)
  return job
end

local function is_pattern(text)
  return text:find("[*?]") ~= nil
end

---@async
local function owners_of(driver, wanted)
  local owners, seen = {}, {}
  local function add(owner)
    if not seen[owner] then
      seen[owner] = true
      owners[#owners + 1] = owner
    end
  end
  for _, w in ipairs(wanted) do
    if is_pattern(w.owner) then
      local matches = glob.matcher(w.owner)
      for owner in driver:each_owner() do
        if matches(owner) then
          add(owner)
        end
      end
    else
      add(w.owner)
    end
  end
  table.sort(owners)
  return owners
end

--- Whose key is of no use, by owner.
---@async
---@param driver table
---@param owners string[]
---@param at_once integer
---@return table<string, godwit.Err>
function M.check_keys(driver, owners, at_once)
  local checks, problems, named = {}, {}, {}
  for i, owner in ipairs(owners) do
    checks[i] = { driver = driver, owner = owner }
  end
  key.check_all(checks, at_once)
  for _, check in ipairs(checks) do
    if check.problem then
      problems[check.owner] = check.problem
      named[#named + 1] = ("%s on %s"):format(check.owner, driver.name)
    end
  end
  if #named > 1 then
    log.warn("there is no usable key for %s", table.concat(named, ", "))
  end
  return problems
end

local function parse(words)
  local wanted = {}
  for i, word in ipairs(words) do
    local owner, name = word:match("^([^/]+)/([^/]+)$")
    wanted[i] = { owner = owner, name = name, text = word }
  end
  return wanted
end

-- The owner's collections that are meant, each once, by name.
---@async
local function names_of(driver, owner, wanted)
  local names, seen, patterns = {}, {}, {}
  local function add(name)
    if not seen[name] then
      seen[name] = true
      names[#names + 1] = name
    end
  end
  for _, w in ipairs(wanted) do
    if glob.matcher(w.owner)(owner) then
      if is_pattern(w.text) then
        patterns[#patterns + 1] = { wanted = w, fits = glob.matcher(w.name) }
      else
        add(w.name)
      end
    end
  end
  for row in #patterns > 0 and driver:each_collection(owner)
    or function() end do
    for _, pattern in ipairs(patterns) do
      if pattern.fits(row.name) then
        pattern.wanted.found = true
        add(row.name)
      end
    end
  end
  table.sort(names)
  return names
end

-- Rules and policies are for people: an organization keeps its name.
---@async
local function is_organization(driver, owner)
  local ok, org = pcall(driver.try_get_organization, driver, owner)
  if not ok and err._is_final(org) then
    error(org, 0)
  end
  return ok and org ~= nil
end

-- Whose they are there; nil and why for an owner that is left out.
---@async
local function owner_there(run, owner)
  if run.params.to_owner then
    return run.params.to_owner
  end
  local name, why = run.people:name(owner)
  if name ~= owner and is_organization(run.from, owner) then
    return owner
  end
  return name, why
end

---@async
local function jobs_of_owner(run, owner, wanted)
  local jobs = {}
  local there, why = owner_there(run, owner)
  local ok, list = xpcall(names_of, err.traced, run.from, owner, wanted)
  if not ok then
    local e = err.from(list)
    if err._is_final(e) then
      error(e, 0)
    end
    local job = stages.job({ ref = owner .. "/*" })
    job.failure = err.wrap(e, "its collections cannot be listed")
    return { job }
  end
  for i, name in ipairs(list) do
    local ref = owner .. "/" .. name
    if not there then
      jobs[i] = stages.job({ ref = ref, record = { outcome = "skipped",
        why = why } })
    elseif not accounts.usable(name) then
      jobs[i] = refuse(ref, "that is not a collection's name")
    else
      jobs[i] = M.job(run, side.collection(run.from, owner, name),
        side.collection(run.to, there, name), ref)
    end
  end
  return jobs
end

-- Two that would become one.
local function check_double(jobs)
  local seen = {}
  for _, job in ipairs(jobs) do
    local other = job.to_side and seen[job.to_side.place]
    if other then
      for _, one in ipairs({ job, other }) do
        one:problem("%s and %s would both be copied to %s", other.ref, job.ref,
          job.to)
      end
    elseif job.to_side then
      seen[job.to_side.place] = job
    end
  end
end

--- Keys of the destination's owners, too, before anything is compared.
---@async
---@param run table
---@param jobs godwit.data.CollectionJob[]
---@param at_once integer
function M.check_destinations(run, jobs, at_once)
  local owners, seen = {}, {}
  for _, job in ipairs(jobs) do
    local owner = job.to_side and job.to_side.owner
    if owner and not seen[owner] then
      seen[owner] = true
      owners[#owners + 1] = owner
    end
  end
  local problems = run.to and M.check_keys(run.to, owners, at_once) or {}
  for _, job in ipairs(jobs) do
    local e = job.to_side and problems[job.to_side.owner]
    if e then
      job:problem("%s", tostring(e.message))
    end
  end
end

--- A job for each collection that the words of the command line mean.
---@async
---@param run table
---@param at_once integer
---@return godwit.data.CollectionJob[]
function M.jobs(run, at_once)
  local jobs, wanted = {}, parse(run.params.collections)
  local owners = owners_of(run.from, wanted)
  local problems = M.check_keys(run.from, owners, at_once)
  local found = {}
  seen.note(run.cx, run.from, owners)
  task.each(owners, function(owner)
    local e = problems[owner]
    found[owner] = e and { refuse(owner .. "/*", "%s", tostring(e.message)) }
      or jobs_of_owner(run, owner, wanted)
  end, { jobs = at_once })
  for _, owner in ipairs(owners) do
    table.move(found[owner], 1, #found[owner], #jobs + 1, jobs)
  end
  for _, w in ipairs(wanted) do
    if is_pattern(w.text) and not w.found and not next(problems) then
      run.cx:note("No collection of %s is meant by %s.", run.from.name, w.text)
    end
  end
  check_double(jobs)
  return jobs
end

return M
