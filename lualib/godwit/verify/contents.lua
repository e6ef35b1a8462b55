--- contents: what is in a file of a collection at one place, as its MD5: what
--- the server says where it says it, else the file is read to its end and
--- nothing of it kept. Our own records of what was copied are not asked: they
--- would agree with themselves.

local data = require("godwit.core.data")
local err = require("godwit.err")

local M = {}

local MD5 = "^%x+$"

-- Some servers answer with an entity tag that is no digest.
local function md5_of(head)
  local md5 = head.md5
  return type(md5) == "string" and #md5 == 32 and md5:find(MD5)
    and md5:lower() or nil
end

local function read(driver, owner, name, file)
  local copier = err.check(data.copier(driver:data_end(owner, name, "read"),
    nil, { start = 1, max = 1 }))
  local closed <close> = setmetatable({}, { __close = function()
    copier:cancel()
  end })

  copier:submit({ { name = file } })
  copier:finish()
  local results = copier:wait()
  local result = results and results[1]
  if not result or result.err then
    error(result and result.err or err.new({ kind = "remote",
      message = "nothing was read" }), 0)
  end
  return { md5 = result.md5, size = result.bytes }
end

--- The digest and size of a file; nil when it is gone.
---@async
---@param driver table
---@param owner string
---@param name string The collection's.
---@param file string
---@return { md5: string, size: integer? }?
function M.of(driver, owner, name, file)
  local head = driver:try_head_file(owner, name, file)
  if not head then
    return nil
  end
  local md5 = md5_of(head)
  if md5 then
    return { md5 = md5, size = head.size }
  end
  return read(driver, owner, name, file)
end

return M
