local describe = require("godwit.effect.describe")
local json = require("godwit.core.json")
local unknown = require("godwit.unknown")

--- cluster.body: what a cluster is sent, made from what was read and what a
--- caller wants. Pure.
---
--- Nulls and empty values never travel: clusters refuse the first and some
--- take the second for a value. An update carries the whole set a cluster
--- knows, since what is missing may be taken for unset.
local M = {}

-- Texts that may be cleared on purpose, by an update that says "".
local CLEARABLE = { tagline = true, summary = true }

local DETAILS = { "label", "summary", "tagline" }
-- What an update may carry of a document that was read. `language` cannot
-- change; callability takes effect with a publish; the rest is read-only.
local SETTINGS = { "license", "network_access", "pipeline_enabled",
  "source_visibility" }

local function is_nothing(v)
  return v == nil or v == json.null or v == ""
    or type(v) == "table" and not unknown.is(v) and next(v) == nil
end

--- A copy without nulls and empty values, at any depth.
---@param v any
---@return any
function M.clean(v)
  if type(v) ~= "table" or v == json.null or unknown.is(v) then
    return v
  end
  local out = json.is_array(v) and json.array({}) or {}
  for k, x in pairs(v) do
    local c = M.clean(x)
    if not is_nothing(c) then
      if json.is_array(v) then
        out[#out + 1] = c
      else
        out[k] = c
      end
    end
  end
  return out
end

--- A deep copy of a document; unknown values stay what they are.
---@param v any
---@return any
function M.copy(v)
  if type(v) ~= "table" or v == json.null or unknown.is(v) then
    return v
  end
  local out = json.is_array(v) and json.array({}) or {}
  for k, x in pairs(v) do
    out[k] = M.copy(x)
  end
  return out
end

--- A copy of `base` with the keys of `patch` put over it, section by section.
---@param base table
---@param patch table|nil
---@return table
function M.merge(base, patch)
  local out = M.copy(base)
  for k, x in pairs(patch or {}) do
    local section = type(x) == "table" and x ~= json.null
      and not unknown.is(x) and not json.is_array(x)
    if section and type(out[k]) == "table" and not unknown.is(out[k]) then
      out[k] = M.merge(out[k], x)
    else
      out[k] = M.copy(x)
    end
  end
  return out
end

local function pick(section, keys)
  local out = {}
  for _, key in ipairs(keys) do
    if type(section) == "table" then
      out[key] = section[key]
    end
  end
  return out
end

-- Exactly one runtime selector.
local function runtime(settings)
  if not is_nothing(settings.algorithm_environment) then
    return { "algorithm_environment" }
  elseif not is_nothing(settings.package_set) then
    return { "package_set" }
  elseif not is_nothing(settings.environment) then
    return { "environment" }
  end
  return {}
end

-- Texts that a patch clears; nil: none.
local function cleared(patch)
  local out = {}
  for key, value in pairs(type(patch.details) == "table"
      and patch.details or {}) do
    if value == "" and CLEARABLE[key] then
      out[key] = ""
    end
  end
  return next(out) and out or nil
end

-- What a patch changes. Nothing cannot be written, so where it has nothing the
-- document stays, but for a text that may be cleared.
local function changes(patch)
  return M.merge(M.clean(patch), { details = cleared(patch) })
end

--- The full body of an update: what the document has, with the patch over it.
--- What the patch has nothing for stays.
---@param doc table    The algorithm as it is
---@param patch table  The sections and keys to change
---@return table
function M.update(doc, patch)
  patch = changes(patch)
  local was = doc.settings or {}
  local settings = pick(was, SETTINGS)
  for _, key in ipairs(runtime(was)) do
    settings[key] = was[key]
  end
  local wanted = patch.settings or {}
  local selector = runtime(wanted)[1]
  if selector then
    settings.algorithm_environment = nil
    settings.package_set = nil
    settings.environment = nil
  end
  for key, value in pairs(wanted) do
    if key ~= "language" then
      settings[key] = value
    end
  end
  local out = M.clean({
    details = M.merge(pick(doc.details or {}, DETAILS), patch.details),
    settings = settings,
    version_info = patch.version_info,
  })
  -- A text that is cleared was cleaned off.
  return M.merge(out, { details = cleared(patch) })
end

--- The part of a document an update can change: what a difference is shown of.
---@param doc table
---@param body table  What is sent
---@return table
function M.counterpart(doc, body)
  local out = {}
  for section, keys in pairs(body) do
    local from = doc[section]
    out[section] = {}
    for key in pairs(keys) do
      if type(from) == "table" and from[key] ~= json.null then
        out[section][key] = from[key]
      end
    end
  end
  return out
end

--- Whether a patch would change anything of a document. Nothing is written
--- three ways: null, "" and not there.
---@param doc table
---@param patch table
---@return boolean
function M.differs(doc, patch)
  local wanted = changes(patch)
  for _, d in ipairs(describe.diff(M.counterpart(doc, wanted), wanted)) do
    if not (is_nothing(d.before) and is_nothing(d.after)) then
      return true
    end
  end
  return false
end

return M
