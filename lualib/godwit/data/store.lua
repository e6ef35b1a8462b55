--- data.store: this user's ledger of digests. Without it everything is read
--- again, so what is wrong with it stops nothing.

local core = require("godwit.core.ledger")
local effect = require("godwit.effect")
local fs = require("godwit.core.fs")
local log = require("godwit.log")
local places = require("godwit.config.places")

local M = {}

local opened = {}

---@async
local function open(path)
  if effect.mode == "plan" and not fs.stat(path) then
    return nil -- a plan leaves nothing behind
  end
  local ok, e = fs.mkdir(places.state_dir(), 448)
  local ledger
  if ok then
    ledger, e = core.open(path)
  end
  if not ledger then
    log.warn("%s cannot be used, so files that are the same are read again: %s",
      path, tostring(e))
  end
  return ledger
end

--- The ledger, or nil.
---@async
---@return table|nil
function M.ledger()
  local path = places.state_dir() .. "/digests.db"
  if opened[path] == nil then
    opened[path] = open(path) or false
  end
  return opened[path] or nil
end

return M
