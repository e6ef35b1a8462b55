local accounts = require("godwit.cluster.http.accounts")
local address = require("godwit.cluster.address")
local environments = require("godwit.cluster.environments")
local err = require("godwit.err")
local listing = require("godwit.cluster.data_listing")
local lookup = require("godwit.cluster.lookup")
local memo = require("godwit.memo")
local account = require("godwit.cluster.accounts")
local account_writes = require("godwit.cluster.http.account_writes")
local http_data = require("godwit.cluster.http.data")
local json = require("godwit.core.json")
local once = require("godwit.cluster.once")
local pages = require("godwit.cluster.pages")
local http_git = require("godwit.cluster.http.git")
local keys = require("godwit.cluster.http.keys")
local repository = require("godwit.cluster.repository")
local rest = require("godwit.cluster.rest")
local scms = require("godwit.cluster.http.scms")
local secrets = require("godwit.cluster.http.secrets")
local writes = require("godwit.cluster.http.writes")

--- cluster.http: the driver of a live cluster, over its REST API and Git.
---
--- Here: keys, identity and reads. Writes are in http/writes, Git is in
--- http/git, users and organizations in http/accounts and http/account_writes,
--- keys in http/keys, SCMs in http/scms, secrets of algorithms in http/secrets,
--- collections in http/data. All requests of a cluster share one limiter. A key
--- acts for its owner: every request names the owner it is about.
---@class godwit.cluster.Http
---@field kind "http"
---@field id string       Identity in maps and trailers
---@field name string     As printed
---@field profile table
---@field address godwit.cluster.Address
---@field limiter table
local Http = {}
Http.__index = Http

local M = {}

---@param profile table
---@return godwit.cluster.Http
function M.open(profile)
  local where = address.of(profile)
  local self = setmetatable({
    kind = "http",
    id = profile.id or where.origin,
    name = profile.name or where.origin,
    profile = profile,
    address = where,
    page_size = { limit = 100 },
    memo = memo.new(),
    places = repository.places(),
  }, Http)
  self.rest = rest.new(profile, where)
  self.limiter = self.rest.limiter
  return self
end

--- Keys ------------------------------------------------------------------

-- What belongs to no owner (the catalogue) is asked with the first owner's key.
function Http:key_of_owner(find, owner)
  owner = owner or self.first_owner
  local key = self.memo:get("key/" .. (owner or ""), function()
    local found = find(owner)
    return found, found == nil -- who has none yet may get one in this run
  end)
  if key ~= nil then
    self.first_owner = self.first_owner or owner
  end
  return key
end

--- The standard key for what `owner` has. Raises "auth" when there is none.
---@async
---@param owner string|nil
---@return any secret
function Http:key(owner)
  local key = self.profile.key
  if type(key) == "function" then
    key = self:key_of_owner(key, owner)
  end
  if key == nil then
    if self.profile.key == nil then
      err.throw("auth", "%s: there is no key; its profile needs one, as in "
        .. 'key = env "KEY"', self.name)
    end
    local hint = owner and self.profile.admin_key ~= nil
      and ("; if there is such an owner, godwit issue-keys %s --to %s --out "
        .. "FILE makes one"):format(owner, self.name)
    err.throw("auth", owner and "%s: there is no key for the owner %s%s"
      or "%s: there is no key", self.name, owner, hint or "")
  end
  return key
end

--- The administrator's key, or nil.
---@async
---@return any|nil secret
function Http:find_admin_key()
  local key = self.profile.admin_key
  if type(key) == "function" then
    return self.memo:get("admin key", key)
  end
  return key
end

--- Sends one request with the owner's key and returns the decoded answer.
---@async
---@param method string
---@param path string
---@param opts? table  owner, admin and what rest.send takes
---@return any doc, table response
function Http:request(method, path, opts)
  opts = opts or {}
  local key = opts.admin and self:find_admin_key() or self:key(opts.owner)
  local ok, doc, response = pcall(self.rest.send, self.rest, method, path,
    key, opts)
  if ok then
    return doc, response
  end
  if err.is(doc, "auth") then
    doc.message = ("%s; %s was asked with %s"):format(doc.message, self.name,
      tostring(key)) -- a secret prints as its label
  end
  error(doc, 0)
end

---@async
function Http:get(owner, path, query)
  return self:request("GET", path, { owner = owner, query = query })
end

-- The data API's root: the key's own user first, then its organizations.
local function folders_of(doc)
  local rows, names = type(doc) == "table" and doc.folders, {}
  for _, row in ipairs(type(rows) == "table" and rows or {}) do
    local name = type(row) == "table" and row.name
    if type(name) == "string" and name ~= "" and not name:find("[/%c]") then
      names[#names + 1] = name
    end
  end
  return names
end

--- The user name of the key used for `owner`: configured, or learned from the
--- first folder of the data API's root.
---@async
---@param owner string|nil
---@return string
function Http:whoami(owner)
  local told = self.profile.user or self.address.user
  if told then
    if owner and type(self.profile.key) == "function" then
      self:key(owner) -- there is one
    end
    return told
  end
  local which = type(self.profile.key) == "function" and owner or ""
  return self.memo:get("user/" .. which, function()
    local name = folders_of(self:get(owner, "/v1/data/"))[1]
    if not name then -- the key was accepted all the same
      err.throw("notfound", "%s: the key's user name cannot be learned; write it"
        .. " into the profile (user = …)", self.name)
    end
    return name
  end)
end

-- Whoever is in many organizations has them on several pages.
---@async
local function root_of(driver)
  local names = {}
  for rows in listing.pages(driver.name .. ":data", "folders", function(marker)
    return (driver:get(nil, "/v1/data/", { marker = marker }))
  end) do
    table.move(folders_of({ folders = rows }), 1, #rows, #names + 1, names)
  end
  return names
end

--- The owners the standard key sees: its user and its organizations; without
--- the right to read data only the user, if that is known.
---@async
---@return string[]
function Http:seen_owners()
  local ok, names = pcall(root_of, self)
  if not ok and not err.is(names, "auth") and not err.is(names, "notfound") then
    error(names, 0)
  end
  return ok and #names > 0 and names or { self:whoami() }
end

--- Algorithms ------------------------------------------------------------

---@async
---@param owner string
---@param name string
---@return table doc
function Http:get_algorithm(owner, name)
  local doc = self:get(owner, address.algorithm(owner, name))
  self.places:learn(owner, name, doc)
  return doc
end

--- As get_algorithm; nil when there is none. A 403 is not "none".
---@async
---@return table|nil
function Http:try_get_algorithm(owner, name)
  local ok, doc = pcall(self.get_algorithm, self, owner, name)
  if ok then
    return doc
  elseif err.is(doc, "notfound") then
    return nil
  end
  error(doc, 0)
end

local function check_row(row)
  local name = type(row) == "table" and (row.algoname or row.name)
  if not account.usable(name) then
    err.throw("remote", "the server's list of algorithms has one without a "
      .. "usable name")
  end
end

-- Asks with the administrator's key; nil when that is turned away, too.
local function ask_admin(driver, path)
  local ok, doc = pcall(driver.request, driver, "GET", path, { admin = true })
  if not ok and not err.is(doc, "auth") then
    error(doc, 0)
  end
  return ok and doc or nil
end

--- Asks with the owner's key; where there is none, or it is turned away, with
--- the administrator's, which clusters take for some reads.
---@async
function Http:get_or_admin(owner, path)
  local ok, doc = pcall(self.get, self, owner, path)
  if ok then
    return doc
  elseif not err.is(doc, "auth") or self:find_admin_key() == nil then
    error(doc, 0)
  end
  return ask_admin(self, path) or error(doc, 0)
end

-- One key for all owners sees of most of them what is public only, and would
-- not say so: the administrator's sees everything.
---@async
local function get_list(driver, owner, path)
  if type(driver.profile.key) ~= "function"
    and driver:find_admin_key() ~= nil then
    return ask_admin(driver, path) or (driver:get(owner, path))
  end
  return driver:get_or_admin(owner, path)
end

---@async
---@param owner string
---@return { id: string, algoname: string, username: string }[]
function Http:list_algorithms(owner)
  local doc = get_list(self, owner,
    "/v1/users" .. address.path(owner, "algorithms"))
  local rows = pages.rows(doc, "results", "algorithms")
  for _, row in ipairs(rows) do
    check_row(row)
  end
  return rows
end

-- A row that comes again is the same to its last letter.
local function whole(row)
  return json.encode(row)
end

---@async
---@return fun(): table|nil
function Http:each_build(owner, name)
  return once.each(("%s: builds of %s/%s"):format(self.name, owner, name),
    pages.each(function(limit, marker)
      return (self:get(owner, address.algorithm(owner, name, "builds"),
        { limit = limit, marker = marker }))
    end, { size = self.page_size }), whole)
end

---@async
---@return table
function Http:get_build(owner, name, id)
  return (self:get(owner, address.algorithm(owner, name, "builds", id)))
end

---@async
---@return string
function Http:get_build_logs(owner, name, id)
  local doc = self:get(owner, address.algorithm(owner, name, "builds", id, "logs"))
  local logs = type(doc) == "table" and doc.logs
  return type(logs) == "string" and logs or ""
end

--- Iterates over versions. The filters are asked of the cluster and checked
--- here too; no order is promised.
---@async
---@param opts? { published: boolean?, callable: boolean? }
---@return fun(): table|nil
function Http:each_version(owner, name, opts)
  opts = opts or {}
  local rows = pages.each(function(limit, marker)
    return (self:get(owner, address.algorithm(owner, name, "versions"), {
      limit = limit, marker = marker,
      published = opts.published, callable = opts.callable,
    }))
  end, { size = self.page_size })
  return lookup.filter(once.each(("%s: versions of %s/%s"):format(self.name,
    owner, name), rows, whole), opts)
end

--- One version, by commit or number.
---@async
---@return table
function Http:get_version(owner, name, ref)
  return lookup.version(self, owner, name, ref, function(which)
    return (self:get(owner, address.algorithm(owner, name, "versions", which)))
  end)
end

--- The cluster's catalogue -----------------------------------------------

---@async
---@return table[]
function Http:list_environments()
  return self.memo:get("environments", function()
    return environments.list(self)
  end)
end

---@async
---@return table[]
function Http:list_languages()
  return self.memo:get("languages", function()
    return environments.languages(self)
  end)
end

---@async
---@return table[]
function Http:list_scms()
  return self.memo:get("scms", function()
    return pages.rows(self:get_or_admin(nil, "/v1/scms"), "results", "scms")
  end)
end

---@async
---@return table
function Http:get_scm_status(owner, name)
  return (self:get(owner, address.algorithm(owner, name, "scm", "status")))
end

--- Whether the key's owner has connected an SCM to the account it has there.
---@async
---@param scm table  From list_scms
---@return table status
function Http:get_scm_authorization(scm)
  local way = scm.provider == "bitbucket" and "token" or "oauth"
  return (self:get(nil, "/v1/scms" .. address.path(scm.id, way, "status")))
end

for _, part in ipairs({ accounts, account_writes, http_data, http_git, keys,
    scms, secrets, writes }) do
  for name, method in pairs(part.methods) do
    Http[name] = method
  end
end

return M
