--- cluster.etags: whether the ETags of one collection are digests of its
--- files. Some servers give 32 hexadecimal digits that are no MD5 (S3 does for
--- what it encrypts with keys of its own), and nothing but the bytes tells.
---
--- A file whose ETag is its MD5 settles that they are; then one that is not is
--- damaged. Files of which none agrees settle that they are none: SEVERAL, or
--- fewer that are all there is and come the same again.
local log = require("godwit.log")

---@class godwit.cluster.Etags
---@field none boolean    They are no digests.
---@field proven boolean  One of them is.
---@field private where string
---@field private differing table<string, true> Files whose ETag is not their MD5.
---@field private count integer
local Etags = {}
Etags.__index = Etags

local M = {}

local SEVERAL = 3

---@param where string "prod:data/acme/models"
---@return godwit.cluster.Etags
function M.new(where)
  return setmetatable({ where = where, none = false, proven = false,
    differing = {}, count = 0 }, Etags)
end

--- The MD5 that an ETag can be. A weak one (W/…) promises nothing about bytes.
---@param etag any
---@return string|nil
function M.md5(etag)
  local text = type(etag) == "string" and etag:gsub('^"(.*)"$', "%1")
  return text and #text == 32 and text:find("^%x+$") and text:lower() or nil
end

--- A file was read that has the MD5 its ETag is.
function Etags:agree()
  self.proven, self.none = true, false
end

--- Nothing speaks for them.
function Etags:refute()
  if not self.proven and not self.none then
    self.none = true
    log.info("%s: its ETags are no digests of its files", self.where)
  end
end

--- A file was read whose ETag could be an MD5 and is another.
---@param name string
---@return boolean none
function Etags:differ(name)
  if not self.differing[name] and self.count < SEVERAL then
    self.differing[name], self.count = true, self.count + 1
  end
  if self.count >= SEVERAL then
    self:refute()
  end
  return self.none
end

--- Reads files that seem to differ because of what ETags say, of which none is
--- known to be a digest: the smallest first, which settles it for the others
--- where it has the digest that was said.
---@async
---@param files { name: string, size: integer? }[] Their order is changed.
---@param read async fun(files: { name: string, size: integer? }[])
function Etags:doubt(files, read)
  if #files == 0 or self.proven then
    return
  end
  table.sort(files, function(a, b)
    return (a.size or math.huge) < (b.size or math.huge)
  end)
  read({ table.remove(files, 1) })
  if #files > 0 and not self.proven then
    read(files)
  end
end

return M
