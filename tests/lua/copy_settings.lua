-- Metadata on its way: what travels, what is translated, what is compared.
local json = require("godwit.core.json")
local settings = require("godwit.copy.settings")

local function source()
  return {
    id = "s-1", name = "Hello", self_link = "http://x", resource_type = "algorithm",
    details = { label = "Hello", summary = "<p>hi</p>", tagline = "" },
    settings = { source_visibility = "open", license = "mit",
      network_access = "isolated", pipeline_enabled = false,
      algorithm_callability = "public", algorithm_environment = "env-s",
      package_set = "python38", language = json.null,
      royalty_microcredits = 0, insights_enabled = true },
    version_info = { semantic_version = "1.0.0", git_hash = "abc",
      sample_input = '"x"' },
    build = {}, source = { scm = { id = "internal" } },
  }
end

test("a create carries the settings and no id, null, empty or released value",
function(t)
  local body = settings.create_body("Hello",
    settings.desired(source(), { id = "env-d" }))
  t:eq(body, {
    name = "Hello",
    details = { label = "Hello", summary = "<p>hi</p>" },
    settings = { source_visibility = "open", license = "mit",
      network_access = "isolated", pipeline_enabled = false,
      algorithm_environment = "env-d" },
    version_info = { sample_input = '"x"' },
  })
end)

test("exactly one runtime selector is sent", function(t)
  local doc = source()
  doc.settings.algorithm_environment = json.null
  doc.settings.language, doc.settings.environment = "python3-1", "gpu"
  local want = settings.desired(doc).settings
  t:eq(want.language, "python3-1")
  t:eq(want.environment, "gpu")
  t:eq(want.package_set, nil)
end)

test("what was created from a document does not differ from it", function(t)
  local want = settings.desired(source(), { id = "env-d" })
  local there = settings.create_body("Hello", want)
  there.settings.algorithm_callability = "private"
  there.details.tagline = json.null
  t:eq(settings.differences(want, there, {}), {})
end)

test("differences are named with both values, environments by name",
function(t)
  local want = settings.desired(source(), { id = "env-d" })
  local there = settings.create_body("Hello", want)
  there.settings.network_access = "full"
  there.settings.pipeline_enabled = true
  there.settings.algorithm_environment = "env-x"
  there.details.tagline = "theirs"
  local found = settings.differences(want, there, { name = function(id)
    return "<" .. id .. ">"
  end })
  t:eq(found, {
    { field = "details.tagline", destination = "theirs" },
    { field = "settings.network_access", source = "isolated",
      destination = "full" },
    { field = "settings.pipeline_enabled", source = false,
      destination = true },
    { field = "settings.algorithm_environment", source = "<env-d>",
      destination = "<env-x>" },
  })
  t:ok(settings.is_permission(found[2]))
  t:no(settings.is_permission(found[1]))
end)

test("the summary does not count where a README writes it", function(t)
  local want = settings.desired(source(), { id = "env-d" })
  local there = settings.create_body("Hello", want)
  there.details.summary = "<h1>from the README</h1>"
  t:eq(#settings.differences(want, there, {}), 1)
  t:eq(settings.differences(want, there, { readme = true }), {})
end)

test("an update sends the full set and clears what the source has not",
function(t)
  local want = settings.desired(source(), { id = "env-d" })
  local there = settings.create_body("Hello", want)
  there.details.tagline = "theirs"
  there.settings.algorithm_callability = "private"
  local body = settings.update_body(want, there, false)
  t:eq(body.details.tagline, "")
  t:eq(body.name, nil)
  t:eq(body.settings.algorithm_callability, "private")
  t:eq(body.settings.license, "mit")
  t:eq(body.settings.algorithm_environment, "env-d")
end)
