--- doctor.connection: how one address is reached: proxy, name, connection,
--- TLS and its certificate, clock. Nothing is sent along but the question: no
--- key, so that a certificate may also be looked at where it is not accepted.
local core = require("godwit.core.http")
local fs = require("godwit.core.fs")
local proxies = require("godwit.doctor.proxy")
local certificate = require("godwit.doctor.certificate")
local retry = require("godwit.http.retry")
local sys = require("godwit.core.sys")

local M = {}

local MAX_ANSWER = 1 << 20
local CLOCK = 60 -- seconds two clocks may differ

---@class godwit.doctor.Target
---@field url string What is asked for.
---@field profile table
---@field limiter table
---@field timeout number
---@field prefix string Of the ids: "" or "git.".

local function send(target, insecure)
  local p = target.profile
  return target.limiter:with(core.send, { method = "GET", url = target.url,
    headers = { Accept = "application/json" }, facts = true, fresh = true,
    connect_timeout = target.timeout, timeout = target.timeout,
    max_body = MAX_ANSWER, ca = p.ca, cert = p.cert, cert_key = p.cert_key,
    insecure = insecure or p.insecure or nil, proxy = p.proxy,
    no_proxy = p.no_proxy })
end

local function say_proxy(list, target)
  local found = proxies.of(target.profile, target.url)
  local id = target.prefix .. "proxy"
  if found.proxy then
    list:ok(id, "goes through %s (%s)", found.proxy, found.from)
  else
    list:ok(id, "no proxy%s", found.from and " (" .. found.from .. ")" or "")
  end
  return found.proxy
end

-- How far it came; true when somebody was reached who may answer.
local function say_way(list, target, parts, facts, e, proxy)
  local at = proxy and "the proxy " .. proxy
    or ("%s, port %d"):format(parts.host, parts.port)
  if not facts.resolved then
    local check = list:fail(target.prefix .. "name",
      proxy and "correct the proxy's name" or "correct the address, or ask "
        .. "who runs the name servers; from a closed network it may need a "
        .. "proxy", "the name of %s has no address", at)
    check.temporary = true
  elseif not facts.connected then
    list:failed(target.prefix .. "connection", e, "is it running, and does "
      .. "a firewall let this machine through; does it need a proxy", at)
  elseif facts.proxy_status >= 300 then
    list:fail(target.prefix .. "proxy", facts.proxy_status == 407
      and "give its user and password: proxy = \"http://USER:PASSWORD@HOST\" "
        .. "in your own configuration" or "ask who runs the proxy",
      "%s refuses the way to %s with %d", at, parts.host, facts.proxy_status)
      .temporary = facts.proxy_status >= 500 or nil
  else
    list:ok(target.prefix .. "connection", "%s%s answers", at,
      facts.ip ~= "" and facts.ip ~= parts.host and " (" .. facts.ip .. ")"
        or "")
    return true
  end
  return false
end

local function say_tls(list, target, parts, facts, e)
  if parts.scheme ~= "https" then
    if parts.loopback then
      list:ok(target.prefix .. "tls", "no TLS: plain http within this machine")
      return true
    end
    list:fail(target.prefix .. "tls", "give its https:// address",
      "plain http: keys are not sent there")
    return false
  elseif facts.secured then
    certificate.say(list, target, facts)
    return true
  elseif facts.verify ~= 0 then
    -- Who it is can be told without trusting it: nothing is sent to it.
    local seen = send(target, true)
    certificate.refused(list, target, parts, facts,
      seen and seen.facts.certificate or {}, e)
  else
    list:failed(target.prefix .. "tls", e, e.kind == "usage"
      and "correct ca, cert and cert_key of its profile"
      or "is this the port of https; does something between break TLS")
  end
  return false
end

local function say_clock(list, target, response, before, now)
  local date = response.headers.date
  local theirs = date and retry.date(date)
  local id = target.prefix .. "clock"
  if not theirs then
    list:skip(id, nil, "the server does not tell its time")
    return
  end
  -- Its second began at some moment of the exchange.
  local off = theirs > now and theirs - now or theirs + 1 < before
    and theirs + 1 - before or 0
  if math.abs(off) > CLOCK then
    list:warn(id, "set this machine's clock (NTP), or tell who runs the "
      .. "server; tokens and certificates depend on it",
      "the server's clock is %d seconds %s this machine's",
      math.floor(math.abs(off) + 0.5), off > 0 and "ahead of" or "behind")
  else
    list:ok(id, "the clocks agree")
  end
end

local function say_files(list, target)
  local p = target.profile
  for _, field in ipairs({ "ca", "cert", "cert_key" }) do
    local path = p[field]
    local real = path and fs.realpath(path)
    local text, e = nil, nil
    if path then
      text, e = fs.read(real or path, 1 << 24)
    end
    if path and not text then
      list:failed(field, e, "correct " .. field .. " in its profile, or give "
        .. "another for this run")
    elseif path and field ~= "cert_key" then
      list:ok(field, "%s can be read", path)
    elseif path then
      local info = fs.stat(real)
      if info and info.mode & 63 ~= 0 then
        list:warn(field, "chmod 600 " .. path,
          "others can read the private key %s", path)
      else
        list:ok(field, "%s can be read, by you only", path)
      end
    end
  end
end

--- Looks at one address. Returns what it answered, or nil when nothing did.
---@async
---@param list godwit.doctor.List
---@param target godwit.doctor.Target
---@return table|nil response
function M.look(list, target)
  local parts = core.url.parse(target.url)
  local proxy = say_proxy(list, target)
  if target.prefix == "" then
    say_files(list, target)
  end
  local before = sys.time()
  local response, e = send(target)
  local now = sys.time()
  local facts = (response or e).facts
  if not facts then
    list:failed(target.prefix .. "connection", e)
    return nil
  elseif not say_way(list, target, parts, facts, e, proxy)
    or not say_tls(list, target, parts, facts, e) then
    return nil
  elseif not response then
    list:failed(target.prefix .. "answer", e, "try again later; if it stays "
      .. "so, is this the address of a cluster")
    return nil
  end
  say_clock(list, target, response, before, now)
  return response
end

return M
