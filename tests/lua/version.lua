local version = require("godwit.cluster.version")

test("numbers compare as numbers", function(t)
  t:eq(version.compare("0.10.0", "0.9.9"), 1)
  t:eq(version.compare("1.0.0", "1.0.0"), 0)
  t:eq(version.compare(nil, "0.0.1"), -1)
end)

test("the next number follows the platform's rules", function(t)
  t:eq(version.next(nil, "minor"), "0.1.0")
  t:eq(version.next(nil, "major"), "1.0.0")
  t:eq(version.next("1.2.3", "major"), "2.0.0")
  t:eq(version.next("1.2.3", nil), "1.3.0")
  t:eq(version.next("1.2.3", "revision"), "1.2.4")
  t:eq(version.next("what", "minor"), nil)
end)

test("the latest is the highest, in whatever order", function(t)
  local rows = { { version_info = { semantic_version = "0.9.0" } },
    { version_info = { git_hash = "x" } },
    { version_info = { semantic_version = "0.10.0" } } }
  local i = 0
  local doc, count = version.latest(function()
    i = i + 1
    return rows[i]
  end)
  t:eq(version.number(doc), "0.10.0")
  t:eq(count, 2)
end)
