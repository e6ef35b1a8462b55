local err = require("godwit.err")
local fs = require("godwit.core.fs")
local json = require("godwit.core.json")
local secret = require("godwit.core.secret")
local serve = require("godwit.core.serve")
local sys = require("godwit.core.sys")
local task = require("godwit.core.task")
local build = require("godwit.cluster.platform.build")
local git = require("godwit.cluster.platform.git")
local keychain = require("godwit.sandbox.keychain")
local keys = require("godwit.sandbox.keys")
local options = require("godwit.sandbox.options")
local platform = require("godwit.cluster.platform")
local seeds = require("godwit.sandbox.seed")
local server = require("godwit.sandbox.server")
local stores = require("godwit.cluster.platform.store")

--- A cluster to rehearse on: an archive served over a cluster's own HTTP and
--- Git surface. Its folder holds the archive, sandbox.json (address), keys.json
--- (0600) and run/ (nothing of worth). Killed at any point it starts again
--- with everything it had answered for.
local M = {}

--- The folder of a sandbox that goes by a name.
function M.folder(name)
  if not name:find("^%w[%w_.-]*$") or #name > 64 then
    err.throw("usage", "%q is no name for a sandbox", name)
  end
  local state = sys.env("XDG_STATE_HOME")
  if not state or state == "" then
    state = (sys.env("HOME") or ".") .. "/.local/state"
  end
  return state .. "/godwit/sandboxes/" .. name
end

local function folder_of(opts)
  return opts.dir or M.folder(opts.name or "default")
end

local function read_info(dir)
  local text = fs.read(dir .. "/sandbox.json", 1 << 20)
  local info = text and json.decode(text, { max = 1 << 20, depth = 20 })
  return type(info) == "table" and info or {}
end

---@async
local function write_info(dir, info)
  err.check(fs.write(dir .. "/sandbox.json",
    json.encode(info, { pretty = true }) .. "\n", 384))
end

--- Makes a sandbox's archive with a seed. Until it is whole it lies beside
--- its place: a half-made one is never found there.
---@async
---@param opts {dir?: string, name?: string, seed?: string}
---@return string dir
function M.create(opts)
  local dir = folder_of(opts)
  if stores.exists(dir) then
    err.throw("exists", "%s holds a sandbox already", dir)
  end
  local listed = fs.list(dir)
  if listed and #listed > 0 then
    err.throw("exists", "%s is not empty and holds no sandbox", dir)
  end
  local parent = dir:match("^(.*)/[^/]+/*$") or "."
  if parent ~= "" then err.check(fs.mkdir(parent, 448)) end
  local fresh = dir:gsub("/+$", "") .. ".new-" .. sys.random_hex(6)
  local ok, e = pcall(function()
    local store = stores.create(fresh, { unfinished = true })
    seeds.plant(store, fresh, opts.seed or "demo", opts.name)
    store:finish()
    if listed then fs.remove(dir) end
    err.check(fs.rename(fresh, dir))
  end)
  if not ok then
    fs.remove_tree(fresh)
    error(e, 0)
  end
  return dir
end

local function split_listen(text)
  local host, port = text:match("^%[([%x:.]+)%]:(%d+)$")
  if not host then host, port = text:match("^([%w.-]+):(%d+)$") end
  port = port and math.tointeger(tonumber(port))
  if not port or port > 65535 then
    err.throw("usage", "--listen wants ADDRESS:PORT, not %q", text)
  end
  if host == "localhost" then host = "127.0.0.1" end
  return host, port
end

local function is_taken(e)
  return tostring(e):lower():find("in use", 1, true) ~= nil
end

local function listen(host, port, was, handler)
  local s, e = serve.listen({ address = host, port = port ~= 0 and port
    or was or 0, handler = handler })
  if s then return s end
  if is_taken(e) then
    if port == 0 and was then
      err.throw("io", "port %d, which this sandbox had before, is taken; "
        .. "stop what uses it or choose one with --listen %s:PORT", was, host)
    end
    err.throw("io", "%s:%d is taken; choose another with --listen", host,
      port)
  end
  error(e, 0)
end

--- Git serves the repositories; without it nothing works, so it is said at
--- once and not with the first clone.
---@async
local function need_git()
  local ok, code = pcall(git.run, { "http-backend" })
  -- started outside a web server it complains and ends; 1 is "no command"
  if not ok or code == 1 then
    err.throw("usage", "a sandbox needs the program git with its "
      .. "http-backend; install the package git")
  end
end

local function bracket(host)
  return host:find(":", 1, true) and "[" .. host .. "]" or host
end

-- A killed process cannot take its Git along: one that had a whole push may
-- move a ref when recover() has looked already.
local ORPHAN_SECONDS = 3

local function look_later(p)
  return task.spawn(function()
    task.sleep(ORPHAN_SECONDS)
    p:overtake()
  end)
end

--- Starts serving; the caller stops it with :stop().
---@async
---@param opts table As run takes.
---@return table sandbox
function M.start(opts)
  local dir = folder_of(opts)
  need_git()
  if not stores.exists(dir) then M.create(opts) end
  local store = stores.open(dir)
  store:check_plain()
  store:lock_folder()
  local ok, result = pcall(function()
    local info = read_info(dir)
    local host, port = split_listen(opts.listen or "127.0.0.1:0")
    fs.remove_tree(store.dir .. "/run")
    store:mkdir("run/hooks")
    local chosen = options.read(dir, opts.options)
    local self = { dir = dir, store = store, options = chosen, count = 0 }
    self.keys = keys.open(dir, store)
    self.platform = platform.new(store, {
      build_seconds = opts.build_seconds or chosen.build_seconds or 0,
      background = function(fn) task.spawn(fn) end, options = chosen,
      hosts = function() return keys.hosts(dir) end, keys = self.keys.ring,
    })
    self.server = listen(host, port, info.port, function(req)
      server.handle(self, req)
    end)
    self.port = self.server.port
    self.api = ("http://%s:%d"):format(
      (host == "0.0.0.0" or host == "::") and "127.0.0.1" or bracket(host),
      self.port)
    self.platform.api = self.api
    self.info = { id = store.id, name = opts.name, api = self.api,
      port = self.port, pid = sys.pid, listen = bracket(host) .. ":"
      .. self.port }
    write_info(dir, self.info)
    self.platform:recover()
    if info.pid then self.later = look_later(self.platform) end
    return setmetatable(self, { __index = M.methods })
  end)
  if not ok then
    store:close()
    error(result, 0)
  end
  return result
end

M.methods = {}

--- Stops: builds that still run end at once, requests are answered, the
--- folder is let go.
---@async
function M.methods:stop()
  if self.later then
    task.cancel(self.later)
    task.join(self.later)
  end
  build.hurry(self.platform)
  self.server:close()
  self.info.pid = nil
  pcall(write_info, self.dir, self.info)
  self.store:close()
end

--- Runs a sandbox until this task is cancelled, then stops it.
---@async
---@param opts {dir?: string, name?: string, listen?: string, seed?: string,
---  build_seconds?: number, options?: table, ready?: fun(info: table)}
function M.run(opts)
  local sandbox = M.start(opts)
  local ok, e = pcall(function()
    if opts.ready then opts.ready(sandbox.info) end
    task.wait(task.ticket())
  end)
  sandbox:stop()
  if not ok then error(e, 0) end
end

-- The Git hosts a sandbox is connected to are opened with its credentials.
local function hosts_of(dir)
  local out = {}
  for origin, h in pairs(keys.hosts(dir)) do
    out[origin] = { user = h.user, scheme = "Basic", ca = h.ca,
      key = h.key and secret.new(h.key, { label = "sandbox " .. origin,
        origins = { origin } }) }
  end
  return out
end

--- What another command needs to reach a sandbox: its address, identity and
--- keys. `key(owner)` is the owner's key, its organization's or a member's.
---@param spec string A sandbox's name or folder.
---@return table profile
function M.load_profile(spec)
  local dir = spec:find("/", 1, true) and spec or M.folder(spec)
  if not stores.exists(dir) then
    err.throw("notfound", "there is no sandbox %s; godwit sandbox --name %s "
      .. "makes one", spec, spec)
  end
  local info = read_info(dir)
  if not info.api then
    err.throw("notfound", "the sandbox %s was never started", spec)
  end
  local store = stores.open(dir)
  local chain, made = keychain.open(dir, store), {}
  local function value(a)
    if not a then return nil end
    made[a.key] = made[a.key] or secret.new(a.key, {
      label = (info.name or "sandbox") .. " " .. (a.label or a.username),
      origins = { info.api } })
    return made[a.key]
  end
  return {
    name = "sandbox:" .. (info.name or spec), kind = "http", api = info.api,
    hosts = hosts_of(dir),
    id = store.id, admin_key = value(chain:administrator()), dir = dir,
    running = info.pid ~= nil and store:in_use(),
    keys_come_with_accounts = true,
    key = function(owner) return value(chain:account(owner)) end,
  }
end

--- The names of the sandboxes of this user.
function M.names()
  local base = M.folder("x"):match("^(.*)/x$")
  local out = {}
  for _, e in ipairs(fs.list(base) or {}) do
    if e.type == "dir" and stores.exists(base .. "/" .. e.name) then
      out[#out + 1] = e.name
    end
  end
  return out
end

M.SEEDS = seeds.NAMES

return M
