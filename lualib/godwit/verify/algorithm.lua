--- algorithm: one algorithm of two places: the tree a promotion would leave
--- there against the one that is there, the settings it would have, what is
--- published, and the names of its secrets. Asks the policy what a promotion
--- asks it, and no more.

local cluster_secrets = require("godwit.cluster.secrets")
local copy_tree = require("godwit.copy.tree")
local err = require("godwit.err")
local files = require("godwit.verify.files")
local findings = require("godwit.copy.findings")
local numbers = require("godwit.verify.numbers")
local publish = require("godwit.copy.publish")
local scm = require("godwit.copy.scm")
local settings = require("godwit.verify.settings")
local source = require("godwit.copy.source")
local store = require("godwit.copy.store")
local transfer = require("godwit.copy.transfer")
local unknown = require("godwit.unknown")
local versions = require("godwit.verify.versions")

local M = {}

local number, show = numbers.number, numbers.show

-- reading ------------------------------------------------------------------

-- What a look at one side brought to light and could not be read.
local function take_holes(job, item)
  for _, text in ipairs(job.problems) do
    item.unread[#item.unread + 1] = text
    item.retryable = false
  end
  if job.failure then
    item:cannot_read(job.ref, job.failure)
  end
  return #item.unread == 0
end

local function read_tip(job)
  local to, owner, name = job.to, job.to_owner, job.to_name

  if scm.is_external(job.dest.algorithm) then
    job.dest.place = to:git_place(owner, name)
    job.shared = scm.is_shared(job)
  end
  return to:git_tip(owner, name, { service = "upload-pack" })
end

-- One that is not shown to this key is not known to be missing.
local function is_listed(job)
  local ok, rows = pcall(job.to.list_algorithms, job.to, job.to_owner)

  if not ok and not err.is(rows, "notfound") then
    error(rows, 0)
  end
  for _, row in ipairs(ok and rows or {}) do
    if (row.algoname or row.name) == job.to_name then
      return true
    end
  end
  return false
end

local function read_destination(job)
  local to, owner, name = job.to, job.to_owner, job.to_name

  local doc = job:read(job.dest_ref, function()
    return to:try_get_algorithm(owner, name)
      or is_listed(job) and err.throw("auth", "it is there, and this key may "
        .. "not read it")
  end)
  if not doc then
    job.absent = doc == false
    return
  end
  job.dest.algorithm = doc
  local got = findings.together({
    tip = function()
      return read_tip(job)
    end,
    published = function()
      return source.published(to, owner, name)
    end,
  })
  job.dest.tip = job:take("the repository of " .. job.dest_ref, got.tip)
  job.dest.published = job:take("the versions of " .. job.dest_ref,
    got.published)
  if job.dest.tip and unknown.is(job.dest.tip.commit) then
    job:problem("%s: its commit is known after apply", job.dest_ref)
  end
end

local function read(job)
  job.source.keep_versions = true
  job.source:read_basics()
  if #job.source.problems == 0 and not job.source.failure then
    job.source:settle()
  end
  job:adopt(job.source)
  if #job.problems == 0 and not job.failure then
    read_destination(job)
  end
end

-- files --------------------------------------------------------------------

local STANDS = {
  empty = "nothing: it has no commit",
  template = "nothing: only the cluster's first commit is there",
  unknown = "nothing of this source: its files came from elsewhere",
}

-- How many commits lie between two of one history; nil: they are not on one
-- line.
local function distance(repo, newer, older)
  for i, entry in ipairs(repo:history(newer)) do
    if entry.id == older then
      return i - 1
    end
  end
end

local function commits(n)
  return n == 1 and "1 commit" or n .. " commits"
end

-- What the source is to what was promoted of it.
local function moved_on(job, repo, promoted)
  local wanted, what = job.source.commit, "the source"

  if job.source.revision.kind == "head" then
    what = "source head"
  end
  if not repo:has(promoted) then
    return "the source no longer has what was promoted"
  end
  local n = distance(repo, wanted, promoted)
  if n then
    return string.format("%s is %s ahead of what was promoted", what,
      commits(n))
  end
  n = distance(repo, promoted, wanted)
  return n and string.format("%s is %s behind what was promoted", what,
    commits(n)) or what .. " and what was promoted are on different branches"
end

-- Compares with what was promoted; when nothing was, with what would be.
local function expected_tree(job, repo, promoted)
  if promoted and promoted ~= job.source.commit and repo:has(promoted) then
    local commit = repo:commit(promoted)
    job.readme = copy_tree.has_readme(repo, commit.tree)
    return (transfer.expected(job, repo, commit.tree, commit))
  end
  job.readme = job.source.readme
  return job.expected
end

local function tell_drift(job, item)
  local after = job.state.after or {}

  if job.state.kind == "drifted" and #after > 0 then
    item:warn("%s at the destination that no promotion made, the newest: "
      .. "%s by %s: %s", commits(#after), after[1].id:sub(1, 10),
      after[1].author.name, after[1].message:match("^[^\r\n]*"))
  end
end

local function compare_commits(job, item, repo, there)
  local state, wanted = job.state, job.source.commit
  -- A first commit that is as the source's is all that was to be promoted.
  local promoted = state.source_commit
    or there == job.expected and wanted or nil

  job.promoted = promoted or wanted
  if not promoted then
    item:differ("promoted commit", show(wanted, job.source.version),
      STANDS[state.kind] or state.kind)
  elseif promoted ~= wanted then
    item:differ("promoted commit", show(wanted, job.source.version),
      show(promoted, number(publish.find(job.source.versions, promoted))),
      moved_on(job, repo, promoted))
  end
  tell_drift(job, item)
  return promoted
end

local function compare_files(job, item)
  local repo, tip = store.open(job), job.dest.tip.commit

  transfer.fetch(job, repo)
  if job.shared then -- both are built from the same repository
    job.promoted, job.readme = tip, job.source.readme
    return
  end
  job.expected = transfer.expected(job, repo, job.source.tree)
  job.state = transfer.state(job, repo)
  local there = tip and repo:commit(tip).tree
  local promoted = compare_commits(job, item, repo, there)
  files.compare(item, repo, expected_tree(job, repo, promoted), there)
  item:fact("tree", there)
end

-- secrets ------------------------------------------------------------------

local function keys_of(list)
  local names, seen = {}, {}

  for _, doc in ipairs(list) do
    local key = cluster_secrets.key(doc)
    if key and not seen[key] then
      seen[key], names[#names + 1] = true, key
    end
  end
  table.sort(names)
  return names, seen
end

local function compare_secrets(job, item)
  local mine = item:read("the secrets of " .. job.ref, function()
    return job.from:list_secrets(job.owner, job.name, job.source.algorithm)
  end)
  local theirs = item:read("the secrets of " .. job.dest_ref, function()
    return job.to:list_secrets(job.to_owner, job.to_name, job.dest.algorithm)
  end)
  if not mine or not theirs then
    return
  end
  local names, here = keys_of(mine)
  local others, there = keys_of(theirs)
  for _, name in ipairs(names) do
    if not there[name] then
      item:differ("secret " .. name, "set", nil)
    end
  end
  for _, name in ipairs(others) do
    if not here[name] then
      item:differ("secret " .. name, nil, "set")
    end
  end
  if #names > 0 then
    item:cannot_move("the values of the secrets %s: nobody can read them",
      table.concat(names, ", "))
  end
end

-- all of it ----------------------------------------------------------------

local function look(job, item)
  read(job)
  if not take_holes(job, item) then
    return
  elseif job.absent then
    return item:ends("missing")
  end
  job.problems, job.failure = {}, nil
  item:read("the files of " .. job.ref .. " and " .. job.dest_ref, function()
    transfer.with_store(job, function()
      item:restart()
      compare_files(job, item)
    end)
  end)
  store.close(job)
  if job.promoted then
    versions.compare(job, item)
    versions.compare_map(job, item)
  end
  settings.compare(job, item)
  compare_secrets(job, item)
end

--- Compares an algorithm with what a promotion would make of it.
---@async
---@param job godwit.copy.Job
---@param item godwit.verify.Item
function M.compare(job, item)
  if job.record then
    return item:ends("skipped", job.record.why)
  elseif not take_holes(job, item) then
    return
  end
  local ok, e = xpcall(look, err.traced, job, item)
  store.close(job)
  job:progress(nil)
  if not ok then
    item:cannot_read(job.ref, e)
  end
  for _, text in ipairs(job.warnings) do
    item:warn("%s", text)
  end
end

return M
