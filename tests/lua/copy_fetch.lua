-- What is fetched again: a pack that was cut, a ref that another destination's
-- fetch has locked; nothing else.
local err = require("godwit.err")
local fetch = require("godwit.copy.fetch")

-- Fetches with a driver that fails so often before it succeeds; gives how often
-- it was asked.
local function asked(kind, op, failures)
  local n = 0
  local ok, e = pcall(fetch.fetch, { git_fetch = function()
    n = n + 1
    if n <= failures then
      error(err.new({ kind = kind, op = op, message = "no" }), 0)
    end
  end }, "acme", "Hello", {}, { commit = "x" })
  return n, ok or e.kind
end

test("what passes is fetched again", function(t)
  t:eq({ asked("remote", "git.fetch", 1) }, { 2, true })
  t:eq({ asked("conflict", "git.fetch", 1) }, { 2, true })
end)

test("what stays is not", function(t)
  t:eq({ asked("conflict", "git.push", 1) }, { 1, "conflict" })
  t:eq({ asked("notfound", "git.fetch", 1) }, { 1, "notfound" })
end)
