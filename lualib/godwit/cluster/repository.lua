local err = require("godwit.err")
local json = require("godwit.core.json")
local limiter = require("godwit.limiter")
local url = require("godwit.core.http").url

--- cluster.repository: where an algorithm's repository is, and what opens it.
---
--- Most are the cluster's own. The others are kept at a Git host (an external
--- SCM): the algorithm's document names the place, the profile's `hosts` has
--- the credential. What a document says is checked here before anything goes
--- there; a credential goes to its own host only, which C sees to.
local M = {}

local LONGEST = 2000
--- What a push to an empty repository makes there.
M.FIRST_BRANCH = "refs/heads/main"
--- The branch a cluster's own repositories have.
M.MASTER = "refs/heads/master"

---@class godwit.cluster.Place
---@field url string       Of the repository, without user or credential
---@field origin string    scheme://host:port of it
---@field provider string  github, gitlab, bitbucket, …
---@field scm string       The SCM's name for people

local function text(section, key)
  local v = type(section) == "table" and section ~= json.null and section[key]
  return type(v) == "string" and v ~= "" and v or nil
end

--- Whether a document says that the code is kept elsewhere.
---@param doc table
---@return table|nil scm, table|nil source
function M.external_scm(doc)
  local source = type(doc) == "table" and doc.source
  local scm = type(source) == "table" and source.scm
  if type(scm) == "string" then
    scm = { id = scm }
  end
  local provider = text(scm, "provider") or text(scm, "id")
  if not provider or provider == "internal" then
    return nil
  elseif not text(scm, "provider")
    and not text(source, "repository_https_url") then
    return nil
  end
  return scm, source
end

local function loopback(host)
  return host == "localhost" or host == "::1" or host == "[::1]"
    or host:find("^127%.%d+%.%d+%.%d+$") ~= nil
end

-- Why an address is not used; nil when it may be.
local function flaw(given, parts)
  if #given > LONGEST then
    return "it is too long"
  elseif given:find("[%s%c\\\"<>]") then
    return "there is a blank or a control character in it"
  elseif not parts or parts.scheme ~= "https" and parts.scheme ~= "http" then
    return "it is no https address"
  elseif parts.scheme == "http" and not loopback(parts.host or "") then
    return "it is not https"
  elseif parts.query or given:find("[?#]") then
    return "it has a '?' or '#'"
  elseif not (parts.path or ""):find("^/[^/]") then
    return "it names no repository"
  end
  local path = given:match("^%a+://[^/]*(/.*)$") -- before any tidying up
  for segment in (url.decode(path) or "/.."):gmatch("[^/]+") do
    if segment == "." or segment == ".." then
      return "its path leads elsewhere"
    end
  end
  return nil
end

-- Some hosts put the name of the account into the address they show. A name
-- is taken out, a password is somebody's mistake.
local function without_user(given)
  local authority = given:match("^%a[%w+.-]*://([^/?#]*)@")
  if authority and authority:find(":", 1, true) then
    return nil
  end
  return (given:gsub("^(%a[%w+.-]*://)[^/?#]*@", "%1"))
end

--- A repository's address as it is used. Raises "refused" for one that is
--- not: it came from a server.
---@param given string
---@param whose string  Named in the error
---@return string url, string origin
function M.check_url(given, whose)
  local plain = without_user(given)
  if not plain then
    err.throw("refused", "the address the cluster gives for the repository of "
      .. "%s has a password in it; take it out there", whose)
  end
  local parts = url.parse(plain)
  local why = flaw(plain, parts)
  if why then
    err.throw("refused", "the address the cluster gives for the repository of "
      .. "%s is not used: %s (%s)", whose, why,
      (plain:sub(1, 200):gsub("[%c]", "?")))
  end
  return (plain:gsub("/+$", "")), parts.origin
end

--- Where a document says the repository is; nil: at the cluster itself.
---@param doc table
---@param whose string
---@return godwit.cluster.Place|nil
function M.place(doc, whose)
  local scm, source = M.external_scm(doc)
  if not scm then
    return nil
  end
  local name = text(scm, "name") or text(scm, "id") or text(scm, "provider")
  local given = text(source, "repository_https_url")
  if not given then
    err.throw("refused", "the code of %s is kept at %s, and the cluster does "
      .. "not say in which repository (repository_https_url)", whose, name)
  end
  local where, origin = M.check_url(given, whose)
  return { url = where, origin = origin, scm = name,
    provider = text(scm, "provider") or text(scm, "id") }
end

--- Raises "refused" when a cluster elsewhere names a repository on this
--- machine: what listens here is not a stranger's to have asked. Who means it
--- names it in the profile's `hosts`.
---@param driver table
---@param place godwit.cluster.Place
---@param whose string
function M.check_reach(driver, place, whose)
  local own = url.parse(driver.address.api)
  local there = url.parse(place.url)
  if loopback(there.host or "") and not loopback(own and own.host or "")
    and not (driver.profile.hosts or {})[place.origin] then
    err.throw("refused", "the address the cluster gives for the repository of "
      .. "%s is this machine's own (%s); if it is meant, %s", whose, place.url,
      M.how_to_open(driver, place.origin))
  end
end

--- One repository, whatever the spelling of its address: to compare with.
---@param where string
---@return string
function M.same(where)
  local parts = url.parse(where)
  local path = parts and url.decode(parts.path or "") or ""
  return (parts and parts.origin or where)
    .. path:gsub("/+$", ""):gsub("%.git$", "")
end

--- An origin as people write it.
---@param origin string
---@return string
function M.show_origin(origin)
  return (origin:gsub("^(https://.*):443$", "%1"):gsub("^(http://.*):80$", "%1"))
end

--- What a person adds so that a host is opened.
---@param driver table
---@param origin string
---@return string
function M.how_to_open(driver, origin)
  origin = M.show_origin(origin)
  return ("add to the profile '%s': hosts = { [%q] = { user = \"NAME\", "
    .. "key = env \"TOKEN\" } }"):format(driver.name, origin)
end

--- The remote of a repository at a host. Its limiter is the host's own.
---@param driver table
---@param place godwit.cluster.Place
---@param label string
---@return table
function M.remote(driver, place, label)
  local profile = driver.profile
  local host = (profile.hosts or {})[place.origin] or {}
  local remote = { url = place.url, proxy = profile.proxy,
    no_proxy = profile.no_proxy, limiter = limiter.of("git " .. place.origin),
    tls = { ca = host.ca }, label = label }
  if host.key then
    remote.auth, remote.auth_scheme = host.key, host.scheme or "Basic"
    remote.auth_user = remote.auth_scheme == "Basic"
      and (host.user or "git") or nil
  end
  return remote
end

--- Raises "auth" when there is nothing to write to a host with.
---@param driver table
---@param place godwit.cluster.Place
---@param what string  "push to acme/Hello"
function M.check_writable(driver, place, what)
  local host = (driver.profile.hosts or {})[place.origin]
  if not host or not host.key then
    err.throw("auth", "cannot %s: its code is at %s, and there is no "
      .. "credential for it; %s", what, place.url,
      M.how_to_open(driver, place.origin))
  end
end

--- A failure of a host, with what a person can do about it.
---@param driver table
---@param place godwit.cluster.Place
---@param e any
---@return any
function M.explain(driver, place, e)
  if not err.is(e, "auth") and not err.is(e, "notfound") then
    return e
  end
  local host = (driver.profile.hosts or {})[place.origin]
  if host and host.key then
    return err.wrap(e, ("%s, asked with the credential of the profile '%s' "
      .. "for %s"):format(place.url, driver.name, M.show_origin(place.origin)))
  end
  return err.wrap(e, ("%s, asked without a credential; if it needs one, %s")
    :format(place.url, M.how_to_open(driver, place.origin)))
end

-- Which branch and commit a list of references names.
local function tip_of(refs, head, place)
  if head and refs[head] then
    return { commit = refs[head], branch = head }
  elseif next(refs) == nil then
    return { branch = head or M.FIRST_BRANCH }
  end
  err.throw("refused", "%s has branches but no default one%s; set it at the "
    .. "host", place.url, head and (" (HEAD names %s, which is not there)")
    :format(head) or "")
end

--- The tip of a host's default branch, out of what it lists for reading and,
--- for a push, for writing: only the first tells which branch is the default.
---@param read table   From git.ls_remote
---@param write? table
---@param place godwit.cluster.Place
---@return { commit: string?, branch: string, advert: any }
function M.tip(read, write, place)
  local listed = write or read
  local head = read.head
  if write and not head and next(read.refs) == nil and next(write.refs) then
    head = next(write.refs) -- it came between the two questions
  end
  local tip = tip_of(listed.refs, head, place)
  tip.advert = listed.advert
  return tip
end

--- Where an algorithm's repository is, remembered from any document of it
--- that passes by: one repository is never asked for twice.
---@class godwit.cluster.Places
---@field private known table<string, table|false>
local Places = {}
Places.__index = Places

---@return godwit.cluster.Places
function M.places()
  return setmetatable({ known = {} }, Places)
end

--- Takes note of a document.
---@param owner string
---@param name string
---@param doc any
function Places:learn(owner, name, doc)
  if type(doc) == "table" and doc.source ~= nil then
    self.known[owner .. "/" .. name] = M.external_scm(doc)
      and { doc = { source = doc.source } } or false
  end
end

--- Forgets an algorithm: it is about to be made.
function Places:forget(owner, name)
  self.known[owner .. "/" .. name] = nil
end

--- The place: a table, false for the cluster's own, nil when not known.
---@param owner string
---@param name string
---@param whose string
---@return godwit.cluster.Place|false|nil
function Places:get(owner, name, whose)
  local found = self.known[owner .. "/" .. name]
  if not found then
    return found
  end
  found.place = found.place or M.place(found.doc, whose)
  return found.place
end

return M
