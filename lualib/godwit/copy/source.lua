--- source: which commit of the source is meant, and getting it into the
--- store. A head newer than the latest published version is noticed here.

local err = require("godwit.err")
local ref = require("godwit.copy.ref")
local settings = require("godwit.copy.settings")
local version = require("godwit.cluster.version")

local M = {}

local function info(doc, key)
  return settings.present(doc.version_info, key)
end

local function latest_published(driver, owner, name)
  return (version.latest(driver:each_version(owner, name,
    { published = true })))
end

local function find_version(driver, owner, name, test)
  for doc in driver:each_version(owner, name, { published = true }) do
    if test(doc) then
      return doc
    end
  end
end

local function found(doc)
  return { commit = info(doc, "git_hash"),
    version = info(doc, "semantic_version"), doc = doc }
end

local resolve = {}

function resolve.head(driver, job)
  local tip = driver:git_tip(job.owner, job.name, { service = "upload-pack" })
  local latest = latest_published(driver, job.owner, job.name)
  local out = { commit = tip.commit, tip = tip }

  if not tip.commit then
    err.throw("refused", "%s has no commit", job.ref)
  end
  if latest and info(latest, "git_hash") == tip.commit then
    out.version, out.doc = info(latest, "semantic_version"), latest
  elseif latest then
    out.ahead_of = info(latest, "semantic_version")
  end
  return out
end

function resolve.latest(driver, job)
  local doc = latest_published(driver, job.owner, job.name)
  if not doc then
    err.throw("refused", "%s has no published version", job.ref)
  end
  return found(doc)
end

function resolve.version(driver, job)
  local doc = find_version(driver, job.owner, job.name, function(v)
    return info(v, "semantic_version") == job.revision.value
  end)
  if not doc then
    err.throw("refused", "%s has no published version %s", job.ref,
      job.revision.value)
  end
  return found(doc)
end

function resolve.commit(driver, job)
  local doc = find_version(driver, job.owner, job.name, function(v)
    return info(v, "git_hash") == job.revision.value
  end)
  return doc and found(doc) or { commit = job.revision.value }
end

--- Finds the commit that was asked for.
--- Raises `refused` if there is none.
---@async
---@param job godwit.copy.Job
---@return {commit: string, version: string?, doc: table?, tip: table?, ahead_of: string?}
function M.resolve(job)
  return resolve[job.revision.kind](job.from, job)
end

local function fetch_version(job, store, version)
  local ok, e = pcall(job.from.git_fetch, job.from, job.owner, job.name,
    store, { commit = job.source.commit, version = version })
  if not ok then
    e = err.from(e)
    if e.kind ~= "notfound" then
      error(e, 0)
    end
  end
  return store:has(job.source.commit)
end

--- Gets the source's history, and the commit asked for, into the store. A
--- commit that master does not reach is looked for under its version's URL.
---@async
---@param job godwit.copy.Job
---@param store table
function M.fetch(job, store)
  local source = job.source

  if not source.tip then
    source.tip = job.from:git_tip(job.owner, job.name,
      { service = "upload-pack" })
  end
  local tip = source.tip
  if tip.commit and not store:has(tip.commit) then
    job:progress("fetch", source.commit:sub(1, 10))
    job.from:git_fetch(job.owner, job.name, store, {
      commit = tip.commit, advert = tip.advert,
      progress = function(detail)
        job:progress("fetch", detail)
      end,
    })
  end
  if store:has(source.commit)
      or (source.version and fetch_version(job, store, source.version))
      or fetch_version(job, store, source.commit) then
    return
  end
  err.throw("refused", "%s has no commit %s (asked for %s)", job.ref,
    source.commit, ref.show(job.revision))
end

--- The sample input that goes with the commit.
---@param job godwit.copy.Job
---@return string?
function M.sample_input(job)
  local own = job.source.doc and info(job.source.doc, "sample_input")
  return own or info(job.source.algorithm, "sample_input")
end

return M
