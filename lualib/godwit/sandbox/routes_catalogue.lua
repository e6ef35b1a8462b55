local err = require("godwit.err")
local fs = require("godwit.core.fs")
local json = require("godwit.core.json")
local process = require("godwit.core.process")
local sys = require("godwit.core.sys")
local keys = require("godwit.sandbox.keys")
local organizations = require("godwit.sandbox.routes_organizations")
local rules = require("godwit.cluster.platform.rules")
local scms = require("godwit.sandbox.routes_scms")
local secrets = require("godwit.cluster.platform.secrets")
local template = require("godwit.cluster.platform.template")
local users = require("godwit.sandbox.routes_users")

--- Languages, environments, SCMs, algorithms of an owner and secret providers.
local M = {}

local reject = rules.reject

local function languages(cx)
  return 200, cx.platform.store:read("languages.json") or json.array({})
end

local function environments_of(cx, language)
  local known = false
  for _, l in ipairs(cx.platform.store:read("languages.json") or {}) do
    known = known or l.name == language
  end
  if not known then reject(404, 4001, "unknown language %s", language) end
  local list = json.array({})
  for _, env in ipairs((cx.platform.store:environments())) do
    if env.language and env.language.name == language then
      list[#list + 1] = env
    end
  end
  return 200, { environments = list }
end

--- A template as tar.gz, packed by tar from files in our own folder.
---@async
local function send_template(cx, spec)
  local language
  for _, env in ipairs((cx.platform.store:environments())) do
    if env.environment_specification_id == spec then
      language = env.language and env.language.name
    end
  end
  if not language then reject(404, 4001, "no environment specification") end
  local dir = cx.platform.store.dir .. "/run/template-" .. sys.random_hex(8)
  local clean <close> = setmetatable({}, { __close = function()
    fs.remove_tree(dir)
  end })
  for _, f in ipairs(template.raw_files(language)) do
    err.check(fs.mkdir(dir .. "/" .. (f.path:match("^(.*)/") or ""), 448))
    err.check(fs.write(dir .. "/" .. f.path, f.data, 420))
  end
  local p <close> = err.check(process.start({
    argv = { "tar", "-C", dir, "--sort=name", "--owner=0", "--group=0",
      "--numeric-owner", "--mtime=@0", "-czf", "-", "." },
    env = { PATH = sys.env("PATH") or "/usr/bin:/bin", LC_ALL = "C" },
    stdout = true,
  }))
  cx.req:start(200, { ["Content-Type"] = "application/gzip" })
  while true do
    local chunk = p:read()
    if not chunk then break end
    if not cx.req:write(chunk) then return "done" end
  end
  if p:wait() == 0 then cx.req:finish() end
  return "done"
end

local function environments(cx, first)
  local segs = cx.segs
  local a, b, c, d = segs[first], segs[first + 1], segs[first + 2],
    segs[first + 3]
  if cx.method ~= "GET" or d then return nil end
  if a == "environment-specifications" and b and c == "template" then
    return send_template(cx, b)
  end
  cx:authenticate()
  if a == "environments" and b == "available" and not c then
    keys.admin(cx.caller, cx.options)
    return 200, (cx.platform.store:environments())
  elseif a == "environments" and b == "current" and not c
    and segs[1] == "webapi" then
    return 200, (cx.platform.store:environments())
  elseif a == "languages" and not b then
    keys.standard(cx.caller, cx.options)
    return languages(cx)
  elseif a == "languages" and c == "environments" then
    keys.standard(cx.caller, cx.options)
    return environments_of(cx, b)
  end
  return nil
end

local function owner_algorithms(cx, owner)
  if cx.method ~= "GET" then return nil end
  cx:authenticate()
  if owner == ".my" then owner = cx.caller.username end
  return 200, cx.platform:list(cx.caller, owner)
end

local function secret_providers(cx)
  if cx.method ~= "GET" then return nil end
  cx:authenticate()
  keys.standard(cx.caller, cx.options)
  return 200, secrets.providers(cx.platform)
end

-- Parts of the contract this sandbox does not serve.
local NOT_SERVED = { ["users/event-listeners"] = true,
  ["organizations/algorithms-host-usernames"] = true }
local ADMIN = { users = true, scms = true }

local function is_served(segs)
  if segs[2] == "admin" then return ADMIN[segs[3]] == true end
  return not NOT_SERVED[("%s/%s"):format(segs[2], segs[4])]
end

local function accounts(cx)
  local segs = cx.segs
  if segs[2] == "users" then return users.serve(cx) end
  if segs[2] == "organizations" then return organizations.serve(cx) end
  if segs[2] == "organization" then return organizations.serve_types(cx) end
  if segs[2] == "admin" and segs[3] == "users" then
    return users.serve_admin(cx)
  elseif segs[2] == "admin" and segs[3] == "scms" then
    return scms.serve_admin(cx)
  end
end

--- Serves a request that is about no algorithm; nil: no such route.
---@async
function M.serve(cx)
  local segs = cx.segs
  if segs[1] == "webapi" and segs[2] == "v1"
    and segs[3] == "algorithm-environments" then
    return environments(cx, 4)
  elseif segs[1] == "admin" and segs[2] == "roles" then
    return users.serve_roles(cx)
  elseif segs[1] ~= "v1" then
    return nil
  elseif segs[2] == "algorithm-environments" and segs[3] == "edge" then
    return environments(cx, 4)
  elseif segs[2] == "scms" then
    return scms.serve(cx)
  elseif segs[2] == "users" and segs[4] == "algorithms" and not segs[5] then
    return owner_algorithms(cx, segs[3])
  elseif segs[2] == "secret-provider" and not segs[3] then
    return secret_providers(cx)
  end
  local status, doc = accounts(cx)
  if status then return status, doc end
  if not is_served(segs) then
    cx:authenticate()
    reject(501, 5005, "not implemented")
  end
  return nil
end

return M
