--- order: algorithms that call others come after them: their call with the
--- sample input would fail else. Who calls whom is what their code names.

local core = require("godwit.core.task")

local M = {}

local function key_of(job)
  return job.owner .. "/" .. job.name
end

-- The jobs of this destination that a job's code calls.
local function needs_of(job, by_ref)
  local needs, seen = {}, {}
  for _, r in ipairs(job.source and job.source.references or {}) do
    local owner = r.owner == ".my" and job.owner or r.owner
    local other = r.scheme == "algo" and r.name and by_ref[owner .. "/" .. r.name]
    if other and other ~= job and not seen[other] then
      seen[other] = true
      needs[#needs + 1] = other
    end
  end
  return needs
end

--- The jobs, each behind those it calls; else as they were. Of those that call
--- each other in a circle one has to come first: the one that was named first.
---@param jobs godwit.copy.Job[]
---@return godwit.copy.Job[] sorted
---@return table<godwit.copy.Job, godwit.copy.Job[]> needs Whom to wait for, all of them before it in the list.
function M.sort(jobs)
  local by_ref, sorted, needs, state = {}, {}, {}, {}

  for _, job in ipairs(jobs) do
    by_ref[key_of(job)] = job
  end
  -- A chain of calls may be as long as there are algorithms: no recursion.
  local function visit(first)
    local stack = { { job = first, at = 0, needs = needs_of(first, by_ref) } }
    state[first] = "open"
    while #stack > 0 do
      local top = stack[#stack]
      top.at = top.at + 1
      local other = top.needs[top.at]
      if not other then
        stack[#stack] = nil
        state[top.job] = "done"
        sorted[#sorted + 1] = top.job
      elseif not state[other] then
        state[other] = "open"
        stack[#stack + 1] = { job = other, at = 0,
          needs = needs_of(other, by_ref) }
      end
    end
  end
  for _, job in ipairs(jobs) do
    if not state[job] then
      visit(job)
    end
  end
  local place = {}
  for i, job in ipairs(sorted) do
    place[job] = i
  end
  for i, job in ipairs(sorted) do
    for _, other in ipairs(needs_of(job, by_ref)) do
      if place[other] < i then
        needs[job] = needs[job] or {}
        table.insert(needs[job], other)
      end
    end
  end
  return sorted, needs
end

---@class godwit.copy.Queue
---@field jobs godwit.copy.Job[] To be begun in this order.
---@field private needs table<godwit.copy.Job, godwit.copy.Job[]>
---@field private ended table<godwit.copy.Job, boolean>
---@field private waiting table<godwit.copy.Job, integer[]>
local Queue = {}
Queue.__index = Queue

--- Jobs that are begun in their order, several at once.
---@param jobs godwit.copy.Job[]
---@return godwit.copy.Queue
function M.queue(jobs)
  local sorted, needs = M.sort(jobs)
  return setmetatable({ jobs = sorted, needs = needs, ended = {},
    waiting = {} }, Queue)
end

local function wait_for(queue, job, other)
  while not queue.ended[other] do
    local ticket = core.ticket()
    queue.waiting[other] = queue.waiting[other] or {}
    table.insert(queue.waiting[other], ticket)
    job:progress("wait", "for " .. other.ref)
    core.wait(ticket)
  end
end

--- Says that a job has ended, for those that never had their turn; twice is as
--- good as once.
---@param job godwit.copy.Job
function Queue:finish(job)
  self.ended[job] = true
  for _, ticket in ipairs(self.waiting[job] or {}) do
    core.wake(ticket)
  end
  self.waiting[job] = nil
end

--- Waits until those that this job calls have ended, however they did: they
--- stand before it, so each of them has been begun. The turn ends with the
--- returned value.
---@async
---@param job godwit.copy.Job
---@return table closable
function Queue:turn(job)
  local turn = setmetatable({}, { __close = function()
    self:finish(job)
  end })
  for _, other in ipairs(not job.record and self.needs[job] or {}) do
    local ok, e = pcall(wait_for, self, job, other)
    if not ok then
      self:finish(job)
      error(e, 0)
    end
  end
  return turn
end

return M
