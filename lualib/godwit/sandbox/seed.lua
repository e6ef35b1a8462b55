local err = require("godwit.err")
local json = require("godwit.core.json")
local sys = require("godwit.core.sys")
local keys = require("godwit.sandbox.keys")
local rules = require("godwit.cluster.platform.rules")

--- What a new sandbox holds: accounts with keys, languages, environments and
--- SCMs, and for the demo a few algorithms. Two demo clusters look like one
--- organization's development and production: the same accounts and
--- environment catalogue, but every id and key differs.
local M = {}

M.NAMES = { "empty", "demo", "demo-dev", "demo-prod" }

local CREATED = 1600000000 -- accounts: a fixed day in 2020

--- A UUID made from texts: the same for the same texts.
function M.uuid(...)
  local h = sys.hash("sha256", table.concat({ ... }, "\0"))
  return ("%s-%s-4%s-8%s-%s"):format(h:sub(1, 8), h:sub(9, 12), h:sub(14, 16),
    h:sub(18, 20), h:sub(21, 32))
end

local LANGUAGES = {
  { name = "java11", display_name = "Java 11" },
  { name = "python3", display_name = "Python 3.x" },
  { name = "r36", display_name = "R 3.6" },
}

local ENVIRONMENTS = {
  { "Java OpenJDK 11", "java11", "CPU", "Generic Java 11" },
  { "Python 3.8", "python3", "CPU", "Generic Python 3.8" },
  { "Python 3.7 + TensorFlow GPU 2.3", "python3", "GPU",
    "TensorFlow with CUDA" },
  { "PyTorch 1.6", "python3", "CPU", "Only where models are tried out",
    dev_only = true },
  { "R 3.6", "r36", "CPU", "Generic R 3.6" },
}

local function language(l)
  return { name = l.name, display_name = l.display_name,
    configuration = json.encode({ language = l.name }) }
end

---@async
local function plant_catalogue(store, prod)
  local by_name, list, environments = {}, json.array({}), json.array({})
  for _, l in ipairs(LANGUAGES) do
    list[#list + 1] = language(l)
    by_name[l.name] = list[#list]
  end
  for _, e in ipairs(ENVIRONMENTS) do
    if not (prod and e.dev_only) then
      environments[#environments + 1] = {
        id = M.uuid(store.id, "environment", e[1]),
        environment_specification_id = M.uuid("specification", e[1]),
        display_name = e[1], description = e[4], machine_type = e[3],
        language = by_name[e[2]], created_at = "2021-03-01T09:00:00.000",
      }
    end
  end
  store:write("languages.json", list)
  store:write("environments.json", environments)
  store:write("secret-providers.json", json.array({ {
    id = M.uuid(store.id, "secret-provider"), name = "algorithmia_internal",
    description = "Internal secret provider", moduleName = "internal",
    factoryClassName = "com.algorithmia.plugin.sqlsecretprovider.Factory",
    interfaceVersion = "1.0", isEnabled = true, isDefault = true,
    created = rules.time(CREATED), modified = rules.time(CREATED),
  } }))
end

local function internal_scm()
  return { id = "internal", provider = "internal", name = "Internal",
    default = true, enabled = true }
end

local function github_scm(store)
  return { id = M.uuid(store.id, "github"), provider = "github",
    name = "GitHub", default = false, enabled = true,
    urls = { web = "https://github.com", api = "https://api.github.com",
      ssh = "ssh://git@github.com" },
    oauth = { client_id = "0123456789abcdef0123" } }
end

---@async
local function plant_accounts(store)
  for _, name in ipairs({ "alice", "bob", "carol" }) do
    store:write("users/" .. name .. ".json", {
      id = M.uuid(store.id, "user", name), username = name,
      email = name .. "@example.com",
      fullname = name:gsub("^%l", string.upper) .. " Example",
      resource_type = "user",
    })
  end
  local types = json.array({})
  for i, name in ipairs({ "basic", "legacy", "pro" }) do
    types[i] = { id = M.uuid(store.id, "organization-type", name), name = name }
  end
  store:write("organization-types.json", types)
  local type_id = types[1].id
  local function org(name, label, members)
    store:write("organizations/" .. name .. ".json", {
      id = M.uuid(store.id, "organization", name), org_name = name,
      org_label = label, org_contact_name = "Alice Example",
      org_email = name .. "@example.com", type_id = type_id,
      resource_type = "organization",
      org_created_at = "2020-09-13T12:26:40",
      members = json.array(members),
    })
  end
  org("acme", "ACME Payments", {
    { username = "alice", role = "owner" },
    { username = "bob", role = "member" } })
  org("labs", "ACME Labs", { { username = "bob", role = "owner" } })
end

---@async
local function plant_keys(dir)
  local list = {}
  local function add(username, kind, label, permissions)
    list[#list + 1] = { username = username, kind = kind, label = label,
      key = keys.new_key(), permissions = permissions or kind == "standard"
        and keys.FULL or nil }
  end
  add("acme", "standard", "acme-promotion")
  add("labs", "standard", "labs-promotion")
  add("alice", "standard", "default-key")
  add("bob", "standard", "default-key")
  add("carol", "standard", "default-key")
  add("carol", "standard", "weak", {
    allow_algo = false, allow_web_algo = false, algo_acl = json.array({}),
    allow_data = true, allow_data_write = false,
    allow_algo_management = false })
  add("admin", "admin", "admin-key")
  keys.write(dir, list)
end

--- The environment id of a display name.
function M.environment(store, name)
  for _, env in ipairs((store:environments())) do
    if env.display_name == name then return env.id end
  end
  err.throw("bug", "the seed has no environment %s", name)
end

--- Fills an archive that is being made.
---@async
function M.plant(store, dir, seed)
  local known = false
  for _, name in ipairs(M.NAMES) do known = known or name == seed end
  if not known then
    err.throw("usage", "there is no seed %q; there are %s", seed,
      table.concat(M.NAMES, ", "))
  end
  local prod = seed == "demo-prod"
  plant_catalogue(store, prod)
  plant_accounts(store)
  plant_keys(dir)
  local scms = json.array({ internal_scm() })
  if seed ~= "empty" then scms[2] = github_scm(store) end
  store:write("scms.json", scms)
  if seed == "empty" then return end
  require("godwit.sandbox.seed_demo").plant(store, prod)
end

return M
