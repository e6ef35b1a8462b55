local core = require("godwit.core.task")
local err = require("godwit.err")
local task = require("godwit.task")

--- effect.order: two tasks never write one target without order.
---
--- Two items of one loop that runs several at once have no order: which of
--- them wins is a matter of luck, and so is the ordinal a journal would know
--- the write by. It is a mistake of the script, so it is an error, not a queue,
--- whether or not they happened to meet this time.
local M = {}

---@class godwit.effect.Turn
---@field task any    Whose turn it is
---@field kind string What it is doing
---@field depth integer

---@type table<string, godwit.effect.Turn>
local turns = {}
---@type table<string, { kind: string, path: godwit.task.Lineage[] }>
local last = {}

-- From the outermost loop to the innermost.
local function path_of(lineage)
  local path = {}
  while lineage do
    table.insert(path, 1, lineage)
    lineage = lineage.above
  end
  return path
end

local function in_order(before, now)
  for i = 1, math.min(#before, #now) do
    if before[i].scope ~= now[i].scope then
      return true -- one loop came after the other
    elseif before[i].item ~= now[i].item then
      return false
    end
  end
  return true -- what encloses waits for what it encloses
end

local function refuse(target, one, other)
  err.throw("conflict", "two tasks write %s without order (%s and %s);"
    .. " whichever came last would win, so let one wait for the other",
    target, one, other)
end

--- Takes the target for the calling task until the returned value is closed.
--- A task may take what it already has: a write that needs another one.
---@param target string
---@param kind string
---@return table closable
function M.enter(target, kind)
  local me, path = core.self(), path_of(task.lineage())
  local turn, before = turns[target], last[target]
  if turn and turn.task ~= me then
    refuse(target, turn.kind, kind)
  elseif before and not in_order(before.path, path) then
    refuse(target, before.kind, kind)
  end
  last[target] = { kind = kind, path = path }
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
