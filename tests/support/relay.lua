--- relay: stands between the program and a cluster. It passes every request
--- on, remembers it, and lets a test do something at a moment it chooses:
--- push as somebody else, cut the answer, answer something else.

local http = require("godwit.core.http")
local serve = require("godwit.core.serve")

local M = {}

local HOP = { connection = true, host = true, ["content-length"] = true,
  ["transfer-encoding"] = true, ["keep-alive"] = true, expect = true,
  date = true }

local function pass_headers(headers)
  local out = {}
  for k, v in pairs(headers) do
    if not HOP[k:lower()] then
      out[k] = v
    end
  end
  return out
end

---@class support.Relay
---@field url string
---@field log string[] "METHOD /path?query" in order.
local Relay = {}
Relay.__index = Relay

local function forward(target, req, body)
  local r, e = http.send({ method = req.method,
    url = target .. req.path .. (req.query and "?" .. req.query or ""),
    headers = pass_headers(req.headers), body = body, max_body = 1 << 28,
    timeout = 120, stall_timeout = 120, answer_timeout = 120 })
  if not r then
    return { status = 502, headers = {}, body = tostring(e) }
  end
  return { status = r.status, headers = pass_headers(r.headers),
    body = r.body or "" }
end

-- An answer that promises more than it brings: the connection is cut.
local function cut(req)
  req:start(200, { ["Content-Length"] = "100000",
    ["Content-Type"] = "application/octet-stream" })
  req:write("0")
end

--- Starts a relay. `on(seen, pass)` is asked for every request: `seen` has
--- method, path, query, body and `n`, how often this method and path came;
--- `pass()` forwards and returns the answer. It returns an answer, "cut", or
--- nil to just pass on.
---@param target string
---@param on? fun(seen: table, pass: fun(): table): table|string|nil
---@return support.Relay
function M.start(t, target, on)
  local self = setmetatable({ log = {}, on = on }, Relay)
  local times = {}
  local server = assert(serve.listen({ address = "127.0.0.1", port = 0,
    handler = function(req)
      local line = req.method .. " " .. req.path
        .. (req.query and "?" .. req.query or "")
      local body = req:body(1 << 28) or ""
      self.log[#self.log + 1] = line
      times[line] = (times[line] or 0) + 1
      local answer
      local function pass()
        answer = answer or forward(target, req, body ~= "" and body or nil)
        return answer
      end
      local said = self.on and self.on({ method = req.method,
        path = req.path, query = req.query, headers = req.headers,
        body = body, n = times[line], line = line }, pass) or pass()
      if said == "cut" then
        return cut(req)
      end
      req:respond(said.status, said.headers or {}, said.body or "")
    end }))
  self.server = server
  self.url = "http://127.0.0.1:" .. server.port
  t:defer(function()
    server:close()
  end)
  return self
end

--- How many requests have a text in their line.
function Relay:count(text)
  local n = 0
  for _, line in ipairs(self.log) do
    if line:find(text, 1, true) then
      n = n + 1
    end
  end
  return n
end

--- Forgets what was seen.
function Relay:clear()
  for i = #self.log, 1, -1 do
    self.log[i] = nil
  end
end

return M
