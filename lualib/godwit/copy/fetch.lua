--- fetch: gets a commit's history from a cluster into a store. Fetching
--- changes nothing over there, so a pack that was cut is simply asked for
--- again, a few times.

local err = require("godwit.err")
local task = require("godwit.task")

local M = {}

local ATTEMPTS, PAUSE = 3, 0.3

-- A pack that makes no sense was most likely cut on its way.
local function passing(e)
  return e.retryable or (e.kind == "remote" and e.op == "git.fetch")
end

--- Fetches, unless the store has the commit.
---@async
---@param driver table
---@param owner string
---@param name string
---@param repo table From copy.store.
---@param opts {commit: string, advert: any, version: string?, progress: function?}
function M.fetch(driver, owner, name, repo, opts)
  local pause = PAUSE

  for attempt = 1, ATTEMPTS do
    local ok, e = xpcall(driver.git_fetch, err.traced, driver, owner, name,
      repo.raw, opts)
    if ok then
      return
    end
    e = err.from(e)
    if attempt == ATTEMPTS or not passing(e) then
      error(e, 0)
    end
    opts.advert = nil -- the server may have moved on
    task.sleep(pause * (0.5 + math.random() / 2))
    pause = pause * 2
  end
end

return M
