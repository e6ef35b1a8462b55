local api_error = require("godwit.cluster.api_error")
local calendar = require("godwit.calendar")
local err = require("godwit.err")
local json = require("godwit.core.json")

--- The platform's rules that need neither disk nor network: names, numbers,
--- version references, what a create, an update or a publish may say.
--- Refusals are raised as error objects carrying the platform's own status
--- and code; whoever serves them decides about the body's shape.
local M = {}

--- Messages an error list or a client may quote; the text of 1007 is the
--- platform's own, clients recognise it.
M.ALREADY_PUBLISHED =
  "Version already published. Please compile your algorithm."

local LICENSES = { apl = true, apache2 = true, gpl3 = true, mit = true }
local VISIBILITY = { open = true, closed = true }
local NETWORK = { full = true, isolated = true }
local CALLABILITY = { public = true, private = true }
local LEGACY_LANGUAGES = {
  java = true, javascript = true, ["python2-langpack"] = true,
  ["python3-1"] = true, r = true, ruby = true, rust = true, scala = true,
}

--- Raises a refusal of the platform.
---@param status integer The HTTP status it is served with.
---@param code integer The platform's error code.
---@param fmt string
function M.reject(status, code, fmt, ...)
  local message = select("#", ...) > 0 and fmt:format(...) or fmt
  error(err.new({
    kind = api_error.kind(status, code), op = "platform", message = message,
    status = status, code = code, platform = true,
  }), 0)
end

local reject = M.reject

--- A user's, an organization's or a collection's name.
function M.is_account(name)
  return type(name) == "string" and #name <= 30
    and name:find("^%a[%w_]*$") ~= nil
end

--- An algorithm's name. The length is not documented; 64 was chosen.
function M.is_algorithm(name)
  return type(name) == "string" and #name <= 64
    and name:find("^%a[%w_]*$") ~= nil
end

local HEX = "%x"
local UUID = ("^%s-%s-%s-%s-%s$"):format(HEX:rep(8), HEX:rep(4), HEX:rep(4),
  HEX:rep(4), HEX:rep(12)):gsub("%-", "%%-")

function M.is_uuid(text)
  return type(text) == "string" and #text == 36 and text:find(UUID) ~= nil
end

function M.is_sha(text)
  return type(text) == "string" and #text == 40
    and text:find("^[0-9a-f]+$") ~= nil
end

--- "1.2.3" as three integers, or nil.
function M.parse_version(text)
  local a, b, c = tostring(text):match("^(%d+)%.(%d+)%.(%d+)$")
  if not a or #a > 9 or #b > 9 or #c > 9 then return nil end
  return { math.tointeger(tonumber(a)), math.tointeger(tonumber(b)),
    math.tointeger(tonumber(c)) }
end

function M.compare_versions(a, b)
  local x, y = M.parse_version(a), M.parse_version(b)
  for i = 1, 3 do
    if x[i] ~= y[i] then return x[i] < y[i] and -1 or 1 end
  end
  return 0
end

--- The number a publish gets: it only grows, and nobody chooses it.
---@param last string|nil The highest published number.
---@param step string major, minor, revision
function M.next_version(last, step)
  local v = last and M.parse_version(last) or { 0, 0, 0 }
  if step == "major" then
    v = { v[1] + 1, 0, 0 }
  elseif step == "minor" then
    v = { v[1], v[2] + 1, 0 }
  else
    v = { v[1], v[2], v[3] + 1 }
  end
  return ("%d.%d.%d"):format(v[1], v[2], v[3])
end

--- The step a publish asks for; the older word "patch" is a revision.
function M.version_step(text)
  if text == nil then return "minor" end
  if text == "patch" then return "revision" end
  if text == "major" or text == "minor" or text == "revision" then
    return text
  end
  reject(400, 6001, "version_type must be major, minor or revision")
end

--- Splits a version reference.
---@return table|nil kind: latest, latestPrivate, sha, version, partial
function M.parse_ref(text)
  if text == nil or text == "" or text == "latest" then
    return { kind = "latest" }
  end
  if text == "latestPrivate" then return { kind = "latestPrivate" } end
  if M.is_sha(text) then return { kind = "sha", sha = text } end
  if M.parse_version(text) then return { kind = "version", version = text } end
  local a, b = text:match("^(%d+)%.(%d+)%.%*$")
  if not a then a, b = text:match("^(%d+)%.(%d+)$") end
  if a then return { kind = "partial", prefix = a .. "." .. b .. "." } end
  a = text:match("^(%d+)%.%*$") or text:match("^(%d+)$")
  if a then return { kind = "partial", prefix = a .. "." } end
  return nil
end

local function text_field(t, key, where, required)
  local v = t[key]
  if v == nil then
    if required then
      reject(400, 6001, "%s.%s is required", where, key)
    end
    return nil
  end
  if type(v) ~= "string" then
    reject(400, 6001, "%s.%s must be a string", where, key)
  end
  return v
end

local function choice(t, key, values, required)
  local v = text_field(t, key, "settings", required)
  if v ~= nil and not values[v] then
    reject(400, 6001, "settings.%s has no value %q", key, v:sub(1, 40))
  end
  return v
end

local function flag(t, key, required)
  local v = t[key]
  if v == nil and required then
    reject(400, 6001, "settings.%s is required", key)
  elseif v ~= nil and type(v) ~= "boolean" then
    reject(400, 6001, "settings.%s must be true or false", key)
  end
  return v
end

--- An optional sub-table of a body.
function M.section(body, key, required)
  local v = body[key]
  if v == nil then
    if required then reject(400, 6001, "%s is required", key) end
    return {}
  end
  if type(v) ~= "table" or json.is_array(v) then
    reject(400, 6001, "%s must be an object", key)
  end
  return v
end

function M.details(body, required)
  local d = M.section(body, "details", required)
  return {
    label = text_field(d, "label", "details", required),
    summary = text_field(d, "summary", "details"),
    tagline = text_field(d, "tagline", "details"),
  }
end

--- The version_info texts that are stored per version.
function M.version_info(body)
  local v = M.section(body, "version_info")
  return {
    version_type = v.version_type,
    release_notes = text_field(v, "release_notes", "version_info"),
    sample_input = text_field(v, "sample_input", "version_info"),
    sample_output = text_field(v, "sample_output", "version_info"),
    insights_enabled = flag(v, "insights_enabled"),
  }
end

--- Settings that a create (required), an update or a publish may carry.
function M.settings(body, required)
  local s = M.section(body, "settings", required)
  return {
    source_visibility = choice(s, "source_visibility", VISIBILITY, required),
    license = choice(s, "license", LICENSES, required),
    network_access = choice(s, "network_access", NETWORK, required),
    pipeline_enabled = flag(s, "pipeline_enabled", required),
    algorithm_callability = choice(s, "algorithm_callability", CALLABILITY),
    insights_enabled = flag(s, "insights_enabled"),
  }
end

--- An open license needs open source.
function M.check_license(settings)
  if settings.license ~= "apl" and settings.source_visibility ~= "open" then
    reject(400, 6001, "license %s needs source_visibility open",
      settings.license)
  end
end

--- What the code runs in: an environment, a legacy language or a package set.
---@param body table
---@param environments table id -> Env
---@param accept_unknown boolean Take an unknown environment; its build fails.
function M.runtime(body, environments, accept_unknown, required)
  local s = M.section(body, "settings")
  local env = text_field(s, "algorithm_environment", "settings")
  if env then
    if not environments[env] and not accept_unknown then
      reject(400, 6001, "no algorithm environment %q", env:sub(1, 60))
    end
    return { algorithm_environment = env }
  end
  local language = text_field(s, "language", "settings")
  if language then
    if not LEGACY_LANGUAGES[language] then
      reject(400, 4001, "unknown language %q", language:sub(1, 40))
    end
    local machine = text_field(s, "environment", "settings") or "cpu"
    if machine ~= "cpu" and machine ~= "gpu" then
      reject(400, 4004, "environment must be cpu or gpu")
    end
    return { language = language, environment = machine }
  end
  if text_field(s, "package_set", "settings") then
    reject(400, 1003, "no package set of this name")
  end
  if required then
    reject(400, 6001, "settings.algorithm_environment is required")
  end
  return nil
end

--- The permissions a publish asks for against those of its predecessor:
--- minor and revision carry them, only a major step changes them.
function M.permissions(given, record, last, step)
  local out = {}
  local names = { "algorithm_callability", "network_access",
    "pipeline_enabled" }
  for _, key in ipairs(names) do
    local before = last and last.settings[key]
    if last and step ~= "major" then
      if given[key] ~= nil and given[key] ~= before then
        reject(400, 2015, "changing %s needs a major version", key)
      end
      out[key] = before
    elseif given[key] ~= nil then
      out[key] = given[key]
    elseif key == "algorithm_callability" then
      out[key] = before or "private"
    else
      out[key] = record[key]
    end
  end
  return out
end

--- A time as the API writes it: UTC, milliseconds, Z.
---@param t number Seconds since 1970.
function M.time(t)
  local ms = math.floor(t * 1000 + 0.5)
  local s = ms // 1000
  local days, rest = s // 86400, s % 86400
  local y, m, d = calendar.date(days)
  return ("%04d-%02d-%02dT%02d:%02d:%02d.%03dZ"):format(y, m, d,
    rest // 3600, rest % 3600 // 60, rest % 60, ms % 1000)
end

return M
