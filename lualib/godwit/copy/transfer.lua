--- transfer: from two repositories to the one commit that is pushed. Fetches
--- what the store lacks, says what the destination is, builds the expected
--- tree and the commit on the destination's tip, and pushes it.

local commit = require("godwit.copy.commit")
local decide = require("godwit.copy.decide")
local err = require("godwit.err")
local fetch = require("godwit.copy.fetch")
local log = require("godwit.log")
local merge = require("godwit.copy.merge")
local moved = require("godwit.copy.moved")
local references = require("godwit.copy.references")
local state = require("godwit.copy.state")
local store = require("godwit.copy.store")
local tree = require("godwit.copy.tree")
local unknown = require("godwit.unknown")
local versionmap = require("godwit.versionmap")

local M = {}

local function fetch_dest(job, repo)
  local tip = job.dest.tip.commit

  if tip and not unknown.is(tip) and not repo:has(tip) then
    fetch.fetch(job.to, job.to_owner, job.to_name, repo, { commit = tip })
  end
end

local function origin(job)
  return { cluster = job.from.id, owner = job.owner, name = job.name,
    commit = job.source.commit }
end

--- The files of a source tree as they should be at the destination.
---@async
---@param job godwit.copy.Job
---@param repo table From copy.store.
---@param source_tree string
---@param of? table The commit it is of; default: the source's.
---@return string tree
---@return string? problem
function M.expected(job, repo, source_tree, of)
  local expected, problem =
    tree.expected(repo, source_tree, job.owner, job.to_owner)
  return decide.tree(job, repo, expected, of), problem
end

local function check_tree(job, repo, id, what)
  local ok, e = repo.raw:check_tree(id)
  if not ok then
    err.throw("refused", "%s for %s are not safe to promote: %s", what,
      job.dest_ref, err.from(e).message)
  end
end

local function expect(job, repo)
  local expected, problem = M.expected(job, repo, job.source.tree)

  if problem then
    job:warn("%s", problem)
  end
  if expected ~= job.source.tree then -- that one is checked already
    check_tree(job, repo, expected, "the files as they are changed")
  end
  job.expected = expected
end

-- What would still name the old owner is listed: nobody but its author knows
-- which of it is meant to.
local function name_old_owner(job, repo)
  if job.owner == job.to_owner then
    return
  end
  local found = references.in_document(job.source.algorithm,
    job.source:sample_input(), references.in_tree(repo, job.expected))
  for _, r in ipairs(found) do
    if r.owner == job.owner then
      job:warn("%s names %s, of the owner at the source", r.place,
        references.show(r))
    end
  end
end

-- Keeps what was changed there, when no file was touched on both sides.
local function merge_in(job, repo)
  local tip = repo:commit(job.dest.tip.commit)
  local merged, why = merge.tree(job, repo, tip)

  job.refusal = why
  if not merged then
    return
  end
  check_tree(job, repo, merged, "the merged files")
  job.merged = { tip = tip.id, tree = job.expected }
  job.merged_tree = merged
end

--- What the destination is.
---@async
---@param job godwit.copy.Job With `expected`.
---@param repo table From copy.store.
---@return godwit.copy.State
function M.state(job, repo)
  return state.classify({
    store = repo, tip = job.dest.tip.commit, origin = origin(job),
    recorded = versionmap.by_dest_commit(job),
    -- Read for a first contact only: it may be tens of thousands of commits.
    source_history = function()
      return repo:history(job.source.tip.commit or job.source.commit)
    end,
    base_tree = function(id, source_commit)
      return merge.base(job, repo, id, source_commit, function(of)
        return (M.expected(job, repo, of.tree, of))
      end)
    end,
    external = job.dest.place ~= nil, source_tree = job.source.tree,
    expected = job.expected, to_owner = job.to_owner,
  })
end

local function classify(job, repo)
  job.state = M.state(job, repo)
  job.merged, job.merged_tree, job.refusal = nil, nil, nil
  local kind = job.state.kind
  if kind ~= "drifted" and kind ~= "unknown" then
    return
  end
  job.drift = decide.drift(job)
  if job.drift == "refuse" then
    job.refusal = state.refusal(job.state)
  elseif job.drift == "merge" then
    merge_in(job, repo)
  end
end

-- Both algorithms are built from one repository: the commit is there already.
-- What was to be changed on the way cannot be.
local function share_commit(job, repo)
  local tip, commit = job.dest.tip.commit, job.source.commit
  local owned = tree.expected(repo, job.source.tree, job.owner, job.to_owner)

  if tip ~= commit then
    job:problem("%s and %s are built from the same repository (%s), and a "
      .. "cluster builds its head, %s, not %s; promote the head, or give the "
      .. "destination a repository of its own", job.ref, job.dest_ref,
      job.dest.place.url, tostring(tip):sub(1, 10), commit:sub(1, 10))
  elseif job.expected ~= owned then
    job:problem("%s and %s are built from the same repository (%s), so the "
      .. "policy's transform cannot change files on the way; give the "
      .. "destination a repository of its own", job.ref, job.dest_ref,
      job.dest.place.url)
  elseif job.expected ~= job.source.tree then
    job:warn("algorithmia.conf names the owner as at the source: both are "
      .. "built from the same repository")
  end
  job.state = { kind = "ours", source_commit = commit }
  job.commit, job.to_push = commit, false
end

-- The files as a plan shows them.
local SYMBOL = { added = "+", deleted = "-", modified = "~", mode = "~" }

local function list_files(job, repo, parent, wanted)
  job.files = {}
  for i, change in ipairs(parent and repo:diff(parent.tree, wanted) or {}) do
    job.files[i] = { status = change.status, path = change.path,
      symbol = SYMBOL[change.status] or "~" }
  end
end

--- Decides on the commit: the tip itself when it is already right. What was
--- merged always gets a commit that says so, and what the source took over one
--- that says that, though the files be the tip's: the next promotion must know
--- what is not the source's.
local function choose_commit(job, repo)
  local tip = job.dest.tip.commit
  local parent = tip and repo:commit(tip)
  local wanted = job.merged_tree or job.expected

  job.parent = parent
  if parent and (job.state.keeps
      or parent.tree == job.expected and not job.state.absorbed) then
    job.commit, job.to_push = tip, false
    return
  end
  list_files(job, repo, parent, wanted)
  job.commit = repo:make_commit(commit.fields({
    tree = wanted, parent = parent, source = job.source.info,
    message = decide.message(job), origin = origin(job),
    merged = wanted ~= job.expected and job.merged or nil,
  }))
  job.to_push = true
end

--- Gets the histories of both sides into the store.
---@async
---@param job godwit.copy.Job
---@param repo table From copy.store.
function M.fetch(job, repo)
  if job.dest.tip then
    -- The shorter history first: the other way round, every commit of the
    -- source is offered to a repository that knows none of them.
    fetch_dest(job, repo)
  end
  job.source:fetch(repo, function(phase, detail)
    job:progress(phase, detail)
  end)
  job:adopt(job.source)
  if job.opts.references then
    job.source:read_references(repo)
  end
end

local function prepare(job)
  local repo = store.open(job)

  log.debug("%s: transferred by way of the store %s", job.ref,
    repo.raw:path())
  M.fetch(job, repo)
  if not job.expected then
    expect(job, repo)
    name_old_owner(job, repo)
  end
  if not job.dest.tip then
    -- Created later: its first commit is not known yet. What can go wrong with
    -- ours does so before anything is written.
    decide.message(job)
    return
  end
  if unknown.is(job.dest.tip.commit) then
    -- A plan: the commit depends on the first one the cluster will make.
    job.state = { kind = "template" }
    for i, entry in ipairs(repo:entries(job.expected)) do
      job.files[i] = { status = "added", path = entry.path, symbol = "+" }
    end
    job.commit, job.to_push = unknown.new("the commit"), true
    return
  end
  if job.shared then
    return share_commit(job, repo)
  end
  classify(job, repo)
  choose_commit(job, repo)
end

--- Does something with the job's store; once more with an empty one when what
--- went wrong may be the store's damage.
---@async
---@param job godwit.copy.Job
---@param fn fun(job: godwit.copy.Job)
function M.with_store(job, fn)
  local ok, e = xpcall(fn, err.traced, job)
  if ok then
    return
  end
  e = err.from(e)
  if not store.may_be_damaged(job, e) then
    error(e, 0)
  end
  log.info("%s: its cached repository may be damaged (%s); fetching all of it "
    .. "again", job.ref, tostring(e))
  store.discard(job)
  job.source:forget_files()
  job.expected = nil
  fn(job)
end

--- Prepares the commit; `job.to_push` says whether one is needed.
---@async
---@param job godwit.copy.Job
function M.prepare(job)
  job:progress("prepare")
  M.with_store(job, prepare)
end

--- Looks again at a destination that was just created.
---@async
---@param job godwit.copy.Job
function M.prepare_created(job)
  job.dest.place = job.to:git_place(job.to_owner, job.to_name)
  job.dest.tip = job.to:git_tip(job.to_owner, job.to_name,
    { service = "receive-pack" })
  M.prepare(job)
  if job.refusal then
    err.throw("conflict", "%s", job.refusal)
  end
end

-- The store with the commit in it. It was closed since the commit was made: it
-- may have been one of our own that is gone, thrown away as damaged by another
-- job, or pruned. What was in it is made again, from the same tip.
local function open_with_commit(job)
  local repo = store.open(job)

  if unknown.is(job.commit) or repo:has(job.commit) then
    return repo
  end
  log.debug("%s: the store lost the commit; making it again", job.ref)
  local commit_id = job.commit
  job.expected = nil
  M.prepare(job)
  if job.refusal then
    err.throw("conflict", "%s", job.refusal)
  elseif job.commit ~= commit_id then
    err.throw("conflict", "what is pushed to %s is not what was looked at "
      .. "before: does its policy answer differently each time? Promote again",
      job.dest_ref)
  end
  return store.open(job)
end

-- After a lost answer the ref says whether our commit arrived.
local function arrived(job)
  local ok, tip = pcall(job.to.git_tip, job.to, job.to_owner, job.to_name,
    { service = "receive-pack" })
  return ok and tip.commit == job.commit
end

-- Whether a push that failed has come to its end all the same: its answer was
-- lost, or another destination that is built from the same repository pushed
-- the very same commit first.
local function is_there(job, e)
  local open = e.sent or e.kind == "conflict" and job.dest.place ~= nil
  return e.kind ~= "cancelled" and open and arrived(job)
end

--- Pushes the commit onto the tip it was made for. The cluster holds its
--- answer until the build is over; when the connection is lost there, the
--- ref is looked at and nothing is pushed twice.
---@async
---@param job godwit.copy.Job
function M.push(job)
  if job.shared then
    job:did("push", "=", "nothing to push: %s is built from the source's own "
      .. "repository", job.dest_ref)
  end
  if not job.to_push then
    return
  end
  local tell = moved.teller("up")
  job:progress("push")
  local repo = open_with_commit(job)
  local ok, e = pcall(job.write, job, "push to " .. job.dest_ref, function()
    return job.to:push(job.to_owner, job.to_name, {
      store = repo.raw, commit = job.commit, ref = job.dest.tip.branch,
      expected = job.dest.tip.commit, advert = job.dest.tip.advert,
      build_timeout = job.opts.build_timeout,
      progress = function(news)
        job:progress("push", tell(news))
      end,
    })
  end)
  if not ok then
    e = err.from(e)
    if not is_there(job, e) then
      if e.kind == "conflict" then
        e = err.wrap(e, "somebody pushed to " .. job.dest_ref
          .. " meanwhile; promote again to see what")
      end
      error(e, 0)
    end
  end
  store.close(job)
  job.pushed = true
  if job.merged then
    job:did("merge", "=", "kept what was changed there since our last "
      .. "promotion: %d file%s", #job.state.changes,
      #job.state.changes == 1 and "" or "s")
  end
  job:did("push", "~", "commit %s on %s%s%s", tostring(job.commit),
    job.dest_ref, job.parent and " after " .. job.parent.id:sub(1, 10) or "",
    job.dest.place and " at " .. job.dest.place.url or "")
end

return M
