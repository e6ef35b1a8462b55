--- cluster.etags: whether the ETags of one collection are digests of its
--- files. Some servers give 32 hexadecimal digits that are no MD5 (S3 does for
--- what it encrypts with keys of its own), and nothing but the bytes tells: one
--- file whose ETag is its MD5 proves it for all, and then what differs from its
--- ETag is damaged. What differs proves nothing, but while it is all there is,
--- ETags that are the same say nothing of the bytes either.

---@class godwit.cluster.Etags
---@field proven boolean A file was read that has the MD5 its ETag is.
---@field differs? boolean One was read that has another.
local Etags = {}
Etags.__index = Etags

local M = {}

---@return godwit.cluster.Etags
function M.new()
  return setmetatable({ proven = false }, Etags)
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
  self.proven = true
end

--- A file was read that has another MD5 than its ETag is.
function Etags:disagree()
  self.differs = true
end

--- Whether what was seen of them speaks against them.
---@return boolean
function Etags:is_doubtful()
  return self.differs == true and not self.proven
end

--- Reads files that are told apart, or taken for the same, by ETags of which
--- none is known to be a digest: the smallest first, which settles it for the
--- others where it has the digest that was said.
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
