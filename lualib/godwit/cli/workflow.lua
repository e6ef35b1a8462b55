--- Runs a workflow from the command line: says first what it is about to do,
--- asks for protected clusters, shows progress, prints the result.
local ask = require("godwit.cli.ask")
local config = require("godwit.config")
local effect = require("godwit.effect")
local exit = require("godwit.cli.exit")
local folders = require("godwit.cli.folders")
local guard = require("godwit.core.http").guard
local heads = require("godwit.workflow.head")
local output = require("godwit.cli.output")
local permissions = require("godwit.workflow.permissions")
local progress = require("godwit.cli.progress")
local report = require("godwit.cli.report")
local url = require("godwit.core.http").url
local words_of = require("godwit.cli.words")

local M = {}

local function show(v, before)
  if type(v) == "table" then
    local words = {}
    for i, one in ipairs(v) do
      words[i] = (before or "") .. words_of.quote(tostring(one))
    end
    return table.concat(words, " ")
  end
  return (before or "") .. words_of.quote(tostring(v))
end

-- As it is typed: a flag that may be repeated stands before each of its values.
local function setting(p, v)
  if p.type == "boolean" then
    return v and p.flag or "--no-" .. p.flag:sub(3)
  end
  return show(v, p.flag .. " ")
end

-- "(--publish minor by default; --jobs 4 from ~/.config/…)"
local function in_effect(head, values, origins)
  local default, other = {}, {}
  for _, p in ipairs(head.order) do
    local v, origin = values[p.name], origins[p.name]
    if v ~= nil and not p.positional and not (p.type == "boolean"
      and v == (p.default or false) and not origin) then
      if not origin then
        default[#default + 1] = setting(p, v)
      elseif origin ~= "command line" then
        other[#other + 1] = ("%s from %s"):format(setting(p, v), origin)
      end
    end
  end
  if #default > 0 then
    table.insert(other, 1, "by default " .. table.concat(default, " "))
  end
  return #other > 0 and " (" .. table.concat(other, "; ") .. ")" or ""
end

local function said(head, values, origins)
  local out = {}
  for _, p in ipairs(head.order) do
    local v = values[p.name]
    if p.positional and v ~= nil then
      out[#out + 1] = show(v)
    elseif origins[p.name] == "command line" then
      out[#out + 1] = setting(p, v)
    end
  end
  return table.concat(out, " ")
end

--- The first line of a run: its mode and what it goes by.
function M.announce(name, head, values, origins, dry_run)
  output.headed(dry_run and "plan, nothing is written"
    or heads.only_reads(head, values) and "read, nothing is written"
    or "apply", "%s %s%s", name, said(head, values, origins),
    in_effect(head, values, origins))
  if output.verbosity() > 1 then
    for _, p in ipairs(head.order) do
      if values[p.name] ~= nil then
        output.note("  %s = %s, from %s", p.name, show(values[p.name]),
          origins[p.name] or "default")
      end
    end
  end
end

-- What this run is held to, whatever the file said when somebody looked at it.
local function announce_permissions(head, flags)
  output.note("It %s; nothing else.", table.concat(permissions.words(
    head.permissions, head.params), "; "))
  if #(flags.allow_write or {}) + #(flags.allow_read or {}) > 0 then
    output.note("Its permissions bind it: --allow-write is for policies here, "
      .. "--allow-read for nothing.")
  end
end

local function let_write(profile)
  for _, address in ipairs { profile.api or false, profile.git or false } do
    local parts = address and url.parse(address)
    if parts then
      guard.allow_write(parts.origin)
    end
  end
  -- Code of this cluster that is kept elsewhere is pushed there.
  for origin, host in pairs(profile.hosts or {}) do
    if host.key then
      guard.allow_write(origin)
    end
  end
end

local function consent(profile)
  if profile.protected then
    ask.consent(("%s is protected. Write to it?"):format(profile.name),
      ("'%s' is protected"):format(profile.name))
  end
end

-- The clusters of --allow-write: for the script or, when it has permissions of
-- its own, for policies only.
local function allow_clusters(flags, bound)
  for _, spec in ipairs(flags.allow_write or {}) do
    if not folders.is_folder(spec) then
      local profile = config.profile(spec, { role = "to" })
      consent(profile)
      if bound then
        effect.allow_person(profile.name)
      else
        effect.allow_write(profile.name)
      end
      let_write(profile)
    end
  end
end

--- From here on: plan mode, or writes to the named clusters only; and the
--- named folders only. `bound`: to a file's permissions, which no flag widens.
---@async
---@param flags { dry_run?: boolean, allow_read?: string[], allow_write?: string[], lua_path?: string[] }
---@param bound? boolean
function M.restrict(flags, bound)
  require("godwit.closed").declare(flags.lua_path or {})
  folders.restrict(bound and {} or flags)
  if flags.dry_run then
    effect.plan()
    return
  end
  effect.allow_write(nil)
  guard.allow_write(nil)
  allow_clusters(flags, bound)
end

-- Things are taken from this one: nobody is asked about it, and nothing is
-- written there, not by a policy either, unless --allow-write names it.
local function withholder(reads)
  return function(p)
    return reads or p.name == "from" or p.role == "from" or p.reads == true
  end
end

-- What permissions declare is the host's to allow (godwit.rights); a person is
-- asked all the same.
local function ask_declared(permissions, params, drivers)
  for _, p in ipairs(params) do
    for _, driver in ipairs(permissions.params[p.name] == "write"
      and drivers[p.name] or {}) do
      consent(driver.profile or driver)
    end
  end
  for name, mode in pairs(permissions.clusters) do
    if mode == "write" then
      consent(config.profile(name))
    end
  end
end

-- A cluster that came through another parameter may be written to.
local function opener(head, flags, withhold)
  return function(drivers)
    if flags.dry_run then
      return
    elseif head.permissions then
      return ask_declared(head.permissions, head.order, drivers)
    end
    for _, p in ipairs(head.order) do
      for _, driver in ipairs(drivers[p.name] or {}) do
        local profile = driver.profile or driver
        if not withhold(p) then
          consent(profile)
          effect.allow_write(profile.name)
          let_write(profile)
        end
      end
    end
  end
end

local function given(origins)
  local set = {}
  for name in pairs(origins) do
    set[name] = true
  end
  return set
end

-- For cx:call.
local function find_head(name)
  local scripts = require("godwit.cli.scripts")
  local script = scripts.find_bundled(name)
  return script and scripts.head(script)
end

--- Runs a checked head with its values; prints the result.
---@async
---@param name string
---@param head godwit.workflow.Head
---@param values table<string, any>
---@param flags table
---@param origins table<string, string>
---@return integer exit
function M.run(name, head, values, flags, origins)
  local run = require("godwit.workflow.run")
  local reads = heads.only_reads(head, values)
  local withhold = withholder(reads)
  if reads then
    effect.plan() -- from here on the host refuses whatever is no read
  end
  M.announce(name, head, values, origins, flags.dry_run)
  if head.permissions then
    announce_permissions(head, flags)
  else
    folders.allow_params(head, values, origins)
  end
  local shown = progress.start()
  local ended <close> = setmetatable({}, { __close = function()
    shown:stop()
  end })
  local result = run.start(head, values, {
    dry_run = flags.dry_run, jobs = flags.jobs, yes = flags.yes,
    given = given(origins), closed = head.closed,
    progress = function(ref, phase, detail)
      shown:update(ref, phase, detail)
    end,
    count = function(done, total)
      shown:count(done, total)
    end,
    on_clusters = opener(head, flags, withhold), withhold = withhold,
    find = find_head,
  })
  shown:stop()
  local text = result.comparison and require("godwit.cli.report_comparison").text
    or report.text
  result.reads = reads
  output.result(M.document(name, result),
    output.is_json() and "" or text(result))
  return result.exit
end

--- The result as --json prints it.
---@param name string
---@param result godwit.workflow.Result
---@return table
function M.document(name, result)
  local array = require("godwit.core.json").array
  for _, item in ipairs(result.items) do
    for _, field in ipairs { "steps", "differences", "warnings", "files",
      "unknowable", "problems" } do
      if type(item[field]) == "table" then -- files may be a count
        item[field] = array(item[field])
      end
    end
  end
  return {
    workflow = name, mode = result.dry_run and "plan"
      or result.reads and "read" or "apply",
    comparison = result.comparison,
    items = array(result.items), counts = result.counts,
    destinations = result.destinations and array(result.destinations),
    exit = exit.of_result(result), notes = array(result.notes or {}),
    interrupted = result.interrupted or false, budget = result.budget,
    used = result.used,
    planned = result.planned and array(result.planned),
    writes = result.writes,
  }
end

return M
