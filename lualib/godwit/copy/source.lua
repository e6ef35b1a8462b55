--- source: an algorithm as a promotion finds it where it comes from: its
--- document, the commit that is meant, its files. One for all destinations:
--- whoever asks first reads, the others get what was read.

local address = require("godwit.cluster.address")
local err = require("godwit.err")
local fetch = require("godwit.copy.fetch")
local findings = require("godwit.copy.findings")
local key = require("godwit.copy.key")
local memo = require("godwit.memo")
local moved = require("godwit.copy.moved")
local ref = require("godwit.copy.ref")
local references = require("godwit.copy.references")
local scm = require("godwit.copy.scm")
local retry = require("godwit.http.retry")
local settings = require("godwit.copy.settings")
local suggest = require("godwit.config.suggest")
local tree = require("godwit.copy.tree")
local version = require("godwit.cluster.version")

local M = {}

---@class godwit.copy.Source: godwit.copy.Findings
---@field driver table
---@field owner string
---@field name string
---@field ref string "OWNER/NAME"
---@field revision godwit.copy.Revision
---@field algorithm? table Its document.
---@field tip? table What `git_tip` says.
---@field place? godwit.cluster.Place Where its code is, if not at the cluster.
---@field commit? string The one that is promoted.
---@field version? string Its number, if it is published.
---@field doc? table That version's document.
---@field ahead_of? string The latest published version, when the head is newer.
---@field info? table The commit, once it is fetched.
---@field tree? string
---@field readme? boolean
---@field references? godwit.copy.Reference[] What its code names, once that was asked for.
---@field keep_versions? boolean Whether `versions` is kept.
---@field versions? table[] Every published one.
local Source = {}
Source.__index = Source
for name, method in pairs(findings.methods) do
  Source[name] = method
end

--- A source; nothing is read yet.
---@param driver table
---@param owner string
---@param name string
---@param revision godwit.copy.Revision
---@return godwit.copy.Source
function M.new(driver, owner, name, revision)
  return setmetatable({
    driver = driver, owner = owner, name = name, revision = revision,
    ref = owner .. "/" .. name,
    problems = {}, warnings = {}, unknowable = {}, memo = memo.new(),
  }, Source)
end

local function info(doc, name)
  return settings.present(doc.version_info, name)
end

local function newest_of(published)
  local i = 0
  return (version.latest(function()
    i = i + 1
    return published[i]
  end))
end

--- Every published version there is.
---@async
---@return table[]
function M.published(driver, owner, name)
  local list = {}

  for doc in driver:each_version(owner, name, { published = true }) do
    if info(doc, "semantic_version") then
      list[#list + 1] = doc
    end
  end
  return list
end

--- The one with the highest number.
---@param published table[]
---@return table?
function M.newest(published)
  return newest_of(published)
end

-- which commit -----------------------------------------------------------

local function find(published, name, value)
  for _, doc in ipairs(published) do
    if info(doc, name) == value then
      return doc
    end
  end
end

local function found(doc)
  return { commit = info(doc, "git_hash"),
    version = info(doc, "semantic_version"), doc = doc }
end

local resolve = {}

function resolve.head(source, tip, published)
  local latest = newest_of(published)
  local out = { commit = tip.commit }

  if not tip.commit then
    err.throw("refused", "%s has no commit", source.ref)
  end
  if latest and info(latest, "git_hash") == tip.commit then
    out.version, out.doc = info(latest, "semantic_version"), latest
  elseif latest then
    out.ahead_of = info(latest, "semantic_version")
  end
  return out
end

function resolve.latest(source, _, published)
  local doc = newest_of(published)
  if not doc then
    err.throw("refused", "%s has no published version", source.ref)
  end
  return found(doc)
end

function resolve.version(source, _, published)
  local doc = find(published, "semantic_version", source.revision.value)
  if not doc then
    -- A commit published twice is listed under its last number only.
    local ok, e = pcall(source.driver.get_version, source.driver, source.owner,
      source.name, source.revision.value)
    if not ok and not err.is(e, "notfound") then
      error(e, 0)
    end
    doc = ok and e or nil
  end
  if not doc then
    err.throw("refused", "%s has no published version %s", source.ref,
      source.revision.value)
  end
  return found(doc)
end

-- The whole id of a commit given by its first digits: the head, or one of
-- those that were built, published or not.
local function complete(source, tip, digits)
  local ids, list = {}, {}

  local function add(id)
    if id and id:sub(1, #digits) == digits and not ids[id] then
      ids[id], list[#list + 1] = true, id
    end
  end
  add(tip.commit)
  for doc in source.driver:each_version(source.owner, source.name, {}) do
    add(info(doc, "git_hash"))
  end
  if #list > 1 then
    err.throw("refused", "%s has several commits that begin with %s: %s",
      source.ref, digits, table.concat(list, ", "))
  elseif #list == 0 then
    err.throw("refused", "%s has no built commit that begins with %s; another "
      .. "one needs all 40 digits", source.ref, digits)
  end
  return list[1]
end

function resolve.commit(source, tip, published)
  local id = source.revision.value

  if #id < 40 then
    id = complete(source, tip, id)
  end
  local doc = find(published, "git_hash", id)
  return doc and found(doc) or { commit = id }
end

function resolve.tag(source, _, published)
  local tag = source.revision.value
  local tags = source.driver:git_tags(source.owner, source.name)
  local id = tags[tag]

  if not id then
    local known = suggest.names(tags)
    err.throw("refused", "%s has no tag %s%s", source.ref, tag,
      suggest.hint(tag, { "head", "latest", table.unpack(known, 1,
        math.min(#known, 1000)) }))
  end
  local doc = find(published, "git_hash", id)
  local out = doc and found(doc) or { commit = id }
  out.tag = tag
  return out
end

-- reading ----------------------------------------------------------------

-- Both at once: what is asked of a repository that turns out not to be there,
-- or to be kept elsewhere, is not looked at.
local function read(self)
  local driver, owner, name = self.driver, self.owner, self.name
  local got = findings.together({
    key = key.try(driver, owner),
    doc = function()
      return driver:try_get_algorithm(owner, name) or err.throw("refused",
        "%s has no algorithm %s, or this key may not see it", driver.name,
        self.ref)
    end,
    tip = function()
      return driver:git_tip(owner, name, { service = "upload-pack",
        guess = true })
    end,
  })

  if not self:take(key.what(driver, owner), got.key) then
    return
  end
  local where = self.ref .. " on " .. driver.name
  local doc = self:take(where, got.doc)
  if not doc then
    return
  end
  self.algorithm = doc
  local what = "the repository of " .. self.ref
  if scm.is_external(doc) then
    self.tip = self:read(what, function()
      self.place = driver:git_place(owner, name)
      return driver:git_tip(owner, name, { service = "upload-pack" })
    end)
  else
    self.tip = self:take(what, got.tip)
  end
  if self.tip and self.revision.kind == "head" then
    self.commit = self.tip.commit
  end
end

-- Whoever asks first reads, but what failed in passing is not kept: it need not
-- happen to the next destination, too. Who met it takes it before anybody else
-- can read again.
local function once(self, what, fn)
  self.memo:get(what, function()
    self.failure = nil
    fn(self)
    return true, self.failure ~= nil and self.failure.retryable
  end)
end

--- Reads the document and the tip.
---@async
function Source:read_basics()
  once(self, "basics", read)
end

local function settle(self)
  local what = "the versions of " .. self.ref
  local published = self.tip and self:read(what, function()
    return M.published(self.driver, self.owner, self.name)
  end)
  local out = published and self:read(what, function()
    return resolve[self.revision.kind](self, self.tip, published)
  end)

  self.versions = self.keep_versions and published or nil
  for k, v in pairs(out or {}) do
    self[k] = v
  end
  if out and out.ahead_of then
    self:warn("the head of %s (%s) is newer than its latest published "
      .. "version %s", self.ref, out.commit:sub(1, 10), out.ahead_of)
  end
end

--- Finds the commit that was asked for, with its version.
---@async
function Source:settle()
  once(self, "settled", settle)
end

-- files ------------------------------------------------------------------

local function fetch_version(self, store, wanted)
  local ok, e = pcall(fetch.fetch, self.driver, self.owner, self.name, store,
    { commit = self.commit, version = wanted })
  if not ok then
    e = err.from(e)
    if e.kind ~= "notfound" then
      error(e, 0)
    end
  end
  return store:has(self.commit)
end

-- A tag may name a commit beside the main branch.
local function fetch_tag(self, store)
  retry.run(function()
    self.driver:git_fetch(self.owner, self.name, store.raw, {
      refs = { "refs/tags/" .. self.tag },
      into = address.fetched(self.driver.id, self.owner, self.name,
        "tags/" .. self.tag) })
  end, function(e)
    return e.retryable
  end)
  return store:has(self.commit)
end

-- The history, and the commit asked for. A commit that the main branch does
-- not reach is looked for under its version's URL.
local function fetch_history(self, store, progress)
  local tip = self.tip

  if tip.commit and not store:has(tip.commit) then
    local tell = moved.teller("down")
    progress("fetch", self.commit:sub(1, 10))
    fetch.fetch(self.driver, self.owner, self.name, store, {
      commit = tip.commit, advert = tip.advert,
      progress = function(news)
        progress("fetch", tell(news))
      end,
    })
  end
  if store:has(self.commit) or (self.tag and fetch_tag(self, store))
      or (self.version and fetch_version(self, store, self.version))
      or fetch_version(self, store, self.commit) then
    return
  end
  err.throw("refused", "%s has no commit %s (asked for %s)", self.ref,
    self.commit, ref.show(self.revision))
end

local function plural(n, one, many)
  return n == 1 and one or many
end

local function scan(self, store)
  local seen = store:scan(self.tree)

  if #seen.lfs > 0 then
    self:warn("%d file%s Git LFS pointer%s, whose contents stay behind: %s",
      #seen.lfs, plural(#seen.lfs, " is a", "s are"),
      plural(#seen.lfs, "", "s"), table.concat(seen.lfs, ", ", 1,
        math.min(#seen.lfs, 10)))
  end
  if #seen.submodules > 0 then
    self:warn("submodule%s stay%s a reference to another repository: %s",
      plural(#seen.submodules, "", "s"), plural(#seen.submodules, "s", ""),
      table.concat(seen.submodules, ", ", 1, math.min(#seen.submodules, 10)))
  end
end

--- Gets the history and the commit's files into the store, and checks that
--- they are safe to promote.
---@async
---@param store table From copy.store.
---@param progress fun(phase: string, detail: string?)
function Source:fetch(store, progress)
  if self.tree and not store:has(self.commit) then
    self:forget_files() -- they came into another store than this one
  end
  self.memo:get("fetched", function()
    fetch_history(self, store, progress)
    local commit = store:commit(self.commit)
    local ok, e = store.raw:check_tree(commit.tree)
    if not ok then
      err.throw("refused", "the files of %s at %s are not safe to promote: %s",
        self.ref, self.commit:sub(1, 10), err.from(e).message)
    end
    self.info, self.tree = commit, commit.tree
    self.readme = tree.has_readme(store, commit.tree)
    scan(self, store)
    return true
  end)
end

--- Reads what the code names: collections and other algorithms. Fetched first.
---@async
---@param store table From copy.store.
function Source:read_references(store)
  self.memo:get("references", function()
    self.references = references.in_document(self.algorithm,
      self:sample_input(), references.in_tree(store, self.tree))
    return true
  end)
end

--- Forgets that it was fetched: its store is gone.
function Source:forget_files()
  self.memo:forget("fetched")
end

--- The sample input that goes with the commit.
---@return string?
function Source:sample_input()
  local own = self.doc and info(self.doc, "sample_input")
  return own or info(self.algorithm, "sample_input")
end

return M
