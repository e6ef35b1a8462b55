local json = require("godwit.core.json")
local connectors = require("godwit.cluster.platform.connectors")
local keys = require("godwit.sandbox.keys")
local page = require("godwit.sandbox.page")
local platform_keys = require("godwit.cluster.platform.keys")
local request = require("godwit.sandbox.request")
local roles = require("godwit.cluster.platform.roles")
local rules = require("godwit.cluster.platform.rules")
local users = require("godwit.cluster.platform.users")

--- /v1/users and /v1/admin/users: users, with an admin key, and what hangs on
--- one: keys, connectors, errors, notifications.
local M = {}

local reject = rules.reject

local MALFORMED = 3001

local function administrator(cx)
  cx:authenticate()
  keys.admin(cx.caller, cx.options)
end

-- Clusters differ in how they answer a read of what is not there.
local function missing(cx, name)
  reject(cx.options.missing_account_status or 404, 3000, "there is no user %s",
    name)
end

-- The account of a name or an id, which the caller may act for; nil: none.
local function own(cx, ref)
  cx:authenticate()
  keys.standard(cx.caller, cx.options)
  local name = users.name_of(cx.platform, ref)
    or cx.platform.store:organization(ref) and ref
  if not name then return nil end
  if cx.caller.kind ~= "admin" and not cx.platform:acts_for(cx.caller, name)
  then
    reject(403, 2001, keys.FORBIDDEN)
  end
  return name
end

local H = {}

H["GET"] = function(cx)
  administrator(cx)
  return 200, page.names(cx, cx.platform.store:user_names(), function(name)
    return users.named(cx.platform, name)
  end)
end

H["POST"] = function(cx)
  administrator(cx)
  return 200, users.create(cx.platform, request.object(cx.req, MALFORMED))
end

H["GET USER"] = function(cx, ref)
  administrator(cx)
  local name = users.name_of(cx.platform, ref)
  return 200, name and users.named(cx.platform, name) or missing(cx, ref)
end

H["PUT USER"] = function(cx, ref)
  administrator(cx)
  users.need(cx.platform, ref)
  return 200, users.update(cx.platform, ref,
    request.object(cx.req, MALFORMED))
end

H["DELETE USER"] = function(cx, ref)
  administrator(cx)
  users.delete(cx.platform, ref)
  return 204
end

H["GET USER keys"] = keys.session
H["POST USER keys"] = keys.session

-- Who is not there has no errors; an official client's tests ask for them.
H["GET USER errors"] = function(cx, ref)
  local name = own(cx, ref)
  return 200, name and users.errors(cx.platform, name) or json.array({})
end

-- Nothing here tells anybody anything.
H["GET USER notifications"] = function(cx, ref)
  administrator(cx)
  users.need(cx.platform, ref)
  local wanted = cx.query.event_types
  if wanted == nil or wanted == "" then
    reject(400, 8060, "event_types is required")
  end
  page.limit(cx.query, 100)
  return 200, json.array({})
end

H["POST USER connectors"] = function(cx, ref)
  cx:authenticate()
  if cx.caller.kind ~= "admin" then own(cx, ref) end
  return 200, connectors.create(cx.platform, ref, request.object(cx.req))
end

--- Serves a request below /v1/users; nil: no such route.
---@async
function M.serve(cx)
  local segs = cx.segs
  if segs[5] then return nil end
  local handler = H[cx.method .. (segs[3] and " USER" or "")
    .. (segs[4] and " " .. segs[4] or "")]
  if handler then return handler(cx, segs[3]) end
end

--- Serves /admin/roles/ACCOUNT/ROLE; nil: no such route.
---@async
function M.serve_roles(cx)
  local name, role, more = cx.segs[3], cx.segs[4], cx.segs[5]
  if role ~= roles.VIEWER or more
    or cx.method ~= "POST" and cx.method ~= "DELETE" then
    return nil
  end
  administrator(cx)
  roles.set(cx.platform, name, cx.method == "POST")
  return 204
end

--- Serves a request below /v1/admin/users; nil: no such route.
---@async
function M.serve_admin(cx)
  local segs = cx.segs
  if cx.method ~= "POST" or segs[5] ~= "keys" or segs[6]
    or cx.options.no_import_key then
    return nil
  end
  administrator(cx)
  return 200, platform_keys.shown(platform_keys.import(cx.platform, segs[4],
    request.object(cx.req)), true)
end

return M
