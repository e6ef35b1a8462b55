--- What people who have the platform's own command line configured already:
--- profiles of ~/.algorithmia/config, and the ALGORITHMIA_ variables, which
--- make the profile "default".
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local sys = require("godwit.core.sys")
local places = require("godwit.config.places")
local source = require("godwit.config.source")
local toml = require("godwit.config.toml")

local M = {}

local API = "https://api.algorithmia.com"
local MAX_FILE = 1 << 20

local function path()
  return places.home() .. "/.algorithmia/config"
end

local function text(v)
  return type(v) == "string" and v ~= "" and v or nil
end

local function profile_of(fields)
  return {
    api = text(fields.api_server) or API, key = text(fields.api_key),
    bearer_token = text(fields.bearer_token), ca = text(fields.ca_cert),
  }
end

local function from_file(found)
  local file = path()
  if not fs.stat(file) then
    return
  end
  local label = "~/.algorithmia/config"
  local doc, why = toml.decode(err.check(fs.read(file, MAX_FILE)))
  if not doc then
    err.throw("usage", "%s: %s", label, why)
  end
  local profiles = doc.profiles
  for name, fields in pairs(type(profiles) == "table" and profiles or {}) do
    if type(fields) == "table" then
      found[name] = { fields = profile_of(fields), label = label,
        private = file }
    end
  end
end

-- The variables replace the profile as a whole: a key from one place is
-- never sent to an address from another.
local function from_environment(found)
  local key, token = sys.env("ALGORITHMIA_API_KEY"),
    sys.env("ALGORITHMIA_BEARER_TOKEN")
  if not text(key) and not text(token) then
    return
  end
  found.default = {
    label = "the ALGORITHMIA_ variables",
    fields = {
      api = text(sys.env("ALGORITHMIA_API")) or API,
      key = text(key) and source.named("env", "ALGORITHMIA_API_KEY"),
      bearer_token = not text(key)
        and source.named("env", "ALGORITHMIA_BEARER_TOKEN") or nil,
    },
  }
end

--- Profiles by name: {fields=, label=, private=path that must be 0600}.
---@async
---@return table<string, { fields: table, label: string, private?: string }>
function M.profiles()
  local found = {}
  from_file(found)
  from_environment(found)
  return found
end

return M
