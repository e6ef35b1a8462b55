local output = require("godwit.cli.output")
local report = require("godwit.cli.report")

local function text(items, more)
  output.reset()
  output.setup { color = "never" }
  local counts = {}
  for _, item in ipairs(items) do
    counts[item.outcome] = (counts[item.outcome] or 0) + 1
  end
  local result = { items = items, counts = counts, notes = {} }
  for name, v in pairs(more or {}) do
    result[name] = v
  end
  return report.text(result)
end

local function files(n)
  local rows = {}
  for i = 1, n do
    rows[i] = { status = i % 2 == 0 and "added" or "deleted",
      path = "f" .. i }
  end
  return { { outcome = "updated", ref = "a/B", to = "prod:a/B", files = rows,
    steps = { { step = "push", symbol = "~", text = "commit" } } } }
end

test("an item has its word, both names and both versions first", function(t)
  t:eq(text { { outcome = "created", ref = "a/B", source_version = "1.0.0",
    to = "prod:a/B", version = "0.1.0", commit = ("a"):rep(40),
    source_commit = ("b"):rep(40) } },
    "created    a/B 1.0.0 -> prod:a/B 0.1.0\n"
    .. "           commit aaaaaaaaaaaa of source commit bbbbbbbbbbbb\n"
    .. "1 created.\n")
end)

test("what failed says why, and whether to try again", function(t)
  local out = text { { outcome = "failed", ref = "a/B", why = "no answer",
    retryable = true }, { outcome = "refused", ref = "a/C",
    why = "both", problems = { "one", "two" } } }
  t:match(out, "failed     a/B\n           no answer\n           a later "
    .. "attempt may succeed")
  t:match(out, "problem: one\n           problem: two\n")
  t:no(out:find("both"))
  t:match(out, "\n1 refused, 1 failed%.\n$")
end)

test("what failed with problems says both", function(t)
  local out = text { { outcome = "failed", ref = "a/B", why = "a policy",
    problems = { "a hole" } } }
  t:match(out, "problem: a hole\n           a policy\n")
end)

test("a long list of files is cut, one more is not", function(t)
  t:match(text(files(11)), "%- f11\n")
  local out = text(files(12))
  t:no(out:find("f11"))
  t:match(out, "%+ f10\n +and 2 more files %(%-v lists them%)")
end)

test("nothing, plans, notes and differences", function(t)
  t:eq(text({}), "nothing to do.\n")
  t:eq(text({}, { dry_run = true, notes = { "mind this" } }),
    "mind this\nPlan, nothing was written: nothing to do.\n")
  local out = text { { outcome = "unchanged", ref = "a/B",
    differences = { { field = "settings.license", destination = "mit",
      source = { 1 } } }, warnings = { "old" },
    steps = { { step = "settings", symbol = "=", text = "1 difference" } } } }
  t:match(out, "= 1 difference\n +settings%.license: mit here, %[1%] at the "
    .. "source\n +note: old\n")
end)

test("a difference with nothing on one side says so in words", function(t)
  local out = text { { outcome = "unchanged", ref = "a/B",
    differences = { { field = "company_name", source = "ACME" },
      { field = "tagline", destination = "x", source = "" } },
    steps = { { step = "settings", symbol = "=", text = "2 differences" } } } }
  t:match(out, "company_name: nothing here, ACME at the source\n")
  t:match(out, "tagline: x here, nothing at the source\n")
end)

test("what a server says makes no line of its own", function(t)
  local out = text { { outcome = "refused", ref = "a/B", problems = {
    "no K\n1 created.\r\ncreated    c/D" } },
    { outcome = "updated", ref = "a/C", warnings = { "x\ny" } } }
  for line in out:gmatch("[^\n]+") do
    t:ok(line:find("^refused    a/B$") or line:find("^updated    a/C$")
      or line:find("^ ") or line == "1 updated, 1 refused.", line)
  end
end)

test("where there are several kinds, each thing says its own", function(t)
  local user = { outcome = "created", type = "user", ref = "a" }
  local data = { outcome = "created", type = "collection", ref = "a/B" }
  t:match(text { user, data }, "^created    user a\ncreated    collection a/B\n")
  t:match(text { data, data }, "^created    a/B\n")
end)

test("no terminal obeys what a server said", function(t)
  local out = text({ { outcome = "unchanged", ref = "a\27[2J\nb",
    warnings = { "x\27]0;t\7\nunchanged  root", "c1 \u{9b}31m \u{202e}y" },
    steps = { { symbol = "=", text = "tab\there\127" } } } },
    { notes = { "\27[1m" } })
  t:no(out:find("[\27\7\127]"))
  t:no(out:find("\u{9b}", 1, true))
  t:match(out, "^unchanged  a\\x1b%[2J\\nb\n")
  t:match(out, "note: x\\x1b%]0;t\\x07\n +unchanged  root\n")
  t:match(out, "c1 \\x9b31m \\u{202e}y")
  t:match(out, "tab\there\\x7f")
end)
