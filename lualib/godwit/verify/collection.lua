--- collection: one collection of two places: who may read it, and its files by
--- name, size and digest. Both lists are streamed, the destination's names wait
--- in a temporary table, so that memory does not grow with them.

local contents = require("godwit.verify.contents")
local core_json = require("godwit.core.json")
local endless = require("godwit.data.endless")
local err = require("godwit.err")
local file_names = require("godwit.data.names")
local names = require("godwit.core.names")
local odd = require("godwit.data.odd")
local task = require("godwit.task")

local M = {}

local BATCH = 500

local function sorted(acl)
  local list = { table.unpack(acl) }
  table.sort(list)
  return core_json.array(list)
end

-- A cluster that shows no ACL is not known to let nobody in.
local function compare_acl(job, item, mine, theirs)
  if mine.acl and theirs.acl then
    item:compare("acl", sorted(mine.acl), sorted(theirs.acl))
  else
    item:cannot_move("who may read it cannot be compared: %s no ACL",
      mine.acl and job.dest_ref .. " shows" or theirs.acl and job.ref
      .. " shows" or "both places show")
  end
end

-- What a server calls a file and nobody can ask for: the others are compared.
local function note_odd(item, name, other, ref)
  item:cannot_read("a file of " .. ref, err.new({ kind = "remote",
    message = ("it is called %s: %s"):format(type(name) == "string"
      and file_names.quote(name) or "nothing",
      file_names.why_none(name, other)) }))
end

-- Pages of a list, and what is to be told how many names of each were new.
local function pages(driver, owner, name, item)
  local ref = ("%s:%s/%s"):format(driver.name, owner, name)
  local watch, odd = endless.watch(ref), 0
  local turn = driver:each_file_page(owner, name, function(file, other)
    odd = odd + 1
    note_odd(item, file, other, ref)
  end)
  return turn, function(rows, fresh)
    watch(#rows + odd, fresh)
    odd = 0
  end
end

local function fill(v, job, item, known)
  local turn, check = pages(v.to, job.to_owner, job.to_name, item)
  for rows in turn do
    local list = {}
    for i, row in ipairs(rows) do
      list[i] = { name = row.name, size = row.size or -1 }
    end
    check(rows, #list > 0 and err.check(known:put(list)) or 0)
  end
end

local function size_of(row)
  return row.size and row.size >= 0 and row.size or nil
end

local function shown(size, md5)
  return { size = size, md5 = md5 }
end

-- Same name, same size: the bytes decide.
local function compare_bytes(job, item, row, mine, theirs)
  local name = row.name

  if mine.e then
    item:cannot_read("file " .. name .. " of " .. job.ref, mine.e)
  end
  if theirs.e then
    item:cannot_read("file " .. name .. " of " .. job.dest_ref, theirs.e)
  end
  if mine.e or theirs.e then
    return
  end
  job.digests = job.digests + 1
  if mine.md5 == theirs.md5 and (mine.said == nil) ~= (theirs.said == nil) then
    (mine.said and job.mine or job.theirs):agree()
  end
  if mine.md5 ~= theirs.md5 then
    item:differ("file " .. name, mine.md5 and shown(mine.size or row.size,
      mine.md5), theirs.md5 and shown(theirs.size or row.size, theirs.md5))
  end
end

local function compare_contents(job, item, rows)
  local mine, theirs

  task.all({
    function()
      mine = job.mine:digests(rows)
    end,
    function()
      theirs = job.theirs:digests(rows)
    end,
  })
  job.mine:doubt(rows, mine, theirs, job.theirs)
  job.theirs:doubt(rows, theirs, mine, job.mine)
  for _, row in ipairs(rows) do
    compare_bytes(job, item, row, mine[row.name], theirs[row.name])
  end
end

-- One of the two sizes is not told, and no digest is compared: the size is all
-- there is, so it is asked for. Where neither side answers, both having listed
-- it, it is not gone from both: nobody knows.
local function compare_size(job, item, name, mine, theirs)
  local known, both_gone = true, mine.gone and theirs.gone

  for _, side in ipairs({ { mine, job.ref }, { theirs, job.dest_ref } }) do
    local it, ref = side[1], side[2]
    if it.e or not it.size and (both_gone or not it.gone) then
      known = false
      item:cannot_read("file " .. name .. " of " .. ref, it.e or err.new({
        kind = "remote", message = "its size is not told" }))
    end
  end
  if known and mine.size ~= theirs.size then
    item:differ("file " .. name, mine.size and shown(mine.size),
      theirs.size and shown(theirs.size))
  end
end

local function compare_sizes(job, item, pairs_of)
  local here, there = {}, {}

  for _, pair in ipairs(pairs_of) do
    here[#here + 1] = not pair.mine.size and pair.name or nil
    there[#there + 1] = not pair.theirs.size and pair.name or nil
  end
  local found = task.all({
    function()
      return job.mine:sizes(here)
    end,
    function()
      return job.theirs:sizes(there)
    end,
  })
  for _, pair in ipairs(pairs_of) do
    local name = pair.name
    compare_size(job, item, name, found[1][name] or pair.mine,
      found[2][name] or pair.theirs)
  end
end

-- A size that a list does not tell comes with the digest; where none is
-- compared it is to be asked for.
local function sort_out(v, job, item, rows, found, again)
  local closely, unsized, fresh = {}, {}, 0

  for i, row in ipairs(rows) do
    if not again[i] then
      local mine, there = row.size, found[i]
      local theirs = there and size_of(there)
      fresh = fresh + 1
      job.files, job.bytes = job.files + 1, job.bytes + (mine or 0)
      if not there then
        item:differ("file " .. row.name, shown(mine), nil)
      elseif mine and theirs and mine ~= theirs then
        item:differ("file " .. row.name, shown(mine), shown(theirs))
      elseif not v.quick and v.sample:has(job.ref .. "/" .. row.name) then
        closely[#closely + 1] = row
      elseif not mine or not theirs then
        unsized[#unsized + 1] = { name = row.name, mine = { size = mine },
          theirs = { size = theirs } }
      end
    end
  end
  return closely, unsized, fresh
end

-- How many of its names were new.
local function compare_page(v, job, item, known, rows)
  local words = {}
  for i, row in ipairs(rows) do
    words[i] = row.name
  end
  local found, again = known:take(words)
  if not found then
    error(again, 0)
  end
  local closely, unsized, fresh = sort_out(v, job, item, rows, found, again)
  if #closely > 0 then
    compare_contents(job, item, closely)
  end
  if #unsized > 0 then
    compare_sizes(job, item, unsized)
  end
  v.cx:progress(job.ref, "compare", file_names.count(job.files))
  return fresh
end

local function rest(item, known)
  local after
  repeat
    local rows = err.check(known:rest(after, BATCH))
    for _, row in ipairs(rows) do
      item:differ("file " .. row.name, nil, shown(size_of(row)))
      after = row.name
    end
  until #rows == 0
end

local function note_damaged(item, side, ref)
  local first, count = side:damaged()

  for _, name in ipairs(first) do
    item:cannot_read("file " .. name .. " of " .. ref, odd.damaged())
  end
  if count > #first then
    item:cannot_read(("%d more files of %s"):format(count - #first, ref),
      odd.damaged())
  end
end

local function compare_files(v, job, item)
  local known <close> = setmetatable({ table = err.check(names.open()) },
    { __close = function(self)
      self.table:close()
    end })

  job.mine = contents.of(v.from, job.owner, job.name, v.budget)
  job.theirs = contents.of(v.to, job.to_owner, job.to_name, v.budget)
  fill(v, job, item, known.table)
  local turn, check = pages(v.from, job.owner, job.name, item)
  for rows in turn do
    check(rows, compare_page(v, job, item, known.table, rows))
  end
  rest(item, known.table)
  note_damaged(item, job.mine, job.ref)
  note_damaged(item, job.theirs, job.dest_ref)
  local read = job.mine.read + job.theirs.read
  item:fact("files_read", read > 0 and read or nil)
end

--- Compares a collection.
---@async
---@param v godwit.verify.Run
---@param job { ref: string, dest_ref: string, owner: string, name: string, to_owner: string, to_name: string, files: integer?, bytes: integer?, digests: integer? }
---@param item godwit.verify.Item
function M.compare(v, job, item)
  job.files, job.bytes, job.digests = 0, 0, 0
  local mine, read = item:read(job.ref, function()
    return v.from:try_get_collection(job.owner, job.name)
      or err.throw("notfound", "it is gone since it was listed")
  end)
  local theirs, read_there = item:read(job.dest_ref, function()
    return v.to:try_get_collection(job.to_owner, job.to_name)
  end)
  if not read or not read_there then
    return
  elseif not theirs then
    return item:ends("missing")
  end
  compare_acl(job, item, mine, theirs)
  item:read("the files of " .. job.ref .. " and " .. job.dest_ref, function()
    compare_files(v, job, item)
  end)
  item:fact("files", job.files)
  item:fact("bytes", job.bytes)
  item:fact("digests", job.digests)
end

return M
