--- data.compare: what has to be done so that one side has the files of the
--- other, before any of it is.
---
--- Names of both sides are in temporary tables, so that memory stays as it is
--- however many there are, and no order is trusted.

local core_names = require("godwit.core.names")
local digests = require("godwit.data.digests")
local endless = require("godwit.data.endless")
local err = require("godwit.err")
local names = require("godwit.data.names")
local task = require("godwit.task")

local M = {}

local LEFT_OUT = "-"     -- the time of a source's file that is not copied
local PROBLEMS = 10      -- that are told one by one

---@class godwit.data.Plan
---@field listed integer   Files of the source
---@field skipped integer  By the filter
---@field untold table<string, integer> Of these, since "size" or "time" is not told
---@field unchanged integer
---@field bad integer      That no collection can have
---@field new integer
---@field changed integer
---@field gone integer     To be deleted
---@field bytes integer    To be copied; of files whose size is known
---@field first { new: string[], changed: string[], gone: string[] }
---@field problems string[]
---@field private source table   Names of the source that are new there, once compared
---@field private differ table
---@field private extra table
local Plan = {}
Plan.__index = Plan

---@class godwit.data.CompareOpts
---@field filter godwit.data.Filter
---@field delete boolean
---@field readers { from: godwit.data.Reader, to: godwit.data.Reader, odd: godwit.data.Odd, etags: godwit.cluster.Etags? }
---@field tick? fun(phase: string, detail: string)
---@field unfit? fun(name: string): string|nil Why the destination cannot have it.

local function new_plan()
  local plan = setmetatable({ listed = 0, skipped = 0, unchanged = 0, bad = 0,
    new = 0, changed = 0, gone = 0, bytes = 0, problems = {}, untold = {},
    first = { new = {}, changed = {}, gone = {} } }, Plan)
  plan.source = err.check(core_names.open())
  plan.differ = err.check(core_names.open())
  plan.extra = err.check(core_names.open())
  return plan
end

--- Frees its tables.
function Plan:close()
  self.source:close()
  self.differ:close()
  self.extra:close()
end
Plan.__close = Plan.close

--- How many files are to be copied.
---@return integer
function Plan:files()
  return self.new + self.changed
end

local function is_file(row)
  return row.why == nil and row.kind == nil
end

-- the source ---------------------------------------------------------------

-- What is there and is no file of a collection: excluded, or a problem.
local function note_other(plan, row, filter)
  if filter.excludes(row.name) or filter.excludes(row.name .. "/") then
    plan.skipped = plan.skipped + 1
    return
  end
  plan.bad = plan.bad + 1
  plan.unfit = plan.unfit or row.kind
  if #plan.problems < PROBLEMS then
    plan.problems[#plan.problems + 1] = ("%s: %s"):format(
      names.quote(row.name), row.why)
  end
end

local function source_rows(plan, page, opts)
  local filter, rows, seen = opts.filter, {}, {}
  for _, row in ipairs(page) do
    row.why = row.why or opts.unfit and opts.unfit(row.name)
    if not is_file(row) then
      plan.listed = plan.listed + 1
      note_other(plan, row, filter)
    elseif not seen[row.name] then
      seen[row.name] = true
      local wanted, untold = filter.wants(row)
      if untold then
        plan.untold[untold] = (plan.untold[untold] or 0) + 1
      end
      rows[#rows + 1] = { name = row.name, size = row.size,
        time = wanted and row.time or not wanted and LEFT_OUT or nil }
    end
  end
  return rows
end

---@async
local function list_source(plan, side, opts)
  local check = endless.watch(side.label)
  for page in side:pages() do
    local rows = source_rows(plan, page, opts)
    local fresh = err.check(plan.source:put(rows))
    opts.tick("list", names.count(check(#page, fresh)))
  end
end

-- the destination ------------------------------------------------------------

local function differs(plan, from)
  plan.changed = plan.changed + 1
  plan.bytes = plan.bytes + (from.size or 0)
  names.note(plan.first.changed, from.name)
end

-- Pairs of the same size, by what is in them.
---@async
local function by_digest(pairs_of, readers)
  local from, to = {}, {}
  for i, pair in ipairs(pairs_of) do
    from[i], to[i] = pair.from, pair.to
  end
  local found = #pairs_of > 0 and task.all({
    function() return digests.of(readers.from, from) end,
    function() return digests.of(readers.to, to) end,
  }) or { {}, {} }
  digests.doubt(readers.from, from, found[1], found[2], readers.to)
  digests.doubt(readers.to, to, found[2], found[1], readers.from)
  return function(name)
    local mine, theirs = found[1][name], found[2][name]
    local same = digests.same(mine, theirs) == true
    if same and mine.said and not theirs.said and readers.etags then
      readers.etags:agree() -- those bytes were read there
    end
    return same, mine and mine.odd
  end
end

---@async
local function settle_pairs(plan, all, readers)
  local alike = {}
  for _, pair in ipairs(all) do
    if pair.from.size == pair.to.size or not pair.from.size
      or not pair.to.size then
      alike[#alike + 1] = pair
      pair.alike = true
    end
  end
  local same_of, differing, odd = by_digest(alike, readers), {}, {}
  for _, pair in ipairs(all) do
    local same, is_odd
    if pair.alike then
      same, is_odd = same_of(pair.from.name)
    end
    if same then
      plan.unchanged = plan.unchanged + 1
      odd[#odd + 1] = is_odd and pair.from.name or nil
    else
      differing[#differing + 1] = pair.from
      differs(plan, pair.from)
    end
  end
  if #differing > 0 then
    err.check(plan.differ:put(differing))
  end
  if #odd > 0 then
    readers.odd:are_same(odd)
  end
end

local function only_there(plan, row, opts, list)
  if opts.delete and opts.filter.wants(row) then
    list[#list + 1] = { name = row.name, size = row.size }
    plan.gone = plan.gone + 1
    names.note(plan.first.gone, row.name)
  end
end

---@async
local function compare_page(plan, page, opts)
  local files, list = {}, {}
  for _, row in ipairs(page) do
    if is_file(row) then
      files[#files + 1] = row
      list[#list + 1] = row.name
    end
  end
  local there, again = plan.source:take(list)
  err.check(there, again)
  local both, extra, fresh = {}, {}, 0
  for i, row in ipairs(files) do
    local from = there[i]
    fresh = fresh + (again[i] and 0 or 1)
    if again[i] then
      from = nil -- listed twice
    elseif not from then
      only_there(plan, row, opts, extra)
    elseif from.time ~= LEFT_OUT then
      both[#both + 1] = { to = row,
        from = { name = row.name, size = from.size, time = from.time } }
    end
  end
  if #extra > 0 then
    err.check(plan.extra:put(extra))
  end
  settle_pairs(plan, both, opts.readers)
  return fresh
end

---@async
local function list_destination(plan, side, opts)
  local check = endless.watch(side.label)
  for page in side:pages() do
    local fresh = compare_page(plan, page, opts)
    opts.tick("compare", names.count(check(#page, fresh)))
  end
end

-- what is only at the source -------------------------------------------------

---@async
local function pages_of(table_of_names)
  local after
  return function()
    local rows = err.check(table_of_names:rest(after, 1000))
    after = rows[#rows] and rows[#rows].name or after
    return rows[1] and rows or nil
  end
end

-- New files, without those that are left out.
---@async
local function new_pages(plan)
  local turn = pages_of(plan.source)
  return function()
    for page in turn do
      local rows = {}
      for _, row in ipairs(page) do
        if row.time ~= LEFT_OUT then
          rows[#rows + 1] = row
        end
      end
      if #rows > 0 then
        return rows
      end
    end
  end
end

---@async
local function count_new(plan)
  local count, bytes = plan.source:sum(LEFT_OUT)
  err.check(count, bytes)
  plan.new, plan.bytes = plan.new + count, plan.bytes + bytes
  for _, row in ipairs(count > 0 and new_pages(plan)() or {}) do
    names.note(plan.first.new, row.name)
  end
end

--- What is to be copied, page by page: new files, then those that differ.
---@async
---@return fun(): godwit.data.File[]|nil
function Plan:to_copy()
  local turn, second = new_pages(self), false
  return function()
    local page = turn()
    if not page and not second then
      turn, second = pages_of(self.differ), true
      page = turn()
    end
    return page
  end
end

--- What is to be deleted, page by page.
---@async
---@return fun(): { name: string }[]|nil
function Plan:to_delete()
  return pages_of(self.extra)
end

--- Looks at both sides. `to` is nil when there is nothing yet.
---@async
---@param from godwit.data.Side
---@param to godwit.data.Side|nil
---@param opts godwit.data.CompareOpts
---@return godwit.data.Plan
function M.run(from, to, opts)
  local plan = new_plan()
  local ok, e = pcall(function()
    list_source(plan, from, opts)
    local all = plan.source:count()
    plan.listed = plan.listed + all
    if to then
      list_destination(plan, to, opts)
    end
    count_new(plan)
    -- What is neither new, changed nor unchanged was left out.
    plan.skipped = plan.skipped + all - plan.new - plan.changed
      - plan.unchanged
  end)
  if not ok then
    plan:close()
    error(e, 0)
  end
  return plan
end

return M
