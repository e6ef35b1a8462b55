--- tree: the tree a destination should have. It is the source's tree with
--- one line changed: the owner in algorithmia.conf, when the owner changes.
--- The text around that value keeps its bytes.

local core_json = require("godwit.core.json")

local M = {}

local CONF = "algorithmia.conf"
local MAX_CONF = 65536

-- The position of the value of "username" at the top level of the text.
local function username_span(text)
  local from, to, value =
    text:find('"username"%s*:%s*"([^"\\]*)"')
  if not from then
    return nil
  end
  return to - #value, to - 1, value
end

--- Rewrites the owner in the text of algorithmia.conf.
--- Returns nil when nothing is to change, and why when it cannot be.
---@param text string
---@param owner string
---@return string? rewritten
---@return string? problem
function M.rewrite_conf(text, owner)
  local before = core_json.decode(text, { max = MAX_CONF })

  if type(before) ~= "table" then
    return nil, CONF .. " is not JSON, its owner stays as it is"
  end
  if before.username == nil or before.username == owner then
    return nil
  end
  local from, to = username_span(text)
  if not from then
    return nil, CONF .. " writes its owner in a way that is not understood"
  end
  local rewritten = text:sub(1, from - 1) .. owner .. text:sub(to + 1)
  local after = core_json.decode(rewritten, { max = MAX_CONF })
  if type(after) ~= "table" or after.username ~= owner then
    return nil, CONF .. " writes its owner in a way that is not understood"
  end
  return rewritten
end

local function conf_mode(store, tree)
  for _, entry in ipairs(store:entries(tree)) do
    if entry.path == CONF then
      return entry.mode
    end
  end
end

--- The tree with its owner rewritten.
---@async
---@param store table
---@param tree string
---@param owner string
---@return string tree
---@return string? problem
function M.with_owner(store, tree, owner)
  local text = store:read(tree, CONF, MAX_CONF)
  if not text then
    return tree
  end
  local rewritten, problem = M.rewrite_conf(text, owner)
  if not rewritten then
    return tree, problem
  end
  return store:edit(tree, { { path = CONF, data = rewritten,
    mode = conf_mode(store, tree) } })
end

--- The expected tree of a source tree at a destination.
---@async
---@param store table
---@param tree string The source's tree.
---@param from_owner string
---@param to_owner string
---@return string tree
---@return string? problem
function M.expected(store, tree, from_owner, to_owner)
  if from_owner == to_owner then
    return tree
  end
  return M.with_owner(store, tree, to_owner)
end

--- The owner a tree names, if it does.
---@async
function M.owner(store, tree)
  local text = store:read(tree, CONF, MAX_CONF)
  local conf = text and core_json.decode(text, { max = MAX_CONF })
  return type(conf) == "table" and conf.username or nil
end

--- Whether a tree has a README, from which the cluster writes the summary.
---@async
function M.has_readme(store, tree)
  for _, entry in ipairs(store:entries(tree)) do
    if entry.path == "README.md" then
      return true
    end
  end
  return false
end

return M
