--- merge: what was changed at a destination, kept while the source's new files
--- come in: three trees into one, in memory. The base is the expected tree of
--- our newest promotion below the tip, ours the tip, theirs the new expected
--- tree.

local err = require("godwit.err")
local fetch = require("godwit.copy.fetch")
local findings = require("godwit.copy.findings")

local M = {}

local SHOWN = 10

local DID = {
  none = "did nothing to it", added = "added it", deleted = "deleted it",
  changed = "changed it", mode = "changed its mode",
  link = "made it a link", file = "made it a file",
  folder = "made it a folder", submodule = "made it a submodule",
}

local function conflict_text(c)
  return string.format("%s (the destination %s, the source %s%s)",
    findings.printable(c.path), DID[c.ours], DID[c.theirs],
    c.binary and "; it is binary" or "")
end

--- Why a merge with these conflicts is refused.
---@param conflicts table[] As `store:merge` gives them.
---@return string
function M.refusal(conflicts)
  local lines = {}
  for i = 1, math.min(#conflicts, SHOWN) do
    lines[i] = conflict_text(conflicts[i])
  end
  if #conflicts > SHOWN then
    lines[SHOWN + 1] = string.format("and %d more", #conflicts - SHOWN)
  end
  return string.format("the destination has drifted and cannot be merged: "
    .. "both sides touched %s since our last promotion; take the change over "
    .. "into the source, or --overwrite-drift puts the source's files on top",
    table.concat(lines, ", "))
end

-- The files of a source commit as they were promoted: made again from the
-- commit, when the tree itself is in no history this store has.
local function remake(job, repo, source_commit, expect)
  if not repo:has(source_commit) then
    local ok, e = pcall(fetch.fetch, job.from, job.owner, job.name, repo,
      { commit = source_commit })
    e = not ok and err.from(e)
    if e and e.kind ~= "notfound" and e.kind ~= "refused" then
      error(e, 0)
    end
  end
  if repo:has(source_commit) then
    return expect(repo:commit(source_commit))
  end
end

--- Brings the tree a merged promotion expected into the store; nil when it
--- cannot be had any more: the source's commit is gone, or what makes the
--- tree out of it is another policy now.
---@async
---@param job godwit.copy.Job
---@param repo table From copy.store.
---@param id string The tree, as the trailer names it.
---@param source_commit string
---@param expect fun(commit: table): string The expected tree of a source commit.
---@return string?
function M.base(job, repo, id, source_commit, expect)
  if repo:has(id) or remake(job, repo, source_commit, expect) == id then
    return id
  end
end

--- The merged tree; nil and why there is none.
---@async
---@param job godwit.copy.Job
---@param repo table From copy.store.
---@param tip table The destination's newest commit.
---@return string?
---@return string?
function M.tree(job, repo, tip)
  local state = job.state

  if state.kind == "unknown" then
    return nil, "the destination was not made from this source, so there is "
      .. "no common base to merge with; --adopt puts the source's files on "
      .. "top of it"
  elseif not state.base_tree then
    return nil, string.format("the destination holds changes that were merged "
      .. "in, and the files of the promotion they were merged with (source "
      .. "commit %s) can no longer be made, so there is no common base; "
      .. "--overwrite-drift puts the source's files on top",
      state.source_commit:sub(1, 10))
  end
  local merged, conflicts = repo:merge(state.base_tree, tip.tree,
    job.expected)
  if not merged then
    return nil, M.refusal(conflicts)
  end
  return merged
end

return M
