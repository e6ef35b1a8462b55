local err = require("godwit.err")
local fs = require("godwit.core.fs")
local json = require("godwit.core.json")
local log = require("godwit.log")
local sys = require("godwit.core.sys")
local build = require("godwit.cluster.platform.build")
local git = require("godwit.cluster.platform.git")
local repository = require("godwit.cluster.repository")
local rules = require("godwit.cluster.platform.rules")
local template = require("godwit.cluster.platform.template")

--- External SCMs: algorithms whose code is at a Git host elsewhere. The
--- archive keeps a copy of their default branch as its master; a webhook or a
--- compile brings it up to date. What opens a host is the sandbox's to know
--- (`hosts`); without it nothing is created or built there.
local M = {}

local reject = rules.reject
local BRANCHES = { github = "refs/heads/main" }
local MASTER = "refs/heads/master"

--- Whether a record's code is kept elsewhere.
function M.is_external(record)
  local source = record.source
  return source ~= nil and source.scm ~= nil and source.scm ~= "internal"
end

local function find(p, id)
  for _, scm in ipairs(p.store:rows("scms.json")) do
    if scm.id == id then return scm end
  end
  reject(400, 4009, "no SCM %q", tostring(id):sub(1, 60))
end

-- What opens the host of an address: { user=, key=, ca= }, or nil.
local function host_of(p, address)
  if type(address) ~= "string" or not p.hosts then return nil end
  local ok, _, origin = pcall(repository.check_url, address .. "/x", "an SCM")
  return ok and p.hosts()[origin] or nil
end

local REVOKED = "scm-revoked.json"

-- Whose connection was revoked: SCM's id/name of who did.
local function revoked(p)
  local doc = p.store:cached(REVOKED)
  return type(doc) == "table" and doc or {}
end

local function connection_of(p, scm, caller)
  local web = type(scm.urls) == "table" and scm.urls.web
  local host = type(web) == "string" and host_of(p, web)
  local who = caller and caller.username or ""
  if not host or revoked(p)[scm.id .. "/" .. who] then return nil end
  return host, web
end

--- Whether the caller's account is connected to an SCM: GET …/oauth/status.
function M.authorization(p, scm, caller)
  local host = connection_of(p, scm, caller)
  if not host then return { authorization_status = "unauthorized" } end
  return { authorization_status = "authorized",
    scm_username = host.account or host.user,
    scm_organizations = json.array({}) }
end

---@async
local function note(p, scm, caller, value)
  p.store:locked(REVOKED, function()
    local doc = {}
    for k, v in pairs(revoked(p)) do doc[k] = v end
    doc[scm.id .. "/" .. caller.username] = value
    p.store:write(REVOKED, doc)
  end)
end

--- POST …/oauth/revoke: from here on the caller makes no algorithms there;
--- those that are go on.
---@async
function M.revoke(p, scm, caller)
  if connection_of(p, scm, caller) then note(p, scm, caller, true) end
end

--- POST …/token/connect: what was revoked is connected again. What opens the
--- host is the sandbox's to know, not the caller's.
---@async
function M.connect(p, scm, caller)
  if revoked(p)[scm.id .. "/" .. caller.username] then
    note(p, scm, caller, nil)
  end
  if not connection_of(p, scm, caller) then
    reject(400, 4081, "the SCM %s does not know this account", scm.id)
  end
end

local function check_part(text, what)
  if type(text) ~= "string" or #text > 200 or not text:find("^[%w._/-]+$")
    or text:find("..", 1, true) or text:find("^[/-]") or text:find("/$") then
    reject(400, 6001, "source.%s is no name of an SCM's", what)
  end
  return text
end

--- What a create says of where its code goes; nil: here. Refuses an SCM that
--- cannot be used.
---@return table|nil chosen { scm=, source= of the record }
function M.choose(p, caller, body)
  local given = rules.section(body, "source")
  if given.scm == nil or given.scm == "internal" then return nil end
  local scm = find(p, given.scm)
  if scm.enabled == false then
    reject(400, 4042, "the SCM %s is disabled", scm.id)
  end
  local host, web = connection_of(p, scm, caller)
  if not host then
    reject(400, 4008, "no connection to the SCM %s; it needs a browser",
      scm.id)
  end
  local owner = check_part(given.repository_owner or host.account or host.user,
    "repository_owner")
  local name = check_part(given.repository_name or body.name,
    "repository_name")
  return { scm = scm, source = { scm = scm.id, repository_owner = owner,
    repository_name = name,
    repository_https_url = ("%s/%s/%s.git"):format(web:gsub("/+$", ""), owner,
      name) } }
end

-- Git at the host --------------------------------------------------------

local function connection(p, source)
  local host = host_of(p, source.repository_https_url)
  if not host then
    reject(400, 4008, "no connection to the SCM %s", tostring(source.scm))
  end
  return { url = source.repository_https_url, host = host }
end

local function first_line(text)
  return text:match("[^\r\n]+") or "no message"
end

--- Brings the copy to the host's default branch; returns its head and the
--- branch's name, nil when the repository is empty.
---@async
local function fetch(at, repo)
  local head, branch, why = git.remote_head(at)
  if why then reject(502, 4084, "the SCM does not answer: %s", why) end
  if not head then return nil end
  local code, errors = git.fetch_head(repo, at)
  if code ~= 0 then
    reject(502, 4084, "the SCM does not answer: %s", first_line(errors))
  end
  return git.head(repo), branch
end

--- Brings an algorithm's copy up to date; returns the record and its head.
--- The caller keeps pushes of one repository apart.
---@async
function M.refresh(p, owner, name)
  local record = p:load(owner, name)
  if not record then reject(404, 1000, "algorithm is gone") end
  local at = connection(p, record.source)
  if not fs.stat(p.store:repo(owner, name)) then
    p.store:mkdir("git/" .. owner)
    git.init(p.store:repo(owner, name), p.store.hooks)
  end
  local head, branch = fetch(at, p:secure(owner, name))
  if branch and branch ~= record.scm_branch then
    p.store:locked(owner .. "/" .. name, function()
      record = p:load(owner, name)
      record.scm_branch = branch
      p:save(owner, name, record)
    end)
  end
  return record, head
end

-- Creating ---------------------------------------------------------------

local function commits(record, owner, author, language)
  local files = template.files({ owner = owner, name = record.name,
    language = language, license = record.settings.license,
    time = record.created_seconds })
  for _, f in ipairs(files) do
    if f.path == "algorithmia.conf" then
      f.data = f.data:gsub(',\n  "submitted_at" : %d+', "")
    end
  end
  return { { message = "Initial commit", author = author,
    time = record.created_seconds, files = { { path = "README.md",
      mode = "100644", data = "# " .. record.name .. "\n" } } },
    { message = "Adding Algorithmia files", author = author,
      time = record.created_seconds, files = files } }
end

--- Takes the repository at the host for a new algorithm. A cluster makes it;
--- here somebody prepared it, empty or with its first commits.
---@async
---@return string|nil head
function M.make(p, owner, chosen, record, author, language)
  local at = connection(p, chosen.source)
  local store = p.store
  local fresh = store.dir .. "/run/new-" .. sys.random_hex(8) .. ".git"
  git.init(fresh, store.hooks)
  local head, branch, why = git.remote_head(at)
  if why then
    fs.remove_tree(fresh)
    reject(400, 1008, "the SCM could not create the repository: %s", why)
  end
  local code, errors
  if head then
    code, errors = git.fetch_head(fresh, at)
  else
    branch = BRANCHES[chosen.scm.provider] or MASTER
    git.commit(fresh, commits(record, owner, author, language))
    code, errors = git.push_head(fresh, at, branch)
  end
  if code ~= 0 then
    fs.remove_tree(fresh)
    reject(400, 1008, "the SCM could not create the repository: %s",
      first_line(errors))
  end
  local repo = store:repo(owner, record.name)
  store:mkdir("git/" .. owner)
  fs.remove_tree(repo)
  err.check(fs.rename(fresh, repo))
  p.secured[repo] = true
  record.source, record.scm_branch = chosen.source, branch
  record.webhook_secret = sys.random_hex(20)
  return git.head(repo)
end

-- Afterwards -------------------------------------------------------------

--- GET …/scm/status.
---@param origin string Where the webhook is to call.
function M.status(p, record, origin)
  local doc = { scm_connection_status = "active" }
  if M.is_external(record) then
    doc.scm_connection_status = p.options.scm_status or "active"
    doc.repository_public_deploy_key = "ssh-ed25519 "
      .. sys.hash("sha256", record.id):sub(1, 40)
    doc.repository_webhook_secret = record.webhook_secret
    doc.repository_webhook_url = ("%s/v1/algorithms/%s/scm/webhook"):format(
      origin, record.id)
  end
  return doc
end

local function take_in(p, owner, name)
  p.store:locked("push:" .. owner .. "/" .. name, function()
    M.refresh(p, owner, name)
    build.head_changed(p, owner, name)
  end)
end

--- The host says that something was pushed: builds its head, if it is new, in
--- the background, as a webhook does not wait for that.
---@async
function M.pushed(p, owner, name)
  p.background(function()
    local ok, e = pcall(function()
      build.sleep(p, p.options.webhook_delay or 0)
      if not p.stopping then take_in(p, owner, name) end
    end)
    if not ok and not err.is(e, "cancelled") then
      log.warn("sandbox: the webhook of %s/%s: %s", owner, name, tostring(e))
    end
  end)
end

--- The commit a compile builds: the host's head as it is now.
---@async
---@return string|nil
function M.head(p, owner, name)
  return p.store:locked("push:" .. owner .. "/" .. name, function()
    local _, head = M.refresh(p, owner, name)
    return head
  end)
end

return M
