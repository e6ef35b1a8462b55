--- What a configuration may say, and the words when it says something else.
--- Errors name the file and the line where the field stands.
local err = require("godwit.err")
local source = require("godwit.config.source")
local suggest = require("godwit.config.suggest")

local M = {}

local TOP = {
  clusters = "table", secrets = "table", defaults = "table",
  policies = "string",
}

local CLUSTER = {
  api = "string", git = "string", id = "string", archive = "string",
  key = "key", admin_key = "key", user = "string", bearer_token = "key",
  ca = "string", cert = "string", cert_key = "string", insecure = "boolean",
  proxy = "string", no_proxy = "string", protected = "boolean",
  policy = "string", max_in_flight = "integer", hosts = "table",
}

-- Of a Git host that keeps algorithms of a cluster.
local HOST = { user = "string", key = "key", scheme = "string", ca = "string" }

local SECRET = {
  host = "string", hosts = "table", scheme = "string", user = "string",
  value = "key",
}

--- The line where a path of keys stands, each key searched behind the one
--- before it; the last one found counts.
---@param text string
---@param path string[]
---@return integer
function M.line(text, path)
  local at, found = 1, 1
  for _, name in ipairs(path) do
    local plain = tostring(name):gsub("%p", "%%%0")
    local front = plain:find("^[%w_]") and "%f[%w_]" or ""
    local start, stop = text:find(front .. plain .. "[\"'%]]*%s*=", at)
    if not start then
      break
    end
    at, found = stop + 1, start
  end
  local _, breaks = text:sub(1, found - 1):gsub("\n", "")
  return breaks + 1
end

--- Raises "file:line: clusters.prod.api: …".
---@param file { label: string, text: string }
---@param path string[]
---@param fmt string
function M.fail(file, path, fmt, ...)
  local place = ("%s:%d"):format(file.label, M.line(file.text, path))
  local name = table.concat(path, ".")
  err.throw("usage", "%s: %s%s", place, name ~= "" and name .. ": " or "",
    fmt:format(...))
end

local function check_value(file, path, want, v)
  if want == "key" then
    local kind = type(v)
    if source.is(v) and v.kind == "keys" and path[#path] ~= "key" then
      M.fail(file, path, "keys has a key for each owner: it is for key")
    elseif kind == "string" or kind == "function" or source.is(v) then
      return
    end
    M.fail(file, path, "expected env, file, command, secret, keys, a text or "
      .. "a function of the owner")
  elseif want == "integer" then
    if math.type(v) ~= "integer" or v < 1 or v > 1024 then
      M.fail(file, path, "expected a whole number from 1 to 1024")
    end
  elseif type(v) ~= want or want == "table" and source.is(v) then
    M.fail(file, path, "expected a %s, not a %s", want, type(v))
  end
end

local function check_fields(file, path, fields, map)
  for name, v in pairs(map) do
    local here = { table.unpack(path) }
    here[#here + 1] = tostring(name)
    local want = fields[name]
    if not want then
      M.fail(file, here, "unknown field%s",
        suggest.hint(tostring(name), suggest.names(fields)))
    end
    check_value(file, here, want, v)
  end
end

local function check_named(file, section, fields, map, name_pattern)
  for name, fields_of in pairs(map or {}) do
    local path = { section, tostring(name) }
    if type(name) ~= "string" or not name:find(name_pattern) then
      M.fail(file, path, "a name is letters, digits, '.', '_' and '-'")
    elseif type(fields_of) ~= "table" or source.is(fields_of) then
      M.fail(file, path, "expected a table of fields")
    end
    check_fields(file, path, fields, fields_of)
  end
end

local function check_host(file, path, host)
  if type(host) ~= "table" or source.is(host) then
    M.fail(file, path, 'expected a table, as in ["https://git.example.com"] '
      .. '= { user = "bot", key = env "TOKEN" }')
  end
  check_fields(file, path, HOST, host)
  if host.scheme and host.scheme ~= "Basic" and host.scheme ~= "Bearer" then
    M.fail(file, path, "scheme is Basic or Bearer, not %s", host.scheme)
  elseif host.scheme == "Bearer" and host.user then
    M.fail(file, path, "a user goes with the scheme Basic only")
  elseif type(host.key) == "function" then
    M.fail(file, path, "the key of a host cannot be a function")
  elseif not host.key and not host.ca then
    M.fail(file, path, "needs a key")
  end
end

local function check_hosts(file, path, hosts)
  for origin, host in pairs(hosts or {}) do
    local here = { path[1], path[2], "hosts", tostring(origin) }
    if type(origin) ~= "string" then
      M.fail(file, here, "hosts are named by their addresses, as in "
        .. '["https://git.example.com"] = { … }')
    end
    check_host(file, here, host)
  end
end

local function check_clusters(file, clusters)
  for name, c in pairs(clusters or {}) do
    local path = { "clusters", name }
    if not c.api == not c.archive then
      M.fail(file, path, "needs either api (an address) or archive (a folder)")
    elseif c.cert_key and not c.cert then
      M.fail(file, path, "cert_key without cert")
    elseif c.insecure and c.protected then
      M.fail(file, path, "a protected cluster cannot be insecure")
    elseif c.key and c.bearer_token then
      M.fail(file, path, "key and bearer_token exclude each other")
    elseif c.archive and c.hosts then
      M.fail(file, path, "an archive keeps its repositories itself; hosts go "
        .. "with api")
    end
    check_hosts(file, path, c.hosts)
  end
end

local function check_secrets(file, secrets)
  for name, s in pairs(secrets or {}) do
    local path = { "secrets", name }
    if not s.value then
      M.fail(file, path, "needs a value")
    elseif not s.host and not s.hosts then
      M.fail(file, path, "needs host, the origin it may be sent to")
    elseif type(s.value) == "function" then
      M.fail(file, path, "value cannot be a function")
    end
  end
end

-- What a person decides for each run, and must not find decided by a file.
local NEVER_DEFAULT = {
  yes = true, insecure = true, allow_write = true, allow_read = true,
  config = true,
  state_dir = true, ca_cert = true, client_cert = true, client_key = true,
  no_input = true, help = true, secrets = true,
}

local function check_defaults(file, defaults)
  for name, v in pairs(defaults or {}) do
    local kind = type(v)
    if type(name) ~= "string"
      or kind ~= "string" and kind ~= "number" and kind ~= "boolean" then
      M.fail(file, { "defaults", tostring(name) },
        "expected NAME = a text, number, true or false")
    elseif NEVER_DEFAULT[name:gsub("-", "_")] then
      M.fail(file, { "defaults", name }, "this is given for each run, on the "
        .. "command line or in the environment")
    end
  end
end

--- Raises kind "usage" for whatever is not a configuration.
---@param file { label: string, text: string }
---@param doc any
function M.check(file, doc)
  if type(doc) ~= "table" or source.is(doc) then
    err.throw("usage", "%s:1: a configuration returns a table", file.label)
  end
  check_fields(file, {}, TOP, doc)
  check_named(file, "clusters", CLUSTER, doc.clusters, "^%w[%w._-]*$")
  check_named(file, "secrets", SECRET, doc.secrets, "^%w[%w._-]*$")
  check_clusters(file, doc.clusters)
  check_secrets(file, doc.secrets)
  check_defaults(file, doc.defaults)
end

local function holds_literal(section, fields)
  for name, map in pairs(section or {}) do
    for _, field in ipairs(fields) do
      if type(map[field]) == "string" then
        return name, field
      end
    end
  end
  return nil
end

-- The first field of a cluster's hosts that is there: path of keys, or nil.
local function host_field(doc, field, want)
  for name, c in pairs(doc.clusters or {}) do
    for origin, host in pairs(c.hosts or {}) do
      if host[field] ~= nil and (not want or type(host[field]) == want) then
        return { "clusters", name, "hosts", origin, field }
      end
    end
  end
  return nil
end

--- The first secret written as plain text: path of keys, or nil.
---@param doc table
---@return string[]|nil
function M.literal_secret(doc)
  local name, field = holds_literal(doc.clusters,
    { "key", "admin_key", "bearer_token" })
  if name then
    return { "clusters", name, field }
  end
  local of_host = host_field(doc, "key", "string")
  if of_host then
    return of_host
  end
  name, field = holds_literal(doc.secrets, { "value" })
  return name and { "secrets", name, field } or nil
end

-- How a connection is made decides who sees the key on the way.
local CONNECTION = { "insecure", "ca", "cert", "cert_key", "proxy" }

--- The first field that says how connections are made: path of keys, or nil.
---@param doc table
---@return string[]|nil
function M.connection(doc)
  for name, c in pairs(doc.clusters or {}) do
    for _, field in ipairs(CONNECTION) do
      if c[field] ~= nil then
        return { "clusters", name, field }
      end
    end
  end
  return host_field(doc, "ca")
end

--- The first default that is an address: path of keys, or nil.
---@param doc table
---@return string[]|nil
function M.address_default(doc)
  for name, v in pairs(doc.defaults or {}) do
    if type(v) == "string" and v:find("://", 1, true) then
      return { "defaults", name }
    end
  end
  return nil
end

--- The first key that is a function: path of keys, or nil.
---@param doc table
---@return string[]|nil
function M.key_function(doc)
  for name, c in pairs(doc.clusters or {}) do
    for _, field in ipairs { "key", "admin_key", "bearer_token" } do
      if type(c[field]) == "function" then
        return { "clusters", name, field }
      end
    end
  end
  return nil
end

return M
