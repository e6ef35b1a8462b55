local err = require("godwit.err")
local fs = require("godwit.core.fs")
local json = require("godwit.core.json")
local sys = require("godwit.core.sys")
local build = require("godwit.cluster.platform.build")
local docs = require("godwit.cluster.platform.docs")
local git = require("godwit.cluster.platform.git")
local roles = require("godwit.cluster.platform.roles")
local rules = require("godwit.cluster.platform.rules")
local scm = require("godwit.cluster.platform.scm")
local template = require("godwit.cluster.platform.template")

--- The platform's behaviour over an archive: what a create, a push, a build,
--- a publish do and what they refuse. The archive driver calls it in place,
--- the sandbox adds HTTP, keys, paging and time.
---
--- A caller is {username=, kind="standard"|"admin"} or Platform.EVERYTHING.
--- Who may see or change what is decided here; what a key permits is decided
--- where keys are known.
local Platform = {}
Platform.__index = Platform

local M = {}

--- The caller who owns the folder itself.
M.EVERYTHING = { username = "", kind = "everything" }

local reject = rules.reject

--- An algorithm's record with what was last published worked in, and its
--- publishes. A publish writes versions.json first; should the process die
--- before the record follows, it follows here.
---@return table|nil record, table publishes
function Platform:load(owner, name)
  local record = self.store:record(owner, name)
  if not record then return nil, {} end
  local publishes = self.store:publishes(owner, name)
  for i = (record.publishes_applied or 0) + 1, #publishes do
    for section, patch in pairs(publishes[i].patch or {}) do
      for k, v in pairs(patch) do record[section][k] = v end
    end
    record.publishes_applied = i
  end
  return record, publishes
end

---@async
function Platform:save(owner, name, record)
  self.store:write(self.store:folder(owner, name) .. "/algorithm.json", record)
end

--- Checks a repository once per process before git works on it.
---@async
function Platform:secure(owner, name)
  local repo = self.store:repo(owner, name)
  if self.secured[repo] then return repo end
  self.store:locked("secure:" .. repo, function()
    if self.secured[repo] then return end
    if not fs.stat(repo) then
      reject(404, 1000, "algorithm %s/%s has no repository", owner, name)
    end
    git.secure(repo, self.store.hooks)
    self.secured[repo] = true
  end)
  return repo
end

-- Who may ----------------------------------------------------------------

--- True if a caller is the owner or a member of the owning organization.
function Platform:acts_for(caller, owner)
  if caller.kind == "everything" then return true end
  return caller.username == owner
    or self.store:role(owner, caller.username) ~= nil
end

local function is_public(publishes)
  for _, p in ipairs(publishes) do
    if p.settings.algorithm_callability == "public" then return true end
  end
  return false
end

--- True if a caller reads all that an owner does.
function Platform:sees(caller, owner)
  return self:acts_for(caller, owner) or roles.views(self, caller)
end

--- An algorithm as a caller sees it; refused as missing when they may not.
---@param bare? boolean The refusal has the bare shape of GET {ref}.
function Platform:find(caller, owner, name, bare)
  local record, publishes = self:load(owner, name)
  if record and (self:sees(caller, owner) or is_public(publishes)
    or caller.kind == "admin") then
    return record, publishes
  end
  if bare then
    error(err.new({ kind = "notfound", op = "platform", status = 404,
      code = 1000, message = "No such algorithm", bare = true,
      platform = true }), 0)
  end
  reject(404, 1000, "algorithm %s/%s not found", tostring(owner),
    tostring(name))
end

--- The same for what only its owner may do or see.
function Platform:own(caller, owner, name, bare)
  local record, publishes = self:find(caller, owner, name, bare)
  if not self:acts_for(caller, owner) then
    reject(403, 2001, "Caller is not authorized to perform the operation")
  end
  return record, publishes
end

--- The same for what is read only by its owner and who sees everything.
function Platform:look(caller, owner, name)
  local record, publishes = self:find(caller, owner, name)
  if not self:sees(caller, owner) then
    reject(403, 2001, "Caller is not authorized to perform the operation")
  end
  return record, publishes
end

-- Create, update, delete -------------------------------------------------

local function without_nulls(v)
  if type(v) ~= "table" then return v end
  local out = json.is_array(v) and json.array({}) or {}
  for k, x in pairs(v) do
    if x ~= json.null then out[k] = without_nulls(x) end
  end
  return out
end

function Platform:check_owner(caller, owner)
  local known = self.store:user(owner) or self.store:organization(owner)
  if not known then reject(404, 3000, "no account %s", tostring(owner)) end
  if not self:acts_for(caller, owner) then
    reject(403, 2001, "Caller is not authorized to perform the operation")
  end
end

--- The account that signs the template commit.
function Platform:author(caller, owner)
  local name = caller.username ~= "" and caller.username or owner
  local user = self.store:user(name)
  local org = not user and self.store:organization(name)
  return { name = name, email = user and user.email
    or org and org.org_email or name .. "@example.com" }
end

local function language_of(self, settings)
  if settings.language then return settings.language end
  local _, by_id = self.store:environments()
  local env = by_id[settings.algorithm_environment]
  return env and env.language and env.language.name or "python3"
end

local function make_repository(self, owner, name, record, author)
  local store = self.store
  local repo = store:repo(owner, name)
  local fresh = store.dir .. "/run/new-" .. sys.random_hex(8) .. ".git"
  git.init(fresh, store.hooks)
  git.commit(fresh, { {
    message = "Algorithmia initial commit", author = author,
    time = record.created_seconds,
    files = template.files({ owner = owner, name = name,
      language = language_of(self, record.settings),
      license = record.settings.license, time = record.created_seconds }),
  } })
  store:mkdir("git/" .. owner)
  fs.remove_tree(repo) -- a record is what makes an algorithm; this is a rest
  err.check(fs.rename(fresh, repo))
  self.secured[repo] = true
  return git.head(repo)
end

--- POST /v1/algorithms/OWNER. The record comes last: it makes the algorithm.
---@async
function Platform:create(caller, owner, body)
  body = without_nulls(body)
  self:check_owner(caller, owner)
  local name = body.name
  if not rules.is_algorithm(name) then
    reject(400, 6001, "name must be letters, digits and underscores, "
      .. "beginning with a letter, at most 64")
  end
  local details = rules.details(body, true)
  local settings = rules.settings(body, true)
  local _, environments = self.store:environments()
  local runtime = rules.runtime(body, environments,
    self.options.accept_unknown_environment, true)
  rules.check_license(settings)
  local elsewhere = scm.choose(self, caller, body)
  settings.algorithm_callability = nil
  settings.insights_enabled = settings.insights_enabled or false
  for k, v in pairs(runtime) do settings[k] = v end
  return self.store:locked(owner .. "/" .. name, function()
    if self.store:record(owner, name) then
      reject(400, 1002, "algorithm name %s is taken", name)
    end
    local now = self.now()
    local record = {
      id = sys.uuid(), name = name, owner = owner, details = details,
      settings = settings, source = { scm = "internal" },
      version_info = { sample_input = rules.version_info(body).sample_input },
      created = rules.time(now), created_seconds = now,
    }
    local author = self:author(caller, owner)
    record.template_commit = elsewhere and scm.make(self, owner, elsewhere,
      record, author, language_of(self, settings))
      or not elsewhere and make_repository(self, owner, name, record, author)
      or nil
    self.store:mkdir(self.store:folder(owner, name) .. "/builds")
    self:save(owner, name, record)
    self.store.ids[record.id] = { owner, name }
    return docs.hash(self, owner, record, {})
  end)
end

--- PUT /v1/algorithms/{ref}: sections replace only the keys they contain.
---@async
function Platform:update(caller, owner, name, body)
  body = without_nulls(body)
  self:own(caller, owner, name, true)
  local details = rules.details(body)
  local settings = rules.settings(body)
  local sample = rules.version_info(body).sample_input
  local _, environments = self.store:environments()
  local given = rules.section(body, "settings")
  local runtime = given.algorithm_environment and rules.runtime(body,
    environments, self.options.accept_unknown_environment)
  settings.algorithm_callability = nil
  return self.store:locked(owner .. "/" .. name, function()
    local record, publishes = self:load(owner, name)
    if not record then reject(404, 1000, "algorithm is gone") end
    for k, v in pairs(details) do record.details[k] = v end
    for k, v in pairs(settings) do record.settings[k] = v end
    if runtime then
      record.settings.language, record.settings.environment = nil, nil
      record.settings.algorithm_environment = runtime.algorithm_environment
    end
    rules.check_license(record.settings)
    if sample then record.version_info.sample_input = sample end
    self:save(owner, name, record)
    return docs.hash(self, owner, record, publishes)
  end)
end

--- DELETE /v1/algorithms/OWNER/ALGO.
---@async
function Platform:delete(caller, owner, name)
  local _, publishes = self:find(caller, owner, name)
  if caller.kind == "standard" then self:own(caller, owner, name) end
  if is_public(publishes) and caller.kind == "standard" then
    reject(403, 2001, "an algorithm with a public version stays")
  end
  self.store:locked(owner .. "/" .. name, function()
    local trash = self.store.dir .. "/run/trash-" .. sys.random_hex(8)
    err.check(fs.rename(self.store.dir .. "/"
      .. self.store:folder(owner, name), trash))
    local repo = self.store:repo(owner, name)
    self.secured[repo] = nil
    fs.remove_tree(repo)
    fs.remove_tree(("%s/run/versions/%s/%s"):format(self.store.dir, owner,
      name))
    fs.remove_tree(trash)
  end)
end

-- Reads ------------------------------------------------------------------

--- GET /v1/algorithms/{ref}: the most recently compiled version.
function Platform:get(caller, owner, name)
  local record, publishes = self:find(caller, owner, name, true)
  local all = self:sees(caller, owner) or caller.kind == "admin"
  local builds = self.store:builds(owner, name)
  for i = #builds, 1, -1 do
    local b = builds[i]
    local chosen = docs.published(publishes, b.commit_sha, not all)
    if b.status ~= "in-progress" and (all or chosen) then
      return docs.version(self, owner, record, publishes, b, chosen, true)
    end
  end
  return docs.hash(self, owner, record, publishes)
end

--- The builds of an algorithm, newest first.
function Platform:builds(caller, owner, name)
  local _, publishes = self:look(caller, owner, name)
  local builds, out = self.store:builds(owner, name), {}
  for i = #builds, 1, -1 do
    out[#out + 1] = { key = builds[i].seq,
      doc = docs.build(builds[i], publishes) }
  end
  return out
end

function Platform:build(caller, owner, name, id)
  local _, publishes = self:look(caller, owner, name)
  for _, b in ipairs(self.store:builds(owner, name)) do
    if b.build_id == id then return docs.build(b, publishes), b end
  end
  reject(404, 1010, "build not found")
end

--- The log of a finished build.
function Platform:logs(caller, owner, name, id)
  local _, b = self:build(caller, owner, name, id)
  local text = b.status ~= "in-progress"
    and self.store:log(owner, name, b.build_id)
  if not text then reject(404, 1011, "build logs not found") end
  return text
end

--- The versions, newest first: one entry per built commit, describing its
--- last build. Strangers see what was published publicly.
---@param filter {published?: boolean, callable?: boolean}
function Platform:versions(caller, owner, name, filter)
  local record, publishes = self:find(caller, owner, name)
  local own = self:sees(caller, owner)
  local builds = self.store:builds(owner, name)
  local seen, good, out = {}, {}, {}
  for _, b in ipairs(builds) do
    if b.status == "succeeded" then good[b.commit_sha] = true end
  end
  for i = #builds, 1, -1 do
    local b = builds[i]
    if good[b.commit_sha] and not seen[b.commit_sha]
      and b.status ~= "in-progress" then
      seen[b.commit_sha] = true
      local p = docs.published(publishes, b.commit_sha, not own)
      local public = p and p.settings.algorithm_callability == "public"
        or false
      local keep = own or p ~= nil
      if filter.published ~= nil and filter.published ~= (p ~= nil) then
        keep = false
      end
      if filter.callable ~= nil and filter.callable ~= public then
        keep = false
      end
      if keep then
        out[#out + 1] = { key = b.seq, doc = function()
          return docs.version(self, owner, record, publishes, b, p)
        end }
      end
    end
  end
  return out
end

--- One version by commit or by number.
function Platform:version(caller, owner, name, text)
  local record, publishes = self:find(caller, owner, name)
  local own = self:sees(caller, owner)
  local ref = rules.parse_ref(text)
  local builds = self.store:builds(owner, name)
  local sha, chosen
  if ref and ref.kind == "sha" then
    sha = ref.sha
    chosen = docs.published(publishes, sha, not own)
    if not own and not chosen then sha = nil end
  elseif ref and ref.kind == "version"
    and not self.options.versions_by_hash_only then
    for _, p in ipairs(publishes) do
      if p.version == ref.version and (own
        or p.settings.algorithm_callability == "public") then
        chosen, sha = p, p.commit
      end
    end
  end
  for i = #builds, 1, -1 do
    local b = builds[i]
    local fits = b.commit_sha == sha and b.status ~= "in-progress"
    if fits and chosen and ref.kind == "version" then
      fits = b.build_id == chosen.build_id
    end
    if fits then
      return docs.version(self, owner, record, publishes, b, chosen)
    end
  end
  reject(404, 1014, "version %s not found", tostring(text):sub(1, 60))
end

--- The commit of a version that may be cloned: a hash or a number.
function Platform:version_commit(caller, owner, name, text)
  local _, publishes = self:find(caller, owner, name)
  local own = self:acts_for(caller, owner)
  local ref = rules.parse_ref(text)
  for i = #publishes, 1, -1 do
    local p = publishes[i]
    if (own or p.settings.algorithm_callability == "public") and ref
      and (ref.sha == p.commit or ref.version == p.version) then
      return p.commit
    end
  end
  if own and ref and ref.kind == "sha" then
    for _, b in ipairs(self.store:builds(owner, name)) do
      if b.commit_sha == ref.sha then return ref.sha end
    end
  end
  reject(404, 1014, "version %s not found", tostring(text):sub(1, 60))
end

-- Compile, publish -------------------------------------------------------

--- A push changed the head of master: builds it.
---@async
---@return table job
function Platform:pushed(owner, name, commit)
  return build.start(self, owner, name, commit)
end

--- POST …/compile: builds the head again and waits.
---@async
function Platform:compile(caller, owner, name)
  local record = self:own(caller, owner, name)
  local head
  if scm.is_external(record) then
    head = scm.head(self, owner, name)
  else
    head = git.head(self:secure(owner, name))
  end
  if not head then reject(400, 2012, "%s/%s has no commit", owner, name) end
  local b = build.wait(build.start(self, owner, name, head))
  local now, publishes = self:load(owner, name)
  if not now then reject(404, 1000, "algorithm is gone") end
  return docs.version(self, owner, now, publishes, b, nil, true)
end

local function check_approval(self, caller, owner, wanted)
  if wanted ~= "public" or caller.kind == "everything"
    or caller.username == owner then
    return
  end
  if self.store:role(owner, caller.username) ~= "owner" then
    reject(403, 2001, "publishing publicly needs the approval of an "
      .. "administrator of %s", owner)
  end
end

--- POST …/versions: releases the newest build.
---@async
function Platform:publish(caller, owner, name, body)
  body = without_nulls(body)
  self:own(caller, owner, name)
  local info = rules.version_info(body)
  local step = rules.version_step(info.version_type)
  local given, details = rules.settings(body), rules.details(body)
  return self.store:locked(owner .. "/" .. name, function()
    local record, publishes = self:load(owner, name)
    if not record then reject(404, 1000, "algorithm is gone") end
    local builds = self.store:builds(owner, name)
    local newest, last = builds[#builds], publishes[#publishes]
    if not newest or newest.status ~= "succeeded" then
      reject(400, 2012, "there is no successful build to publish")
    end
    for _, p in ipairs(publishes) do
      if p.build_id == newest.build_id then
        reject(400, 1007, rules.ALREADY_PUBLISHED)
      end
    end
    local settings = rules.permissions(given, record.settings, last, step)
    check_approval(self, caller, owner, settings.algorithm_callability)
    local patch = { details = details, settings = {
      source_visibility = given.source_visibility, license = given.license,
      network_access = given.network_access,
      pipeline_enabled = given.pipeline_enabled,
    }, version_info = { sample_input = info.sample_input } }
    local merged = setmetatable({}, { __index = record.settings })
    for k, v in pairs(patch.settings) do merged[k] = v end
    rules.check_license(merged)
    local snapshot = {}
    for k, v in pairs(record.settings) do snapshot[k] = v end
    for k, v in pairs(patch.settings) do snapshot[k] = v end
    for k, v in pairs(settings) do snapshot[k] = v end
    snapshot.insights_enabled = info.insights_enabled
      or given.insights_enabled or false
    local labels = {}
    for k, v in pairs(record.details) do labels[k] = v end
    for k, v in pairs(details) do labels[k] = v end
    publishes[#publishes + 1] = {
      version = rules.next_version(last and last.version, step),
      build_id = newest.build_id, commit = newest.commit_sha,
      version_uuid = newest.version_uuid,
      published_at = rules.time(self.now()), by = caller.username,
      release_notes = info.release_notes,
      sample_input = info.sample_input or record.version_info.sample_input,
      sample_output = info.sample_output,
      insights_enabled = info.insights_enabled or false,
      settings = snapshot, details = labels, patch = patch,
    }
    self.store:write_publishes(owner, name, publishes)
    record = self:load(owner, name)
    self:save(owner, name, record)
    return docs.version(self, owner, record, publishes, newest, nil, true)
  end)
end

-- Everything at once -----------------------------------------------------

--- Owner and name of a reference: OWNER/NAME, .my/NAME or an id.
function Platform:by_id(id)
  local owner, name = self.store:by_id(id)
  if not owner then
    error(err.new({ kind = "notfound", op = "platform", status = 404,
      code = 1000, message = "No such algorithm", bare = true,
      platform = true }), 0)
  end
  return owner, name
end

--- GET /v1/users/OWNER/algorithms.
function Platform:list(caller, owner)
  if not self.store:user(owner) and not self.store:organization(owner) then
    reject(404, 3000, "no account %s", tostring(owner))
  end
  local out = json.array({})
  local all = self:sees(caller, owner) or caller.kind == "admin"
  for _, name in ipairs(self.store:algorithm_names(owner)) do
    local record, publishes = self:load(owner, name)
    if record and (all or is_public(publishes)) then
      out[#out + 1] = { id = record.id, algoname = name, username = owner }
    end
  end
  return out
end

--- Builds of every algorithm that a killed process left undone.
---@async
function Platform:recover()
  local all = {}
  self.store:each_algorithm(function(owner, name)
    all[#all + 1] = { owner, name }
  end)
  for _, a in ipairs(all) do build.recover(self, a[1], a[2]) end
end

--- Once more, after what could still run has ended.
---@async
function Platform:overtake()
  local all = {}
  self.store:each_algorithm(function(owner, name)
    all[#all + 1] = { owner, name }
  end)
  for _, a in ipairs(all) do build.overtake(self, a[1], a[2]) end
end

--- The platform over an opened archive.
---@param store table From platform/store.
---@param opts? {now?: (fun(): number), build_seconds?: number,
---  background?: fun(fn: function), options?: table, api?: string,
---  hosts?: fun(): table, keys?: table} hosts: what opens the Git hosts, by
---  origin; keys: those of platform/keys.
function M.new(store, opts)
  opts = opts or {}
  return setmetatable({
    store = store, now = opts.now or sys.time,
    build_seconds = opts.build_seconds or 0,
    background = opts.background, options = opts.options or {},
    hosts = opts.hosts,
    api = opts.api, keys = opts.keys, claims = {}, sleepers = {}, jobs = {},
    secured = {}, errors = {},
  }, Platform)
end

return M
