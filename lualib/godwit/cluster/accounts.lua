local body = require("godwit.cluster.body")
local docs = require("godwit.cluster.account_docs")
local driver_of = require("godwit.cluster.driver_of")
local err = require("godwit.err")
local glob = require("godwit.cluster.glob")
local methods = require("godwit.methods")
local view = require("godwit.view")

--- cluster.accounts: users and organizations, whatever drives the cluster:
--- their names, every owner there can be, and what scripts see.
local M = {}

---@class godwit.cluster.AccountKind
---@field what string  As printed
---@field key string   The document's field with the name
---@field each string  The driver's methods
---@field try string
---@field create string
---@field update string
---@field names string  Of many

---@type table<string, godwit.cluster.AccountKind>
M.KINDS = {
  users = { what = "user", names = "users", key = "username",
    each = "each_user", try = "try_get_user", create = "create_user",
    update = "update_user" },
  organizations = { what = "organization", names = "organizations",
    key = "org_name", each = "each_organization",
    try = "try_get_organization", create = "create_organization",
    update = "update_organization" },
}

local LONGEST = 256

--- Whether a server's name can be one: it goes into paths and is printed.
---@param name any
---@return boolean
function M.usable(name)
  return type(name) == "string" and name ~= "" and #name <= LONGEST
    and not name:find("[/%c]") and not name:find("\xc2[\x80-\x9f]")
    and name ~= "." and name ~= ".."
end

--- The name in a document; nil where there is none that could be in a path.
---@param kind godwit.cluster.AccountKind
---@param doc any
---@return string|nil
function M.name(kind, doc)
  local name = type(doc) == "table" and doc[kind.key]
  return M.usable(name) and name or nil
end

--- How an effect names an account.
---@param driver table
---@param kind godwit.cluster.AccountKind
---@param name string
---@return string
function M.target(driver, kind, name)
  return ("%s:%s/%s"):format(driver.name, kind.what, name)
end

--- How an effect names a member.
---@param driver table
---@param org string
---@param user string
---@return string
function M.member_target(driver, org, user)
  return ("%s:organization/%s/member/%s"):format(driver.name, org, user)
end

--- Names of all users and organizations, each once, in no promised order.
---@async
---@param driver table
---@return fun(): string|nil
function M.owners(driver)
  local seen = {}
  local kind = M.KINDS.users
  local rows = driver:each_user()
  return function()
    while true do
      local doc = rows()
      if doc then
        local name = M.name(kind, doc)
        if not seen[name] then
          seen[name] = true
          return name
        end
      elseif kind == M.KINDS.users then
        kind, rows = M.KINDS.organizations, driver:each_organization()
      else
        return nil
      end
    end
  end
end

--- Users of a cluster; organizations have the same methods and members. All
--- of it is an administrator's: the profile's `admin_key` is used.
---@class godwit.cluster.Accounts
local Accounts = {}
Accounts.__index = methods.strict(Accounts, "the users of a cluster")

---@class godwit.cluster.Organizations: godwit.cluster.Accounts
local Organizations = {}
Organizations.__index = methods.strict(Organizations,
  "the organizations of a cluster")

-- Beside the handles, not in them: the names of methods that are called on a
-- driver are not a script's to change.
---@type table<godwit.cluster.Accounts, { cluster: godwit.Cluster, kind: godwit.cluster.AccountKind }>
local of = setmetatable({}, { __mode = "k" })

-- Which cluster a document that a script holds is from.
local origins = setmetatable({}, { __mode = "k" })

-- A copy of a document, for a script.
local function given(doc, cluster)
  doc = body.copy(doc)
  if doc ~= nil then
    origins[doc] = cluster
  end
  return doc
end

--- The cluster that a document of a user or an organization is from; nil for a
--- table that somebody made.
---@param doc any
---@return godwit.Cluster|nil
function M.origin(doc)
  return origins[view.target(doc) or doc]
end

local function open(handle)
  local it = of[view.target(handle) or handle] or error("a cluster's users or organizations were"
    .. " expected; write a colon, as in users:each()", 3)
  return driver_of(it.cluster), it.kind, it.cluster
end

--- Iterates over the documents of those whose name matches the glob `name`.
---@async
---@param filter? { name: string? }
---@return fun(): table|nil
function Accounts:each(filter)
  local matches = glob.matcher(filter and filter.name or "*")
  local driver, kind, cluster = open(self)
  local rows
  return function()
    rows = rows or driver[kind.each](driver)
    for doc in rows do
      if matches(M.name(kind, doc)) then
        return given(doc, cluster)
      end
    end
    return nil
  end
end

local function check_name(kind, name)
  if type(name) ~= "string" or name == "" then
    err.throw("usage", "the name of a %s is a text, not a %s", kind.what,
      type(name))
  end
end

---@async
local function find(driver, kind, name)
  check_name(kind, name)
  return driver[kind.try](driver, name)
end

--- The document of the one with that name; raises when there is none.
---@async
---@param name string
---@return table
function Accounts:get(name)
  local driver, kind, cluster = open(self)
  return given(find(driver, kind, name), cluster) or err.throw("notfound",
    "%s has no %s %s", cluster.name, kind.what, name)
end

--- As get; nil and an error where that raises.
---@async
---@param name string
---@return table|nil, godwit.Err|nil
function Accounts:try_get(name)
  local ok, doc = pcall(self.get, self, name)
  if ok then
    return doc
  elseif err._is_final(doc) then
    error(doc, 0)
  end
  return nil, err.from(doc)
end

--- Writing ----------------------------------------------------------------

local FIELDS = { users = docs.USER_FIELDS,
  organizations = docs.ORGANIZATION_FIELDS }

-- The id of a type that is given by its name.
---@async
local function type_id(driver, name)
  for _, row in ipairs(driver:list_organization_types()) do
    if row.name == name then
      return row.id
    end
  end
  err.throw("notfound", "%s has no organization type %s", driver.name,
    tostring(name))
end

---@async
local function read_spec(driver, kind, spec)
  if type(spec) ~= "table" then
    err.throw("usage", "a %s is created from a table, as in create { %s = … }",
      kind.what, kind.key)
  end
  check_name(kind, spec[kind.key])
  local out = body.copy(view.target(spec) or spec)
  if kind == M.KINDS.organizations and out.type ~= nil then
    out.type_id, out.type = type_id(driver, out.type), nil
  end
  return out
end

--- Creates one and gives its document. Raises "exists" when it is there.
---@async
---@param spec table The API's fields; of an organization `type` may be a name.
---@return table
function Accounts:create(spec)
  local driver, kind, cluster = open(self)
  return given(driver[kind.create](driver, read_spec(driver, kind, spec)),
    cluster)
end

-- Name and address cannot change, so another one there is another person's.
local function check_same(kind, cluster, doc, spec)
  if kind == M.KINDS.users and spec.email ~= nil
    and not docs.same_email(doc.email, spec.email) then
    err.throw("conflict", "%s has a user %s with another e-mail address (%s, "
      .. "not %s), which cannot be changed", cluster.name, doc.username,
      tostring(doc.email), tostring(spec.email))
  end
end

--- Makes sure one is there and has the fields given.
---@async
---@param spec table
---@return table doc
---@return "created"|"updated"|"unchanged"
function Accounts:ensure(spec)
  local driver, kind, cluster = open(self)
  spec = read_spec(driver, kind, spec)
  local name = spec[kind.key]
  local doc = driver[kind.try](driver, name)
  if not doc then
    return given(driver[kind.create](driver, spec), cluster), "created"
  end
  check_same(kind, cluster, doc, spec)
  if #docs.differences(doc, spec, FIELDS[kind.names]) == 0 then
    return given(doc, cluster), "unchanged"
  end
  return given(driver[kind.update](driver, name, spec), cluster), "updated"
end

--- Organizations ----------------------------------------------------------

for name, method in pairs(Accounts) do
  if name:sub(1, 2) ~= "__" then
    Organizations[name] = method
  end
end

local function open_organization(handle, org)
  local driver, kind = open(handle)
  org = type(org) == "table" and (view.target(org) or org).org_name or org
  check_name(kind, org)
  return driver, org
end

--- Iterates over the members of an organization: { username=, role= }.
---@async
---@param org string|table Its name, or its document.
---@return fun(): { username: string, role: string }|nil
function Organizations:members(org)
  local driver, name = open_organization(self, org)
  local rows
  return function()
    rows = rows or driver:each_member(name)
    return rows()
  end
end

--- Makes a user a member.
---@async
---@param org string|table
---@param user string
---@return "created"|"unchanged"
function Organizations:add_member(org, user)
  local driver, name = open_organization(self, org)
  check_name(M.KINDS.users, user)
  return driver:add_member(name, user)
end

--- Takes a member out; who is none is as it should be.
---@async
---@param org string|table
---@param user string
function Organizations:remove_member(org, user)
  local driver, name = open_organization(self, org)
  check_name(M.KINDS.users, user)
  driver:remove_member(name, user)
end

--- The types an organization can have.
---@async
---@return { id: string, name: string }[]
function Organizations:types()
  return body.copy((open(self)):list_organization_types())
end

local CLASSES = { users = Accounts, organizations = Organizations }

---@param cluster godwit.Cluster
---@param kind "users"|"organizations"
---@return godwit.cluster.Accounts
function M.handle(cluster, kind)
  local handle = setmetatable({}, CLASSES[kind])
  of[handle] = { cluster = cluster, kind = M.KINDS[kind] }
  return handle
end

return M
