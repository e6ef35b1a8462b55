--- keys: what the bundled `issue-keys` does: a least-privilege key for each
--- owner, into a private file that profiles read.
---
---   look   is there an owner like that, does the file's key work
---   issue  makes a key and has it in the file before anything else
---
--- The first writes nothing. No call takes a key away again: labels of keys
--- that are no longer used are named, to be removed by hand.

local account_rules = require("godwit.cluster.account_rules")
local driver_of = require("godwit.cluster.driver_of")
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local json = require("godwit.core.json")
local keys_file = require("godwit.config.keys_file")
local places = require("godwit.config.places")
local secret = require("godwit.core.secret")
local stages = require("godwit.workflow.stages")
local sys = require("godwit.core.sys")
local task = require("godwit.task")
local words = require("godwit.cli.words")

local M = {}

local KEY_LENGTH = 28 -- "sim" and the rest, as the platform makes them
local LOOKED_AT = 1000 -- members, for one that is an owner

M.PARAMS = stages.params({
  from = false,
  to = { "cluster", order = 2, metavar = "CLUSTER",
    help = "The cluster the keys are for" },
  owners = { "string", positional = true, many = true, order = 1,
    metavar = "OWNER", help = "Users and organizations that get a key" },
  out = { "string", optional = true, order = 3, metavar = "FILE",
    help = "The private file that profiles read (key = keys \"FILE\"); keys "
      .. "that are in it and work stay" },
  renew = { "boolean", order = 4, help = "Make new keys although the file's "
    .. "work, were revoked or may have been made" },
  list = { "boolean", order = 5, help = "Make none: list labels and masks of "
    .. "the keys of organizations" },
  member = { "string", optional = true, order = 6, metavar = "USER",
    help = "Through which member an organization's key is made; default: an "
      .. "owner" },
  algorithm = { "string", optional = true, many = true, order = 7,
    metavar = "NAME", help = "Only these of the owner's algorithms may be "
      .. "called; may be repeated" },
  manage = { "boolean", default = true, order = 8,
    help = "Let the keys create, build and publish algorithms" },
  call = { "boolean", default = true, order = 9,
    help = "Let the keys call the owner's algorithms" },
  data = { "boolean", default = true, order = 10,
    help = "Let the keys read data" },
  data_write = { "boolean", default = true, order = 11,
    help = "Let the keys write data" },
})

--- Raises what the command line alone shows to be wrong.
---@param p table
function M.check(p)
  if not p.list and not p.out then
    err.throw("usage", "--out FILE is missing: where the keys are written to")
  elseif p.list and (p.out or p.renew) then
    err.throw("usage", "--list makes no keys: leave out --out and --renew")
  elseif p.algorithm and not p.call then
    err.throw("usage", "--algorithm says what may be called, and --no-call "
      .. "that nothing may")
  end
  for _, name in ipairs(p.algorithm or {}) do
    if not name:find("^%a[%w_]*$") then
      err.throw("usage", "--algorithm %s: that is the name of no algorithm",
        name)
    end
  end
end

---@class godwit.copy.KeysRun
---@field to table Driver.
---@field path string
---@field file godwit.config.KeysFile
---@field params table
---@field dry_run boolean
---@field lock any
---@field turn godwit.task.Semaphore One writes the file at a time.
---@field old string[] Labels of keys that are used no more.

-- One file has one name, and so one lock, whatever links and dots lead to it;
-- what a link leads to is written, not the link.
local function absolute(path)
  path = places.expand(path)
  path = path:sub(1, 1) == "/" and path or fs.cwd() .. "/" .. path
  local folder, name = path:match("^(.*/)([^/]+)$")
  local real = folder and fs.realpath(folder)
  return fs.realpath(path) or real and real .. "/" .. name or path
end

local function origins_of(driver)
  local git = driver.address.git:match("^(%a[%w+.-]*://[^/]+)")
  return { driver.address.origin, git ~= driver.address.origin and git or nil }
end

local function read_file(driver, path)
  local folder = path:match("^(.*)/") or "."
  local info = fs.stat(folder .. "/.")
  if not info or info.type ~= "dir" then
    err.throw("usage", "--out: there is no folder %s", folder)
  end
  local there = fs.stat(path)
  if there and there.type ~= "file" then
    err.throw("usage", "--out: %s is no file", path)
  end
  return keys_file.read(path, "--out", { name = driver.name,
    origins = origins_of(driver.under or driver) })
end

-- One run at a time writes a file of keys.
local function lock_of(path)
  local folder = places.state_dir() .. "/locks"
  err.check(fs.mkdir(folder, 448))
  local lock, e = fs.lock(("%s/keys-%s.lock"):format(folder,
    sys.hash("sha256", path):sub(1, 16)))
  if not lock then
    error(err.is(e, "locked") and err.new({ kind = "locked", retryable = true,
      message = "another run writes " .. path }) or e, 0)
  end
  return lock
end

--- What a run has: the cluster, the file, and a lock on it that `<close>` gives
--- back.
---@param cx godwit.workflow.Cx
---@return godwit.copy.KeysRun
function M.open(cx)
  local p, to = cx.params, driver_of(cx.params.to)
  if (to.under or to).kind ~= "http" then
    err.throw("usage", "%s is no live cluster: nobody asks it for a key",
      to.name)
  end
  local run = setmetatable({ to = to, params = p, dry_run = cx.dry_run,
    turn = task.semaphore(1), old = {} }, { __close = function(run)
      if run.lock then
        run.lock:close()
      end
    end })
  if not p.list then
    run.path = absolute(p.out)
    run.lock = not cx.dry_run and lock_of(run.path) or nil
    run.file = read_file(to, run.path)
  end
  return run
end

--- A job for each owner.
---@param run godwit.copy.KeysRun
---@return godwit.workflow.Job[]
function M.jobs(run)
  local jobs, seen = {}, {}
  for _, owner in ipairs(run.params.owners) do
    if not seen[owner] then
      seen[owner] = true
      jobs[#jobs + 1] = stages.job { ref = owner, owner = owner, run = run,
        to = run.to.name .. ":" .. owner, kind = "key" }
    end
  end
  return jobs
end

-- looking ------------------------------------------------------------------

-- Through whom an organization's key is made: an owner, if one is found soon.
-- Who is only invited is no member.
---@async
local function member_of(job)
  local wanted, first, n = job.run.params.member, nil, 0
  for row in job.run.to:each_member(job.owner) do
    local belongs = row.role ~= "invited"
    n, first = n + 1, first or belongs and row.username or nil
    if wanted and row.username == wanted then
      return belongs and wanted or nil
    elseif not wanted and row.role == "owner" then
      return row.username
    elseif not wanted and first and n >= LOOKED_AT then
      break
    end
  end
  return not wanted and first or nil
end

---@async
local function find_owner(job)
  local to, owner = job.run.to, job.owner
  if account_rules.name_problem(owner) then
    job:problem("%s", account_rules.name_problem(owner))
  elseif to:try_get_organization(owner) then
    job.member = member_of(job)
    if not job.member and job.run.params.member then
      job:problem("%s is no member of %s", job.run.params.member, owner)
    elseif not job.member then
      job:problem("%s has no member on %s, and its key is made through one",
        owner, to.name)
    end
  elseif not to:try_get_user(owner) then
    job:problem("%s has neither a user nor an organization %s", to.name, owner)
  end
end

-- What the file's key is worth: it works, it is not known, or it is another's;
-- or the cluster refuses it without telling whether it knows it.
---@async
local function try_entry(job, entry)
  local owners, why = job.run.to:owners_of_key(entry.key)
  if not owners then
    return why and "untold" or "unknown", why
  end
  for _, name in ipairs(owners) do
    if name == job.owner then
      return "works"
    end
  end
  return #owners == 0 and "works" or "other"
end

--- The command that makes a new key, whatever became of the one there was.
---@param job godwit.workflow.Job
---@return string
function M.renewal(job)
  return words.again({ "issue-keys", job.owner, "--to", job.run.to.name,
    "--out", job.run.path, "--renew" })
end

local function labels_of(lost)
  local labels = {}
  for i, one in ipairs(lost) do
    labels[i] = "'" .. one.label .. "'"
  end
  return table.concat(labels, ", ")
end

-- Keys that may have been made and that nobody has. No other is made unasked
-- where none works: each run that is killed would leave one more. They are
-- named until a new one is made, or somebody takes the line out.
local function look_at_lost(job)
  local run = job.run
  local lost = run.file:lost_of(job.owner)
  if #lost == 0 then
    return
  end
  local what = ("an earlier run may have made a key %s whose answer it never "
    .. "had, and no call of the platform reads or deletes it: %s shows whether "
    .. "it is there; remove it in the web page"):format(labels_of(lost),
    words.again({ "issue-keys", job.owner, "--to", run.to.name, "--list" }))
  if run.params.renew then
    job.lost = lost
    job:warn("%s", what)
  elseif job.state == "works" or job.state == "untold" then
    job:warn("%s, and take its line (#?) out of %s", what, run.path)
  else
    job:problem("%s; %s makes a new one", what, M.renewal(job))
  end
end

-- One that the cluster does not know was revoked, unless its import was begun
-- and did not come to its end: who revoked it does not want it back.
local function look_at_entry(job, entry)
  local run = job.run
  job.before = entry
  job.state, job.untold = try_entry(job, entry)
  if job.state == "other" then
    job:problem("the key that %s has for %s is somebody else's; take the line "
      .. "out", run.path, job.owner)
  elseif job.state == "unknown" and not entry.pending and not run.params.renew
  then
    job:problem("%s does not know the key%s that %s has for %s: it was "
      .. "revoked, or is another cluster's; %s makes a new one", run.to.name,
      entry.label and " '" .. entry.label .. "'" or "", run.path, job.owner,
      M.renewal(job))
  end
end

--- Looks at what the file has for an owner, who need not be there yet.
---@async
---@param job godwit.workflow.Job
---@return godwit.config.KeysEntry|nil entry
function M.look_at_file(job)
  local entry = job.run.file:find(job.owner)
  if entry then
    look_at_entry(job, entry)
  end
  if #job.problems == 0 then
    look_at_lost(job)
  end
  return entry
end

--- Looks at the owner and at the key the file has for it.
---@async
---@param job godwit.workflow.Job
function M.look(job)
  find_owner(job)
  local entry = #job.problems == 0 and M.look_at_file(job)
  if not entry or job.run.params.renew then
    return
  elseif job.state == "works" then
    job:did("=", "the file's key works%s", entry.label
      and ": " .. entry.label or "")
    -- A mark that stays would bring the key back when somebody revokes it.
    job.record = not entry.pending and { outcome = "unchanged" } or nil
  elseif job.state == "untold" and not entry.pending then
    job.record = { outcome = "unchanged" }
    job:warn("whether %s knows the file's key%s cannot be told: %s; if it does "
      .. "not work, %s makes a new one", job.run.to.name, entry.label
      and " " .. entry.label or "", job.untold.message, M.renewal(job))
  end
end

-- making -------------------------------------------------------------------

--- The permissions of the keys of an owner.
---@param owner string
---@param p table
---@return table
function M.permissions(owner, p)
  local acl = json.array({})
  for i, name in ipairs(p.call and p.algorithm or {}) do
    acl[i] = ("algo://%s/%s/*"):format(owner, name)
  end
  if p.call and #acl == 0 then
    acl[1] = ("algo://%s/*"):format(owner)
  end
  return { allow_algo = p.call, allow_web_algo = false, algo_acl = acl,
    allow_data = p.data, allow_data_write = p.data_write,
    allow_algo_management = p.manage }
end

local function spec_of(job)
  return { permissions = M.permissions(job.owner, job.run.params),
    label = job.label or ("godwit-%s-%s-%s"):format(job.owner,
      sys.format_time(sys.time()):sub(1, 10), sys.random_hex(3)) }
end

-- Changes the file and has it on the disk; in a plan nothing happens to it.
---@async
local function change(job, fn)
  local run = job.run
  if run.dry_run then
    return
  end
  run.turn:with(function()
    fn(run.file)
    run.file:save()
  end)
end

---@async
local function make_for_organization(job, spec)
  local to = job.run.to
  -- Who is killed before the answer is in the file leaves a key nobody has.
  change(job, function(file) file:note(job.owner, spec.label) end)
  local ok, made = pcall(to.create_organization_key, to, job.owner, job.member,
    spec)
  if not ok then
    if not made.in_doubt and not err._is_final(err.from(made)) then
      change(job, function(file) file:note(job.owner, spec.label, true) end)
    elseif made.in_doubt then -- a repeat finds the note, and refuses
      made.message = ("%s; %s makes a new one"):format(made.message,
        M.renewal(job))
      made.retryable = false
    end
    error(made, 0)
  end
  change(job, function(file)
    job.entry = { owner = job.owner, key = made.key, label = made.label }
    file:add(job.entry)
    file:note(job.owner, spec.label, true)
  end)
  job:did("+", "key %s of the organization, through %s", made.label,
    tostring(job.member))
end

local function random_key(job)
  local text = ("sim" .. sys.random_hex(KEY_LENGTH)):sub(1, KEY_LENGTH)
  return secret.new(text, { label = ("%s key of %s"):format(job.run.to.name,
    job.owner), origins = origins_of(job.run.to.under or job.run.to) })
end

-- The key an earlier run wrote down, and did not see imported.
local function begun(job)
  local entry = job.before
  return entry and entry.pending
    and (job.state == "unknown" or job.state == "untold")
    and not job.run.params.renew and entry or nil
end

---@async
local function make_for_user(job, spec)
  local before = begun(job)
  if before then
    spec.label, job.entry = before.label, before
  else
    job.entry = { owner = job.owner, key = random_key(job),
      label = spec.label, pending = true }
    change(job, function(file) file:add(job.entry) end)
  end
  local ok, e = pcall(job.run.to.import_key, job.run.to, job.owner, spec,
    job.entry.key)
  if not ok then
    if job.entry ~= before and not e.in_doubt
        and not err._is_final(err.from(e)) then
      change(job, function(file) file:remove(job.entry) end)
    end
    error(e, 0)
  end
  job.run.imports = true
  job:did("+", "key %s of the user, imported", spec.label)
end

-- It is there; what it stands in for is used no more, and still there. Keys
-- that nobody has were named one last time.
local function drop_others(job)
  local labels
  change(job, function(file)
    for _, one in ipairs(job.lost or {}) do
      file:note(job.owner, one.label, true)
    end
    job.entry.pending = nil
    labels = file:drop(job.owner, job.entry)
  end)
  for _, label in ipairs(labels or {}) do
    job.run.old[#job.run.old + 1] = ("%s of %s"):format(label, job.owner)
  end
end

--- Makes a key and writes it down; gives the outcome.
---@async
---@param job godwit.workflow.Job
---@return godwit.Outcome
function M.issue(job)
  if job.state == "works" and not job.run.params.renew then
    job.entry = job.before -- imported by a run that did not see it
    drop_others(job)
    return { outcome = "unchanged" }
  end
  local spec = spec_of(job)
  if job.member then
    make_for_organization(job, spec)
  else
    make_for_user(job, spec)
  end
  drop_others(job)
  local state, why
  if not job.run.dry_run then
    state, why = try_entry(job, job.entry)
  end
  if state == "unknown" then
    job:warn("%s does not accept the new key yet", job.run.to.name)
  elseif state == "untold" then
    job:warn("whether %s accepts the new key cannot be told: %s",
      job.run.to.name, why.message)
  end
  return { outcome = job.before and "updated" or "created",
    label = spec.label }
end

--- Says what is left to do by hand, and how profiles read the file.
---@param cx godwit.workflow.Cx
---@param run godwit.copy.KeysRun
function M.finish(cx, run)
  if #run.old > 0 then
    cx:note("Used no more, and to be removed by hand, since no call of the "
      .. "platform does: %s", table.concat(run.old, ", "))
  end
  if cx.dry_run and run.imports then
    cx:note("only trying can tell whether %s takes keys for users", run.to.name)
  end
  if run.file and #run.file.entries > 0 then
    cx:note("A profile reads the file as key = keys %q", run.path)
  end
end

-- listing ------------------------------------------------------------------

local function text_of(row)
  return ("%s %s of %s%s"):format(row.label or "(no label)", row.mask or "",
    row.owner_name or row.username or "?", row.created_at
    and ", made " .. row.created_at or "")
end

--- Lists the keys of an organization and its members: labels and masks.
---@async
---@param job godwit.workflow.Job
---@return "unchanged"
function M.show(job)
  for _, row in ipairs(job.run.to:list_organization_keys(job.owner)) do
    job:did("=", "%s", text_of(row))
  end
  return "unchanged"
end

--- Only an organization's can be listed.
---@async
---@param job godwit.workflow.Job
function M.look_listed(job)
  local to = job.run.to
  if account_rules.name_problem(job.owner) then
    job:problem("%s", account_rules.name_problem(job.owner))
  elseif not to:try_get_organization(job.owner) then
    job:problem("%s", to:try_get_user(job.owner)
      and "no call of the platform lists the keys of a user"
      or ("%s has no organization %s"):format(to.name, job.owner))
  end
end

return M
