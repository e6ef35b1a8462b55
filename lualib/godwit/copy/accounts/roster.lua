--- roster: who is at a destination: its users with their e-mail addresses, and
--- the names of its organizations, read once and kept up to date with what this
--- run makes. It answers what no cluster can be asked: whose address this is.

local accounts = require("godwit.cluster.accounts")
local burnt = require("godwit.copy.accounts.burnt")
local docs = require("godwit.cluster.account_docs")
local memo = require("godwit.memo")

local M = {}

---@class godwit.copy.Resident
---@field username string
---@field email? string
---@field fullname? string
---@field company_name? string
---@field company_role? string

---@class godwit.copy.Roster
---@field private driver table
---@field private memo godwit.Memo
---@field private made table<string, boolean> Users this run makes.
---@field private taken? godwit.copy.Burnt
---@field private asks? boolean
---@field private detailed? boolean More than their names was asked for.
local Roster = {}
Roster.__index = Roster

---@param driver table The destination's.
---@return godwit.copy.Roster
function M.new(driver)
  return setmetatable({ driver = driver, memo = memo.new(), made = {} },
    Roster)
end

local shared = setmetatable({}, { __mode = "k" })

--- One for all that a script does with a cluster. Who is not in it is asked
--- for: the script may have made him.
---@param driver table
---@return godwit.copy.Roster
function M.shared(driver)
  if not shared[driver] then
    shared[driver] = M.new(driver)
    shared[driver].asks = true
  end
  return shared[driver]
end

---@class godwit.copy.AskingRoster
---@field private driver table
local Asking = {}
Asking.__index = Asking

--- One that reads no list: who is asked about is asked for.
---@param driver table
---@return godwit.copy.AskingRoster
function M.asking(driver)
  return setmetatable({ driver = driver }, Asking)
end

-- What is compared, and nothing else: a cluster may have very many users.
local function resident(doc)
  local out = { username = doc.username, email = docs.value(doc, "email") }
  for _, field in ipairs(docs.USER_FIELDS) do
    out[field] = docs.value(doc, field)
  end
  return out
end

-- Takes over a document.
local function note(known, doc)
  local one = resident(doc)
  known.by_name[one.username] = one
  if type(one.email) == "string" then
    known.by_email[one.email:lower()] = one.username
  end
  return one
end

---@async
local function users(self)
  self.detailed = true
  return self.memo:get("users", function()
    local known = { by_name = {}, by_email = {} }
    for doc in self.driver:each_user() do
      note(known, doc)
    end
    return known
  end)
end

-- Where nobody has asked for more than names, nothing more is kept.
---@async
local function user_names(self)
  if self.detailed then
    return users(self).by_name
  end
  return self.memo:get("names", function()
    local names = {}
    for doc in self.driver:each_user() do
      names[doc.username] = true
    end
    return names
  end)
end

---@async
local function organizations(self)
  return self.memo:get("organizations", function()
    local names = {}
    for doc in self.driver:each_organization() do
      names[accounts.name(accounts.KINDS.organizations, doc)] = true
    end
    return names
  end)
end

---@async
---@param name string
---@return godwit.copy.Resident|nil
function Asking:user(name)
  local doc = self.driver:try_get_user(name)
  return doc and resident(doc)
end

---@async
---@param name string
---@return boolean
function Asking:has_user(name)
  return self.driver:try_get_user(name) ~= nil
end

---@async
---@param name string
---@return boolean
function Asking:is_organization(name)
  return self.driver:try_get_organization(name) ~= nil
end

-- What can be in no path is nobody's name.
---@async
local function ask(self, name)
  return self.asks and accounts.usable(name) and self.driver:try_get_user(name)
    or nil
end

--- The user of that name; nil when there is none.
---@async
---@param name string
---@return godwit.copy.Resident|nil
function Roster:user(name)
  local known = users(self)
  local doc = not known.by_name[name] and ask(self, name)
  return doc and note(known, doc) or known.by_name[name]
end

--- Reads what will be asked for, so that what goes wrong with it is said once.
---@async
---@param what "names"|"users" Only names of users; or all there is to compare.
function Roster:read(what)
  if what == "names" then
    user_names(self)
  else
    users(self)
    organizations(self)
  end
end

--- Whose e-mail address that is; nil: nobody's.
---@async
---@param email string
---@return string|nil
function Roster:owner_of(email)
  return users(self).by_email[email:lower()]
end

--- What earlier runs have learned of names and addresses that were deleted.
---@return godwit.copy.Burnt
function Roster:burnt()
  self.taken = self.taken or burnt.of(self.driver)
  return self.taken
end

---@async
---@param name string
---@return boolean
function Roster:is_organization(name)
  return organizations(self)[name] == true
end

--- Whether there is a user of that name, or will be before members are added.
---@async
---@param name string
---@return boolean
function Roster:has_user(name)
  return self.made[name] or user_names(self)[name] ~= nil
    or ask(self, name) ~= nil
end

--- A user that this run is going to make.
---@param name string
function Roster:expect(name)
  self.made[name] = true
end

--- Takes over what was written.
---@async
---@param doc table
function Roster:learn(doc)
  note(users(self), doc)
end

return M
