-- The answers of the published version and of the new one, compared before the
-- new one is released.
local e2e = require("support.e2e")
local fs = require("godwit.core.fs")

local HELLO = "acme/Hello"

local WORKFLOW = [[
return {
  summary = "Promotes one algorithm when its answer is as before.",
  params = { from = "cluster", to = "cluster",
    how = { "string", default = "same" } },
  run = function(cx)
    local p = cx.params
    local compare = {
      same = function(old, new)
        log.info("compared %s and %s (%s)", old.result, new.result,
          new.metadata.content_type)
        if old.result ~= new.result then
          return false, ("%s is now %s"):format(old.result, new.result)
        end
      end,
      bad = function() return "yes" end,
      raises = function() error("no idea") end,
      none = function() return false end,
      fine = function() return true end,
    }
    cx:each({ p.from.algorithms:get "acme/Hello" }, function(a)
      return copy.algorithm(a, p.to, { compare = compare[p.how] })
    end, { kind = "algorithm" })
  end,
}
]]

local function promote(w, words)
  local argv = { "run", "one.lua", "--from", "dev", "--to", "prod", "--json" }
  table.move(words or {}, 1, #(words or {}), #argv + 1, argv)
  local r = w:run(argv)
  r.item = r.doc and r.doc.items[1] or {}
  return r
end

local function world(t)
  local w = e2e.seeded(t)
  assert(fs.write(w.home .. "/one.lua", WORKFLOW, 384))
  return w
end

local function steps(r)
  local names = {}
  for i, s in ipairs(r.item.steps) do
    names[i] = s.step
  end
  return table.concat(names, " ")
end

test("an answer as before is published, another is not", function(t)
  local w = world(t)
  local r = e2e.expect(promote(w), 0) -- nothing there to compare with
  t:eq(steps(r), "create push build call publish")
  w.dev:commit(HELLO, { { path = "next.py", data = "1\n" } })
  r = e2e.expect(promote(w, { "-n" }), 0)
  t:eq(steps(r), "push build call compare publish")
  t:match(r.item.steps[4].text, "compare its answer with that of 0%.1%.0")
  r = e2e.expect(promote(w), 0)
  t:eq(steps(r), "push build call compare publish")
  t:match(r.err, "compared hello world and hello world")
  t:eq(#w.prod:versions(HELLO), 2)

  w.dev:commit(HELLO, { { path = "src/Hello.py", data = "other\n" } })
  r = e2e.expect(promote(w), 1) -- something was written
  t:eq(r.item.outcome, "refused")
  t:eq(r.item.why, "built but not published: hello world is now world")
  t:ok(r.item.wrote)
  t:eq(r.item.commit, w.prod:tip(HELLO))
  t:no(r.item.version)
  t:eq(#w.prod:versions(HELLO), 2)
  -- Again: nothing is pushed twice, the question is the same.
  local tip = w.prod:tip(HELLO)
  r = e2e.expect(promote(w), 1)
  t:match(r.item.why, "^built but not published")
  t:eq(w.prod:tip(HELLO), tip)
  -- Who finds it right gets that very commit released.
  r = e2e.expect(promote(w, { "--how", "fine" }), 0)
  t:eq(w.prod:tip(HELLO), tip)
  t:eq(#w.prod:versions(HELLO), 3)
  r = e2e.expect(promote(w), 0)
  t:eq(r.item.outcome, "unchanged")
end)

test("a published version that fails is not compared with", function(t)
  local w = world(t)
  e2e.expect(promote(w), 0)
  -- Somebody released a broken one by hand.
  w.prod:commit(HELLO, { { path = ".sandbox-call-fails", data = "boom" } })
  w.prod:publish(HELLO)
  w.dev:commit(HELLO, { { path = "src/Hello.py", data = "other\n" } })
  local argv = { "--how", "same" }
  assert(fs.write(w.home .. "/one.lua", (WORKFLOW:gsub("{ compare =",
    '{ on_drift = "overwrite", compare =')), 384))
  local r = e2e.expect(promote(w, argv), 0)
  t:match(table.concat(r.item.warnings, "\n"),
    "not compared: 0%.2%.0 of prod:acme/Hello failed.*boom")
  t:eq(#w.prod:versions(HELLO), 3)
end)

test("answers that are none, and a comparison that raises", function(t)
  local w = world(t)
  e2e.expect(promote(w), 0)
  w.dev:commit(HELLO, { { path = "next.py", data = "1\n" } })
  local r = e2e.expect(promote(w, { "--how", "bad" }), 1)
  t:match(r.item.why, "compare answers nothing, true, or false and why")
  r = e2e.expect(promote(w, { "--how", "raises" }), 1)
  t:match(r.item.why, "no idea")
  r = e2e.expect(promote(w, { "--how", "none" }), 1)
  t:match(r.item.why, "not published: its answer differs")
  t:eq(#w.prod:versions(HELLO), 1)
end)
