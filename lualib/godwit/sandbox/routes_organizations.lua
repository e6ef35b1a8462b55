local json = require("godwit.core.json")
local keys = require("godwit.sandbox.keys")
local organizations = require("godwit.cluster.platform.organizations")
local page = require("godwit.sandbox.page")
local platform_keys = require("godwit.cluster.platform.keys")
local request = require("godwit.sandbox.request")
local rules = require("godwit.cluster.platform.rules")
local users = require("godwit.cluster.platform.users")

--- /v1/organizations and /v1/organization/types, with an admin key:
--- organizations, their types, members and keys.
local M = {}

local reject = rules.reject

local MALFORMED = 3103

local function missing(cx, name)
  reject(cx.options.missing_account_status or 404, 3100,
    "there is no organization %s", name)
end

local H = {}

H["GET"] = function(cx)
  local p = cx.platform
  return 200, page.names(cx, p.store:organization_names(), function(name)
    return organizations.named(p, name)
  end)
end

H["POST"] = function(cx)
  return 200, organizations.create(cx.platform, cx.caller,
    request.object(cx.req, MALFORMED))
end

H["GET ORG"] = function(cx, org)
  return 200, organizations.named(cx.platform, org) or missing(cx, org)
end

H["PUT ORG"] = function(cx, org)
  organizations.need(cx.platform, org)
  organizations.update(cx.platform, org, request.object(cx.req, MALFORMED))
  return 204
end

H["DELETE ORG"] = function(cx, org)
  organizations.delete(cx.platform, org)
  return 204
end

H["GET ORG members"] = function(cx, org)
  local p = cx.platform
  organizations.need(p, org)
  return 200, page.names(cx, p.store:members(org).names, function(name)
    return organizations.member(p, org, name)
  end)
end

H["PUT ORG members NAME"] = function(cx, org, username)
  local done = organizations.add_member(cx.platform, org, username)
  return done == "created" and 201 or 200
end

H["DELETE ORG members NAME"] = function(cx, org, username)
  organizations.remove_member(cx.platform, org, username)
  return 204
end

H["GET ORG keys"] = function(cx, org)
  return 200, platform_keys.of_organization(cx.platform, org, true)
end

H["POST ORG members NAME keys"] = function(cx, org, username)
  return 201, platform_keys.shown(platform_keys.create_for_organization(
    cx.platform, org, username, request.object(cx.req)), true)
end

H["GET ORG errors"] = function(cx, org)
  organizations.need(cx.platform, org)
  return 200, users.errors(cx.platform, org)
end

-- No algorithm here is one that others are made with.
H["GET ORG utility-algorithms"] = function(cx, org)
  organizations.need(cx.platform, org)
  return 200, json.array({})
end

local function by_external_id(cx, external)
  local name = organizations.by_external_id(cx.platform, external)
  return 200, name and organizations.named(cx.platform, name)
    or missing(cx, external)
end

--- Serves a request below /v1/organizations; nil: no such route.
---@async
function M.serve(cx)
  local segs = cx.segs
  if segs[7] then return nil end
  if cx.method == "POST" and segs[4] == "keys" and not segs[5] then
    return keys.session(cx)
  end
  local route = cx.method .. (segs[3] and " ORG" or "")
    .. (segs[4] and " " .. segs[4] or "") .. (segs[5] and " NAME" or "")
    .. (segs[6] and " " .. segs[6] or "")
  local handler = H[route]
  if cx.method == "GET" and segs[3] == "externalId" and segs[4]
    and not segs[5] then
    handler = function() return by_external_id(cx, segs[4]) end
  end
  if not handler then return nil end
  cx:authenticate()
  keys.admin(cx.caller, cx.options)
  return handler(cx, segs[3], segs[5])
end

--- Serves a request below /v1/organization; nil: no such route.
---@async
function M.serve_types(cx)
  local segs, p = cx.segs, cx.platform
  if segs[3] ~= "types" or segs[5] then return nil end
  cx:authenticate()
  keys.admin(cx.caller, cx.options)
  if cx.method == "GET" and not segs[4] then
    return 200, organizations.types(p)
  elseif cx.method == "POST" and not segs[4] then
    return 200, organizations.create_type(p,
      request.object(cx.req, MALFORMED))
  elseif cx.method == "DELETE" and segs[4] then
    organizations.delete_type(p, segs[4])
    return 204
  end
  return nil
end

return M
