--- build: the build of one commit: finding it, waiting for it, making one.
--- A push starts a build by itself; a lost answer is settled by looking here.

local err = require("godwit.err")
local settings = require("godwit.copy.settings")
local sys = require("godwit.core.sys")
local task = require("godwit.task")

local M = {}

local FIRST, GROWTH, LONGEST = 0.25, 1.5, 15
local LOOK = 200     -- builds looked through for ours
local GRACE = 60     -- a push's build should be listed within this time
local TAIL_LINES, TAIL_BYTES = 12, 1500

--- The newest build, whoever started it.
---@async
---@return table?
function M.newest(driver, owner, name)
  for build in driver:each_build(owner, name) do
    return build
  end
end

--- The newest build of a commit.
---@async
---@return table?
function M.find(driver, owner, name, commit)
  local seen = 0

  for build in driver:each_build(owner, name) do
    if build.commit_sha == commit then
      return build
    end
    seen = seen + 1
    if seen >= LOOK then
      return nil
    end
  end
end

--- The end of a text, whole lines.
---@param text string
---@return string
function M.tail(text)
  local lines = {}

  for line in text:sub(-TAIL_BYTES):gmatch("[^\r\n]+") do
    lines[#lines + 1] = line
  end
  if #text > TAIL_BYTES then
    table.remove(lines, 1) -- it was cut in the middle
  end
  return table.concat(lines, "\n", math.max(1, #lines - TAIL_LINES + 1))
end

local function log_end(driver, owner, name, build)
  local ok, text = pcall(driver.get_build_logs, driver, owner, name,
    build.build_id)

  if not ok then
    local e = err.from(text)
    if e.kind == "cancelled" then
      error(e, 0)
    end
    return "(its log could not be read: " .. tostring(e) .. ")"
  end
  return M.tail(text)
end

--- Raises what a failed build has to say.
---@async
function M.raise_failed(driver, owner, name, build)
  local brief = string.format("the build of %s failed; its log ends:",
    tostring(build.commit_sha))
  local log, lines = log_end(driver, owner, name, build), {}

  for line in log:gmatch("[^\n]+") do
    lines[#lines + 1] = line
  end
  error(err.new({ kind = "remote", op = "build", brief = brief, log = lines,
    message = brief .. "\n" .. log }))
end

-- Looking is harmless: a look that fails for a passing reason is a look that
-- saw nothing, until the time is over.
local function look(driver, owner, name, commit)
  local ok, build = pcall(M.find, driver, owner, name, commit)

  if ok then
    return build
  end
  local e = err.from(build)
  if not e.retryable then
    error(e, 0)
  end
  return nil, e
end

---@class godwit.copy.WaitOptions
---@field timeout number Seconds.
---@field progress? fun(detail: string)
---@field not_build? string The id of a build that does not count.
---@field grace? number Seconds until a missing build is given up on.
---@field awaited? string What is waited for as long as there is none.

--- Waits until a commit's build has ended.
--- Raises if it failed or the time is over; nil if none appeared at all.
---@async
---@param opts godwit.copy.WaitOptions
---@return table? build
function M.wait(driver, owner, name, commit, opts)
  local started, pause = sys.monotonic(), FIRST
  local last_error

  if driver.resume_builds then -- an archive has no server that goes on
    driver:resume_builds(owner, name)
  end
  while true do
    local build, e = look(driver, owner, name, commit)
    last_error = e or last_error
    if build and build.build_id == opts.not_build then
      build = nil
    end
    if build and build.status == "succeeded" then
      return build
    elseif build and build.status == "failed" then
      M.raise_failed(driver, owner, name, build)
    end
    local waited = sys.monotonic() - started
    if not build and not e and waited >= (opts.grace or GRACE) then
      return nil
    end
    if waited >= opts.timeout then
      error(err.new({ kind = "timeout", op = "build", retryable = true,
        cause = last_error, message = string.format(
        "the build of %s has not ended after %d seconds", commit,
        math.floor(waited)) }))
    end
    if opts.progress then
      opts.progress(string.format("%s for %d s",
        build and build.status or opts.awaited or "waiting",
        math.floor(waited)))
    end
    task.sleep(math.min(pause, math.max(0.05, opts.timeout - waited)))
    pause = math.min(pause * GROWTH, LONGEST)
  end
end

--- Builds the head again and waits for that build.
---@async
---@param opts godwit.copy.WaitOptions
---@return table? build
function M.compile(driver, owner, name, commit, opts)
  local before = M.find(driver, owner, name, commit)
  local doc = driver:compile(owner, name)
  local compilation = doc.compilation

  if type(compilation) == "table" and compilation.successful == false then
    local found = M.find(driver, owner, name, commit)
    if found and found.status == "failed" then
      M.raise_failed(driver, owner, name, found)
    end
    error(err.new({ kind = "remote", op = "build", message =
      "compiling failed; it says:\n"
      .. M.tail(tostring(compilation.output or "")) }))
  end
  local built = settings.present(doc.version_info, "git_hash")
  if built and built ~= commit then
    error(err.new({ kind = "conflict", op = "build", message = string.format(
      "the head is %s now, not ours (%s): somebody pushed meanwhile; promote "
      .. "again to see what", tostring(built), commit) }), 0)
  end
  return M.wait(driver, owner, name, commit, { timeout = opts.timeout,
    progress = opts.progress, not_build = before and before.build_id })
end

return M
