--- state: what the destination's repository is before it is written to
--- (template, ours, equal, drifted, unknown), from its history, the version
--- map and its trailers. Works without the map.

local commit = require("godwit.copy.commit")
local tree = require("godwit.copy.tree")

local M = {}

local TEMPLATE_SUBJECT = "Algorithmia initial commit"

---@class godwit.copy.State
---@field kind "empty"|"template"|"ours"|"equal"|"drifted"|"unknown"
---@field source_commit? string The source commit it corresponds to.
---@field keeps? boolean ours: with what was merged in, it is as it should be.
---@field absorbed? boolean ours: what was merged in is the source's, too, now.
---@field base? string drifted: our newest commit, the tip or below it.
---@field base_tree? string What we would have left there; nil: it is gone.
---@field after? table[] Commits that are not ours, newest first.
---@field merged_in? integer How many of these are below the base.
---@field changes? table[] What differs, as `store:diff` says.
---@field came_from? godwit.copy.Origin unknown: another source's promotion.

-- What a cluster commits to a repository it makes at a host elsewhere.
local HOST_SUBJECTS = { "Initial commit", "Adding Algorithmia files" }

local function begins(commit, subject)
  return commit.message:match("^[^\r\n]*") == subject
end

-- The host's own first commit holds a README at most; with more in it somebody
-- wrote it.
local function is_bare_start(store, commit)
  for _, entry in ipairs(store:entries(commit.tree)) do
    if not entry.path:lower():find("^readme") then
      return false
    end
  end
  return true
end

local function is_host_template(store, tip, history)
  if #history == 1 then
    return begins(tip, HOST_SUBJECTS[2]) or begins(tip, HOST_SUBJECTS[1])
      and is_bare_start(store, tip)
  end
  return #history == 2 and #tip.parents == 1 and begins(tip, HOST_SUBJECTS[2])
    and begins(store:commit(tip.parents[1]), HOST_SUBJECTS[1])
end

local function is_template(c, tip, history)
  if c.external and is_host_template(c.store, tip, history) then
    return true
  end
  return #history == 1 and #tip.parents == 0
    and tip.message:sub(1, #TEMPLATE_SUBJECT) == TEMPLATE_SUBJECT
end

-- Which source commit a destination commit stands for, if we made it from
-- this source: the map knows, else its trailer says so.
local function our_source(c, found)
  local row = c.recorded[found.id]
  if row then
    return row.source_commit
  end
  local origin = commit.origin(found)
  if origin and origin.cluster == commit.word(c.origin.cluster)
      and origin.owner == c.origin.owner and origin.name == c.origin.name then
    return origin.commit
  end
end

-- The source commit whose tree, or expected tree, is this one. Instead of
-- rewriting every commit of the source forward, the tip is rewritten back:
-- one edit however long the history is.
local function equal_source(c, tip)
  local store = c.store
  local wanted = { [tip.tree] = true }

  if c.to_owner ~= c.origin.owner then
    for _, owner in ipairs({ c.origin.owner,
        tree.owner(store, c.source_tree) or c.origin.owner }) do
      wanted[tree.with_owner(store, tip.tree, owner)] = true
    end
  end
  for _, entry in ipairs(c.source_history()) do
    if wanted[entry.tree] then
      return entry.id
    end
  end
end

-- Our newest commit, the ones above it, and where it stands; nil if none is
-- ours.
local function above_ours(c, history)
  local after = {}

  for i, entry in ipairs(history) do
    local found = c.store:commit(entry.id)
    if our_source(c, found) then
      return found, after, i
    end
    after[#after + 1] = found
  end
end

local MERGED_SHOWN = 50

-- Others' commits below one of ours whose changes it took in.
local function merged_in(c, history, at)
  local list = {}

  for i = at + 1, #history do
    local found = c.store:commit(history[i].id)
    if not our_source(c, found) then
      list[#list + 1] = found
    elseif not commit.merged(found) then
      break
    end
    if #list == MERGED_SHOWN then
      break
    end
  end
  return list
end

-- What somebody else changed since our newest promotion, also what that
-- promotion itself took in: asked about again, it is not lost by accident.
local function drifted(c, tip, history)
  local base, after, at = above_ours(c, history)
  if not base then
    return nil
  end
  local source_commit = our_source(c, base)
  local merged, base_tree, inside = commit.merged(base), base.tree, {}

  if merged then
    base_tree = c.base_tree(merged.tree, source_commit)
    inside = merged_in(c, history, at)
    table.move(inside, 1, #inside, #after + 1, after)
  end
  return { kind = "drifted", base = base.id, base_tree = base_tree,
    after = after, merged_in = #inside, source_commit = source_commit,
    changes = base_tree and c.store:diff(base_tree, tip.tree)
      or c.store:diff(c.expected, tip.tree) }
end

--- Says what the destination is.
---@async
---@param c {store: table, tip: string?, recorded: table<string, table>, origin: godwit.copy.Origin, source_history: (fun(): table[]), source_tree: string, expected: string, to_owner: string, base_tree: (fun(tree: string, source_commit: string): string?), external: boolean?}
---@return godwit.copy.State
function M.classify(c)
  if not c.tip then
    return { kind = "empty" }
  end
  local tip = c.store:commit(c.tip)
  local ours = our_source(c, tip)
  local merged = ours and commit.merged(tip)
  if ours and (not merged or merged.tree == c.expected
      or tip.tree == merged.tree or tip.tree == c.expected) then
    return { kind = "ours", source_commit = ours,
      keeps = merged and merged.tree == c.expected or nil,
      absorbed = merged and merged.tree ~= c.expected or nil }
  end

  local history = c.store:history(c.tip)
  if ours then
    return drifted(c, tip, history)
  end
  if is_template(c, tip, history) then
    return { kind = "template" }
  end
  local equal = tip.tree == c.expected and c.origin.commit
    or equal_source(c, tip)
  if equal then
    return { kind = "equal", source_commit = equal }
  end

  return drifted(c, tip, history) or { kind = "unknown", after = { tip }, came_from = commit.origin(tip),
    changes = c.store:diff(tip.tree, c.expected) }
end

local SHOWN = 10

local function list_changes(changes)
  local lines, counts = {}, {}

  for i, change in ipairs(changes) do
    counts[change.status] = (counts[change.status] or 0) + 1
    if i <= SHOWN then
      lines[#lines + 1] = change.status .. " " .. change.path
    end
  end
  if #changes > SHOWN then
    lines[#lines + 1] = string.format("and %d more", #changes - SHOWN)
  end
  return table.concat(lines, ", ")
end

local function list_commits(commits)
  local lines = {}

  for i, c in ipairs(commits) do
    if i > SHOWN then
      lines[#lines + 1] = string.format("and %d more", #commits - SHOWN)
      break
    end
    lines[#lines + 1] = string.format("%s by %s: %s", c.id:sub(1, 10),
      c.author.name, c.message:match("^[^\n]*"))
  end
  return table.concat(lines, "; ")
end

local function where_of(state)
  local inside = state.merged_in or 0
  if inside == 0 then
    return "after"
  end
  return inside == #state.after and "merged into" or "after or merged into"
end

--- Why a destination is refused.
---@param state godwit.copy.State
---@return string
function M.refusal(state)
  local changes = #state.changes > 0 and list_changes(state.changes)
    or "no file"

  if state.kind == "drifted" then
    return string.format("the destination has drifted: %d commit%s %s our "
      .. "last promotion (%s), which changed: %s; --overwrite-drift puts the "
      .. "source's files on top of them",
      #state.after, #state.after == 1 and "" or "s",
      where_of(state), list_commits(state.after), changes)
  end
  local from = state.came_from
  return string.format("the destination was not made from this source%s; "
    .. "its tip is %s; promoting would change: %s; --adopt puts the "
    .. "source's files on top of it",
    from and string.format(" (it came from %s/%s on %s)", from.owner,
      from.name, from.cluster) or "",
    list_commits(state.after), changes)
end

return M
