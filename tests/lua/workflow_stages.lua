-- What workflows over a list share: all is looked at before the first write,
-- and every job ends with a record, in order.
local cx = require("godwit.workflow.cx")
local err = require("godwit.err")
local head = require("godwit.workflow.head")
local log = require("godwit.log")
local stages = require("godwit.workflow.stages")
local task = require("godwit.task")

local function words(c)
  local out = {}
  for i, item in ipairs(c.result.items) do
    out[i] = item.ref .. " " .. item.outcome
  end
  return out
end

local function jobs_of(names)
  local jobs = {}
  for i, name in ipairs(names) do
    jobs[i] = stages.job { ref = name, to = "prod:" .. name }
  end
  return jobs
end

local function context(params, opts)
  params.keep_going = params.keep_going ~= false
  return cx.new(params, opts or {})
end

test("everything is looked at before the first work", function(t)
  local c, log = context({}, { jobs = 3 }), {}
  stages.run(c, jobs_of { "c", "a", "b" }, { kind = "letter",
    look = function(job)
      task.sleep(job.ref == "c" and 0.02 or 0)
      log[#log + 1] = "look"
    end,
    work = function(job)
      log[#log + 1] = "work"
      job:did("+", "letter %s", job.ref)
      return job.ref == "a" and { outcome = "updated", files = 3 }
        or "created"
    end })
  t:eq(log, { "look", "look", "look", "work", "work", "work" })
  t:eq(words(c), { "c created", "a updated", "b created" })
  local a = c.result.items[2]
  t:eq({ a.type, a.to, a.files, a.wrote }, { "letter", "prod:a", 3, true })
  t:eq(a.steps, { { symbol = "+", text = "letter a" } })
  t:eq(c:finish().exit, 0)
end)

test("problems refuse theirs, what looking raises fails it", function(t)
  local c, worked = context({}), {}
  local list = jobs_of { "bad", "lost", "good", "done" }
  list[4].record = { outcome = "skipped", why = "not wanted" }
  stages.run(c, list, { kind = "x",
    look = function(job)
      if job.ref == "bad" then
        job:problem("no %s", "name")
        job:problem("no e-mail")
      elseif job.ref == "lost" then
        err.throw("net", "gone")
      end
      job:warn("seen")
    end,
    work = function(job)
      worked[#worked + 1] = job.ref
      return "unchanged"
    end })
  t:eq(worked, { "good" })
  t:eq(words(c), { "bad refused", "lost failed", "good unchanged",
    "done skipped" })
  local bad = c.result.items[1]
  t:eq(bad.problems, { "no name", "no e-mail" })
  t:eq(bad.why, "no name; no e-mail")
  t:eq({ bad.wrote, bad.warnings[1] }, { nil, "seen" })
  t:eq(c.result.items[2].retryable, true)
  t:eq(c.result.items[4].why, "not wanted")
  t:eq(c:finish().exit, 3)
end)

test("with --fail-fast a problem anywhere stops all of it", function(t)
  for _, params in ipairs({ { fail_fast = true }, { keep_going = false } }) do
    local c, worked = context(params), 0
    local function work()
      worked = worked + 1
      return "created"
    end
    stages.all(c, {
      { jobs = jobs_of { "a" }, kind = "user", work = work },
      { jobs = jobs_of { "b" }, kind = "organization", work = work,
        look = function(job) job:problem("no") end },
    })
    t:eq(worked, 0)
    t:eq(words(c), { "a refused", "b refused" })
    t:match(c.result.items[1].why, "problems with 1 other %(%-%-fail%-fast%)")
    t:eq(c:finish().exit, 6)
  end
  local c = cx.new({ fail_fast = true, keep_going = true },
    { given = { keep_going = true } })
  t:raises("usage", stages.run, "exclude each other", c, {}, {})
end)

test("with --fail-fast nothing starts once one has failed", function(t)
  local c = context({ fail_fast = true }, { jobs = 1 })
  stages.all(c, {
    { jobs = jobs_of { "a", "b", "c" }, kind = "user", work = function(job)
      job:did("~", "half of %s", job.ref)
      if job.ref == "b" then
        err.throw("remote", "no")
      end
      return "updated"
    end },
    { jobs = jobs_of { "d" }, kind = "org", work = function()
      return "created"
    end },
  })
  t:eq(words(c), { "a updated", "b failed", "c refused", "d refused" })
  t:eq(c.result.items[2].steps[1].text, "half of b")
  t:eq(c.result.items[2].wrote, true)
  t:match(c.result.items[4].why, "not started: b failed")
end)

test("stages follow each other, and before comes before the first", function(t)
  local c, log = context({}), {}
  local function stage(kind)
    return { jobs = jobs_of { kind .. "1", kind .. "2" }, kind = kind,
      before = function() log[#log + 1] = "before " .. kind end,
      limit = 1,
      work = function(job)
        log[#log + 1] = job.ref
        return "created"
      end }
  end
  stages.all(c, { stage("u"), stage("o") })
  t:eq(log, { "before u", "u1", "u2", "before o", "o1", "o2" })
  t:eq(c.result.items[3].type, "o")
end)

test("interrupted while looking or working, all are accounted for", function(t)
  for _, where in ipairs({ "look", "work" }) do
    local c = context({}, { jobs = 2 })
    local list = jobs_of { "a", "b", "c" }
    list[1].record = { outcome = "unchanged" }
    local function slow() task.sleep(30) end
    local run = task.spawn(function()
      stages.all(c, {
        { jobs = list, kind = "x", [where] = slow,
          work = where == "work" and slow or function() return "created" end },
        { jobs = jobs_of { "d" }, kind = "y",
          work = function() return "created" end },
      })
    end)
    task.sleep(0.05)
    task.cancel(run)
    t:raises("cancelled", task.join, nil, run)
    t:eq(words(c), { "a unchanged", "b failed", "c failed", "d failed" }, where)
    t:eq(c.result.items[4].why, "interrupted")
  end
end)

test("interrupted, a list from stdin has to be given again", function(t)
  local said, info = {}, log.info
  log.info = function(fmt, ...) said[#said + 1] = fmt:format(...) end
  t:defer(function() log.info = info end)
  for _, from in ipairs({ "-", "list.txt" }) do
    local c = context({ users_from = from })
    local run = task.spawn(function()
      stages.run(c, jobs_of { "a" }, { kind = "x",
        work = function() task.sleep(30) end })
    end)
    task.sleep(0.05)
    task.cancel(run)
    t:raises("cancelled", task.join, nil, run)
  end
  t:eq(said, { "to go on, give the list of --users-from on stdin again" })
end)

test("a job of a script's own: its record, or raised with it", function(t)
  local function alone(work, look)
    return stages.alone(stages.job { ref = "a", kind = "x" },
      { look = look or function() end, work = work })
  end
  local r = alone(function(job)
    job:did("+", "a")
    return "created"
  end)
  t:eq({ r.outcome, r.ref, r.type, #r.steps }, { "created", "a", "x", 1 })
  r = alone(error, function(job) job:problem("no") end)
  t:eq({ r.outcome, r.why }, { "refused", "no" })
  r = alone(error, function(job) job.record = { outcome = "unchanged" } end)
  t:eq(r.outcome, "unchanged")
  local e = t:raises("net", alone, "gone", function(job)
    job:did("+", "half")
    err.throw("net", "gone")
  end)
  t:eq({ e.record.outcome, e.record.steps[1].text, e.record.wrote },
    { "failed", "half", true })
end)

test("in a plan steps are no writes", function(t)
  local c = context({}, { dry_run = true })
  stages.run(c, jobs_of { "a" }, { kind = "x", work = function(job)
    job:did("+", "x")
    err.throw("remote", "no")
  end })
  t:eq(c.result.items[1].wrote, nil)
end)

test("progress and counts go to the display", function(t)
  local seen, counts = {}, {}
  local c = context({}, { jobs = 1,
    progress = function(ref, phase)
      seen[#seen + 1] = ref .. " " .. (phase or "-")
    end,
    count = function(done, total)
      counts[#counts + 1] = done .. "/" .. total
    end })
  local list = jobs_of { "a", "b" }
  list[2]:problem("no")
  stages.run(c, list, { kind = "x", look = function() end,
    work = function(job)
      job:progress("write")
      return "created"
    end })
  t:eq(counts, { "1/2", "2/2" })
  t:eq(seen[1], "a -") -- looked at
  t:ok(table.concat(seen, ","):find("a write,a %-"))
end)

test("parameters are shared, and may be taken away", function(t)
  local params = stages.params({ names = { "string", many = true } },
    { from = false })
  local h = head.check({ run = function() end, params = params }, "x")
  t:eq(h.params.from, nil)
  t:eq(h.params.fail_fast.flag, "--fail-fast")
  t:eq(h.params.names.many, true)
end)
