local err = require("godwit.err")
local json = require("godwit.core.json")
local memo = require("godwit.memo")
local unknown = require("godwit.unknown")

--- step: values that decide something are taken once.
---
--- A version step, a gate's answer, the time: `step.once(key, fn)` asks once
--- in a run and gives everybody the same answer afterwards. A key is a stable
--- name, never a counter.
local M = {}

local steps = memo.new()

local function holds_unknown(v, seen)
  if unknown.is(v) then
    return true
  elseif type(v) ~= "table" or seen[v] then
    return false
  end
  seen[v] = true
  for _, x in next, v do
    if holds_unknown(x, seen) then
      return true
    end
  end
  return false
end

-- Kept as text: nobody can change what others will get.
local function take(key, fn)
  local value = fn()
  if holds_unknown(value, {}) then
    return { unknown = value }, true
  end
  if value == nil then
    value = json.null
  end
  local ok, text = pcall(json.encode, value)
  if not ok then
    err.throw("usage", "step.once(%q): the value is not JSON: %s", key,
      tostring(text))
  end
  return { text = text }
end

--- Returns what `fn` returned the first time this run asked for `key`: JSON
--- (nil counts as null). While one task computes it, others that ask wait. A
--- failed `fn` leaves nothing behind. What is unknown in plan mode is handed
--- on and not kept.
---@async
---@param key string
---@param fn fun(): any
---@return any
function M.once(key, fn)
  if type(key) ~= "string" or key == "" then
    err.throw("usage", "step.once: the key must be a text")
  elseif type(fn) ~= "function" then
    err.throw("usage", "step.once(%q): a function computes the value, not %s",
      key, type(fn))
  end
  local step = steps:get(key, function()
    return take(key, fn)
  end)
  if step.unknown ~= nil then
    return step.unknown
  end
  local value = err.check(json.decode(step.text))
  if value == json.null then
    return nil
  end
  return value
end

return M
