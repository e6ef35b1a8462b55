--- fetch: gets a commit's history from a cluster into a store. Fetching
--- changes nothing over there, so a pack that was cut is simply asked for
--- again, a few times.

local retry = require("godwit.http.retry")

local M = {}

-- A pack that makes no sense was most likely cut on its way; a ref of the store
-- that is locked is written for another destination.
local function passing(e)
  return e.retryable or e.op == "git.fetch"
    and (e.kind == "remote" or e.kind == "conflict")
end

--- Fetches, unless the store has the commit.
---@async
---@param driver table
---@param owner string
---@param name string
---@param repo table From copy.store.
---@param opts {commit: string, advert: any, version: string?, progress: function?}
function M.fetch(driver, owner, name, repo, opts)
  local first = true

  retry.run(function()
    if not first then
      opts.advert = nil -- the server may have moved on
    end
    first = false
    driver:git_fetch(owner, name, repo.raw, opts)
  end, passing)
end

return M
