--- godwit ls CLUSTER [OWNER]
local json = require("godwit.core.json")
local output = require("godwit.cli.output")

local function row_of(owner, found)
  return { id = found.id, owner = found.username or owner,
    name = found.algoname or found.name }
end

return {
  summary = "Lists the algorithms of an owner.",
  details = "Without OWNER those of the key's own user are listed.",
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
    local owner = cx.args.owner or driver:whoami()
    local rows, lines = {}, {}
    for i, found in ipairs(driver:list_algorithms(owner)) do
      rows[i] = row_of(owner, found)
    end
    table.sort(rows, function(a, b)
      return a.name < b.name
    end)
    for i, row in ipairs(rows) do
      lines[i] = row.owner .. "/" .. row.name
    end
    if #rows == 0 then
      output.note("%s has no algorithms on %s that this key may see.", owner,
        driver.name)
    end
    output.result({ cluster = driver.name, owner = owner,
      algorithms = json.array(rows) },
      table.concat(lines, "\n"))
    return 0
  end,
}
