--- copy: promotes algorithms. `algorithm` is the whole way, for scripts; the
--- bundled workflow goes it step by step.
---
---   check    reads both sides and lists every problem       writes nothing
---   prepare  fetches, compares, decides on the commit       writes nothing
---   ensure   creates the algorithm or updates its settings
---   data     copies the collections its code names, if that was asked
---   secrets  sets those that are missing and were given
---   push     the commit
---   build    waits for its build
---   call     tries it with the sample input, beside the published version
---   publish  releases it
---   record   the version map

local build = require("godwit.copy.build")
local call = require("godwit.copy.call")
local check = require("godwit.copy.check")
local collections = require("godwit.copy.collections")
local decide = require("godwit.copy.decide")
local jobs = require("godwit.copy.job")
local log = require("godwit.log")
local lock = require("godwit.copy.lock")
local effect = require("godwit.effect")
local err = require("godwit.err")
local publish = require("godwit.copy.publish")
local scm = require("godwit.copy.scm")
local secrets = require("godwit.copy.secrets")
local settings = require("godwit.copy.settings")
local store = require("godwit.copy.store")
local task = require("godwit.task")
local transfer = require("godwit.copy.transfer")
local versionmap = require("godwit.versionmap")

local M = {}

M.job, M.placed = jobs.new, jobs.placed
M.ended, M.forget, M.renew = jobs.ended, jobs.forget, jobs.renew

--- Promotes an algorithm: copy.algorithm(a, to, {publish = "major"}).
---@async
---@param a godwit.Algorithm
---@param to godwit.Cluster
---@param opts? table to_owner, version, publish (false: not), callability, message, overwrite_drift, adopt, on_drift, compare, update_settings, without_secrets, secrets, call, call_timeout, build_timeout
---@return godwit.Outcome
function M.algorithm(a, to, opts)
  return require("godwit.copy.algorithm").run(a, to, opts)
end

--- Takes a user to another cluster: copy.user(u, to, {email = "x@y.org"}).
---@async
---@param u table His document.
---@param to godwit.Cluster
---@param opts? table username, email, update, policy, from
---@return godwit.Outcome
function M.user(u, to, opts)
  return require("godwit.copy.accounts.account").user(u, to, opts)
end

--- Takes an organization to another cluster, with its members.
---@async
---@param o table Its document.
---@param to godwit.Cluster
---@param opts? table name, type, users, update, remove_members, without_missing_members, policy, from
---@return godwit.Outcome
function M.organization(o, to, opts)
  return require("godwit.copy.accounts.account").organization(o, to, opts)
end

local function planning()
  return effect.mode == "plan"
end

-- A plan says what it would do, a run what it did.
local function say(done, planned)
  return planning() and planned or done
end

-- Whether a document of the destination says that our last commit is the
-- published one, as it was asked.
local function says_published(job, doc)
  local last, callability = job.last, job.opts.callability

  return settings.present(doc.version_info, "git_hash") == last.dest_commit
    and settings.present(doc.version_info, "semantic_version") ~= nil
    and (not callability or callability
      == settings.present(doc.settings, "algorithm_callability"))
end

--- Whether the map shows that the last promotion did all this: the same
--- source commit, the same tip, nothing touched since. `latest` is the
--- document of the version that is published there, as far as it is known.
local function nothing_new(job, latest)
  local last, dest = job.last, job.dest

  if not last or not dest.algorithm or not dest.tip
      or not job.source.commit or last.source_commit ~= job.source.commit
      or last.dest_commit ~= dest.tip.commit
      or last.policy_digest ~= versionmap.policy_digest(job)
      or not job.same_settings then
    return false
  end
  local published = latest and says_published(job, latest)
  if decide.publishes(job) and not published then
    return false
  end
  job.commit = last.dest_commit
  job.source_version = last.source_version
  job.version = published
    and settings.present(latest.version_info, "semantic_version") or nil
  return true
end

-- Nothing is new, and nothing is missing that somebody gave a value for. Which
-- data the code names is in its files, so these are looked at.
local function is_done(job, latest)
  return not job.opts.with_data and nothing_new(job, latest)
    and not secrets.is_due(job)
end

local function has_hole(job)
  return #job.problems > 0 or job.failure ~= nil
end

--- Pre-flight: reads both sides; `job.problems` lists what is wrong so far,
--- `job.unchanged` says that there is nothing more to look at. The documents
--- mostly say so already; lists of versions are read when they do not.
---@async
---@param job godwit.copy.Job
function M.check(job)
  job:progress("check")
  lock.look(job)
  job.last = versionmap.last(job)
  check.read(job)
  if has_hole(job) then
    return
  end
  local last, there = job.last, job.dest.algorithm
  job.same_settings = last and there and last.settings_digest
    == settings.digest(job.source.algorithm, there, false)
    and last.policy_digest == versionmap.policy_digest(job)
  job.unchanged = is_done(job, there)
  if job.unchanged then
    return
  end
  check.read_versions(job)
  if not has_hole(job) then
    job.unchanged = is_done(job, job.dest.latest)
  end
end

-- Whether the commit has to be released, and whether that needs a new build:
-- a build can be published once.
local function decide_publish(job)
  if job.step == "no" then
    return
  end
  job.callability = check.callability(job)
  if job.to_push or not job.dest.algorithm then
    job.to_publish = true
    return
  end
  local done = publish.find(job.dest.published, job.commit)
  if not done then
    job.to_publish = true
  elseif decide.callability(job) and decide.callability(job)
      ~= settings.present(done.settings, "algorithm_callability") then
    job.to_publish, job.needs_build = true, true
  else
    job.version = settings.present(done.version_info, "semantic_version")
  end
end

-- A hole found on the way is a problem like any other.
local function attempt(job, fn)
  local ok, e = xpcall(fn, err.traced, job)

  if ok then
    return true
  end
  e = err.from(e)
  if e.kind ~= "refused" then
    error(e, 0)
  end
  job:problem("%s", e.message)
end

-- Whether anything would be written. A hole stops it anyway.
local function has_work(job)
  return #job.problems == 0 and not job.failure and not job.refusal
    and (job.creating or job.to_push or job.to_publish
      or job.opts.update_settings and #job.differences > 0)
end

-- A policy's gate is asked last, when all is known: `job.record` is what
-- becomes of a job that does not pass.
local function pass_gate(job)
  if job.coming or not has_work(job) or not job.policy:has("gate") then
    return
  end
  job:progress("gate")
  local verdict = decide.gate(job)
  if verdict then
    job.record = jobs.held(job, verdict)
  end
end

--- Prepares everything that can be known before the first write: settings,
--- secrets, files, what the destination is, the commit.
---@async
---@param job godwit.copy.Job
function M.prepare(job)
  local ok, e = xpcall(task.all, err.traced, {
    function()
      check.compare(job)
    end,
    function()
      job.prepared = attempt(job, transfer.prepare)
    end,
  })
  store.close(job)
  if not ok then
    error(e, 0)
  end
  if job.compare_settings and not job.same_settings then
    job.differences = job.compare_settings(job.source.readme)
  end
  if job.prepared and job.opts.with_data then
    collections.look(job)
  end
  if job.prepared then
    job.step = decide.step(job)
    check.judge(job)
    decide_publish(job)
    pass_gate(job)
  end
end

local function create(job)
  job:progress("create")
  job:write("create algorithms of " .. job.to_owner, function()
    return job.to:create_algorithm(job.to_owner,
      settings.create_body(job.to_name, job.desired))
  end)
  job.created = true
  job:did("create", "+", "algorithm %s", job.dest_ref)
  -- The parent of our commit is the first commit the cluster just made.
  transfer.prepare_created(job)
end

-- Settings that reach callers with the next publish only.
local LATE = { network_access = true, pipeline_enabled = true,
  algorithm_environment = true, environment = true, package_set = true }

local function update(job)
  job:progress("settings")
  job:write("change the settings of " .. job.dest_ref, function()
    return job.to:update_algorithm(job.to_owner, job.to_name,
      settings.update_body(job.desired, job.dest.algorithm,
        job.source.readme))
  end)
  job.settings_written = true
  for _, d in ipairs(job.differences) do
    job:did("settings", "~", "%s: %s -> %s", d.field,
      tostring(d.destination), tostring(d.source))
    if LATE[d.field:match("[^.]+$")] and job.step ~= "no" and not job.to_push then
      job.to_publish, job.needs_build = true, true
    end
  end
end

--- Creates the algorithm, or brings its settings in line when that is asked.
---@async
---@param job godwit.copy.Job
function M.ensure(job)
  if job.creating then
    create(job)
  elseif #job.differences > 0 and job.opts.update_settings then
    update(job)
  elseif #job.differences > 0 then
    job:did("settings", "=", "%d difference%s left as they are "
      .. "(--update-settings changes them)", #job.differences,
      #job.differences == 1 and "" or "s")
  end
end

--- Sets the secrets the destination lacks and somebody gave values for.
---@async
---@param job godwit.copy.Job
function M.secrets(job)
  secrets.set(job)
end

--- Copies the collections that the code names, if that was asked: they are
--- there before it is built and called.
---@async
---@param job godwit.copy.Job
function M.data(job)
  collections.copy(job)
end

--- Pushes the commit, if one is needed.
---@async
---@param job godwit.copy.Job
function M.push(job)
  transfer.push(job)
end

local function wait_options(job)
  return {
    timeout = job.opts.build_timeout,
    progress = function(detail)
      job:progress("build", detail)
    end,
  }
end

-- A build that can be released: of our commit, succeeded, not released yet.
local function usable(job, found)
  return found and found.status == "succeeded" and not job.needs_build
    and not (job.to_publish
      and settings.present(found.version_info, "semantic_version"))
end

-- A host elsewhere tells the cluster of a push by its webhook, late or never.
local function await_webhook(job)
  local how = wait_options(job)

  how.grace, how.awaited = how.timeout, "waiting for the webhook"
  log.info("%s: pushed to %s; the cluster builds it when the webhook comes",
    job.ref, job.dest.place.url)
  local found = build.wait(job.to, job.to_owner, job.to_name, job.commit, how)
  if not found then
    scm.no_build(job)
  end
  return found
end

local function find_or_make_build(job)
  local found

  if job.pushed and job.dest.place then
    found = await_webhook(job)
  elseif job.pushed then
    found = build.wait(job.to, job.to_owner, job.to_name, job.commit,
      wait_options(job))
  else
    found = build.find(job.to, job.to_owner, job.to_name, job.commit)
    if found and found.status == "in-progress" then
      found = build.wait(job.to, job.to_owner, job.to_name, job.commit,
        wait_options(job))
    end
  end
  if usable(job, found) then
    return
  end
  job:progress("build", "compiling")
  job:did("build", "~", say("compiled %s again", "compile %s again"),
    tostring(job.commit))
  if not build.compile(job.to, job.to_owner, job.to_name, job.commit,
      wait_options(job)) then
    err.throw("remote", "%s built nothing of %s", job.dest_ref, job.commit)
  end
end

--- Waits for the commit's build, or makes one if there is none to release.
---@async
---@param job godwit.copy.Job
function M.build(job)
  job.build_needed = job.pushed or job.to_publish or not job.version
  if not job.build_needed then
    return
  end
  job:progress("build")
  find_or_make_build(job)
  job:did("build", "=", say("built", "wait for its build"))
end

-- The version people call now, called with the same input; nil when it fails:
-- then there is nothing to compare with.
local function call_published(job, number, sample)
  local ok, answer = pcall(call.call, job.to, job.to_owner, job.to_name,
    number, sample, { timeout = job.opts.call_timeout })
  if ok then
    return answer
  end
  local e = err.from(answer)
  if err._is_final(e) then
    error(e, 0)
  end
  job:warn("not compared: %s of %s failed with the same sample input: %s",
    number, job.dest_ref, e.message)
end

-- Lets somebody look at what the published version and the new one answer.
local function compare(job, sample, answer)
  local latest = job.dest.latest
  local number = latest and settings.present(latest.version_info,
    "semantic_version")

  if not job.to_publish or not number or not decide.compares(job) then
    return
  elseif planning() then
    job:did("compare", "=", "compare its answer with that of %s", number)
    return
  end
  job:progress("compare")
  local old = call_published(job, number, sample)
  if not old then
    return
  end
  local why = decide.compare(job, old, answer)
  job:did("compare", "=", "compared its answer with that of %s", number)
  if why then
    job.withheld = "built but not published: " .. why
    job.wrote = true
  end
end

--- Calls the commit with the sample input, if there is one.
---@async
---@param job godwit.copy.Job
function M.call(job)
  local sample = job.desired.sample_input

  if not job.build_needed or not (job.pushed or job.to_publish) then
    return
  elseif not job.opts.call then
    job:did("call", "=", say("not called (--no-call)",
      "no call (--no-call)"))
    return
  elseif not sample then
    job:did("call", "=", say("not called: no sample input",
      "no call: no sample input"))
    return
  end
  job:progress("call")
  local answer = call.call(job.to, job.to_owner, job.to_name, job.commit,
    sample, { timeout = job.opts.call_timeout })
  job:did("call", "=", say("called with its sample input",
    "call it with its sample input"))
  compare(job, sample, answer)
end

local function notes(job)
  local doc = job.source.doc
  return doc and settings.present(doc.version_info, "release_notes") or nil
end

--- Releases the commit, if that is asked and was not done.
---@async
---@param job godwit.copy.Job
function M.publish(job)
  if not job.to_publish or job.withheld then
    return
  end
  job:progress("publish")
  job.version, job.released = publish.publish(job, publish.body({
    step = job.step, callability = job.callability,
    label = job.desired.details.label, notes = notes(job),
    sample_input = job.desired.sample_input,
  }))
  job:did("publish", "~", say("published as %s (%s, %s)",
    "publish as %s (%s, %s)"), tostring(job.version),
    job.step, job.callability)
end

local function is_recorded(job)
  local last = job.last
  return last and last.source_commit == job.source.commit
    and last.dest_commit == job.commit and last.dest_version == job.version
    and last.settings_digest == job.settings_digest
    and last.policy_digest == versionmap.policy_digest(job)
end

-- The destination's document as it is now. What was published says it; else it
-- is asked, unless nothing was changed that shows in it.
local function document_now(job)
  if job.released then
    return job.released
  elseif job.dest.algorithm and not job.source.readme
      and not job.settings_written then
    return job.dest.algorithm
  end
  return job.to:get_algorithm(job.to_owner, job.to_name)
end

--- Writes the version map, with a digest of both sides, so that the next run
--- knows whether anything was touched since.
---@async
---@param job godwit.copy.Job
function M.record(job)
  if planning() or not job.opts.map then
    return
  end
  job.settings_digest = settings.digest(job.source.algorithm,
    document_now(job), #job.differences > 0 and not job.settings_written)
  if not is_recorded(job) then
    versionmap.record(job)
  end
end

--- All steps behind the pre-flight, in their order.
---@async
---@param job godwit.copy.Job
---@return godwit.Outcome
function M.carry_out(job)
  M.data(job)
  M.ensure(job)
  M.secrets(job)
  M.push(job)
  M.build(job)
  M.call(job)
  M.publish(job)
  M.record(job)
  return M.outcome(job)
end

--- The sentence a job is refused with, or nil.
---@param job godwit.copy.Job
---@return string?
function M.refusal(job)
  if #job.problems > 0 then
    return table.concat(job.problems, "; ")
  end
  return job.refusal
end

M.outcome = jobs.outcome
M.refused, M.failed, M.skipped = jobs.refused, jobs.failed, jobs.skipped

return M
