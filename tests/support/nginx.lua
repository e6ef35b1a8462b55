--- nginx with git http-backend behind it, on a free loopback port, in a folder
--- of its own; ended with the test, by its own process ids.
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local http = require("godwit.core.http")
local process = require("godwit.core.process")
local repo = require("support.gitrepo")
local serve = require("godwit.core.serve")
local sys = require("godwit.core.sys")
local task = require("godwit.task")

local M = {}

local BACKEND = "/usr/lib/git-core/git-http-backend"
local WORKERS = 4 -- one process each: children of fcgiwrap would outlive it
local TERM = 15

local function free_port()
  local server = assert(serve.listen({ port = 0, handler = function() end }))
  local port = server.port
  server:close(0)
  return port
end

--- A certificate authority and a server certificate for 127.0.0.1 (an IP
--- address, no name but localhost and those given) in dir.
---@param dir string
---@param names? string[]
function M.certificates(dir, names)
  local function openssl(...)
    repo.run({ "openssl", ... }, { cwd = dir })
  end
  local san = "subjectAltName=IP:127.0.0.1,DNS:localhost"
  for _, name in ipairs(names or {}) do
    san = san .. ",DNS:" .. name
  end
  err.check(fs.write(dir .. "/san", san .. "\n", 384))
  openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
    "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=godwit test CA")
  openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
    "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=server")
  openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
    "-CAcreateserial", "-out", "server.pem", "-days", "2", "-extfile", "san")
  return dir .. "/ca.pem"
end

local function config(dir, o)
  local upstream = ""
  for i = 1, WORKERS do
    upstream = upstream .. ("server unix:%s/fcgi%d.sock; "):format(dir, i)
  end
  local listen = "listen 127.0.0.1:" .. o.port .. (o.tls and " ssl" or "") .. ";"
  local tls = o.tls and ([[
    ssl_certificate %s/server.pem;
    ssl_certificate_key %s/server.key;
    ssl_protocols %s;]]):format(dir, dir, o.tls13 and "TLSv1.3" or "TLSv1.2 TLSv1.3") or ""
  local auth = o.user and ([[
      auth_basic "Git";
      auth_basic_user_file %s/htpasswd;]]):format(dir) or ""
  return ([[
%s
worker_processes 1;
daemon off;
error_log %s/error.log warn;
pid %s/nginx.pid;
events { worker_connections 256; }
http {
  access_log %s/access.log;
  client_body_temp_path %s/body;
  proxy_temp_path %s/proxy;
  fastcgi_temp_path %s/fastcgi;
  uwsgi_temp_path %s/uwsgi;
  scgi_temp_path %s/scgi;
  client_max_body_size 0;
  upstream git { %s }
  server {
    %s
    %s
    location ~ ^/git(/.*)$ {
      %s
      fastcgi_pass git;
      fastcgi_read_timeout 300;
      fastcgi_buffering off;
      include /etc/nginx/fastcgi_params;
      fastcgi_param SCRIPT_FILENAME %s;
      fastcgi_param GIT_PROJECT_ROOT %s;
      fastcgi_param GIT_HTTP_EXPORT_ALL 1;
      fastcgi_param PATH_INFO $1;
      fastcgi_param REMOTE_USER %s;
      fastcgi_param HOME /nonexistent;
      fastcgi_param PATH /usr/bin:/bin;
      fastcgi_param GIT_CONFIG_NOSYSTEM 1;
      fastcgi_param GIT_CONFIG_GLOBAL /dev/null;
      fastcgi_param GIT_CONFIG_COUNT 2;
      fastcgi_param GIT_CONFIG_KEY_0 safe.directory;
      fastcgi_param GIT_CONFIG_VALUE_0 *;
      fastcgi_param GIT_CONFIG_KEY_1 http.receivepack;
      fastcgi_param GIT_CONFIG_VALUE_1 true;
    }
    location / { return 404; }
  }
}
]]):format(sys.username() == "root" and "user root;" or "", dir, dir, dir, dir, dir, dir, dir, dir,
    upstream, listen, tls, auth, BACKEND, o.root, o.user and "$remote_user" or "anonymous")
end

-- Files are read as they are and written with PUT, bodies on the way beside them.
local function webdav_config(dir, o)
  local listen = "listen 127.0.0.1:" .. o.port .. (o.tls and " ssl" or "") .. ";"
  local tls = o.tls and ([[
    ssl_certificate %s/server.pem;
    ssl_certificate_key %s/server.key;]]):format(dir, dir) or ""
  return ([[
%s
worker_processes %d;
daemon off;
error_log %s/error.log warn;
pid %s/nginx.pid;
events { worker_connections 2048; }
http {
  access_log %s/access.log;
  client_body_temp_path %s/body;
  proxy_temp_path %s/proxy;
  fastcgi_temp_path %s/fastcgi;
  uwsgi_temp_path %s/uwsgi;
  scgi_temp_path %s/scgi;
  client_max_body_size 0;
  sendfile on;
  keepalive_requests 1000000;
  server {
    %s
    %s
    root %s/files;
    location / {
      dav_methods PUT DELETE;
      create_full_put_path on;
      %s
    }
  }
}
]]):format(sys.username() == "root" and "user root;" or "", o.workers or 1, dir, dir, dir, dir, dir,
    dir, dir, dir, listen, tls, dir, o.location or "")
end

local function stop(p)
  p:kill(TERM)
  p:wait()
end

-- The requests so far, but for those of wait_for.
local function requests_of(dir)
  return function()
    local lines = {}
    for line in (fs.read(dir .. "/access.log", 1 << 24) or ""):gmatch("[^\n]+") do
      local what, status = line:match('"(%u+ [^ ]+) HTTP[^"]*" (%d+)')
      if what and not what:find("^GET /$") then lines[#lines + 1] = what .. " " .. status end
    end
    return lines
  end
end

local function wait_for(server, dir)
  for _ = 1, 250 do
    local r, e = http.send({ method = "GET", url = server.origin .. "/", ca = server.ca, connect_timeout = 2 })
    if r then return end
    server.last = e
    task.sleep(0.02)
  end
  error(("nginx did not start: %s; %s"):format(tostring(server.last),
    tostring(fs.read(dir .. "/error.log", 65536))))
end

--- Starts it for the test t. o: root (folder of the repositories), tls, tls13,
--- user and password (basic authentication). Returns { url, origin, port, ca,
--- dir, requests() -> array of "METHOD path status" lines so far }.
function M.start(t, o)
  if not fs.stat(BACKEND) or not fs.stat("/usr/sbin/nginx") or not fs.stat("/usr/sbin/fcgiwrap") then
    t:skip("nginx, fcgiwrap or git http-backend is not installed")
  end
  local dir = t:tmpdir()
  local server = { dir = dir, port = free_port() }
  o = { root = o.root, tls = o.tls or o.tls13, tls13 = o.tls13, user = o.user, port = server.port }
  if o.tls then server.ca = M.certificates(dir) end
  if o.user then
    local hash = repo.run({ "openssl", "passwd", "-5", "-salt", "godwit", "-stdin" }, { stdin = "geheim123\n" })
    err.check(fs.write(dir .. "/htpasswd", o.user .. ":" .. hash, 420))
  end
  err.check(fs.write(dir .. "/nginx.conf", config(dir, o), 384))
  for i = 1, WORKERS do
    local fcgi = assert(process.start({
      argv = { "/usr/sbin/fcgiwrap", "-s", ("unix:%s/fcgi%d.sock"):format(dir, i) }, env = repo.env(),
    }))
    t:defer(function() stop(fcgi) end)
  end
  local nginx = assert(process.start({
    argv = { "/usr/sbin/nginx", "-p", dir, "-c", dir .. "/nginx.conf", "-e", dir .. "/error.log" },
    env = repo.env(),
  }))
  t:defer(function() stop(nginx) end)
  server.origin = ("http%s://127.0.0.1:%d"):format(o.tls and "s" or "", server.port)
  server.url = server.origin .. "/git"
  wait_for(server, dir)
  server.requests = requests_of(dir)
  return server
end

--- A server of static files that takes them, too (WebDAV's PUT and DELETE),
--- ended with the test. o: tls, workers, `location` (more directives). Returns
--- { url, origin, port, ca, dir, files (the folder), requests() }.
function M.webdav(t, o)
  if not fs.stat("/usr/sbin/nginx") then t:skip("nginx is not installed") end
  local dir = t:tmpdir()
  local server = { dir = dir, port = free_port(), files = dir .. "/files" }
  o = { tls = o and o.tls, workers = o and o.workers, location = o and o.location, port = server.port }
  if o.tls then server.ca = M.certificates(dir) end
  err.check(fs.mkdir(server.files, 493))
  err.check(fs.write(dir .. "/nginx.conf", webdav_config(dir, o), 384))
  local nginx = assert(process.start({
    argv = { "/usr/sbin/nginx", "-p", dir, "-c", dir .. "/nginx.conf", "-e", dir .. "/error.log" },
    env = repo.env(),
  }))
  t:defer(function() stop(nginx) end)
  server.origin = ("http%s://127.0.0.1:%d"):format(o.tls and "s" or "", server.port)
  server.url = server.origin .. "/"
  wait_for(server, dir)
  server.requests = requests_of(dir)
  return server
end

M.password = "geheim123"

return M
