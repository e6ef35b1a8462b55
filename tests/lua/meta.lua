-- What C registers is described in lualib/godwit/meta, and the other way.
local modules = require("godwit.core.modules")

local SOURCE = os.getenv("GODWIT_SOURCE") or "."
local MODULES = { "closed", "edit", "err", "file", "folder", "fs", "git", "http", "json", "ledger", "modules",
  "names", "process", "secret", "serve", "sys", "task", "vmap" }

local function sorted(set)
  local list = {}
  for name in pairs(set) do
    list[#list + 1] = name
  end
  table.sort(list)
  return table.concat(list, "\n")
end

--- The names a module registers: "name", "table.name".
local function registered(module, prefix, set)
  for name, value in pairs(module) do
    if type(value) == "function" then
      set[prefix .. name] = true
    elseif type(value) == "table" and name ~= "meta" then
      registered(value, name .. ".", set)
    end
  end
  return set
end

local function described(text)
  local set = {}
  for name in text:gmatch("\nfunction ([%w_.]+)%(") do
    set[(name:gsub("^M%.", ""))] = true
  end
  return set
end

--- Methods of the classes a text describes, "godwit.class:name", and those
--- registered for these classes.
local function methods(text)
  local want, have = {}, {}
  for class, var in text:gmatch("%-%-%-@class (godwit%.[%w_.]+): userdata\n"
    .. "[^\n]-\n?local ([%w_]+) = {}") do
    want[class] = var
  end
  -- Fields may stand between the class and its table.
  for class, fields, var in text:gmatch("%-%-%-@class (godwit%.[%w_.]+): "
    .. "userdata\n(.-)local ([%w_]+) = {}") do
    if not fields:find("@class") then want[class] = var end
  end
  local described_set = {}
  for class, var in pairs(want) do
    for name in text:gmatch("\nfunction " .. var .. ":([%w_]+)%(") do
      described_set[class .. ":" .. name] = true
    end
    local meta = debug.getregistry()[class]
    local index = meta and rawget(meta, "__index")
    if type(index) == "function" then
      index = select(2, debug.getupvalue(index, 1))
    end
    for name in pairs(type(index) == "table" and index or {}) do
      have[class .. ":" .. name] = true
    end
  end
  return described_set, have
end

for _, name in ipairs(MODULES) do
  test("meta describes godwit.core." .. name, function(t)
    local path = ("%s/lualib/godwit/meta/%s.lua"):format(SOURCE, name)
    local f <close> = assert(io.open(path))
    local text = "\n" .. f:read("a")
    local module = require("godwit.core." .. name)
    t:eq(sorted(described(text)), sorted(registered(module, "", {})))
    local want, have = methods(text)
    t:eq(sorted(want), sorted(have))
    t:ok(load(text, "=meta", "t"))
  end)
end

test("of the definitions those of scripts are compiled in, others not",
  function(t)
    local all = modules.names("godwit/meta/")
    t:ok(#all > 0)
    t:eq(modules.names("godwit/meta/public/"), all)
  end)
