--- doctor.proxy: which proxy a request to an address takes, and who says so.
---
--- The rules are net/http_setup.c's (a proxy of the environment is for the
--- outside) and, below them, libcurl's.
local sys = require("godwit.core.sys")
local url = require("godwit.core.http").url

local M = {}

local VARIABLES = {
  https = { "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY" },
  http = { "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY" },
}

local function first_of(names, env)
  for _, name in ipairs(names) do
    local value = env(name)
    if value and value ~= "" then
      return value, name
    end
  end
  return nil
end

--- A proxy's address for people: never with what stands before an '@'.
---@param text string
---@return string
function M.show(text)
  local scheme, rest = text:match("^(%a[%w+.-]*)://(.*)$")
  rest = (rest or text):gsub("^.*@", ""):match("^[^/?#]*")
  return (scheme or "http"):lower() .. "://" .. rest
end

local function number_of(ip)
  local a, b, c, d = ip:match("^(%d+)%.(%d+)%.(%d+)%.(%d+)$")
  if not a then
    return nil
  end
  return tonumber(a) << 24 | tonumber(b) << 16 | tonumber(c) << 8
    | tonumber(d)
end

local function same_network(host, token)
  local network, bits = token:match("^(.-)/(%d+)$")
  local a, b = number_of(host), number_of(network or token)
  bits = tonumber(bits or 32)
  if not a or not b or bits > 32 then
    return false
  end
  return a >> (32 - bits) == b >> (32 - bits)
end

local function is_named(host, token)
  token = token:gsub("%.$", ""):gsub("^%.", "")
  return host == token or token ~= ""
    and host:sub(-#token - 1) == "." .. token
end

--- Whether a list as in NO_PROXY names a host.
---@param host string
---@param list string
---@return boolean
function M.excludes(host, list)
  host = host:lower():gsub("^%[(.*)%]$", "%1"):gsub("%.$", "")
  if list == "*" then
    return true
  end
  local is_address = number_of(host) or host:find(":", 1, true)
  for token in list:lower():gmatch("[^%s,]+") do
    if not is_address and is_named(host, token) or host == token
      or number_of(host) and same_network(host, token) then
      return true
    end
  end
  return false
end

---@class godwit.doctor.Proxy
---@field proxy? string For people; nil: none.
---@field from? string Who names it, or keeps it away.

--- Which proxy requests of a profile to an address take.
---@param profile { proxy?: string, no_proxy?: string }
---@param address string
---@param env? fun(name: string): string|nil For tests.
---@return godwit.doctor.Proxy
function M.of(profile, address, env)
  env = env or sys.env
  local parts = url.parse(address)
  local value, from = profile.proxy, "its profile"
  if not value then
    if parts.loopback then
      return { from = "this machine itself" }
    end
    value, from = first_of(VARIABLES[parts.scheme], env)
  end
  if not value or value == "" then
    return { from = value and from or nil }
  end
  local list, who = profile.no_proxy, "no_proxy of its profile"
  if not list then
    list, who = first_of({ "no_proxy", "NO_PROXY" }, env)
  end
  if list and M.excludes(parts.host, list) then
    return { from = who }
  end
  return { proxy = M.show(value), from = from }
end

return M
