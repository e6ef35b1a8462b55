--- data: the collections of two places, owner by owner.

local accounts = require("godwit.cluster.accounts")
local collection = require("godwit.verify.collection")
local err = require("godwit.err")
local items = require("godwit.verify.item")
local pages = require("godwit.cluster.pages")
local seen = require("godwit.data.seen")
local task = require("godwit.task")

local M = {}

local function owners_of(v)
  if #v.owners > 0 then
    return v.owners
  end
  local list = {}
  for _, owner in ipairs(pages.all(v.from:each_owner())) do
    if accounts.usable(owner) then
      list[#list + 1] = owner
    end
  end
  table.sort(list)
  return list
end

-- The names of an owner's collections, each once; an owner that is not there
-- has none.
local function list(driver, owner)
  local found, known = {}, {}
  local ok, e = xpcall(function()
    for row in driver:each_collection(owner) do
      if not known[row.name] then
        known[row.name], found[#found + 1] = true, row.name
      end
    end
  end, err.traced)

  if not ok and not err.is(e, "notfound") then
    return nil, e
  end
  table.sort(found)
  return found
end

-- What cannot be listed is not known to be nothing.
local function unlisted(v, driver, owner, e)
  local whose = driver.name .. ":" .. owner .. "/*"
  local item = items.new("collection", whose)

  item:cannot_read("the collections of " .. whose, e)
  v:add({ item:record() })
end

local function jobs_of(v, entry)
  local jobs = {}
  for i, name in ipairs(entry.names) do
    jobs[i] = { owner = entry.owner, name = name, to_owner = entry.to_owner,
      left_out = entry.left_out,
      to_name = name, ref = entry.owner .. "/" .. name,
      dest_ref = ("%s:%s/%s"):format(v.to.name, entry.to_owner, name) }
  end
  return jobs
end

-- What an owner has whom the key is not for: only what is public is listed.
local function check_seen(v, driver, owner)
  local unseen = driver:unseen_owners({ owner })
  if #unseen > 0 then
    unlisted(v, driver, owner, err.new({ kind = "auth",
      message = seen.text(driver, unseen) }))
  end
end

local function look(v, entry)
  local there, why = v:owner(entry.owner)

  entry.to_owner, entry.left_out = there or entry.owner, not there and why
  entry.names, entry.failure = list(v.from, entry.owner)
  if there then
    entry.theirs, entry.failure_there = list(v.to, there)
    check_seen(v, v.from, entry.owner)
    check_seen(v, v.to, there)
  end
end

-- What owners have that only the destination has; all of it is extra. Of whom
-- the key does not see all is told.
local function look_at_others(v, entries)
  local expected, others, unseen = {}, {}, {}

  for _, entry in ipairs(entries) do
    if not entry.left_out then
      expected[entry.to_owner] = true
    end
  end
  for i, owner in ipairs(v:others("collection", expected)) do
    others[i] = { to_owner = owner, names = {} }
  end
  task.each(others, function(entry)
    local owner = entry.to_owner
    entry.theirs, entry.failure_there = list(v.to, owner)
    entry.unseen = err.is(entry.failure_there, "auth")
      or #v.to:unseen_owners({ owner }) > 0
  end, { jobs = v.cx.jobs })
  for _, entry in ipairs(others) do
    if entry.unseen then
      unseen[#unseen + 1] = entry.to_owner
    elseif entry.failure_there then
      unlisted(v, v.to, entry.to_owner, entry.failure_there)
    end
    entries[#entries + 1] = entry
  end
  v:unseen("collection", unseen)
end

local function extras(v, entries)
  local expected, seen, extra = {}, {}, {}

  look_at_others(v, entries)
  for _, entry in ipairs(entries) do
    for _, name in ipairs(entry.names or {}) do
      expected[entry.to_owner .. "/" .. name] = true
    end
  end
  for _, entry in ipairs(entries) do
    for _, name in ipairs(entry.names and entry.theirs or {}) do
      local ref = entry.to_owner .. "/" .. name
      if not expected[ref] and not seen[ref] then
        seen[ref], extra[#extra + 1] = true, ref
      end
    end
  end
  v:extra("collection", extra)
end

local function tell(v)
  local part = v.sample:text()

  if v.quick then
    v.cx:note("Files of collections were compared by name and size only "
      .. "(--quick)")
  elseif part then
    v.cx:note("Files of collections were compared by name and size, and by "
      .. "digest those of a sample: %s (--sample)", part)
  end
end

--- Compares collections.
---@async
---@param v godwit.verify.Run
function M.compare(v)
  local entries, jobs = {}, {}

  for i, owner in ipairs(owners_of(v)) do
    entries[i] = { owner = owner }
  end
  task.each(entries, function(entry)
    look(v, entry)
  end, { jobs = v.cx.jobs })
  for _, entry in ipairs(entries) do
    if entry.failure then
      unlisted(v, v.from, entry.owner, entry.failure)
    else
      table.move(jobs_of(v, entry), 1, #entry.names, #jobs + 1, jobs)
      if entry.failure_there and #entry.names > 0 then
        unlisted(v, v.to, entry.to_owner, entry.failure_there)
      end
    end
  end
  tell(v)
  v:each("collection", jobs, function(job, item)
    if job.left_out then
      return item:ends("skipped", job.left_out)
    end
    collection.compare(v, job, item)
  end)
  extras(v, entries)
end

return M
