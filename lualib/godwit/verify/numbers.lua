--- numbers: of a version's document its number and its commit, and both as
--- they are told to people. Pure.

local present = require("godwit.copy.settings").present

local M = {}

--- "0.3.0", or nil when it is not published.
---@param doc? table
---@return string?
function M.number(doc)
  return doc and present(doc.version_info, "semantic_version")
end

--- Its commit.
---@param doc? table
---@return string?
function M.hash(doc)
  return doc and present(doc.version_info, "git_hash")
end

--- "COMMIT (0.3.0)".
---@param commit string
---@param version? string
---@return string
function M.show(commit, version)
  return version and string.format("%s (%s)", commit, version) or commit
end

return M
