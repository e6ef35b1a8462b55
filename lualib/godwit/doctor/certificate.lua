--- doctor.certificate: a server's certificate in words: whose, from whom, for
--- how long, and why it is not accepted.
local retry = require("godwit.http.retry")
local sys = require("godwit.core.sys")

local M = {}

local SOON = 30 -- days
local DAY = 86400
local MAX_NAMES = 6

-- OpenSSL's numbers (X509_V_ERR_…).
local REASONS = {
  [2] = "unknown", [9] = "early", [10] = "expired", [18] = "unknown",
  [19] = "unknown", [20] = "unknown", [21] = "unknown", [23] = "revoked",
  [62] = "name",
}

--- Seconds since 1970 of "Nov 26 17:00:00 2026 GMT", or nil.
---@param text string|nil
---@return integer|nil
function M.time(text)
  local month, day, clock, year = (text or ""):match(
    "^%s*(%a%a%a) +(%d+) (%d+:%d+:%d+) (%d%d%d%d) GMT%s*$")
  return month and retry.date(("Xxx, %s %s %s %s GMT"):format(day, month, year,
    clock))
end

local function day_of(time)
  return sys.format_time(time):sub(1, 10)
end

--- The name in "C = DE, O = Acme, CN = Acme Root".
---@param text string|nil
---@return string
local function name_of(text)
  text = text or ""
  return text:match("CN%s*=%s*(.-)%s*$") or text:match("O%s*=%s*([^,]+)")
    or text ~= "" and text or "somebody without a name"
end

local function names_of(certificate)
  local names = {}
  for name in (certificate.names or ""):gmatch("[^,%s]*:([^,%s]+)") do
    if #names == MAX_NAMES then
      names[#names + 1] = "…"
      break
    end
    names[#names + 1] = name
  end
  return #names > 0 and table.concat(names, ", ")
    or name_of(certificate.subject)
end

local function ending(time)
  local days = (time - sys.time()) // DAY
  if days < 0 then
    return "ended on " .. day_of(time)
  end
  return ("ends on %s, in %d day%s"):format(day_of(time), days,
    days == 1 and "" or "s")
end

local function say_insecure(list, target, facts)
  if target.profile.insecure then
    list:warn(target.prefix .. "insecure", "name its authority with ca = "
      .. "\"FILE\" in the profile and remove insecure",
      "INSECURE: the certificate is not checked%s; anybody on the way can "
      .. "read keys and change what is sent", facts.verify ~= 0
      and ", and it would not be accepted" or "")
  end
end

--- One that was accepted, or is not checked.
---@param list godwit.doctor.List
---@param target godwit.doctor.Target
---@param facts godwit.core.http.Facts
function M.say(list, target, facts)
  local c, id = facts.certificate, target.prefix .. "certificate"
  list:ok(target.prefix .. "tls", "%s", facts.tls)
  say_insecure(list, target, facts)
  local time = M.time(c["end"])
  if not time then
    list:skip(id, nil, "the certificate does not say until when it is valid")
    return
  end
  local text = ("of %s, issued by %s, %s"):format(names_of(c),
    name_of(c.issuer), ending(time))
  if time - sys.time() < SOON * DAY then
    list:warn(id, "have it renewed", "%s", text)
  else
    list:ok(id, "%s", text)
  end
end

local function hint_of(why, target)
  local ca = target.profile.ca
  if why == "expired" then
    return "have it renewed on the server; if it is not that old, set this "
      .. "machine's clock"
  elseif why == "early" then
    return "set this machine's clock; else have the certificate renewed"
  elseif why == "name" then
    return "give an address whose name is in the certificate, or have one "
      .. "issued for this name"
  elseif why == "revoked" then
    return "ask who runs the server; do not send keys there"
  elseif ca then
    return ca .. " is not the authority it is issued by; give the right file "
      .. "as ca, or have the server send the certificates between"
  end
  return "if your own authority issued it, name that: ca = \"FILE\" in its "
    .. "profile, or --ca-cert FILE; if not, somebody else answers here"
end

--- One that was not accepted.
---@param list godwit.doctor.List
---@param target godwit.doctor.Target
---@param parts table Of the address.
---@param facts godwit.core.http.Facts
---@param c table The certificate, as far as it was seen.
---@param e table
function M.refused(list, target, parts, facts, c, e)
  local why, time = REASONS[facts.verify], M.time(c["end"])
  local start = M.time(c.start)
  local text
  if why == "expired" then
    text = time and "it " .. ending(time) or "it has ended"
  elseif why == "early" then
    text = start and "it is valid from " .. day_of(start) .. " on"
      or "it is not valid yet"
  elseif why == "name" then
    text = ("it is for %s, not for %s"):format(names_of(c), parts.host)
  elseif why == "unknown" then
    text = ("nobody this machine trusts vouches for it (issued by %s)"):format(
      name_of(c.issuer))
  elseif why == "revoked" then
    text = "it was revoked"
  else
    text = tostring(e.message)
  end
  list:fail(target.prefix .. "certificate", hint_of(why, target),
    "not accepted: %s", text)
end

return M
