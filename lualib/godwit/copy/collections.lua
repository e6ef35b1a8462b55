--- collections: the data that an algorithm's code names, taken along before the
--- code is (`--with-data`), so that it finds its models when it is loaded.

local copy = require("godwit.data.copy")
local err = require("godwit.err")
local key = require("godwit.copy.key")
local memo = require("godwit.memo")
local budget = require("godwit.data.budget")
local progress = require("godwit.data.progress")
local side = require("godwit.data.side")

local M = {}

---@class godwit.copy.Taken
---@field owner string
---@field name string
---@field to_owner string
---@field place string Where the code names it first.
---@field stays? boolean It would be copied to itself.

--- What the jobs of a run share: a collection that several algorithms name is
--- copied once to each destination.
---@return { memo: godwit.Memo, budget: godwit.data.Budget }
function M.shared()
  return { memo = memo.new(), budget = budget.new({}) }
end

--- The collections a job's code names, each once, in its order.
---@param job godwit.copy.Job
---@return godwit.copy.Taken[]
function M.named(job)
  local list, seen = {}, {}
  for _, r in ipairs(job.source.references or {}) do
    local owner = r.owner == ".my" and job.owner or r.owner
    local ref = r.scheme == "data" and r.name and owner .. "/" .. r.name
    if ref and not seen[ref] then
      seen[ref] = true
      list[#list + 1] = { owner = owner, name = r.name, place = r.place,
        to_owner = owner == job.owner and job.to_owner or owner }
    end
  end
  return list
end

-- The key of an owner that is not the algorithm's own.
local function check_key(job, taken)
  if taken.to_owner ~= job.to_owner then
    job:read(key.what(job.to, taken.to_owner), key.try(job.to, taken.to_owner))
  end
end

-- Another owner's keeps its name: within one cluster it is there already.
local function stays(job, taken)
  return job.from.id == job.to.id and taken.owner == taken.to_owner
end

-- Calls fn(job, taken, place) for all that jobs take along.
local function each(jobs, fn)
  for _, job in ipairs(jobs) do
    for _, taken in ipairs(not job.record and job.collections or {}) do
      fn(job, taken, taken.to_owner .. "/" .. taken.name)
    end
  end
end

--- Two collections of the source that would become one: files of one name
--- would be whoever's came last. Of a job alone `look` has seen to it.
---@param jobs godwit.copy.Job[] To one destination.
function M.check_places(jobs)
  local first, other = {}, {} -- whose they are, by where they go

  each(jobs, function(_, taken, place)
    first[place] = first[place] or taken.owner
    if taken.owner ~= first[place] then
      other[place] = other[place] or taken.owner
    end
  end)
  each(jobs, function(job, taken, place)
    if other[place] then
      local second = taken.owner ~= first[place] and taken.owner
        or other[place]
      job:problem("data://%s/%s and data://%s/%s would both be data://%s on "
        .. "%s", first[place], taken.name, second, taken.name, place,
        job.to.name)
    end
  end)
end

--- Finds the collections and what stands against copying them.
---@async
---@param job godwit.copy.Job
function M.look(job)
  job.collections = {}
  for _, taken in ipairs(M.named(job)) do
    local ref = taken.owner .. "/" .. taken.name
    local doc = job:read("the collection " .. ref .. " on " .. job.from.name,
      function()
        return job.from:try_get_collection(taken.owner, taken.name) or false
      end)
    if doc then
      job.collections[#job.collections + 1] = taken
      taken.stays = stays(job, taken)
      if not taken.stays then
        check_key(job, taken)
      end
    elseif doc == false then
      job:warn("%s names data://%s, which %s does not have", taken.place, ref,
        job.from.name)
    end
  end
  M.check_places({ job })
end

---@async
local function copy_one(job, taken)
  local from = side.collection(job.from, taken.owner, taken.name)
  local to = side.collection(job.to, taken.to_owner, taken.name)
  local closed <close> = setmetatable({}, { __close = function()
    from:close()
    to:close()
  end })
  return copy.run({ ref = taken.owner .. "/" .. taken.name, from = from,
    to = to, opts = {}, budget = job.opts.shared_data.budget,
    tick = progress.of(function(phase, detail)
      job:progress("data", ("%s, %s"):format(taken.name, detail or phase))
    end) })
end

-- Whoever comes first copies; the others wait, and learn what became of it.
---@async
local function copied(job, taken)
  local way = ("%s %s/%s %s"):format(job.to.id, taken.to_owner, taken.name,
    taken.owner)
  return job.opts.shared_data.memo:get(way, function()
    local ok, record = xpcall(copy_one, err.traced, job, taken)
    if ok then
      return record
    end
    local e = err.from(record)
    if err._is_final(e) then
      error(e, 0)
    end
    return { outcome = "failed", why = e.message, kind = e.kind,
      retryable = e.retryable }
  end)
end

local SYMBOL = { created = "+", updated = "~", unchanged = "=" }

---@async
local function take_along(job, taken)
  job:progress("data", taken.name)
  local record = copied(job, taken)
  local symbol = SYMBOL[record.outcome]
  if not symbol then
    local first = record.problems and record.problems[1]
    error(err.new({ kind = record.kind or "remote",
      retryable = record.retryable, message = ("the collection %s/%s was "
      .. "not copied: %s%s"):format(taken.owner, taken.name,
        tostring(record.why), first and "; the first: " .. first or "") }), 0)
  end
  job:did("data", symbol, "data://%s/%s, %d file%s", taken.to_owner,
    taken.name, record.files or 0, record.files == 1 and "" or "s")
end

--- Copies them. Raises when one did not arrive whole: the algorithm would be
--- called without its data.
---@async
---@param job godwit.copy.Job
function M.copy(job)
  if job.collections and #job.collections == 0 then
    job:did("data", "=", "no data: the code names no collection that is there")
  end
  for _, taken in ipairs(job.collections or {}) do
    if taken.stays then
      job:did("data", "=", "data://%s/%s, which %s has already", taken.owner,
        taken.name, job.to.name)
    else
      take_along(job, taken)
    end
  end
end

return M
