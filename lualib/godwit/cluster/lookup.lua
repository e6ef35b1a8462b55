local body = require("godwit.cluster.body")
local err = require("godwit.err")
local unknown = require("godwit.unknown")
local version = require("godwit.cluster.version")

--- cluster.lookup: finds a version or a build where a cluster does not answer
--- the direct question, or answers another one.
local M = {}

--- Keeps the rows that match, whatever the cluster made of the filter. A row
--- without callability is kept: nobody can tell.
---@async
---@param rows fun(): table|nil
---@param opts { published: boolean?, callable: boolean? }
---@return fun(): table|nil
function M.filter(rows, opts)
  local function wanted(doc)
    if opts.published ~= nil
      and version.is_published(doc) ~= opts.published then
      return false
    end
    local callability = type(doc.settings) == "table"
      and doc.settings.algorithm_callability
    if opts.callable ~= nil and type(callability) == "string" then
      return (callability == "public") == opts.callable
    end
    return true
  end
  return function()
    for doc in rows do
      if wanted(doc) then
        return doc
      end
    end
    return nil
  end
end

local function answers(doc, ref)
  if type(doc) ~= "table" then
    return false
  elseif version.is_commit(ref) then
    return (version.commit(doc) or ref):lower() == ref:lower()
  elseif version.parse(ref) then
    return version.number(doc) == ref
  end
  return true
end

local function in_list(driver, owner, name, ref)
  local published = version.parse(ref) and true or nil
  for doc in driver:each_version(owner, name, { published = published }) do
    if version.is_commit(ref) and version.commit(doc) == ref:lower()
      or version.number(doc) == ref then
      return doc
    end
  end
  return nil
end

-- A commit published twice is listed under its last number; the build that
-- was published first still knows the other one.
local function in_builds(driver, owner, name, ref, get)
  if not version.parse(ref) then
    return nil
  end
  for build in driver:each_build(owner, name) do
    if version.number(build) == ref and build.commit_sha then
      local doc = get(build.commit_sha)
      return body.merge(doc, { version_info = {
        semantic_version = ref, git_hash = build.commit_sha } })
    end
  end
  return nil
end

--- Whether a failure means that the cluster does not know the question.
local function is_no_answer(e)
  return type(e) == "table" and (e.kind == "notfound"
    or e.kind == "remote" and (e.status == 400 or e.status == 405))
end

--- One version, by commit or number. `get(ref)` asks the cluster; when it
--- knows nothing of it, or describes another one, the lists are searched.
---@async
---@param driver table
---@param owner string
---@param name string
---@param ref string
---@param get fun(ref: string): table
---@return table
function M.version(driver, owner, name, ref, get)
  local ok, doc = pcall(get, ref)
  if ok and answers(doc, ref) then
    return doc
  elseif not ok and not is_no_answer(doc) then
    error(doc, 0)
  end
  if version.is_commit(ref) or version.parse(ref) then
    local found = in_list(driver, owner, name, ref)
      or in_builds(driver, owner, name, ref, get)
    if found then
      return found
    end
  end
  if not ok and doc.kind == "notfound" then
    error(doc, 0)
  end
  err.throw("notfound", "%s: %s/%s has no version %s", driver.name, owner,
    name, ref)
  return {}
end

-- A build that is only planned is newer than all that are.
local function started(build)
  local at = build.started_at
  if unknown.is(at) then
    return "~"
  end
  return type(at) == "string" and at or ""
end

--- The newest build of a commit among the first `depth` rows, or nil. Rows
--- come newest first on a cluster that keeps to it; among those read, the time
--- decides.
---@async
---@param rows fun(): table|nil
---@param commit string
---@param depth integer
---@return table|nil
function M.build_of(rows, commit, depth)
  local best
  local n = 0
  for build in rows do
    n = n + 1
    if rawequal(build.commit_sha, commit)
      and (not best or started(build) > started(best)) then
      best = build
    end
    if n >= depth then
      break
    end
  end
  return best
end

return M
