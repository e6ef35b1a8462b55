local core = require("godwit.core.task")
local err = require("godwit.err")

--- memo: values worth computing once, also when several tasks ask at once.
---
--- The first to ask computes, the others wait for it. A failure is raised to
--- who computed; the next in line tries again.
---@class godwit.Memo
---@field private values table<string, { value: any }>
---@field private running table<string, { task: any, waiters: any[] }>
local Memo = {}
Memo.__index = Memo

local M = {}

---@return godwit.Memo
function M.new()
  return setmetatable({ values = {}, running = {} }, Memo)
end

---@async
function Memo:wait_for(key)
  local run = self.running[key]
  if run.task == core.self() then
    err.throw("usage", "computing %q asks for itself", key)
  end
  local ticket = core.ticket()
  run.waiters[#run.waiters + 1] = ticket
  core.wait(ticket)
end

--- The value of `key`, computed by `fn` if nobody has. When `fn` returns true
--- as its second result the value is handed on and not kept.
---@async
---@param key string
---@param fn fun(): any, boolean?
---@return any
function Memo:get(key, fn)
  while not self.values[key] do
    if not self.running[key] then
      return self:compute(key, fn)
    end
    self:wait_for(key)
  end
  return self.values[key].value
end

---@async
function Memo:compute(key, fn)
  local run = { task = core.self(), waiters = {} }
  self.running[key] = run
  local cleanup <close> = setmetatable({}, {
    __close = function()
      self.running[key] = nil
      for _, ticket in ipairs(run.waiters) do
        core.wake(ticket)
      end
    end,
  })
  local value, forget = fn()
  if not forget then
    self.values[key] = { value = value }
  end
  return value
end

--- Forgets a value that is no longer true.
---@param key string
function Memo:forget(key)
  self.values[key] = nil
end

return M
