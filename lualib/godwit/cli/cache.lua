--- godwit cache prune
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local json = require("godwit.core.json")
local output = require("godwit.cli.output")
local places = require("godwit.config.places")
local size = require("godwit.cli.size")

local DEFAULT_MAX = "2GiB"

-- Size and latest change of what is in a folder.
local function measure(dir)
  local bytes, latest = 0, 0
  for _, entry in ipairs(fs.list(dir) or {}) do
    local inner, changed = entry.size or 0, entry.mtime or 0
    if entry.type == "dir" then
      local below
      inner, below = measure(dir .. "/" .. entry.name)
      changed = math.max(changed, below)
    end
    bytes, latest = bytes + inner, math.max(latest, changed)
  end
  return bytes, latest
end

local function stores(root)
  local found = {}
  for _, entry in ipairs(fs.stat(root) and fs.list(root) or {}) do
    if entry.type == "dir" and entry.name:find("%.git$") then
      local path = root .. "/" .. entry.name
      local bytes, changed = measure(path)
      found[#found + 1] = { name = entry.name, path = path, bytes = bytes,
        changed = changed }
    end
  end
  table.sort(found, function(a, b)
    return a.changed > b.changed
  end)
  return found
end

-- Who uses a store holds the lock file in it; what is in use stays.
local function remove(store)
  local lock, e = fs.lock(store.path .. "/godwit.lock")
  if not lock then
    if e.kind == "locked" then
      return false
    end
    error(e, 0)
  end
  local _ <close> = lock
  err.check(fs.remove_tree(store.path))
  return true
end

local function prune(root, max, dry_run)
  local kept, removed, in_use = 0, {}, json.array {}
  for _, store in ipairs(stores(root)) do
    if kept + store.bytes <= max then
      kept = kept + store.bytes
    elseif dry_run or remove(store) then
      removed[#removed + 1] = { name = store.name, bytes = store.bytes }
    else
      kept = kept + store.bytes
      in_use[#in_use + 1] = store.name
    end
  end
  return kept, json.array(removed), in_use
end

return {
  summary = "Removes cached repositories, the longest unused first.",
  details = [[
The cache holds one bare repository for each algorithm promoted. Without it a
promotion fetches everything again and is right all the same.]],
  params = {
    action = { type = "string", positional = true, required = true,
      choices = { "prune" }, metavar = "prune",
      help = "The one thing there is to do." },
    max_size = { type = "string", metavar = "SIZE", default = DEFAULT_MAX,
      help = "What may stay, as 500MiB or 2GiB; 0 removes all." },
    dry_run = { type = "boolean", short = "n",
      help = "Only says what would be removed." },
  },
  no_config = true,
  run = function(cx)
    local max = size.parse(cx.args.max_size, "--max-size")
    local root = places.cache_dir() .. "/git"
    local kept, removed, in_use = prune(root, max, cx.args.dry_run)
    local bytes, lines = 0, {}
    for _, store in ipairs(removed) do
      bytes = bytes + store.bytes
      lines[#lines + 1] = ("%s  %s"):format(store.name,
        size.format(store.bytes))
    end
    for _, name in ipairs(in_use) do
      output.warn("%s is in use and stays", name)
    end
    lines[#lines + 1] = ("%s %d, %s; %s stay in %s"):format(
      cx.args.dry_run and "Would remove" or "Removed", #removed,
      size.format(bytes), size.format(kept), root)
    output.result({ folder = root, removed = removed, in_use = in_use,
      removed_bytes = bytes, kept_bytes = kept,
      dry_run = cx.args.dry_run == true }, table.concat(lines, "\n"))
    return 0
  end,
}
