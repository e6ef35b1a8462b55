local json = require("godwit.core.json")
local calls = require("godwit.cluster.platform.call")
local git = require("godwit.cluster.platform.git")
local keys = require("godwit.sandbox.keys")
local page = require("godwit.sandbox.page")
local request = require("godwit.sandbox.request")
local rules = require("godwit.cluster.platform.rules")
local scm = require("godwit.cluster.platform.scm")
local secrets = require("godwit.cluster.platform.secrets")

--- /v1/algorithms/…: what the platform does, under a key's permissions.
--- A handler gets the request's context: req, segs, query, caller, platform,
--- options; owner and name of the algorithm it is about; rest, what follows.
local M = {}

local reject = rules.reject
local H = {}

local function manage(cx)
  keys.permit(cx.caller, cx.options, "allow_algo_management")
end

H["GET "] = function(cx)
  return 200, cx.platform:get(cx.caller, cx.owner, cx.name)
end

H["PUT "] = function(cx)
  manage(cx)
  if request.is_form(cx.req) then -- an official client's bug: no change
    request.bytes(cx.req, request.MAX_BODY)
    cx.platform:own(cx.caller, cx.owner, cx.name, true)
    return 200, cx.platform:update(cx.caller, cx.owner, cx.name, {})
  end
  local body = request.object(cx.req)
  return 200, cx.platform:update(cx.caller, cx.owner, cx.name, body)
end

H["DELETE "] = function(cx)
  if cx.caller.kind ~= "admin" then manage(cx) end
  cx.platform:delete(cx.caller, cx.owner, cx.name)
  return 204
end

H["POST compile"] = function(cx)
  manage(cx)
  request.object(cx.req, 2013, true)
  return 200, cx.platform:compile(cx.caller, cx.owner, cx.name)
end

H["GET builds"] = function(cx)
  return 200, page.of(cx, cx.platform:builds(cx.caller, cx.owner, cx.name))
end

H["GET builds/ID"] = function(cx)
  return 200, (cx.platform:build(cx.caller, cx.owner, cx.name, cx.rest[2]))
end

H["GET builds/ID/logs"] = function(cx)
  return 200, { logs = cx.platform:logs(cx.caller, cx.owner, cx.name,
    cx.rest[2]) }
end

H["GET versions"] = function(cx)
  return 200, page.of(cx, cx.platform:versions(cx.caller, cx.owner, cx.name, {
    published = request.flag(cx.query, "published"),
    callable = request.flag(cx.query, "callable"),
  }))
end

H["GET versions/ID"] = function(cx)
  return 200, cx.platform:version(cx.caller, cx.owner, cx.name, cx.rest[2])
end

H["POST versions"] = function(cx)
  manage(cx)
  local body = request.object(cx.req)
  return 200, cx.platform:publish(cx.caller, cx.owner, cx.name, body)
end
H["POST version"] = H["POST versions"] -- two official clients' spelling

H["GET errors"] = function(cx)
  return 200, calls.errors(cx.platform, cx.caller, cx.owner, cx.name)
end

local function commit_of(cx, key)
  local sha = cx.query[key]
  if sha == nil or sha == "" then return nil end
  if not rules.is_sha(sha) then
    reject(400, 6001, "%s must be a commit's full hash", key)
  end
  return sha
end

H["GET log"] = function(cx)
  cx.platform:own(cx.caller, cx.owner, cx.name)
  local repo = cx.platform:secure(cx.owner, cx.name)
  local since, until_ = commit_of(cx, "since"), commit_of(cx, "until")
  for _, sha in ipairs({ since or until_, until_ }) do
    if not git.has(repo, sha) then
      reject(404, 1014, "no commit %s", sha)
    end
  end
  local commits = git.log(repo, since, until_)
  return 200, { commits = json.array(commits or {}) }
end

H["GET scm/status"] = function(cx)
  local record = cx.platform:own(cx.caller, cx.owner, cx.name)
  return 200, scm.status(cx.platform, record, cx.origin)
end

local function by_id(cx)
  if not cx.by_id then reject(404, 1009, "secrets are reached by id only") end
end

-- An admin key does here as well.
local function manage_secrets(cx)
  if cx.caller.kind ~= "admin" then manage(cx) end
  by_id(cx)
end

H["GET secrets"] = function(cx)
  by_id(cx)
  local list = secrets.list(cx.platform, cx.caller, cx.owner, cx.name)
  return 200, { results = list, secrets = list }
end

H["POST secrets"] = function(cx)
  manage_secrets(cx)
  return 200, secrets.create(cx.platform, cx.caller, cx.owner, cx.name,
    request.object(cx.req, 8000))
end

H["PUT secrets/ID"] = function(cx)
  manage_secrets(cx)
  return 200, secrets.update(cx.platform, cx.caller, cx.owner, cx.name,
    cx.rest[2], request.object(cx.req, 8000))
end

H["DELETE secrets/ID"] = function(cx)
  manage_secrets(cx)
  secrets.delete(cx.platform, cx.caller, cx.owner, cx.name, cx.rest[2])
  return 204
end

-- "builds/x/logs" -> "builds/ID/logs"
local function shape(rest)
  if #rest == 0 then return "" end
  if rest[1] == "builds" or rest[1] == "versions" or rest[1] == "secrets" then
    if #rest == 2 then return rest[1] .. "/ID" end
    if #rest == 3 then return rest[1] .. "/ID/" .. rest[3] end
  end
  return table.concat(rest, "/")
end

-- What an admin key may do here as well.
local ADMIN_TOO = { ["GET scm/status"] = true, ["DELETE "] = true,
  ["POST secrets"] = true, ["PUT secrets/ID"] = true,
  ["DELETE secrets/ID"] = true }

local function create(cx, owner)
  manage(cx)
  local body = request.object(cx.req)
  local doc = cx.platform:create(cx.caller, owner, body)
  return cx.options.create_status or 201, doc
end

--- Serves a request below /v1/algorithms; nil if there is no such route.
---@async
function M.serve(cx)
  local segs = cx.segs
  local a, b = segs[3], segs[4]
  if not a then return nil end
  if a == ".my" then a = cx.caller.username end
  local from
  if rules.is_uuid(a) then
    if cx.method == "POST" and not b then return nil end
    cx.by_id, from = true, 4
  elseif b then
    cx.owner, cx.name, from = a, b, 5
  elseif cx.method == "POST" then
    return create(cx, a)
  else
    return nil
  end
  cx.rest = table.move(segs, from, #segs, 1, {})
  local route = cx.method .. " " .. shape(cx.rest)
  local handler = H[route]
  if not handler then return nil end
  if not ADMIN_TOO[route] then keys.standard(cx.caller, cx.options) end
  if cx.by_id then cx.owner, cx.name = cx.platform:by_id(a:lower()) end
  return handler(cx)
end

return M
