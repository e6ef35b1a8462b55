-- A cluster with too much to do: 429 and 503 are waited for as they ask, for
-- the API and for Git, and a promotion comes to its end without doing anything
-- twice.
local e2e = require("support.e2e")
local relay = require("support.relay")
local sys = require("godwit.core.sys")

local HELLO = "acme/Hello"

local function busy(status, after)
  return { status = status, headers = { ["Content-Type"] =
    "application/json", ["Retry-After"] = after },
    body = after == "0" and "<html>busy</html>" or '{"error":{"code":9000,"message":"too many requests"}}' }
end

local function between(t, w, on)
  local from = relay.start(t, w.dev.api, on)
  local to = relay.start(t, w.prod.api, on)
  w:configure({ dev = { api = from.url }, prod = { api = to.url } })
  return from, to
end

for _, status in ipairs({ 429, 503 }) do
  test("every request is turned away once with " .. status, function(t)
    local w = e2e.seeded(t)
    local _, to = between(t, w, function(seen)
      return seen.n == 1 and busy(status, "0") or nil
    end)
    local r = e2e.expect(w:promote({ HELLO }), 0)
    t:eq(r.item.outcome, "created")
    t:eq(w.prod:versions(HELLO), { "0.1.0" })
    t:eq(#w.prod:builds(HELLO), 1)
    t:eq(#w.prod:read(HELLO).history, 2)
    -- A pack each way, each asked for twice.
    t:eq(to:count("POST /git/"), 4)
  end)
end

test("Retry-After is waited for, by everything of that cluster", function(t)
  local w = e2e.seeded(t)
  local turned, early
  local _, to = between(t, w)
  to.on = function()
    local now = sys.monotonic()
    if not turned then
      turned = now
      return busy(429, "2")
    end
    -- What was on its way already may still come.
    early = early or (now - turned > 0.5 and now - turned < 1.9)
  end
  e2e.expect(w:promote({ HELLO }), 0)
  t:no(early, "a request came before its time")
end)

test("a cluster that asks for longer than we wait: temporary, not asked again",
function(t)
  local w = e2e.seeded(t)
  local _, to = between(t, w)
  to.on = function()
    return busy(429, "3600")
  end
  local began = sys.monotonic()
  local r = e2e.expect(w:promote({ HELLO }), 5)
  t:eq(r.item.outcome, "failed")
  t:ok(r.item.retryable)
  t:ok(sys.monotonic() - began < 30)
end)
