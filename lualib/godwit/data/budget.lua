--- data.budget: what a run may use in all: bytes, time, bandwidth. All copies of
--- a run share one; what it ends, ends cleanly.

local engine = require("godwit.core.data")
local size = require("godwit.cli.size")
local sys = require("godwit.core.sys")
local units = require("godwit.data.units")

local M = {}

local WINDOW = 256 -- pairs in flight, over all copies of a run

---@class godwit.data.Budget
---@field private bwlimit? integer Bytes a second.
---@field private max_transfer? integer
---@field private max_duration? number
---@field private began number
---@field quota? godwit.data.quota What is left of it.
---@field private owed number Bytes that copiers which ended had read too early.
---@field private copiers table<table, boolean>
---@field private active integer
---@field windows table<string, integer> Pairs in flight that were found to be good.
---@field why? string What is used up.
---@field too_large? integer What a file has, when max_transfer is less.
local Budget = {}
Budget.__index = Budget

--- Raises "usage" for what cannot be meant.
---@param opts { bwlimit: any, max_transfer: any, max_duration: any }
---@param named? fun(option: string): string What an option is called.
---@return godwit.data.Budget
function M.new(opts, named)
  named = named or units.as_is
  local bwlimit = units.size(opts.bwlimit, named("bwlimit"))
  local most = units.size(opts.max_transfer, named("max_transfer"))
  return setmetatable({
    bwlimit = bwlimit and bwlimit > 0 and bwlimit or nil,
    max_transfer = most, quota = most and engine.quota(most),
    max_duration = units.duration(opts.max_duration,
      named("max_duration")),
    began = sys.monotonic(), owed = 0, copiers = {}, active = 0,
    windows = {},
  }, Budget)
end

--- Whether the run may go on.
---@return boolean
function Budget:lasts()
  if not self.why and self.max_duration and self:left() <= 0 then
    self.why = ("max-duration of %g s is used up"):format(self.max_duration)
  end
  return self.why == nil
end

--- Seconds that are left; nil: no limit.
---@return number|nil
function Budget:left()
  return self.max_duration
    and self.max_duration - (sys.monotonic() - self.began)
end

--- Takes so many bytes; false when they are more than what is left.
---@param bytes integer
---@return boolean
function Budget:take(bytes)
  if not self:lasts() then
    return false
  elseif self.quota and not self.quota:take(bytes) then
    self:exhaust(bytes)
    return false
  end
  return true
end

--- They were transferred in vain: what is tried again costs them once more.
--- False when that was too much.
---@param bytes integer
---@return boolean
function Budget:charge(bytes)
  if self.quota then
    self.quota:charge(bytes)
    if self.quota:left() < 0 then
      self:exhaust()
    end
  end
  return self:lasts()
end

--- Nothing more is transferred: a file has more than what is left.
---@param bytes integer|nil If they are known.
function Budget:exhaust(bytes)
  self.too_large = self.too_large
    or bytes and bytes > self.max_transfer and bytes or nil
  self.why = self.why or ("max-transfer of %s is used up"):format(
    size.format(self.max_transfer))
end

-- Bandwidth and requests in flight are shared evenly.
local function share(self)
  for copier in pairs(self.copiers) do
    if self.bwlimit then
      copier:rate(self.bwlimit / self.active)
    end
    copier:limit(math.max(8, WINDOW // self.active))
  end
end

--- A copier begins; closing what this gives ends it.
---@param copier table
---@return table closable
function Budget:enter(copier)
  self.copiers[copier] = true
  self.active = self.active + 1
  share(self)
  if self.bwlimit and self.owed > 0 then
    copier:rate(self.bwlimit / self.active, self.owed)
    self.owed = 0
  end
  return setmetatable({}, { __close = function()
    self.owed = self.owed + copier:stats().owed
    self.copiers[copier] = nil
    self.active = self.active - 1
    share(self)
  end })
end

return M
