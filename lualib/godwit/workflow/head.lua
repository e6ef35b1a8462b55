--- head: the declared head of a workflow file, checked and made regular, so
--- that the command line, the help and the run see one shape.
---
--- A parameter is "type", {"type", default = …} or {type = "type", …}.

local err = require("godwit.err")
local permissions = require("godwit.workflow.permissions")
local suggest = require("godwit.config.suggest")

local M = {}

---@class godwit.workflow.Param
---@field name string The key in cx.params.
---@field type "string"|"integer"|"number"|"boolean"|"cluster"|"folder"
---@field flag string "--publish"
---@field short? string "-n"
---@field default? any
---@field help? string
---@field choices? string[]
---@field positional? boolean
---@field many? boolean
---@field required? boolean
---@field metavar? string
---@field reads? boolean A cluster that is only read, whatever the parameter is called.

---@class godwit.workflow.Head
---@field summary string
---@field params table<string, godwit.workflow.Param>
---@field order godwit.workflow.Param[] By name, positional ones first.
---@field check? fun(params: table<string, any>, typed: boolean?) Before a cluster is opened; `typed` by a person, not by a script.
---@field run fun(cx: godwit.workflow.Cx): any
---@field usage? string
---@field reads? boolean|string Nothing is written at all, or not with that flag; the host sees to it.
---@field permissions? godwit.workflow.Permissions
---@field closed? boolean It is a script, which has no files.

local TYPES = { string = true, integer = true, number = true, boolean = true,
  cluster = true, folder = true }

local function set(words)
  local known = {}
  for word in words:gmatch("%S+") do
    known[word] = true
  end
  return known
end

local KEYS = set "summary usage params permissions reads check run"
local PARAM_KEYS = set [[type default help choices positional many required
  optional metavar flag short min max order role reads hidden env config]]

-- A misspelt key would be silently without effect.
local function check_keys(t, known, file, what)
  for key in pairs(t) do
    if not known[key] and key ~= 1 then
      err.throw("usage", "%s: %s has the unknown key %s%s", file, what,
        tostring(key), type(key) == "string"
          and suggest.hint(key, suggest.names(known)) or "")
    end
  end
end

-- What a value of each type is in Lua.
local KIND = { string = "string", cluster = "string", folder = "string",
  number = "number", integer = "integer", boolean = "boolean" }

local function check_default(p, file)
  local values = p.many and type(p.default) == "table" and p.default
    or { p.default }
  for _, v in ipairs(values) do
    if KIND[p.type] ~= (p.type == "integer" and math.type(v) or type(v)) then
      err.throw("usage", "%s: the default of parameter %s is no %s", file,
        p.name, p.type)
    end
    local ok, e = pcall(M.convert, p, v)
    if not ok then
      err.throw("usage", "%s: the default of parameter %s: %s", file, p.name,
        tostring(e.message or e))
    end
  end
end

local function param(name, spec, file)
  if type(spec) == "string" then
    spec = { type = spec }
  end
  if type(name) ~= "string" or not name:find("^%a[%w_]*$")
      or type(spec) ~= "table" then
    err.throw("usage", "%s: parameter %s is not declared as a type or a table",
      file, tostring(name))
  end
  check_keys(spec, PARAM_KEYS, file, "parameter " .. name)
  local out = {}
  for k, v in pairs(spec) do
    out[k] = v
  end
  out.name = name
  out.type = spec.type or spec[1]
  out[1] = nil
  if not TYPES[out.type] then
    err.throw("usage", "%s: parameter %s has the unknown type %s%s", file, name,
      tostring(out.type), type(out.type) == "string"
        and suggest.hint(out.type, suggest.names(TYPES)) or "")
  end
  if out.choices ~= nil and (type(out.choices) ~= "table"
      or #out.choices == 0) then
    err.throw("usage", "%s: the choices of parameter %s are no list", file, name)
  end
  out.flag = spec.flag or "--" .. name:gsub("_", "-")
  if out.required == nil then
    out.required = out.default == nil and out.type ~= "boolean"
      and not out.optional
  end
  if out.default ~= nil then
    check_default(out, file)
  end
  return out
end

local function check_reads(head, file)
  local p = head.params[head.reads]
  if head.reads ~= nil and head.reads ~= true
      and not (p and p.type == "boolean") then
    err.throw("usage", "%s: in the head reads is true, or the name of a boolean "
      .. "parameter", file)
  end
end

--- Checks a head and makes it regular.
---@param head any What the workflow file returned.
---@param file string For messages.
---@return godwit.workflow.Head
function M.check(head, file)
  if type(head) ~= "table" or type(head.run) ~= "function" then
    err.throw("usage", "%s: a workflow returns a table with run(cx)", file)
  end
  check_keys(head, KEYS, file, "the head")
  if head.check ~= nil and type(head.check) ~= "function" then
    err.throw("usage", "%s: in the head check is a function of the parameters",
      file)
  end
  if type(head.summary or "") ~= "string"
      or type(head.params or {}) ~= "table" then
    err.throw("usage", "%s: in the head summary is a text and params a table",
      file)
  end
  local out = { summary = head.summary or "", run = head.run,
    check = head.check, reads = head.reads or nil,
    usage = head.usage, name = file, params = {}, order = {} }

  for name, spec in pairs(head.params or {}) do
    local p = param(name, spec, file)
    out.params[name] = p
    out.order[#out.order + 1] = p
  end
  table.sort(out.order, function(a, b)
    if (a.positional or false) ~= (b.positional or false) then
      return a.positional or false
    end
    if (a.order or 1000) ~= (b.order or 1000) then
      return (a.order or 1000) < (b.order or 1000)
    end
    return a.name < b.name
  end)
  check_reads(out, file)
  out.permissions = permissions.check(head.permissions, out.params, file)
  return out
end

--- Whether a run with these values writes nothing at all.
---@param head godwit.workflow.Head
---@param values table<string, any>
---@return boolean
function M.only_reads(head, values)
  return head.reads == true or head.reads ~= nil and values[head.reads] == true
end

local convert = {}

function convert.string(_, text)
  return text
end
convert.folder = convert.string
convert.cluster = convert.string -- opened by the run, not here

function convert.boolean(p, text)
  if text == true or text == "true" or text == "yes" then
    return true
  elseif text == false or text == "false" or text == "no" then
    return false
  end
  err.throw("usage", "%s takes no value but true or false", p.flag)
end

function convert.number(p, text)
  local n = tonumber(text)
  if not n or n ~= n or n == math.huge or n == -math.huge then
    err.throw("usage", "%s needs a number, not '%s'", p.flag, tostring(text))
  end
  return n
end

function convert.integer(p, text)
  local n = math.tointeger(tonumber(text))
  if not n then
    err.throw("usage", "%s needs a whole number, not '%s'", p.flag,
      tostring(text))
  end
  return n
end

local function in_range(p, v)
  if (p.min and v < p.min) or (p.max and v > p.max) then
    err.throw("usage", "%s must be %s, not %s", p.flag, p.max
      and string.format("between %s and %s", p.min or "-", p.max)
      or string.format("at least %s", p.min), tostring(v))
  end
end

--- One value as typed on a command line, as the parameter's type.
---@param p godwit.workflow.Param
---@param text any
---@return any
function M.convert(p, text)
  local v = convert[p.type](p, text)

  if p.choices then
    for _, choice in ipairs(p.choices) do
      if choice == v then
        return v
      end
    end
    err.throw("usage", "%s must be one of %s, not '%s'", p.flag,
      table.concat(p.choices, ", "), tostring(v))
  end
  in_range(p, v)
  return v
end

--- All values of a run: converted, with defaults, none unknown or missing.
---@param head godwit.workflow.Head
---@param given table<string, any>
---@return table<string, any>
function M.values(head, given)
  local out = {}

  for name in pairs(given) do
    if not head.params[name] then
      err.throw("usage", "%s has no parameter %s", head.name, tostring(name))
    end
  end
  for _, p in ipairs(head.order) do
    local v = given[p.name]
    if v == nil then
      v = p.default
    elseif p.many then
      local list = {}
      for i, one in ipairs(type(v) == "table" and v or { v }) do
        list[i] = M.convert(p, one)
      end
      v = list
    else
      v = M.convert(p, v)
    end
    if v == nil and p.required then
      err.throw("usage", "%s is missing",
        p.positional and (p.metavar or p.name) or p.flag)
    end
    out[p.name] = v
  end
  return out
end

return M
