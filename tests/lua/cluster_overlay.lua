-- The overlay against what it models: the same things are done to a sandbox
-- and to an overlay of it, and everything known is the same.
local cluster = require("godwit.cluster")
local json = require("godwit.core.json")
local overlay = require("godwit.cluster.overlay")
local sandboxes = require("support.sandboxes")
local secret = require("godwit.core.secret")
local unknown = require("godwit.unknown")

local function start(t)
  local s = sandboxes.start(t)
  local driver = cluster.open({ name = "box", kind = "http", api = s.api,
    key = secret.new(s:key("acme"), { label = "acme key",
      origins = { s.api } }) })
  return driver, overlay.new(driver, {}), s
end

-- What must agree: `planned` may say unknown, and may leave out what is made
-- up of ids and times. Returns the paths that do not agree.
local function disagreements(planned, real, path, out)
  for k, v in pairs(planned) do
    local at = path .. "." .. tostring(k)
    local is = type(real) == "table" and real[k]
    if unknown.is(v) then
      if is == nil or is == false then
        out[#out + 1] = at .. " is not there"
      end
    elseif type(v) == "table" then
      disagreements(v, is, at, out)
    elseif v ~= is then
      out[#out + 1] = ("%s: %s, really %s"):format(at, tostring(v),
        tostring(is))
    end
  end
  return out
end

-- Does all of it in the plan, then for real: each step succeeds in both, or
-- is refused alike.
local function compare(t, plan, real, steps)
  local planned = {}
  for i, step in ipairs(steps) do
    planned[i] = table.pack(pcall(plan[step[1]], plan,
      table.unpack(step, 2)))
  end
  for i, step in ipairs(steps) do
    local ok, r = pcall(real[step[1]], real, table.unpack(step, 2))
    local what, p = i .. " " .. step[1], planned[i][2]
    t:eq(planned[i][1], ok, ("%s: planned %s, really %s"):format(what,
      tostring(p), tostring(r)))
    if ok then
      t:eq(disagreements(p, r, what, {}), {})
    else
      t:eq({ what, p.kind, p.code }, { what, r.kind, r.code })
    end
  end
end

local function request(driver, name, settings)
  local env
  for _, e in ipairs(driver:list_environments()) do
    if e.display_name == "Python 3.8" then
      env = e.id
    end
  end
  local body = { name = name, details = { label = name }, settings = {
    source_visibility = "closed", license = "apl", network_access = "full",
    pipeline_enabled = true, algorithm_environment = env } }
  for k, v in pairs(settings or {}) do
    body.settings[k] = v
  end
  return body
end

test("the life of a new algorithm", function(t)
  local real, plan = start(t)
  compare(t, plan, real, {
    { "create_algorithm", "acme", request(real, "Hello") },
    { "get_algorithm", "acme", "Hello" },
    { "create_algorithm", "acme", request(real, "Hello") },
    { "publish", "acme", "Hello", {} },
    { "update_algorithm", "acme", "Hello",
      { details = { tagline = "short" } } },
    { "compile", "acme", "Hello" },
    { "get_algorithm", "acme", "Hello" },
    { "publish", "acme", "Hello", { version_info = { version_type = "minor",
      release_notes = "first" }, settings = {
      algorithm_callability = "private" } } },
    { "get_algorithm", "acme", "Hello" },
    { "publish", "acme", "Hello", {} },
    { "compile", "acme", "Hello" },
    { "publish", "acme", "Hello", { version_info = {
      version_type = "revision" }, settings = {
      algorithm_callability = "public" } } },
    { "publish", "acme", "Hello", { version_info = {
      version_type = "revision" } } },
    { "compile", "acme", "Hello" },
    { "publish", "acme", "Hello", { version_info = {
      version_type = "major" }, settings = {
      algorithm_callability = "public" } } },
    { "get_version", "acme", "Hello", "1.0.0" },
  })
end)

test("an algorithm that is there", function(t)
  local real, plan = start(t)
  real:create_algorithm("acme", request(real, "Hello"))
  real:compile("acme", "Hello")
  real:publish("acme", "Hello", {})
  compare(t, plan, real, {
    { "compile", "acme", "Hello" },
    { "publish", "acme", "Hello", { version_info = {
      version_type = "minor" } } },
    { "update_algorithm", "acme", "Hello",
      { settings = { network_access = "isolated" } } },
    { "compile", "acme", "Hello" },
    { "create_algorithm", "acme", request(real, "Open",
      { license = "mit" }) },
    { "update_algorithm", "acme", "Nope", { details = { label = "x" } } },
    { "list_secrets", "acme", "Hello" },
  })
end)

test("a plan over an archive reads what is there", function(t)
  local dir = t:tmpdir() .. "/archive"
  local archive = require("godwit.cluster.archive")
  archive.create(dir):close()
  local under = cluster.open({ name = "a", kind = "archive", dir = dir })
  local plan = overlay.new(under, {})
  t:no(plan:try_get_algorithm("acme", "Hello"))
  t:eq(plan:list_environments(), under:list_environments())
  t:eq(plan:list_scms(), json.array(under:list_scms()))
  under:close()
end)
