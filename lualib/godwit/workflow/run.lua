--- run: one execution of a workflow: values checked, clusters opened, run(cx)
--- called, counts reconciled.

local cluster = require("godwit.cluster")
local config = require("godwit.config")
local cx = require("godwit.workflow.cx")
local effect = require("godwit.effect")
local err = require("godwit.err")
local head = require("godwit.workflow.head")

local M = {}

---@class godwit.workflow.RunOptions
---@field dry_run? boolean
---@field jobs? integer
---@field yes? boolean
---@field progress? fun(ref: string, phase: string, detail: string?)
---@field withhold? fun(p: godwit.workflow.Param): boolean Clusters that stay read-only.
---@field on_clusters? fun(drivers: table<string, table[]>)
---@field given? table<string, boolean> Parameters that were given, not taken by default.

local function open_cluster(spec, name, count)
  return cluster.open(config.profile(spec, {
    role = (name == "from" or name == "to") and name or nil,
    to_count = count,
  }))
end

-- Handles for scripts, drivers for the library. A cluster that came through a
-- parameter may be written to.
local function open_clusters(h, values, opts)
  local drivers = {}

  for _, p in ipairs(h.order) do
    local v = values[p.name]
    if p.type == "cluster" and v ~= nil then
      local specs, handles = p.many and v or { v }, {}
      drivers[p.name] = {}
      for i, spec in ipairs(specs) do
        local driver = open_cluster(spec, p.name, #specs)
        drivers[p.name][i] = driver
        handles[i] = cluster.handle(driver)
        if not h.permissions
            and not (opts.withhold and opts.withhold(p)) then
          effect.allow_write(driver.name)
        end
      end
      values[p.name] = p.many and handles or handles[1]
    end
  end
  if opts.on_clusters then
    opts.on_clusters(drivers)
  end
end

--- Runs a workflow. Raises what is wrong with the command line or the
--- configuration; what goes wrong with items is in the result.
---@async
---@param declared table The workflow's head, checked or not.
---@param given table<string, any>
---@param opts godwit.workflow.RunOptions
---@return godwit.workflow.Result
function M.start(declared, given, opts)
  local h = declared.order and declared or head.check(declared, "workflow")
  local values = head.values(h, given)

  if opts.dry_run then
    effect.plan()
  end
  if h.check then
    h.check(values) -- nobody is asked about what cannot be meant
  end
  effect.allow_write(nil)
  open_clusters(h, values, opts)
  local context = cx.new(values, opts)

  local ok, e = xpcall(h.run, err.traced, context)
  if not ok then
    e = err.from(e)
    if e.kind == "budget" then
      context.result.budget = e.message
    elseif e.kind == "cancelled" then
      context.result.interrupted = true
    else
      error(e, 0)
    end
  end
  return context:finish()
end

return M
