--- A Git server in the test's own process, to be disturbed at will: Git's own
--- upload-pack and receive-pack behind the HTTP server of godwit.
local process = require("godwit.core.process")
local repo = require("support.gitrepo")
local serve = require("godwit.core.serve")

local M = {}

local function pipe(argv, req, body)
  local p <close> = assert(process.start({ argv = argv, env = repo.env(), stdin = true, stdout = true }))
  if body then p:write(body) end
  p:close_stdin()
  for chunk in function() return p:read() end do
    req:write(chunk)
  end
  p:wait()
end

--- Answers as `git http-backend` would, for the repository at dir.
function M.answer(req, dir)
  local service = (req.query or ""):match("^service=git%-(.*)$")
  if req.method == "GET" then
    req:start(200, { ["Content-Type"] = "application/x-git-" .. service .. "-advertisement" })
    local banner = "# service=git-" .. service .. "\n"
    req:write(("%04x%s0000"):format(#banner + 4, banner))
    pipe({ "git", service, "--stateless-rpc", "--advertise-refs", dir }, req)
  else
    service = req.path:match("/git%-([^/]*)$")
    local body = assert(req:body(1 << 30))
    req:start(200, { ["Content-Type"] = "application/x-git-" .. service .. "-result" })
    pipe({ "git", service, "--stateless-rpc", dir }, req, body)
  end
  req:finish()
end

--- Starts one for the test t. `handler(req, answer)` sees each request first;
--- answer() answers it as it should be. Returns { url, origin, port, log }.
function M.start(t, dir, handler)
  local self = { log = {} }
  local server = assert(serve.listen({ port = 0, handler = function(req)
    self.log[#self.log + 1] = req.method .. " " .. req.path .. (req.headers.authorization and " auth" or "")
    local function answer()
      M.answer(req, dir)
    end
    if handler then return handler(req, answer) end
    answer()
  end }))
  t:defer(function()
    server:close(0)
  end)
  self.port = server.port
  self.origin = "http://127.0.0.1:" .. server.port
  self.url = self.origin .. "/a.git"
  return self
end

return M
