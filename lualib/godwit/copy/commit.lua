--- commit: the commit a promotion makes, a pure function of tree, parent,
--- source commit and message, so that plan, apply, a repeat and every
--- destination with the same tip get the same id. Neither the present time
--- nor the run takes part.

local M = {}

local TRAILER = "Godwit-Source"
local MERGED = "Godwit-Merged"

-- Trailers and committer mark a commit as ours; a hand that copies the
-- message leaves its own name as committer.
M.COMMITTER = { name = "godwit", email = "godwit@localhost" }

local function trim_end(text)
  return (text:gsub("%s+$", ""))
end

-- Splits off the last paragraph if every line of it is a trailer.
local function split_trailers(message)
  local body, last = message:match("^(.*\n)%s*\n(.-)$")
  if not last then
    return message, nil
  end
  for line in last:gmatch("[^\n]+") do
    if not line:find("^[%w%-]+: ") and not line:find("^%s") then
      return message, nil
    end
  end
  return trim_end(body), last
end

---@class godwit.copy.Origin
---@field cluster string The source cluster's identity.
---@field owner string
---@field name string
---@field commit string

--- A cluster's identity as it stands in a trailer: one word.
---@param id string
---@return string
function M.word(id)
  return (id:gsub("[%s%c]+", "_"))
end

--- The trailer line naming where a commit came from.
---@param origin godwit.copy.Origin
---@return string
function M.trailer(origin)
  return string.format("%s: %s %s/%s %s", TRAILER, M.word(origin.cluster),
    origin.owner, origin.name, origin.commit)
end

---@class godwit.copy.Merged
---@field tip string The commit whose changes were merged in.
---@field tree string The tree it would have been without them.

local function is_ours(line)
  local name = line:match("^([%w-]+):")
  return name == TRAILER or name == MERGED
end

--- Message and trailers. Older lines of ours are replaced: they are still in
--- the source's own commit, and two would leave open which one counts.
---@param message string
---@param origin godwit.copy.Origin
---@param merged? godwit.copy.Merged
---@return string
function M.message(message, origin, merged)
  local body, trailers = split_trailers(trim_end(message:gsub("\r+\n", "\n")))
  local kept = {}

  for line in (trailers or ""):gmatch("[^\n]+") do
    if not is_ours(line) then
      kept[#kept + 1] = line
    end
  end
  kept[#kept + 1] = M.trailer(origin)
  if merged then
    kept[#kept + 1] = string.format("%s: %s %s", MERGED, merged.tip,
      merged.tree)
  end
  if body:find("^%s*$") then
    body = "Promoted from " .. origin.owner .. "/" .. origin.name
  end
  return body .. "\n\n" .. table.concat(kept, "\n") .. "\n"
end

--- The origin a message names, or nil.
---@param message string
---@return godwit.copy.Origin?
function M.parse(message)
  local _, trailers = split_trailers(trim_end(message))
  local origin

  for line in (trailers or ""):gmatch("[^\n]+") do
    local cluster, owner, name, commit = line:match(
      "^" .. TRAILER:gsub("%-", "%%-")
      .. ": (%S+) ([^%s/]+)/([^%s/]+) (%x+)$")
    if cluster and #commit == 40 then
      origin = { cluster = cluster, owner = owner, name = name,
        commit = commit }
    end
  end
  return origin
end

--- The origin of a commit, if it is one of ours.
---@param commit table As `store:commit` returns it.
---@return godwit.copy.Origin?
function M.origin(commit)
  local by = commit.committer
  if by.name ~= M.COMMITTER.name or by.email ~= M.COMMITTER.email then
    return nil
  end
  return M.parse(commit.message)
end

--- What was merged into a commit of ours, or nil.
---@param commit table As `store:commit` returns it.
---@return godwit.copy.Merged?
function M.merged(commit)
  if not M.origin(commit) then
    return nil
  end
  local _, trailers = split_trailers(trim_end(commit.message))
  for line in trailers:gmatch("[^\n]+") do
    local tip, tree = line:match("^" .. MERGED:gsub("%-", "%%-")
      .. ": (%x+) (%x+)$")
    if tip and #tip == 40 and #tree == 40 then
      return { tip = tip, tree = tree }
    end
  end
end

--- What `store:make_commit` is given.
---@param c {tree: string, parent: table?, source: table, message: string?, origin: godwit.copy.Origin, merged: godwit.copy.Merged?}
---@return table
function M.fields(c)
  local time = c.source.committer.time

  if c.parent and c.parent.committer.time > time then
    time = c.parent.committer.time
  end
  return {
    tree = c.tree,
    parents = c.parent and { c.parent.id } or {},
    author = c.source.author,
    committer = { name = M.COMMITTER.name, email = M.COMMITTER.email,
      time = time, offset = 0 },
    message = M.message(c.message or c.source.message, c.origin,
      c.merged),
  }
end

return M
