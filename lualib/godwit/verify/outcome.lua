--- outcome: the words for what a comparison found of an item, their counts and
--- the exit code they make. In place of godwit.workflow.outcome, which has the
--- words for what a run did. Pure.

local err = require("godwit.err")
local outcome = require("godwit.workflow.outcome")

local M = {}

--- equal, different; missing: not at the destination; extra: only there;
--- skipped: a policy or a map leaves it out; unreadable: not known to be
--- anything.
M.WORDS = { "equal", "different", "missing", "extra", "skipped",
  "unreadable" }

local known = {}
for _, word in ipairs(M.WORDS) do
  known[word] = true
end

--- Makes what an item's function returned a record.
---@param value table
---@return table
function M.record(value)
  assert(type(value) == "table" and known[value.outcome],
    "a comparison ends with one of its words")
  return value
end

--- The record of an error: what could not be read is never equal.
---@param e any
---@return table
function M.failure(e)
  local record = outcome.failure(e)
  record.outcome = "unreadable"
  return record
end

--- How many items ended with each word; every word is present.
---@param items table[]
---@return table<string, integer>
function M.counts(items)
  return outcome.counts(items, M.WORDS)
end

local function all_retryable(items)
  for _, item in ipairs(items) do
    if item.outcome == "unreadable" and not item.retryable then
      return false
    end
  end
  return true
end

--- The exit code. A difference that was found stays one, whatever could not
--- be read beside it.
---@param items table[]
---@param strict? boolean What is only at the destination is a difference.
---@return integer
function M.exit_code(items, strict)
  local n = M.counts(items)

  for _, item in ipairs(items) do
    if item.kind == "denied" then
      return 9
    end
  end
  if n.different + n.missing + (strict and n.extra or 0) > 0 then
    return 7
  elseif n.unreadable == 0 then
    return 0
  elseif n.unreadable < #items then
    return 3
  end
  return all_retryable(items) and 5 or 1
end

--- Whether an error ends the whole run instead of its item.
---@param e godwit.Err
---@return boolean
function M.is_final(e)
  return err._is_final(e) or err.is(e, "bug")
end

return M
