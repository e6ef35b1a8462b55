local err = require("godwit.err")
local git = require("godwit.core.git")

--- cluster.git_calls: Git's network calls under the permit of a cluster's
--- limiter, which its REST requests share. The permit is taken before the job
--- is queued, so that no worker ever waits for one.
local M = {}

---@async
local function under_permit(remote, call, ...)
  local limiter = remote.limiter
  if not limiter then
    return err.check(call(...))
  end
  local permit = limiter:acquire()
  local ok, value, e = pcall(call, ...)
  limiter:release(permit, "none")
  if not ok then
    error(value, 0)
  end
  return err.check(value, e)
end

---@async
---@param remote table
---@param opts { service: string? }
function M.ls_remote(remote, opts)
  return under_permit(remote, git.ls_remote, remote, opts)
end

---@async
function M.fetch(store, remote, opts)
  return under_permit(remote, git.fetch, store, remote, opts)
end

---@async
function M.push(store, remote, opts)
  return under_permit(remote, git.push, store, remote, opts)
end

return M
