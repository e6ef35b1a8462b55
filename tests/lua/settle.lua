-- effect.settle: a write whose answer is lost is settled by looking.
local err = require("godwit.err")
local settle = require("godwit.effect.settle")

require("godwit.log").setup({ quiet = true })
settle.timing.scale = 0.002

local function lost(fields)
  local e = { kind = "net", message = "the connection was cut", sent = true }
  for k, v in pairs(fields or {}) do
    e[k] = v
  end
  return err.new(e)
end

-- A write that raises what is in `failures`, then answers "done".
local function writer(failures)
  local w = { calls = 0 }
  function w.write()
    w.calls = w.calls + 1
    if failures[w.calls] then
      error(failures[w.calls], 0)
    end
    return "done"
  end
  return w
end

local function run(w, fields)
  local e = { kind = "k", target = "t", class = "once", write = w.write }
  for k, v in pairs(fields or {}) do
    e[k] = v
  end
  return settle.run(e)
end

test("a write that is answered is made once", function(t)
  local w = writer({})
  local result, report = run(w)
  t:eq(result, "done")
  t:eq(w.calls, 1)
  t:eq(report, { settled = false, repeated = 0 })
end)

test("a refusal is raised as it is, without asking", function(t)
  local w = writer({ err.new({ kind = "remote", status = 400,
    message = "no" }) })
  t:raises("remote", run, "no", w, { probe = function()
    error("asked")
  end })
  t:eq(w.calls, 1)
end)

test("what happened is taken as done", function(t)
  local w = writer({ lost() })
  local result, report = run(w, { probe = function()
    return true, "found"
  end })
  t:eq(result, "found")
  t:eq(w.calls, 1)
  t:ok(report.settled)
end)

test("a probe is asked until it knows", function(t)
  local w, asked = writer({ lost() }), 0
  local result = run(w, { probe = function()
    asked = asked + 1
    if asked == 1 then
      return nil
    elseif asked == 2 then
      error(err.new({ kind = "net", message = "down" }), 0)
    end
    return true, "found"
  end })
  t:eq(result, "found")
  t:eq(asked, 3)
end)

test("a no is believed only when it stays one", function(t)
  local w, asked = writer({ lost() }), 0
  local result = run(w, { probe = function()
    asked = asked + 1
    return asked > 3, "late"
  end })
  t:eq(result, "late")
  t:eq(w.calls, 1)
end)

test("what did not happen is made again, a few times", function(t)
  local w = writer({ lost() })
  local result, report = run(w, { probe = function()
    return false
  end })
  t:eq(result, "done")
  t:eq(w.calls, 2)
  t:eq(report, { settled = false, repeated = 1 })

  local never = writer({ lost(), lost(), lost(), lost(), lost(), lost() })
  t:raises("net", run, nil, never, { probe = function()
    return false
  end })
  t:eq(never.calls, settle.timing.attempts)
end)

test("a repeat that is refused is settled by looking, too", function(t)
  -- The first one arrives after the probe said no; the second is a duplicate.
  local there = false
  local w = writer({ lost(), err.new({ kind = "exists", status = 400,
    message = "taken", code = 1002 }) })
  local result = run({ write = function()
    there = w.calls > 0
    return w.write()
  end }, { probe = function()
    return there, "found"
  end })
  t:eq(result, "found")
  t:eq(w.calls, 2)
end)

test("what stays open is raised as in doubt", function(t)
  local w = writer({ lost() })
  local e = t:raises("net", run, "look before repeating", w, {
    wait = 1, probe = function()
      return nil
    end })
  t:ok(e.in_doubt)
  t:eq(w.calls, 1)
end)

test("a failing probe leaves the write in doubt", function(t)
  local w = writer({ lost() })
  local e = t:raises("net", run, "no right to look", w, { probe = function()
    error(err.new({ kind = "auth", message = "no right to look" }), 0)
  end })
  t:ok(e.in_doubt)
end)

test("what cannot be probed is reported, not repeated", function(t)
  local w = writer({ lost() })
  local e = t:raises("net", run, nil, w)
  t:ok(e.in_doubt)
  t:eq(w.calls, 1)
end)

test("what never left is simply made again", function(t)
  local w = writer({ lost({ sent = false }) })
  t:eq((run(w)), "done")
  t:eq(w.calls, 2)
  local push = writer({ lost({ sent = false }) })
  t:eq((run(push, { again = false })), "done")
end)

test("again = false is never repeated after it was sent", function(t)
  local w = writer({ lost() })
  t:raises("net", run, "was not carried out", w, { again = false,
    probe = function()
      return false
    end })
  t:eq(w.calls, 1)
end)

test("a repeatable write in doubt is repeated without asking", function(t)
  local w = writer({ lost(), err.new({ kind = "remote", status = 502,
    message = "bad gateway" }) })
  t:eq((run(w, { class = "repeatable" })), "done")
  t:eq(w.calls, 3)
end)

test("a busy cluster is asked again", function(t)
  local w = writer({ err.new({ kind = "limit", status = 429,
    message = "slow down", retryable = true }) })
  t:eq((run(w)), "done")
end)

test("what was turned away is made again, whatever else", function(t)
  for _, status in ipairs({ 429, 503 }) do
    local w = writer({ err.new({ kind = status == 429 and "limit" or "remote",
      status = status, message = "slow down", retryable = true,
      retry_after = 0, sent = true }) })
    t:eq((run(w, { again = false })), "done")
    t:eq(w.calls, 2)
  end
end)

test("a time to come back that is too far away ends it", function(t)
  local w = writer({ err.new({ kind = "limit", status = 429,
    message = "tomorrow", retryable = true, retry_after = 86400 }) })
  local e = t:raises("limit", run, "tomorrow", w)
  t:no(e.in_doubt)
  t:eq(w.calls, 1)
end)

test("which failures leave a write in doubt", function(t)
  local function doubt(fields)
    fields.message = "x"
    return settle.in_doubt(err.new(fields))
  end
  t:ok(doubt({ kind = "timeout" }))
  t:ok(doubt({ kind = "remote", status = 504 }))
  t:ok(doubt({ kind = "remote", status = 503 }))
  t:no(doubt({ kind = "remote", status = 503, retry_after = 1 }))
  t:ok(doubt({ kind = "remote", status = 200, unreadable = true }))
  t:ok(doubt({ kind = "remote", status = 200, sent = true }))
  t:no(doubt({ kind = "remote", status = 200 })) -- an error inside a 200
  t:no(doubt({ kind = "remote", status = 501 }))
  t:no(doubt({ kind = "net", sent = false }))
  t:no(doubt({ kind = "auth", status = 403 }))
  t:no(doubt({ kind = "denied" }))
end)
