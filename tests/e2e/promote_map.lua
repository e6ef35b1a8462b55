-- The version map: recorded, read from both sides, made again from trailers.
local e2e = require("support.e2e")
local fs = require("godwit.core.fs")

local HELLO = "acme/Hello"

local function rows(w, words, env)
  local argv = { "version-map", HELLO, "--json" }
  for _, word in ipairs(words or {}) do
    argv[#argv + 1] = word
  end
  return e2e.expect(w:run(argv, env), 0).doc.rows
end

local function versions(list)
  local out = {}
  for i, row in ipairs(list) do
    out[i] = (row.source_version or "-") .. " " .. (row.dest_version or "-")
  end
  table.sort(out)
  return out
end

local function promoted_twice(t)
  local w = e2e.seeded(t)
  e2e.expect(w:promote({ HELLO }), 0)
  w.dev:commit(HELLO, { { path = "two", data = "2" } })
  w.dev:publish(HELLO, { step = "revision" })
  e2e.expect(w:promote({ HELLO }), 0)
  return w
end

test("every promotion is a row, with everything that is known", function(t)
  local w = promoted_twice(t)
  local list = rows(w)
  t:eq(versions(list), { "0.1.0 0.1.0", "0.1.1 0.2.0" })
  for _, row in ipairs(list) do
    t:eq(row.source_cluster, w.dev.api)
    t:eq(row.dest_cluster, w.prod.api)
    t:match(row.who, "@.+ with the key of alice$")
    for _, key in ipairs({ "source_commit", "source_tree", "expected_tree",
        "dest_commit", "policy_digest", "settings_digest", "created_at",
        "run", "who" }) do
      t:ok(row[key], key)
    end
  end
end)

test("rebuilt from the trailers by somebody without any state", function(t)
  local w = promoted_twice(t)
  local before = rows(w)
  local env = { XDG_STATE_HOME = w.dir .. "/s2", XDG_CACHE_HOME = w.dir
    .. "/c2" }
  t:eq(rows(w, {}, env), {})
  local after = rows(w, { "--rebuild", "--from", "dev", "--to", "prod" }, env)
  t:eq(versions(after), versions(before))
  local commits = {}
  for _, row in ipairs(before) do
    commits[row.dest_commit] = row.source_commit
  end
  for _, row in ipairs(after) do
    t:eq(row.source_commit, commits[row.dest_commit])
  end
  -- Doing it again adds nothing, and the next promotion is no work.
  t:eq(#rows(w, { "--rebuild", "--to", "prod" }, env), 2)
  t:eq(e2e.expect(w:promote({ HELLO }, env), 0).item.outcome, "unchanged")
end)

test("a repeat adds no row, a plan none either", function(t)
  local w = promoted_twice(t)
  e2e.expect(w:promote({ HELLO }), 0)
  w.dev:commit(HELLO, { { path = "three", data = "3" } })
  e2e.expect(w:promote({ HELLO, "-n" }), 0)
  t:eq(#rows(w), 2)
end)

test("a damaged map is said to be one, with the way to mend it", function(t)
  local w = e2e.seeded(t)
  e2e.expect(w:promote({ HELLO }), 0)
  local path = w.home .. "/.local/state/godwit/versions.db"
  for _, file in ipairs({ "-wal", "-shm" }) do
    fs.remove(path .. file)
  end
  fs.write(path, ("no map"):rep(4096), 384)
  local r = e2e.expect(w:promote({ HELLO }), 1)
  t:match(r.err, "versions%.db is damaged; move it away")
  fs.remove(path)
  e2e.expect(w:run({ "version-map", HELLO, "--rebuild", "--to", "prod" }), 0)
  t:eq(e2e.expect(w:promote({ HELLO }), 0).item.outcome, "unchanged")
end)
