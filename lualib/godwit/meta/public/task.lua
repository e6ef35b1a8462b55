---@meta
--- task: several things at once.
---
--- Every function that waits lets other tasks run. What starts tasks here
--- returns when all of them have ended, and no failure is lost: by default the
--- first one cancels the others and is raised. A task that computes for 30
--- seconds of CPU without waiting is stopped (`limit`).
---
--- Waiting is not possible inside a coroutine of the script's own, in a callback
--- of `table.sort` or `string.gsub`, or at the top level of a module: that
--- raises `usage`.
---
--- ```lua
--- -- several.lua: builds of several algorithms, four at a time
--- local dev = godwit.cluster "dev"
--- local n = task.each(dev.algorithms:each { owner = "acme" }, function(a)
---   local builds = 0
---   for _ in a:builds() do builds = builds + 1 end
---   log.info("%s: %d", a.ref, builds)
--- end, { jobs = 4, keep_going = true })
--- local user, scms = table.unpack(task.all {
---   function() return dev:whoami() end,
---   function() local list = {} for s in dev.scms:each() do list[#list + 1] = s end return list end,
--- })
--- print(n, user, #scms)
--- ```
---
--- ```sh
--- godwit run several.lua
--- ```

--- Tasks.
---@class godwit.task
task = {}

--- Options of `task.each`.
---@class godwit.task.EachOpts
---@field jobs? integer How many at once, from 1. Default 8.
---@field keep_going? boolean All are tried; what failed is one error at the end, with all of them in its `errors`.

--- Calls `fn(item)` for every item, several at once, and returns how many there
--- were. An iterator's further values are arguments, too; it may wait and is
--- asked by one task at a time. The first failure cancels the others and is
--- raised, unless `keep_going`.
---@async
---@param items table|function An array, or an iterator.
---@param fn function
---@param opts? godwit.task.EachOpts
---@return integer count
function task.each(items, fn, opts) end

--- Runs all functions at once and returns their first results, in their order.
--- The first failure cancels the others and is raised.
---@async
---@param fns function[]
---@return any[]
function task.all(fns) end

--- Waits.
---@async
---@param seconds number
function task.sleep(seconds) end

--- Runs `fn(...)` and returns its results; after that many seconds it is
--- cancelled and `timeout` is raised.
---@async
---@param seconds number
---@param fn function
---@param ... any
---@return any ...
function task.deadline(seconds, fn, ...) end

--- Lets at most `n` tasks at once into something; who waits longest is next.
---@param n integer
---@return godwit.task.Semaphore
function task.semaphore(n) end

--- A number of permits.
---@class godwit.task.Semaphore
---@field private free integer
---@field private first integer
---@field private last integer
---@field private queue table
local semaphore = {}

--- Waits for a permit and takes it. `with` gives it back by itself.
---@async
function semaphore:acquire() end

--- Gives a permit back.
function semaphore:release() end

--- Runs `fn(...)` with a permit and returns its results; the permit comes back
--- however that ends.
---@async
---@param fn function
---@param ... any
---@return any ...
function semaphore:with(fn, ...) end

return task
