--- files: the files of two trees of one store, and which of them differ. The
--- trees' ids come first: equal ones are never opened.

local core_json = require("godwit.core.json")

local M = {}

-- By path: what is said of a file.
local function entries(repo, tree, wanted)
  local found = {}

  for _, e in ipairs(tree and repo:entries(tree, { sizes = true }) or {}) do
    if wanted[e.path] then
      found[e.path] = { id = e.id, mode = string.format("%06o", e.mode),
        size = e.size }
    end
  end
  return found
end

--- Notes each file that differs, with its blob, size and mode on both sides.
---@async
---@param item godwit.verify.Item
---@param repo table From copy.store.
---@param expected string The tree that should be there.
---@param tip? string The tree that is there.
function M.compare(item, repo, expected, tip)
  if expected == tip then
    return
  end
  local changes, wanted = repo:diff(expected, tip), {}
  for _, change in ipairs(changes) do
    wanted[change.path] = true
  end
  local ours, theirs = entries(repo, expected, wanted),
    entries(repo, tip, wanted)
  for _, change in ipairs(changes) do
    item:differ("file " .. change.path, ours[change.path] or core_json.null,
      theirs[change.path] or core_json.null)
  end
  if #changes == 0 then -- folders in another order, an empty one
    item:differ("tree", expected, tip)
  end
end

return M
