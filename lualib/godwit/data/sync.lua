--- data.sync: carries out what the comparison found: a new collection is made
--- private, files are copied, what could not be proven is
--- looked at again, then what is too much is deleted, and readers are let in
--- last.

local acl = require("godwit.data.acl")
local carry = require("godwit.data.carry")
local core_names = require("godwit.core.names")
local err = require("godwit.err")
local etags = require("godwit.cluster.etags")
local names = require("godwit.data.names")
local odd = require("godwit.data.odd")
local retry = require("godwit.http.retry")
local said = require("godwit.data.said")
local size = require("godwit.cli.size")
local task = require("godwit.task")
local units = require("godwit.data.units")

local M = {}

local PROBLEMS = 10 -- that are told one by one
local ROUNDS = 3    -- looks at what changed while it was copied
local DELETIONS = 16 -- at once
local CHANGES = "it keeps changing while it is read"
local OTHER_SIZE = "%s came of it, every time, and its list says %s"

---@class godwit.data.Work
---@field from godwit.data.Side
---@field to godwit.data.Side
---@field plan godwit.data.Plan
---@field known { from: godwit.data.Known, to: godwit.data.Known }
---@field budget godwit.data.Budget
---@field exists boolean   The destination is there
---@field acl? string[]    That it shall have; nil: as it is
---@field was? string[]    That it has
---@field sha256 boolean
---@field tick fun(phase: string, detail?: string, stats?: table)
---@field copied integer
---@field bytes integer
---@field failed integer
---@field deleted integer
---@field undeleted integer That should have gone
---@field created? boolean
---@field read_by? string[]   The ACL it was given
---@field problems string[]
---@field fatal? godwit.Err   What ended it
---@field retryable boolean   All that failed may succeed later
---@field stopped? string     Why the rest was not tried
---@field hopeless? boolean   It was for too many failures
---@field ignore_etag? boolean Bytes count, whatever ETags say
---@field odd godwit.data.Odd
---@field job godwit.data.CopyJob
---@field etags? godwit.cluster.Etags Of the source
local Work = {}
Work.__index = Work

local function note(work, name, e)
  work.retryable = work.retryable and e.retryable == true
  if #work.problems < PROBLEMS then
    work.problems[#work.problems + 1] = ("%s: %s"):format(names.quote(name),
      e.message)
  end
end

---@async
local function fails(work, name, e)
  work.failed = work.failed + 1
  work.odd:forget({ name })
  note(work, name, e)
end

-- Deletes one file there. What is turned away for a passing reason is tried
-- again, as long as there is time to wait: it is the same twice as once.
---@async
local function remove(work, name)
  retry.run(function()
    work.to:remove(name)
  end, function(e)
    local left = work.budget:left()
    return e.retryable == true and not err._is_final(e)
      and not (left and left <= (e.retry_after or 0))
  end)
end

-- Calls a function; says what could not be done when it fails.
---@async
local function naming(what, fn, ...)
  local ok, e = xpcall(fn, err.traced, ...)
  if not ok then
    if err._is_final(e) then
      error(e, 0)
    end
    error(err.wrap(e, what), 0)
  end
end

--- Says who may read a collection from here on.
---@async
---@param to godwit.data.Side
---@param list string[]
function M.let_in(to, list)
  naming(("its ACL (%s) was not accepted"):format(acl.show(list)),
    to.set_acl, to, list)
end

-- before the files ----------------------------------------------------------

-- One that is there by now has files and readers that nobody looked at.
---@async
local function make(to)
  local ok, e = xpcall(to.create, err.traced, to, acl.PRIVATE)
  if not ok and err.is(e, "exists") then
    e = err.new({ kind = "conflict", retryable = true,
      message = "somebody else made it since it was looked at" })
  end
  if not ok then
    error(e, 0)
  end
end

---@async
local function prepare(work)
  if not work.exists then
    naming("it cannot be created", make, work.to)
    work.created = true
    work.was = not work.to.is_folder and acl.PRIVATE or nil
  end
end

-- files ---------------------------------------------------------------------

-- Whether what arrived is one state of the source's file. Mostly the ETag is the
-- digest between quotes.
local function is_proven(work, result)
  local etag, md5 = result.source_etag, result.md5
  return work.from.is_folder or etag ~= nil and md5 ~= nil
    and (#etag == 34 and etag:sub(2, 33) == md5 or etags.md5(etag) == md5)
end

-- Many answers come within a second: the text is read once.
local function date_of(work, text)
  if text ~= work.date_text then
    work.date_text, work.date_at = text, retry.date(text)
  end
  return work.date_at
end

-- A folder shows the file's time at once, a server only its date.
---@async
local function remember(work, file, result)
  local known = work.known.to
  local date = result.date and date_of(work, result.date)
  if result.modified then
    known:read({ name = file.name, size = result.bytes,
      time = units.stamp(result.modified) }, result)
  elseif date then
    known:wrote(file.name, result.bytes, result, date, result.took / 1000)
  end
end

---@async
local function take_good(work, results, unproven)
  local doubtful, list_of = {}, { odd = {}, even = {} }
  for _, result in ipairs(results) do
    local file = result.file
    work.copied = work.copied + 1
    work.bytes = work.bytes + result.bytes
    if not is_proven(work, result) then
      -- What came counts: a list that goes on saying something else is not of it.
      doubtful[#doubtful + 1] = { name = file.name,
        size = file.size and result.bytes, time = file.time }
    end
    -- Should it have changed on the way, its time is no longer that one.
    if result.bytes == file.size and not result.odd then
      work.known.from:read(file, result)
    end
    local list = list_of[result.odd and "odd" or "even"]
    list[#list + 1] = file.name
    remember(work, file, result)
  end
  if #doubtful > 0 then
    err.check(unproven:put(doubtful))
  end
  work.odd:were_copied(list_of.odd)
  work.odd:forget(list_of.even)
  work.known.from:learn()
end

local STAGES = { read = "reading it", write = "writing it" }

-- What went wrong with a file, for people: the file is named by who says it.
local function sentence(e, result)
  local outer = err.wrap(e, STAGES[result.stage] or "copying it")
  local words = said.problem(result)
  local text = e.message:gsub("^" .. names.escape(result.name) .. ": ", "")
  outer.message = ("%s: %s%s"):format(STAGES[result.stage] or "copying it",
    text, words and words ~= text and ": " .. words or "")
  if e.kind == "notfound" and result.stage == "read" then
    outer.message = "it is gone from the source since it was listed"
    outer.retryable = true
  elseif result.again then
    outer.message = ("it is not what was stored: its ETag says that its MD5 is "
      .. "%s, what is sent has %s, every time (--ignore-etag takes it)"):format(
      tostring(etags.md5(result.source_etag)), tostring(result.md5))
    outer.retryable = nil
  elseif e.kind == "conflict" and result.stage == "read" then
    outer.message = CHANGES
    outer.retryable = true
  end
  return outer
end

-- Copies what `items` gives, page by page.
---@async
local function copy(work, items, unproven)
  local stopped, hopeless = carry.run({
    from = work.from:open("read"), to = work.to:open("write"),
    opts = { sha256 = work.sha256, etag = not work.ignore_etag },
    budget = work.budget, items = items,
    done = function(results)
      take_good(work, results, unproven)
    end,
    failed = function(file, e, result)
      fails(work, file.name, sentence(e, result))
    end,
    tick = function(stats)
      work.tick("copy", nil, stats)
    end,
  })
  work.stopped = work.stopped or stopped
  work.hopeless = work.hopeless or hopeless
end

-- Files of `unproven` that a new listing shows to be no longer what they were
-- when they were copied.
---@async
local function changed_since(work, unproven)
  local turn = work.from:pages()
  return function()
    for page in turn do
      local list, rows, gone = {}, {}, {}
      for i, row in ipairs(page) do
        list[i] = row.name
      end
      local before, again = unproven:take(list)
      err.check(before, again)
      for i, row in ipairs(page) do
        local was = not again[i] and before[i]
        if was and (was.size ~= row.size or was.time ~= row.time) then
          work.copied = work.copied - 1 -- it is copied again, or fails
          rows[#rows + 1] = { name = row.name, size = row.size,
            time = row.time, came = was.time == row.time and was.size or nil }
          gone[#gone + 1] = row.name
        end
      end
      if #rows > 0 then
        work.odd:forget(gone)
        return rows
      end
    end
  end
end

local function give_up(work, turn)
  for page in turn do
    for _, file in ipairs(page) do
      fails(work, file.name, err.new({ kind = "conflict", retryable = true,
        message = file.came and OTHER_SIZE:format(size.format(file.came),
          size.format(file.size or 0)) or CHANGES }))
    end
  end
end

-- A source that tells no digests is listed again: what changed in between is
-- copied again, a few times. Closes the table it is given.
---@async
local function look_again(work, unproven)
  for round = 1, ROUNDS do
    local now <close> = unproven
    if now:count() == 0 or work.stopped then
      return
    end
    work.tick("list", "again, as the source tells no digests")
    local turn = changed_since(work, now)
    if round == ROUNDS then
      return give_up(work, turn)
    end
    unproven = err.check(core_names.open())
    copy(work, turn, unproven)
  end
end

---@async
local function copy_all(work)
  local unproven = err.check(core_names.open())
  copy(work, work.plan:to_copy(), unproven)
  look_again(work, unproven)
  work.known.from:flush()
  work.known.to:flush()
end

-- after the files -----------------------------------------------------------

-- Those that were the same have failed like those that were copied.
---@async
local function judge(work)
  local same, copied, first = work.odd:judge(work.job, work.etags, true)
  if not same then
    return
  end
  work.copied = work.copied - copied
  work.plan.unchanged = work.plan.unchanged - same
  work.failed = work.failed + same + copied
  for _, name in ipairs(first) do
    note(work, name, odd.damaged("; what was sent is at the destination "
      .. "(--ignore-etag takes it)"))
  end
end

local function is_whole(work)
  return work.failed + work.undeleted + work.plan.bad == 0
    and not work.stopped and work.copied == work.plan:files()
end

---@async
local function delete(work)
  for page in work.plan:to_delete() do
    if not work.budget:lasts() then
      work.stopped = work.budget.why
      return
    end
    local gone = {}
    task.each(page, function(row)
      local ok, e = pcall(remove, work, row.name)
      if ok then
        gone[#gone + 1] = row.name
      elseif err._is_final(e) then
        error(e, 0)
      else
        work.undeleted = work.undeleted + 1
        note(work, row.name, err.wrap(e, "deleting it"))
      end
    end, { jobs = DELETIONS })
    work.deleted = work.deleted + #gone
    work.known.to:forget(gone)
    work.tick("delete", ("%d of %d files"):format(work.deleted,
      work.plan.gone))
  end
end

---@async
local function finish(work)
  if is_whole(work) and work.plan.gone > 0 then
    delete(work)
  end
  if is_whole(work) and work.acl and work.was
    and not acl.same(work.was, work.acl) then
    M.let_in(work.to, work.acl)
    work.read_by = work.acl
  end
end

--- Carries it out. What goes wrong is in the work; only what ends the whole
--- run is raised.
---@async
---@param fields table
---@return godwit.data.Work
function M.run(fields)
  local work = setmetatable(fields, Work)
  work.copied, work.bytes, work.failed = 0, 0, 0
  work.deleted, work.undeleted = 0, 0
  work.problems, work.retryable = {}, true

  local ok, e = xpcall(function()
    prepare(work)
    if work.plan:files() > 0 then
      copy_all(work)
    end
    if work.to.is_folder then
      work.to:sweep()
    end
    judge(work)
    finish(work)
  end, err.traced)
  if not ok then
    if err._is_final(e) then
      error(e, 0)
    end
    work.fatal = err.from(e)
  end
  return work
end

return M
