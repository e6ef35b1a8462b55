local body = require("godwit.cluster.body")
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

---@type table<string, godwit.cluster.AccountKind>
M.KINDS = {
  users = { what = "user", key = "username", each = "each_user",
    try = "try_get_user" },
  organizations = { what = "organization", key = "org_name",
    each = "each_organization", try = "try_get_organization" },
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

--- Users or organizations of a cluster, to read. Listing them is an
--- administrator's: the profile's `admin_key` is used.
---@class godwit.cluster.Accounts
local Accounts = {}
Accounts.__index = methods.strict(Accounts, "users and organizations")

-- Beside the handles, not in them: the names of methods that are called on a
-- driver are not a script's to change.
---@type table<godwit.cluster.Accounts, { cluster: godwit.Cluster, kind: godwit.cluster.AccountKind }>
local of = setmetatable({}, { __mode = "k" })

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
  local driver, kind = open(self)
  local rows
  return function()
    rows = rows or driver[kind.each](driver)
    for doc in rows do
      if matches(M.name(kind, doc)) then
        return body.copy(doc)
      end
    end
    return nil
  end
end

---@async
local function find(driver, kind, name)
  if type(name) ~= "string" or name == "" then
    err.throw("usage", "the name of a %s is a text, not a %s", kind.what,
      type(name))
  end
  return driver[kind.try](driver, name)
end

--- The document of the one with that name; raises when there is none.
---@async
---@param name string
---@return table
function Accounts:get(name)
  local driver, kind, cluster = open(self)
  return body.copy(find(driver, kind, name)) or err.throw("notfound",
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

---@param cluster godwit.Cluster
---@param kind "users"|"organizations"
---@return godwit.cluster.Accounts
function M.handle(cluster, kind)
  local handle = setmetatable({}, Accounts)
  of[handle] = { cluster = cluster, kind = M.KINDS[kind] }
  return handle
end

return M
