--- call: tries the new commit, by its hash, with the migrated sample input.
--- This is what is tested before publishing.

local core_json = require("godwit.core.json")
local err = require("godwit.err")
local sys = require("godwit.core.sys")
local task = require("godwit.task")

local M = {}

local NOT_READY = 30 -- seconds a fresh build may be unknown to callers

--- How the sample input is sent: as JSON when it parses, else as text. Its
--- bytes stay as they are.
---@param text string
---@return godwit.cluster.Input
function M.input(text)
  local _, e = core_json.decode(text)
  if e then
    return { text = text }
  end
  return { bytes = text, content_type = "application/json" }
end

-- A build that has just ended may not be callable for a moment; the cluster
-- then speaks of an unknown version hash.
local function not_ready(e)
  return tostring(e.message):find("version hash", 1, true) ~= nil
end

--- Calls a version and returns the answer; raises when it raised.
---@async
---@param driver table
---@param owner string
---@param name string
---@param commit string
---@param sample string
---@param opts {timeout: number?}
---@return table
function M.call(driver, owner, name, commit, sample, opts)
  local started, pause = sys.monotonic(), 0.25
  local input = M.input(sample)

  while true do
    local ok, answer = pcall(driver.call, driver, owner, name, commit, input,
      { timeout = opts.timeout })
    if ok then
      return answer
    end
    local e = err.from(answer)
    if not not_ready(e) or sys.monotonic() - started > NOT_READY then
      if err._is_final(e) then
        error(e, 0)
      end
      error(err.wrap(e, "calling it with its sample input"), 0)
    end
    task.sleep(pause)
    pause = pause * 2
  end
end

return M
