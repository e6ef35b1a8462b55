--- data.collections: what the bundled `copy-data` does around the copy of one
--- collection: its parameters, what these mean, and what all copies share.

local budget = require("godwit.data.budget")
local copy = require("godwit.data.copy")
local driver_of = require("godwit.cluster.driver_of")
local err = require("godwit.err")
local filter = require("godwit.data.filter")
local folder = require("godwit.core.folder")
local people = require("godwit.copy.accounts.people")
local place = require("godwit.data.place")
local progress = require("godwit.data.progress")
local side = require("godwit.data.side")
local size = require("godwit.cli.size")
local stages = require("godwit.workflow.stages")
local units = require("godwit.data.units")
local wanted = require("godwit.data.wanted")

local M = {}

--- What is the same for every collection of a run.
M.FILTERS = {
  include = { "string", optional = true, many = true, order = 30,
    metavar = "GLOB", help = "Only files with such a name; may be repeated" },
  exclude = { "string", optional = true, many = true, order = 31,
    metavar = "GLOB", help = "No files with such a name: neither copied nor "
      .. "deleted; may be repeated" },
  min_size = { "string", optional = true, order = 32, metavar = "SIZE",
    help = "Only files of at least that size (500KiB, 2GiB)" },
  max_size = { "string", optional = true, order = 33, metavar = "SIZE",
    help = "Only files of at most that size" },
  newer = { "string", optional = true, order = 34, metavar = "AGE|DATE",
    help = "Only files changed since (7d, 12h, 2024-01-31)" },
  older = { "string", optional = true, order = 35, metavar = "AGE|DATE",
    help = "Only files not changed since" },
  checksum = { "boolean", order = 40, help = "Read all files on both sides "
    .. "instead of trusting sizes and known digests" },
  ignore_etag = { "boolean", order = 41, help = "Take what is sent, whatever "
    .. "ETags say; reads all files on both sides" },
  bwlimit = { "string", optional = true, order = 45, metavar = "SIZE",
    help = "Bytes a second of the whole run (10MiB)" },
  max_transfer = { "string", optional = true, order = 46, metavar = "SIZE",
    help = "End the run before more than that is copied; exit code 8" },
  max_duration = { "string", optional = true, order = 47,
    metavar = "DURATION", help = "End the run after so long (90s, 15min, 2h); "
      .. "exit code 8" },
}

M.PARAMS = stages.params(people.PARAMS, M.FILTERS, {
  map_email = false,
  collections = { "string", positional = true, many = true, order = 1,
    metavar = "OWNER/COLLECTION", help = "Collections or globs (acme/*), or "
      .. "two places: CLUSTER:OWNER/COLLECTION or a folder each" },
  from = { "cluster", optional = true, order = 2, metavar = "CLUSTER",
    help = "Where they come from: a profile, a URL, sandbox:NAME or an "
      .. "archive folder" },
  to = { "cluster", optional = true, order = 3, metavar = "CLUSTER",
    help = "Where they go" },
  to_owner = { "string", optional = true, order = 4, metavar = "OWNER",
    help = "Whose they are there" },
  acl = { "string", optional = true, order = 41,
    choices = { "public", "algorithms", "private" },
    help = "Who may read them at last; otherwise as at the source, and "
      .. "private where a folder makes a new one" },
  delete = { "boolean", order = 42,
    help = "Delete files there that the source does not have" },
  max_delete = { "integer", default = 100, min = 0, order = 43,
    metavar = "N", help = "Refuse to delete more than N of a collection" },
})

-- before a cluster is opened --------------------------------------------------

local function usage()
  err.throw("usage", "name collections with --from CLUSTER --to CLUSTER, as in "
    .. "'acme/*' --from dev --to prod, or two places, as in "
    .. "./models prod:acme/models")
end

-- A side that a word names. What a person typed may be opened; a script's words
-- reach what the script may.
local function side_of_word(params, role, word, typed)
  local cluster, owner, name = place.split(word)
  if not cluster then
    word = place.folder(word)
    if typed then
      err.check(folder.allow(word, role == "to"))
    end
    return { folder = word }
  end
  for _, text in ipairs({ owner, name }) do
    if text:find("[*?]") then
      err.throw("usage", "%s: between two places one collection is copied; "
        .. "globs need --from and --to", word)
    end
  end
  params[role] = cluster
  return { owner = owner, name = name }
end

local function read_places(params, typed)
  local words = params.collections
  if params.from or params.to then
    err.throw("usage", "%s names its cluster or folder itself: leave out "
      .. "--from and --to", place.is_one(words[1]) and words[1] or words[2])
  elseif #words ~= 2 then
    usage()
  elseif params.to_owner or params.map or params.map_user then
    err.throw("usage", "between two places nothing is mapped: name the owner "
      .. "in %s", words[2])
  end
  params.places = { from = side_of_word(params, "from", words[1], typed),
    to = side_of_word(params, "to", words[2], typed) }
end

local function check_globs(params)
  for _, word in ipairs(params.collections) do
    local owner, name = word:match("^([^/]+)/([^/]+)$")
    if not owner then
      err.throw("usage", "'%s' names no collection: write OWNER/COLLECTION, "
        .. "either of which may be a glob", word)
    end
  end
  if not params.from or not params.to then
    usage()
  end
end

--- Raises what the command line alone shows to be wrong; takes the clusters
--- from the words where these name them.
---@param params table
---@param typed? boolean By a person; otherwise they are a script's.
function M.check(params, typed)
  local placed = false

  people.check(params)
  filter.of(params, units.as_flag)
  budget.new(params, units.as_flag)
  for _, word in ipairs(params.collections) do
    placed = placed or place.is_one(word)
  end
  if placed then
    read_places(params, typed)
  else
    check_globs(params)
  end
end

-- jobs ----------------------------------------------------------------------

-- One job from a place to another.
---@async
local function place_job(run, places)
  local function open(role, driver)
    local p = places[role]
    return p.folder and side.folder(p.folder, role == "to")
      or side.collection(driver, p.owner, p.name)
  end
  local from, to = open("from", run.from), open("to", run.to)
  local job = wanted.job(run, from, to)
  local problems = run.from and wanted.check_keys(run.from, { from.owner }, 1) or {}
  if problems[from.owner] then
    job:problem("%s", tostring(problems[from.owner].message))
  end
  return { job }
end

local OPTIONS = { "include", "exclude", "min_size", "max_size", "newer",
  "older", "checksum", "ignore_etag", "delete", "max_delete", "acl" }

--- What all copies of a run share.
---@param cx godwit.workflow.Cx
---@param from table|nil Driver.
---@param to table|nil Driver.
---@param shared? godwit.data.Budget One that is not only theirs.
---@return table
function M.run(cx, from, to, shared)
  local p, opts = cx.params, {}
  for _, name in ipairs(OPTIONS) do
    opts[name] = p[name]
  end
  return { cx = cx, params = p, from = from, to = to, opts = opts,
    budget = shared or budget.new(p), totals = { files = 0, copied = 0, unchanged = 0,
      skipped = 0, failed = 0, deleted = 0, bytes = 0 },
    people = from and to and people.of(cx, from, to) or nil }
end

--- The collections that are meant, a job each.
---@async
---@param cx godwit.workflow.Cx
---@return godwit.data.CollectionJob[]
function M.plan(cx)
  local p = cx.params
  local run = M.run(cx, p.from and driver_of(p.from), p.to and driver_of(p.to))
  local jobs = p.places and place_job(run, p.places)
    or wanted.jobs(run, cx.jobs)

  wanted.check_destinations(run, jobs, cx.jobs)
  for _, job in ipairs(jobs) do
    job.run = run
  end
  return jobs
end

-- a collection --------------------------------------------------------------------

--- What stands against a copy that can be known before any of them begins.
---@async
---@param job godwit.data.CollectionJob
function M.look(job)
  if #job.problems > 0 or job.record or not job.from_side then
    return
  end
  local clash = side.clash(job.from_side, job.to_side)
  if clash then
    job:problem("%s", clash)
  elseif not job.from_side:look() then
    job:problem("there is no %s", job.from_side.label)
  end
end

local function add_up(totals, record)
  for name in pairs(totals) do
    totals[name] = totals[name] + (record[name] or 0)
  end
end

--- Compares and copies one.
---@async
---@param job godwit.data.CollectionJob
---@return godwit.Outcome
function M.copy(job)
  local run = job.run
  if not run.budget:lasts() then
    return { outcome = "failed", kind = "budget", retryable = true,
      why = run.budget.why .. "; it was not begun" }
  end
  local shown = progress.of(function(phase, detail)
    job:progress(phase, detail)
  end)
  local record = copy.run({ ref = job.ref, from = job.from_side,
    to = job.to_side, opts = run.opts, budget = run.budget, tick = shown })
  add_up(run.totals, record)
  for i, step in ipairs(record.steps or {}) do
    job.steps[i] = step
  end
  for _, text in ipairs(record.warnings) do
    job:warn("%s", text)
  end
  record.ref, record.to, record.steps, record.warnings = nil, nil, nil, nil
  return record
end

--- Says how it went in all, and what ended it.
---@param cx godwit.workflow.Cx
---@param jobs godwit.data.CollectionJob[]
function M.finish(cx, jobs)
  local run = jobs[1] and jobs[1].run
  for _, job in ipairs(jobs) do
    if job.from_side then
      job.from_side:close()
      job.to_side:close()
    end
  end
  local t = run and run.totals
  if t and t.files > 0 then
    cx:note("Files: %d listed = %d %s + %d unchanged + %d skipped + %d failed"
      .. "; %s%s.", t.files, t.copied, cx.dry_run and "to copy" or "copied",
      t.unchanged, t.skipped, t.failed, size.format(t.bytes), t.deleted > 0
        and ("; %d %s"):format(t.deleted, cx.dry_run and "to delete"
          or "deleted") or "")
  end
  cx.result.budget = cx.result.budget or run and run.budget.why
end

return M
