local err = require("godwit.err")
local task = require("godwit.core.task")

--- effect.order: two tasks never write one target without order.
---
--- Which of them would win is a matter of luck, and so would be the ordinal a
--- journal knows the write by. It is a mistake of the script, so it is an
--- error, not a queue.
local M = {}

---@class godwit.effect.Turn
---@field task any    Whose turn it is
---@field kind string What it is doing
---@field depth integer

---@type table<string, godwit.effect.Turn>
local turns = {}

--- Takes the target for the calling task until the returned value is closed.
--- A task may take what it already has: a write that needs another one.
---@param target string
---@param kind string
---@return table closable
function M.enter(target, kind)
  local me = task.self()
  local turn = turns[target]
  if turn and turn.task ~= me then
    err.throw("conflict", "two tasks write %s at the same time (%s and %s);"
      .. " whichever came last would win, so let one wait for the other",
      target, turn.kind, kind)
  end
  if not turn then
    turn = { task = me, kind = kind, depth = 0 }
    turns[target] = turn
  end
  turn.depth = turn.depth + 1
  return setmetatable({}, {
    __close = function()
      turn.depth = turn.depth - 1
      if turn.depth == 0 then
        turns[target] = nil
      end
    end,
  })
end

return M
