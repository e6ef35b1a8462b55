--- source: which commit of the source is meant, and getting it into the
--- store. A head newer than the latest published version is noticed here.

local err = require("godwit.err")
local fetch = require("godwit.copy.fetch")
local moved = require("godwit.copy.moved")
local ref = require("godwit.copy.ref")
local settings = require("godwit.copy.settings")
local version = require("godwit.cluster.version")

local M = {}

local function info(doc, key)
  return settings.present(doc.version_info, key)
end

local function newest_of(published)
  local i = 0
  return (version.latest(function()
    i = i + 1
    return published[i]
  end))
end

local function find(published, key, value)
  for _, doc in ipairs(published) do
    if info(doc, key) == value then
      return doc
    end
  end
end

local function found(doc)
  return { commit = info(doc, "git_hash"),
    version = info(doc, "semantic_version"), doc = doc }
end

local resolve = {}

function resolve.head(job, tip, published)
  local latest = newest_of(published)
  local out = { commit = tip.commit }

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

function resolve.latest(job, _, published)
  local doc = newest_of(published)
  if not doc then
    err.throw("refused", "%s has no published version", job.ref)
  end
  return found(doc)
end

function resolve.version(job, _, published)
  local doc = find(published, "semantic_version", job.revision.value)
  if not doc then
    -- A commit published twice is listed under its last number only.
    local ok, e = pcall(job.from.get_version, job.from, job.owner, job.name,
      job.revision.value)
    if not ok and not err.is(e, "notfound") then
      error(e, 0)
    end
    doc = ok and e or nil
  end
  if not doc then
    err.throw("refused", "%s has no published version %s", job.ref,
      job.revision.value)
  end
  return found(doc)
end

-- The whole id of a commit given by its first digits: the head, or one of
-- those that were built, published or not.
local function complete(job, tip, digits)
  local ids, list = {}, {}

  local function add(id)
    if id and id:sub(1, #digits) == digits and not ids[id] then
      ids[id], list[#list + 1] = true, id
    end
  end
  add(tip.commit)
  for doc in job.from:each_version(job.owner, job.name, {}) do
    add(info(doc, "git_hash"))
  end
  if #list > 1 then
    err.throw("refused", "%s has several commits that begin with %s: %s",
      job.ref, digits, table.concat(list, ", "))
  elseif #list == 0 then
    err.throw("refused", "%s has no built commit that begins with %s; another "
      .. "one needs all 40 digits", job.ref, digits)
  end
  return list[1]
end

function resolve.commit(job, tip, published)
  local id = job.revision.value

  if #id < 40 then
    id = complete(job, tip, id)
  end
  local doc = find(published, "git_hash", id)
  return doc and found(doc) or { commit = id }
end

--- Every published version there is.
---@async
---@return table[]
function M.published(driver, owner, name)
  local list = {}

  for doc in driver:each_version(owner, name, { published = true }) do
    if info(doc, "semantic_version") then
      list[#list + 1] = doc
    end
  end
  return list
end

--- The one with the highest number.
---@param published table[]
---@return table?
function M.newest(published)
  return newest_of(published)
end

--- Finds the commit that was asked for.
--- Raises `refused` if there is none.
---@async
---@param job godwit.copy.Job
---@param tip table
---@param published table[]
---@return {commit: string, version: string?, doc: table?, ahead_of: string?}
function M.resolve(job, tip, published)
  local out = resolve[job.revision.kind](job, tip, published)
  out.tip = tip
  return out
end

local function fetch_version(job, store, version)
  local ok, e = pcall(fetch.fetch, job.from, job.owner, job.name, store,
    { commit = job.source.commit, version = version })
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

  local tip = source.tip
  if tip.commit and not store:has(tip.commit) then
    local tell = moved.teller("down")
    job:progress("fetch", source.commit:sub(1, 10))
    fetch.fetch(job.from, job.owner, job.name, store, {
      commit = tip.commit, advert = tip.advert,
      progress = function(news)
        job:progress("fetch", tell(news))
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
