local err = require("godwit.err")
local json = require("godwit.core.json")
local keys = require("godwit.sandbox.keys")
local listing = require("godwit.cluster.platform.listing")
local paths = require("godwit.sandbox.data_path")
local platform_data = require("godwit.cluster.platform.data")
local request = require("godwit.sandbox.request")
local rules = require("godwit.cluster.platform.rules")
local sys = require("godwit.core.sys")
local task = require("godwit.core.task")

--- /v1/data/… and /v1/connector/data/…: collections and files, streamed both
--- ways. Who may do what in a collection is the platform's; what a key
--- permits, the forms of a body and the headers are here.
local M = {}

local reject = rules.reject

local PAGE = 1000
local PIECE = 256 << 10
local DIRECTORY = { ["X-Data-Type"] = "directory" }

-- Pages -------------------------------------------------------------------

local function marker_of(name)
  return (sys.base64(name):gsub("[+/=]", { ["+"] = "-", ["/"] = "_",
    ["="] = "" }))
end

local function name_of(marker)
  if marker == nil or marker == "" then return nil end
  local text = marker:gsub("[-_]", { ["-"] = "+", ["_"] = "/" })
  local name = #marker <= 1024 and not marker:find("[^%w_-]")
    and sys.unbase64(text .. ("="):rep(-#text % 4))
  if not name or name == "" then
    reject(400, 5002, "the marker is not one of this list")
  end
  return name
end

local function page_size(cx)
  return math.max(1, math.tointeger(cx.options.data_page or PAGE) or PAGE)
end

-- A list that never ends, as asked for by a test.
local function endless(cx, doc)
  if cx.options.endless_marker then doc.marker = doc.marker or "AAAA" end
end

-- A page of sorted names, behind the marker's, which may be gone by now.
-- `me`: a name that comes before all of them.
local function send_folders(cx, names, me)
  local after, size = name_of(cx.query.marker), page_size(cx)
  if cx.options.endless_marker then after = nil end
  local first = 1
  if after and after ~= me then first = listing.behind(names, after) end
  local doc, folders = {}, json.array({})
  if me and not after then folders[1] = { name = me } end
  local last = math.min(first + size - 1 - #folders, #names)
  for i = first, last do
    folders[#folders + 1] = { name = names[i] }
  end
  if #folders > 0 then doc.folders = folders end
  if names[last + 1] then doc.marker = marker_of(folders[#folders].name) end
  endless(cx, doc)
  return 200, doc, DIRECTORY
end

local function root(cx)
  local me = cx.caller.username
  return send_folders(cx, cx.platform.store:organizations_of(me), me)
end

---@async
local function send_files(cx, data, c)
  local doc, list = {}, data:find(cx.caller, c)
  local after = name_of(cx.query.marker)
  if cx.options.endless_marker then after = nil end
  local rows, following = data:page(c, after, page_size(cx))
  local files = json.array({})
  for i, r in ipairs(rows) do
    files[i] = { filename = r.name, size = r.size,
      last_modified = rules.time(r.time) }
  end
  if #files > 0 then doc.files = files end
  if following then doc.marker = marker_of(following) end
  if request.flag(cx.query, "acl") and list.acl then doc.acl = list.acl end
  endless(cx, doc)
  return 200, doc, DIRECTORY
end

-- Files -------------------------------------------------------------------

-- A client that asks for a kind of text reads the answer as what it says it is
-- (the Node client does); the bytes are the same for all.
local KINDS = {
  ["text/plain"] = "text/plain; charset=utf-8",
  ["application/json"] = "application/json",
}

local function file_headers(cx, it, md5)
  local etag = cx.options.etag
  return { ["X-Data-Type"] = "file",
    ["Content-Type"] = KINDS[cx.req.headers.accept]
      or "application/octet-stream",
    ["Content-Length"] = ("%d"):format(it.size),
    ETag = md5 and etag ~= false and ('"%s"'):format(md5) or nil }
end

---@async
local function pour(cx, it)
  local left = it.size
  while left > 0 do
    local piece = platform_data.take(it.file:read(math.min(PIECE, left)))
    if not piece or not cx.req:write(piece) then return end
    left = left - #piece
  end
  cx.req:finish()
end

---@async
local function send_file(cx, data, c, name)
  data:find(cx.caller, c)
  local it = data:open(c, name)
  local f <close> = it.file
  local md5, bytes
  if cx.options.etag ~= false or it.size < PIECE then
    md5, bytes = data:digest(c, name, it)
  end
  local headers = file_headers(cx, it, md5)
  if bytes and cx.req.method ~= "HEAD" then
    cx.req:respond(200, headers, bytes)
    return "done"
  end
  cx.req:start(200, headers)
  if cx.req.method ~= "HEAD" then pour(cx, it) end
  return "done"
end

-- A body that ends too early is no file.
---@async
local function receive(cx, upload)
  while true do
    local piece, e = cx.req:read()
    if piece then
      upload:write(piece)
    elseif e then
      return false
    else
      return true
    end
  end
end

local function url_of(c, name)
  local s = c.special
  return "data://" .. (s and (".algo/%s/%s/%s"):format(s.owner, s.name, s.part)
    or c.owner .. "/" .. c.name) .. (name and "/" .. name or "")
end

---@async
local function put_file(cx, data, c, name)
  data:find(cx.caller, c, true)
  local upload <close> = data:upload(c, name)
  if not receive(cx, upload) then return "done" end
  data:find(cx.caller, c, true) -- it may have gone meanwhile
  upload:finish()
  return 200, { result = url_of(c, name) }
end

-- Collections -------------------------------------------------------------

-- { name=, acl= } as JSON, or the bare name as one client posts it.
---@async
local function directory_body(cx)
  local text = request.bytes(cx.req, request.MAX_BODY)
  local doc = json.decode(text, { max = request.MAX_BODY, depth = 16 })
  if type(doc) == "table" and not json.is_array(doc) then return doc end
  if type(doc) == "string" then return { name = doc } end
  if doc ~= nil and type(doc) == "table" or text:find("^%s*[{%[]") then
    reject(400, 2013, "the body is not a JSON object")
  end
  return { name = text:match("^%s*(.-)%s*$") }
end

local function acl_in(cx, doc)
  local acl = doc.acl
  if acl == json.null then acl = nil end
  local refused = cx.options.refuse_acl
  if acl ~= nil and (refused == true or refused ~= nil and refused
    == platform_data.acl_kind(type(acl) == "table" and acl.read)) then
    reject(400, 6001, "told to refuse this ACL")
  end
  return acl
end

---@async
local function create(cx, data, owner)
  local doc = directory_body(cx)
  local c = { owner = owner, name = doc.name }
  data:create(cx.caller, c, acl_in(cx, doc))
  return 200, { result = url_of(c) }
end

---@async
local function delete(cx, data, c)
  local force = request.flag(cx.query, "force")
  local ok, count = pcall(data.delete, data, cx.caller, c, force)
  if ok then return 200, { result = { deleted = count } } end
  if not err.is(count) or not count.deleted then error(count, 0) end
  return count.status, { error = { code = count.code, message = count.message,
    id = sys.uuid(), deleted = count.deleted } }
end

-- Routes ------------------------------------------------------------------

local function only_inside()
  reject(400, 2015, "this is only there inside of a call")
end

-- .algo/OWNER/ALGO/temp/FILE: what an algorithm keeps for the caller.
local function special(cx, n)
  local owner, name, part = n[2], n[3], n[4]
  if not part then only_inside() end
  if owner == ".my" then owner = cx.caller.username end
  if part ~= "perm" and part ~= "temp" or n[6] then
    reject(404, 2015, "there is no such collection")
  end
  return { owner = cx.caller.username, special = { owner = owner,
    name = name, part = part } }, n[5]
end

-- Owner, collection and file of the names; what does not fit is refused.
local function place_of(cx, n)
  if n[1] == ".session" then only_inside() end
  if n[1] == ".algo" then return special(cx, n) end
  if n[4] then reject(400, 2015, "a collection holds no folders") end
  local owner = n[1] == ".my" and cx.caller.username or n[1]
  return { owner = owner, name = n[2] }, n[3]
end

local function read(cx, data, c, name)
  if name then return send_file(cx, data, c, name) end
  if c.special or c.name then return send_files(cx, data, c) end
  return send_folders(cx, data:collections(cx.caller, c.owner))
end

local function change_acl(cx, data, c)
  local doc = request.object(cx.req)
  data:set_acl(cx.caller, c, acl_in(cx, doc))
  return 200
end

---@async
local function write(cx, data, c, name)
  local method = cx.method
  local collection = c.special or c.name
  if method == "POST" and not collection then
    return create(cx, data, c.owner)
  elseif method == "PATCH" and collection and not name then
    return change_acl(cx, data, c)
  elseif method == "PUT" and name then
    return put_file(cx, data, c, name)
  elseif method == "DELETE" and name then
    data:find(cx.caller, c, true)
    data:remove(c, name)
    return 200, { result = { deleted = 1 } }
  elseif method == "DELETE" and collection then
    return delete(cx, data, c)
  end
  reject(400, 2015, "this cannot be done here")
end

local function permit(cx, at)
  local permission = cx.method == "GET" and "allow_data" or "allow_data_write"
  if cx.caller.kind == "admin" and at.admin then return end
  keys.permit(cx.caller, cx.options, permission)
end

---@async
local function serve(cx)
  cx:authenticate()
  local at = paths.parse(cx.path)
  permit(cx, at)
  if cx.options.data_delay then task.sleep(cx.options.data_delay) end
  if at.kind ~= "data" or at.label then
    reject(404, 2015, "there is no connector %s%s", at.kind, at.label or "")
  end
  local n = at.names
  if not n[1] then
    if cx.method == "GET" then return root(cx) end
    reject(400, 2015, "this cannot be done here")
  end
  local data = platform_data.of(cx.platform)
  local c, name = place_of(cx, n)
  return (cx.method == "GET" and read or write)(cx, data, c, name)
end

-- A HEAD has no body to say it in.
local function explain(e)
  e.headers = e.headers or {}
  e.headers["X-Error-Message"] = e.message:gsub("[^\x20-\x7e]", "?")
end

--- Serves a request of the data API.
---@async
function M.serve(cx)
  local result = table.pack(pcall(serve, cx))
  if result[1] then return table.unpack(result, 2, result.n) end
  local e = result[2]
  if cx.req.method == "HEAD" and err.is(e) and e.platform then explain(e) end
  error(e, 0)
end

-- Hosted data -------------------------------------------------------------

--- GET /v1/hostedData: the caller's collections with their ids.
---@async
function M.hosted(cx)
  if cx.method ~= "GET" or cx.segs[3] then return nil end
  cx:authenticate()
  keys.permit(cx.caller, cx.options, "allow_data")
  local data, me = platform_data.of(cx.platform), cx.caller.username
  local rows = json.array({})
  for _, name in ipairs(data:collections(cx.caller, me)) do
    rows[#rows + 1] = platform_data.hosted(#rows + 1, me, name,
      data:find(cx.caller, { owner = me, name = name }))
  end
  return 200, { result = rows }
end

return M
