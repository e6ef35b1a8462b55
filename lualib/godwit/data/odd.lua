--- data.odd: files that were taken although their ETag could be an MD5 and is
--- another, since no file of their collection had the MD5 that its ETag says.
--- When one had, in the end, these are not what was stored; else the result
--- says how many there are. Their number may be that of the collection.

local err = require("godwit.err")
local names = require("godwit.data.names")
local core_names = require("godwit.core.names")

local M = {}

local SHOWN = 10

---@class godwit.data.Odd
---@field private same? godwit.names   As at the destination.
---@field private copied? godwit.names
local Odd = {}
Odd.__index = Odd

---@return godwit.data.Odd
function M.new()
  return setmetatable({}, Odd)
end

---@async
local function put(self, which, list)
  if #list > 0 then
    local rows = {}
    for i, name in ipairs(list) do
      rows[i] = { name = name }
    end
    self[which] = self[which] or err.check(core_names.open())
    err.check(self[which]:put(rows))
  end
end

--- They are at the destination as they were read.
---@async
---@param list string[]
function Odd:are_same(list)
  put(self, "same", list)
end

--- They were copied.
---@async
---@param list string[]
function Odd:were_copied(list)
  put(self, "copied", list)
end

--- They came again, and are what their ETag says, or failed for good.
---@async
---@param list string[]
function Odd:forget(list)
  if #list > 0 and self.copied then
    err.check(self.copied:take(list))
  end
end

-- How many there are, and the first of them.
---@async
local function look(self, which)
  if not self[which] then
    return 0, {}
  end
  local all, taken = self[which]:count()
  local first = err.check(self[which]:rest(nil, SHOWN))
  for i, row in ipairs(first) do
    first[i] = row.name
  end
  return all - taken, first
end

--- The verdict. Of those that are not what was stored it says how many were
--- the same and how many copied; of the others nil, and the job is warned.
---@async
---@param job godwit.data.CopyJob
---@param etags godwit.cluster.Etags|nil
---@return integer|nil same
---@return integer|nil copied
---@return string[]|nil first Names.
function Odd:judge(job, etags)
  local same, first = look(self, "same")
  local copied, more = look(self, "copied")
  table.move(more, 1, #more, #first + 1, first)
  if same + copied == 0 then
    return nil
  elseif etags and etags.proven and not job.opts.ignore_etag then
    return same, copied, first
  end
  job.warnings[#job.warnings + 1] = ("the ETag of %s is not the MD5 of what "
    .. "came, so nothing but the size says that it is whole: %s"):format(
    names.count(same + copied), names.some(first, same + copied))
end

function Odd:close()
  for _, which in ipairs({ "same", "copied" }) do
    if self[which] then
      self[which]:close()
    end
  end
end

Odd.__close = Odd.close

return M
