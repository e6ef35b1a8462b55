local err = require("godwit.err")
local log = require("godwit.log")
local task = require("godwit.core.task")
local algorithms = require("godwit.sandbox.routes_algorithms")
local answers = require("godwit.sandbox.answers")
local calls = require("godwit.sandbox.routes_call")
local catalogue = require("godwit.sandbox.routes_catalogue")
local data = require("godwit.sandbox.routes_data")
local data_path = require("godwit.sandbox.data_path")
local git_http = require("godwit.sandbox.git_http")
local request = require("godwit.sandbox.request")
local rules = require("godwit.cluster.platform.rules")
local webhook = require("godwit.sandbox.webhook")

--- One request: from what came over the wire to a handler, and from what the
--- handler returns or raises to an answer. Whatever a client sends, the worst
--- it sees is an error document.
local M = {}

local reject = rules.reject

local Context = {}
Context.__index = Context

--- Sets the caller, or refuses.
function Context:authenticate()
  self.caller = self.keys:authenticate(self.req.headers.authorization)
end

local function origin_of(server, req)
  local host = req.headers.host
  if host and #host < 300 and host:find("^[%w.:%[%]-]+$") then
    return "http://" .. host
  end
  return server.api
end

local function dispatch(cx)
  local segs = cx.segs
  if not segs then
    return data.serve(cx)
  elseif segs[1] == "git" then
    return git_http.serve(cx)
  elseif webhook.is(cx) then
    return webhook.serve(cx)
  elseif segs[1] == "v1" and segs[2] == "algorithms" and segs[3]
    and not cx.slash then
    cx:authenticate()
    return algorithms.serve(cx)
  elseif segs[1] == "v1" and segs[2] == "algo" then
    return calls.serve(cx)
  elseif segs[1] == "v1" and segs[2] == "hostedData" then
    return data.hosted(cx)
  end
  return catalogue.serve(cx)
end

--- Faults that were asked for: a delay, and every n-th request refused.
local function inject(server)
  local o = server.options
  server.count = server.count + 1
  if o.delay and o.delay > 0 then task.sleep(o.delay) end
  local limit = o.rate_limit
  if limit and server.count % (limit.every or 2) == 0 then
    local status = limit.status or 429
    error(err.new({ kind = "limit", op = "sandbox", status = status,
      code = status == 429 and 2015 or 5001, platform = true,
      message = "told to refuse this request",
      headers = { ["Retry-After"] = tostring(limit.retry_after or 1) },
    }), 0)
  end
end

local function answer(server, req)
  inject(server)
  local segs, slash
  if not data_path.is(req.path) then -- which has rules of its own
    segs, slash = request.segments(req.path)
  end
  local cx = setmetatable({
    req = req, path = req.path, segs = segs, slash = slash,
    method = req.method == "HEAD" and "GET" or req.method,
    query = request.query(req.query), platform = server.platform,
    keys = server.keys, options = server.options,
    origin = origin_of(server, req),
  }, Context)
  local status, doc, headers = dispatch(cx)
  if status == "done" then return end
  if not status then reject(404, 2015, "no such resource") end
  if doc == nil then return answers.empty(req, status, headers) end
  answers.json(req, status, doc, headers)
end

--- Answers one request.
---@async
function M.handle(server, req)
  local ok, e = xpcall(answer, err.traced, server, req)
  if ok then return end
  if err.is(e, "cancelled") then error(e, 0) end
  if not (err.is(e) and e.platform) then
    log.warn("sandbox: %s %s: %s", req.method, req.path, tostring(e))
    if err.is(e) and e.traceback then log.debug("%s", e.traceback) end
  end
  local status, doc, headers = answers.of_error(e, server.options)
  -- an answer that had begun cannot be taken back: it is cut instead
  pcall(answers.json, req, status, doc, headers)
end

return M
