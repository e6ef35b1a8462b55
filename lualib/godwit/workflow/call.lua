--- call: one workflow run by another (`cx:call`): its parameters come from a
--- script, its result goes back there, and what may be written is what the
--- calling run may write.

local cluster = require("godwit.cluster")
local config = require("godwit.config")
local cx = require("godwit.workflow.cx")
local driver_of = require("godwit.cluster.driver_of")
local err = require("godwit.err")
local head = require("godwit.workflow.head")
local rights = require("godwit.rights")

local M = {}

local function find(name, opts)
  if type(name) ~= "string" then
    err.throw("usage", "cx:call takes the name of a workflow, not a %s",
      type(name))
  end
  return opts.find and opts.find(name) or err.throw("usage",
    "cx:call: there is no bundled workflow '%s' (see: godwit list)", name)
end

local function is_handle(v)
  return type(v) == "table" and pcall(driver_of, v)
end

local function open(spec, p)
  if is_handle(spec) then
    return spec
  elseif type(spec) ~= "string" then
    err.throw("usage", "cx:call: %s is a cluster's handle or its name, not a "
      .. "%s", p.flag, type(spec))
  end
  return cluster.handle(cluster.open(rights.cluster(spec, function()
    return config.profile(spec)
  end)))
end

-- A copy that no metatable speaks for: what was checked is what is used.
local function plain(params)
  if type(params) ~= "table" then
    err.throw("usage", "cx:call: parameters are a table, not a %s",
      type(params))
  end
  local copy = {}
  for name, v in next, params do
    copy[name] = v
  end
  return copy
end

-- A script has no files: what names one is for a command line.
local function check_files(h, params, opts)
  for _, p in ipairs(opts.closed and h.order or {}) do
    if p.name == "policy" then
      rights.policy(params[p.name])
    elseif params[p.name] ~= nil and (p.metavar or ""):find("^FILE") then
      err.throw("denied", "cx:call: a script has no files; %s of %s is for a "
        .. "command line", p.flag, h.name)
    end
  end
end

-- A single one where several may be is a list of one.
local function listed(h, params)
  local given = {}
  for name, v in pairs(params) do
    local p = h.params[name]
    given[name] = p and p.many and (type(v) ~= "table" or is_handle(v))
      and { v } or v
  end
  return given
end

local function open_clusters(h, values)
  for _, p in ipairs(h.order) do
    local v = values[p.name]
    if p.type == "cluster" and v ~= nil then
      local handles = {}
      for i, spec in ipairs(p.many and v or { v }) do
        handles[i] = open(spec, p)
      end
      values[p.name] = p.many and handles or handles[1]
    end
  end
end

--- Runs a bundled workflow and returns its result. Raises what is wrong with
--- its parameters; what goes wrong with items is in the result.
---@async
---@param caller godwit.workflow.Cx
---@param name string
---@param params table<string, any>
---@param opts godwit.workflow.RunOptions The caller's.
---@return godwit.workflow.Result
function M.run(caller, name, params, opts)
  local h = find(name, opts)
  params = plain(params)
  check_files(h, params, opts)
  local values = head.values(h, listed(h, params))
  local given = {}

  if h.check then
    h.check(values)
  end
  open_clusters(h, values)
  for key in pairs(params) do
    given[key] = true
  end
  local context = cx.new(values, { dry_run = caller.dry_run,
    jobs = caller.jobs, given = given, progress = opts.progress,
    find = opts.find, closed = opts.closed })
  h.run(context)
  return context:finish()
end

return M
