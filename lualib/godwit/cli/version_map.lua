--- godwit version-map OWNER/NAME
local err = require("godwit.err")
local json = require("godwit.core.json")
local output = require("godwit.cli.output")

local function split(ref)
  local owner, name = ref:match("^([%w_]+)/([%w_]+)$")
  if not owner then
    err.throw("usage", "'%s' is not OWNER/NAME", ref)
  end
  return owner, name
end

local function side(row, which, names)
  local commit = tostring(row[which .. "_commit"] or "")
  local id = row[which .. "_cluster"]
  return ("%s:%s/%s %s"):format(names[id] or id, row[which .. "_owner"],
    row[which .. "_name"],
    row[which .. "_version"] or "unpublished")
    .. " (" .. commit:sub(1, 12) .. ")"
end

-- Promotions inside one owner and name are found from both ends.
local function distinct(found)
  local rows, seen = {}, {}
  for _, entry in ipairs(found) do
    local r = entry.row
    local key = table.concat({ r.source_cluster, r.source_commit,
      r.dest_cluster, r.dest_owner, r.dest_commit,
      tostring(r.dest_version), tostring(r.created_at) }, "\0")
    if not seen[key] then
      seen[key] = true
      rows[#rows + 1] = r
    end
  end
  table.sort(rows, function(a, b)
    return tostring(a.created_at) > tostring(b.created_at)
  end)
  return rows
end

local function rebuild(map, owner, name, args)
  if not args.to then
    err.throw("usage", "--rebuild reads the commits of a destination: give "
      .. "it with --to CLUSTER")
  end
  local cluster, config = require("godwit.cluster"), require("godwit.config")
  local store = require("godwit.copy.store")
  local versionmap = require("godwit.versionmap")
  local to = cluster.open(config.profile(args.to, { role = "to" }))
  local from = args.from
    and cluster.open(config.profile(args.from, { role = "from" }))
  local held <close> = setmetatable({ from = to, owner = owner, name = name },
    { __close = store.close })
  local rows = versionmap.rebuild(to, owner, name, store.open(held),
    function(origin)
      return from and from.id == origin.cluster and from or nil
    end)
  return #rows, versionmap.merge(map, rows)
end

return {
  summary = "Shows which version of an algorithm is which elsewhere.",
  details = [[
Every promotion adds a row. With --rebuild rows are made again from the
trailers of the commits at --to; with --from their source versions, too.]],
  params = {
    algorithm = { type = "string", positional = true, required = true,
      metavar = "OWNER/NAME", help = "On either side." },
    rebuild = { type = "boolean", order = 1,
      help = "Makes rows again from a destination's commits." },
    from = { type = "string", optional = true, order = 2,
      metavar = "CLUSTER", help = "With --rebuild: the source." },
    to = { type = "string", optional = true, order = 3, metavar = "CLUSTER",
      help = "With --rebuild: the destination." },
  },
  run = function(cx)
    local owner, name = split(cx.args.algorithm)
    local versionmap = require("godwit.versionmap")
    local map <close> = versionmap.open()
    local doc = { algorithm = cx.args.algorithm }
    if cx.args.rebuild then
      doc.found, doc.added = rebuild(map, owner, name, cx.args)
      output.note("Found %d promotions in the commits, %d of them new.",
        doc.found, doc.added)
    end
    local names = require("godwit.config").names_by_id()
    local rows, lines = distinct(versionmap.lookup(map, owner, name)), {}
    for i, row in ipairs(rows) do
      lines[i] = ("%s -> %s, %s"):format(side(row, "source", names),
        side(row, "dest", names), tostring(row.created_at))
    end
    if #rows == 0 then
      output.note("Nothing is known of %s.", cx.args.algorithm)
    end
    doc.rows = json.array(rows)
    output.result(doc, table.concat(lines, "\n"))
    return 0
  end,
}
