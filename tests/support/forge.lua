--- forge: a Git host as a company has one, https://git.example.com to the
--- program under test: nginx speaks TLS with a certificate of an authority of
--- its own, git http-backend keeps the repositories of `acme`, a small server
--- makes them on POST /api/v1/orgs/acme/repos. A CONNECT proxy leads there.
local badserver = require("support.badserver")
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local http = require("godwit.core.http")
local json = require("godwit.core.json")
local nginx = require("support.nginx")
local process = require("godwit.core.process")
local repo = require("support.gitrepo")
local serve = require("godwit.core.serve")
local sys = require("godwit.core.sys")
local task = require("godwit.task")

local M = {}

M.HOST = "https://git.example.com"
M.TOKEN = "forge-token-7f3a"

local CONFIG = [[
%s
worker_processes 1;
daemon off;
error_log DIR/error.log warn;
pid DIR/nginx.pid;
events { worker_connections 256; }
http {
  access_log DIR/access.log;
  client_body_temp_path DIR/body;
  proxy_temp_path DIR/proxy;
  fastcgi_temp_path DIR/fastcgi;
  uwsgi_temp_path DIR/uwsgi;
  scgi_temp_path DIR/scgi;
  client_max_body_size 0;
  server {
    listen 127.0.0.1:%d ssl;
    server_name git.example.com;
    ssl_certificate DIR/server.pem;
    ssl_certificate_key DIR/server.key;
    proxy_http_version 1.1;
    location /acme/ {
      if ($http_authorization != "Basic %s") {
        add_header WWW-Authenticate 'Basic realm="Git"' always;
        return 401;
      }
      proxy_pass %s/acme/;
    }
    location / { proxy_pass %s; }
  }
}
]]

local function free_port()
  local server = assert(serve.listen({ port = 0, handler = function() end }))
  local port = server.port
  server:close(0)
  return port
end

local function base64(text)
  return (repo.run({ "openssl", "base64", "-A" }, { stdin = text })
    :gsub("%s", ""))
end

---@class support.Forge
---@field ca string
---@field proxy string
---@field log string[] "POST /api/… 201" of the API, in order.
---@field env table<string, string> What leads the program there.
local Forge = {}
Forge.__index = Forge

-- An organization's repositories are made once each.
local function make(self, req)
  local doc = json.decode(req:body(65536) or "")
  local name = type(doc) == "table" and doc.name
  if req.headers.authorization ~= "Bearer " .. M.TOKEN then
    return 401
  elseif req.method ~= "POST" or req.path ~= "/api/v1/orgs/acme/repos"
    or type(name) ~= "string" or not name:find("^%w+$") then
    return 404
  elseif fs.stat(self:dir(name)) then
    return 409
  end
  repo.bare(self:dir(name))
  return 201
end

local function api(t, self)
  local server = assert(serve.listen({ port = 0, handler = function(req)
    local status = self.answer and self.answer(req) or make(self, req)
    self.log[#self.log + 1] = ("%s %s %d"):format(req.method, req.path,
      type(status) == "table" and status.status or status)
    if type(status) == "table" then
      req:respond(status.status, status.headers or {}, status.body or "")
    else
      req:respond(status, { ["Content-Type"] = "application/json" }, "{}")
    end
  end }))
  t:defer(function() server:close() end)
  return "http://127.0.0.1:" .. server.port
end

local function start_nginx(t, dir, port, ca)
  local p = err.check(process.start({ argv = { "/usr/sbin/nginx", "-p", dir,
    "-c", dir .. "/nginx.conf", "-e", dir .. "/error.log" },
    env = { PATH = sys.env("PATH") } }))
  t:defer(function()
    p:kill(15)
    p:wait()
  end)
  for _ = 1, 250 do
    if http.send({ method = "GET", ca = ca, connect_timeout = 2,
        url = ("https://127.0.0.1:%d/up"):format(port) }) then
      return
    end
    task.sleep(0.02)
  end
  error("nginx did not start: "
    .. tostring(fs.read(dir .. "/error.log", 65536)), 0)
end

--- Starts it all; `answer(req)` may answer a request to its API (a status, or
--- { status=, headers=, body= }) in place of it.
---@async
---@param answer? fun(req: table): integer|table|nil
---@return support.Forge
function M.start(t, answer)
  local root, dir = t:tmpdir() .. "/repositories", t:tmpdir()
  err.check(fs.mkdir(root .. "/acme", 448))
  local git = nginx.start(t, { root = root })
  local self = setmetatable({ root = root, log = {}, answer = answer,
    ca = nginx.certificates(dir, { "git.example.com" }) }, Forge)
  local port = free_port()
  err.check(fs.write(dir .. "/nginx.conf", (CONFIG:format(sys.username()
    == "root" and "user root;" or "", port, base64("git:" .. M.TOKEN), git.url,
    api(t, self)):gsub("DIR", dir)), 384))
  start_nginx(t, dir, port, self.ca)
  self.access = dir .. "/access.log"
  self.proxy = badserver.start(t, "--proxy", "--to", port).url
  self.env = { https_proxy = self.proxy, SSL_CERT_FILE = self.ca,
    FORGE_TOKEN = M.TOKEN }
  for i = #self.log, 1, -1 do
    self.log[i] = nil
  end
  return self
end

--- A repository's folder.
---@param name string
---@return string
function Forge:dir(name)
  return ("%s/acme/%s.git"):format(self.root, name)
end

--- "refs/heads/master ID" lines of a repository, sorted by git.
---@async
---@param name string
---@return string
function Forge:refs(name)
  return repo.git(self:dir(name), "for-each-ref",
    "--format=%(refname) %(objectname)")
end

return M
