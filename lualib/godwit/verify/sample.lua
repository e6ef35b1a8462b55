--- sample: which part of many names is looked at closely: the same names every
--- time and at every place, by a digest of the name. Pure.

local err = require("godwit.err")
local sys = require("godwit.core.sys")

local M = {}

local MOST = 1000000

---@class godwit.verify.Sample
---@field part integer Which part, from 1.
---@field of integer How many parts there are.
local Sample = {}
Sample.__index = Sample

--- Reads "1/10" or "3/10"; nil is all of it. Raises `usage`.
---@param text? string
---@return godwit.verify.Sample
function M.parse(text)
  if not text then
    return setmetatable({ part = 1, of = 1 }, Sample)
  end
  local part, of = text:match("^(%d+)/(%d+)$")
  part, of = math.tointeger(tonumber(part)), math.tointeger(tonumber(of))
  if not part or not of or part < 1 or part > of or of > MOST then
    err.throw("usage", "--sample is K/N, the K-th of N parts, as in 1/10; "
      .. "not '%s'", text)
  end
  return setmetatable({ part = part, of = of }, Sample)
end

--- Whether a name is in the part.
---@param name string
---@return boolean
function Sample:has(name)
  if self.of == 1 then
    return true
  end
  local digest = sys.hash("md5", name):sub(1, 12)
  return tonumber(digest, 16) % self.of == self.part - 1
end

--- The part in words; nil when it is all.
---@return string?
function Sample:text()
  return self.of > 1 and string.format("part %d of %d by the MD5 of "
    .. "OWNER/COLLECTION/FILE", self.part, self.of) or nil
end

return M
