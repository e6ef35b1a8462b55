--- check: what a policy file may return: the points there are, their forms,
--- and the words when it says something else. Errors name the file and the
--- line where the point stands.
local err = require("godwit.err")
local line = require("godwit.policy.line")
local ref = require("godwit.copy.ref")
local suggest = require("godwit.config.suggest")

local M = {}

local STEPS = { minor = true, major = true, revision = true, no = true }
local DRIFTS = { refuse = true, overwrite = true, merge = true }

--- What `settings` may say, and as what.
M.SETTINGS = {
  label = "string", tagline = "string", summary = "string",
  source_visibility = "string", license = "string",
  network_access = "string", pipeline_enabled = "boolean",
  callability = "string", environment = "string", sample_input = "string",
  scm = "string", repository_owner = "string", repository_name = "string",
}

local CHOICES = {
  source_visibility = { "open", "closed" },
  network_access = { "full", "isolated" },
  callability = { "public", "private" },
}

local function quoted(v)
  return type(v) == "string" and ("'%s'"):format(v:sub(1, 100))
    or v == nil and "nothing" or type(v) == "boolean" and tostring(v)
    or "a " .. type(v)
end
M.quoted = quoted

--- Each of these gives nil, or what is wrong with a value in words.

function M.step(v)
  if v ~= false and not STEPS[v] then
    return ("expected minor, major, revision or no, not %s"):format(quoted(v))
  end
end

function M.drift(v)
  if not DRIFTS[v] then
    return ("expected refuse, overwrite or merge, not %s"):format(quoted(v))
  end
end

function M.revision(v)
  if type(v) ~= "string" then
    return ("expected the name of a revision, not %s"):format(quoted(v))
  end
  local ok, e = pcall(ref.revision, v)
  return not ok and err.from(e).message or nil
end

local MAX_MESSAGE = 64 * 1024

function M.message(v)
  if type(v) ~= "string" then
    return ("expected the text of a message, not %s"):format(quoted(v))
  elseif not v:find("%S") then
    return "the message of a commit is empty"
  elseif #v > MAX_MESSAGE or v:find("\0", 1, true) or not utf8.len(v) then
    return ("the message of a commit is UTF-8 text of at most %d KiB"):format(
      MAX_MESSAGE // 1024)
  end
end

--- A name at the destination.
function M.name(v)
  if type(v) ~= "string" then
    return ("expected a name, not %s"):format(quoted(v))
  elseif not v:find("^%a[%w_]*$") or #v > 64 then
    return ("%s is not a name: a letter, then letters, digits and '_', at "
      .. "most 64"):format(quoted(v))
  end
end

--- Who a user is at the destination: what it may say beside the name.
M.USER = { "username", "email", "fullname", "company_name", "company_role" }

local function user_table(v)
  local known = {}
  for _, name in ipairs(M.USER) do
    known[name] = true
  end
  for name, text in next, v do
    if not known[name] then
      return ("a user has no field %s%s"):format(quoted(tostring(name)),
        suggest.hint(tostring(name), M.USER))
    elseif type(text) ~= "string" then
      return ("%s is a text, not %s"):format(name, quoted(text))
    end
  end
end

--- A user at the destination: a name, or a table with fields of a user. What
--- is no name or e-mail address there is found with the user.
function M.user(v)
  if type(v) == "table" then
    return user_table(v)
  elseif type(v) ~= "string" then
    return ("expected a name, a table with username and email, or nothing, "
      .. "not %s"):format(quoted(v))
  end
end

local function user_or_none(v)
  if v ~= false then
    return M.user(v)
  end
end

local function environment_name(v)
  if type(v) ~= "string" or v == "" then
    return ("expected the name of an environment, not %s"):format(quoted(v))
  end
end
M.environment = environment_name

local function choice(name, v)
  local choices = CHOICES[name]
  for _, known in ipairs(choices or { v }) do
    if known == v then
      return
    end
  end
  return ("%s is %s, not %s"):format(name, table.concat(choices, " or "),
    quoted(v))
end

-- Keys of any type, so that the first problem is the same one each time.
local function sorted_keys(t)
  local keys = {}
  for key in next, t do
    keys[#keys + 1] = key
  end
  table.sort(keys, function(a, b)
    return tostring(a) < tostring(b)
  end)
  return keys
end

function M.settings(v)
  if type(v) ~= "table" then
    return ("expected a table of settings, not %s"):format(quoted(v))
  end
  for _, name in ipairs(sorted_keys(v)) do
    local want, value = M.SETTINGS[name], v[name]
    if not want then
      return ("there is no setting %s%s"):format(quoted(tostring(name)),
        suggest.hint(tostring(name), suggest.names(M.SETTINGS)))
    elseif type(value) ~= want then
      return ("%s takes a %s, not %s"):format(name,
        want == "string" and "text" or want, quoted(value))
    end
    local why = choice(name, value)
    if why then
      return why
    end
  end
end

-- A table of names to names.
local function names_to(check)
  return function(v)
    for from, to in next, v do
      if type(from) ~= "string" then
        return ("expected a table of names, as in { [\"old\"] = \"new\" }, "
          .. "not with the key %s"):format(tostring(from))
      end
      local why = check(to)
      if why then
        return ("%s: %s"):format(from, why)
      end
    end
  end
end

local function globs(v)
  local n = 0
  for k, glob in next, v do
    n = n + 1
    if math.type(k) ~= "integer" or type(glob) ~= "string"
        or not glob:find("^!?[^/]+/[^/]+$") then
      return "expected a list of OWNER/NAME with * and ?, as in "
        .. "{ \"acme/*\", \"!acme/Test*\" }"
    end
  end
  if n == 0 or n ~= #v then
    return "the list of what is selected is empty or has holes"
  end
end

-- Every point: what it may be besides a function.
local POINTS = {
  select = { table = globs, other = "a list" },
  revision = { string = M.revision, other = "a text" },
  map_owner = { table = names_to(M.name), other = "a table" },
  map_name = { table = names_to(M.name), other = "a table" },
  map_environment = { table = names_to(environment_name), other = "a table" },
  map_user = { table = names_to(user_or_none), other = "a table" },
  settings = { table = M.settings, other = "a table" },
  transform = {},
  message = { string = M.message, other = "a text" },
  version_step = { string = M.step, boolean = M.step, other = "a text" },
  gate = {},
  on_drift = { string = M.drift, other = "a text" },
  compare = {},
  after = {},
}
M.POINTS = POINTS

local function copy(v)
  if type(v) ~= "table" then
    return v
  end
  local out = {}
  for k, x in next, v do
    out[k] = x
  end
  return out
end

--- Checks what a file returned and gives its points, copied: what the file
--- does to its table later counts no more.
---@param file { label: string, text: string }
---@param value any
---@return table<string, any>
function M.check(file, value)
  local function fail(name, fmt, ...)
    err.throw("usage", "%s:%d: %s%s", file.label,
      name and line.of(file.text, name) or 1, name and name .. ": " or "",
      fmt:format(...))
  end

  if type(value) ~= "table" or getmetatable(value) ~= nil then
    fail(nil, "a policy returns a table of its points, as in return { gate = "
      .. "function(a, cx) … end }, not %s",
      (value == nil or value == true) and "nothing" or "a " .. type(value))
  end
  local points = {}
  for _, name in ipairs(sorted_keys(value)) do
    local forms, v = POINTS[name], value[name]
    if not forms then
      local word = tostring(name)
      err.throw("usage", "%s:%d: there is no point '%s' in a policy%s",
        file.label, line.of(file.text, word), word,
        suggest.hint(word, suggest.names(POINTS)))
    elseif type(v) ~= "function" then
      local check = forms[type(v)]
      if not check then
        fail(name, "expected a function%s, not %s",
          forms.other and " or " .. forms.other or "", quoted(v))
      end
      local why = check(v)
      if why then
        fail(name, "%s", why)
      end
    end
    points[name] = copy(v)
  end
  return points
end

return M
