--- Where items are: one changing line on a terminal, a line for each phase
--- elsewhere. SIGUSR1 prints all of them.
local log = require("godwit.log")
local output = require("godwit.cli.output")
local sys = require("godwit.core.sys")
local task = require("godwit.core.task")

local M = {}

local REDRAW, REPEAT = 0.2, 15
local WORDS = {
  check = "looking at both sides", prepare = "comparing",
  gate = "asking the gate", create = "creating",
  settings = "changing settings", secrets = "setting secrets",
  fetch = "fetching", push = "pushing",
  build = "building", call = "calling", publish = "publishing",
  members = "adding members", compare = "comparing",
  list = "listing", copy = "copying", delete = "deleting",
  record = "writing the version map", lock = "waiting for another run",
}

---@class godwit.cli.Progress
---@field items table<string, { phase: string, detail?: string, since: number, said: number }>
---@field order string[]
---@field live boolean Is it a line that changes?
local Progress = {}
Progress.__index = Progress

local function seconds(n)
  n = math.floor(n)
  if n < 60 then
    return ("%d s"):format(n)
  elseif n < 3600 then
    return ("%d min %02d s"):format(n // 60, n % 60)
  end
  return ("%d h %02d min"):format(n // 3600, n % 3600 // 60)
end

local function describe(ref, item, now)
  local text = ("%s: %s"):format(ref, WORDS[item.phase] or item.phase)
  if item.detail and item.detail ~= "" then
    text = text .. ", " .. tostring(item.detail)
  end
  local took = now - item.since
  return took >= 2 and ("%s (%s)"):format(text, seconds(took)) or text
end

-- "312 of 900 done, 12 s left", once there are many.
local function how_far(self)
  local done, total = self.done or 0, self.total or 0
  if total < 2 then
    return nil
  end
  local text = ("%d of %d done"):format(done, total)
  local took = sys.monotonic() - self.began
  if done > 0 and done < total and took >= 2 then
    text = ("%s, %s left"):format(text, seconds(took * (total - done) / done))
  end
  return text
end

-- The line for all that is going on: how far it is, the item that changed last,
-- and how many others there are.
local function draw(self)
  local ref = self.order[#self.order]
  if not ref then
    return
  end
  local text = describe(ref, self.items[ref], sys.monotonic())
  if #self.order > 1 then
    text = ("%s (and %d more)"):format(text, #self.order - 1)
  end
  local far = how_far(self)
  text = far and far .. ": " .. text or text
  local width = math.max(sys.width() - 1, 20)
  text = text:gsub("[%c]", " ")
  if utf8.len(text) and utf8.len(text) > width then
    text = text:sub(1, utf8.offset(text, width) - 1)
  end
  sys.write(2, "\r\27[K", true)
  sys.write(2, text)
  self.drawn = true
end

local function erase(self)
  if self.drawn then
    sys.write(2, "\r\27[K", true)
    self.drawn = false
  end
end

local function forget(self, ref)
  for i, name in ipairs(self.order) do
    if name == ref then
      table.remove(self.order, i)
      break
    end
  end
end

--- Starts to show progress; `stop` must follow.
---@param opts? { live?: boolean }
---@return godwit.cli.Progress
function M.start(opts)
  local live = opts and opts.live
  if live == nil then
    live = sys.isatty(2) and sys.env("TERM") ~= "dumb"
      and not output.is_quiet()
  end
  local self = setmetatable({ items = {}, order = {}, live = live,
    began = sys.monotonic() }, Progress)
  if live then
    output.before = function()
      erase(self)
    end
    log.before = output.before
    self.ticker = task.spawn(function()
      while true do
        task.sleep(REDRAW)
        draw(self)
      end
    end)
  end
  sys.on_usr1(function()
    self:print()
  end)
  return self
end

--- An item is in a phase. Without one it has ended.
---@param ref string
---@param phase string|nil
---@param detail? string
function Progress:update(ref, phase, detail)
  local item, now = self.items[ref], sys.monotonic()
  forget(self, ref)
  if not phase then
    self.items[ref] = nil
    return
  end
  self.order[#self.order + 1] = ref
  local fresh = not item or item.phase ~= phase
  if fresh then
    item = { phase = phase, since = now, said = now }
    self.items[ref] = item
  end
  item.detail = detail
  if self.live then
    draw(self)
  elseif fresh then
    output.note("%s", describe(ref, item, now))
  elseif now - item.said >= REPEAT then
    item.said = now
    output.note("%s", describe(ref, item, now))
  end
end

--- So many of so many have ended.
---@param done integer
---@param total integer
function Progress:count(done, total)
  self.done, self.total = done, total
end

--- Prints every item in flight.
function Progress:print()
  local now = sys.monotonic()
  local far = how_far(self)
  output.say("In progress: %d, for %s%s", #self.order,
    seconds(math.floor(now - self.began)), far and "; " .. far or "")
  for _, ref in ipairs(self.order) do
    output.say("  %s", output.visible(describe(ref, self.items[ref], now)))
  end
end

--- Ends it: the line goes away.
function Progress:stop()
  sys.on_usr1(nil)
  if self.ticker then
    task.cancel(self.ticker)
    task.join(self.ticker)
    self.ticker = nil
  end
  erase(self)
  output.before, log.before = nil, nil
end

return M
