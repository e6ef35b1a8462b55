--- verify: compares two clusters of any driver, kind by kind. The bundled
--- workflow of that name is made of these steps; each kind has a file of its
--- own in verify/. Reads only.

local account_list = require("godwit.copy.accounts.account_list")
local accounts = require("godwit.cluster.accounts")
local budget = require("godwit.data.budget")
local check_ref = require("godwit.copy.ref")
local contexts = require("godwit.workflow.cx")
local driver_of = require("godwit.cluster.driver_of")
local err = require("godwit.err")
local items = require("godwit.verify.item")
local kinds = require("godwit.workflow.kinds")
local organizations = require("godwit.copy.accounts.organizations")
local outcome = require("godwit.verify.outcome")
local pages = require("godwit.cluster.pages")
local people = require("godwit.copy.accounts.people")
local policy = require("godwit.policy")
local sample = require("godwit.verify.sample")
local seen = require("godwit.data.seen")

local M = {}

--- In the order of a migration.
M.KINDS = { "users", "organizations", "data", "algorithms" }

local MODULES = {}
for _, kind in ipairs(M.KINDS) do
  MODULES[kind] = "godwit.verify." .. kind
end

local KINDS_PARAMS = kinds.params(M.KINDS, 4)

M.PARAMS = {
  algorithms = { "string", positional = true, many = true, order = 1,
    metavar = "OWNER/NAME", optional = true,
    help = "Algorithms to compare, globs too, and nothing else unless --only "
      .. "says so; default: everything" },
  from = { "cluster", order = 2, metavar = "CLUSTER", reads = true,
    help = "Where things were copied from: a profile, a URL, sandbox:NAME or "
      .. "an archive folder" },
  to = { "cluster", order = 3, metavar = "CLUSTER", reads = true,
    help = "Where they were copied to; it is only read, too" },
  only = KINDS_PARAMS.only, skip = KINDS_PARAMS.skip,
  owner = { "string", optional = true, many = true, order = 6,
    metavar = "OWNER", help = "Only what this user or organization has; may "
      .. "be repeated" },
  to_owner = { "string", optional = true, order = 7, metavar = "OWNER",
    help = "Whose it is at the destination; default: the same owner's" },
  sample = { "string", optional = true, order = 8, metavar = "K/N",
    help = "Compare the digests of the K-th of N parts of the files only, as "
      .. "in 1/10; names and sizes are compared of all" },
  quick = { "boolean", order = 9,
    help = "Compare files of collections by name and size only" },
  strict = { "boolean", order = 10, help = "What only the destination has "
    .. "counts as a difference" },
  map = people.PARAMS.map, map_user = people.PARAMS.map_user,
  map_email = people.PARAMS.map_email,
  map_organization = organizations.PARAMS.map_organization,
  map_type = organizations.PARAMS.map_type,
  policy = { "string", optional = true, order = 23, metavar = "FILE|FOLDER",
    help = "The policy things were copied with, instead of policies/…" },
}

-- what is compared ---------------------------------------------------------

--- The kinds that parameters ask for, in order.
---@param params table
---@return string[]
function M.kinds(params)
  return kinds.chosen(params, M.KINDS,
    #(params.algorithms or {}) > 0 and { "algorithms" } or nil)
end

-- Both flags are about files of collections.
local function check_has_files(params)
  local flag = params.quick and "--quick" or params.sample and "--sample"

  for _, kind in ipairs(flag and M.kinds(params) or {}) do
    if kind == "data" then
      return
    end
  end
  if flag then
    err.throw("usage", "%s is about files of collections, and no collections "
      .. "are compared: leave it out, or compare data, too", flag)
  end
end

--- Raises what the command line alone shows to be wrong.
---@param params table
function M.check(params)
  M.kinds(params)
  check_has_files(params)
  organizations.check(params)
  if params.quick and params.sample then
    err.throw("usage", "--quick compares no digest, so --sample has nothing "
      .. "to choose from: leave one of them out")
  end
  sample.parse(params.sample)
  if params.to_owner then
    check_ref.check_owner(params.to_owner)
  end
  for _, owner in ipairs(params.owner or {}) do
    check_ref.check_owner(owner)
  end
end

-- a run --------------------------------------------------------------------

---@class godwit.verify.Run
---@field cx godwit.workflow.Cx
---@field from table Driver.
---@field to table Driver.
---@field owners string[] Of whom things are compared; none: of all.
---@field side godwit.copy.OrganizationSide Of people and organizations: what each is called there.
---@field people godwit.copy.People
---@field kinds string[]
---@field policies godwit.policy.Set
---@field sample godwit.verify.Sample Of which files digests are compared.
---@field quick? boolean Of none.
---@field budget godwit.data.Budget What reading files may use in all.
local Run = {}
Run.__index = Run

-- Nobody can read or set these, so they are no differences.
local CANNOT_MOVE = "Not compared, since nobody can read or set them: "
  .. "passwords, values of keys and secrets, credentials of connectors, owner "
  .. "roles, single sign-on; version numbers, ids and the history of calls "
  .. "are each place's own"

--- Begins a comparison.
---@async
---@param cx godwit.workflow.Cx
---@return godwit.verify.Run
function M.open(cx)
  local p = cx.params
  local from, to = driver_of(p.from), driver_of(p.to)

  contexts.speak(cx, setmetatable({ exit_code = function(list)
    return outcome.exit_code(list, p.strict)
  end }, { __index = outcome }))
  cx.result.comparison = { from = from.name, to = to.name,
    strict = p.strict or false }
  cx:note("%s", CANNOT_MOVE)
  local owners, twice = account_list.once(p.owner)
  if twice then
    cx:note("Owners %s.", twice)
  end
  local side = organizations.side(cx, { from = from, to = to,
    people = people.of(cx, from, to) })
  return setmetatable({ cx = cx, from = from, to = to, owners = owners,
    side = side, people = side.people, policies = policy.set(p.policy),
    sample = sample.parse(p.sample), quick = p.quick, budget = budget.new({}),
    kinds = M.kinds(p) }, Run)
end

-- Who is no organization as far as this key can see is a user.
local function is_organization(driver, name)
  local ok, doc = pcall(driver.try_get_organization, driver, name)
  if not ok and outcome.is_final(doc) then
    error(doc, 0)
  end
  return ok and doc ~= nil
end

--- What an owner is called at the destination; nil and why for one that is left
--- out. Rules for people are not for organizations.
---@async
---@param name string
---@return string?
---@return string? why
function Run:owner(name)
  local p = self.cx.params

  if p.to_owner then
    return p.to_owner
  end
  local new, why = self.people:name(name)
  local renames = p.map_organization
    or self.people:policy_of(name):has("map_owner")
  if (renames or new ~= name) and is_organization(self.from, name) then
    return self.side.name_of({ doc = { org_name = name } })
  end
  return new, why
end

--- Why an account of an owner that was named is not compared; nil: it is. With
--- --to-owner what it has is somebody else's there, and no account has moved.
---@param name string
---@return string?
function Run:stays(name)
  local there = self.cx.params.to_owner

  return there and there ~= name and #self.owners > 0 and string.format(
    "what %s has is %s's there (--to-owner), so its account stays", name,
    there) or nil
end

-- Without --strict nothing depends on who else the destination has; a key that
-- may not ask is then no failure.
local function unlisted(self, kind, e)
  local what = "who has something on " .. self.to.name
  local how = "to compare what some owners have only: --owner OWNER"

  if err.is(e, "auth") and not self.cx.params.strict then
    self.cx:note("%s is not known, so what only it has is not listed: %s; %s",
      (what:gsub("^w", "W")), tostring(e.message), how)
    return
  end
  local item = items.new(kind, self.to.name .. ":*")
  item:cannot_read(what, e)
  item:warn("%s", how)
  self:add({ item:record() })
end

--- Owners that only the destination has, sorted. Where only some owners are
--- compared, at either place, nobody asks for others; what this key may not
--- list is not known to be nobody.
---@async
---@param kind string Of what they may have.
---@param expected table<string, boolean> Whom the source's owners are there.
---@return string[]
function Run:others(kind, expected)
  local list = {}

  if #self.owners > 0 or self.cx.params.to_owner then
    return list
  end
  local ok, names = xpcall(function()
    return pages.all(self.to:each_owner())
  end, err.traced)
  if not ok then
    unlisted(self, kind, names)
    return list
  end
  for _, name in ipairs(names) do
    if accounts.usable(name) and not expected[name] then
      list[#list + 1] = name
    end
  end
  table.sort(list)
  return list
end

--- Says of which owners that only the destination has no key lets us see all.
--- What they may have is no difference but with --strict: then it is not known
--- whether there is one.
---@async
---@param kind string
---@param owners string[]
function Run:unseen(kind, owners)
  if #owners == 0 then
    return
  end
  local text = ("which %ss only %s has is not known of %s: the profile needs "
    .. "a key for each owner (key = keys \"FILE\", or a function)"):format(kind,
    self.to.name, seen.owners(owners))
  if self.cx.params.strict then
    local item = items.new(kind, self.to.name .. ":*")
    item:cannot_read("what others have", err.new({ kind = "auth",
      message = text }))
    self:add({ item:record() })
  else
    self.cx:note("%s", (text:gsub("^w", "W")))
  end
end

--- Adds records to the result.
---@param records table[]
function Run:add(records)
  local list = self.cx.result.items
  for _, record in ipairs(records) do
    list[#list + 1] = outcome.record(record)
  end
end

--- Adds what only the destination has.
---@param kind string
---@param names string[]
function Run:extra(kind, names)
  local records = {}

  table.sort(names)
  for i, name in ipairs(names) do
    local item = items.new(kind, self.to.name .. ":" .. name)
    item:ends("extra")
    records[i] = item:record()
  end
  self:add(records)
end

--- Compares several things at once; `fn` fills in the item of each.
---@async
---@param kind string
---@param jobs table[] Each with ref and dest_ref.
---@param fn fun(job: table, item: godwit.verify.Item)
function Run:each(kind, jobs, fn)
  self.cx:each(jobs, function(job)
    local item = items.new(kind, job.ref, job.dest_ref)
    fn(job, item)
    return item:record()
  end, { kind = kind })
end

-- What stopped a whole kind stands for all of it.
local function stopped(self, kind, e)
  local item = items.new(kind, self.from.name .. ":*", self.to.name .. ":*")

  if err.is(e, "usage") then
    error(e, 0)
  end
  item:cannot_read("the " .. kind, e)
  if err.is(e, "auth") then
    item:warn("to compare the rest only: --skip %s", kind)
  end
  self:add({ item:record() })
end

-- Whether something of an owner was compared, or is there at all.
local function is_known(self, owner)
  for _, item in ipairs(self.cx.result.items) do
    local ref = tostring(item.ref):gsub("^.*:", "")
    if ref == owner or ref:sub(1, #owner + 1) == owner .. "/" then
      return true
    end
  end
  local ok, doc = pcall(self.from.try_get_user, self.from, owner)
  if not ok and outcome.is_final(doc) then
    error(doc, 0)
  end
  return ok and doc ~= nil or is_organization(self.from, owner)
end

--- Ends a comparison: an owner of whom nothing was found may be misspelt, and
--- is not equal.
---@async
function Run:finish()
  for _, owner in ipairs(self.owners) do
    if not is_known(self, owner) then
      local item = items.new("owner", owner)
      item:cannot_read(owner, err.new({ kind = "notfound", message =
        self.from.name .. " has no such user or organization, or nothing of it "
        .. "that this key may see" }))
      self:add({ item:record() })
    end
  end
end

--- Compares one kind of things, if that is asked.
---@async
---@param kind string
function Run:compare(kind)
  for _, asked in ipairs(self.kinds) do
    if asked == kind then
      local ok, e = xpcall(require(MODULES[kind]).compare, err.traced, self)
      if not ok then
        stopped(self, kind, e)
      end
    end
  end
end

return M
