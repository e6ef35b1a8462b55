--- Makes a profile, the table drivers open a cluster with, out of the fields
--- of a configuration: addresses checked, keys turned into opaque secrets
--- that are bound to the profile's own origins.
local err = require("godwit.err")
local keys_file = require("godwit.config.keys_file")
local secret = require("godwit.core.secret")
local url = require("godwit.core.http").url
local places = require("godwit.config.places")
local source = require("godwit.config.source")

local M = {}

---@class godwit.config.Place
---@field name string Printed name.
---@field fields table As in the configuration.
---@field label string Where they are from.
---@field folder? string Base of relative paths.
---@field private? string A file that must not be readable by others.
---@field secrets? fun(name: string): userdata A secret of the user's by name.

local function parse(text, what)
  local parts = url.parse(text)
  if not parts or parts.scheme ~= "https" and parts.scheme ~= "http"
    or not parts.host or parts.host == "" then
    err.throw("usage", "%s: '%s' is not an address; write "
      .. "https://api.DOMAIN", what, text)
  end
  if parts.query then
    err.throw("usage", "%s: an address has no '?'", what)
  end
  return parts
end

--- Splits an address: the API base without user and slash, its origin, and
--- the user name. A password in it is refused.
---@param text string
---@param what string
---@return string base
---@return string origin
---@return string|nil user
function M.address(text, what)
  local authority = text:match("^%a[%w+.-]*://([^/?#]*)@")
  if authority and authority:find(":", 1, true) then
    err.throw("usage", "%s: a key or password never stands in an address; "
      .. "name a profile, or set SOURCE_ACCOUNT_API_KEY or "
      .. "DEST_ACCOUNT_API_KEY", what)
  end
  local user = authority and url.decode(authority)
  local parts = parse((text:gsub("^(%a[%w+.-]*://)[^/?#]*@", "%1")), what)
  local path = (parts.path or ""):gsub("/+$", ""):gsub("/v1$", "")
  return parts.origin .. path, parts.origin, user
end

local function git_base(api, git, what)
  if git then
    return (M.address(git, what))
  end
  local other, changed = api:gsub("//api%.", "//git.", 1)
  return changed == 1 and other or api
end

local function loopback(origin)
  local host = origin:match("^%a+://%[?([^%]/]-)%]?:?%d*$") or ""
  return host == "localhost" or host == "::1"
    or host:find("^127%.%d+%.%d+%.%d+$") ~= nil
end

local function path_of(place, path)
  if not path then
    return nil
  end
  path = places.expand(path)
  if path:sub(1, 1) ~= "/" and place.folder then
    path = place.folder .. "/" .. path
  end
  return path
end

-- A secret out of one field: literal, source, or a secret's name.
local function secret_of(place, field, v, origins)
  local what = ("%s of '%s' (%s)"):format(field, place.name, place.label)
  if source.is(v) and v.kind == "secret" then
    return place.secrets(v.name, what)
  end
  if place.private then
    source.check_private(place.private, what)
  end
  for _, origin in ipairs(origins) do
    if origin:find("^http:") and not loopback(origin) then
      err.throw("usage", "%s: keys go over plain http to this machine only, "
        .. "and %s is not https", what, origin)
    end
  end
  local text = source.text(v, what, place.folder)
  return secret.new(text, {
    label = place.name .. " " .. field, origins = origins,
  })
end

-- It may go through the profile's own proxy, whatever the proxy does to TLS.
local function make(place, field, v, origins)
  local made = secret_of(place, field, v, origins)
  if place.fields.proxy then
    secret.allow_proxy(made, place.fields.proxy)
  end
  return made
end

-- A file of keys, where owners are looked up; behind it, what is for others.
local function keys_of(place, field, v, origins)
  local path, other = path_of(place, v.name), nil
  local what = ("%s of '%s' (%s)"):format(field, place.name, place.label)
  if v.other ~= nil then
    other = M.key_of(place, field, v.other, origins)
  end
  local find = keys_file.finder(path, what,
    { name = place.name, origins = origins })
  return function(owner)
    local entry = find(owner)
    if entry and (owner ~= nil or other == nil) then
      if place.fields.proxy then
        secret.allow_proxy(entry.key, place.fields.proxy)
      end
      return entry.key
    elseif type(other) == "function" then
      return other(owner)
    end
    return other
  end
end

--- The key itself, or a function of the owner that asks each owner once.
function M.key_of(place, field, v, origins)
  if v == nil then
    return nil
  elseif source.is(v) and v.kind == "keys" then
    return keys_of(place, field, v, origins)
  elseif type(v) ~= "function" then
    return make(place, field, v, origins)
  end
  local known = {}
  return function(owner)
    local at = owner or ""
    if known[at] == nil then
      local ok, result = pcall(v, owner)
      if not ok then
        err.throw("usage", "%s of '%s' (%s) for %s: %s", field, place.name,
          place.label, tostring(owner), tostring(result))
      end
      known[at] = result and make(place, field, result, origins) or false
    end
    return known[at] or nil
  end
end

-- An address that is a host and nothing more: what a credential is for.
local function host_origin(place, address)
  local what = ("hosts of '%s' (%s)"):format(place.name, place.label)
  local base, origin, user = M.address(address, what)
  if user or base ~= origin then
    err.throw("usage", "%s: '%s' is more than a host; write %s", what,
      address, origin)
  end
  return origin
end

local function host_of(place, origin, given)
  local host = { user = given.user, scheme = given.scheme or "Basic",
    ca = path_of(place, given.ca) }
  if given.key ~= nil then
    host.key = make(place, "hosts." .. origin, given.key, { origin })
  end
  return host
end

--- The Git hosts of a cluster whose algorithms are kept elsewhere, by origin.
--- Each credential is bound to its own host.
local function hosts_of(place)
  local hosts = {}
  for address, given in pairs(place.fields.hosts or {}) do
    local origin = host_origin(place, address)
    if hosts[origin] then
      err.throw("usage", "hosts of '%s' (%s) has %s twice", place.name,
        place.label, origin)
    end
    hosts[origin] = host_of(place, origin, given)
  end
  return hosts
end

--- Fields every http profile takes over as they are.
local PLAIN = { "id", "proxy", "no_proxy", "protected", "max_in_flight" }

--- The profile of a place.
---@async
---@param place godwit.config.Place
---@param flags? table ca_cert, client_cert, client_key, insecure of this run
---@return table profile
function M.make(place, flags)
  local f, what = place.fields, ("'%s' (%s)"):format(place.name, place.label)
  flags = flags or {}
  if f.archive then
    return {
      name = place.name, kind = "archive", dir = path_of(place, f.archive),
      id = f.id, protected = f.protected, policy = path_of(place, f.policy),
      label = place.label,
    }
  end
  local api, origin, user = M.address(f.api, what)
  local profile = {
    name = place.name, kind = "http", api = api, origin = origin,
    git = git_base(api, f.git, what), user = f.user or user,
    ca = places.expand(flags.ca_cert or "") ~= "" and flags.ca_cert
      or path_of(place, f.ca),
    cert = flags.client_cert or path_of(place, f.cert),
    cert_key = flags.client_key or path_of(place, f.cert_key),
    insecure = flags.insecure or f.insecure or false,
    policy = path_of(place, f.policy), label = place.label,
  }
  for _, name in ipairs(PLAIN) do
    profile[name] = f[name]
  end
  if profile.insecure and profile.protected then
    err.throw("usage", "'%s' is protected, so --insecure is refused; give "
      .. "its authority with --ca-cert instead", place.name)
  end
  local _, git_origin = M.address(profile.git, what)
  local origins = { origin, git_origin ~= origin and git_origin or nil }
  profile.key = M.key_of(place, "key", f.key, origins)
  profile.admin_key = M.key_of(place, "admin_key", f.admin_key, origins)
  if f.bearer_token then
    profile.key = M.key_of(place, "bearer_token", f.bearer_token, origins)
    profile.auth_scheme = "Bearer"
  end
  profile.hosts = hosts_of(place)
  return profile
end

return M
