--- data.progress: how far a copy is, in words: files, bytes, rate, time left.

local size = require("godwit.cli.size")
local sys = require("godwit.core.sys")

local M = {}

local PAUSE = 0.25 -- seconds between two words
local SPAN = 5     -- seconds a rate is measured over

local function duration(seconds)
  seconds = math.ceil(seconds)
  if seconds < 60 then
    return ("%d s"):format(seconds)
  elseif seconds < 3600 then
    return ("%d min"):format(seconds // 60)
  end
  return ("%d h %02d min"):format(seconds // 3600, seconds % 3600 // 60)
end

-- Bytes and files a second over the last seconds.
local function rates(self, now, stats)
  local marks = self.marks
  marks[#marks + 1] = { at = now, bytes = stats.bytes, done = stats.done }
  while #marks > 2 and now - marks[1].at > SPAN do
    table.remove(marks, 1)
  end
  local took = now - marks[1].at
  if took <= 0 then
    return 0, 0
  end
  return (stats.bytes - marks[1].bytes) / took,
    (stats.done - marks[1].done) / took
end

-- The longer of what the bytes and what the files will take.
local function left(plan, stats, bytes, files)
  local by_bytes = bytes > 0 and (plan.bytes - stats.bytes) / bytes or 0
  local by_files = files > 0 and (plan:files() - stats.done) / files or 0
  return math.max(by_bytes, by_files, 0)
end

local function copying(self, now, stats, plan)
  local bytes, files = rates(self, now, stats)
  local text = ("%d of %d files, %s of %s"):format(stats.done, plan:files(),
    size.format(stats.bytes), size.format(plan.bytes))
  if now - self.began >= 1 and (bytes > 0 or files > 0) then
    text = ("%s, %s/s, %s left"):format(text, size.format(bytes),
      duration(left(plan, stats, bytes, files)))
  end
  return text
end

--- A function for a copy's ticks that tells `say` now and then.
---@param say fun(phase: string, detail: string|nil)
---@return fun(phase: string, detail: string|nil, stats: table|nil, plan: godwit.data.Plan|nil)
function M.of(say)
  local self = { marks = {}, began = sys.monotonic(), said = 0 }
  return function(phase, detail, stats, plan)
    local now = sys.monotonic()
    if phase == self.phase and now - self.said < PAUSE then
      return
    elseif phase ~= self.phase then
      self.marks, self.began = {}, now
    end
    self.phase, self.said = phase, now
    say(phase, stats and plan and copying(self, now, stats, plan) or detail)
  end
end

return M
