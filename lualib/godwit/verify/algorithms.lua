--- algorithms: which algorithms are compared, each with what it should be
--- called at the destination, and which ones only the destination has.

local algorithm = require("godwit.verify.algorithm")
local copy = require("godwit.copy")
local decide = require("godwit.copy.decide")
local err = require("godwit.err")
local items = require("godwit.verify.item")
local listing = require("godwit.copy.listing")
local policy = require("godwit.policy")
local promotion = require("godwit.copy.promotion")
local source = require("godwit.copy.source")
local task = require("godwit.task")
local versionmap = require("godwit.versionmap")
local wanted = require("godwit.copy.wanted")

local M = {}

-- Every algorithm of these owners; of all, when there are none.
local function all_of(owners)
  local words = {}
  for i, owner in ipairs(#owners > 0 and owners or { "*" }) do
    words[i] = owner .. "/*"
  end
  return wanted.read(words)
end

-- What a promotion's steps are told: as it is, not as a dry run.
local function options(v, map)
  local p = v.cx.params

  return { map = map, policies = v.policies or policy.set(
    p.policy), given = v.cx.given, params = p, publish = "minor",
    to_owner = p.to_owner, progress = function(...)
      v.cx:progress(...)
    end }
end

-- Whoever has another name there owns the same things there.
local function options_of(v, opts, owner)
  local name, why = v:owner(owner)

  return setmetatable({ to_owner = name ~= owner and name or opts.to_owner,
    owner_settled = name ~= owner and not opts.to_owner,
    left_out = not name and why or nil }, { __index = opts })
end

local function job_of(v, ref, opts)
  local own = options_of(v, opts, ref.owner)
  if own.left_out then
    local text = ref.owner .. "/" .. ref.name
    return { ref = text, dest_ref = v.to.name .. ":" .. text,
      record = { why = own.left_out } }
  end
  local place = decide.place(ref, v.from, v.to, own)
  local it = source.new(v.from, ref.owner, ref.name, place.revision)

  return copy.placed(it, v.to, place, own)
end

-- extra --------------------------------------------------------------------

-- The owners of whom all is compared, as they are called there.
local function whole_owners(v, asked, opts)
  local seen, names = {}, {}

  local function add(owner)
    local name = decide.owner(owner, v.from, v.to, options_of(v, opts, owner))
    if not seen[name] then
      seen[name], names[#names + 1] = true, name
    end
  end
  for _, w in ipairs(asked) do
    if w.glob and w.name == "*" then
      for _, entry in ipairs(w.owners or {}) do
        add(entry.owner)
      end
    end
  end
  table.sort(names)
  return names
end

local function list(v, entry)
  local ok, rows = xpcall(v.to.list_algorithms, err.traced, v.to, entry.owner)

  entry.rows = ok and rows or {}
  if not ok and not err.is(rows, "notfound") then
    entry.failure = rows
  end
end

-- The records of an owner's algorithms that nobody expects.
local function extras(v, entry, expected)
  local found, whose = {}, v.to.name .. ":" .. entry.owner

  if entry.failure then
    local item = items.new("algorithm", whose)
    item:cannot_read("the algorithms of " .. whose, entry.failure)
    found[1] = item:record()
  end
  for _, row in ipairs(entry.rows) do
    local to = whose .. "/" .. tostring(row.algoname or row.name)
    if not expected[to] then
      local item = items.new("algorithm", to)
      item:ends("extra")
      found[#found + 1] = item:record()
    end
  end
  return found
end

local function is_everything(asked)
  for _, w in ipairs(asked) do
    if w.glob and w.owner == "*" and w.name == "*" then
      return true
    end
  end
  return false
end

-- Whose algorithms are looked through: whoever has all of the source's, and,
-- when everything is compared, those whom only the destination has.
local function owners_there(v, asked, opts)
  local entries, expected = {}, {}

  for i, owner in ipairs(whole_owners(v, asked, opts)) do
    entries[i], expected[owner] = { owner = owner }, true
  end
  for _, owner in ipairs(is_everything(asked)
    and v:others("algorithm", expected) or {}) do
    entries[#entries + 1] = { owner = owner, other = true }
  end
  return entries
end

local function add_extras(v, asked, jobs, opts)
  local expected, unseen = {}, {}
  for _, job in ipairs(jobs) do
    expected[job.dest_ref] = true
  end
  local entries = owners_there(v, asked, opts)
  task.each(entries, function(entry)
    list(v, entry)
  end, { jobs = v.cx.jobs })
  for _, entry in ipairs(entries) do
    if entry.other and err.is(entry.failure, "auth") then
      unseen[#unseen + 1] = entry.owner
    else
      v:add(extras(v, entry, expected))
    end
  end
  v:unseen("algorithm", unseen)
end

--- Compares algorithms: those that were named, else all of the owners that
--- were.
---@async
---@param v godwit.verify.Run
function M.compare(v)
  local words = v.cx.params.algorithms or {}
  local asked = #words > 0 and wanted.read(words) or all_of(v.owners)
  local map <close> = versionmap.open()
  local opts, jobs = options(v, map), {}
  v.cx.jobs = promotion.bounded(v.cx.jobs, 1)
  local refs, missed = listing.find(v.from, asked, v.cx.jobs,
    { empty = #words == 0 })

  for _, record in ipairs(missed) do
    record.outcome = "unreadable"
  end
  v:add(missed)
  for i, ref in ipairs(refs) do
    jobs[i] = job_of(v, ref, opts)
  end
  promotion.check_places(jobs)
  v:each("algorithm", jobs, function(job, item)
    algorithm.compare(job, item)
    if job.policy then
      copy.forget(job)
    end
  end)
  add_extras(v, asked, jobs, opts)
end

return M
