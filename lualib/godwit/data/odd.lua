--- data.odd: files that were taken although their ETag could be an MD5 and is
--- another, since no file of their collection had the MD5 that its ETag says.
--- When one had, in the end, these are not what was stored; else the result
--- says how many there are. Their number may be that of the collection: more
--- than some are kept in a temporary table.

local err = require("godwit.err")
local names = require("godwit.data.names")
local core_names = require("godwit.core.names")

local M = {}

local SHOWN = 10
local KEPT = 10000

-- a set of names ------------------------------------------------------------

local Set = {}
Set.__index = Set

---@async
function Set:put(list)
  local rest = {}
  for _, name in ipairs(list) do
    if not self.kept[name] and self.count < KEPT then
      self.kept[name], self.count = true, self.count + 1
    elseif not self.kept[name] then
      rest[#rest + 1] = { name = name }
    end
  end
  if #rest > 0 then
    self.more = self.more or err.check(core_names.open())
    err.check(self.more:put(rest))
  end
end

---@async
function Set:drop(list)
  for _, name in ipairs(list) do
    if self.kept[name] then
      self.kept[name], self.count = nil, self.count - 1
    end
  end
  if self.more and #list > 0 then
    err.check(self.more:take(list))
  end
end

-- How many there are, and the first of them.
---@async
function Set:look()
  local first = {}
  for name in pairs(self.kept) do
    first[#first + 1] = name
  end
  table.sort(first)
  local all, taken = 0, 0
  if self.more then
    all, taken = self.more:count()
  end
  return self.count + all - taken, table.move(first, 1, SHOWN, 1, {})
end

function Set:close()
  if self.more then
    self.more:close()
  end
end

local function new_set()
  return setmetatable({ kept = {}, count = 0 }, Set)
end

-- of a copy -----------------------------------------------------------------

---@class godwit.data.Odd
---@field private same table   As at the destination.
---@field private copied table
local Odd = {}
Odd.__index = Odd

---@return godwit.data.Odd
function M.new()
  return setmetatable({ same = new_set(), copied = new_set() }, Odd)
end

--- Why such a file fails once ETags are known to be digests.
---@param hint? string
---@return godwit.Err
function M.damaged(hint)
  return err.new({ kind = "conflict", message = "it is not what was stored: "
    .. "its ETag is not its MD5, as others' are" .. (hint or "") })
end

--- They are at the destination as they were read.
---@async
---@param list string[]
function Odd:are_same(list)
  self.same:put(list)
end

--- They were copied.
---@async
---@param list string[]
function Odd:were_copied(list)
  self.copied:put(list)
end

--- They came again, and are what their ETag says, or are to come again.
---@async
---@param list string[]
function Odd:forget(list)
  self.copied:drop(list)
end

--- The verdict. Of those that are not what was stored it says how many were
--- the same and how many copied, and forgets them; of the others nil, and the
--- job is warned when it is the last one.
---@async
---@param job godwit.data.CopyJob
---@param etags godwit.cluster.Etags|nil
---@param last boolean
---@return integer|nil same
---@return integer|nil copied
---@return string[]|nil first Names.
function Odd:judge(job, etags, last)
  local same, first = self.same:look()
  local copied, more = self.copied:look()
  table.move(more, 1, #more, #first + 1, first)
  if same + copied == 0 then
    return nil
  elseif etags and etags.proven and not job.opts.ignore_etag then
    self:close()
    self.same, self.copied = new_set(), new_set()
    return same, copied, first
  elseif last then
    job.warnings[#job.warnings + 1] = ("the ETag of %s is not the MD5 of what "
      .. "came, so nothing but the size says that it is whole: %s"):format(
      names.count(same + copied), names.some(first, same + copied))
  end
end

function Odd:close()
  self.same:close()
  self.copied:close()
end

Odd.__close = Odd.close

return M
