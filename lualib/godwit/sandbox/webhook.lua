local json = require("godwit.core.json")
local scm = require("godwit.cluster.platform.scm")
local request = require("godwit.sandbox.request")
local rules = require("godwit.cluster.platform.rules")
local sys = require("godwit.core.sys")

--- POST …/scm/webhook: a Git host tells that something was pushed. It has no
--- key; that it is the host is shown by the repository's webhook secret. What
--- it says is read with care and believed as little as possible: it only makes
--- the platform look at the host itself.
local M = {}

local reject = rules.reject
local MOST = 100 -- changes of one payload that are looked at
local DEPTH = 64

-- Signatures -------------------------------------------------------------

local function unhex(text)
  return (text:gsub("%x%x", function(h) return string.char(tonumber(h, 16)) end))
end

local function xor(text, byte)
  return (text:gsub(".", function(c) return string.char(c:byte() ~ byte) end))
end

--- HMAC-SHA-256 as hexadecimal digits.
---@param key string
---@param text string
---@return string
function M.hmac(key, text)
  if #key > 64 then key = unhex(sys.hash("sha256", key)) end
  key = key .. ("\0"):rep(64 - #key)
  return sys.hash("sha256", xor(key, 0x5c)
    .. unhex(sys.hash("sha256", xor(key, 0x36) .. text)))
end

-- Digests are compared, so that the time it takes tells nothing.
local function same(a, b)
  return sys.hash("sha256", a) == sys.hash("sha256", b)
end

--- Whether a request was made by who knows the secret: GitHub and Bitbucket
--- sign the body, GitLab sends the secret itself.
---@param headers table<string, string> Names in lower case.
---@param text string The body.
---@param secret string
---@return boolean
function M.is_signed(headers, text, secret)
  local signature = headers["x-hub-signature-256"] or headers["x-hub-signature"]
  if signature then
    local digits = signature:lower():match("^sha256=(%x+)$")
    return digits ~= nil and same(digits, M.hmac(secret, text))
  end
  local token = headers["x-gitlab-token"]
  return token ~= nil and same(token, secret)
end

-- Payloads ---------------------------------------------------------------

local function object(v)
  return type(v) == "table" and not json.is_array(v) and v or nil
end

local function array(v)
  return type(v) == "table" and json.is_array(v) and v or nil
end

local function branch(v)
  return type(v) == "string" and #v < 500 and v:find("^refs/heads/[^%c]+$")
    and v or nil
end

local function add(out, ref, commit)
  if branch(ref) and type(commit) == "string" and #commit == 40
    and commit:find("^%x+$") and not commit:find("^0+$") then
    out[#out + 1] = { ref = ref, commit = commit:lower() }
  end
end

-- Bitbucket Server: { changes = [ { refId, toHash } ] }
local function server_changes(out, list)
  for i = 1, math.min(#list, MOST) do
    local c = object(list[i]) or {}
    add(out, c.refId, c.toHash)
  end
end

-- Bitbucket Cloud: { push = { changes = [ { new = { type, name, target } } ] } }
local function cloud_changes(out, list)
  for i = 1, math.min(#list, MOST) do
    local new = object((object(list[i]) or {}).new) or {}
    local target = object(new.target) or {}
    if new.type == "branch" and type(new.name) == "string" then
      add(out, "refs/heads/" .. new.name, target.hash)
    end
  end
end

--- The branches a payload says were pushed, with their new heads; nil when it
--- is no payload at all. One about something else is an empty list.
---@param text string
---@return {ref: string, commit: string}[]|nil
function M.parse(text)
  local doc = object((json.decode(text, { max = request.MAX_BODY,
    depth = DEPTH })))
  if not doc then return nil end
  local out, push = {}, object(doc.push)
  if array(doc.changes) then
    server_changes(out, doc.changes)
  elseif push and array(push.changes) then
    cloud_changes(out, push.changes)
  elseif type(doc.ref) == "string" then -- GitHub and GitLab
    add(out, doc.ref, doc.after)
  elseif doc.zen == nil and doc.hook_id == nil and doc.test == nil
    and doc.object_kind == nil and doc.eventKey == nil then
    return nil
  end
  return out
end

-- Serving ----------------------------------------------------------------

local function about(cx)
  local a, b = cx.segs[3], cx.segs[4]
  if rules.is_uuid(a) and b == "scm" then return cx.platform:by_id(a:lower()) end
  return a, b
end

--- Whether a request is a webhook's.
function M.is(cx)
  local s = cx.segs
  local n = #s
  return cx.method == "POST" and s[1] == "v1" and s[2] == "algorithms"
    and (n == 5 or n == 6) and s[n] == "webhook" and s[n - 1] == "scm"
end

local function concerns(record, pushed)
  for _, p in ipairs(pushed) do
    if not record.scm_branch or p.ref == record.scm_branch then return true end
  end
  return false
end

--- Serves one.
---@async
function M.serve(cx)
  local text = request.bytes(cx.req, request.MAX_BODY)
  local owner, name = about(cx)
  local record = cx.platform:load(owner, name)
  if not record then reject(404, 1000, "algorithm not found") end
  if not scm.is_external(record) then
    reject(400, 4012, "the internal SCM has no webhooks")
  end
  local secret = record.webhook_secret
  if not secret or not M.is_signed(cx.req.headers, text, secret) then
    reject(403, 4070, "the payload is not signed with the webhook's secret")
  end
  local pushed = M.parse(text)
  if not pushed then reject(400, 4070, "the payload is not understood") end
  if not concerns(record, pushed) then
    return 202, { reason = "nothing was pushed to the default branch" }
  end
  scm.pushed(cx.platform, owner, name)
  return 204
end

return M
