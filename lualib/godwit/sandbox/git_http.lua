local err = require("godwit.err")
local process = require("godwit.core.process")
local build = require("godwit.cluster.platform.build")
local git = require("godwit.cluster.platform.git")
local pkt = require("godwit.sandbox.pkt")
local rules = require("godwit.cluster.platform.rules")
local scm = require("godwit.cluster.platform.scm")

--- /git/OWNER/ALGO.git and /git/OWNER/ALGO/VERSION.git: Git over HTTP, by
--- `git http-backend`, its pipes streamed both ways. A push's answer is held
--- until its build has ended and tells the result in the side band. The build
--- itself belongs to the sandbox: a client that goes away loses nothing.
local M = {}

local TEXT = { ["Content-Type"] = "text/plain; charset=utf-8" }
local NO_CACHE = "no-cache, max-age=0, must-revalidate"

local function refuse(cx, status, text)
  local headers = { ["Content-Type"] = TEXT["Content-Type"] }
  if status == 401 then
    headers["WWW-Authenticate"] = 'Basic realm="Algorithmia"'
  end
  cx.req:respond(status, headers, text .. "\n")
  return "done"
end

--- What a path asks for: owner, name, version (or nil), and git's part.
local function parse(segs)
  local owner, name, version, from = segs[2], nil, nil, nil
  if not owner or not segs[3] then return nil end
  name = segs[3]:match("^(.+)%.git$")
  from = 4
  if not name then
    name, version = segs[3], (segs[4] or ""):match("^(.+)%.git$")
    from = 5
    if not version then return nil end
  end
  return owner, name, version, table.concat(segs, "/", from)
end

local function service_of(cx, tail)
  if cx.method == "GET" and tail == "info/refs" then
    local s = (cx.req.query or ""):match("^service=git%-([%w-]+)$")
    return s, true
  elseif cx.method == "POST" then
    return tail:match("^git%-([%w-]+)$"), false
  end
end

--- Whether the caller may read or write; else the refusal is sent.
local function allowed(cx, owner, name, write)
  local platform = cx.platform
  local record, publishes = platform:load(owner, name)
  local own = platform:acts_for(cx.caller, owner)
  if not record or scm.is_external(record) and not (own and write) then
    return nil, refuse(cx, 404, "Repository not found")
  elseif scm.is_external(record) then
    return nil, refuse(cx, 403, "The source of this algorithm is at "
      .. record.source.repository_https_url .. "; push there")
  end
  if own then
    if write and cx.caller.permissions.allow_algo_management ~= true then
      return nil, refuse(cx, 403, "This key does not manage algorithms")
    end
    return record
  end
  if not write and record.settings.source_visibility == "open" then
    return record
  end
  for _, p in ipairs(publishes) do
    if p.settings.algorithm_callability == "public" then
      return nil, refuse(cx, 403, "Access denied")
    end
  end
  if record.settings.source_visibility == "open" then
    return nil, refuse(cx, 403, "Access denied")
  end
  return nil, refuse(cx, 404, "Repository not found")
end

local function backend(cx, root, path, query)
  local h = cx.req.headers
  local protocol = h["git-protocol"]
  local encoding = h["content-encoding"]
  return err.check(process.start({
    argv = { "git", "http-backend" },
    env = git.env({
      GIT_PROJECT_ROOT = root, GIT_HTTP_EXPORT_ALL = "1", PATH_INFO = path,
      REQUEST_METHOD = cx.method, QUERY_STRING = query or "",
      CONTENT_TYPE = h["content-type"] or "",
      HTTP_CONTENT_ENCODING = (encoding == "gzip" or encoding == "x-gzip")
        and encoding or nil,
      GIT_PROTOCOL = protocol and #protocol < 256
        and protocol:find("^[%w=:.,-]+$") and protocol or nil,
      REMOTE_USER = cx.caller.username, REMOTE_ADDR = "127.0.0.1",
    }),
    stdin = true, stdout = true, stderr = true,
  }))
end

--- The status and headers of a CGI answer, and how far they reach; nil while
--- incomplete.
local function cgi_head(text)
  local head, at = text:match("^(.-)\r?\n\r?\n()")
  if not head then return nil end
  local status, headers = 200, {}
  for name, value in head:gmatch("([%w-]+):%s*([^\r\n]*)") do
    if name == "Status" then
      status = math.tointeger(tonumber(value:match("^%d+"))) or 500
    else
      headers[name] = value
    end
  end
  return status, headers, at
end

--- Sends the request's body into the program; false if the client went away.
local function feed(cx, p)
  while true do
    local chunk, e = cx.req:read()
    if not chunk then
      p:close_stdin()
      return not e
    end
    if not p:write(chunk) then return true end -- it has heard enough
  end
end

--- A fetch or a list of references: streamed as it comes.
local function stream(cx, root, path, query)
  local p <close> = backend(cx, root, path, query)
  if not feed(cx, p) then return "done" end
  local head = ""
  local status, headers, at
  repeat
    local chunk = p:read()
    if not chunk then
      return refuse(cx, 500, "git http-backend gave no answer")
    end
    head = head .. chunk
    status, headers, at = cgi_head(head)
  until status or #head > 65536
  if not status then return refuse(cx, 500, "git http-backend failed") end
  cx.req:start(status, headers)
  local chunk = head:sub(at)
  while chunk do
    if #chunk > 0 and not cx.req:write(chunk) then return "done" end
    chunk = p:read()
  end
  if p:wait() == 0 then cx.req:finish() end -- else cut, so that it is seen
  return "done"
end

--- Runs receive-pack on the request's body. Everything but the body's last
--- bytes goes in as it comes; those go in alone, so that pushes change the
--- ref, and get their build record, one after the other.
---@return string|nil answer, table|nil job
local function receive(cx, root, path, owner, name)
  local p <close> = backend(cx, root, path, "")
  local held
  while true do
    local chunk, e = cx.req:read()
    if not chunk then
      if e then return nil end
      break
    end
    if held and not p:write(held) then held = nil end
    held = chunk
  end
  return cx.platform.store:locked("push:" .. owner .. "/" .. name, function()
    if held then p:write(held) end
    p:close_stdin()
    local parts = {}
    while true do
      local chunk = p:read()
      if not chunk then break end
      parts[#parts + 1] = chunk
    end
    p:wait()
    return table.concat(parts), build.head_changed(cx.platform, owner, name)
  end)
end

local function push(cx, root, path, owner, name)
  local answer, job = receive(cx, root, path, owner, name)
  if not answer then return "done" end -- the client went away before its end
  local status, headers, at = cgi_head(answer)
  if not status then return refuse(cx, 500, "git http-backend failed") end
  local body = answer:sub(at)
  local before, rest = pkt.before_report(body)
  if not job or not before then
    if job then pcall(build.wait, job) end
    cx.req:respond(status, headers, body)
    return "done"
  end
  local algo = ("algo://%s/%s/%s"):format(owner, name, job.build.commit_sha)
  headers["Cache-Control"] = NO_CACHE
  cx.req:start(status, headers)
  cx.req:write(before .. pkt.progress("Processing " .. owner .. "/" .. name
    .. "\nBuilding " .. algo .. "\n"))
  local ok, b = pcall(build.wait, job)
  if not ok and err.is(b, "cancelled") then error(b, 0) end -- cut the answer
  local good = ok and b.status == "succeeded"
  cx.req:write(pkt.progress("Updating references\n"
    .. (good and "Build successful for " or "Build failed for ") .. algo
    .. "\n"))
  cx.req:write(rest)
  cx.req:finish()
  return "done"
end

local function serve_version(cx, owner, name, version, tail)
  local platform = cx.platform
  local ok, commit = pcall(platform.version_commit, platform, cx.caller,
    owner, name, version)
  if not ok then
    if err.is(commit, "notfound") then
      return refuse(cx, 404, "Repository not found")
    end
    error(commit, 0)
  end
  local repo = platform:secure(owner, name)
  local root = platform.store.dir .. "/run/versions"
  local path = ("/%s/%s/%s.git"):format(owner, name, commit)
  platform.store:mkdir(("run/versions/%s/%s"):format(owner, name))
  git.view(root .. path, repo, commit, platform.store.hooks)
  return stream(cx, root, path .. "/" .. tail, cx.req.query)
end

--- Serves a Git request.
---@async
function M.serve(cx)
  local owner, name, version, tail = parse(cx.segs)
  if not owner then return refuse(cx, 404, "Repository not found") end
  cx.caller = cx.keys:git_caller(cx.req.headers.authorization,
    cx.platform.store)
  if not cx.caller then return refuse(cx, 401, "Authentication required") end
  local service, listing = service_of(cx, tail)
  if service ~= "upload-pack" and service ~= "receive-pack" then
    return refuse(cx, 403, "Only Git's smart protocol is served")
  end
  if owner == ".my" then owner = cx.caller.username end
  if not rules.is_account(owner) or not rules.is_algorithm(name) then
    return refuse(cx, 404, "Repository not found")
  end
  local write = service == "receive-pack"
  local record, refused = allowed(cx, owner, name, write)
  if not record then return refused end
  if version then
    if write then return refuse(cx, 403, "A version is read-only") end
    if cx.options.no_version_repositories then
      return refuse(cx, 404, "Repository not found")
    end
    return serve_version(cx, owner, name, version, tail)
  end
  cx.platform:secure(owner, name)
  local root = cx.platform.store.dir .. "/git"
  local path = ("/%s/%s.git/%s"):format(owner, name, tail)
  if write and not listing then return push(cx, root, path, owner, name) end
  return stream(cx, root, path, cx.req.query)
end

return M
