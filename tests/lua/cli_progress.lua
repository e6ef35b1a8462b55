-- How long something takes is told in whole seconds, whatever the clock says.
local output = require("godwit.cli.output")
local progress = require("godwit.cli.progress")

local function aged(t, live, seconds)
  local p = progress.start({ live = live })
  t:defer(function()
    p:stop()
  end)
  p:update("acme/Hello", "build")
  local item = p.items["acme/Hello"]
  item.since, item.said = item.since - seconds, item.said - seconds
  return p
end

for _, seconds in ipairs({ 2.37, 61.5, 3725.25 }) do
  test(("a phase of %s seconds is said, not tripped over"):format(seconds),
    function(t)
      local p = aged(t, false, seconds)
      p:update("acme/Hello", "build", "in-progress for 2 s")
      p:print()
      t:eq(p.items["acme/Hello"].detail, "in-progress for 2 s")
    end)
end

test("the line that changes is drawn for a long phase too", function(t)
  local p = aged(t, true, 2.5)
  p:update("acme/Hello", "build", "still")
  t:ok(p.drawn)
end)

test("how far a run of many is stands in the line and in what SIGUSR1 prints",
function(t)
  local said = {}
  local say = output.say
  t:defer(function()
    output.say = say
  end)
  output.say = function(fmt, ...)
    said[#said + 1] = fmt:format(...)
  end
  local p = aged(t, false, 1)
  p:count(0, 1)
  p:print()
  t:no(said[1]:find("done"), said[1])
  p:count(300, 900)
  p.began = p.began - 60
  p:print()
  t:match(said[3], "300 of 900 done, 2 min 0%d s left")
end)
