--- data.known: digests that a ledger remembers of one side's files, and when
--- they still count.
---
--- A row counts while the file has the size it had, and the time its listing
--- gave when we had read it. One that we sent to a server has no such time yet:
--- it counts while its time lies within the moments that it was on its way, by
--- the server's clock, and from its first listing on by that time.

local err = require("godwit.err")
local log = require("godwit.log")
local units = require("godwit.data.units")
local sys = require("godwit.core.sys")

local M = {}

local BATCH = 500  -- rows written at once
local SECONDS = 0.5 -- or after so long
local COARSE = 2   -- seconds in which a time without fractions may hide a change
local EARLY = 2    -- seconds that a time and a date without fractions may be off

---@class godwit.data.Digest
---@field md5? string
---@field sha256? string
---@field odd? boolean Its ETag could be an MD5, and is another.
---@field said? boolean An ETag says so, nobody has read it.

---@class godwit.data.Known
---@field private ledger? table
---@field private place string
---@field private rows table[] To be written.
---@field private since? number
---@field private at? number What `stamp` is of.
---@field private stamp? string
---@field private writes boolean
---@field private told? boolean That ETags are digests there.
---@field private etags? godwit.cluster.Etags
local Known = {}
Known.__index = Known

--- What is known of a side's files. Without a ledger nothing is.
---@param ledger table|nil
---@param side godwit.data.Side
---@param writes boolean Whether to remember more.
---@return godwit.data.Known
function M.new(ledger, side, writes)
  return setmetatable({ ledger = ledger, place = side.place, rows = {},
    writes = writes and ledger ~= nil }, Known)
end

-- What cannot be read or written is not known, and no more than that.
local function lose(self, e)
  if err._is_final(e) then
    error(e, 0)
  end
  self.ledger, self.writes, self.rows = nil, false, {}
  log.warn("what is known of files cannot be used, so they are read again: %s",
    tostring(e))
end

-- "time", "written" or nil: by what a row counts for a listed file.
local function counts(row, file)
  if not row or not row.md5 or row.size ~= file.size or not file.time then
    return nil
  elseif not row.written_at then
    return row.time == file.time and "time" or nil
  end
  local at, began = units.time(file.time), units.time(row.time)
  local written = units.time(row.written_at)
  return at and began and written and began - EARLY <= at
    and at <= written + 1 and "written" or nil
end

--- What is known of each file of a listing, or false.
---@async
---@param files { name: string, size: integer?, time: string? }[]
---@return (godwit.data.Digest|false)[]
function Known:of(files)
  local names, out = {}, {}

  for i, file in ipairs(files) do
    names[i], out[i] = file.name, false
  end
  if not self.ledger or #names == 0 then
    return out
  end
  local rows, e = self.ledger:get(self.place, names)
  if not rows then
    lose(self, e)
  end
  for i, row in ipairs(rows or {}) do
    local how = counts(row, files[i])
    if how then
      out[i] = { md5 = row.md5, sha256 = row.sha256 }
    end
    if how == "written" then
      self:read(files[i], row)
    end
  end
  return out
end

-- A file that may be changed again without its time telling.
local function is_coarse(file)
  local at = units.time(file.time)
  return at == nil
    or at == math.floor(at) and at > sys.time() - COARSE
end

---@async
local function add(self, row)
  if not self.writes then
    return
  end
  self.rows[#self.rows + 1] = row
  self.since = self.since or sys.monotonic()
  if #self.rows >= BATCH or sys.monotonic() - self.since >= SECONDS then
    self:flush()
  end
end

--- Remembers what was read of a file as it is listed.
---@async
---@param file { name: string, size: integer?, time: string? }
---@param digest godwit.data.Digest
function Known:read(file, digest)
  if file.size and digest.md5 and not is_coarse(file) then
    add(self, { name = file.name, size = file.size, time = file.time,
      md5 = digest.md5, sha256 = digest.sha256 })
  end
end

--- Remembers what was sent; `at` is the server's date when it had taken it,
--- `took` the seconds that this lasted.
---@async
---@param name string
---@param size integer
---@param digest godwit.data.Digest
---@param at number
---@param took number
function Known:wrote(name, size, digest, at, took)
  if digest.md5 then
    if at ~= self.at then -- many within one second
      self.at, self.stamp = at, units.stamp(at)
    end
    add(self, { name = name, size = size, md5 = digest.md5,
      sha256 = digest.sha256, time = units.stamp(at - took),
      written_at = self.stamp })
  end
end

-- Beside the rows of a place, which are its files'.
local function about(self)
  return "etags " .. self.place
end

--- Tells what an earlier run found out of the place's ETags.
---@async
---@param etags godwit.cluster.Etags|nil
function Known:tell(etags)
  self.told, self.etags = nil, etags
  if etags and self.ledger then
    local rows, e = self.ledger:get(about(self), { "proven" })
    if not rows then
      lose(self, e)
    elseif rows[1] then
      self.told = true
      etags:agree()
    end
  end
end

--- Remembers what this one found out, before the rows that it is good for: it
--- may end at any time.
---@async
function Known:learn()
  if self.etags and self.etags.proven and not self.told and self.writes then
    self.told = true
    local ok, e = self.ledger:put(about(self), { { name = "proven" } })
    if not ok then
      lose(self, e)
    end
  end
end

--- Forgets files that are gone.
---@async
---@param names string[]
function Known:forget(names)
  if self.writes and #names > 0 then
    self:flush()
    local ok, e = true, nil
    if self.ledger then
      ok, e = self.ledger:forget(self.place, names)
    end
    if not ok then
      lose(self, e)
    end
  end
end

--- Writes what is to be remembered.
---@async
function Known:flush()
  self:learn()
  local rows = self.rows
  self.rows, self.since = {}, nil
  if #rows > 0 and self.ledger then
    local ok, e = self.ledger:put(self.place, rows)
    if not ok then
      lose(self, e)
    end
  end
end

return M
