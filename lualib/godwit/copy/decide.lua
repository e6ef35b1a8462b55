--- decide: what is somebody's to decide about a promotion: what goes where,
--- under which name, as which version. The command line decides here.

local environment = require("godwit.copy.environment")

local M = {}

--- Which revision of an algorithm is promoted; nil and why when none is.
---@async
---@param ref godwit.copy.Ref
---@return godwit.copy.Revision?
---@return string?
function M.revision(ref)
  return ref.revision
end

--- What an algorithm is called at the destination.
---@async
---@param ref godwit.copy.Ref
---@param opts godwit.copy.Options
---@return { owner: string, name: string }
function M.destination(ref, opts)
  return { owner = opts.to_owner or ref.owner, name = ref.name }
end

--- Whether it may be published at all.
---@param job godwit.copy.Job
---@return boolean
function M.publishes(job)
  return job.opts.publish ~= "no"
end

--- The destination's environment for the source's.
---@async
---@param job godwit.copy.Job
---@param id string The source's.
---@param theirs table[] The source's catalogue.
---@param ours table[] The destination's.
---@return table? env
---@return string? problem
function M.environment(job, id, theirs, ours)
  return environment.map(id, theirs, ours)
end

--- The settings the destination should have.
---@async
---@param job godwit.copy.Job
---@param desired godwit.copy.Settings
---@return godwit.copy.Settings
function M.settings(job, desired)
  return desired
end

--- The tree the destination should have.
---@async
---@param job godwit.copy.Job
---@param repo table From copy.store.
---@param tree string With the owner rewritten.
---@return string tree
function M.tree(job, repo, tree)
  return tree
end

--- The message of the commit; nil: the source commit's.
---@async
---@param job godwit.copy.Job
---@return string?
function M.message(job)
  return job.opts.message
end

--- How it is published.
---@async
---@param job godwit.copy.Job
---@return "minor"|"major"|"revision"|"no"
function M.step(job)
  return job.opts.publish
end

--- What becomes of a destination that has drifted or is unknown.
---@async
---@param job godwit.copy.Job
---@return "refuse"|"overwrite"|"merge"
function M.drift(job)
  local opts = job.opts

  if opts.on_drift then
    return opts.on_drift
  elseif job.state.kind == "drifted" then
    return opts.overwrite_drift and "overwrite" or "refuse"
  end
  return opts.adopt and "overwrite" or "refuse"
end

--- Whether the answers of the published version and of the new one are
--- compared before the new one is published.
---@param job godwit.copy.Job
---@return boolean
function M.compares(job)
  return job.opts.compare ~= nil
end

--- Why the new one is not published; nil: it is. Asked when `compares` says
--- so and both calls returned.
---@async
---@param job godwit.copy.Job
---@param old { result: any, metadata: table }
---@param new { result: any, metadata: table }
---@return string?
function M.compare(job, old, new)
  return job.opts.compare(old, new)
end

return M
