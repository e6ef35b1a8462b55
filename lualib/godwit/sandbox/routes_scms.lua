local keys = require("godwit.sandbox.keys")
local platform_scm = require("godwit.cluster.platform.scm")
local request = require("godwit.sandbox.request")
local rules = require("godwit.cluster.platform.rules")
local scms = require("godwit.cluster.platform.scms")

--- /v1/scms and /v1/admin/scms: the SCMs of the cluster, to read with any key
--- and to change with an admin key, and the caller's connection to one.
local M = {}

local reject = rules.reject

local BAD_CREATE, BAD_UPDATE = 4020, 4021
local TOKENS = "bitbucket" -- the provider that has no OAuth

-- A connection is asked about in the way of its provider.
local function check_way(scm, way)
  if way == "token" and scm.provider ~= TOKENS then
    reject(400, 4050, "the SCM %s is connected by OAuth", scm.id)
  end
end

local function connect(cx, scm)
  check_way(scm, "token")
  request.object(cx.req, nil, true)
  platform_scm.connect(cx.platform, scm, cx.caller)
  return 200, platform_scm.authorization(cx.platform, scm, cx.caller)
end

local function revoke(cx, scm)
  platform_scm.revoke(cx.platform, scm, cx.caller)
  return 204
end

local function status(cx, scm)
  return 200, platform_scm.authorization(cx.platform, scm, cx.caller)
end

local CONNECTION = {
  ["GET oauth status"] = status, ["GET token status"] = status,
  ["POST oauth revoke"] = revoke, ["POST token connect"] = connect,
}
local SESSION = { ["GET oauth start"] = true, ["GET oauth finish"] = true }

local function connection(cx, id, way, what)
  local route = ("%s %s %s"):format(cx.method, way, what)
  if SESSION[route] then
    return keys.session(cx)
  elseif not CONNECTION[route] then
    return nil
  end
  cx:authenticate()
  if cx.method ~= "GET" then keys.standard(cx.caller, cx.options) end
  return CONNECTION[route](cx, scms.get(cx.platform, id))
end

--- Serves a request below /v1/scms; nil: no such route.
---@async
function M.serve(cx)
  local segs = cx.segs
  if segs[6] then return nil end
  if segs[4] then return connection(cx, segs[3], segs[4], segs[5]) end
  if cx.method ~= "GET" then return nil end
  cx:authenticate()
  if cx.options.scms_need_admin then keys.admin(cx.caller, cx.options) end
  if segs[3] then return 200, scms.get(cx.platform, segs[3]) end
  return 200, { results = scms.list(cx.platform) }
end

--- Serves a request below /v1/admin/scms; nil: no such route.
---@async
function M.serve_admin(cx)
  local segs, p = cx.segs, cx.platform
  local id, method = segs[4], cx.method
  if segs[6] or segs[5] and segs[5] ~= "default" then return nil end
  cx:authenticate()
  keys.admin(cx.caller, cx.options)
  if method == "POST" and not id then
    return 201, scms.create(p, request.object(cx.req, BAD_CREATE))
  elseif method == "PATCH" and id and not segs[5] then
    scms.get(p, id)
    return 200, scms.update(p, id, request.object(cx.req, BAD_UPDATE))
  elseif method == "DELETE" and id and not segs[5] then
    scms.delete(p, id)
    return 204
  elseif method == "POST" and segs[5] then
    scms.set_default(p, id)
    return 204
  end
  return nil
end

return M
