local core = require("godwit.core.http")
local err = require("godwit.err")

--- http.redirect: the next request when a server points elsewhere.
---
--- One step at a time, each checked like a request of the caller's own. To
--- another origin go no credentials, and no request that changes something.
local M = {}

local FOLLOWED = { [301] = true, [302] = true, [303] = true, [307] = true, [308] = true }
local READS = { GET = true, HEAD = true }

-- What belongs to the origin that was asked, not to the one it points to.
local CREDENTIALS = { "auth", "auth_scheme", "auth_user", "auth_header", "cert",
  "cert_key", "insecure" }
local CREDENTIAL_HEADERS = { authorization = true, cookie = true,
  ["proxy-authorization"] = true, ["x-api-key"] = true }
local BODY_HEADERS = { ["content-type"] = true, ["content-encoding"] = true,
  ["content-language"] = true, ["content-md5"] = true }

local function refuse(req, response, fmt, ...)
  error(err.new({
    kind = "remote",
    op = "http",
    message = fmt:format(...) .. (" (%s %s)"):format(req.method, req.url),
    status = response.status,
    method = req.method,
    url = req.url,
    response = response,
    retryable = false,
    sent = true,
  }), 0)
end

local function without(headers, names)
  local kept = {}
  for name, value in pairs(headers or {}) do
    if not names[name:lower()] then kept[name] = value end
  end
  return kept
end

--- Whether this answer points elsewhere.
---@param response table
---@return boolean
function M.is(response)
  return FOLLOWED[response.status] ~= nil and response.headers.location ~= nil
end

local function as_get(req)
  req.method = "GET"
  req.body = nil
  req.body_file = nil
  req.headers = without(req.headers, BODY_HEADERS)
end

--- The request to send instead of `req`; raises where it must not be sent.
--- `seen` remembers addresses.
---@param req table
---@param response table
---@param seen table
---@return table
function M.follow(req, response, seen)
  local target, e = core.url.resolve(req.url, response.headers.location)
  local to = target and core.url.parse(target)
  if not to then
    return refuse(req, response, "the server redirects to an unusable address: %s",
      e and e.message or "(none)")
  end
  local from = core.url.parse(req.url)
  if to.has_password then
    return refuse(req, response, "the server redirects to an address with a password")
  end
  if from.scheme == "https" and to.scheme == "http" then
    return refuse(req, response, "the server redirects from https to http, to %s", to.origin)
  end
  local nextreq = {}
  for k, v in pairs(req) do
    nextreq[k] = v
  end
  nextreq.url = target
  local status = response.status
  local read = READS[req.method]
  if to.origin ~= from.origin then
    if not read and status ~= 303 then
      return refuse(req, response, "the server redirects a %s to another place, %s",
        req.method, to.origin)
    end
    for _, name in ipairs(CREDENTIALS) do
      nextreq[name] = nil
    end
    nextreq.headers = without(req.headers, CREDENTIAL_HEADERS)
  end
  if not read and (status == 303 or ((status == 301 or status == 302) and req.method == "POST")) then
    as_get(nextreq)
  end
  local key = nextreq.method .. " " .. target
  if seen[key] then
    return refuse(req, response, "the server redirects in a circle, to %s", target)
  end
  seen[key] = true
  return nextreq
end

return M
