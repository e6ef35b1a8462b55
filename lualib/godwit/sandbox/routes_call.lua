local json = require("godwit.core.json")
local sys = require("godwit.core.sys")
local calls = require("godwit.cluster.platform.call")
local keys = require("godwit.sandbox.keys")
local request = require("godwit.sandbox.request")
local rules = require("godwit.cluster.platform.rules")

--- POST /v1/algo/OWNER/ALGO[/VERSION] and /v1/algo/ID[/VERSION]. What a call
--- ends with, an algorithm's own error included, comes with status 200.
local M = {}

local reject = rules.reject
local MAX_TIMEOUT = 3000

local function input_of(req)
  local kind = (req.headers["content-type"] or "application/json"):lower()
    :match("^%s*([^;%s]*)")
  local bytes = request.bytes(req, request.MAX_INPUT)
  if kind == "application/json" then
    local value, e = json.decode(bytes, { max = request.MAX_INPUT,
      depth = 500 })
    if value == nil then
      reject(400, 2013, "the input is not JSON: %s",
        tostring(e and e.message or e))
    end
    return { kind = "json", value = value }
  elseif kind == "text/plain" or kind == "application/text" then
    if not utf8.len(bytes) then
      reject(400, 2015, "the input is not text in UTF-8")
    end
    return { kind = "text", value = bytes }
  end
  return { kind = "binary", value = bytes }
end

local function check_timeout(query)
  local t = query.timeout
  if t == nil or t == "" then return end
  local n = t:find("^%d+$") and #t < 10 and tonumber(t)
  if not n or n < 1 or n > MAX_TIMEOUT then
    reject(400, 6001, "timeout must be a number from 1 to %d", MAX_TIMEOUT)
  end
end

local RAW_TYPES = { text = "text/plain; charset=utf-8",
  json = "application/json", binary = "application/octet-stream" }

local function send_raw(cx, a)
  if a.error then
    return 400, { error = a.error, metadata = a.metadata }
  end
  local kind = a.metadata.content_type
  local body = a.raw or kind == "json" and json.encode(a.result) or a.result
  cx.req:respond(200, { ["Content-Type"] = RAW_TYPES[kind] }, body)
  return "done"
end

--- Serves a call; nil if there is no such route.
---@async
function M.serve(cx)
  local segs = cx.segs
  if cx.method ~= "POST" or not segs[3] then return nil end
  if not cx.req.headers.authorization then
    request.bytes(cx.req, request.MAX_INPUT)
    return 200, { error = { message = "authorization required" } }
  end
  cx:authenticate()
  local owner, name, version = segs[3], segs[4], segs[5]
  if owner == ".my" then owner = cx.caller.username end
  if rules.is_uuid(owner) then
    if segs[5] then return nil end
    version = segs[4]
    owner, name = cx.platform.store:by_id(segs[3]:lower())
    owner, name = owner or segs[3], name or segs[3]
  elseif not name or segs[6] then
    return nil
  end
  keys.may_call(cx.caller, cx.options, owner, name)
  check_timeout(cx.query)
  local output = cx.query.output
  if output and output ~= "" and output ~= "raw" and output ~= "void" then
    reject(400, 6001, "output must be raw or void")
  end
  local a = calls.call(cx.platform, cx.caller, owner, name, version,
    input_of(cx.req))
  if output == "void" then
    return 200, { async = "void", request_id = "req-" .. sys.uuid() }
  elseif output == "raw" then
    return send_raw(cx, a)
  end
  a.raw = nil
  if (cx.query.stdout or ""):lower() == "true" then a.metadata.stdout = "" end
  return 200, a
end

return M
