local err = require("godwit.err")
local json = require("godwit.core.json")
local rules = require("godwit.cluster.platform.rules")

--- Roles an account has in the whole cluster. There is one that its API knows:
--- a viewer reads what is anybody's and changes nothing by it.
local M = {}

local FILE = "roles.json"

M.VIEWER = "cluster_viewer"

local function read(p)
  local doc = p.store:cached(FILE) or {}
  if type(doc) ~= "table" or json.is_array(doc) then
    err.throw("io", "%s/%s is damaged: it is no object", p.store.dir, FILE)
  end
  local viewers = doc[M.VIEWER] or {}
  if type(viewers) ~= "table" then
    err.throw("io", "%s/%s is damaged: %s is no object", p.store.dir, FILE,
      M.VIEWER)
  end
  return viewers
end

--- Whether a caller may read everybody's algorithms.
---@param caller { username: string, kind: string }
---@return boolean
function M.views(p, caller)
  return caller.kind == "standard" and read(p)[caller.username] == true
end

--- POST or DELETE /admin/roles/ACCOUNT/cluster_viewer.
---@async
---@param name string
---@param given boolean
function M.set(p, name, given)
  if not p.store:user(name) and not p.store:organization(name) then
    rules.reject(404, 3000, "there is no account %s", name)
  end
  p.store:locked(FILE, function()
    local viewers = {}
    for key, v in pairs(read(p)) do viewers[key] = v end
    viewers[name] = given or nil
    p.store:write(FILE, { [M.VIEWER] = viewers })
  end)
end

return M
