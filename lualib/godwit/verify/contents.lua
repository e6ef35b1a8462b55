--- contents: what is in the files of one collection, as MD5s. Small files are
--- read to their end, nothing of them is kept; of large ones the server's word
--- counts where it gives one. Our own records of what was copied are not asked:
--- they would agree with themselves.

local carry = require("godwit.data.carry")
local err = require("godwit.err")
local outcome = require("godwit.verify.outcome")
local task = require("godwit.task")

local M = {}

local AT_ONCE = 32 -- files that are asked about at the same time
local ODD = 1000 -- files that are remembered to be so
local SMALL = 256 << 10 -- asking costs as much as reading
local ENOUGH = 20 -- files without a digest, until none is expected any more

---@class godwit.verify.Content
---@field md5? string
---@field size? integer
---@field said? boolean An ETag says so, nobody has read it.
---@field gone? boolean It is not there any more.
---@field e? any Why it could not be read.

---@class godwit.verify.Contents
---@field read integer Files whose bytes were read.
local Contents = {}
Contents.__index = Contents

--- The files of a collection of one place.
---@param driver table
---@param owner string
---@param name string
---@param budget godwit.data.Budget What all of the run share.
---@return godwit.verify.Contents
function M.of(driver, owner, name, budget)
  return setmetatable({ driver = driver, owner = owner, name = name,
    budget = budget, read = 0, without = 0, odd = {}, odd_count = 0 }, Contents)
end

-- Some servers answer with an entity tag that is no digest.
local function md5_of(head)
  local md5 = head.md5
  return type(md5) == "string" and #md5 == 32 and md5:find("^%x+$")
    and md5:lower() or nil
end

-- What is said of a file without reading it; nil and why there is nothing.
local function head_of(self, file)
  local ok, head = xpcall(self.driver.try_head_file, err.traced, self.driver,
    self.owner, self.name, file)
  if not ok then
    if outcome.is_final(head) then
      error(head, 0)
    end
    return nil, { e = head }
  end
  return head, not head and { gone = true } or nil
end

-- Nil where it says nothing of use: then it is read. Not every server answers
-- such a question, and one that does not must not be taken for a missing file.
local function ask(self, file)
  local head = head_of(self, file)
  local md5 = head and md5_of(head)
  self.without = md5 and 0 or self.without + 1
  return md5 and { md5 = md5, size = head.size, said = true }
end

local function is_large(file)
  return not file.size or file.size > SMALL
end

-- What the server says; the files that are to be read.
local function ask_all(self, files, found)
  local large, open = {}, {}

  for _, file in ipairs(files) do
    local list = is_large(file) and large or open
    list[#list + 1] = { name = file.name, size = file.size }
  end
  task.each(large, function(file)
    local known = self.without < ENOUGH and ask(self, file.name)
    if known then
      found[file.name] = known
    else
      open[#open + 1] = file
    end
  end, { jobs = AT_ONCE })
  return open
end

local function read_all(self, files, found)
  local given

  local stopped = carry.run({
    from = self.driver:data_end(self.owner, self.name, "read"),
    budget = self.budget,
    items = function()
      local list = not given and files or nil
      given = true
      return list
    end,
    done = function(results)
      for _, r in ipairs(results) do
        self.read = self.read + 1
        found[r.file.name] = { md5 = r.md5, size = r.bytes }
        if r.odd then
          self.odd_count = self.odd_count + 1
          self.odd[#self.odd < ODD and #self.odd + 1 or ODD] = r.file.name
        end
      end
    end,
    failed = function(file, e)
      found[file.name] = err.is(e, "notfound") and { gone = true } or { e = e }
    end,
  })
  for _, file in ipairs(files) do
    local known = found[file.name]
    if not known or known.said then
      found[file.name] = { e = err.new({ kind = "remote",
        message = "not read: " .. (stopped or "no answer") }) }
    end
  end
end

local function etags_of(self)
  return self.driver:data_end(self.owner, self.name, "read").etags
end

--- How large these files are, by name; one of which the server does not say it
--- has no size.
---@async
---@param names string[]
---@return table<string, godwit.verify.Content>
function Contents:sizes(names)
  local found = {}

  task.each(names, function(name)
    local head, hole = head_of(self, name)
    found[name] = hole or { size = head.size }
  end, { jobs = AT_ONCE })
  return found
end

--- What is in these files, by name.
---@async
---@param files { name: string, size: integer? }[] As they were listed here.
---@return table<string, godwit.verify.Content>
function Contents:digests(files)
  local found = {}
  local open = ask_all(self, files, found)

  if #open > 0 then
    read_all(self, open, found)
  end
  return found
end

--- Files that are not what was stored: they were read before another one proved
--- that ETags are digests here. The first of them, and how many there are.
---@async
---@return string[]
---@return integer
function Contents:damaged()
  local known = #self.odd > 0 and etags_of(self)
  if known and known.proven then
    return self.odd, self.odd_count
  end
  return {}, 0
end

--- The other place has the bytes that this one's word is about.
---@async
function Contents:agree()
  local known = etags_of(self)
  if known then
    known:agree()
  end
end

local function is_doubtful(self)
  local known = etags_of(self)
  return known ~= nil and known:is_doubtful()
end

--- What only ETags say is not believed of files that differ, when none is known
--- to be a digest, and of files that are the same, when some are known to be
--- none (see cluster.etags). Changes `mine`.
---@async
---@param files { name: string, size: integer? }[]
---@param mine table<string, godwit.verify.Content> What `digests` gave.
---@param theirs table<string, godwit.verify.Content> Of the other place.
---@param other godwit.verify.Contents
function Contents:doubt(files, mine, theirs, other)
  local list = {}
  local doubtful = is_doubtful(self) or is_doubtful(other)

  for _, file in ipairs(files) do
    local a, b = mine[file.name], theirs[file.name]
    if a.said and b.md5 and (a.md5 ~= b.md5 or b.said and doubtful) then
      list[#list + 1] = { name = file.name, size = file.size }
    end
  end
  local etags = #list > 0 and etags_of(self)
  if etags then
    etags:doubt(list, function(some)
      read_all(self, some, mine)
    end)
  end
end

return M
