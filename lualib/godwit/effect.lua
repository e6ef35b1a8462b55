local describe = require("godwit.effect.describe")
local err = require("godwit.err")
local folder = require("godwit.core.folder")
local guard = require("godwit.core.http").guard
local http = require("godwit.http")
local log = require("godwit.log")
local order = require("godwit.effect.order")
local settle = require("godwit.effect.settle")
local acts_for_person = require("godwit.core.task").acts_for_person
local unknown = require("godwit.unknown")

--- effect: the one way a write leaves this process.
---
--- Every write of every cluster driver, and in plan mode a script's own
--- requests, go through `perform`. Its mode decides what happens: "apply"
--- writes, and settles by looking what a lost answer left open; "plan" writes
--- nothing, remembers what would be written and lets the overlay pretend.
--- Nothing is journaled yet: kind, target and ordinal are the key a journal
--- will use.
local M = {}

---@class godwit.effect.Spec
---@field kind string       "algorithm.create"
---@field target string     "prod:acme/Hello"; two tasks never write one at once
---@field cluster? table    The driver written to (`name`, `id`); for --allow-write
---@field class? "once"|"repeatable"  Default "once"
---@field before? table     What the probe compares with
---@field detail? table     What is written, for people
---@field write fun(): any  Performs it; raises when it failed
---@field probe? fun(): boolean|nil, any  true and the result; false; nil: not yet known
---@field pretend? fun(): any  The result to go on with in plan mode
---@field again? boolean    false: never repeated, even when it did not happen
---@field wait? number      Seconds a probe may stay open
---@field patience? number  Seconds before a probe's "no" is believed
---@field folder? boolean   A folder of this machine: the host knows who may write there
---@field plan? boolean     Only pretend, whatever the mode is (the overlay)

---@class godwit.effect.Entry
---@field kind string
---@field target string
---@field ordinal integer   Of this kind on this target within the run
---@field class string
---@field cluster? string
---@field before? table
---@field detail? table

---@type "apply"|"plan"
M.mode = "apply"
---@type godwit.effect.Entry[] What was pretended, in order.
M.planned = {}
--- How many writes this run has made, and how many of these were settled by a
--- probe or sent again.
M.counts = { writes = 0, settled = 0, repeated = 0, kinds = {} }

local ordinals = {}
local allowed -- nil: no restriction; else a set of names and ids
local persons = {} -- beside these, for who acts for a person

--- From here on nothing is written, for the rest of the process: the host
--- refuses every request that is not a read, whatever a script does.
function M.plan()
  M.mode = "plan"
  guard.plan()
  folder.plan()
  http.plan_hook = function(request)
    return M.script("http." .. request.method:lower(), request.url,
      request.write, { json = request.opts.json, body = request.opts.body })
  end
end

--- Restricts writes to the clusters named in such calls (by the name they
--- were opened with, or their identity). nil only starts the restriction.
---@param name string|nil
function M.allow_write(name)
  allowed = allowed or {}
  if name then
    allowed[name] = true
  end
end

--- The same for what acts for a person only, as policies do: a script with
--- permissions writes to what these name.
---@param name string
function M.allow_person(name)
  persons[name] = true
end

local function named(set, cluster)
  return (set[cluster.name or false] or set[cluster.id or false]) == true
end

--- Whether this run may write to the cluster.
---@param cluster { name: string?, id: string? }|nil
---@return boolean
function M.may_write(cluster)
  if not allowed then
    return true
  end
  return cluster ~= nil and (named(allowed, cluster)
    or acts_for_person() and named(persons, cluster))
end

---@param e godwit.effect.Spec
local function check_allowed(e)
  if e.folder or M.may_write(e.cluster) then
    return
  end
  local name = e.cluster and e.cluster.name or e.target
  err.throw("denied", "%s on %s is a write, and this script may not write"
    .. " there; %s", e.kind, e.target,
    require("godwit.rights").how_to_write(name) or ("add --allow-write %s, or"
      .. " -n to see what it would do"):format(name))
end

---@param e godwit.effect.Spec
---@return godwit.effect.Entry
local function make_entry(e)
  local key = e.kind .. "\0" .. e.target
  ordinals[key] = (ordinals[key] or 0) + 1
  return {
    kind = e.kind,
    target = e.target,
    ordinal = ordinals[key],
    class = e.class or "once",
    cluster = e.cluster and e.cluster.name,
    before = e.before,
    detail = e.detail,
  }
end

---@param e godwit.effect.Spec
---@param entry godwit.effect.Entry
local function pretend(e, entry)
  M.planned[#M.planned + 1] = entry
  if not e.pretend then
    return unknown.new("the result of " .. e.kind .. " on " .. e.target)
  end
  local ok, result = pcall(e.pretend)
  if not ok then
    -- What the cluster would refuse is not something the run would do.
    for i = #M.planned, 1, -1 do
      if M.planned[i] == entry then
        table.remove(M.planned, i)
        break
      end
    end
    error(result, 0)
  end
  return result
end

local function count(kind, report)
  local c = M.counts
  c.writes = c.writes + 1
  c.kinds[kind] = (c.kinds[kind] or 0) + 1
  c.settled = c.settled + (report.settled and 1 or 0)
  c.repeated = c.repeated + report.repeated
end

-- What no request of the host's stands for: a write to an archive.
local function take_budget(e)
  if e.cluster and e.cluster.kind == "archive" then
    local deletes = e.kind:find("delete", 1, true)
      or e.kind:find("remove", 1, true)
    err.check(guard.take({ writes = 1, deletes = deletes and 1 or 0 },
      ("%s on %s was not done"):format(e.kind, e.target)))
  end
end

--- Performs one write, or pretends to, and returns its result.
--- Raises what the write raised; "denied" without permission; "conflict" when
--- another task is writing the same target.
---@async
---@param e godwit.effect.Spec
---@return any
function M.perform(e)
  assert(type(e.kind) == "string" and type(e.target) == "string",
    "an effect has a kind and a target")
  local planning = e.plan or M.mode == "plan"
  if not planning then
    check_allowed(e)
  end
  local turn <close> = order.enter(e.target, e.kind)
  local entry = make_entry(e)
  if planning then
    return pretend(e, entry)
  end
  take_budget(e)
  log.debug("%s %s", e.kind, e.target)
  local result, report = settle.run(e)
  count(e.kind, report)
  return result
end

--- A write a script makes itself (http.post, git.push) to something that is
--- not a cluster. In apply mode it is simply made: the host checks where to.
--- In plan mode it is remembered and its result is unknown.
---@async
---@param kind string
---@param target string
---@param write fun(): any
---@param detail? table
---@return any
function M.script(kind, target, write, detail)
  if M.mode ~= "plan" then
    return write()
  end
  return pretend({ kind = kind, target = target },
    make_entry({ kind = kind, target = target, detail = detail }))
end

--- The lines a person reads: what an entry would do.
---@param entry godwit.effect.Entry
---@return string[]
function M.describe(entry)
  return describe.lines(entry)
end

--- The same of all that was pretended, in order.
---@return string[]
function M.describe_all()
  local lines = {}
  for _, entry in ipairs(M.planned) do
    for _, text in ipairs(M.describe(entry)) do
      lines[#lines + 1] = text
    end
  end
  return lines
end

M.diff = describe.diff

return M
