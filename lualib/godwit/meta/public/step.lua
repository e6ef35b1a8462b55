---@meta
--- step: values that decide something are taken once.
---
--- A version step, a gate's answer, the time: asked twice, a run could decide
--- one way and act another. `step.once` asks once in a run and gives everybody
--- the same answer afterwards.
---
--- ```lua
--- local function ticket(id)
---   return step.once("ticket/" .. id, function()
---     return http.get("https://jira.example.com/issue/" .. id):json().status
---   end)
--- end
--- print(ticket "OPS-1", ticket "OPS-1") -- one request
--- ```

--- Values taken once.
---@class godwit.step
step = {}

--- Returns what `fn` returned the first time this run asked for `key`. While one
--- task computes it, others that ask wait. A failed `fn` leaves nothing behind.
--- What is unknown in plan mode is handed on and not kept. Raises `usage` when
--- the value is no JSON, else what `fn` raises.
---@async
---@param key string A stable name ("ticket/OPS-1"), never a counter.
---@param fn fun(): any Returns JSON; nil counts as null.
---@return any
function step.once(key, fn) end

return step
