---@meta godwit.core.task
-- In C: runtime/lua/task.c, task_lua.c.

---@class godwit.core.task
local M = {}

---@class godwit.Task: userdata

--- Starts a task; it first runs when the loop comes to it. An error that
--- nobody joins is logged.
---@param fn function
---@param ... any
---@return godwit.Task
function M.spawn(fn, ...) end

--- Waits for its end: true and its results, or false and its error.
---@async
---@param task godwit.Task
---@return boolean ok
---@return any ...
function M.join(task) end

--- Stops what it waits for and raises `cancelled` there, or at its next wait.
--- Told once: cleaning up is not cut short.
---@param task godwit.Task
function M.cancel(task) end

---@param task godwit.Task
---@return boolean
function M.ended(task) end

--- So many seconds may this task, and each it starts, compute from here on in
--- all, waiting not counted; then it is stopped with an error of kind "limit"
--- that it cannot catch. Under a limit already, the smaller one counts.
---@param seconds number
function M.limit(seconds) end

--- Whether a task (default: this one) was ever cancelled.
---@param task? godwit.Task
---@return boolean
function M.cancelled(task) end

--- The running task, or nil in a coroutine of a script's own.
---@return godwit.Task?
function M.self() end

---@async
---@param seconds number
function M.sleep(seconds) end

--- Names one wait of this task; a later ticket makes it stale.
---@return integer
function M.ticket() end

--- Waits until that ticket is woken; returns what it was woken with.
---@async
---@param ticket integer
---@return any ...
function M.wait(ticket) end

--- Wakes who waits, or will wait, with that ticket. False if it is stale.
---@param ticket integer
---@param ... any
---@return boolean
function M.wake(ticket, ...) end

--- Whether a wait is possible here, and if not, why.
---@return boolean
---@return string? why
function M.waitable() end

--- How many tasks there are.
---@return integer
function M.live() end

--- From here on this task, and those it starts, act for a person: what limits
--- a script's requests is not for them. A policy's.
function M.act_for_person() end

---@return boolean
function M.acts_for_person() end

return M
