--- data.said: what a server said about a file, where it said something.

local api_error = require("godwit.cluster.api_error")
local json = require("godwit.json")

local M = {}

local LONGEST = 4096
local LIMITS = { max = LONGEST, depth = 10 }

--- The server's own words in an answer of the engine's, or nil: of an error,
--- also of one that came with a status that is none.
---@param result { body: string?, status: integer? }
---@return string|nil
function M.problem(result)
  local body = result.body
  if not body or #body > LONGEST or not body:find("{", 1, true)
    or not (body:find('"error"', 1, true) or body:find('"message"', 1, true))
  then
    return nil
  end
  local ok, doc = pcall(json.decode, body, LIMITS)
  local p = ok and api_error.find(result.status or 200, doc)
  if not p then
    return nil
  end
  local text = p.message:gsub("%c+", " ")
  return p.code and ("%s [%s]"):format(text, p.code) or text
end

return M
