--- public: what scripts really can reach, found out by walking a closed
--- environment and the objects it hands out. Privileged: it looks behind views
--- and metatables with the debug library.
local algorithm = require("godwit.cluster.algorithm")
local closed = require("godwit.closed")
local collection = require("godwit.cluster.collection")
local cluster = require("godwit.cluster.handle")
local cx = require("godwit.workflow.cx")
local git = require("godwit.git")
local given = require("godwit.policy.given")
local globals = require("godwit.globals")
local http = require("godwit.http")
local serve = require("godwit.core.serve")
local task = require("godwit.task")
local tree = require("godwit.tree")

local M = {}

--- Classes made with methods.of whose objects are no script's business.
M.INTERNAL = {
  ["lualib/godwit/limiter.lua"] = true, ["lualib/godwit/policy.lua"] = true,
}

--- An object of each class that scripts get to hold. A new class of this kind
--- (methods.of) gets a line here.
---@param t table The test, for what has to be closed.
---@return table<string, any>
function M.samples(t)
  local server = assert(serve.listen({ handler = function(req)
    req:respond(200, {}, "x")
  end }))
  t:defer(function() server:close(1) end)
  local url = ("http://127.0.0.1:%d/"):format(server.port)
  local store = git.store()
  t:defer(function() store:close() end)
  local driver = { name = "dev", id = "dev", kind = "http" }
  local c = cluster.new(driver)
  return {
    ["godwit.Algorithm"] = algorithm.new(c, "acme", "Fraud", "id"),
    ["godwit.Cluster"] = c,
    ["godwit.Collection"] = collection.new(c, "acme", "models"),
    ["godwit.Err"] = select(2, pcall(http.get, url, { expect = 404 })),
    ["godwit.Tree"] = tree.open(store, ("0"):rep(40)),
    ["godwit.cluster.Accounts"] = c.users,
    ["godwit.cluster.Algorithms"] = c.algorithms,
    ["godwit.cluster.Catalogue"] = c.environments,
    ["godwit.cluster.Collections"] = c.data,
    ["godwit.cluster.Organizations"] = c.organizations,
    ["godwit.git.Store"] = store,
    ["godwit.http.Response"] = http.get(url),
    ["godwit.policy.Cx"] =
      given.cx({ from = driver, to = driver }, "acme.lua", {}),
    ["godwit.task.Semaphore"] = task.semaphore(1),
    ["godwit.workflow.Cx"] = cx.new({}, {}),
  }
end

--- A local of a function, or of the local functions it uses.
---@param fn function
---@param name string
---@return any
function M.upvalue(fn, name, seen)
  seen = seen or {}
  if seen[fn] then return nil end
  seen[fn] = true
  local inner = {}
  for i = 1, 255 do
    local key, value = debug.getupvalue(fn, i)
    if not key then break end
    if key == name then return value end
    if type(value) == "function" then inner[#inner + 1] = value end
  end
  for _, f in ipairs(inner) do
    local value = M.upvalue(f, name, seen)
    if value ~= nil then return value end
  end
  return nil
end

--- The table of methods behind an object.
local function class_of(object)
  local index = (debug.getmetatable(object) or {}).__index
  if type(index) == "function" then index = M.upvalue(index, "class") end
  return type(index) == "table" and index or {}
end

local function is_public(name)
  return type(name) == "string" and name:sub(1, 1) ~= "_"
end

--- What the globals of a script hold: functions as "http.get", all else as
--- values "json.null".
---@return { functions: table<string, function>, values: table<string, any>, modules: string[] }
function M.globals()
  local own = globals.make({ "one" })
  local env = closed.environment({ globals = own })
  local found = { functions = {}, values = {}, modules = {} }
  for name in pairs(own) do
    found.modules[#found.modules + 1] = name
    for key, value in pairs(env[name]) do
      local list = type(value) == "function" and found.functions
        or found.values
      list[name .. "." .. key] = value
    end
  end
  for _, name in ipairs({ "require" }) do
    found.functions[name] = env[name]
  end
  for name, fn in pairs(env.os) do
    found.functions["os." .. name] = fn
  end
  table.sort(found.modules)
  return found
end

--- The names of Lua's own that a script has: "pcall", "string.rep".
---@return table<string, boolean>
function M.standard()
  local env, found = closed.environment({}), {}
  for name, value in next, env do
    if type(value) == "table" and value ~= env then
      for key in pairs(value) do
        found[name .. "." .. key] = true
      end
    else
      found[name] = true
    end
  end
  return found
end

local function raw_pairs(object)
  return next, object
end

--- The methods of the samples, "godwit.Tree:read", and which raw fields each
--- has.
---@param samples table<string, any>
---@return { functions: table<string, function>, fields: table<string, table<string, any>> }
function M.objects(samples)
  local found = { functions = {}, fields = {} }
  for class, object in pairs(samples) do
    local is_view = getmetatable(object) == "view"
    for name, fn in pairs(is_view and object or class_of(object)) do
      if type(fn) == "function" and is_public(name) then
        found.functions[class .. ":" .. name] = fn
      end
    end
    found.fields[class] = {}
    for name, value in (is_view and pairs or raw_pairs)(object) do
      if type(name) == "string" and not (is_view and type(value) == "function")
      then
        found.fields[class][name] = value
      end
    end
  end
  return found
end

--- How many classes of a file the samples cover: { [file] = number }.
---@param samples table<string, any>
---@return table<string, integer>
function M.covered(samples)
  local files, seen = {}, {}
  for _, object in pairs(samples) do
    local class = class_of(object)
    for name, fn in pairs(class) do
      if type(fn) == "function" and is_public(name) and not seen[class] then
        seen[class] = true
        local file = M.where(fn)
        files[file] = (files[file] or 0) + 1
      end
    end
  end
  return files
end

--- The file of a function of ours, "lualib/godwit/http.lua", and its line; nil
--- of one written in C.
---@param fn function
---@return string?
---@return integer?
function M.where(fn)
  local info = debug.getinfo(fn, "S")
  if info.what == "C" then return nil end
  local file = info.source:match("lualib/.*$")
    or "lualib/" .. info.source:gsub("^@", "")
  return file, info.linedefined
end

--- The parameters of a function: names, and whether it takes more; nil of one
--- written in C. `self` is not among them.
---@param fn function
---@return { names: string[], more: boolean }?
function M.parameters(fn)
  local info = debug.getinfo(fn, "Su")
  if info.what == "C" then return nil end
  local names = {}
  for i = 1, info.nparams do
    local name = debug.getlocal(fn, i)
    if not (i == 1 and name == "self") then names[#names + 1] = name end
  end
  return { names = names, more = info.isvararg }
end

return M
