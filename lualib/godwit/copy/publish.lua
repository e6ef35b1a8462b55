--- publish: releases our commit, checked before and after. The platform
--- publishes "the newest build", whoever pushed it, and has no way to say
--- which commit is meant; so we look before, and say plainly afterwards when
--- somebody was faster.

local build = require("godwit.copy.build")
local err = require("godwit.err")
local fetch = require("godwit.copy.fetch")
local settings = require("godwit.copy.settings")
local source = require("godwit.copy.source")
local store = require("godwit.copy.store")
local version = require("godwit.cluster.version")

local M = {}

local ALREADY_PUBLISHED = 1007

local function info(doc, key)
  return settings.present(doc.version_info, key)
end

--- The published version of a commit, the highest number if there are more.
---@param published table[]
---@param commit string
---@return table?
function M.find(published, commit)
  local i = 0

  return (version.latest(function()
    repeat
      i = i + 1
    until not published[i] or info(published[i], "git_hash") == commit
    return published[i]
  end))
end

--- The body of a publish.
---@param p {step: string, callability: string, label: string?, notes: string?, sample_input: string?}
---@return table
function M.body(p)
  return {
    version_info = { version_type = p.step, release_notes = p.notes,
      sample_input = p.sample_input },
    settings = { algorithm_callability = p.callability },
    details = p.label and { label = p.label } or nil,
  }
end

-- Who made a commit that is not ours, as far as can be learned.
local function author_of(job, commit)
  local ok, found = pcall(function()
    local repo = store.open(job)
    if not repo:has(commit) then
      fetch.fetch(job.to, job.to_owner, job.to_name, repo, { commit = commit })
    end
    return repo:commit(commit)
  end)
  store.close(job)
  if ok and found then
    return string.format(" by %s (%s)", found.author.name,
      found.message:match("^[^\n]*"))
  end
  return ""
end

--- Raises unless the newest build is of our commit and has succeeded.
---@async
---@param job godwit.copy.Job
function M.check_before(job)
  local newest = build.newest(job.to, job.to_owner, job.to_name)

  if newest and newest.commit_sha == job.commit
      and newest.status == "in-progress" then
    -- Somebody had it compiled once more; it is ours all the same.
    build.wait(job.to, job.to_owner, job.to_name, job.commit,
      { timeout = job.opts.build_timeout })
    newest = build.newest(job.to, job.to_owner, job.to_name)
  end
  if not newest then
    err.throw("conflict", "not published: %s has no build", job.dest_ref)
  end
  if newest.commit_sha ~= job.commit then
    err.throw("conflict", "not published: the newest build of %s is of commit "
      .. "%s%s, not of ours (%s); somebody pushed in between, promote again "
      .. "to see what", job.dest_ref, newest.commit_sha,
      author_of(job, newest.commit_sha), job.commit)
  end
  if newest.status ~= "succeeded" then
    err.throw("conflict", "not published: the newest build of %s is %s",
      job.dest_ref, newest.status)
  end
end

-- The cluster says this build is published already: by us, if the version
-- is of our commit (an answer was lost), else it is not ours to claim.
local function settle(job, e)
  local doc = M.find(source.published(job.to, job.to_owner, job.to_name),
    job.commit)

  if doc then
    return doc
  end
  error(e, 0)
end

--- Publishes and returns the version's number.
---@async
---@param job godwit.copy.Job
---@param body table
---@return string number
---@return table doc
function M.publish(job, body)
  M.check_before(job)

  local ok, doc = pcall(job.write, job, "publish " .. job.dest_ref,
    function()
      return job.to:publish(job.to_owner, job.to_name, body)
    end)
  if not ok then
    local e = err.from(doc)
    if e.code ~= ALREADY_PUBLISHED then
      error(e, 0)
    end
    doc = settle(job, e)
  end
  local number, hash = info(doc, "semantic_version"), info(doc, "git_hash")
  if hash ~= job.commit then
    job:did("publish", "~", "released %s, which is not ours (%s)",
      tostring(number), tostring(hash))
    error(err.new({ kind = "conflict", op = "publish", message = string.format(
      "%s released as %s the commit %s%s, not ours (%s): somebody pushed "
      .. "between our check and the publish; version %s is live and cannot be "
      .. "taken back, publish a good one over it",
      job.dest_ref, tostring(number), tostring(hash),
      hash and author_of(job, hash) or "", job.commit, tostring(number)) }))
  end
  return number, doc
end

return M
