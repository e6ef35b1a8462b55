--- Configuration: which clusters there are, and whose keys open them.
---
--- The user's file, the project's file and the platform's own configuration
--- are read once, when somebody asks. A profile comes from one place as a
--- whole: the file that gives a key gives its address.
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local json = require("godwit.core.json")
local log = require("godwit.log")
local secret = require("godwit.core.secret")
local sys = require("godwit.core.sys")
local algorithmia = require("godwit.config.algorithmia")
local file = require("godwit.config.file")
local places = require("godwit.config.places")
local profile = require("godwit.config.profile")
local source = require("godwit.config.source")
local suggest = require("godwit.config.suggest")

local M = {}

local loaded, made, warned = nil, {}, {}

--- Forgets what was read; for tests.
function M.reset()
  loaded, made, warned = nil, {}, {}
end

local function place_of(name, from)
  return {
    name = name, fields = from.doc.clusters[name], label = from.label,
    folder = from.folder,
    secrets = function(wanted, what)
      return M.secret(wanted, what)
    end,
  }
end

--- The files, read and checked.
---@async
---@return { user: godwit.config.File|nil, project: godwit.config.File|nil }
function M.load()
  if loaded then
    return loaded
  end
  local path, named = places.config_file()
  local user = file.load(path, true)
  if not user and named then
    err.throw("usage", "there is no configuration file %s", path)
  end
  local project = file.load(places.PROJECT_FILE, false)
  loaded = { user = user, project = project }
  return loaded
end

-- The platform's own configuration, when a name is looked for.
local function others()
  local files = M.load()
  files.other = files.other or algorithmia.profiles()
  return files.other
end

local function clusters_of(from)
  return from and from.doc.clusters or {}
end

-- A project that is not trusted must not slip another address under a name
-- the user knows.
local function find(name)
  local files = M.load()
  local own = clusters_of(files.user)[name]
  local theirs = clusters_of(files.project)[name]
  if own and theirs and not files.project.full then
    err.throw("usage", "'%s' is in %s and in %s, which is not trusted to "
      .. "replace it; rename one, or run: godwit trust %s", name,
      files.user.label, files.project.label, files.project.label)
  elseif theirs then
    return place_of(name, files.project)
  elseif own then
    return place_of(name, files.user)
  end
  local other = others()[name]
  return other and { name = name, fields = other.fields,
    label = other.label, private = other.private }
end

--- Names of the configured clusters, sorted.
---@async
---@return string[]
function M.names()
  local files, names = M.load(), {}
  for _, map in ipairs { clusters_of(files.user), clusters_of(files.project),
    others() } do
    for name in pairs(map) do
      names[name] = true
    end
  end
  return suggest.names(names)
end

--- The defaults for flags: the project's before the user's.
---@async
---@return table<string, any>
---@return table<string, string> labels Where each is from.
function M.defaults()
  local files, values, labels = M.load(), {}, {}
  for _, from in ipairs { files.user or false, files.project or false } do
    for name, v in pairs(from and from.doc.defaults or {}) do
      name = name:gsub("-", "_")
      values[name], labels[name] = v, from.label
    end
  end
  return values, labels
end

--- The folder of policies that a configuration names, the project's before
--- the user's, and which file does; nil when none does.
---@async
---@return string? folder
---@return string? label
function M.policies()
  local files = M.load()
  for _, from in ipairs { files.project or false, files.user or false } do
    local path = from and from.doc.policies
    if path then
      path = places.expand(path)
      if path:sub(1, 1) ~= "/" and from.folder ~= "." then
        path = from.folder .. "/" .. path
      end
      return path, from.label
    end
  end
end

--- Whether what is from there is a person's own: the user's configuration, or
--- a project's that the user trusts.
---@async
---@param label string?
---@return boolean
function M.is_persons(label)
  if not label then
    return false
  end
  local files = M.load()
  return files.user ~= nil and files.user.label == label
    or files.project ~= nil and files.project.full == true
      and files.project.label == label
end

--- A secret of the user's configuration by name: opaque, bound to its hosts.
---@async
---@param name string
---@param what? string Who asks, for the error.
---@return userdata
function M.secret(name, what)
  local files = M.load()
  local from = files.user
  local s = from and from.doc.secrets and from.doc.secrets[name]
  if not s and files.project and files.project.full then
    from = files.project
    s = from.doc.secrets and from.doc.secrets[name]
  end
  if not s then
    local known = from and suggest.names(from.doc.secrets or {}) or {}
    err.throw("usage", "%sthere is no secret '%s' in %s%s",
      what and what .. ": " or "", tostring(name),
      file.label((places.config_file())), suggest.hint(tostring(name), known))
  end
  local id = "secret:" .. name
  if not made[id] then
    local origins = {}
    for _, host in ipairs(s.hosts or { s.host }) do
      local _, origin = profile.address(host, ("secret '%s' (%s)"):format(
        name, from.label))
      origins[#origins + 1] = origin
    end
    local text = source.text(s.value, ("secret '%s' (%s)"):format(name,
      from.label), from.folder)
    made[id] = secret.new(text, { label = name, origins = origins,
      scheme = s.scheme, user = s.user })
  end
  return made[id]
end

-- A running sandbox knows its own address and keys.
local function sandbox_profile(spec)
  local name = spec:sub(#"sandbox:" + 1)
  local dir = name:find("/", 1, true) and places.expand(name)
    or places.state_dir() .. "/sandboxes/" .. name
  local start = "godwit sandbox " .. (name:find("/", 1, true)
    and "--dir " .. name or "--name " .. (name ~= "" and name or "NAME"))
  if name == "" or not fs.stat(dir .. "/sandbox.json") then
    err.throw("usage", "there is no sandbox '%s'; start one with: %s", name,
      start)
  end
  source.check_private(dir .. "/keys.json", spec)
  local p = require("godwit.sandbox").load_profile(dir)
  if not p.running then
    err.throw("usage", "the sandbox '%s' is not running; start it with: %s",
      name, start)
  end
  p.name, p.label = spec, dir
  p.git = p.git or p.api
  return p
end

-- The place of an address: the one profile that has it, else the variables
-- of the old script, else those of the platform's own clients.
local function url_place(spec, role, to_count)
  local base, _, user = profile.address(spec, spec)
  local found = {}
  for _, name in ipairs(M.names()) do
    local place = find(name)
    local api = place and place.fields.api
    if api and profile.address(api, name) == base
      and (not user or place.fields.user == user) then
      found[#found + 1] = place
    end
  end
  if #found == 1 then
    return found[1]
  elseif #found > 1 then
    err.throw("usage", "%s is the address of '%s' and of '%s'; name the "
      .. "profile instead", base, found[1].name, found[2].name)
  end
  local name = role == "from" and "SOURCE_ACCOUNT_API_KEY"
    or role == "to" and "DEST_ACCOUNT_API_KEY" or nil
  if role == "to" and (to_count or 1) > 1 and sys.env(name) then
    err.throw("usage", "%s: %s works with one --to only; give each of them a "
      .. "profile (godwit init writes a configuration to start from)", base,
      name)
  end
  if not name or not sys.env(name) then
    err.throw("usage", "no key for %s: %sadd a profile for it (godwit init "
      .. "writes a configuration to start from)", base,
      name and "set " .. name .. ", or " or "")
  end
  return { name = base, label = "the address and " .. name,
    fields = { api = base, user = user, key = source.named("env", name) } }
end

local function sandbox_names(found)
  local root = places.state_dir() .. "/sandboxes"
  for _, entry in ipairs(fs.stat(root) and fs.list(root) or {}) do
    local text = fs.read(("%s/%s/sandbox.json"):format(root, entry.name),
      1 << 20)
    local doc = text and json.decode(text)
    if type(doc) == "table" and type(doc.id) == "string" then
      found[doc.id] = "sandbox:" .. entry.name
    end
  end
end

--- The names of known clusters by their identities, for printing.
---@async
---@return table<string, string>
function M.names_by_id()
  local found = {}
  sandbox_names(found)
  for _, name in ipairs(M.names()) do
    local ok, place = pcall(find, name)
    local f = ok and place and place.fields or {}
    if f.id or f.api then
      local _, origin = profile.address(f.api, name)
      found[f.id or origin] = name
    end
  end
  return found
end

local function folder_place(spec)
  local dir = places.expand(spec)
  if not fs.stat(dir .. "/archive.json") then
    err.throw("usage", "%s is no archive folder: there is no archive.json in "
      .. "it (godwit sandbox --dir %s --seed empty makes one; "
      .. "end it with Ctrl-C)", spec, spec)
  end
  return { name = spec, label = "the folder given",
    fields = { archive = dir } }
end

local function unknown(spec)
  local names = M.names()
  local hint = suggest.hint(spec, names)
  if hint == "" then
    local path = places.config_file()
    hint = #names > 0 and "; there are: " .. table.concat(names, ", ")
      or "; none is configured (" .. (fs.stat(path) and "name it in "
      .. file.label(path) or "godwit init writes a configuration to start "
      .. "from") .. ")"
  end
  err.throw("usage", "there is no cluster '%s'%s", spec, hint)
end

local function warn_insecure(p)
  if p.insecure and not warned[p.name] then
    warned[p.name] = true
    log.warn("INSECURE: the certificate of %s is not checked; anybody on the "
      .. "way can read keys and change what is sent", p.name)
  end
end

local KEYS = { key = true, admin_key = true, bearer_token = true }

-- What is left of a profile, or of an address, without keys: enough to look at
-- how it is reached.
local function without_keys(spec)
  local place = spec:find("^%a[%w+.-]*://") and { name = spec,
    label = "the address given", fields = { api = spec } } or find(spec)
    or unknown(spec)
  local fields = {}
  for name, v in pairs(place.fields) do
    fields[name] = not KEYS[name] and v or nil
  end
  return { name = place.name, label = place.label, folder = place.folder,
    fields = fields }
end

--- The profile of a name, an address, sandbox:NAME or an archive folder.
--- Raises kind "usage" with what to do about it.
---@async
---@param spec string
---@param opts? { role?: "from"|"to", to_count?: integer, without_keys?: boolean }
---@return table profile
function M.profile(spec, opts)
  opts = opts or {}
  if type(spec) ~= "string" or spec == "" then
    err.throw("usage", "a cluster is a profile's name, an address, "
      .. "sandbox:NAME or a folder")
  end
  local place
  if opts.without_keys then
    return profile.make(without_keys(spec), places.cluster_flags())
  elseif spec:find("^sandbox:") then
    made[spec] = made[spec] or sandbox_profile(spec)
    return made[spec]
  elseif spec:find("^%a[%w+.-]*://") then
    place = url_place(spec, opts.role, opts.to_count)
  elseif spec:find("/", 1, true) or spec == "." or spec == ".." then
    place = folder_place(spec)
  else
    place = find(spec) or unknown(spec)
  end
  -- One profile for one place, so that there is one budget of requests.
  local id = place.name .. "\0" .. place.label
  if not made[id] then
    made[id] = profile.make(place, places.cluster_flags())
    warn_insecure(made[id])
  end
  return made[id]
end

return M
