-- Names by pattern: stars and question marks, and no pattern that takes long.
local glob = require("godwit.cluster.glob")

local CASES = {
  { "*", "", true }, { "*", "x", true }, { "Fraud*", "Fraud", true },
  { "Fraud*", "FraudScore", true }, { "Fraud*", "AFraud", false },
  { "*Score", "FraudScore", true }, { "*Score", "FraudScores", false },
  { "a*b*c", "a1b2b3c", true }, { "a*b*c", "a1c2b", false },
  { "?", "", false }, { "?", "x", true }, { "?", "xy", false },
  { "a?c", "abc", true }, { "*?", "", false }, { "**", "", true },
  { "", "", true }, { "", "x", false }, { "a.c", "abc", false },
  { "a%c", "a%c", true }, { "[a]", "a", false }, { "a-z", "a-z", true },
  { "acme/*", "acme/X", true }, { "*/Fraud*", "acme/FraudScore", true },
  { "*", nil, true }, { "a*", nil, false }, { "a*", 1, false },
}

test("what a pattern means", function(t)
  for _, case in ipairs(CASES) do
    t:eq(glob.matcher(case[1])(case[2]), case[3],
      case[1] .. " of " .. tostring(case[2]))
  end
end)

test("many stars take no longer than few", function(t)
  local text = ("a"):rep(200)
  t:no(glob.matcher(("a*"):rep(60) .. "b")(text))
  t:ok(glob.matcher(("a*"):rep(60))(text))
end)

test("a pattern is a text", function(t)
  t:raises("usage", glob.matcher, "not a number", 1)
end)
