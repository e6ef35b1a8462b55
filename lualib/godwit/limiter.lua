local core = require("godwit.core.task")
local err = require("godwit.err")
local methods = require("godwit.methods")
local sys = require("godwit.core.sys")

--- limiter: how many requests of one cluster are in flight.
---
--- It starts modest and adapts: one more a round while all goes well (doubling
--- each round until something goes wrong for the first time), half of it when
--- the server says it is too much, a little less when answers get slow. Who
--- waits longest comes first. `Retry-After` holds all of them back; a server
--- that wants to be left alone for longer than anybody waits is left alone.
---@class godwit.Limiter
---@field limit number What is allowed at once, now.
---@field in_flight integer
local Limiter = {}
Limiter.__index = methods.of(Limiter)
Limiter.__name = "limiter"

local M = {}

local START = 8
local MAX = 64
local SLOW = 3 -- times the usual time is slow
local SLACK = 0.05 -- seconds; what is this fast is never slow
local LONGEST = 120 -- seconds; who would have to wait longer is told so

---@class godwit.limiter.Opts
---@field max? integer Never more at once than this. Default 64.
---@field start? integer Default 8.
---@field clock? fun(): number Seconds; for tests.

--- A limiter of its own.
---@param opts? godwit.limiter.Opts
---@return godwit.Limiter
function M.new(opts)
  opts = opts or {}
  local max = opts.max or MAX
  return setmetatable({
    max = max,
    limit = math.min(opts.start or START, max),
    in_flight = 0,
    growing = true,
    round = 0, -- counts the decreases
    until_ = 0, -- nothing starts before
    queue = {},
    first = 1,
    last = 0,
    clock = opts.clock or sys.monotonic,
  }, Limiter)
end

local known = {}

--- The one limiter of that cluster, made when it is first asked for.
---@param id string
---@param opts? godwit.limiter.Opts
---@return godwit.Limiter
function M.of(id, opts)
  if not known[id] then known[id] = M.new(opts) end
  return known[id]
end

---@class godwit.limiter.Permit
---@field round integer
---@field began number

local function permit(self)
  self.in_flight = self.in_flight + 1
  return { round = self.round, began = self.clock() }
end

local function has_room(self)
  return self.in_flight < math.max(1, math.floor(self.limit))
    and self.clock() >= self.until_
end

local function is_empty(self)
  return self.first > self.last
end

--- Gives what is free to those who wait, in their order. A ticket of a task
--- that was cancelled meanwhile takes nothing.
local function grant(self)
  while not is_empty(self) and has_room(self) do
    local ticket = self.queue[self.first]
    self.queue[self.first] = nil
    self.first = self.first + 1
    if ticket then
      local p = permit(self)
      if not core.wake(ticket, p) then self.in_flight = self.in_flight - 1 end
    end
  end
end

--- Somebody must be there when a pause ends: a task, as long as one waits.
local function watch_pause(self)
  if self.watcher or is_empty(self) or self.clock() >= self.until_ then return end
  self.watcher = core.spawn(function()
    while not is_empty(self) do
      local left = self.until_ - self.clock()
      if left <= 0 then break end
      core.sleep(left)
    end
    self.watcher = nil
    grant(self)
  end)
end

--- A task that waited was cancelled: it leaves the queue.
local function leave(self, ticket)
  for i = self.first, self.last do
    if self.queue[i] == ticket then self.queue[i] = false end
  end
  while not is_empty(self) and self.queue[self.first] == false do
    self.queue[self.first] = nil
    self.first = self.first + 1
  end
  if is_empty(self) and self.watcher then
    core.cancel(self.watcher)
    self.watcher = nil
  end
end

-- Raises when the pause is longer than anybody waits.
local function check_pause(self)
  local left = self.until_ - self.clock()
  if left > LONGEST then
    error(err.new({ kind = "limit", retryable = true, sent = false,
      retry_after = left, message = ("the server asks to be left alone for %d"
      .. " more seconds"):format(math.ceil(left)) }), 0)
  end
end

-- Tells all who wait that they wait in vain.
local function dismiss(self)
  for i = self.first, self.last do
    if self.queue[i] then core.wake(self.queue[i], false) end
  end
  self.queue, self.first, self.last = {}, 1, 0
end

--- Waits for a permit. Every permit must come back through release.
--- Raises `limit` when the server is to be left alone for too long.
---@async
---@return godwit.limiter.Permit
function Limiter:acquire()
  check_pause(self)
  if is_empty(self) and has_room(self) then return permit(self) end
  local ticket = core.ticket()
  self.last = self.last + 1
  self.queue[self.last] = ticket
  watch_pause(self)
  local ok, p = pcall(core.wait, ticket)
  if not ok then
    leave(self, ticket)
    error(p, 0)
  end
  if not p then
    check_pause(self)
    return self:acquire() -- it was over meanwhile
  end
  return p
end

local function decrease(self, p, factor)
  self.growing = false
  if p and p.round ~= self.round then return end -- started before the last one
  self.round = self.round + 1
  self.limit = math.max(1, self.limit * factor)
end

local function increase(self)
  -- Room nobody uses proves nothing.
  if self.in_flight + 1 < math.floor(self.limit) then return end
  local step = self.growing and 1 or 1 / self.limit
  self.limit = math.min(self.max, self.limit + step)
end

--- Whether answers take much longer than they usually did. `usual` follows
--- the fastest quickly and the others slowly.
local function is_slow(self, took)
  local recent = (self.recent or took) * 0.8 + took * 0.2
  self.recent = recent
  if not self.usual or recent < self.usual then
    self.usual = recent
  else
    self.usual = self.usual + (recent - self.usual) * 0.01
  end
  return recent > self.usual * SLOW + SLACK
end

--- Gives a permit back, with what became of it: "ok", "busy" (429, 503, no
--- connection) or "none" (says nothing about the server). Only what `timed`
--- allows is judged by how long it took.
---@param p godwit.limiter.Permit
---@param outcome? "ok"|"busy"|"none"
---@param timed? boolean
function Limiter:release(p, outcome, timed)
  self.in_flight = self.in_flight - 1
  if outcome == "busy" then
    decrease(self, p, 0.5)
  elseif outcome == "ok" then
    if timed and is_slow(self, self.clock() - p.began) then
      decrease(self, p, 0.9)
    else
      increase(self)
    end
  end
  grant(self)
end

--- Nothing new starts for that many seconds.
---@param seconds number
function Limiter:pause(seconds)
  self.until_ = math.max(self.until_, self.clock() + seconds)
  if self.until_ - self.clock() > LONGEST then dismiss(self) end
  watch_pause(self)
end

--- Runs fn(...) with a permit; returns its results.
---@async
---@param fn function
---@param ... any
---@return any ...
function Limiter:with(fn, ...)
  local p = self:acquire()
  local r = table.pack(pcall(fn, ...))
  self:release(p, r[1] and "ok" or "none")
  if not r[1] then error(r[2], 0) end
  return table.unpack(r, 2, r.n)
end

return M
