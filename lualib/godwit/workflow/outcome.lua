--- outcome: the words for what became of an item, their counts, and the exit
--- code they make (the same everywhere). Pure.

local err = require("godwit.err")
local trace = require("godwit.trace")

local M = {}

M.WORDS = { "created", "updated", "unchanged", "skipped", "waiting",
  "refused", "failed" }

local known = {}
for _, word in ipairs(M.WORDS) do
  known[word] = true
end

---@class godwit.Outcome
---@field outcome string One of WORDS.
---@field ref? string
---@field to? string
---@field why? string
---@field retryable? boolean A later attempt may succeed.
---@field wrote? boolean Something was written before it was refused or failed.
---@field kind? string The error's kind.
---@field error? table Of a script's own: line, excerpt, calls, request.
---@field log? string[] The end of a log, in lines, that `why` announces.

--- Checks what an item's function returned and makes it a record.
---@param value any A word, or a table with one.
---@return godwit.Outcome
function M.record(value)
  if type(value) == "string" then
    value = { outcome = value }
  end
  if type(value) ~= "table" or not known[value.outcome] then
    err.throw("usage", "an item's function returned %s instead of an outcome "
      .. "(%s)", type(value) == "table" and tostring(value.outcome)
      or type(value), table.concat(M.WORDS, ", "))
  end
  return value
end

--- The record of an error. Being stopped by the user or by a budget is
--- temporary.
---@param e any
---@return godwit.Outcome
function M.failure(e)
  e = err.from(e)
  trace.name_raised(e)
  if e.kind == "cancelled" then
    return { outcome = "failed", why = "interrupted", kind = "cancelled",
      retryable = true }
  elseif e.kind == "budget" then -- of the whole run, not of this item
    return { outcome = "failed", why = e.message, kind = "budget",
      retryable = true }
  end
  return { outcome = e.kind == "refused" and "refused" or "failed",
    why = e.log and e.brief or trace.sentence(e, tostring(e)), log = e.log,
    kind = e.kind, error = trace.place(e) and trace.fields(e) or nil,
    retryable = e.retryable or nil,
    traceback = e.kind == "bug" and e.traceback or nil }
end

--- How many items ended with each word; every word is present.
---@param items godwit.Outcome[]
---@param words? string[] `WORDS` by default.
---@return table<string, integer>
function M.counts(items, words)
  local counts = {}
  for _, word in ipairs(words or M.WORDS) do
    counts[word] = 0
  end
  for _, item in ipairs(items) do
    counts[item.outcome] = counts[item.outcome] + 1
  end
  return counts
end

local function every(items, test)
  for _, item in ipairs(items) do
    if not test(item) then
      return false
    end
  end
  return true
end

local function failed(item)
  return item.outcome == "failed"
end

--- The exit code.
---@param items godwit.Outcome[]
---@return integer
function M.exit_code(items)
  local n = M.counts(items)
  local good = n.created + n.updated + n.unchanged + n.skipped

  if not every(items, function(i) return i.kind ~= "denied" end) then
    return 9
  elseif not every(items, function(i) return i.kind ~= "budget" end) then
    return 8
  end
  if n.refused + n.waiting + n.failed == 0 then
    return 0
  end
  if good > 0 or n.waiting == #items then
    return 3
  end
  if n.refused > 0 and every(items, function(i) return not i.wrote end) then
    return 6
  end
  if every(items, function(i)
        return not failed(i) or i.kind == "locked"
      end) and n.failed == #items then
    return 11
  end
  if n.failed > 0 and every(items, function(i)
        return not failed(i) or i.retryable
      end) then
    return 5
  end
  return 1
end

return M
