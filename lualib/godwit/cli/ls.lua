--- godwit ls CLUSTER [OWNER]
local json = require("godwit.core.json")
local output = require("godwit.cli.output")

local JOBS = 8

local function row_of(owner, found)
  return { id = found.id, owner = found.username or owner,
    name = found.algoname or found.name }
end

-- Everybody, as far as the keys go.
local function owners_of(driver)
  local err = require("godwit.err")
  local pages = require("godwit.cluster.pages")
  if driver.kind == "archive" or driver.profile.admin_key then
    local ok, names = pcall(function()
      return pages.all(driver:each_owner())
    end)
    if ok then
      return names
    elseif driver.kind == "archive" or err.is(names, "cancelled") then
      error(names, 0)
    end
    output.note("Only owners the standard key sees are listed: %s",
      tostring(err.from(names).message))
  end
  return driver:seen_owners()
end

-- Of an owner nobody asked for it is no error that there is nothing to see.
local function try_list(driver, owner, rows)
  local err = require("godwit.err")
  local ok, found = pcall(driver.list_algorithms, driver, owner)
  if ok then
    for _, one in ipairs(found) do
      rows[#rows + 1] = row_of(owner, one)
    end
  elseif err.is(found, "auth") or err.is(found, "usage") then -- its key
    output.note("The algorithms of %s are not listed: %s", owner,
      tostring(found.message))
  elseif not err.is(found, "notfound") then
    error(found, 0)
  end
end

local function all_rows(driver, owners, jobs)
  local rows = {}
  require("godwit.task").each(owners, function(owner)
    try_list(driver, owner, rows)
  end, { jobs = jobs or JOBS })
  return rows
end

return {
  summary = "Lists the algorithms of an owner, or of all.",
  details = [[
Without OWNER those of every owner are listed: with an admin key of all users
and organizations, else of the key's own user and its organizations.]],
  params = {
    cluster = { type = "string", positional = true, order = 1,
      required = true, metavar = "CLUSTER",
      help = "A profile, an address, sandbox:NAME or an archive folder." },
    owner = { type = "string", positional = true, order = 2, optional = true,
      help = "A user or an organization." },
  },
  run = function(cx)
    local cluster = require("godwit.cluster")
    local profile = require("godwit.config").profile(cx.args.cluster)
    local driver = cluster.open(profile)
    local owner, rows, lines = cx.args.owner, {}, {}
    local owners = not owner and owners_of(driver) or nil
    if owners then
      table.sort(owners)
      rows = all_rows(driver, owners, cx.flags.jobs)
    else
      for i, found in ipairs(driver:list_algorithms(owner)) do
        rows[i] = row_of(owner, found)
      end
    end
    table.sort(rows, function(a, b)
      return a.owner .. "/" .. a.name < b.owner .. "/" .. b.name
    end)
    for i, row in ipairs(rows) do
      lines[i] = row.owner .. "/" .. row.name
    end
    if #rows == 0 then
      output.note("%s %s no algorithms on %s that this key may see.",
        owner or table.concat(owners, ", "), owners and #owners > 1 and "have"
        or "has", driver.name)
    end
    output.result({ cluster = driver.name, owner = owner,
      owners = owners and json.array(owners), algorithms = json.array(rows) },
      table.concat(lines, "\n"))
    return 0
  end,
}
