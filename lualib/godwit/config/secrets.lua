--- Values for secrets of algorithms: the file of --secrets, and the same table
--- from a script. A value is read when it is needed, once, and is opaque from
--- then on; who else may read the file is who may read the secrets.
local err = require("godwit.err")
local file = require("godwit.config.file")
local glob = require("godwit.cluster.glob")
local memo = require("godwit.memo")
local schema = require("godwit.config.schema")
local secret = require("godwit.core.secret")
local source = require("godwit.config.source")
local suggest = require("godwit.config.suggest")

local M = {}

local MAX_KEY = 256
local FIELDS = { value = true, description = true, short_name = true,
  provider = true }

---@class godwit.config.SecretValue
---@field key string
---@field pattern string As it was written.
---@field description? string
---@field short_name? string
---@field provider? string Name or id.
---@field used boolean A source has it.
local Value = {}
Value.__index = Value

---@class godwit.config.SecretPattern
---@field text string "acme/*"
---@field exact boolean
---@field owner fun(name: string): boolean
---@field name fun(name: string): boolean
---@field values table<string, godwit.config.SecretValue>
---@field met boolean An algorithm it matches was looked at.

---@class godwit.config.Secrets
---@field label string As printed.
---@field patterns godwit.config.SecretPattern[] Names before globs.
local Secrets = {}
Secrets.__index = Secrets

-- values -------------------------------------------------------------------

-- A secret of a script's own is bound to where it may go already.
local function read(value)
  if secret.is(value.from) then
    return value.from
  end
  local what = ("%s of '%s' (%s)"):format(value.key, value.pattern,
    value.label)
  local text = source.text(value.from, what, value.folder, { lines = true })
  return secret.new(text, { label = value.key .. " of " .. value.pattern })
end

-- Read once, also when that fails: a command may ask its user for something.
local function read_once(value)
  local got = value.memo:get("value", function()
    local ok, opaque = pcall(read, value)
    if not ok and err.is(opaque, "cancelled") then
      error(opaque, 0)
    end
    return { ok, opaque }
  end)
  return got[1] and got[2] or error(got[2], 0)
end

--- The value, allowed to be sent to that cluster.
---@async
---@param driver table
---@return any secret
function Value:value_for(driver)
  local opaque = read_once(self)
  if secret.is(self.from) then
    return opaque
  end
  return driver:bind_secret(opaque)
end

-- finding ------------------------------------------------------------------

local function matches(pattern, owner, name)
  return pattern.owner(owner) and pattern.name(name)
end

--- Whether there is anything for an algorithm.
---@param owner string
---@param name string
---@return boolean
function Secrets:concerns(owner, name)
  for _, pattern in ipairs(self.patterns) do
    if matches(pattern, owner, name) then
      return true
    end
  end
  return false
end

--- The value given for a secret of an algorithm. Its own entry wins over
--- globs; two globs that both have it are a problem.
---@param owner string
---@param name string
---@param key string
---@return godwit.config.SecretValue?
---@return string? problem
function Secrets:find(owner, name, key)
  local found
  for _, pattern in ipairs(self.patterns) do
    local value = matches(pattern, owner, name) and pattern.values[key]
    if value and pattern.exact then
      return value
    elseif value and found then
      return nil, ("%s gives %s for %s/%s twice, as %s and as %s: name %s/%s"
        .. " itself"):format(self.label, key, owner, name, found.pattern,
        pattern.text, owner, name)
    end
    found = value or found
  end
  return found
end

--- Notes which secrets an algorithm really has.
---@param owner string
---@param name string
---@param docs table[] From list_secrets.
function Secrets:seen(owner, name, docs)
  for _, pattern in ipairs(self.patterns) do
    if matches(pattern, owner, name) then
      pattern.met = true
      for _, doc in ipairs(docs) do
        local value = pattern.values[doc.secret_key]
          or pattern.values[doc.short_name]
        if value then
          value.used = true
        end
      end
    end
  end
end

--- What no source has: a sentence each. Of a pattern that nothing was looked
--- at for nothing is said.
---@return string[]
function Secrets:unused()
  local out = {}
  for _, pattern in ipairs(self.patterns) do
    for _, key in ipairs(pattern.met and suggest.names(pattern.values) or {}) do
      if not pattern.values[key].used then
        out[#out + 1] = ("%s gives %s for %s, but the source has no such "
          .. "secret"):format(self.label, key, pattern.text)
      end
    end
  end
  return out
end

-- checking -----------------------------------------------------------------

local function check_text(fail, path, v)
  if type(v) ~= "string" or v:find("%c") then
    fail(path, "expected a text of one line")
  end
end

local function is_value(v)
  return type(v) == "string" or source.is(v) or secret.is(v)
end

local function check_value(fail, path, v)
  if not is_value(v) then
    fail(path, "expected env, file, command or a text, not a %s", type(v))
  elseif source.is(v) and v.kind == "secret" then
    fail(path, "a secret of the configuration goes to its own host only; "
      .. "write env, file or command here")
  elseif v == "" then
    fail(path, "is empty")
  end
end

-- KEY = value, or KEY = { value = …, description = … }.
local function fields_of(fail, path, v)
  if is_value(v) or type(v) ~= "table" then
    return { value = v }
  end
  for name, field in pairs(v) do
    local here = { path[1], path[2], tostring(name) }
    if not FIELDS[name] then
      fail(here, "unknown field%s", suggest.hint(tostring(name),
        suggest.names(FIELDS)))
    elseif name ~= "value" then
      check_text(fail, here, field)
    end
  end
  if v.value == nil then
    fail(path, "needs a value")
  end
  return v
end

local function value_of(fail, origin, pattern, key, v)
  local path = { pattern, tostring(key) }
  if type(key) ~= "string" or key == "" or #key > MAX_KEY
    or key:find("%c") then
    fail(path, "expected the secret's key, as in API_TOKEN = env \"TOKEN\"")
  end
  local fields = fields_of(fail, path, v)
  check_value(fail, path, fields.value)
  return setmetatable({
    key = key, pattern = pattern, from = fields.value,
    description = fields.description, short_name = fields.short_name,
    provider = fields.provider, label = origin.label, folder = origin.folder,
    memo = memo.new(), used = false,
  }, Value)
end

local function pattern_of(fail, origin, text, values)
  local owner, name
  if type(text) == "string" then
    owner, name = text:match("^([%w_*?]+)/([%w_*?]+)$")
  end
  if not owner then
    fail({ tostring(text) }, "expected OWNER/NAME or a glob of it (letters, "
      .. "digits, _, * and ?), as in [\"acme/*\"] = { … }")
  elseif type(values) ~= "table" or is_value(values) then
    fail({ text }, "expected a table, as in { API_TOKEN = env \"TOKEN\" }")
  end
  local out = { text = text, exact = not text:find("[*?]"),
    owner = glob.matcher(owner), name = glob.matcher(name), values = {},
    met = false }
  for key, v in pairs(values) do
    out.values[key] = value_of(fail, origin, text, key, v)
  end
  return out
end

local function make(fail, origin, doc)
  local self = setmetatable({ label = origin.label, patterns = {} }, Secrets)
  if type(doc) ~= "table" or is_value(doc) then
    fail({}, "expected a table of OWNER/NAME = { KEY = value }")
  end
  for text, values in pairs(doc) do
    self.patterns[#self.patterns + 1] = pattern_of(fail, origin, text, values)
  end
  table.sort(self.patterns, function(a, b) -- an algorithm's own entry wins
    if a.exact ~= b.exact then
      return a.exact
    end
    return a.text < b.text
  end)
  return self
end

--- The file of --secrets. It must be its owner's alone to read.
---@async
---@param path string
---@return godwit.config.Secrets
function M.load(path)
  source.check_private(path, "--secrets")
  local read_file = file.read(path, true)
  return make(function(at, ...)
    schema.fail(read_file, at, ...)
  end, read_file, read_file.doc)
end

--- The same out of a table, for scripts: values are texts or secrets.
---@param doc table
---@param what string Named in errors.
---@return godwit.config.Secrets
function M.of(doc, what)
  return make(function(at, fmt, ...)
    err.throw("usage", "%s: %s%s", what, #at > 0
      and table.concat(at, ".") .. ": " or "", fmt:format(...))
  end, { label = what }, doc)
end

return M
