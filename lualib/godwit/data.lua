--- data: collections and folders copied, for scripts. What it does stands in
--- data/; the workflow copy-data takes the same steps.

local budget = require("godwit.data.budget")
local copy = require("godwit.data.copy")
local driver_of = require("godwit.cluster.driver_of")
local err = require("godwit.err")
local place = require("godwit.data.place")
local side = require("godwit.data.side")
local view = require("godwit.view")

local M = {}

local KNOWN = {
  include = true, exclude = true, min_size = true, max_size = true,
  newer = true, older = true, checksum = "boolean",
  ignore_etag = "boolean", delete = "boolean",
  max_delete = "integer", bwlimit = true, max_transfer = true,
  max_duration = true, acl = "string",
}

local function check_options(opts)
  if type(opts) ~= "table" then
    err.throw("usage", "data.copy: options are a table, not a %s", type(opts))
  end
  for name, v in pairs(opts) do
    local want = KNOWN[name]
    if not want then
      err.throw("usage", "data.copy: there is no option %s", tostring(name))
    elseif want ~= true and want ~= (math.type(v) or type(v)) then
      err.throw("usage", "data.copy: %s is a %s, not %s", name, want,
        tostring(v))
    end
  end
  if opts.max_delete and opts.max_delete < 0 then
    err.throw("usage", "data.copy: max_delete is not negative")
  end
end

local function text_side(text, write)
  local cluster, owner, name = place.split(text)
  if cluster then
    return side.collection(place.open(cluster), owner, name)
  end
  return side.folder(place.folder(text), write)
end

local function what(v)
  err.throw("usage", "data.copy: a side is a collection, \"CLUSTER:OWNER/"
    .. "COLLECTION\" or a folder's path, not a %s", type(v))
end

-- A collection's handle, or a table that names one.
local function handle_side(v)
  local cluster, owner, name = v.cluster, v.owner, v.name
  if type(owner) ~= "string" or type(name) ~= "string" then
    what(v)
  end
  return side.collection(driver_of(cluster), owner, name)
end

local function source_of(v)
  if type(v) == "string" and v ~= "" then
    return text_side(v, false)
  elseif type(v) ~= "table" then
    what(v)
  end
  return handle_side(v)
end

-- A cluster alone stands for the collection of the same name there.
local function destination_of(v, from)
  if type(v) == "string" and v ~= "" then
    return text_side(v, true)
  elseif type(v) ~= "table" then
    what(v)
  elseif place.is_cluster(v) then
    if from.is_folder then
      err.throw("usage", "data.copy: which collection of %s is meant? Name it "
        .. "as in \"CLUSTER:OWNER/COLLECTION\"", tostring(v))
    end
    return side.collection(driver_of(v), from.owner, from.name)
  end
  return handle_side(v)
end

local function closing(sides)
  return setmetatable(sides, { __close = function(all)
    for _, one in pairs(all) do
      one:close()
    end
  end })
end

--- Makes `to` have the files of `from`. Raises what failed, with the record as
--- `e.record`; a refusal is an outcome.
---@async
---@param from any
---@param to any
---@param opts? table
---@return godwit.data.Copied
function M.copy(from, to, opts)
  opts = opts or {}
  check_options(opts)
  local sides <close> = closing({})
  sides.from = source_of(view.object_of(from) or from)
  sides.to = destination_of(view.object_of(to) or to, sides.from)
  local made = copy.run({ ref = sides.from.label, from = sides.from,
    to = sides.to, opts = opts, budget = budget.new(opts) })
  if made.outcome == "failed" then
    error(err.new({ kind = made.kind, retryable = made.retryable,
      op = "data.copy", record = made, message = made.problems
        and ("%s; the first: %s"):format(made.why, made.problems[1])
        or made.why }), 0)
  end
  return made
end

return M
