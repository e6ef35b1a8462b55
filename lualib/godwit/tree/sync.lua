--- tree.sync: makes one folder or tree look like another. Everything is looked
--- at before the first write; each file is there whole or as it was; links are
--- copied, never followed.
local effect = require("godwit.effect")
local err = require("godwit.err")
local folder = require("godwit.core.folder")
local glob_of = require("godwit.tree.glob")
local log = require("godwit.log")
local sides = require("godwit.tree.sides")
local task = require("godwit.task")
local tree = require("godwit.tree")
local tree_path = require("godwit.tree.path")
local view = require("godwit.view")
local where = require("godwit.tree.where")

local M = {}

local JOBS = 4
local MAX_DELETE = 100
local SHOWN = 10

---@class godwit.tree.SyncOpts
---@field include? string|string[] Globs of what is copied. Default: all.
---@field exclude? string|string[] Globs of what is neither copied nor deleted; that of a folder is for all in it.
---@field delete? boolean Remove what the source does not have. Default: not.
---@field max_delete? integer More than so many are refused. Default 100.

---@class godwit.tree.Synced
---@field outcome "created"|"updated"|"unchanged"
---@field files integer Files and links of the source that were chosen.
---@field written integer
---@field unchanged integer
---@field deleted integer
---@field skipped integer `.git` and submodules, which are never copied.
---@field bytes integer Of what was written.

---@class godwit.tree.Filter
---@field wants fun(path: string): boolean
---@field prunes fun(dir: string): boolean

local KNOWN = { include = true, exclude = true, delete = true, max_delete = true }

local function check_options(opts)
  if type(opts) ~= "table" then
    err.throw("usage", "tree.sync: options are a table, not a %s", type(opts))
  end
  for name in pairs(opts) do
    if not KNOWN[name] then
      err.throw("usage", "tree.sync: there is no option %s", tostring(name))
    end
  end
  if opts.delete ~= nil and type(opts.delete) ~= "boolean" then
    err.throw("usage", "tree.sync: delete is true or false, not %s", tostring(opts.delete))
  end
  local most = opts.max_delete
  if most ~= nil and (math.type(most) ~= "integer" or most < 0) then
    err.throw("usage", "tree.sync: max_delete is a whole number, not %s", tostring(most))
  end
end

local function any_of(globs)
  local list = {}
  for i, glob in ipairs(globs and glob_of.list(globs) or {}) do
    if type(glob) ~= "string" or glob == "" then
      err.throw("usage", "tree.sync: glob %d is a text, not %s", i, tostring(glob))
    end
    list[i] = glob_of.matcher(glob)
  end
  return #list > 0 and function(path)
    for _, matches in ipairs(list) do
      if matches(path) then return true end
    end
    return false
  end or nil
end

---@return godwit.tree.Filter
local function filter_of(opts)
  local wanted, unwanted = any_of(opts.include), any_of(opts.exclude)

  -- A folder that is excluded by its own name is so with all in it.
  local function prunes(dir)
    return unwanted ~= nil and (unwanted(dir) or unwanted(dir .. "/"))
  end
  local function inside_excluded(path)
    for at in path:gmatch("()/") do
      if prunes(path:sub(1, at - 1)) then return true end
    end
    return false
  end
  return { prunes = prunes, wants = function(path)
    return (not wanted or wanted(path))
      and not (unwanted and (unwanted(path) or inside_excluded(path)))
  end }
end

-- what is to be done -----------------------------------------------------

local function some(paths)
  local shown = {}
  for i = 1, math.min(#paths, SHOWN) do
    shown[i] = tree_path.quote(paths[i])
  end
  if #paths > SHOWN then shown[SHOWN + 1] = ("and %d more"):format(#paths - SHOWN) end
  return table.concat(shown, ", ")
end

-- Between so many files others get their turn: a long list is no runaway loop.
---@async
local function breathe(i)
  if i % 1000 == 0 then task.sleep(0) end
end

-- What of the source is copied; raises for what cannot be.
---@async
local function choose(found, filter, strict)
  local chosen, special, bad = {}, {}, {}
  for i, item in ipairs(found.items) do
    breathe(i)
    if item.type ~= "submodule" and filter.wants(item.path) then
      if item.type == "other" then special[#special + 1] = item.path end
      local why = strict and tree_path.why(item.path)
      if why then bad[#bad + 1] = tree_path.quote(item.path) .. ": " .. why end
      chosen[#chosen + 1] = item
    end
  end
  if #special > 0 then
    err.throw("refused", "a pipe, device or socket cannot be copied: %s; leave it out with exclude", some(special))
  elseif #bad > 0 then
    err.throw("refused", "%d path%s cannot be copied: %s", #bad, #bad == 1 and "" or "s", bad[1])
  end
  return chosen
end

-- What has to go before an item can be where it belongs: a file where its
-- folder is needed, or all that is in a folder of its name.
local function blockers(item, there)
  local list = {}
  for at in item.path:gmatch("()/") do
    local above = there.at[item.path:sub(1, at - 1)]
    if above then list[#list + 1] = above.path end
  end
  if there.folders[item.path] then
    local below = item.path .. "/"
    for _, other in ipairs(there.items) do
      if other.path:sub(1, #below) == below then list[#list + 1] = other.path end
    end
    if #list == 0 then list[1] = item.path end -- nothing we may remove
  end
  local same = there.at[item.path]
  if same and (same.type == "other" or same.type == "submodule") then list[#list + 1] = same.path end
  return list
end

local function clear_way(plan, chosen, there, filter, opts)
  local gone = {}
  for _, item in ipairs(chosen) do
    for _, path in ipairs(blockers(item, there)) do
      if not opts.delete or not there.at[path] or not filter.wants(path) then
        err.throw("conflict", "%s is in the way of %s: one is a folder, the other is not%s",
          tree_path.quote(path), tree_path.quote(item.path),
          opts.delete and ", and it is excluded" or "; delete = true replaces it")
      elseif not gone[path] then
        gone[path] = true
        plan.before[#plan.before + 1] = path
      end
    end
  end
  return gone
end

-- Everything that will be done, before any of it is.
---@async
local function make_plan(chosen, there, filter, opts)
  local plan = { items = chosen, before = {}, after = {}, there = there }
  local gone, wanted = clear_way(plan, chosen, there, filter, opts), {}
  for _, item in ipairs(chosen) do
    wanted[item.path] = true
  end
  for i, item in ipairs(opts.delete and there.items or {}) do
    breathe(i)
    if not wanted[item.path] and not gone[item.path] and item.type ~= "submodule"
      and filter.wants(item.path) then
      plan.after[#plan.after + 1] = item.path
    end
  end
  local n, most = #plan.before + #plan.after, opts.max_delete or MAX_DELETE
  if n > 0 and #chosen == 0 then
    err.throw("refused", "the source has no file that is chosen: an empty source deletes nothing (%d would go)", n)
  elseif n > most then
    err.throw("refused", "%d files would be deleted, more than max_delete = %d: %s", n, most,
      some(#plan.before > 0 and plan.before or plan.after))
  end
  return plan
end

-- doing it ---------------------------------------------------------------

---@async
local function carry_out(plan, from, to, counts, dry)
  for _, path in ipairs(dry and {} or plan.before) do
    to:remove(path)
    counts.deleted = counts.deleted + 1
  end
  local removed = {}
  for _, path in ipairs(plan.before) do
    removed[path] = true
  end
  task.each(plan.items, function(item)
    local new = not plan.there.at[item.path] or removed[item.path] or false
    local word, n = "written", 0
    -- In a plan something else may still be in the way.
    if to and not (dry and #plan.before > 0 and new) then
      word, n = to:put(item, from, { new = new, dry = dry })
    end
    if word == "unchanged" then
      counts.unchanged = counts.unchanged + 1
    else
      counts.written = counts.written + 1
      counts.bytes = counts.bytes + n
    end
  end, { jobs = JOBS })
  for _, path in ipairs(plan.after) do
    if not dry then to:remove(path) end
    counts.deleted = counts.deleted + 1
  end
  if dry then
    counts.deleted = counts.deleted + #plan.before
  else
    to:finish()
  end
end

local function result(plan, counts, was_there)
  counts.files = #plan.items
  if counts.written + counts.deleted == 0 then
    counts.outcome = "unchanged"
  else
    counts.outcome = was_there and "updated" or "created"
  end
  return counts
end

local function new_counts(found)
  return { outcome = "unchanged", files = 0, written = 0, unchanged = 0, deleted = 0,
    skipped = found.skipped, bytes = 0 }
end

local function check_apart(from, to, path)
  if not from.is_folder then return end
  local there = to and to.root:path() or where.real(path)
  if where.meet(from.root:path(), there) then
    err.throw("usage", "tree.sync: %s and %s are one inside the other", from.path, path)
  end
end

local NOTHING = { items = {}, at = {}, folders = {}, skipped = 0, stale = {} }

local function detail_of(plan)
  return { files = #plan.items, delete = #plan.before + #plan.after > 0
    and some(#plan.after > 0 and plan.after or plan.before) or nil }
end

---@async
local function write_folder(plan, from, path, counts)
  local to <close> = setmetatable({ side = sides.writable(path) }, { __close = function(box)
    box.side:close()
  end })
  check_apart(from, to.side, path)
  for _, stale in ipairs(plan.there.stale) do
    to.side:remove(stale)
  end
  carry_out(plan, from, to.side, counts, false)
end

-- Where nothing is deleted, only folders that the source has are looked into:
-- the destination may be somebody's whole home.
local function needed(filter, chosen, opts)
  if opts.delete then return filter end
  local folders = {}
  for _, item in ipairs(chosen) do
    for at in item.path:gmatch("()/") do
      folders[item.path:sub(1, at - 1)] = true
    end
  end
  return { wants = filter.wants, prunes = function(dir)
    return not folders[dir] or filter.prunes(dir)
  end }
end

-- Into a folder of this machine: an effect.
---@async
local function to_folder(from, path, filter, opts)
  local to = sides.folder(path)
  local closed <close> = setmetatable({}, { __close = function()
    if to then to:close() end
  end })
  check_apart(from, to, path)
  local source = from:list(filter)
  local chosen = choose(source, filter, not from.is_folder)
  local there = to and to:list(needed(filter, chosen, opts)) or NOTHING
  local plan = make_plan(chosen, there, filter, opts)
  local counts = new_counts(source)
  return effect.perform({
    kind = "folder.sync", target = to and to.root:path() or path, folder = true,
    class = "repeatable", again = false, detail = detail_of(plan),
    write = function()
      local ok, e = pcall(write_folder, plan, from, path, counts)
      if ok then return result(plan, counts, to ~= nil) end
      e = err.wrap(e, "tree.sync to " .. path)
      e.counts = counts
      error(e, 0)
    end,
    pretend = function()
      carry_out(plan, from, to, counts, true)
      return result(plan, counts, to ~= nil)
    end,
  })
end

-- Into a tree, which is in memory.
---@async
local function to_tree(from, to, filter, opts)
  local source, there = from:list(filter), to:list()
  local plan = make_plan(choose(source, filter, true), there, filter, opts)
  local counts = new_counts(source)
  carry_out(plan, from, to, counts, false)
  return result(plan, counts, #there.items > 0)
end

local function check_place(value, name)
  if tree._is(value) then return end
  if type(value) ~= "string" or value == "" or value:find("\0", 1, true) then
    err.throw("usage", "tree.sync: %s is a folder's path or a tree, not %s", name,
      type(value) == "string" and tree_path.quote(value) or "a " .. type(value))
  end
end

local function open_source(from)
  if tree._is(from) then return sides.tree(from) end
  return sides.folder(from) or err.throw("notfound", "there is no folder %s", from)
end

--- Makes `to` have the files of `from`: each is a folder's path or a tree.
---@async
---@param from string|godwit.Tree
---@param to string|godwit.Tree
---@param opts? godwit.tree.SyncOpts
---@return godwit.tree.Synced
function M.run(from, to, opts)
  opts = opts or {}
  -- A policy holds its tree by a view.
  from, to = view.object_of(from) or from, view.object_of(to) or to
  check_place(from, "the source")
  check_place(to, "the destination")
  check_options(opts)
  local filter = filter_of(opts)
  if not tree._is(to) then err.check(folder.may_open(to, true)) end
  local source = open_source(from)
  local closed <close> = setmetatable({}, { __close = function()
    source:close()
  end })
  local counts
  if tree._is(to) then
    counts = to_tree(source, sides.tree(to), filter, opts)
  else
    counts = to_folder(source, to, filter, opts)
  end
  if counts.skipped > 0 then
    log.debug("tree.sync left out %d: .git and submodules", counts.skipped)
  end
  return counts
end

return M
