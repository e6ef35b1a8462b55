--- badserver: starts tests/support/badserver.c, and makes certificates.
local process = require("godwit.core.process")
local sys = require("godwit.core.sys")

local M = {}

local BUILD = sys.env("GODWIT_BUILD") or "build"

--- Starts it; it ends with the test. Arguments as badserver.c says.
---@param t table
---@param ... string|number
---@return { port: integer, url: string, stop: fun() }
function M.start(t, ...)
  local argv = { BUILD .. "/godwit_badserver" }
  for _, a in ipairs({ ... }) do argv[#argv + 1] = tostring(a) end
  local tls = table.concat(argv, " "):find("--tls ", 1, true)
  local p = assert(process.start({ argv = argv, stdout = true }))
  local said = ""
  while not said:find("\n") do
    local chunk = p:read()
    if not chunk then error("badserver did not start: " .. table.concat(argv, " ")) end
    said = said .. chunk
  end
  local port = math.tointeger(tonumber(said:match("%d+")))
  local stopped = false
  local function stop()
    if stopped then return end
    stopped = true
    p:kill(9)
    p:wait()
  end
  t:defer(stop)
  return { port = port, url = (tls and "https" or "http") .. "://127.0.0.1:" .. port,
    stop = stop }
end

local function openssl(dir, ...)
  local p = assert(process.start({ argv = { "openssl", ... }, cwd = dir, stderr = true }))
  local said = {}
  while true do
    local chunk = p:read_err()
    if not chunk then break end
    said[#said + 1] = chunk
  end
  if p:wait() ~= 0 then error("openssl: " .. table.concat(said)) end
end

local function sign(dir, name, subject, extensions, days)
  local fs = require("godwit.core.fs")
  assert(fs.write(dir .. "/" .. name .. ".ext", extensions))
  openssl(dir, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
    "-keyout", name .. ".key", "-out", name .. ".csr", "-subj", subject)
  openssl(dir, "x509", "-req", "-in", name .. ".csr", "-CA", "ca.pem", "-CAkey", "ca.key",
    "-CAcreateserial", "-days", tostring(days or 2), "-extfile", name .. ".ext", "-out", name .. ".pem")
end

--- A CA of our own, a server's certificate for 127.0.0.1 (by address) and
--- godwit.test, and a client's. Returns the files' names. `o`: other `names`
--- (as openssl writes them) and another number of `days` (-1: it has ended) of
--- the server's.
---@param t table
---@param o? { names?: string, days?: integer }
---@return { ca: string, cert: string, key: string, client: string, client_key: string, other_ca: string }
function M.certificates(t, o)
  o = o or {}
  local dir = t:tmpdir()
  for _, name in ipairs({ "ca", "other" }) do
    openssl(dir, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
      "-keyout", name .. ".key", "-out", name .. ".pem", "-days", "2", "-subj", "/CN=" .. name)
  end
  sign(dir, "server", "/CN=server", "subjectAltName="
    .. (o.names or "IP:127.0.0.1,DNS:godwit.test") .. "\n", o.days)
  sign(dir, "client", "/CN=client", "extendedKeyUsage=clientAuth\n")
  return { ca = dir .. "/ca.pem", other_ca = dir .. "/other.pem", cert = dir .. "/server.pem",
    key = dir .. "/server.key", client = dir .. "/client.pem", client_key = dir .. "/client.key" }
end

return M
