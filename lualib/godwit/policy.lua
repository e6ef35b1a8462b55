--- policy: what a team has decided about its promotions, in a Lua file with
--- functions and tables at named points. Here is asked, and what is answered
--- is checked; which file counts, loading it and what it is given are below in
--- policy/*. Where there is no policy, every point answers nothing.
local ask = require("godwit.policy.ask")
local check = require("godwit.policy.check")
local err = require("godwit.err")
local find = require("godwit.policy.find")
local given = require("godwit.policy.given")
local glob = require("godwit.cluster.glob")
local load = require("godwit.policy.load")
local memo = require("godwit.memo")
local methods = require("godwit.methods")

local M = {}

---@class godwit.policy.Policy
---@field label? string The file as it is printed; nil: there is none.
---@field origin? string Who names it.
---@field forced boolean The destination's profile asks for it: it wins over the command line.
---@field digest string Of all its text; "" without a policy.
---@field private file? godwit.policy.Loaded
local Policy = {}
Policy.__index = methods.of(Policy)

--- No rules at all.
---@type godwit.policy.Policy
M.NONE = setmetatable({ forced = false, digest = "" }, Policy)

-- finding ----------------------------------------------------------------

---@class godwit.policy.Set
---@field private flag? string --policy
---@field private memo godwit.Memo
local Set = {}
Set.__index = methods.of(Set)

--- The policies of one run.
---@param flag? string --policy
---@return godwit.policy.Set
function M.set(flag)
  return setmetatable({ flag = flag, memo = memo.new() }, Set)
end

--- The policy of an owner's algorithms on their way to a destination; each
--- file is loaded once. Raises kind "usage" when it cannot be used.
---@async
---@param owner string
---@param driver table The destination's.
---@return godwit.policy.Policy
function Set:of(owner, driver)
  local any = self.memo:get("any\0" .. driver.id, function()
    return find.any(driver, self.flag)
  end)
  if not any then
    return M.NONE -- nothing to remember of a hundred thousand owners
  end
  return self.memo:get(driver.id .. "\0" .. owner, function()
    local place = find.find(owner, driver, self.flag)
    if not place then
      return M.NONE
    end
    local file = self.memo:get("file\0" .. place.path, function()
      return load.load(place)
    end)
    return setmetatable({ file = file, label = file.label,
      digest = file.digest, forced = place.forced, origin = place.origin },
      Policy)
  end)
end

-- asking -----------------------------------------------------------------

--- Whether a policy has something at a point.
---@param point string
---@return boolean
function Policy:has(point)
  return self.file ~= nil and self.file.points[point] ~= nil
end

--- What stands at a point, if that is no function.
---@param point string
---@return any
function Policy:constant(point)
  if not self.file or type(self.file.points[point]) == "function" then
    return nil
  end
  return self.file.points[point]
end

local REFUSE = { refuse = true }
local GATE = { refuse = true, wait = true }

local function why_of(self, point, verdict)
  return ("%s (%s, %s)"):format(verdict.why, self.label, point)
end

-- Asks a function; nil when the point is none. A refusal is raised.
local function call(self, point, where, ...)
  local results, verdict = ask.call(self.file, point, where, REFUSE, ...)
  if verdict then
    err.throw("refused", "%s", why_of(self, point, verdict))
  end
  return results
end

--- What went wrong later with what a point made, as its error.
---@param point string
---@param e godwit.Err
---@return godwit.Err
function Policy:error(point, e)
  return ask.error(self.file, point, e)
end

-- The value of a point: what stands there, or what its function answers,
-- checked.
local function value(self, point, where, checked, subject)
  local v = self.file.points[point]
  if type(v) ~= "function" then
    return v
  end
  v = call(self, point, where, subject)[1]
  local why = v ~= nil and checked(v)
  if why then
    ask.wrong(self.file, point, "%s", why)
  end
  return v
end

local function nothing(self, point, results)
  if results[1] ~= nil then
    ask.wrong(self.file, point, "it returned %s, but nothing is asked of it%s",
      check.quoted(results[1]), point == "gate"
      and "; refuse with cx:refuse(why), wait with cx:wait(why)" or "")
  end
end

local function selected(globs, ref)
  local wanted, any = false, false
  for _, one in ipairs(globs) do
    local exclude = one:sub(1, 1) == "!"
    local matches = glob.matcher(exclude and one:sub(2) or one)(ref)
    if exclude and matches then
      return false
    end
    any = any or not exclude
    wanted = wanted or not exclude and matches
  end
  return wanted or not any
end

--- Whether an algorithm is promoted; false and why when it is not.
---@async
---@param where godwit.policy.Where
---@param a godwit.Algorithm
---@return boolean
---@return string? why
function Policy:select(where, a)
  if not self:has("select") then
    return true
  end
  local rules = self.file.points.select
  if type(rules) == "table" then
    return selected(rules, a.ref), ("not selected (%s)"):format(self.label)
  end
  local results = call(self, "select", where, a)
  local yes, why = results[1], results[2]
  if type(yes) ~= "boolean" then
    ask.wrong(self.file, "select", "it returned %s: expected true or false",
      check.quoted(yes))
  elseif why ~= nil and type(why) ~= "string" then
    ask.wrong(self.file, "select", "the reason it returned is %s, not a text",
      check.quoted(why))
  end
  return yes, ("%s (%s, select)"):format(why or "not selected", self.label)
end

--- Which revision is promoted, as it would be typed. The first value says
--- whether the policy has a say; the second is nil when it chose none.
---@async
---@param where godwit.policy.Where
---@param a godwit.Algorithm
---@return boolean asked
---@return string? revision
function Policy:revision(where, a)
  if not self:has("revision") then
    return false
  end
  return true, value(self, "revision", where, check.revision, a)
end

local function mapped(self, point, where, name)
  if not self:has(point) then
    return name
  end
  local map = self.file.points[point]
  if type(map) == "table" then
    return map[name] or name
  end
  return value(self, point, where, check.name, name) or name
end

--- The owner at the destination.
---@async
---@param where godwit.policy.Where
---@param owner string
---@return string
function Policy:map_owner(where, owner)
  return mapped(self, "map_owner", where, owner)
end

--- The name at the destination.
---@async
---@param where godwit.policy.Where
---@param name string
---@return string
function Policy:map_name(where, name)
  return mapped(self, "map_name", where, name)
end

--- The name of the destination's environment; nil: the usual mapping.
---@async
---@param where godwit.policy.Where
---@param env table The source's.
---@return string?
function Policy:map_environment(where, env)
  if not self:has("map_environment") then
    return nil
  end
  local map = self.file.points.map_environment
  if type(map) == "table" then
    return map[env.display_name]
  end
  return value(self, "map_environment", where, check.environment,
    given.data(env, "env"))
end

--- Who a user is at the destination: fields of its document. The first value
--- says whether the policy has a say; the second is nil when it leaves the user
--- out.
---@async
---@param where godwit.policy.Where
---@param user table The source's document.
---@return boolean asked
---@return table<string, string>? fields
function Policy:map_user(where, user)
  if not self:has("map_user") then
    return false
  end
  local map = self.file.points.map_user
  local v
  if type(map) == "table" then
    v = map[user.username]
    if v == nil then
      return false
    end
  else
    v = value(self, "map_user", where, check.user, given.data(user, "user"))
  end
  return true, type(v) == "string" and { username = v } or v or nil
end

--- What the destination's settings are besides the source's.
---@async
---@param where godwit.policy.Where
---@param settings table<string, any> By the names that may be returned.
---@return table<string, any>?
function Policy:settings(where, settings)
  if not self:has("settings") then
    return nil
  end
  return value(self, "settings", where, check.settings,
    given.data(settings, "settings"))
end

--- Lets the policy edit the tree.
---@async
---@param where godwit.policy.Where
---@param tree godwit.Tree
function Policy:transform(where, tree)
  if self:has("transform") then
    nothing(self, "transform", call(self, "transform", where,
      given.tree(tree)))
    if not tree:each()() then
      ask.wrong(self.file, "transform", "it left no file; a destination is "
        .. "never emptied by a promotion")
    end
  end
end

--- The commit's message; nil: the source commit's.
---@async
---@param where godwit.policy.Where
---@return string?
function Policy:message(where)
  return self:has("message") and value(self, "message", where, check.message,
    given.data(where.commit, "commit")) or nil
end

--- The version step; nil: the policy leaves it open.
---@async
---@param where godwit.policy.Where
---@param a godwit.Algorithm
---@return "minor"|"major"|"revision"|"no"|nil
function Policy:version_step(where, a)
  if not self:has("version_step") then
    return nil
  end
  local step = value(self, "version_step", where, check.step, a)
  return step == false and "no" or step
end

--- Whether it may go on; else the outcome it has.
---@async
---@param where godwit.policy.Where
---@param a godwit.Algorithm
---@return godwit.policy.Verdict?
function Policy:gate(where, a)
  if not self:has("gate") then
    return nil
  end
  local results, verdict = ask.call(self.file, "gate", where, GATE, a)
  nothing(self, "gate", results)
  return verdict and { outcome = verdict.outcome,
    why = why_of(self, "gate", verdict) }
end

--- What becomes of a destination that was changed there; nil: the policy
--- leaves it open.
---@async
---@param where godwit.policy.Where
---@param state { kind: "drifted"|"unknown", commits: table[], files: table[] }
---@return "refuse"|"overwrite"|"merge"|nil
function Policy:on_drift(where, state)
  if not self:has("on_drift") then
    return nil
  end
  return value(self, "on_drift", where, check.drift, given.data(state, "state"))
end

--- Whether the new version may be published in place of the old one; else why
--- not.
---@async
---@param where godwit.policy.Where
---@param old { result: any, metadata: table? }
---@param new { result: any, metadata: table? }
---@return string? why
function Policy:compare(where, old, new)
  if not self:has("compare") then
    return nil
  end
  local results, verdict = ask.call(self.file, "compare", where, REFUSE,
    given.data(old, "old"), given.data(new, "new"))
  if verdict then
    return why_of(self, "compare", verdict)
  end
  local yes, why = results[1], results[2]
  if yes ~= nil and type(yes) ~= "boolean" then
    ask.wrong(self.file, "compare", "it returned %s: expected true, false and "
      .. "why, or nothing", check.quoted(yes))
  elseif why ~= nil and type(why) ~= "string" then
    ask.wrong(self.file, "compare", "the reason it returned is %s, not a text",
      check.quoted(why))
  end
  return yes == false and why_of(self, "compare",
    { why = why or "its results are not what they were" }) or nil
end

--- Tells the policy what became of an item.
---@async
---@param where godwit.policy.Where
---@param record godwit.Outcome
function Policy:after(where, record)
  if self:has("after") then
    local results = ask.call(self.file, "after", where, {},
      given.data(record, "record"))
    nothing(self, "after", results)
  end
end

return M
