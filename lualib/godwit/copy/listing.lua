--- listing: the algorithms that globs mean, found by listing their owners, all
--- of them at once. What cannot be listed becomes an item of the result: it is
--- not known to be nothing.

local err = require("godwit.err")
local findings = require("godwit.copy.findings")
local glob = require("godwit.cluster.glob")
local outcome = require("godwit.workflow.outcome")
local pages = require("godwit.cluster.pages")
local ref = require("godwit.copy.ref")
local task = require("godwit.task")

local M = {}

local NAME = "^%a[%w_]*$"

local function is_pattern(text)
  return text:find("[*?]") ~= nil
end

-- The owners each glob asks about.
local function owners_of(driver, wanted)
  local everybody, owners, seen = nil, {}, {}

  local function add(w, owner)
    if not seen[owner] then
      seen[owner] = { owner = owner }
      owners[#owners + 1] = seen[owner]
    end
    w.owners[#w.owners + 1] = seen[owner]
  end
  for _, w in ipairs(wanted) do
    w.owners = w.glob and {} or nil
    if w.glob and is_pattern(w.owner) then
      if not everybody then
        everybody = pages.all(driver:each_owner())
        table.sort(everybody)
      end
      local matches = glob.matcher(w.owner)
      for _, owner in ipairs(everybody) do
        if matches(owner) then
          add(w, owner)
        end
      end
    elseif w.glob then
      add(w, w.owner)
    end
  end
  return owners
end

local function list(driver, entry)
  local ok, rows = xpcall(driver.list_algorithms, err.traced, driver,
    entry.owner)

  if not ok then
    local e = err.from(rows)
    if err._is_final(e) or e.kind == "bug" then
      error(e, 0)
    end
    -- An owner that is not there has nothing.
    entry.names, entry.failure = {}, e.kind ~= "notfound" and e or nil
    return
  end
  entry.names = {}
  for i, row in ipairs(rows) do
    entry.names[i] = row.algoname or row.name
  end
  table.sort(entry.names)
end

-- The item that stands for what could not be listed.
local function missed(w, entry, e)
  local record = outcome.failure(e)

  if e.kind == "auth" or e.kind == "usage" then
    record.outcome = "refused"
  end
  record.ref, record.type = entry.owner .. "/" .. w.name, "algorithm"
  record.why = findings.printable("its algorithms cannot be listed: "
    .. tostring(record.why))
  return record
end

local function unusable(owner, name)
  return { outcome = "refused", type = "algorithm",
    ref = findings.printable(owner .. "/" .. name),
    why = "that is not a name a promotion can write" }
end

local function same(a, b)
  return ref.show(a) == ref.show(b)
end

-- One list of what was named and what was found; what two globs find is taken
-- once, what is named for itself is as it was named.
local function collect(wanted)
  local refs, records, seen, empty = {}, {}, {}, {}

  for _, w in ipairs(wanted) do
    if not w.glob then
      seen[w.owner .. "/" .. w.name] = w
    end
  end
  local function take(w, owner, name)
    local key = owner .. "/" .. name
    local other = seen[key]
    if other and other.glob and not same(other.revision, w.revision) then
      err.throw("usage", "%s is meant by '%s' and by '%s', with different "
        .. "versions: name it for itself, or one of them only", key,
        other.text, w.text)
    elseif not other then
      seen[key] = w
      refs[#refs + 1] = { owner = owner, name = name, revision = w.revision,
        asked = w.asked }
    end
  end
  local function expand(w)
    local matches, found = glob.matcher(w.name), false
    for _, entry in ipairs(w.owners) do
      if entry.failure then
        found = true
        records[#records + 1] = missed(w, entry, entry.failure)
      end
      for _, name in ipairs(entry.names) do
        if matches(name) then
          found = true
          if entry.owner:find(NAME) and name:find(NAME) then
            take(w, entry.owner, name)
          else
            records[#records + 1] = unusable(entry.owner, name)
          end
        end
      end
    end
    if not found then
      empty[#empty + 1] = string.format("%s'%s'", w.where and w.where .. ": "
        or "", w.text)
    end
  end
  for _, w in ipairs(wanted) do
    if w.glob then
      expand(w)
    else
      refs[#refs + 1] = w
    end
  end
  return refs, records, empty
end

--- Finds what is meant. Raises `usage` for globs that match nothing, naming
--- them all. What could not be listed comes back as records.
---@async
---@param driver table The source's.
---@param wanted godwit.copy.Wanted[]
---@param jobs integer
---@param opts? { empty: boolean? } empty: a glob may match nothing.
---@return godwit.copy.Ref[] refs
---@return godwit.Outcome[] records
function M.find(driver, wanted, jobs, opts)
  local owners = owners_of(driver, wanted)

  task.each(owners, function(entry)
    list(driver, entry)
  end, { jobs = jobs })
  local refs, records, empty = collect(wanted)
  if #empty > 0 and not (opts and opts.empty) then
    err.throw("usage", "no algorithm of %s matches %s", driver.name,
      table.concat(empty, ", "))
  end
  return refs, records
end

return M
