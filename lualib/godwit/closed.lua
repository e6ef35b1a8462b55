local core = require("godwit.core.closed")
local modules = require("godwit.core.modules")
local sys = require("godwit.core.sys")
local taskcore = require("godwit.core.task")
local err = require("godwit.err")
local trace = require("godwit.trace")
local views = require("godwit.view")

--- The closed environment of scripts and policies: copies of the standard
--- tables, read-only views of the public modules, `require` for these and for
--- files beside the script. No files, processes, bytecode, debug library, or
--- finalizers. Limits of memory and time are the host's.
local M = {}

local MAX_TEXT = 64 << 20 -- of cjson
local MAX_MODULE = 8 << 20
local EPIPE = 32 -- nobody reads what is printed: their choice
local NO_FILE = { [20] = true, [21] = true } -- ENOTDIR, EISDIR
local CJSON_DEPTH = 1000

--- What scripts may require, beside cjson; "http" and "godwit.http" are one.
local PUBLIC = {
  http = true, git = true, tree = true, copy = true, data = true, json = true,
  task = true, step = true, log = true, err = true,
}

local function only(...)
  local shown = { ... }
  for _, name in ipairs(shown) do
    shown[name] = false
  end
  return setmetatable(shown, { __index = function() return true end })
end

--- Names of these that are the library's own. Names with "_" are hidden, too.
--- All others are public: tests/lua/reference.lua wants them described.
local HIDDEN = {
  copy = only("algorithm", "organization", "user"), -- the steps take drivers
  err = { script_line = true },
  http = { plan_hook = true },
  tree = { open = true }, -- takes the core's store
  task = { spawn = true, join = true, cancel = true, self = true,
    cancelled = true, lineage = true, limited = true },
  git = { open_store = true }, -- makes folders anywhere
  log = { setup = true, before = true, after = true },
}

--- Metatables that scripts made themselves: the only ones they get to see.
local own_metas = setmetatable({}, { __mode = "k" })

-- views ------------------------------------------------------------------

local function read_only(name)
  return function()
    error(("%s is read-only"):format(name), 2)
  end
end

local function view(target, name, hidden)
  local meta = {
    __metatable = "view", __name = name, __newindex = read_only(name) }

  local function visible(k)
    return not (hidden and hidden[k])
      and not (type(k) == "string" and k:sub(1, 1) == "_")
  end

  function meta.__index(_, k)
    if not visible(k) then return nil end
    local v = target[k]
    if type(v) == "table" and getmetatable(v) == nil then
      return view(v, name .. "." .. tostring(k))
    end
    return v
  end

  function meta.__len()
    return #target
  end

  function meta.__pairs(self)
    local function step(_, k)
      local v
      repeat
        k, v = next(target, k)
      until k == nil or visible(k)
      if k ~= nil then return k, self[k] end
    end
    return step, self, nil
  end

  return setmetatable({}, meta)
end

--- A read-only view of a table of the library's, deep for plain tables.
---@param target table
---@param name string For messages.
---@return table
function M.view(target, name)
  return view(target, name)
end

-- cjson ------------------------------------------------------------------

--- Bounds what cjson would write before it does: it allocates outside of
--- Lua's limits, and ends the process when memory does.
local function check_size(value)
  local left = MAX_TEXT

  local function take(n)
    left = left - n
    if left < 0 then
      err.throw("limit", "cjson.encode: the text would be larger than %d bytes",
        MAX_TEXT)
    end
  end

  local function walk(v, depth)
    local kind = type(v)
    if kind == "string" then
      take(#v * 6 + 3)
    elseif kind == "table" then
      if getmetatable(v) == "unknown" then return v.value end -- raises
      if depth > CJSON_DEPTH then
        err.throw("limit", "cjson.encode: nested more than %d levels deep",
          CJSON_DEPTH)
      end
      for k, x in next, v do
        -- A sparse array is filled with nulls up to its largest index.
        take(math.type(k) and 32 or 8)
        walk(k, depth)
        walk(x, depth + 1)
      end
      take(2)
    else
      take(40)
    end
  end

  walk(value, 1)
end

local function capped(setter)
  -- As the setter, up to our own limit.
  return function(n)
    if n ~= nil and (type(n) ~= "number" or n > CJSON_DEPTH) then
      error(("a depth up to %d"):format(CJSON_DEPTH), 2)
    end
    return setter(n)
  end
end

--- A cjson of its own, with its functions behind caps.
local function make_cjson()
  local raw = core.cjson()
  local c = { null = raw.null, _NAME = raw._NAME, _VERSION = raw._VERSION }

  -- cjson.decode of a text that is not too large.
  function c.decode(text)
    if type(text) == "string" and #text > MAX_TEXT then
      err.throw("limit", "cjson.decode: the text is larger than %d bytes",
        MAX_TEXT)
    end
    return raw.decode(text)
  end

  -- cjson.encode of a value whose text will not be.
  function c.encode(value)
    check_size(value)
    return raw.encode(value)
  end

  for _, name in ipairs({ "decode_invalid_numbers", "encode_invalid_numbers",
    "encode_number_precision", "encode_keep_buffer" }) do
    c[name] = raw[name]
  end
  -- Only whether, not how sparse: the ratio bounds the nulls that are written.
  function c.encode_sparse_array(convert)
    return raw.encode_sparse_array(convert and true or false)
  end
  c.decode_max_depth = capped(raw.decode_max_depth)
  c.encode_max_depth = capped(raw.encode_max_depth)
  c.new = make_cjson
  return c
end

-- functions of the standard library --------------------------------------

--- pcall does not keep a cancelled task going.
local function passed(ok, e, ...)
  if not ok and taskcore.cancelled() and err.is(e, "cancelled") then
    error(e, 0)
  end
  return ok, e, ...
end

local function closed_pcall(f, ...)
  return passed(pcall(f, ...))
end

--- A handler called for the error that stops a runaway would itself run
--- without a limit: no hook is called inside a hook.
local function closed_xpcall(f, handler, ...)
  if type(handler) ~= "function" then
    error("bad argument #2 to 'xpcall' (function expected)", 2)
  end
  return passed(xpcall(f, function(e)
    if core.expired() then return e end
    return handler(e)
  end, ...))
end

local function closed_setmetatable(t, meta)
  if type(meta) == "table" then
    if rawget(meta, "__gc") ~= nil then
      error("a script's tables have no finalizers (__gc)", 2)
    end
    own_metas[meta] = true
  end
  local ok, why = pcall(setmetatable, t, meta)
  if not ok then -- the script's line, not ours
    error((tostring(why):gsub("'%?'", "'setmetatable'")), 2)
  end
  return t
end

local function closed_getmetatable(v)
  local meta = getmetatable(v)
  if type(meta) ~= "table" or own_metas[meta] then return meta end
  return "locked"
end

local function closed_collectgarbage(what)
  if what == "count" then return collectgarbage("count") end
  error("only collectgarbage(\"count\") is for scripts", 2)
end

local function closed_print(...)
  local texts = table.pack(...)
  for i = 1, texts.n do
    texts[i] = tostring(texts[i])
  end
  local ok, e = sys.write(1, table.concat(texts, "\t") .. "\n")
  if not ok and e.status ~= EPIPE then error(e, 0) end
end

local function closed_warn(...)
  require("godwit.log").warn("%s", table.concat({ ... }))
end

local function closed_yield(...)
  if taskcore.self() then
    err.throw("usage",
      "coroutine.yield outside a coroutine of the script's own")
  end
  return coroutine.yield(...)
end

local function wrapped(co, ok, ...)
  if ok then return ... end
  local e = ...
  if coroutine.status(co) == "dead" then core.close(co) end
  error(err.is(e) and err._through(e, "coroutine.wrap") or e, 0)
end

local function closed_wrap(f)
  local co = coroutine.create(f)
  return function(...)
    return wrapped(co, core.resume(co, ...))
  end
end

local function closed_coroutine()
  return {
    create = coroutine.create, status = coroutine.status,
    running = coroutine.running, isyieldable = coroutine.isyieldable,
    resume = core.resume, close = core.close, wrap = closed_wrap,
    yield = closed_yield,
  }
end

--- The pieces of a reader function, as one text.
local function read_chunk(reader)
  local pieces, size = {}, 0
  for piece in reader do
    if type(piece) ~= "string" then
      error("reader function must return a string", 0)
    end
    if piece == "" then break end
    size = size + #piece
    if size > MAX_MODULE then error("chunk too large", 0) end
    pieces[#pieces + 1] = piece
  end
  return table.concat(pieces)
end

local function make_load(env)
  return function(chunk, name, mode, ...)
    if type(chunk) == "function" then chunk = read_chunk(chunk) end
    if type(chunk) ~= "string" then error("bad argument #1 to 'load'", 2) end
    if mode ~= nil and not tostring(mode):find("t", 1, true) then
      return nil, "only text can be loaded"
    end
    local own = env
    if select("#", ...) > 0 then own = ... or {} end
    return sys.load(chunk, name or "=(load)", own)
  end
end

local function copy(t, without)
  local c = {}
  for k, v in pairs(t) do
    if not (without and without[k]) then c[k] = v end
  end
  return c
end

-- require ----------------------------------------------------------------

-- The text and the path; nil and all that was looked for. A link is followed:
-- who can put one into these folders can put a file there.
local function find_file(folders, name)
  local fs = require("godwit.core.fs")
  local rel, tried = name:gsub("%.", "/"), {}
  for _, dir in ipairs(folders) do
    for _, tail in ipairs({ ".lua", "/init.lua" }) do
      local path = dir .. "/" .. rel .. tail
      local text, e = fs.read(path, MAX_MODULE)
      if text then return text, path end
      if not err.is(e, "notfound") and not NO_FILE[e.status] then
        error(e, 0)
      end
      tried[#tried + 1] = path
    end
  end
  return nil, tried
end

-- Names are words between dots: nothing of them leaves a folder.
local function check_name(name)
  for word in (name .. "."):gmatch("(.-)%.") do
    if not word:find("^[%w_-]+$") then
      error(("bad module name '%s': words between dots"):format(name), 4)
    end
  end
end

local function public(name)
  local short = name:match("^godwit%.(.+)$") or name
  if not PUBLIC[short] then return nil end
  local module = modules.require("godwit." .. short)
  return view(module, short, HIDDEN[short])
end

local function make_require(env, opts, given)
  local loaded, LOADING = {}, {}

  local function load_own(name)
    check_name(name)
    local text, path = find_file(opts.folders or {}, name)
    if not text then
      error(("module '%s' not found (ours are: %s; %s)"):format(name,
        M.public_names(), #path > 0 and "looked for " .. table.concat(path,
          ", ") or "--lua-path DIR says where yours are"), 0)
    end
    if opts.on_module then opts.on_module(name, path, text) end
    trace.remember("@" .. path, text)
    local chunk, why = sys.load(text, "@" .. path, env)
    if not chunk then error(why, 0) end
    return core.run(chunk, name)
  end

  -- The environment's require.
  return function(name)
    if type(name) ~= "string" then
      error("bad argument #1 to 'require' (string expected)", 2)
    end
    local value = loaded[name]
    if value == LOADING then
      error(("module '%s' requires itself"):format(name), 2)
    elseif value ~= nil then
      return value
    end
    loaded[name] = LOADING
    local ok, result = pcall(function()
      if name == "cjson" then return view(make_cjson(), "cjson") end
      if given[name] then return given[name] end
      return public(name) or load_own(name)
    end)
    loaded[name] = ok and result or nil
    if not ok then error(result, 0) end
    return result
  end
end

--- The names scripts may require, as a sentence has them.
---@return string
function M.public_names()
  local names = { "cjson" }
  for name in pairs(PUBLIC) do
    names[#names + 1] = name
  end
  table.sort(names)
  return table.concat(names, " ")
end

-- the environment --------------------------------------------------------

---@class godwit.closed.Opts
---@field globals? table<string, any> Beside the standard ones. A text "godwit.x" or "cjson" is that module, loaded when it is first used; a table is seen read-only; else the value itself.
---@field folders? string[] Where `require` looks for the script's own modules.
---@field on_module? fun(name: string, path: string, text: string) Called for each of these before it runs.

local function folder_of(chunk)
  local path = chunk:match("^@(.+)$")
  return path and (path:match("^(.*)/[^/]*$") or ".")
end

--- A new environment. Scripts of one environment share their globals.
---@param opts godwit.closed.Opts
---@return table
function M.environment(opts)
  local env = {
    _VERSION = _VERSION,
    assert = assert, error = error, ipairs = ipairs, next = views.next,
    pairs = pairs, rawequal = rawequal, rawget = rawget, rawlen = rawlen,
    rawset = views.rawset, select = select, tonumber = tonumber,
    tostring = tostring, type = type,
    pcall = closed_pcall, xpcall = closed_xpcall,
    setmetatable = closed_setmetatable, getmetatable = closed_getmetatable,
    collectgarbage = closed_collectgarbage, print = closed_print,
    warn = closed_warn,
    string = copy(string, { dump = true }), table = copy(table),
    math = copy(math), utf8 = copy(utf8), coroutine = closed_coroutine(),
    os = { clock = os.clock, date = os.date, difftime = os.difftime,
      time = os.time },
  }
  env._G = env
  env.load = make_load(env)
  local lazy, given = {}, {}
  for name, value in pairs(opts.globals or {}) do
    if type(value) == "string"
      and (value == "cjson" or value:find("^godwit%.")) then
      lazy[name] = value
    elseif type(value) == "table" and getmetatable(value) == nil then
      env[name] = view(value, name)
      given[name] = env[name]
    else
      env[name] = value
    end
  end
  env.require = make_require(env, opts, given)
  -- A module becomes a global when it is first named: starting stays quick.
  return setmetatable(env, {
    __metatable = "environment",
    __index = function(_, name)
      local module = lazy[name]
      if not module then return nil end
      lazy[name] = nil
      local ok, value = pcall(env.require, module)
      if not ok then
        lazy[name] = module
        error(value, 0)
      end
      rawset(env, name, value)
      return value
    end,
  })
end

local declared = {} -- folders of --lua-path

--- Folders that scripts' modules are looked for in, after their own folder.
---@param folders string[]
function M.declare(folders)
  local fs = require("godwit.core.fs")
  for _, dir in ipairs(folders) do
    local info = fs.stat(dir .. "/.")
    if not info or info.type ~= "dir" then
      err.throw("usage", "--lua-path: there is no folder %s", dir)
    end
  end
  declared = folders
end

local function declared_folders(first)
  local folders = { first }
  for _, dirs in ipairs({ declared, modules.path() }) do
    table.move(dirs, 1, #dirs, #folders + 1, folders)
  end
  return folders
end

--- A closed environment that outlives a chunk: a prompt's.
---@param globals table<string, any> See godwit.closed.Opts.
---@return table
function M.prompt(globals)
  return M.environment({ globals = globals, folders = declared_folders() })
end

--- Compiles a script (text only) into a closed environment; nil and the
--- message when it does not compile. `require` looks beside it, in the
--- declared folders, and in those of GODWIT_PATH.
---@param text string
---@param chunk string "@path" or "=name"
---@param globals? table<string, any> See godwit.closed.Opts.
---@return function?
---@return string?
function M.load(text, chunk, globals)
  trace.remember(chunk, text)
  local env = M.environment({ globals = globals,
    folders = declared_folders(folder_of(chunk)) })
  return sys.load(text, chunk, env)
end

return M
