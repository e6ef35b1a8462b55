--- Sandboxes for tests: started in this process on a free port, in a folder
--- that goes with the test; requests as any client would send them.
local core = require("godwit.core.http")
local build = require("godwit.cluster.platform.build")
local err = require("godwit.err")
local json = require("godwit.core.json")
local process = require("godwit.core.process")
local keys = require("godwit.sandbox.keys")
local sandbox = require("godwit.sandbox")
local sys = require("godwit.core.sys")
local task = require("godwit.task")

local M = {}
local S = {}
S.__index = S

--- Starts one; opts as godwit.sandbox.run takes, dir is made.
function M.start(t, opts)
  opts = opts or {}
  opts.dir = opts.dir or t:tmpdir() .. "/sandbox"
  opts.seed = opts.seed or "empty"
  local running = sandbox.start(opts)
  local self = setmetatable({ sandbox = running, api = running.api,
    dir = opts.dir, opts = opts }, S)
  t:defer(function() self:stop() end)
  return self
end

--- One that runs elsewhere.
function M.at(dir, api)
  return setmetatable({ dir = dir, api = api }, S)
end

function S:stop()
  if self.sandbox then
    self.sandbox:stop()
    self.sandbox = nil
  end
end

--- The key of an account, of a label if one is given.
function S:key(username, label)
  for _, a in ipairs(keys.read(self.dir)) do
    if a.username == username and (not label or a.label == label) then
      return a.key
    end
  end
  error("no key of " .. username)
end

--- Sends a request; the answer has .doc when it is JSON.
--- opts: as (user name), auth (header text), json, body, type.
function S:send(method, path, opts)
  opts = opts or {}
  local headers = opts.headers or {}
  local auth = opts.auth
  if auth == nil and opts.as ~= false then
    auth = "Simple " .. self:key(opts.as or "acme", opts.label)
  end
  if auth then headers.Authorization = auth end
  local body = opts.body
  if opts.json ~= nil then
    body = json.encode(opts.json)
    headers["Content-Type"] = "application/json"
  end
  if opts.type then headers["Content-Type"] = opts.type end
  local r = err.check(core.send({ method = method, url = self.api .. path,
    headers = headers, body = body, timeout = 60 }))
  r.doc = r.body and #r.body > 0
    and json.decode(r.body, { max = 64 << 20, depth = 100 }) or nil
  return r
end

--- The platform's code in an error answer of shape A.
function M.code(r)
  return r.doc and type(r.doc.error) == "table" and r.doc.error.code
end

--- An environment's id.
function S:environment(name)
  local r = self:send("GET", "/v1/algorithm-environments/edge/languages/"
    .. "python3/environments")
  for _, e in ipairs(r.doc.environments) do
    if e.display_name == (name or "Python 3.8") then return e.id end
  end
end

--- A create request's body.
function S:body(name, settings)
  local s = { source_visibility = "closed", license = "apl",
    network_access = "full", pipeline_enabled = true,
    algorithm_environment = self:environment() }
  for k, v in pairs(settings or {}) do s[k] = v end
  return { name = name, details = { label = name }, settings = s }
end

--- Creates acme/NAME and returns its document.
function S:create(name, settings, opts)
  local r = self:send("POST", "/v1/algorithms/acme",
    { json = self:body(name, settings), as = opts and opts.as })
  assert(r.status == 201, r.body)
  return r.doc
end

--- Runs a program; returns its code and what it said on both outputs.
function M.run(argv, env)
  local all = { PATH = sys.env("PATH"), HOME = "/nonexistent",
    GIT_CONFIG_NOSYSTEM = "1", GIT_CONFIG_GLOBAL = "/dev/null",
    GIT_TERMINAL_PROMPT = "0", GIT_AUTHOR_NAME = "T",
    GIT_AUTHOR_EMAIL = "t@example.com", GIT_COMMITTER_NAME = "T",
    GIT_COMMITTER_EMAIL = "t@example.com", LC_ALL = "C" }
  for k, v in pairs(env or {}) do all[k] = v end
  local shell = { "sh", "-c", 'exec "$@" 2>&1', "sh" }
  for _, a in ipairs(argv) do shell[#shell + 1] = a end
  local p <close> = err.check(process.start({ argv = shell, env = all,
    stdout = true }))
  local parts = {}
  for chunk in function() return p:read() end do parts[#parts + 1] = chunk end
  return p:wait(), table.concat(parts)
end

--- Runs git and fails with its words.
function M.git(...)
  local code, out = M.run({ "git", ... })
  if code ~= 0 then
    error("git " .. table.concat({ ... }, " ") .. ": " .. out, 2)
  end
  return out
end

--- The address of a repository with a key in it, for plain git.
function S:url(path, as)
  local user = as or "acme"
  return (self.api:gsub("^http://", "http://" .. user .. ":"
    .. self:key(user) .. "@")) .. "/git/" .. path .. ".git"
end

--- Clones acme/NAME into a new folder.
function S:clone(t, name, as)
  local dir = t:tmpdir() .. "/work"
  M.git("clone", "-q", self:url("acme/" .. name, as), dir)
  return dir
end

--- Writes a file, commits everything and returns the commit.
function M.commit(dir, path, text)
  local f = assert(io.open(dir .. "/" .. path, "wb"))
  f:write(text)
  f:close()
  M.git("-C", dir, "add", "-A", "-f")
  M.git("-C", dir, "commit", "-qm", "change " .. path)
  return (M.git("-C", dir, "rev-parse", "HEAD"):gsub("%s", ""))
end

--- Pushes master; returns the code and what git printed.
function M.push(dir, ...)
  return M.run({ "git", "-C", dir, "push", "origin", "HEAD:master", ... })
end

--- The builds of acme/NAME, newest first.
function S:builds(name)
  return self:send("GET", "/v1/algorithms/acme/" .. name .. "/builds")
    .doc.results
end

--- Waits until acme/NAME has so many builds, whatever their state.
function S:wait_builds(name, count)
  while #self:builds(name) < count do task.sleep(0.02) end
end

--- Ends every build that is under way, and waits for that.
function S:end_builds(name)
  local platform = self.sandbox.platform
  build.hurry(platform)
  local busy
  repeat
    task.sleep(0.01)
    busy = false
    for _, b in ipairs(self:builds(name)) do
      busy = busy or b.status == "in-progress"
    end
  until not busy
  platform.stopping = false
end

--- Commits, pushes and publishes; returns the publish's document.
function S:release(dir, name, body)
  M.commit(dir, "file-" .. sys.random_hex(4), "x")
  local code, out = M.push(dir)
  assert(code == 0, out)
  local r = self:send("POST", "/v1/algorithms/acme/" .. name .. "/versions",
    { json = body or {} })
  assert(r.status == 200, r.body)
  return r.doc
end

return M
