--- settings: an algorithm's description as a document of the source, turned
--- into what the destination is sent, and compared with what it has. Pure.
---
--- Ids, null and empty values never travel; callability belongs to publishing
--- and the environment's id is the destination's.

local core_json = require("godwit.core.json")
local sys = require("godwit.core.sys")

local M = {}

-- Everything that is compared, in the order it is shown.
local DETAILS = { "label", "tagline", "summary" }
local SETTINGS = {
  "source_visibility", "license", "network_access", "pipeline_enabled",
  "algorithm_environment", "language", "environment", "package_set",
}
-- A change of these between two versions needs a major step.
M.PERMISSIONS = { "algorithm_callability", "network_access",
  "pipeline_enabled" }

--- A value, or nil for null, "" and what is absent: three spellings of
--- nothing.
local function present(section, key)
  if type(section) ~= "table" then
    return nil
  end
  local v = section[key]
  if v == nil or v == core_json.null or v == "" then
    return nil
  end
  return v
end
M.present = present

local function pick(section, keys)
  local out = {}
  for _, key in ipairs(keys) do
    out[key] = present(section, key)
  end
  return out
end

-- Exactly one runtime selector may be sent.
local function one_runtime(settings)
  if settings.algorithm_environment then
    settings.language, settings.environment = nil, nil
    settings.package_set = nil
  elseif settings.language then
    settings.package_set = nil
  end
  return settings
end

---@class godwit.copy.Settings
---@field details table
---@field settings table
---@field sample_input? string
---@field callability? string
---@field source? table Where a new algorithm's code is kept.

--- What the destination should have, from the source's document.
---@param doc table VersionResponse of the source.
---@param environment? table The destination's environment.
---@return godwit.copy.Settings
function M.desired(doc, environment)
  local settings = one_runtime(pick(doc.settings, SETTINGS))

  if settings.algorithm_environment then
    settings.algorithm_environment = environment and environment.id or nil
  end
  return {
    details = pick(doc.details, DETAILS),
    settings = settings,
    sample_input = present(doc.version_info, "sample_input"),
    callability = present(doc.settings, "algorithm_callability"),
  }
end

--- The body of a create.
---@param name string
---@param desired godwit.copy.Settings
---@return table
function M.create_body(name, desired)
  local body = { name = name, details = {}, settings = {},
    source = desired.source }

  for k, v in pairs(desired.details) do
    body.details[k] = v
  end
  for k, v in pairs(desired.settings) do
    body.settings[k] = v
  end
  body.details.label = body.details.label or name
  if desired.sample_input then
    body.version_info = { sample_input = desired.sample_input }
  end
  return body
end

--- The body of an update: the full set, since a cluster may take what is
--- missing for unset. The summary stays out when a README writes it.
---@param desired godwit.copy.Settings
---@param current table The destination's document.
---@param readme boolean
---@return table
function M.update_body(desired, current, readme)
  local body = M.create_body("", desired)
  local settings = body.settings

  body.name, body.source = nil, nil -- cannot change either
  settings.language = nil -- cannot change
  if desired.details.label == nil then
    body.details.label = present(current.details, "label")
  end
  if readme then
    body.details.summary = present(current.details, "summary")
  end
  for _, key in ipairs({ "tagline", "summary" }) do
    if body.details[key] == nil and present(current.details, key) then
      body.details[key] = ""
    end
  end
  -- Not ours to decide here, but part of the full set.
  settings.algorithm_callability =
    present(current.settings, "algorithm_callability")
  return body
end

---@class godwit.copy.Difference
---@field field string
---@field source any nil: not set.
---@field destination any

--- Compares what should be with what is.
---@param desired godwit.copy.Settings
---@param current table The destination's document.
---@param opts {readme: boolean?, name: (fun(id: string): string)?}
---@return godwit.copy.Difference[]
function M.differences(desired, current, opts)
  local found = {}
  local has = {
    details = pick(current.details, DETAILS),
    settings = one_runtime(pick(current.settings, SETTINGS)),
  }

  local function compare(section, key)
    local want, is = desired[section][key], has[section][key]
    if want == is then
      return
    end
    if key == "algorithm_environment" and opts.name then
      want, is = want and opts.name(want), is and opts.name(is)
    end
    found[#found + 1] = { field = section .. "." .. key, source = want,
      destination = is }
  end

  for _, key in ipairs(DETAILS) do
    -- A push that changes README.md rewrites the summary from it.
    if not (key == "summary" and opts.readme)
        and not (key == "label" and desired.details.label == nil) then
      compare("details", key)
    end
  end
  for _, key in ipairs(SETTINGS) do
    compare("settings", key)
  end
  return found
end

--- Whether a difference is one of the permissions that need a major step.
---@param difference godwit.copy.Difference
---@return boolean
function M.is_permission(difference)
  for _, key in ipairs(M.PERMISSIONS) do
    if difference.field == "settings." .. key then
      return true
    end
  end
  return false
end

--- A digest of both sides as they are now: equal digests mean that neither
--- was touched since. "+" at the end: they differed already then.
---@param source table The source's document.
---@param dest table The destination's document.
---@param differ boolean
---@return string
function M.digest(source, dest, differ)
  local function side(doc)
    local settings = pick(doc.settings, SETTINGS)
    settings.algorithm_callability =
      present(doc.settings, "algorithm_callability")
    return { details = pick(doc.details, DETAILS), settings = settings }
  end
  local text = core_json.encode({ source = side(source), dest = side(dest) })

  return sys.hash("sha256", text) .. (differ and "+" or "")
end

return M
