--- The library's parsers in Lua and what must hold of their results. For
--- lua.c, which calls run(); a parser's number is its place in the list, so
--- new ones are added at the end.
local account_rules = require("godwit.cluster.account_rules")
local api_error = require("godwit.cluster.api_error")
local body = require("godwit.cluster.body")
local commit = require("godwit.copy.commit")
local data_listing = require("godwit.cluster.data_listing")
local data_path = require("godwit.sandbox.data_path")
local fields = require("godwit.cluster.platform.fields")
local glob = require("godwit.cluster.glob")
local json = require("godwit.core.json")
local markdown = require("godwit.cluster.platform.markdown")
local page = require("godwit.sandbox.page")
local pages = require("godwit.cluster.pages")
local platform_data = require("godwit.cluster.platform.data")
local platform_keys = require("godwit.cluster.platform.keys")
local pkt = require("godwit.sandbox.pkt")
local redirect = require("godwit.http.redirect")
local ref = require("godwit.copy.ref")
local request = require("godwit.sandbox.request")
local retry = require("godwit.http.retry")
local rules = require("godwit.cluster.platform.rules")
local size = require("godwit.cli.size")
local toml = require("godwit.config.toml")
local tree = require("godwit.copy.tree")
local template = require("godwit.tree.template")
local tree_glob = require("godwit.tree.glob")
local tree_path = require("godwit.tree.path")
local url = require("godwit.core.http").url
local version = require("godwit.cluster.version")

local M = {}

-- The text up to the first line end, and the rest.
local function cut(text)
  local first, rest = text:match("^([^\n]*)\n(.*)$")
  return first or text, rest or ""
end

local function document(text)
  return (json.decode(text, { max = 65536, depth = 64 }))
end

local function dates(text)
  local first, rest = cut(text)
  local seconds = retry.after({ ["retry-after"] = first,
    date = rest ~= "" and rest or nil })
  assert(seconds == nil or seconds >= 0)
  assert(retry.delay(retry.policy(), 1, seconds, 0) or seconds)
end

local function packets(text)
  local raw = {}
  for i, p in ipairs(pkt.split(text)) do
    raw[i] = p.raw
  end
  raw = table.concat(raw)
  assert(text:sub(1, #raw) == raw)
  local before, rest = pkt.before_report(text)
  assert(before == nil or before .. rest == text)
end

local function requests(text)
  local path, query = cut(text)
  for _, s in ipairs((request.segments("/" .. path))) do
    assert(s ~= "." and s ~= ".." and not s:find("[/\\%z]"))
  end
  for k, v in pairs(request.query(query)) do
    assert(utf8.len(k) and utf8.len(v))
  end
end

local function refusals(text)
  local doc = document(text)
  local asked = { method = "GET", url = "https://x/v1?q=1" }
  for _, status in ipairs({ 200, 404, 503 }) do
    local p = api_error.find(status, doc)
    if p then
      local e = api_error.new(asked, status, p)
      assert(not tostring(e):find("%c"))
    end
    assert(not tostring(api_error.unreadable(asked, status, text, "why"))
      :find("%c"))
  end
end

local function versions(text)
  local a, b = cut(text)
  assert(version.compare(a, b) == -version.compare(b, a))
  assert(version.compare(a, a) == 0)
  for _, step in ipairs({ "major", "minor", "revision" }) do
    local n = version.next(a, step)
    assert(n == nil or version.compare(n, a) == 1)
  end
end

local function patterns(text)
  local pattern, name = cut(text)
  assert(type(glob.matcher(pattern)(name)) == "boolean")
  assert(type(tree_glob.matcher(pattern)(name)) == "boolean")
end

local function refs(text)
  local r = ref.parse(text)
  local again = ref.parse(r.owner .. "/" .. r.name .. "/"
    .. ref.show(r.revision))
  assert(again.owner == r.owner and again.name == r.name)
  assert(ref.show(again.revision) == ref.show(r.revision))
end

local function configurations(text)
  local after = tree.rewrite_conf(text, "somebody")
  if after then
    local old, new = document(text), document(after)
    assert(new.username == "somebody")
    new.username = old.username
    assert(json.encode(old) == json.encode(new))
  end
end

local function trailers(text)
  local origin = { cluster = "https://api.dev:443", owner = "team",
    name = "Hello", commit = ("0a"):rep(20) }
  local message = commit.message(text, origin)
  local found = assert(commit.parse(message))
  for k, v in pairs(origin) do
    assert(found[k] == v, k)
  end
  assert(commit.message(message, origin) == message)
  commit.parse(text)
  local merged = { tip = ("1b"):rep(20), tree = ("2c"):rep(20) }
  local ours = { message = commit.message(text, origin, merged),
    committer = commit.COMMITTER }
  local again = assert(commit.merged(ours))
  assert(again.tip == merged.tip and again.tree == merged.tree)
  assert(commit.message(ours.message, origin) == message)
end

local function readmes(text)
  local html = markdown.html(text)
  for tag in html:gmatch("<([^>]*)") do
    assert(tag:find("^/?[%l%d]+$") or tag:find('^a href="https?://[^"<]*"$'),
      tag)
  end
end

local function lists(text)
  local doc = document(text)
  local count = 0
  local each = pages.each(function(_, marker)
    count = count + 1
    assert(count < 1000, "pages without end")
    return marker == nil and doc or document('{"results":[]}')
  end)
  for row in each do
    assert(row ~= nil)
  end
end

local function bodies(text)
  local first, rest = cut(text)
  local doc, patch = document(first), document(rest)
  if type(doc) == "table" and not json.is_array(doc) and type(patch) == "table"
    and not json.is_array(patch) then
    body.clean(body.copy(doc))
    body.merge(doc, patch)
    body.update(doc, patch)
    body.differs(doc, patch)
  end
end

local function redirects(text)
  local from, location = cut(text)
  if not url.parse(from) then return end
  local req = redirect.follow({ method = "GET", url = from, auth = "key",
    headers = { Authorization = "key", Accept = "*" } },
    { status = 302, headers = { location = location } }, {})
  local a, b = url.parse(from), assert(url.parse(req.url))
  assert(a.scheme == "http" or b.scheme == "https")
  if a.origin ~= b.origin then
    assert(req.auth == nil and req.headers.Authorization == nil)
  end
end

local function templates(text)
  local same = template.fill(text, "f", function(name)
    assert(name:find("^[%a_][%w_.-]*$"))
    return "x"
  end, "{{", "}}")
  assert(template.fill(same, "f", {}, "{{", "}}") == same
    or same:find("{{", 1, true))
  if tree_path.why(text) == nil then
    assert(not text:find("%z") and not ("/" .. text .. "/"):find("/%.?%.?/"))
  end
  assert(not tree_path.quote(text):find("%c"))
end

local function data_paths(text)
  for _, prefix in ipairs({ "/v1/data/", "/v1/connector/" }) do
    local ok, at = pcall(data_path.parse, prefix .. text)
    if ok then
      for _, name in ipairs(at.names) do
        assert(platform_data.is_file(name), name)
      end
    elseif type(at) ~= "table" then
      error(at, 0)
    end
  end
end

local function acls(text)
  local kind = platform_data.acl_kind(document(text))
  if kind then
    local list = json.array({ table.unpack(platform_data.ACLS[kind]) })
    assert(json.encode(document(text)) == json.encode(list))
  end
  local first = cut(text)
  local seconds = data_listing.time(first)
  assert(seconds == nil or seconds == seconds)
  if data_listing.is_name(text) then
    assert(not text:find("[/%c]") and utf8.len(text))
  end
end

local function accounts(text)
  local name, email = cut(text)
  assert((account_rules.name_problem(name) == nil) == rules.is_account(name))
  if account_rules.email_problem(email) == nil then
    assert(#email <= 100 and not email:find("[^%w._%%+@-]"))
    assert(select(2, email:gsub("@", "")) == 1)
  end
  local doc = fields.without_nulls(document(text))
  if type(doc) == "table" and not json.is_array(doc) then
    local got = fields.texts(doc, { username = 30, email = 100 }, 3001)
    for key, v in pairs(got) do assert(doc[key] == v) end
  end
end

local function permissions(text)
  local first = platform_keys.permissions(document(text))
  local again = platform_keys.permissions(first)
  assert(json.encode(first) == json.encode(again))
  for _, acl in ipairs(first.algo_acl) do
    assert(acl:find("^algo://[%w_./*]+$"), acl)
  end
end

-- Whatever is taken for a marker, the pages behind it come to an end.
local function markers(text)
  local names, last, count = { "a", "b", "c", "d" }, "", 0
  local query = { limit = "1", marker = text }
  repeat
    local got = page.names({ query = query, options = {}, origin = "http://x",
      path = "/v1/users" }, names, function(name) return name end)
    for _, name in ipairs(got.results) do
      assert(name > last)
      last = name
    end
    query.marker, count = got.marker, count + 1
    assert(count < 9)
  until got.marker == json.null
end

M.list = {
  toml.decode, packets, requests, dates, refusals, versions, patterns, refs,
  configurations, trailers, readmes, lists, bodies, redirects,
  function(text) size.parse(text, "x") end, templates, data_paths, acls,
  accounts, permissions, markers,
}

--- Runs one of them; raises only what no parser may raise.
function M.run(number, text)
  local ok, e = xpcall(M.list[number % #M.list + 1], function(e)
    return type(e) == "table" and e
      or ("parser %d: %s"):format(number % #M.list + 1, e)
  end, text)
  if not ok and type(e) ~= "table" then error(e, 0) end
end

return M
