local err = require("godwit.err")
local json = require("godwit.core.json")
local secret = require("godwit.core.secret")
local serve = require("godwit.core.serve")

--- oddcluster: a server that answers what a test says, for the ways in which
--- clusters differ from the contract. What they have in common is tested
--- against the sandbox.
local M = {}

---@class support.OddCluster
---@field url string
---@field requests { method: string, path: string, query: string?, body: string, headers: table }[]
local Odd = {}
Odd.__index = Odd

local function answer(req, a)
  if a == nil then
    return req:respond(404, { ["Content-Type"] = "application/json" },
      '{"error":{"code":1000,"message":"nothing here"}}')
  end
  local headers = { ["Content-Type"] = a.type or "application/json" }
  for k, v in pairs(a.headers or {}) do
    headers[k] = v
  end
  local body = a.body or ""
  if a.json ~= nil then
    body = json.encode(a.json)
  end
  req:respond(a.status or 200, headers, body)
end

--- Ends the connection in the middle of the answer: for a function of a
--- route. Does not return.
function M.cut(req)
  req:start(200, { ["Content-Type"] = "application/json" })
  req:write('{"id":')
  error(err.new({ kind = "cancelled", message = "cut" }), 0)
end

-- A list of answers is used up, its last one stays.
local function next_of(route)
  if #route > 1 then
    return table.remove(route, 1)
  end
  return route[1]
end

--- Starts one. `routes` maps "GET /v1/…" (no query) to an answer
--- ({status=, json=, body=, headers=}), a list of them, or a function of the
--- request that returns one. It ends with the test.
---@async
---@return support.OddCluster
function M.start(t, routes)
  local self = setmetatable({ requests = {}, routes = routes }, Odd)
  local server = err.check(serve.listen({
    address = "127.0.0.1", port = 0,
    handler = function(req)
      local seen = { method = req.method, path = req.path,
        query = req.query, headers = req.headers,
        body = req:body(16 * 1024 * 1024) or "" }
      self.requests[#self.requests + 1] = seen
      local route = self.routes[req.method .. " " .. req.path]
        or self.routes["*"]
      if type(route) == "function" then
        route = route(seen, req)
      elseif route and #route > 0 then
        route = next_of(route)
      end
      answer(req, route)
    end,
  }))
  self.server = server
  self.url = "http://127.0.0.1:" .. server.port
  t:defer(function()
    server:close()
  end)
  return self
end

--- A profile for it. `more` adds or replaces fields.
---@return table
function Odd:profile(more)
  local profile = { name = "odd", kind = "http", api = self.url,
    key = secret.new("simOddClusterKey000000000001",
      { label = "odd key", origins = { self.url } }) }
  for k, v in pairs(more or {}) do
    profile[k] = v
  end
  return profile
end

--- "GET /v1/x?y" of every request so far.
---@return string[]
function Odd:log()
  local out = {}
  for i, r in ipairs(self.requests) do
    out[i] = r.method .. " " .. r.path
      .. (r.query and r.query ~= "" and "?" .. r.query or "")
  end
  return out
end

return M
