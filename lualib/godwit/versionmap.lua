--- versionmap: which version and commit of one cluster is which of another.
--- Rows are written after every promotion and kept for good; they can be
--- rebuilt from the trailers of the destination's commits.

local commit = require("godwit.copy.commit")
local core_vmap = require("godwit.core.vmap")
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local places = require("godwit.config.places")
local settings = require("godwit.copy.settings")
local sys = require("godwit.core.sys")

local M = {}

-- The rules that make an expected tree out of a source tree. Policies add
-- theirs; a new number makes every promotion look again.
local RULES = "owner-rewrite 1"

--- The digest of the rules a job's expected tree is made by.
---@param job godwit.copy.Job
---@return string
function M.policy_digest(job)
  local policy = job.policy.digest
  return sys.hash("sha256", policy ~= "" and RULES .. "\n" .. policy or RULES)
end

--- Opens the map of this user.
---@async
---@return table
function M.open()
  local dir = places.state_dir()
  local path = dir .. "/versions.db"

  err.check(fs.mkdir(dir, 448))
  local map, e = core_vmap.open(path)
  if not map and (e.message:find("not a database", 1, true)
      or e.message:find("malformed", 1, true)) then
    e = err.wrap(e, path .. " is damaged; move it away, then fill a new one "
      .. "with: godwit version-map OWNER/NAME --rebuild --to CLUSTER")
  end
  return err.check(map, e)
end

local function key(job)
  return {
    source_cluster = job.from.id, source_owner = job.owner,
    source_name = job.name, dest_cluster = job.to.id,
    dest_owner = job.to_owner, dest_name = job.to_name,
  }
end

--- The newest row of a promotion's pair, or nil.
---@async
---@param job godwit.copy.Job
---@return table?
function M.last(job)
  return job.opts.map and err.check(job.opts.map:find(key(job)))[1]
end

--- All rows of the pair by the destination's commit.
---@async
---@param job godwit.copy.Job
---@return table<string, table>
function M.by_dest_commit(job)
  local rows, map = {}, job.opts.map

  for _, row in ipairs(map and err.check(map:find(key(job))) or {}) do
    rows[row.dest_commit] = rows[row.dest_commit] or row
  end
  return rows
end

--- Records what a promotion did.
---@async
---@param job godwit.copy.Job
function M.record(job)
  local row = key(job)

  row.source_version = job.source.version
  row.source_commit = job.source.commit
  row.source_tree = job.source.tree
  row.expected_tree = job.expected
  row.policy_digest = M.policy_digest(job)
  row.settings_digest = job.settings_digest
  row.dest_version = job.version
  row.dest_commit = job.commit
  row.created_at = sys.format_time(sys.time())
  row.run = job.opts.run
  row.who = job.opts.who .. (job.dest.key_owner
    and " with the key of " .. job.dest.key_owner or "")
  err.check(job.opts.map:put(row))
end

--- Every row that names OWNER/NAME on either side, newest first.
---@async
---@param map table
---@param owner string
---@param name string
---@return {direction: "to"|"from", row: table}[]
function M.lookup(map, owner, name)
  local found = {}

  for _, row in ipairs(err.check(map:find({ source_owner = owner,
      source_name = name }))) do
    found[#found + 1] = { direction = "to", row = row }
  end
  for _, row in ipairs(err.check(map:find({ dest_owner = owner,
      dest_name = name }))) do
    -- A promotion inside one owner and name stands in both lists.
    found[#found + 1] = { direction = "from", row = row }
  end
  return found
end

local function versions_by_commit(driver, owner, name)
  local versions = {}

  for doc in driver:each_version(owner, name, { published = true }) do
    local hash = settings.present(doc.version_info, "git_hash")
    -- Newest first: the latest number of a commit is the one that counts.
    versions[hash or ""] = versions[hash or ""]
      or settings.present(doc.version_info, "semantic_version")
  end
  return versions
end

--- Builds the rows of one destination again from its commits' trailers.
--- `source(origin)` may give the source's driver to learn its versions.
---@async
---@param driver table The destination.
---@param owner string
---@param name string
---@param store table From copy.store.
---@param source? fun(origin: godwit.copy.Origin): table?
---@return table[] rows Oldest first.
function M.rebuild(driver, owner, name, store, source)
  local rows, known = {}, {}
  local tip = driver:git_tip(owner, name, { service = "upload-pack" })

  if not tip.commit then
    return rows
  end
  if not store:has(tip.commit) then
    driver:git_fetch(owner, name, store.raw, { commit = tip.commit,
      advert = tip.advert })
  end
  local versions = versions_by_commit(driver, owner, name)
  for _, entry in ipairs(store:history(tip.commit)) do
    local found = store:commit(entry.id)
    local origin = commit.origin(found)
    if origin then
      local from = origin.cluster .. " " .. origin.owner .. "/" .. origin.name
      if known[from] == nil then
        local theirs = source and source(origin)
        known[from] = theirs and versions_by_commit(theirs, origin.owner,
          origin.name) or {}
      end
      table.insert(rows, 1, {
        source_cluster = origin.cluster, source_owner = origin.owner,
        source_name = origin.name, source_commit = origin.commit,
        source_version = known[from][origin.commit],
        expected_tree = (commit.merged(found) or found).tree, dest_cluster = driver.id,
        dest_owner = owner, dest_name = name, dest_commit = entry.id,
        dest_version = versions[entry.id],
        created_at = sys.format_time(found.committer.time),
        run = "rebuilt",
      })
    end
  end
  return rows
end

--- Adds rebuilt rows the map does not have; what it knows better (trees,
--- digests, who) stays.
---@async
---@param map table
---@param rows table[]
---@return integer added
function M.merge(map, rows)
  local added = 0

  for _, row in ipairs(rows) do
    local have = err.check(map:find({
      source_cluster = row.source_cluster, source_owner = row.source_owner,
      source_name = row.source_name, source_commit = row.source_commit,
      dest_cluster = row.dest_cluster, dest_owner = row.dest_owner,
      dest_name = row.dest_name, dest_commit = row.dest_commit,
    }))
    if #have == 0 or (have[1].dest_version == nil and row.dest_version) then
      err.check(map:put(row))
      added = added + 1
    end
  end
  return added
end

return M
