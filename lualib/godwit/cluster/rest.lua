local address = require("godwit.cluster.address")
local api_error = require("godwit.cluster.api_error")
local http = require("godwit.http")
local json = require("godwit.core.json")
local limiter = require("godwit.limiter")
local retry = require("godwit.http.retry")
local sealed = require("godwit.cluster.sealed")

--- cluster.rest: one request to a cluster's API, and what its answer means.
---
--- Every request of a cluster waits for a permit of its one limiter. Reads are
--- retried below; a write is sent once and never again here: whether it
--- happened is for its effect to find out. An answer is decoded, or raised as
--- what it refuses.
---@class godwit.cluster.Rest
---@field profile table
---@field address godwit.cluster.Address
---@field limiter table
local Rest = {}
Rest.__index = Rest

local M = {}

local MAX_ANSWER = 64 * 1024 * 1024
local MAX_DEPTH = 200
local TRANSFER = 120 -- seconds, beside the time an answer may take

---@param profile table
---@param where godwit.cluster.Address
---@return godwit.cluster.Rest
function M.new(profile, where)
  return setmetatable({
    profile = profile,
    address = where,
    limiter = limiter.of(profile.id or where.origin,
      { max = profile.max_in_flight }),
  }, Rest)
end

-- The body with one more field.
local function with_secret(doc, one)
  local out = {}
  for k, v in pairs(doc) do
    out[k] = v
  end
  out[one.field] = one.value
  return out
end

local function body_of(opts, headers)
  if opts.bytes then
    headers["Content-Type"] = opts.content_type
    return opts.bytes
  elseif opts.body then
    headers["Content-Type"] = "application/json"
    return sealed.encode(opts.secret and with_secret(opts.body, opts.secret)
      or opts.body)
  end
  return nil
end

---@async
function Rest:exchange(method, url, key, opts)
  local profile = self.profile
  local headers = { Accept = "application/json" }
  local body = body_of(opts, headers)
  local request = {
    headers = headers,
    body = body,
    auth = key,
    auth_scheme = profile.auth_scheme or "Simple",
    expect = "any",
    limiter = self.limiter,
    max_body = opts.max_body or MAX_ANSWER,
    answer_timeout = opts.answer_timeout,
    timeout = TRANSFER + (opts.answer_timeout or 0),
    tls = { ca = profile.ca, cert = profile.cert,
      cert_key = profile.cert_key, insecure = profile.insecure },
    proxy = profile.proxy,
    no_proxy = profile.no_proxy,
  }
  if method ~= "GET" and method ~= "HEAD" then
    request.retry, request.redirects = false, false
  end
  return http.request(method, url, request)
end

-- A decoded answer, or nil and why it is not JSON. An empty one is an empty
-- document: writes and refusals may have nothing to say. Of a read that says
-- nothing nobody knows what there is: as a page it would end a list early.
local function decode(response, method)
  local text = response.body or ""
  if text:find("^%s*$") then
    if method == "GET" and response.status >= 200 and response.status <= 299
    then
      return nil, "there is none"
    end
    return {}
  end
  local doc, e = json.decode(text, { depth = MAX_DEPTH, max = MAX_ANSWER })
  if e ~= nil then
    return nil, tostring(e.message or e)
  end
  return doc
end

-- An answer that lacks what it is for tells nothing of what became of a write.
-- A 202 has been told to wait.
local function lacks(doc, response, want)
  return want and response.status ~= 202
    and (type(doc) ~= "table" or doc[want] == nil)
end

-- When to come back stands beside every answer, a proxy's web page, too.
local function refuse(e, response)
  e.retry_after = retry.after(response.headers)
  error(e, 0)
end

-- A refusal without a body (of a HEAD) has its text in a header.
local function said_in_header(response)
  local text = response.headers["x-error-message"]
  return text and #text < 1000
    and { message = (text:gsub("[^\x20-\x7e]", "?")) } or nil
end

-- Of a file nothing is decoded unless it is an error.
local function is_raw(opts, status)
  return opts.raw and status >= 200 and status <= 299
end

--- Sends a request. Returns the decoded answer of a success (with `raw` its
--- bytes); raises anything else, also an error that came inside a 2xx. `want`
--- names the field a success must have; `seal` the one with a credential, which
--- is opaque from here on and in no error.
---@async
---@param method string
---@param path string
---@param key any  A secret
---@param opts { want: string?, raw: boolean?, max_body: integer?, base: string?, query: table?, body: table?, secret: { field: string, value: any }?, bytes: string?, content_type: string?, answer_timeout: number?, seal: { field: string, label: string, origins: string[] }? }
---@return any doc, table response
function Rest:send(method, path, key, opts)
  local url = (opts.base or self.address.api) .. path
    .. address.query(opts.query)
  local request = { method = method, url = url }
  local response = self:exchange(method, url, key, opts)
  local status = response.status
  if is_raw(opts, status) then
    return response.body or "", response
  end
  local doc, why = decode(response, method)
  if doc == nil then
    -- What a parser says may quote the answer.
    refuse(api_error.unreadable(request, status, response.body,
      not opts.seal and why or nil), response)
  elseif opts.seal then
    sealed.seal(doc, opts.seal.field, opts.seal.label, opts.seal.origins)
    response.body = nil
  end
  local problem = api_error.find(status, doc)
    or status > 299 and said_in_header(response)
  if problem then
    refuse(api_error.new(request, status, problem), response)
  elseif status < 200 or status > 299 then
    refuse(api_error.unreadable(request, status, response.body or ""),
      response)
  elseif lacks(doc, response, opts.want) then
    refuse(api_error.unreadable(request, status, response.body or "",
      "there is no " .. opts.want), response)
  end
  return doc, response
end

return M
