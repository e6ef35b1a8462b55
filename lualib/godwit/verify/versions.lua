--- versions: whether what was promoted of an algorithm is published at the
--- destination, and whether every version the version map knows is still the
--- commit it was.

local decide = require("godwit.copy.decide")
local err = require("godwit.err")
local numbers = require("godwit.verify.numbers")
local publish = require("godwit.copy.publish")
local versionmap = require("godwit.versionmap")

local M = {}

local hash, number, show = numbers.hash, numbers.number, numbers.show

-- The commit that stands for what was promoted.
local function our_commit(job)
  local state = job.state or {}

  return state.base or job.dest.tip.commit
end

--- Compares the published versions of what was promoted: `job.mine` and
--- `job.theirs`.
---@async
---@param job godwit.copy.Job
---@param item godwit.verify.Item
function M.compare(job, item)
  local mine = publish.find(job.source.versions, job.promoted)
  local commit = our_commit(job)
  local theirs = publish.find(job.dest.published, commit or "")

  job.mine, job.theirs = mine, theirs
  if mine and not theirs and decide.publishes(job) then
    item:differ("published version", number(mine), nil,
      string.format("nothing is published of the destination's %s",
        tostring(commit or "repository"):sub(1, 10)))
  end
  item:fact("source_version", number(mine))
  item:fact("version", number(theirs))
end

-- A commit that was published again is listed under its last number only.
local function ask_version(item, driver, owner, name, wanted)
  local doc = item:read(string.format("version %s of %s/%s on %s", wanted,
    owner, name, driver.name), function()
      local ok, doc = pcall(driver.get_version, driver, owner, name, wanted)
      if not ok and not err.is(doc, "notfound") then
        error(doc, 0)
      end
      return ok and doc or false
    end)
  return doc
end

local function check_version(item, published, wanted, commit, ask)
  for _, doc in ipairs(published) do
    if number(doc) == wanted then
      return hash(doc)
    end
  end
  local doc = ask(wanted)
  if doc == nil then
    return commit -- it could not be read, which is noted
  end
  return doc and hash(doc) or nil
end

--- Compares what the version map says was published as what.
---@async
---@param job godwit.copy.Job
---@param item godwit.verify.Item
function M.compare_map(job, item)
  local pairs_of = {}

  for _, row in pairs(versionmap.by_dest_commit(job)) do
    if row.dest_version then
      pairs_of[#pairs_of + 1] = row
    end
  end
  table.sort(pairs_of, function(a, b)
    return (a.created_at or "") < (b.created_at or "")
  end)
  for _, row in ipairs(pairs_of) do
    local found = check_version(item, job.dest.published, row.dest_version,
      row.dest_commit, function(wanted)
        return ask_version(item, job.to, job.to_owner, job.to_name, wanted)
      end)
    if found ~= row.dest_commit then
      item:differ("version " .. row.dest_version,
        show(row.dest_commit, row.source_version and row.source_version
          .. " of the source"), found)
    end
  end
end

return M
