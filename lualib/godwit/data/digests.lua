--- data.digests: what is in files of one side: remembered, said by the cluster,
--- or read.

local carry = require("godwit.data.carry")
local err = require("godwit.err")
local task = require("godwit.task")

local M = {}

local ASKED = 256 << 10 -- a file larger than that is asked about, not read
local HEADS = 32        -- questions at once

---@class godwit.data.Reader
---@field side godwit.data.Side
---@field known godwit.data.Known
---@field budget godwit.data.Budget
---@field fully boolean Nothing but reading counts.
---@field sha256 boolean
---@field ignore_etag? boolean

-- By its own word: the ETag of a HEAD that is an MD5.
---@async
local function ask(reader, files, found)
  local rest = {}
  task.each(files, function(file)
    local ok, md5 = pcall(reader.side.md5, reader.side, file.name)
    if not ok and err._is_final(md5) then
      error(md5, 0)
    elseif ok and md5 then
      found[file.name] = { md5 = md5, said = true }
    else
      rest[#rest + 1] = file
    end
  end, { jobs = HEADS })
  return rest
end

--- What is known of a side's ETags; nil where nothing is to be known, as of one
--- that is only pretended.
---@async
---@param side godwit.data.Side
---@return godwit.cluster.Etags|nil
function M.etags(side)
  local ok, source = pcall(side.open, side, "read")
  if not ok and err._is_final(source) then
    error(source, 0)
  end
  return ok and source.etags or nil
end

-- What was said is remembered once it is known to be a digest.
---@async
local function remember(reader, files, found)
  local etags = #files > 0 and M.etags(reader.side)
  for _, file in ipairs(etags and not etags.proven and {} or files) do
    local digest = found[file.name]
    if digest and digest.said then
      reader.known:read(file, digest)
    end
  end
end

-- By reading it. What cannot be read has no digest.
---@async
local function read(reader, files, found)
  local given = false
  local ok, source = pcall(reader.side.open, reader.side, "read")
  if not ok and err._is_final(source) then
    error(source, 0)
  elseif not ok then
    return -- of one that is only pretended
  end
  carry.run({
    from = source,
    opts = { sha256 = reader.sha256, etag = not reader.ignore_etag },
    budget = reader.budget,
    items = function()
      if not given then
        given = true
        return files
      end
    end,
    done = function(results)
      for _, r in ipairs(results) do
        local digest = { md5 = r.md5, sha256 = r.sha256, odd = r.odd }
        found[r.file.name] = digest
        if r.bytes == r.file.size and not r.odd then
          reader.known:read(r.file, digest)
        end
      end
    end,
    failed = function() end,
  })
  reader.known:learn()
end

local function is_large(file)
  return not file.size or file.size > ASKED
end

--- The digest of each file by name; none for what could not be learned.
---@async
---@param reader godwit.data.Reader
---@param files { name: string, size: integer?, time: string? }[]
---@return table<string, godwit.data.Digest>
function M.of(reader, files)
  local found, asked, rest = {}, {}, {}
  local known = reader.fully and {} or reader.known:of(files)

  for i, file in ipairs(files) do
    if known[i] then
      found[file.name] = known[i]
    elseif reader.side.is_folder or reader.fully or not is_large(file) then
      rest[#rest + 1] = { name = file.name, size = file.size, time = file.time }
    else
      asked[#asked + 1] = file
    end
  end
  for _, file in ipairs(ask(reader, asked, found)) do
    rest[#rest + 1] = { name = file.name, size = file.size, time = file.time }
  end
  if #rest > 0 then
    read(reader, rest, found)
  end
  remember(reader, asked, found)
  return found
end

local function is_doubtful(reader)
  local etags = M.etags(reader.side)
  return etags ~= nil and etags:is_doubtful()
end

-- Whether the word of ETags alone makes two digests differ, or the same though
-- others of the collection were seen to be no digests.
local function by_word(a, b, doubtful)
  local same = a and a.said and M.same(a, b)
  return same == false or same and b.said and doubtful
end

--- What only ETags say is not believed of files that differ, when none is known
--- to be a digest, and of files that are the same, when some are known to be
--- none (see cluster.etags). Changes `mine`.
---@async
---@param reader godwit.data.Reader
---@param files { name: string, size: integer?, time: string? }[]
---@param mine table<string, godwit.data.Digest>
---@param theirs table<string, godwit.data.Digest>
---@param other godwit.data.Reader Of the other side.
function M.doubt(reader, files, mine, theirs, other)
  local list = {}
  local doubtful = #files > 0 and (is_doubtful(reader) or is_doubtful(other))

  for _, file in ipairs(files) do
    if by_word(mine[file.name], theirs[file.name], doubtful) then
      list[#list + 1] = { name = file.name, size = file.size,
        time = file.time }
    end
  end
  local etags = #list > 0 and M.etags(reader.side)
  if etags then
    etags:doubt(list, function(some)
      read(reader, some, mine)
    end)
  end
end

--- Whether two digests say the same; nil: they cannot be compared.
---@param a godwit.data.Digest|nil
---@param b godwit.data.Digest|nil
---@return boolean|nil
function M.same(a, b)
  if not a or not b then
    return nil
  elseif a.sha256 and b.sha256 then
    return a.sha256 == b.sha256
  elseif a.md5 and b.md5 then
    return a.md5 == b.md5
  end
end

return M
