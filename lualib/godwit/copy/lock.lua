--- lock: one promotion at a time into one algorithm of a destination, among
--- all runs that share a state folder. Taken when a job begins to write and
--- given back when it has ended, not while a thousand are looked at.
---
--- The file says who wrote last: pre-flight notes that, and whoever finds
--- something else under the lock has to look again before writing.

local effect = require("godwit.effect")
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local places = require("godwit.config.places")
local sys = require("godwit.core.sys")
local task = require("godwit.core.task")

local M = {}

--- Seconds another run is waited for; tests make it short.
M.PATIENCE = tonumber(sys.env("GODWIT_TEST_LOCK_PATIENCE") or 30) or 30

local PAUSE, LONGEST = 0.05, 1
local NEVER = "nobody"

local function folder()
  return places.state_dir() .. "/locks"
end

-- Readable, with a digest for what the readable part cannot keep apart.
local function path_of(job)
  local cluster = job.to.id
  local readable = cluster:gsub("^%a+://", ""):gsub("[^%w.-]+", "_")
  local digest = sys.hash("sha256", cluster .. "\n" .. job.to_owner .. "\n"
    .. job.to_name)

  return string.format("%s/%s-%s-%s-%s.lock", folder(), readable:sub(1, 60),
    job.to_owner:sub(1, 60), job.to_name:sub(1, 60), digest:sub(1, 12))
end

-- Who wrote last; nil while somebody writes, or was killed at it.
local function last_writer(path)
  local text = fs.read(path, 4096)
  local note = text and text:match("^[^\n]*\n([^\n]*)")

  if not note or note == "" then
    return NEVER
  end
  return note:match("^(%x+) done$")
end

--- Notes, before a job's reads, who wrote there last.
---@param job godwit.copy.Job
function M.look(job)
  job.last_writer = last_writer(path_of(job))
end

local function locked(job, path)
  local holder = (fs.read(path, 4096) or ""):match("^(%d+)")

  return err.new({ kind = "locked", retryable = true, message = string.format(
    "another run%s is promoting to %s; give the command again when it has "
    .. "ended", holder and " (process " .. holder .. ")" or "", job.dest_ref) })
end

local function wait_for(job, path)
  local started, pause = sys.monotonic(), PAUSE

  while true do
    local lock, e = fs.lock(path)
    if lock then
      return lock
    end
    e = err.from(e)
    if e.kind ~= "locked" then
      error(e, 0)
    elseif sys.monotonic() - started > M.PATIENCE then
      error(locked(job, path), 0)
    end
    job:progress("lock")
    task.sleep(pause)
    pause = math.min(pause * 2, LONGEST)
  end
end

---@class godwit.copy.Lock Given back by `<close>`.
---@field changed boolean Somebody wrote since the job looked: look again.

--- Takes the job's lock. Raises `locked` when another run keeps it.
---@async
---@param job godwit.copy.Job
---@return godwit.copy.Lock
function M.take(job)
  if effect.mode == "plan" then
    return setmetatable({ changed = false }, { __close = function() end })
  end
  local path = path_of(job)

  err.check(fs.mkdir(folder(), 448))
  local lock = wait_for(job, path)
  local writer = last_writer(path)
  local me = sys.random_hex(8)
  local held = setmetatable({
    changed = writer == nil or writer ~= job.last_writer,
  }, { __close = function()
    lock:note(me .. " done")
    lock:close()
  end })
  local ok, e = lock:note(me .. " at work")
  if not ok then
    lock:close()
    error(e, 0)
  end
  return held
end

return M
