-- Outcome words, counts and exit codes: the same everywhere.
local err = require("godwit.err")
local outcome = require("godwit.workflow.outcome")

local function exit(...)
  local items = {}
  for i, word in ipairs({ ... }) do
    items[i] = type(word) == "table" and word or { outcome = word }
  end
  return outcome.exit_code(items)
end

local PASSING = { outcome = "failed", retryable = true }
local HALF = { outcome = "failed", wrote = true }

test("exit codes as documented", function(t)
  t:eq(exit(), 0)
  t:eq(exit("created", "updated", "unchanged", "skipped"), 0)
  t:eq(exit("created", "failed"), 3)
  t:eq(exit("unchanged", "refused"), 3)
  t:eq(exit("skipped", PASSING), 3)
  t:eq(exit("waiting", "waiting"), 3)
  t:eq(exit("refused"), 6)
  t:eq(exit("refused", "failed"), 6)
  t:eq(exit("refused", "waiting"), 6)
  t:eq(exit("refused", HALF), 1)
  t:eq(exit(PASSING, PASSING), 5)
  t:eq(exit(PASSING, "failed"), 1)
  t:eq(exit("failed"), 1)
  t:eq(exit({ outcome = "failed", kind = "denied" }, "created"), 9)
  t:eq(exit({ outcome = "failed", kind = "locked" }), 11)
  t:eq(exit({ outcome = "failed", kind = "budget", retryable = true },
    "created"), 8)
end)

test("every word is counted and the sum is what was listed", function(t)
  local counts = outcome.counts({ { outcome = "created" },
    { outcome = "failed" }, { outcome = "failed" } })
  local sum = 0
  for _, word in ipairs(outcome.WORDS) do
    sum = sum + counts[word]
  end
  t:eq(sum, 3)
  t:eq(counts.failed, 2)
  t:eq(counts.waiting, 0)
end)

test("an unknown outcome is an error of the workflow", function(t)
  t:raises("usage", outcome.record, "done", "done")
  t:raises("usage", outcome.record, "nil", nil)
  t:eq(outcome.record("created"), { outcome = "created" })
end)

test("an error becomes failed, a refusal refused", function(t)
  local record = outcome.failure(err.new({ kind = "net", message = "gone",
    retryable = true }))
  t:eq(record.outcome, "failed")
  t:eq(record.retryable, true)
  t:eq(outcome.failure(err.new({ kind = "refused", message = "no" })).outcome,
    "refused")
  t:eq(outcome.failure(err.new({ kind = "cancelled", message = "x" })).why,
    "interrupted")
end)
