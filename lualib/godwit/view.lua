local core_json = require("godwit.core.json")
local unknown = require("godwit.unknown")

--- view: read-only views of what a policy is given, all the way down. Data
--- (tables without a metatable, decoded arrays) and handles look as they are;
--- whoever assigns to one is told so with their line.
local M = {}

-- What a view shows and what it is called; ephemerons, so that both go.
local targets = setmetatable({}, { __mode = "k" })
local names = setmetatable({}, { __mode = "k" })
local handles = setmetatable({}, { __mode = "k" })
local objects = setmetatable({}, { __mode = "k" })

local function refuse(name, level)
  error(("%s is read-only"):format(name), level)
end

local function is_data(v)
  return getmetatable(v) == nil or core_json.is_array(v)
end

local function step(view, k)
  k = next(targets[view], k)
  if k ~= nil then return k, view[k] end
end

local function new(target, name, meta)
  local view = {}

  meta.__name, meta.__metatable = name, "view"
  function meta.__newindex()
    refuse(name, 3)
  end
  function meta.__pairs(self)
    return step, self, nil
  end
  function meta.__tojson()
    return target
  end
  targets[view], names[view] = target, name
  return setmetatable(view, meta)
end

-- A handle's methods work on the view itself: they read names only.
local function handle(target, name)
  local known = handles[target]
  if known then return known end
  local view = new(target, name, {
    __index = function(_, k)
      return M.of(target[k], ("%s.%s"):format(name, tostring(k)))
    end,
    __tostring = function()
      return tostring(target)
    end,
  })
  handles[target] = view
  return view
end

--- A view of a table or handle, called `name` in messages; anything else is
--- itself.
---@param v any
---@param name string
---@return any
function M.of(v, name)
  if type(v) ~= "table" or targets[v] or unknown.is(v)
    or getmetatable(v) == "godwit.err" then
    return v
  elseif not is_data(v) then
    return handle(v, name)
  end
  return new(v, name, {
    __index = function(_, k)
      return M.of(v[k], math.type(k) and ("%s[%d]"):format(name, k)
        or ("%s.%s"):format(name, tostring(k)))
    end,
    __len = function()
      return #v
    end,
  })
end

--- An object with methods that change it, and nothing else: `methods` are the
--- names it has.
---@param object table
---@param name string
---@param methods table<string, boolean>
---@return table
function M.object(object, name, methods)
  local view
  view = new({}, name, { __index = function(_, k)
    if not methods[k] then return nil end
    return function(self, ...)
      if self ~= view then
        error(("call it as %s:%s(…)"):format(name, k), 2)
      end
      return object[k](object, ...)
    end
  end })
  objects[view] = object
  return view
end

--- The object behind such a view, for the library's own functions that are
--- handed one; nil for anything else. Never for scripts.
---@param v any
---@return table?
function M.object_of(v)
  return objects[v]
end

--- What a view shows; nil for anything else. Never for scripts.
---@param v any
---@return table?
function M.target(v)
  return targets[v]
end

--- `rawset` for closed environments: views stay what they are.
function M.rawset(t, k, v)
  if type(t) == "table" and targets[t] then refuse(names[t], 3) end
  return rawset(t, k, v)
end

--- `next` for closed environments: goes over what a view shows.
function M.next(t, k)
  if type(t) == "table" and targets[t] then return step(t, k) end
  return next(t, k)
end

return M
