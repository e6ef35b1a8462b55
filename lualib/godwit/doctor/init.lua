--- doctor: looks at what godwit needs and says, a line each, what is well, what
--- is not, and what to do. It reads; the host refuses every other request from
--- here on.
local archive = require("godwit.doctor.archive")
local cluster = require("godwit.doctor.cluster")
local config = require("godwit.config")
local err = require("godwit.err")
local guard = require("godwit.core.http").guard
local here = require("godwit.doctor.here")
local lists = require("godwit.doctor.list")
local mapping = require("godwit.doctor.mapping")
local task = require("godwit.task")

local M = {}

M.TIMEOUT = 10 -- seconds for each look

local READING = 60 -- seconds for a profile: a key's command may ask a person

---@class godwit.doctor.Opts
---@field clusters? string[] As the command line names them; none: all profiles.
---@field owners? string[]
---@field timeout? number
---@field jobs? integer
---@field unknown? { name: string, hint: string }[] GODWIT_ variables nobody knows.

---@class godwit.doctor.Group
---@field name string
---@field checks godwit.doctor.Check[]

---@class godwit.doctor.Result
---@field configuration godwit.doctor.Group
---@field profiles godwit.doctor.Group[]
---@field pairs { from: string, to: string, checks: godwit.doctor.Check[] }[]
---@field counts { ok: integer, warn: integer, fail: integer, skip: integer }
---@field exit integer

-- "prod": neither an address, nor a sandbox, nor a folder.
local function is_name(spec)
  return not spec:find("[:/]") and spec ~= "." and spec ~= ".."
end

local function is_address(spec)
  return spec:find("^%a[%w+.-]*://") ~= nil
end

-- An address without a profile takes its key from a variable by its place on
-- the command line, as promote does.
local function roles(at, count)
  local first = at == 1 and "from" or "to"
  return { { role = first, to_count = count - 1 },
    { role = first == "from" and "to" or "from", to_count = 1 } }
end

local function read_profile(spec, at, count)
  local ok, result
  for _, opts in ipairs(is_address(spec) and roles(at, count) or { {} }) do
    ok, result = lists.try(READING, config.profile, spec, opts)
    if ok then
      return result
    end
  end
  return nil, result
end

-- The profile; without its keys when they are what is wrong with it.
local function subject_of(list, spec, at, count, opts)
  local profile, e = read_profile(spec, at, count)
  local subject = { name = spec, profile = profile, owners = opts.owners or {},
    timeout = opts.timeout or M.TIMEOUT }
  if profile then
    return subject
  end
  list:failed(spec:find("^sandbox:") and "sandbox" or "profile", e)
  local ok, bare = lists.try(READING, config.profile, spec,
    { without_keys = true })
  subject.profile, subject.without_keys = ok and bare or nil, true
  return subject
end

local function look(list, subject)
  local profile = subject.profile
  if not profile then
    return
  elseif profile.kind == "archive" then
    subject.driver = archive.look(list, subject)
    subject.reached = subject.driver ~= nil
    return
  elseif profile.running then
    list:ok("sandbox", "it is running")
  end
  cluster.look(list, subject)
end

local function one(spec, at, count, opts)
  local list = lists.new()
  local subject = subject_of(list, spec, at, count, opts)
  look(list, subject)
  subject.list = list
  return subject
end

local function compare(from, to)
  local list = lists.new()
  if from.reached and to.reached and not from.without_keys
    and not to.without_keys then
    mapping.compare(list, from, to)
  else
    list:skip("map", nil, "not compared: %s is not reached",
      from.reached and not from.without_keys and to.name or from.name)
  end
  return { from = from.name, to = to.name, checks = list.checks }
end

local function count(result)
  local counts = { ok = 0, warn = 0, fail = 0, skip = 0 }
  local temporary = true
  local function add(checks)
    for _, check in ipairs(checks) do
      counts[check.status] = counts[check.status] + 1
      if check.status == "fail" and not check.temporary then
        temporary = false
      end
    end
  end
  add(result.configuration.checks)
  for _, groups in ipairs({ result.profiles, result.pairs }) do
    for _, group in ipairs(groups) do
      add(group.checks)
    end
  end
  result.counts = counts
  result.exit = counts.fail == 0 and 0 or temporary and 5 or 1
end

-- All of them, or those given; a misspelt name is an error at once.
local function specs_of(given, well)
  if #given == 0 then
    return well and config.names() or {}
  end
  local known = {}
  for _, name in ipairs(well and config.names() or {}) do
    known[name] = true
  end
  for _, spec in ipairs(given) do
    if well and is_name(spec) and not known[spec] then
      config.profile(spec)
      err.throw("usage", "there is no cluster '%s'", spec)
    end
  end
  return given
end

--- Looks at this machine's side, at clusters and, when several are given, at
--- what of the first does not map to each other one.
---@async
---@param opts godwit.doctor.Opts
---@return godwit.doctor.Result
function M.run(opts)
  guard.plan()
  local given = opts.clusters or {}
  local list = lists.new()
  here.look(list, opts.unknown or {}, #given == 0)
  local result = { profiles = {}, pairs = {},
    configuration = { name = "configuration", checks = list.checks } }
  local well = pcall(config.load) and not list:has_failed()
  local specs, subjects, numbers = specs_of(given, well), {}, {}
  for i in ipairs(specs) do
    numbers[i] = i
  end
  task.each(numbers, function(i)
    subjects[i] = one(specs[i], i, #specs, opts)
  end, { jobs = opts.jobs })
  for i, subject in ipairs(subjects) do
    result.profiles[i] = { name = subject.name, checks = subject.list.checks }
  end
  if #given > 1 then
    local others = { table.unpack(subjects, 2) }
    task.each(others, function(to)
      for i, subject in ipairs(others) do
        if subject == to then
          result.pairs[i] = compare(subjects[1], to)
        end
      end
    end, { jobs = opts.jobs })
  end
  count(result)
  return result
end

return M
