--- rights: what the script of this process may reach. Nothing is narrowed until
--- a file with permissions is read; then nothing is reached while its top level
--- runs, and what its head declares from there on.
---
--- The host enforces it (net/guard.h, tree/access.h, base/budget.h); here it is
--- told to, and clusters and secrets, which it does not know by name, are
--- asked for. A task that acts for a person (a policy's) is not a script.

local acts_for_person = require("godwit.core.task").acts_for_person
local address = require("godwit.cluster.address")
local effect = require("godwit.effect")
local err = require("godwit.err")
local folder = require("godwit.core.folder")
local guard = require("godwit.core.http").guard
local url = require("godwit.core.http").url

local M = {}

local shut        -- why nothing is reached
local declared    -- godwit.workflow.Permissions
local file        -- for messages

--- Nothing is reached from here on.
---@param name string The file's.
function M.shut(name)
  file = name
  shut = name .. " has \"permissions =\" and \"run =\" in it: at the top level "
    .. "of such a file nothing is reached; what it does belongs into run(cx)"
  err.check(guard.shut(shut))
end

--- The file turned out to have no permissions.
function M.open()
  shut = nil
  err.check(guard.shut())
end

--- Whether this run is held to permissions.
---@return boolean
function M.are_declared()
  return declared ~= nil
end

local function values_of(path, values)
  local name = path:match("^%$(.*)$")
  local value = name and values[name]
  if not name then
    return { path }
  elseif value == nil then
    return {}
  end
  return type(value) == "table" and value or { value }
end

--- From here on what these permissions say, and nothing else.
---@param p godwit.workflow.Permissions
---@param values table<string, any> Of the parameters.
---@param name string The file's.
function M.declare(p, values, name)
  declared, shut, file = p, nil, name
  err.check(guard.rule())
  for _, host in ipairs(p.hosts) do
    local verbs = table.concat(host.verbs, " ")
    err.check(guard.rule(host.place, verbs, ("hosts[%q] = %s"):format(
      host.place, verbs)))
  end
  folder.restrict(true)
  for _, mode in ipairs { "read", "write" } do
    for _, path in ipairs(p[mode]) do
      for _, one in ipairs(values_of(path, values)) do
        err.check(folder.allow(one, mode == "write"))
      end
    end
  end
end

--- The budgets begin to count; what was used until then is in them, the time is
--- not: a person may have been asked something.
function M.begin()
  guard.budget(declared.budgets)
end

local function allow(place, verbs, says)
  local parts = place and url.parse(place)
  if parts then
    err.check(guard.rule(parts.origin, verbs, says))
  end
end

local function know(profile)
  for _, name in ipairs { "proxy", "ca", "cert", "cert_key" } do
    guard.know(profile[name])
  end
  for _, host in pairs(profile.hosts or {}) do
    guard.know(host.ca)
  end
end

-- A cluster that was declared: its API, its repositories, its Git hosts.
local function admit(profile, mode, says)
  local verbs = mode == "write" and "*" or "GET"
  if mode == "write" then
    effect.allow_write(profile.name)
  end
  if profile.kind ~= "http" then
    return
  end
  local where = address.of(profile)
  allow(where.api, verbs, says)
  allow(where.git, verbs, says)
  allow(where.web, "GET", says)
  for origin, host in pairs(profile.hosts or {}) do
    allow(origin, host.key and verbs or "GET", says)
  end
  know(profile)
end

local function deny(fmt, ...)
  err.throw("denied", "%s", fmt:format(...))
end

--- May the cluster of this parameter be opened? Then it is.
---@param param string
---@param profile fun(): table
---@return table profile
function M.param(param, profile)
  if not declared then
    return profile()
  end
  local mode = declared.params[param]
  if not mode then
    deny("the permissions in the head of %s do not name the cluster of the "
      .. "parameter %s; add clusters = { %s = \"read\" }, or \"write\"", file,
      param, param)
  end
  local made = profile()
  admit(made, mode, ("clusters.%s = %q"):format(param, mode))
  return made
end

--- The same for a cluster that a script names.
---@param spec any
---@param profile fun(): table
---@return table profile
function M.cluster(spec, profile)
  if acts_for_person() or not shut and not declared then
    return profile()
  elseif shut then
    deny("godwit.cluster: %s", shut)
  end
  local mode = declared.clusters[spec]
  if not mode then
    deny("the permissions in the head of %s do not name the cluster '%s'; add "
      .. "clusters = { [%q] = \"read\" }, or \"write\"", file, tostring(spec),
      tostring(spec))
  end
  local made = profile()
  admit(made, mode, ("clusters[%q] = %q"):format(spec, mode))
  return made
end

--- May a script have this secret?
---@param name any
function M.secret(name)
  if acts_for_person() or not shut and not declared then
    return
  elseif shut then
    deny("godwit.secret: %s", shut)
  end
  for _, known in ipairs(declared.secrets) do
    if known == name then
      return
    end
  end
  deny("the permissions in the head of %s do not name the secret '%s'; add "
    .. "secrets = { %q }", file, tostring(name), tostring(name))
end

--- What a person adds so that a cluster may be written to; nil without
--- permissions.
---@param name string The cluster's.
---@return string?
function M.how_to_write(name)
  if not declared or acts_for_person() then
    return nil
  end
  return ("the permissions in the head of %s let it read %s only; its entry "
    .. "in clusters would say \"write\""):format(file, name)
end

--- Raises when a script with permissions names a policy: those are a person's.
---@param name any
function M.policy(name)
  if name ~= nil and declared and not acts_for_person() then
    deny("a script with permissions names no policy itself (%s); a profile's "
      .. "configuration does", tostring(name))
  end
end

return M
