--- data.filter: which files of a collection are meant: by glob, size and age.

local err = require("godwit.err")
local glob = require("godwit.tree.glob")
local units = require("godwit.data.units")

local M = {}

---@class godwit.data.Filter
---@field wants fun(row: { name: string, size: integer?, time: string? }): boolean, string|nil It is left out, and what would have to be told of it to know whether it is meant: "size", "time".
---@field excludes fun(name: string): boolean Named by `exclude`.

local function any_of(globs, what)
  local list = {}
  for i, one in ipairs(globs and glob.list(globs) or {}) do
    if type(one) ~= "string" or one == "" then
      err.throw("usage", "%s: a glob is a text, not %s", what, tostring(one))
    end
    list[i] = glob.matcher(one)
  end
  return #list > 0 and function(name)
    for _, matches in ipairs(list) do
      if matches(name) then
        return true
      end
    end
    return false
  end or nil
end

local function all()
  return true
end

local function by_size(opts, named)
  local min = units.size(opts.min_size, named("min_size"))
  local max = units.size(opts.max_size, named("max_size"))
  if min and max and min > max then
    err.throw("usage", "%s is larger than %s: no file is meant",
      named("min_size"), named("max_size"))
  end
  return (min or max) and function(row)
    if row.size == nil then
      return false, "size"
    end
    return (not min or row.size >= min) and (not max or row.size <= max)
  end
end

local function by_age(opts, named)
  local newer = units.moment(opts.newer, named("newer"))
  local older = units.moment(opts.older, named("older"))
  return (newer or older) and function(row)
    local at = units.time(row.time)
    if at == nil then
      return false, "time"
    end
    return (not newer or at >= newer) and (not older or at <= older)
  end
end

--- Raises "usage" for what cannot be meant.
---@param opts table include, exclude, min_size, max_size, newer, older
---@param named? fun(option: string): string What an option is called.
---@return godwit.data.Filter
function M.of(opts, named)
  named = named or units.as_is
  local wanted = any_of(opts.include, named("include"))
  local unwanted = any_of(opts.exclude, named("exclude"))
  local size, age = by_size(opts, named), by_age(opts, named)

  local function excludes(name)
    return unwanted ~= nil and unwanted(name)
  end
  local checks = { size or all, age or all }
  return {
    excludes = excludes,
    wants = function(row)
      if wanted and not wanted(row.name) or excludes(row.name) then
        return false
      end
      for _, fits in ipairs(checks) do
        local ok, untold = fits(row)
        if not ok then
          return false, untold
        end
      end
      return true
    end,
  }
end

return M
