local sys = require("godwit.core.sys")
local task = require("godwit.core.task")
local git = require("godwit.cluster.platform.git")
local markdown = require("godwit.cluster.platform.markdown")
local rules = require("godwit.cluster.platform.rules")

--- Builds: a record is there at once and in progress, its end comes after the
--- build time; builds of one algorithm queue. Where the platform has a
--- background (the sandbox) a build belongs to it, so that a client which goes
--- away loses nothing; without one (an archive) it is made in place.
---
--- The Git ref comes first, the record after: recover() gives a head without
--- a build one, and brings to its end what a killed process left unfinished.
local M = {}

--- Sleeps, but no longer than the platform runs.
---@async
function M.sleep(p, seconds)
  if seconds <= 0 or p.stopping then return end
  local ticket = task.ticket()
  local timer = task.spawn(function()
    task.sleep(seconds)
    task.wake(ticket)
  end)
  p.sleepers[ticket] = true
  local ok, e = pcall(task.wait, ticket)
  p.sleepers[ticket] = nil
  task.cancel(timer)
  if not ok then error(e, 0) end
end

--- Ends every build that still sleeps at once; the rest follows by itself.
function M.hurry(p)
  p.stopping = true
  for ticket in pairs(p.sleepers) do task.wake(ticket) end
end

--- Why this commit's build fails, or nil.
local function failure(p, owner, name, record, commit)
  local fail = p.options.fail_builds
  if fail == true or type(fail) == "table" and fail[owner .. "/" .. name] then
    return "ERROR: this sandbox was told to fail builds"
  end
  local env = record.settings.algorithm_environment
  if env then
    local _, by_id = p.store:environments()
    if not by_id[env] then
      return "ERROR: no algorithm environment " .. env
    end
  end
  local repo = p.store:repo(owner, name)
  local ids = git.ids(repo, commit, { ".sandbox-build-fails",
    "requirements.txt" })
  if ids[".sandbox-build-fails"] then
    local text = git.read(repo, commit, ".sandbox-build-fails") or ""
    return "ERROR: " .. (text:match("[^\r\n]+") or "the build failed")
  end
  local needs = ids["requirements.txt"]
    and git.read(repo, commit, "requirements.txt")
  for line in (needs or ""):gmatch("[^\r\n]+") do
    if line:match("^%s*(.-)%s*$") == "sandbox-build-fails" then
      return "ERROR: Could not find a version that satisfies the "
        .. "requirement sandbox-build-fails"
    end
  end
  return nil
end

local function log_text(owner, name, commit, why)
  local lines = {
    "Beginning container customization",
    ("Cloning algo://%s/%s at %s"):format(owner, name, commit),
    "Installing dependencies",
  }
  if why then
    lines[#lines + 1] = why
    lines[#lines + 1] = "Build failed"
  else
    lines[#lines + 1] = "Saving container image"
    lines[#lines + 1] = "Build succeeded"
  end
  return table.concat(lines, "\n") .. "\n"
end

local function finish(p, job)
  local owner, name, b = job.owner, job.name, job.build
  p.store:locked("build:" .. owner .. "/" .. name, function()
    M.sleep(p, p.build_seconds)
    local record = p:load(owner, name)
    if not record or record.id ~= job.id then return end -- deleted meanwhile
    local why = failure(p, owner, name, record, b.commit_sha)
    p.store:write_log(owner, name, b.build_id,
      log_text(owner, name, b.commit_sha, why))
    p.store:locked(owner .. "/" .. name, function()
      if not p.store:record(owner, name) then return end
      b.finished_at = rules.time(p.now())
      b.output = why
      b.status = why and "failed" or "succeeded"
      p.store:write_build(owner, name, b)
    end)
  end)
end

local function run(p, job)
  local ok, e = pcall(finish, p, job)
  job.done, job.error = true, not ok and e or nil
  p.jobs[job.build.build_id] = nil
  for _, ticket in ipairs(job.waiting) do task.wake(ticket) end
  job.waiting = {}
end

local function begin(p, job)
  p.jobs[job.build.build_id] = job
  if p.background then
    p.background(function() run(p, job) end)
  else
    run(p, job)
  end
  return job
end

local function new_job(owner, name, record, b)
  return { owner = owner, name = name, id = record.id, build = b,
    waiting = {}, done = false }
end

--- A changed README becomes the summary.
local function update_summary(p, owner, name, record, commit, last)
  local repo = p.store:repo(owner, name)
  local before = last and last.commit_sha or record.template_commit
  local now = git.ids(repo, commit, { "README.md" })["README.md"]
  if not now then return end
  if before and git.ids(repo, before, { "README.md" })["README.md"] == now then
    return
  end
  local text = git.read(repo, commit, "README.md", 1 << 20)
  if not text or not utf8.len(text) then return end
  record.details.summary = markdown.html(text)
  p:save(owner, name, record)
end

--- Records a build of a commit and starts it. The algorithm's lock is held.
---@async
local function record_build(p, owner, name, record, commit)
  local builds = p.store:builds(owner, name)
  local last = builds[#builds]
  update_summary(p, owner, name, record, commit, last)
  local b = {
    seq = last and last.seq + 1 or 1, build_id = sys.uuid(),
    version_uuid = sys.uuid(), commit_sha = commit,
    status = "in-progress", started_at = rules.time(p.now()),
  }
  p.store:write_build(owner, name, b)
  return new_job(owner, name, record, b)
end

--- Starts a build of a commit; wait() for its end.
---@async
---@return table job .build is the build's record
function M.start(p, owner, name, commit)
  local job = p.store:locked(owner .. "/" .. name, function()
    local record = p:load(owner, name)
    if not record then
      rules.reject(404, 1000, "algorithm %s/%s not found", owner, name)
    end
    return record_build(p, owner, name, record, commit)
  end)
  return begin(p, job)
end

--- After a push: builds master's head if it is new. The caller keeps pushes
--- of one repository apart.
---@async
---@return table|nil job
function M.head_changed(p, owner, name)
  local record = p.store:record(owner, name)
  if not record then return nil end
  local head = git.head(p.store:repo(owner, name))
  local builds = p.store:builds(owner, name)
  local last = builds[#builds]
  local known = last and last.commit_sha or record.template_commit
  if not head or head == known then return nil end
  return M.start(p, owner, name, head)
end

--- Waits until a build has ended and returns its record.
---@async
function M.wait(job)
  if not job.done then
    local ticket = task.ticket()
    job.waiting[#job.waiting + 1] = ticket
    task.wait(ticket)
  end
  if job.error then error(job.error, 0) end
  return job.build
end

--- Takes up what a killed process left: unfinished builds, and a head of
--- master nobody built. The template's commit is not built by itself.
---@async
function M.recover(p, owner, name)
  local store = p.store
  local record = store:record(owner, name)
  if not record then return end
  local jobs = {}
  store:locked(owner .. "/" .. name, function()
    local builds = store:builds(owner, name)
    for _, b in ipairs(builds) do
      if b.status == "in-progress" and not p.jobs[b.build_id] then
        jobs[#jobs + 1] = new_job(owner, name, record, b)
      end
    end
    if record.source and record.source.scm ~= "internal" then return end
    local head = git.head(store:repo(owner, name))
    local last = builds[#builds]
    if not head or last and last.commit_sha == head then return end
    if head == record.template_commit then return end
    for _, b in ipairs(builds) do
      if b.commit_sha == head then return end
    end
    p:secure(owner, name)
    jobs[#jobs + 1] = record_build(p, owner, name, p:load(owner, name), head)
  end)
  for _, job in ipairs(jobs) do begin(p, job) end
end

--- A push that outlived the process that took it in: its Git may move the ref
--- after recover() has looked.
---@async
function M.overtake(p, owner, name)
  p.store:locked("push:" .. owner .. "/" .. name, function()
    local record = p.store:record(owner, name)
    if not record or record.source and record.source.scm ~= "internal" then
      return
    end
    M.head_changed(p, owner, name)
  end)
end

return M
