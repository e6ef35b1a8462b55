--- cluster.etags: whether the ETags of one collection are digests of its
--- files. Some servers give 32 hexadecimal digits that are no MD5 (S3 does for
--- what it encrypts with keys of its own), and nothing but the bytes tells.
---
--- A file that was read twice as the same bytes, under the same ETag that is not
--- their MD5, settles it, unless another file's ETag is its MD5: then what is
--- sent of this one is not what was stored. That may come out later: what was
--- taken without a digest is counted until then.
local log = require("godwit.log")

---@class godwit.cluster.Etags
---@field none boolean    They are no digests.
---@field proven boolean  One of them is.
---@field private where string
---@field private taken integer Files taken under an ETag that is not their MD5.
---@field private first string[] The first of them.
---@field private seen table<string, string> How files were read whose ETag differs.
local Etags = {}
Etags.__index = Etags

local M = {}

local FIRST = 10 -- names that are kept

---@param where string "prod:data/acme/models"
---@return godwit.cluster.Etags
function M.new(where)
  return setmetatable({ where = where, none = false, proven = false,
    seen = {}, taken = 0, first = {} }, Etags)
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
  self.proven, self.none, self.seen = true, false, {}
end

--- A file was taken although its ETag is not its MD5.
---@param name string
function Etags:take(name)
  self.taken = self.taken + 1
  if #self.first < FIRST then
    self.first[#self.first + 1] = name
  end
end

--- How many were, and the first of them; from here on others are counted.
---@return integer count
---@return string[] first
function Etags:settle()
  local count, first = self.taken, self.first
  self.taken, self.first = 0, {}
  return count, first
end

--- A file was read whose ETag could be an MD5 and is another: whether the ETags
--- here are no digests, and whether it was read like that before.
---@param name string
---@param read { size: integer, md5: string, etag: string }
---@return boolean none
---@return boolean again
function Etags:differ(name, read)
  local now = ("%d %s %s"):format(read.size, read.md5, read.etag)
  local again = self.seen[name] == now
  if again and not self.proven and not self.none then
    self.none, self.seen = true, {}
    log.info("%s: its ETags are no digests of its files", self.where)
  end
  if not self.none then
    self.seen[name] = now
  end
  return self.none, again
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
