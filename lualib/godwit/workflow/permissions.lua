--- permissions: what a workflow's head says that it needs, checked and made
--- regular, and in words. godwit.rights makes the host hold it to that.
---
--- The table is a script's: it is read once, without its metatables.

local err = require("godwit.err")
local suggest = require("godwit.config.suggest")
local url = require("godwit.core.http").url

local M = {}

---@class godwit.workflow.Permissions
---@field params table<string, "read"|"write"> Clusters that come through these parameters.
---@field clusters table<string, "read"|"write"> Clusters of the configuration.
---@field hosts { place: string, verbs: string[] }[]
---@field secrets string[]
---@field read string[] "$param" or a path.
---@field write string[]
---@field budgets table<string, number>

local function set(words)
  local known = {}
  for word in words:gmatch("%S+") do
    known[word] = true
  end
  return known
end

local KEYS = set "clusters hosts secrets read write budgets"
local VERBS = set "GET HEAD POST PUT PATCH DELETE OPTIONS"
local MODES = set "read write"
local BUDGETS = set "writes deletes bytes minutes requests"
local MOST = 1 << 53

local function hint(word, known)
  return type(word) == "string" and suggest.hint(word, suggest.names(known))
    or ""
end

local function fail(file, fmt, ...)
  err.throw("usage", "%s: permissions.%s", file, fmt:format(...))
end

local function plain(file, value, what)
  if type(value) ~= "table" then
    fail(file, "%s is a table, not %s", what, type(value))
  end
  local copy = {}
  for k, v in next, value do
    copy[k] = v
  end
  return copy
end

local function texts(file, value, what)
  local list = plain(file, value, what)
  for k, v in next, list do
    if math.type(k) ~= "integer" or k < 1 or k > #list then
      fail(file, "%s is a list of texts: { \"…\" }", what)
    elseif type(v) ~= "string" or v == "" or v:find("%c") then
      fail(file, "%s has a value that is no text of one line", what)
    end
  end
  return list
end

-- clusters -----------------------------------------------------------------

local function clusters(out, given, params, file)
  for name, mode in next, given do
    if type(name) ~= "string" or name == "" or name:find("%c") then
      fail(file, "clusters: a cluster is a parameter's name, or in brackets "
        .. "and quotes a cluster of the configuration")
    elseif not MODES[mode] then
      fail(file, "clusters.%s is \"read\" or \"write\", not %s%s", name,
        tostring(mode), hint(mode, MODES))
    end
    local p = params[name]
    if p and p.type ~= "cluster" then
      fail(file, "clusters.%s: the parameter %s is a %s, no cluster", name,
        name, p.type)
    end
    out[p and "params" or "clusters"][name] = mode
  end
end

-- hosts --------------------------------------------------------------------

-- What an address must not be made of, so that it means one thing only.
local function flaw(place, parts)
  local path = place:match("^%a+://[^/]*(.*)$") or ""
  if not parts or not place:find("^https?://") then
    return "is no address; write https://HOST or https://HOST/PATH"
  elseif place:match("^%a+://[^/]*"):find("@", 1, true) then
    return "has a user name in it"
  elseif place:find("[?#%%\\;*%s]") or path:find("//", 1, true)
    or (path .. "/"):find("/%.%.?/") then
    return "is more than a host and a plain path"
  elseif parts.host:find("%.$") then
    return "has a host that ends with a dot"
  end
  return nil
end

local function verbs_of(file, place, given)
  local verbs = texts(file, given, ("hosts[%q]"):format(place))
  if #verbs == 0 then
    fail(file, "hosts[%q] has no method; write { \"GET\" }", place)
  end
  for _, verb in ipairs(verbs) do
    if not VERBS[verb] then
      fail(file, "hosts[%q] has the unknown method %s%s", place, verb,
        hint(verb:upper(), VERBS))
    end
  end
  table.sort(verbs)
  return verbs
end

local function hosts(out, given, file)
  for place, verbs in next, given do
    if type(place) ~= "string" then
      fail(file, "hosts: a host is an address in brackets and quotes, as in "
        .. "[\"https://HOST\"] = { \"GET\" }")
    end
    local why = flaw(place, (url.parse(place)))
    if why then
      fail(file, "hosts[%q] %s", place, why)
    end
    out.hosts[#out.hosts + 1] = { place = place,
      verbs = verbs_of(file, place, verbs) }
  end
  table.sort(out.hosts, function(a, b)
    return a.place < b.place
  end)
end

-- folders and budgets ------------------------------------------------------

local function folders(out, what, given, params, file)
  out[what] = texts(file, given, what)
  for _, path in ipairs(out[what]) do
    local name = path:match("^%$(.*)$")
    local p = name and params[name]
    if name and not p then
      fail(file, "%s: there is no parameter %s for \"%s\"%s", what, name, path,
        hint(name, params))
    elseif p and p.type ~= "folder" then
      fail(file, "%s: the parameter %s is a %s, no folder", what, name, p.type)
    end
  end
end

local function budgets(out, given, file)
  for name, most in next, given do
    if not BUDGETS[name] then
      fail(file, "budgets has the unknown budget %s%s", tostring(name),
        hint(name, BUDGETS))
    end
    local n = name == "minutes" and type(most) == "number" and most
      or math.tointeger(most)
    if type(most) ~= "number" or not n or n ~= n or n < 0 or n > MOST
      or name == "minutes" and n <= 0 then
      fail(file, "budgets.%s is %s, not %s", name, name == "minutes"
        and "a number of minutes" or "a whole number from 0", tostring(most))
    end
    out.budgets[name] = n
  end
end

--- Checks the permissions of a head. Raises kind "usage".
---@param given any As the head has it; nil: it has none.
---@param params table<string, godwit.workflow.Param>
---@param file string For messages.
---@return godwit.workflow.Permissions?
function M.check(given, params, file)
  if given == nil then
    return nil
  elseif type(given) ~= "table" then
    err.throw("usage", "%s: permissions is a table, not %s", file, type(given))
  end
  local out = { params = {}, clusters = {}, hosts = {}, secrets = {},
    read = {}, write = {}, budgets = {} }
  for key, value in next, given do
    if not KEYS[key] then
      err.throw("usage", "%s: permissions has the unknown key %s%s", file,
        tostring(key), hint(key, KEYS))
    elseif key == "clusters" then
      clusters(out, plain(file, value, key), params, file)
    elseif key == "hosts" then
      hosts(out, plain(file, value, key), file)
    elseif key == "secrets" then
      out.secrets = texts(file, value, key)
    elseif key == "budgets" then
      budgets(out, plain(file, value, key), file)
    else
      folders(out, key, value, params, file)
    end
  end
  return out
end

-- in words -----------------------------------------------------------------

local function join(list)
  if #list < 2 then
    return list[1] or ""
  end
  return table.concat(list, ", ", 1, #list - 1) .. " and " .. list[#list]
end

-- What a file calls things must not look like something else on a terminal:
-- controls, and marks that turn the direction of writing.
local function clean(text)
  return (text:gsub("%c", "?"):gsub("\xc2[\x80-\x9f]", "?")
    :gsub("\xe2\x80[\x8b-\x8f\xa8-\xae]", "?")
    :gsub("\xe2\x81[\xa0-\xaf]", "?"):gsub("\xef\xbb\xbf", "?"))
end
M.clean = clean

-- "given as --out (./out by default)"
local function as_given(param)
  return ("given as %s%s"):format(param.flag, param.default ~= nil
    and (" (%s by default)"):format(tostring(param.default)) or "")
end

local function say_clusters(lines, p, params)
  for _, mode in ipairs { "read", "write" } do
    local does = mode == "read" and "reads" or "reads and writes"
    for _, name in ipairs(suggest.names(p.params)) do
      if p.params[name] == mode then
        lines[#lines + 1] = ("%s the cluster %s"):format(does,
          as_given(params[name]))
      end
    end
    for _, name in ipairs(suggest.names(p.clusters)) do
      if p.clusters[name] == mode then
        lines[#lines + 1] = ("%s the cluster '%s' of the configuration")
          :format(does, name)
      end
    end
  end
end

local function say_folders(lines, p, params)
  for _, mode in ipairs { "read", "write" } do
    for _, path in ipairs(p[mode]) do
      local param = params[path:match("^%$(.*)$")]
      lines[#lines + 1] = ("%s the folder %s"):format(mode == "read"
        and "reads" or "reads and writes", param and as_given(param) or path)
    end
  end
end

-- In the order they are said.
M.BUDGETS = { "requests", "writes", "deletes", "bytes", "minutes" }

--- What it may do, a line each; what no line says, it may not.
---@param p godwit.workflow.Permissions
---@param params table<string, godwit.workflow.Param>
---@return string[]
function M.words(p, params)
  local lines, limits = {}, {}
  say_clusters(lines, p, params)
  for _, host in ipairs(p.hosts) do
    lines[#lines + 1] = ("sends %s to %s"):format(join(host.verbs), host.place)
  end
  if #p.secrets > 0 then
    lines[#lines + 1] = ("uses the %s %s"):format(#p.secrets == 1 and "secret"
      or "secrets", join(p.secrets))
  end
  say_folders(lines, p, params)
  for _, name in ipairs(M.BUDGETS) do
    if p.budgets[name] then
      limits[#limits + 1] = ("%s %s"):format(p.budgets[name],
        p.budgets[name] == 1 and name:gsub("s$", "") or name)
    end
  end
  if #lines == 0 then
    lines[1] = "reaches nothing"
  end
  if #limits > 0 then
    lines[#lines + 1] = ("uses at most %s"):format(join(limits))
  end
  for i, line in ipairs(lines) do
    lines[i] = clean(line)
  end
  return lines
end

return M
