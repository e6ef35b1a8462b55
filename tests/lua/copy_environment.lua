-- Environments have other ids on every cluster.
local environment = require("godwit.copy.environment")

local function env(id, spec, name, machine, language)
  return { id = id, environment_specification_id = spec,
    display_name = name or "Python 3.8", machine_type = machine or "CPU",
    language = { name = language or "python3" } }
end

local SOURCE = { env("s1", "spec-1"), env("s2", "spec-2", "Java 11", "CPU",
  "java11") }

test("the specification id decides, whatever the names are", function(t)
  local found = environment.map("s1", SOURCE,
    { env("d1", "spec-9"), env("d2", "spec-1", "Python 3.8 (renamed)") })
  t:eq(found.id, "d2")
end)

test("without it name, machine and language must name exactly one",
function(t)
  local found = environment.map("s1", SOURCE, { env("d0", "x", nil, "GPU"),
    env("d1", "y"), env("d2", "z", nil, nil, "python2") })
  t:eq(found.id, "d1")
end)

test("none, or several, is a hole and says what is looked for", function(t)
  local found, problem = environment.map("s2", SOURCE, { env("d1", "x") })
  t:eq(found, nil)
  t:match(problem, "Java 11 %(java11, CPU%)")
  found, problem = environment.map("s1", SOURCE, { env("d1"), env("d2") })
  t:eq(found, nil)
  t:match(problem, "2 environments")
  found, problem = environment.map("gone", SOURCE, { env("d1") })
  t:eq(found, nil)
  t:match(problem, "source's catalogue")
end)

test("one specification enabled twice is told apart by its name", function(t)
  local found = environment.map("s1", SOURCE,
    { env("d1", "spec-1", "Other"), env("d2", "spec-1") })
  t:eq(found.id, "d2")
end)
