--- tlsproxy: nginx in front of a cluster, speaking TLS with a certificate of
--- its own authority, and (as proxies do) with little patience for an answer.

local err = require("godwit.err")
local fs = require("godwit.core.fs")
local http = require("godwit.core.http")
local nginx = require("support.nginx")
local process = require("godwit.core.process")
local serve = require("godwit.core.serve")
local sys = require("godwit.core.sys")
local task = require("godwit.task")

local M = {}

local CONFIG = [[
%s
worker_processes 1;
daemon off;
error_log DIR/error.log warn;
pid DIR/nginx.pid;
events { worker_connections 256; }
http {
  access_log off;
  client_body_temp_path DIR/body;
  proxy_temp_path DIR/proxy;
  fastcgi_temp_path DIR/fastcgi;
  uwsgi_temp_path DIR/uwsgi;
  scgi_temp_path DIR/scgi;
  client_max_body_size 0;
  server {
    listen 127.0.0.1:%d ssl;
    ssl_certificate DIR/server.pem;
    ssl_certificate_key DIR/server.key;
    location / {
      proxy_pass %s;
      proxy_http_version 1.1;
      proxy_read_timeout %s;
    }
  }
}
]]

local function free_port()
  local server = assert(serve.listen({ port = 0, handler = function() end }))
  local port = server.port
  server:close(0)
  return port
end

--- Starts it; gives its address and the authority's certificate.
---@param target string
---@param patience? string How long an answer is waited for: "60s".
---@param names? string[] Its names besides 127.0.0.1 and localhost.
---@return {url: string, ca: string, port: integer}
function M.start(t, target, patience, names)
  if not fs.stat("/usr/sbin/nginx") then
    t:skip("nginx is not installed")
  end
  local dir = t:tmpdir()
  local ca, port = nginx.certificates(dir, names), free_port()
  local text = CONFIG:format(sys.username() == "root" and "user root;" or "",
    port, target, patience or "60s"):gsub("DIR", dir)
  err.check(fs.write(dir .. "/nginx.conf", text, 384))
  local p = err.check(process.start({ argv = { "/usr/sbin/nginx", "-p", dir,
    "-c", dir .. "/nginx.conf", "-e", dir .. "/error.log" },
    env = { PATH = sys.env("PATH") } }))
  t:defer(function()
    p:kill(15)
    p:wait()
  end)
  local url = "https://127.0.0.1:" .. port
  for _ = 1, 250 do
    if http.send({ method = "GET", url = url .. "/", ca = ca,
        connect_timeout = 2 }) then
      return { url = url, ca = ca, port = port }
    end
    task.sleep(0.02)
  end
  error("nginx did not start: "
    .. tostring(fs.read(dir .. "/error.log", 65536)), 0)
end

return M
