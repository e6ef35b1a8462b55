local address = require("godwit.cluster.address")
local account = require("godwit.cluster.accounts")
local effect = require("godwit.effect")
local err = require("godwit.err")
local etags = require("godwit.cluster.etags")
local json = require("godwit.core.json")
local listing = require("godwit.cluster.data_listing")
local once = require("godwit.cluster.once")
local pages = require("godwit.cluster.pages")
local quote = require("godwit.tree.path").quote
local secrets = require("godwit.cluster.secrets")
local sys = require("godwit.core.sys")

--- cluster.http.data: collections and files of a live cluster. Methods of the
--- http driver. Everything is asked with the key of the collection's owner:
--- no other reads what is private.
local M = {}
local Data = {}
M.methods = Data

local ANSWER = 300 -- seconds
local TAKEN = { [400] = true, [409] = true, [422] = true }

--- What a write is to, as printed: "prod:data/acme/models".
---@param file? string
function M.target(driver, owner, name, file)
  return driver.name .. ":data/" .. owner .. "/" .. name
    .. (file and "/" .. file or "")
end

local target = M.target

local function path_of(...)
  return "/v1/data" .. address.path(...)
end

--- Refuses what no file is called here: a name goes into addresses, where dots
--- would lead elsewhere, into folders and into reports.
---@param file any
function Data.check_file_name(_, file)
  if not listing.is_name(file) then
    err.throw("usage", "not a file's name: %s", type(file) == "string"
      and quote(file) or type(file))
  end
end

local function check(owner, name, file)
  if not account.usable(owner) or name and not account.usable(name) then
    err.throw("usage", "a collection is named OWNER/NAME, not %s/%s",
      tostring(owner), tostring(name))
  elseif file ~= nil then
    Data:check_file_name(file)
  end
end

-- Reads -------------------------------------------------------------------

local PARTS = { "files", "folders", "marker", "acl" }

-- Whether a document may be a directory's. One with nothing in it may have no
-- field at all, so what has others only must say that it is one: what a proxy
-- or another service says instead would pass for the end of a list.
local function is_directory(doc, response)
  local kind = response.headers["x-data-type"]
  if kind == "file" then
    return false
  elseif kind == "directory" or type(doc) ~= "table" or next(doc) == nil then
    return true -- who reads it sees whether it is a table of the right kind
  end
  for _, part in ipairs(PARTS) do
    if doc[part] ~= nil then return true end
  end
  return false
end

---@async
local function directory(driver, owner, path, marker, more)
  local query = { marker = marker }
  for k, v in pairs(more or {}) do query[k] = v end
  local doc, response = driver:get(owner, path, query)
  if not is_directory(doc, response) then
    err.throw("remote", "%s:%s: a directory was expected, the server answered"
      .. " something else", driver.name, (path:gsub("^/v1/", "")))
  end
  return doc
end

-- The name of the next collection; nil: there is none.
---@async
local function names_of(where, turn)
  local rows, at = {}, 0
  return function()
    at = at + 1
    while rows and at > #rows do
      rows, at = turn(), 1
    end
    if not rows then return nil end
    local name = type(rows[at]) == "table" and rows[at].name
    if not account.usable(name) then
      err.throw("remote", "%s: the server's list has a collection without a"
        .. " usable name%s", where, type(name) == "string" and ": "
        .. quote((name:gsub("[^\x20-\x7e]", "?"))) or "")
    end
    return name
  end
end

--- Iterates over an owner's collections, each once, though a list that grows
--- while it is read may repeat a row: { name= }.
---@async
---@param owner string
---@return fun(): { name: string }|nil
function Data:each_collection(owner)
  check(owner)
  local where = self.name .. ":data/" .. owner
  local names = names_of(where, listing.pages(where, "folders",
    function(marker)
      return directory(self, owner, path_of(owner), marker)
    end))
  local each = once.each(where, names, function(name) return name end)
  return function()
    local name = each()
    return name and { name = name }
  end
end

local function acl_of(doc)
  local read = type(doc.acl) == "table" and doc.acl.read
  if type(read) ~= "table" then return nil end
  local out = json.array({})
  for i, entry in ipairs(read) do
    if type(entry) ~= "string" then return nil end
    out[i] = entry
  end
  return out
end

--- A collection: { owner=, name=, acl= }; nil when there is none.
---@async
---@param owner string
---@param name string
---@return { owner: string, name: string, acl: string[]|nil }|nil
function Data:try_get_collection(owner, name)
  check(owner, name)
  local ok, doc = pcall(directory, self, owner, path_of(owner, name), nil,
    { acl = true })
  if not ok then
    if err.is(doc, "notfound") then return nil end
    error(doc, 0)
  elseif type(doc) ~= "table" or json.is_array(doc) then
    err.throw("remote", "%s: a directory was expected, the server answered"
      .. " something else", target(self, owner, name))
  end
  return { owner = owner, name = name, acl = acl_of(doc) }
end

-- Rows with a name that nothing can be called are handed to who asked for them;
-- else the list is refused.
local function usable_rows(where, rows, unusable)
  local out = {}
  for _, row in ipairs(rows) do
    local file = type(row) == "table" and row.filename
    if unusable and not listing.is_name(file) then
      unusable(file)
    else
      out[#out + 1] = listing.file(where, row)
    end
  end
  return out
end

-- A collection is flat. What a server has below it all the same is no file that
-- can be asked for, and is not passed over in silence.
local function note_folders(doc, unusable)
  local rows = unusable and type(doc) == "table" and doc.folders
  for _, row in ipairs(type(rows) == "table" and rows or {}) do
    unusable(type(row) == "table" and row.name, "dir")
  end
end

--- Iterates over pages of a collection's files: arrays of
--- { name=, size=, time= }. `unusable` is called for what no file can be named,
--- and for folders ("dir"); without it such a name is an error.
---@async
---@param owner string
---@param name string
---@param unusable? fun(name: any, other: string|nil)
---@return fun(): { name: string, size: integer|nil, time: number|nil }[]|nil
function Data:each_file_page(owner, name, unusable)
  check(owner, name)
  local where = target(self, owner, name)
  local turn = listing.pages(where, "files", function(marker)
    local doc = directory(self, owner, path_of(owner, name), marker)
    note_folders(doc, unusable)
    return doc
  end)
  return function()
    local rows = turn()
    if not rows then return nil end
    return usable_rows(where, rows, unusable)
  end
end

-- What is known of a collection's ETags, for the whole run.
local function etags_of(driver, owner, name)
  driver.etags = driver.etags or {}
  local where = owner .. "/" .. name
  driver.etags[where] = driver.etags[where] or etags.new()
  return driver.etags[where]
end

---@async
local function head(driver, owner, name, file)
  return select(2, driver:request("HEAD", path_of(owner, name, file),
    { owner = owner }))
end

--- What is known of a file without reading it: { size=, etag=, md5= }; nil when
--- there is none.
---@async
---@return table|nil
function Data:try_head_file(owner, name, file)
  check(owner, name, file)
  local ok, response = pcall(head, self, owner, name, file)
  if not ok then
    if err.is(response, "notfound") then return nil end
    error(response, 0)
  end
  local h = response.headers
  if h["x-data-type"] and h["x-data-type"] ~= "file" then return nil end
  local etag = h.etag ~= "" and h.etag or nil
  return { size = math.tointeger(tonumber(h["content-length"])), etag = etag,
    md5 = etags.md5(etag) }
end

---@async
local function read(driver, owner, name, file, max)
  local bytes, response = driver:request("GET", path_of(owner, name, file),
    { owner = owner, raw = true, max_body = max })
  local h = response.headers
  if h["x-data-type"] and h["x-data-type"] ~= "file" then
    err.throw("notfound", "%s is no file", target(driver, owner, name, file))
  end
  return bytes, h.etag
end

-- Whether the bytes are what the ETag says, as far as it says something; else
-- what they are.
local function is_believed(known, bytes, etag)
  local md5 = etags.md5(etag)
  if not md5 then return true end
  local own = sys.hash("md5", bytes)
  if own ~= md5 then return false, own end
  known:agree()
  return true
end

--- The bytes of a file; `limit` past `max`. One whose ETag says something else
--- is read again: it was cut or changed on its way, or the ETag is no digest.
---@async
---@param opts? { max: integer? }
---@return string
function Data:read_file(owner, name, file, opts)
  check(owner, name, file)
  local known = etags_of(self, owner, name)
  local before
  for _ = 1, 2 do
    local bytes, etag = read(self, owner, name, file, opts and opts.max)
    local believed, own = is_believed(known, bytes, etag)
    -- The same again: not cut, nor changed.
    if believed or own == before and not known.proven then return bytes end
    before = own
  end
  error(err.new({ kind = "remote", retryable = true,
    message = target(self, owner, name, file)
      .. ": what arrived is not what the server has (its digest differs)",
  }), 0)
end

--- Those of some owners of whom the profile's one key sees no more than what
--- everybody may read. The cluster lists that as if it were all.
---@async
---@param owners string[]
---@return string[]
function Data:unseen_owners(owners)
  if #owners == 0 or type(self.profile.key) == "function" then
    return {}
  end
  local ok, seen = pcall(self.memo.get, self.memo, "seen owners", function()
    return self:seen_owners()
  end)
  if not ok and err._is_final(seen) then
    error(seen, 0)
  end
  local is_seen, unseen = { [".my"] = true }, {} -- whoever asks
  for _, name in ipairs(ok and seen or owners) do
    is_seen[name] = true
  end
  for _, owner in ipairs(owners) do
    if not is_seen[owner] then
      unseen[#unseen + 1] = owner
    end
  end
  return unseen
end

--- The owner's collections with their ids, as the cluster shows them.
---@async
---@return table[]
function Data:list_hosted_data(owner)
  return pages.rows(self:get(owner, "/v1/hostedData"), "result", "results")
end

--- Where a copy reads or writes a collection's files. Who reads says in `etags`
--- what it learns of them, and is told what others have.
---@async
---@param mode "read"|"write"
---@return table
function Data:data_end(owner, name, mode)
  check(owner, name)
  assert(mode == "read" or mode == "write")
  local p = self.profile
  return {
    url = self.address.api .. path_of(owner, name) .. "/",
    auth = self:key(owner), auth_scheme = p.auth_scheme or "Simple",
    ca = p.ca, cert = p.cert, cert_key = p.cert_key, insecure = p.insecure,
    proxy = p.proxy, no_proxy = p.no_proxy,
    etags = mode == "read" and etags_of(self, owner, name) or nil,
  }
end

-- Writes ------------------------------------------------------------------

local function taken(driver, owner, name)
  return err.new({ kind = "exists", status = 409,
    message = target(driver, owner, name) .. " exists already" })
end

---@async
local function post_collection(driver, owner, name, body)
  local ok, e = pcall(driver.request, driver, "POST", path_of(owner),
    { owner = owner, body = body, answer_timeout = ANSWER })
  if ok then return true end
  if type(e) == "table" and TAKEN[e.status]
    and driver:try_get_collection(owner, name) then
    e = taken(driver, owner, name)
  end
  error(e, 0)
end

--- Creates a collection; without an ACL the cluster's default. Raises
--- `exists`.
---@async
---@param owner string
---@param name string
---@param acl? string[]
function Data:create_collection(owner, name, acl)
  if self:try_get_collection(owner, name) then
    error(taken(self, owner, name), 0)
  end
  local body = { name = name, acl = acl and { read = json.array(acl) } }
  return effect.perform({
    kind = "data.create", target = target(self, owner, name), cluster = self,
    before = { exists = false }, detail = body,
    write = function() return post_collection(self, owner, name, body) end,
    probe = function()
      return self:try_get_collection(owner, name) ~= nil, true
    end,
  })
end

--- Changes who may read it.
---@async
---@param acl string[]
function Data:set_acl(owner, name, acl)
  local was = self:try_get_collection(owner, name)
  if not was then
    err.throw("notfound", "there is no %s", target(self, owner, name))
  end
  local to = { read = json.array(acl) }
  return effect.perform({
    kind = "data.acl", target = target(self, owner, name), cluster = self,
    class = "repeatable", before = { acl = was.acl },
    detail = { from = { acl = { read = was.acl } }, to = { acl = to } },
    write = function()
      self:request("PATCH", path_of(owner, name),
        { owner = owner, body = { acl = to }, answer_timeout = ANSWER })
      return true
    end,
  })
end

-- Gone is what was wanted; who asks twice is told so.
---@async
local function delete(driver, owner, path, query)
  local ok, doc = pcall(driver.request, driver, "DELETE", path,
    { owner = owner, query = query, answer_timeout = ANSWER })
  if ok then
    local result = type(doc) == "table" and doc.result
    return type(result) == "table" and result.deleted or nil
  elseif err.is(doc, "notfound") then
    return 0
  elseif doc.status and doc.status >= 200 and doc.status <= 299 then
    doc.kind = "conflict" -- an error that came inside a success
  end
  error(doc, 0)
end

--- Removes a collection. Raises `conflict` when it is not empty, unless
--- `force`.
---@async
---@param opts? { force: boolean? }
---@return integer|nil deleted
function Data:delete_collection(owner, name, opts)
  secrets.check_deletion(self)
  check(owner, name)
  local force = opts and opts.force or nil
  return effect.perform({
    kind = "data.delete_collection", target = target(self, owner, name),
    cluster = self, class = "repeatable", detail = { force = force },
    write = function()
      return delete(self, owner, path_of(owner, name), { force = force })
    end,
  })
end

--- Writes a file as a whole.
---@async
---@param bytes string
function Data:write_file(owner, name, file, bytes)
  check(owner, name, file)
  return effect.perform({
    kind = "data.put", target = target(self, owner, name, file),
    cluster = self, class = "repeatable",
    detail = { size = #bytes, md5 = sys.hash("md5", bytes) },
    write = function()
      self:request("PUT", path_of(owner, name, file), { owner = owner,
        bytes = bytes, content_type = "application/octet-stream",
        answer_timeout = ANSWER })
      return true
    end,
  })
end

--- Removes a file; one that is gone already is fine.
---@async
---@return integer|nil deleted
function Data:delete_file(owner, name, file)
  secrets.check_deletion(self)
  check(owner, name, file)
  return effect.perform({
    kind = "data.delete", target = target(self, owner, name, file),
    cluster = self, class = "repeatable",
    write = function()
      return delete(self, owner, path_of(owner, name, file))
    end,
  })
end

--- The same as a part of a copy's effect, none of its own: there may be a
--- million of them.
---@async
function Data:drop_file(owner, name, file)
  secrets.check_deletion(self)
  check(owner, name, file)
  return delete(self, owner, path_of(owner, name, file))
end

return M
