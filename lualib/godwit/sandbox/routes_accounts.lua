local accounts = require("godwit.cluster.platform_accounts")
local keys = require("godwit.sandbox.keys")
local page = require("godwit.sandbox.page")
local rules = require("godwit.cluster.platform_rules")

--- /v1/users and /v1/organizations, to read, with an admin key.
local M = {}

local reject = rules.reject

local LISTS = { users = accounts.users, organizations = accounts.organizations }
local ONE = { users = accounts.user, organizations = accounts.organization }
local MISSING = { users = 3000, organizations = 3100 }

--- Serves a request about users or organizations; nil: no such route.
---@async
function M.serve(cx)
  local which, ref = cx.segs[2], cx.segs[3]
  if cx.method ~= "GET" or cx.segs[4] then return nil end
  cx:authenticate()
  keys.admin(cx.caller, cx.options)
  if not ref then return 200, page.of(cx, LISTS[which](cx.platform)) end
  local doc = ONE[which](cx.platform, ref)
  if not doc then
    reject(404, MISSING[which], "there is no %s %s", which:sub(1, -2), ref)
  end
  return 200, doc
end

return M
