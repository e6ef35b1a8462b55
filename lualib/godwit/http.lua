local core = require("godwit.core.http")
local core_task = require("godwit.core.task")
local err = require("godwit.err")
local json = require("godwit.core.json")
local methods = require("godwit.methods")
local redirect = require("godwit.http.redirect")
local retry = require("godwit.http.retry")

--- HTTP requests. Every function waits without blocking other tasks. A status
--- outside `expect` raises, and so does no answer at all.
local M = {}

--- Set in plan mode: is given every request that may change something instead
--- of it being sent. `hook{method=, url=, opts=, write=}`; `write()` sends.
---@type fun(request: table): any
M.plan_hook = nil

local TIMEOUT = 60
local MAX_REDIRECTS = 10
local MAX_URL = 32768

---@class godwit.http.Opts
---@field json? any Sent as JSON.
---@field body? string|(string|godwit.Secret)[] Of a list, texts are sent as they
--- are and secrets as JSON strings.
---@field from_file? string The body is this file's. Only of _transfer.
---@field query? table|string Values are encoded; an array repeats its name.
---@field headers? table<string, string>
---@field auth? any A secret.
---@field auth_scheme? string "Bearer", "Simple", "Basic", "" or any word. Default: the
--- secret's own, else "Bearer".
---@field auth_user? string For "Basic".
---@field auth_header? string Default "Authorization".
---@field expect? "any"|integer|integer[] Default: 200 to 299.
---@field timeout? number Seconds for the whole exchange, each attempt. Default
--- 60, and answer_timeout on top; none with from_file and to_file.
---@field connect_timeout? number Default 30.
---@field stall_timeout? number Seconds in which nothing moves. Default 60.
---@field answer_timeout? number From the last byte sent to the first of the answer.
---@field retry? false|integer|godwit.http.Retry
---@field idempotent? boolean It may be repeated though its method says no.
---@field to_file? string The answer's body goes there. Only of _transfer.
---@field max_body? integer Bytes. Default 64 MiB; of a file 1 TiB.
---@field redirects? integer|false How many are followed. Default 10.
---@field limiter? godwit.Limiter
---@field tls? { ca: string?, cert: string?, cert_key: string?, insecure: boolean? }
---@field proxy? string
---@field no_proxy? string

local OPTIONS = {}
for name in ([[json body from_file query headers auth auth_scheme auth_user
  auth_header expect timeout connect_timeout stall_timeout answer_timeout retry
  idempotent to_file max_body redirects limiter tls ca cert cert_key insecure proxy
  no_proxy fresh method url]]):gmatch("%S+") do
  OPTIONS[name] = true
end

local TLS = { ca = true, cert = true, cert_key = true, insecure = true }
local FILES = { from_file = true, to_file = true }

local PASSED_ON = { "auth", "auth_scheme", "auth_user", "auth_header",
  "connect_timeout", "stall_timeout", "answer_timeout", "max_body", "ca", "cert",
  "cert_key", "insecure", "proxy", "no_proxy", "fresh", "idempotent" }

-- --- the request ----------------------------------------------------------

local function scalar(name, v)
  local kind = math.type(v)
  if kind == "float" and v == math.floor(v) and math.abs(v) < 2 ^ 53 then
    v = math.tointeger(v)
  end
  if type(v) ~= "string" and type(v) ~= "number" and type(v) ~= "boolean" then
    error(("bad query value '%s' (%s)"):format(name, type(v)), 0)
  end
  return core.url.encode(name) .. "=" .. core.url.encode(tostring(v))
end

--- The query part for a table: names sorted, arrays repeated.
---@param query table|string|nil
---@return string? Without the question mark; nil if there is none.
function M.query(query)
  if query == nil or type(query) == "string" then return query end
  local names, parts = {}, {}
  for name in pairs(query) do
    names[#names + 1] = name
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local v = query[name]
    if type(v) ~= "table" then v = { v } end
    for _, one in ipairs(v) do
      if one ~= json.null then parts[#parts + 1] = scalar(name, one) end
    end
  end
  return #parts > 0 and table.concat(parts, "&") or nil
end

-- A letter outside ASCII is written as it is meant; the rest must be encoded
-- by who made the address.
local function address(url, query)
  if type(url) ~= "string" then
    error("bad url (string expected, got " .. type(url) .. ")", 0)
  end
  url = url:gsub("#.*$", ""):gsub("[\x80-\xff ]", function(c)
    return ("%%%02X"):format(c:byte())
  end)
  local q = M.query(query)
  if q and q ~= "" then url = url .. (url:find("?", 1, true) and "&" or "?") .. q end
  if #url > MAX_URL then err.throw("usage", "the address is %d bytes long", #url) end
  return url
end

local function has_header(headers, name)
  for k in pairs(headers) do
    if k:lower() == name then return true end
  end
  return false
end

local function set_body(req, opts)
  if opts.json ~= nil then
    if opts.body or opts.from_file then error("both json and another body are given", 0) end
    req.body = json.encode(opts.json)
    if not has_header(req.headers, "content-type") then
      req.headers["Content-Type"] = "application/json"
    end
    if not has_header(req.headers, "accept") then
      req.headers.Accept = "application/json"
    end
    return
  end
  req.body = opts.body
  req.body_file = opts.from_file
end

--- What core.send is given.
local function build(method, url, opts)
  local req = { method = method, url = address(url, opts.query), headers = {} }
  for name, value in pairs(opts.headers or {}) do
    req.headers[name] = value
  end
  for _, name in ipairs(PASSED_ON) do
    req[name] = opts[name]
  end
  for name, value in pairs(opts.tls or {}) do
    req[name] = value
  end
  set_body(req, opts)
  req.sink_file = opts.to_file
  req.timeout = opts.timeout
  if opts.to_file then
    req.max_body = req.max_body or 1 << 40
  elseif not opts.from_file then
    -- Who allows an answer half an hour does not mean to end it after a minute.
    req.timeout = req.timeout or math.max(TIMEOUT, opts.stall_timeout or 0)
      + (opts.answer_timeout or 0)
  end
  return req
end

-- --- the answer -----------------------------------------------------------

--- Header names in any spelling.
local Headers = {
  __index = function(t, name)
    return type(name) == "string" and rawget(t, name:lower()) or nil
  end,
}

---@class godwit.http.Response
---@field status integer
---@field headers table<string, string> Asked for in any spelling.
---@field body string Empty when it went to a file.
---@field url string Where it came from, after redirects.
---@field method string
local Response = {}
Response.__index = methods.of(Response)
Response.__name = "response"

-- The beginning of a text on one line, for a message; its bytes may be any.
local function glimpse(text, max)
  local cut = #text > max * 4
  text = text:sub(1, max * 4):gsub("[%c%s]+", " "):gsub("^ ", "")
  cut = cut or #text > max
  if cut then text = text:sub(1, max):gsub("[\xc0-\xff][\x80-\xbf]*$", "") end
  if not utf8.len(text) then text = text:gsub("[\x80-\xff]", "?") end
  return cut and text .. "…" or text
end

--- The body as JSON; raises `remote` when it is something else.
---@return any
function Response:json()
  local v, e = json.decode(self.body)
  if not e then return v end
  local kind = (self.headers["content-type"] or "no type"):match("^[^;]*")
  error(err.new({
    kind = "remote",
    op = "http",
    message = ("%s %s answered %d with %s instead of JSON: %s"):format(
      self.method, self.url, self.status, glimpse(kind, 60),
      self.body == "" and "(empty)" or glimpse(self.body, 80)),
    status = self.status,
    method = self.method,
    url = self.url,
    response = self,
    cause = e,
    retryable = false,
  }), 0)
end

local function is_expected(status, expect)
  if expect == "any" then return true end
  if expect == nil then return status >= 200 and status <= 299 end
  if type(expect) == "number" then return status == expect end
  for _, one in ipairs(expect) do
    if status == one then return true end
  end
  return false
end

local KINDS = { [401] = "auth", [403] = "auth", [404] = "notfound", [409] = "conflict",
  [429] = "limit" }

-- What a server says about its refusal, in one line.
local function said(response)
  local kind = response.headers["content-type"] or ""
  if kind:find("json", 1, true) then
    local doc = json.decode(response.body, { max = 65536, depth = 32 })
    if type(doc) == "table" then
      local inner = type(doc.error) == "table" and doc.error or doc
      local text = inner.message or inner.detail or inner.error or inner.error_description
      if type(text) == "string" then return glimpse(text, 160) end
    end
  end
  if kind:find("html", 1, true) then return "(an HTML page)" end
  return glimpse(response.body or "", 120)
end

local function status_error(response)
  local status = response.status
  local text = said(response)
  return err.new({
    kind = KINDS[status] or "remote",
    op = "http",
    message = ("%s %s answered %d%s"):format(response.method, response.url, status,
      text ~= "" and ": " .. text or ""),
    status = status,
    retryable = status == 429 or (status >= 500 and status ~= 501 and status ~= 505),
    retry_after = retry.after(response.headers),
    request_id = response.headers["x-request-id"],
    response = response,
    method = response.method,
    url = response.url,
    sent = true,
  })
end

-- --- sending --------------------------------------------------------------

local BUSY = { [429] = true, [503] = true }

local function outcome_of(r, e)
  if r then return BUSY[r.status] and "busy" or "ok" end
  return e.kind == "net" and e.retryable and "busy" or "none"
end

-- One exchange under a permit. However it ends, the permit comes back.
local function send(req, limiter)
  if not limiter then return core.send(req) end
  local permit = limiter:acquire()
  local ok, r, e = pcall(core.send, req)
  if not ok then
    limiter:release(permit, "none")
    error(r, 0)
  end
  local after = r and BUSY[r.status] and retry.after(r.headers)
  if after then limiter:pause(after) end
  local timed = req.method == "GET" and not req.sink_file and not req.answer_timeout
  limiter:release(permit, outcome_of(r, e), timed)
  return r, e
end

local function as_response(r, req)
  r.method, r.url = req.method, req.url
  setmetatable(r.headers, Headers)
  return setmetatable(r, Response)
end

--- Sends until there is an answer worth having, or no sense in more attempts.
local function attempts(req, policy, limiter)
  local waited, n = 0, 0
  while true do
    n = n + 1
    local r, e = send(req, limiter)
    if r then as_response(r, req) end
    if e and err.is(e, "cancelled") then error(e, 0) end
    local again = n < policy.attempts and retry.is_safe(req, r, e)
    local delay = again and retry.delay(policy, n, r and retry.after(r.headers), waited)
    if not delay then
      if r then return r end
      e.attempts = n
      error(e, 0)
    end
    core_task.sleep(delay)
    waited = waited + delay
  end
end

local function perform(method, url, opts)
  local req = build(method, url, opts)
  local policy = retry.policy(opts.retry)
  local left = opts.redirects == false and 0 or opts.redirects or MAX_REDIRECTS
  local seen = { [req.method .. " " .. req.url] = true }
  while true do
    local r = attempts(req, policy, opts.limiter)
    if redirect.is(r) and opts.redirects ~= false then
      if left == 0 then
        error(err.new({ kind = "remote", op = "http", status = r.status, response = r,
          message = ("%s %s: redirected too often"):format(method, url), sent = true,
          method = method, url = req.url }), 0)
      end
      left = left - 1
      req = redirect.follow(req, r, seen)
    elseif is_expected(r.status, opts.expect) then
      return r
    else
      error(status_error(r), 0)
    end
  end
end

-- A copy that no metatable speaks for: what was checked is what is sent.
local function plain(what, opts, known)
  local copy = {}
  if type(opts) ~= "table" then error(what .. " are a table", 0) end
  for name, value in next, opts do
    if FILES[name] then
      err.throw("denied", "a script has no files: '%s' is not for its requests", name)
    end
    if not known[name] then
      error(("unknown option '%s' of %s"):format(tostring(name), what), 0)
    end
    copy[name] = value
  end
  return copy
end

-- Scripts have no files; see _transfer.
local function own_options(opts)
  opts = plain("an HTTP request", opts, OPTIONS)
  if opts.tls ~= nil then opts.tls = plain("an HTTP request's tls", opts.tls, TLS) end
  return opts
end

--- Sends a request. Raises `auth` (401, 403), `notfound`, `conflict` (409),
--- `limit` (429) or `remote` for a status outside `opts.expect`, with the answer
--- as `response`; `net` or `timeout` when none came, then `sent` says whether the
--- server may have seen it.
---@async
---@param method string Or one table with all of it.
---@param url? string
---@param opts? godwit.http.Opts
---@return godwit.http.Response
function M.request(method, url, opts)
  if type(method) == "table" then
    opts = method
    method, url = rawget(opts, "method") or "GET", rawget(opts, "url")
  end
  if type(method) ~= "string" then error("bad method (string expected, got " .. type(method) .. ")", 0) end
  opts = own_options(opts or {})
  if M.plan_hook and method ~= "GET" and method ~= "HEAD" then
    return M.plan_hook({ method = method, url = address(url, opts.query), opts = opts,
      write = function() return perform(method, url, opts) end })
  end
  return perform(method, url, opts)
end

--- As request, with bodies from and to files; for the library, hidden from
--- scripts.
---@async
---@param method string
---@param url string
---@param opts godwit.http.Opts
---@return godwit.http.Response
function M._transfer(method, url, opts)
  return perform(method, url, opts)
end

--- Sends a GET.
---@async
---@param url string
---@param opts? godwit.http.Opts
---@return godwit.http.Response
function M.get(url, opts) return M.request("GET", url, opts) end

--- Sends a HEAD; the answer has no body.
---@async
---@param url string
---@param opts? godwit.http.Opts
---@return godwit.http.Response
function M.head(url, opts) return M.request("HEAD", url, opts) end

--- Sends a POST.
---@async
---@param url string
---@param opts? godwit.http.Opts
---@return godwit.http.Response
function M.post(url, opts) return M.request("POST", url, opts) end

--- Sends a PUT.
---@async
---@param url string
---@param opts? godwit.http.Opts
---@return godwit.http.Response
function M.put(url, opts) return M.request("PUT", url, opts) end

--- Sends a PATCH.
---@async
---@param url string
---@param opts? godwit.http.Opts
---@return godwit.http.Response
function M.patch(url, opts) return M.request("PATCH", url, opts) end

--- Sends a DELETE.
---@async
---@param url string
---@param opts? godwit.http.Opts
---@return godwit.http.Response
function M.delete(url, opts) return M.request("DELETE", url, opts) end

return M
