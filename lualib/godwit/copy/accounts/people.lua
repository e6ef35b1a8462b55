--- people: who a user of one cluster is on another: by a file, by rules of
--- the command line, by the policy's `map_user`, else the same name and e-mail
--- address. What was typed wins over a policy, the policy of the destination's
--- profile wins over what was typed.

local memo = require("godwit.memo")
local policy = require("godwit.policy")
local people_file = require("godwit.copy.accounts.people_file")
local rename = require("godwit.copy.accounts.rename")

local M = {}

--- Parameters of all that map people.
M.PARAMS = {
  map = { "string", optional = true, order = 20, metavar = "FILE",
    help = "Who is who: lines of OLD,NEW[,EMAIL]; OLD,- leaves one out" },
  map_user = { "string", optional = true, many = true, order = 21,
    metavar = "PATTERN=REPLACEMENT", help = "Names by rule, as in "
      .. "'*=*_prod'; may be repeated, the first that fits counts" },
  map_email = { "string", optional = true, many = true, order = 22,
    metavar = "PATTERN=REPLACEMENT", help = "E-mail addresses by rule, as in "
      .. "'*@old.example.com=*@new.example.com'" },
  policy = { "string", optional = true, order = 23, metavar = "FILE|FOLDER",
    help = "The policy whose map_user is asked, instead of policies/…; a "
      .. "folder holds USER.lua and default.lua" },
}

---@class godwit.copy.Person
---@field username string
---@field email? string
---@field fullname? string
---@field company_name? string
---@field company_role? string

---@class godwit.copy.People
---@field private file table<string, godwit.copy.PeopleLine>
---@field private rename fun(name: string): string|nil
---@field private readdress fun(email: string): string|nil
---@field private policies godwit.policy.Set
---@field private from table
---@field private to table
---@field private params? table
---@field private dry_run? boolean
---@field private memo godwit.Memo
local People = {}
People.__index = People

local function names_by(list)
  return rename.rules(list, "--map-user")
end

local function emails_by(list)
  return rename.rules(list, "--map-email", { fold = true })
end

--- The identity map of one run. `names` and `emails` are rules as they are
--- typed; `lines` are those of a file, as a script has them.
---@param opts { from: table?, to: table, file: string?, lines: table<string, godwit.copy.PeopleLine>?, names: string[]?, emails: string[]?, policies: godwit.policy.Set?, params: table?, dry_run: boolean? }
---@return godwit.copy.People
function M.new(opts)
  return setmetatable({
    file = opts.file and people_file.read(opts.file) or opts.lines or {},
    rename = names_by(opts.names), readdress = emails_by(opts.emails),
    policies = opts.policies or policy.set(), memo = memo.new(),
    from = opts.from, to = opts.to, params = opts.params,
    dry_run = opts.dry_run,
  }, People)
end

--- The same from the parameters of a workflow.
---@param cx godwit.workflow.Cx
---@param from table Driver.
---@param to table Driver.
---@return godwit.copy.People
function M.of(cx, from, to)
  local p = cx.params
  return M.new({ from = from, to = to, file = p.map, names = p.map_user,
    emails = p.map_email, policies = policy.set(p.policy), params = p,
    dry_run = cx.dry_run })
end

--- Raises what the command line alone shows to be wrong.
---@param params table
function M.check(params)
  names_by(params.map_user)
  emails_by(params.map_email)
end

local function text(v)
  return type(v) == "string" and v ~= "" and v or nil
end

-- What was typed about somebody; nil and where, when he is left out.
local function typed(self, doc)
  local line, email = self.file[doc.username], text(doc.email)
  local _, why = self:typed_name(doc.username)
  if why then
    return nil, why
  end
  return {
    username = line and line.new or self.rename(doc.username),
    email = line and line.email or email and self.readdress(email) or nil,
  }
end

-- What the policy says, if it has a say: fields, or nothing for who is left
-- out. Where all was typed it is asked only if the profile has it.
local function ask(self, doc, out)
  local rules = self:policy_of(doc.username)
  local decided = out.username and out.email and not rules.forced
  if decided or not rules:has("map_user") then
    return rules, false
  end
  return rules, rules:map_user(self:where(doc.username), doc)
end

--- What was typed for the name of an account, in the file; nil and why when it
--- is left out there.
---@param name string
---@return string|nil
---@return string? why
function People:typed_name(name)
  local line = self.file[name]
  if line and not line.new then
    return nil, ("left out (%s)"):format(line.where)
  end
  return line and line.new or nil
end

--- The policy of an account.
---@async
---@param name string
---@return godwit.policy.Policy
function People:policy_of(name)
  return self.policies:of(name, self.to)
end

--- What a policy is told when it is asked about an account.
---@param name string
---@return godwit.policy.Where
function People:where(name)
  return { from = self.from, to = self.to, params = self.params,
    dry_run = self.dry_run, owner = name, name = name }
end

local FIELDS = { "username", "email", "fullname", "company_name",
  "company_role" }

--- Who a user is at the destination; nil and why when he is left out. Fields
--- that nobody mapped are the source's.
---@async
---@param doc table The source's document.
---@return godwit.copy.Person|nil
---@return string? why
function People:user(doc)
  local out, why = typed(self, doc)
  if not out then
    return nil, why
  end
  local rules, asked, said = ask(self, doc, out)
  if asked and not said and (rules.forced or not out.username) then
    return nil, ("left out by the policy (%s, map_user)"):format(rules.label)
  end
  for _, field in ipairs(FIELDS) do
    local theirs = said and said[field]
    if theirs and (rules.forced or not out[field]) then
      out[field] = theirs
    end
    out[field] = out[field] or text(doc[field])
  end
  return out
end

-- The document is read only where a policy's function may want to see it.
local function wants_document(self, name)
  local rules = self:policy_of(name)
  return rules:has("map_user") and not rules:constant("map_user")
end

--- The name at the destination of the one with that name; nil and why when he
--- is left out.
---@async
---@param name string
---@return string|nil
---@return string? why
function People:name(name)
  if not wants_document(self, name) then -- nothing worth remembering
    local person, why = self:user({ username = name })
    return person and person.username, why
  end
  local found = self.memo:get(name, function()
    local doc = self.from and self.from:try_get_user(name)
    if self.from and not doc then -- an organization: no policy is asked
      local out, why = typed(self, { username = name })
      return { out and (out.username or name), why }
    end
    local person, why = self:user(doc or { username = name })
    return { person and person.username, why }
  end)
  return found[1], found[2]
end

return M
