local body = require("godwit.cluster.body")
local effect = require("godwit.effect")
local err = require("godwit.err")
local repository = require("godwit.cluster.repository")
local unknown = require("godwit.unknown")
local version = require("godwit.cluster.version")

--- cluster.overlay.writes: what the platform would make of a write, without
--- writing. Methods of the overlay driver.
---
--- It follows the contract: a created algorithm has a template commit and no
--- build, a push is built at once and the build is assumed to succeed, a
--- publish takes the newest build, once. It refuses what the platform is known
--- to refuse; what it cannot know it does not invent.
local M = {}
local Writes = {}
M.methods = Writes

local MASTER = "refs/heads/master"

-- The platform's codes for what it refuses.
local TAKEN, PUBLISHED, BAD_BUILD, INVALID, BAD_INPUT =
  1002, 1007, 2012, 2015, 6001

--- Raises as the cluster would.
---@param kind string
---@param status integer
---@param code integer
---@param fmt string
function M.refuse(kind, status, code, fmt, ...)
  error(err.new({ kind = kind, status = status, code = code,
    message = "the cluster would refuse this: " .. fmt:format(...) }), 0)
end

local refuse = M.refuse

--- What is pretended of an algorithm, made when there is nothing yet.
---@return godwit.cluster.Pretended
function M.state_of(overlay, owner, name)
  local ref = owner .. "/" .. name
  local p = overlay.state[ref]
  if not p then
    p = { owner = owner, name = name, builds = {}, versions = {},
      pushed = {} }
    overlay.state[ref] = p
  end
  return p
end

local state_of = M.state_of

--- Plans a write. `target`: of what, if not of the algorithm itself.
---@async
---@param overlay godwit.cluster.Overlay
---@param kind string
---@param owner string
---@param name string
---@param detail table
---@param pretend fun(): any
---@param target? string
---@return any
function M.perform(overlay, kind, owner, name, detail, pretend, target)
  local at = #effect.planned
  local result = effect.perform({
    kind = kind,
    target = target or overlay.name .. ":" .. owner .. "/" .. name,
    cluster = overlay, detail = detail, plan = true,
    write = function()
      err.throw("bug", "the overlay does not write")
    end,
    pretend = pretend,
  })
  overlay.entries[#overlay.entries + 1] = effect.planned[at + 1]
  return result
end

local perform = M.perform

-- An algorithm must be there before anything can be done to it.
local function existing(overlay, owner, name)
  return overlay:get_algorithm(owner, name)
end

local function check_license(settings)
  local license = settings.license
  if settings.source_visibility == "closed" and license
    and license ~= "apl" then
    refuse("remote", 400, BAD_INPUT,
      "the license %s demands open source", tostring(license))
  end
end

local function created_document(ref, sent)
  local scm = sent.source and sent.source.scm or "internal"
  local doc = body.merge({
    id = unknown.new("the id of " .. ref),
    name = sent.name,
    details = { label = sent.name },
    settings = { algorithm_callability = "private" },
    resource_type = "algorithm",
  }, { details = sent.details, settings = sent.settings })
  doc.settings.algorithm_callability = "private" -- until a public publish
  doc.source = { scm = { id = scm,
    provider = scm == "internal" and scm or nil } }
  if sent.version_info and sent.version_info.sample_input then
    doc.version_info = { sample_input = sent.version_info.sample_input }
  end
  return doc
end

---@async
function Writes:create_algorithm(owner, request)
  local sent = body.clean(request)
  local name = sent.name
  local ref = owner .. "/" .. name
  if self:view(owner, name) then
    refuse("exists", 400, TAKEN, "%s exists already", ref)
  end
  check_license(sent.settings or {})
  return perform(self, "algorithm.create", owner, name, sent, function()
    local p = state_of(self, owner, name)
    p.created = created_document(ref, sent)
    p.tip = { template = true, branch = MASTER,
      commit = unknown.new("the template commit of " .. ref) }
    return body.copy(p.created)
  end)
end

---@async
function Writes:update_algorithm(owner, name, patch)
  local was = existing(self, owner, name)
  local sent = body.update(was, patch)
  check_license(sent.settings or {})
  local detail = { from = body.counterpart(was, sent), to = sent }
  return perform(self, "algorithm.update", owner, name, detail, function()
    local p = state_of(self, owner, name)
    local change = { details = sent.details, settings = sent.settings }
    if p.created then
      p.created = body.merge(p.created, change)
    else
      p.patch = body.merge(p.patch or {}, change)
    end
    local doc = self:get_algorithm(owner, name)
    -- This answer is about the algorithm, not about one of its versions.
    doc.version_info, doc.build, doc.compilation = nil, nil, nil
    doc.self_link = nil
    return doc
  end)
end

-- A build that is assumed to succeed, and the version every build makes.
local function add_build(overlay, owner, name, commit)
  local p = state_of(overlay, owner, name)
  local what = owner .. "/" .. name
  local build = {
    build_id = unknown.new("the build of " .. what),
    status = "succeeded",
    commit_sha = commit,
    started_at = unknown.new("the time of the build of " .. what),
    finished_at = unknown.new("the time of the build of " .. what),
    resource_type = "algorithm_build",
  }
  local doc = overlay:get_algorithm(owner, name)
  doc.version_info = { git_hash = commit,
    version_uuid = unknown.new("the version's id") }
  doc.build, doc.self_link = build, nil
  doc.compilation = { successful = true, output = "" }
  table.insert(p.builds, 1, build)
  table.insert(p.versions, 1, doc)
  return doc
end

---@async
function Writes:compile(owner, name)
  existing(self, owner, name)
  local tip = self:git_tip(owner, name)
  if tip.commit == nil then
    refuse("remote", 400, BAD_BUILD, "%s/%s has no commit", owner, name)
  end
  return perform(self, "algorithm.compile", owner, name,
    { commit = tip.commit }, function()
      return body.copy(add_build(self, owner, name, tip.commit))
    end)
end

local function check_expected(overlay, owner, name, tip, expected)
  local open = unknown.is(tip) or unknown.is(expected)
  if not open and tip ~= expected then
    err.throw("conflict", "%s:%s/%s is at %s, not at %s: the push would be"
      .. " refused", overlay.name, owner, name, tip or "no commit",
      expected or "no commit")
  end
end

---@async
function Writes:push(owner, name, opts)
  existing(self, owner, name)
  local place = self:git_place(owner, name)
  if place then
    repository.check_writable(self, place, "push to " .. self.name .. ":"
      .. owner .. "/" .. name)
  end
  local tip = self:git_tip(owner, name)
  local main = tip.branch
  local ref = opts.ref or main
  if ref == main then
    check_expected(self, owner, name, tip.commit, opts.expected)
  end
  local detail = { ref = ref, from = opts.expected, commit = opts.commit,
    repository = place and place.url }
  return perform(self, "git.push", owner, name, detail, function()
    local p = state_of(self, owner, name)
    if ref == main then
      p.tip = { commit = opts.commit, branch = main }
      add_build(self, owner, name, opts.commit)
    end
    if not unknown.is(opts.commit) then
      p.pushed[opts.commit] = true
      p.store_path = opts.store:path()
    end
    return { messages = "" }
  end)
end

local PERMISSIONS = { "algorithm_callability", "network_access",
  "pipeline_enabled" }

local function check_step(latest, sent)
  local step = sent.version_info and sent.version_info.version_type
  if step == "major" or not latest then
    return
  end
  local was = latest.settings or {}
  for _, key in ipairs(PERMISSIONS) do
    local wanted = sent.settings and sent.settings[key]
    if wanted ~= nil and was[key] ~= nil and wanted ~= was[key] then
      refuse("remote", 400, INVALID,
        "a change of %s needs a major version", key)
    end
  end
end

local function publishable(overlay, owner, name)
  local build = overlay:each_build(owner, name)()
  if not build or build.status ~= "succeeded" then
    refuse("remote", 400, BAD_BUILD,
      "the newest build of %s/%s is %s", owner, name,
      build and build.status or "not there")
  elseif build.version_info and build.version_info.semantic_version then
    refuse("conflict", 400, PUBLISHED,
      "%s/%s: the newest build is published already", owner, name)
  end
  return build
end

-- Highest known number; an unknown one makes every later number unknown.
local function latest_published(overlay, owner, name)
  local p = overlay:pretended(owner, name)
  for _, doc in ipairs(p and p.versions or {}) do
    local number = doc.version_info.semantic_version
    if number ~= nil then
      return doc, not unknown.is(number)
    end
  end
  if p and p.created then
    return nil, true
  end
  return (version.latest(overlay.under:each_version(owner, name,
    { published = true }))), true
end

--- The number a publish will give, where that is certain; else unknown.
local function predict(latest, certain, step)
  local current = latest and version.number(latest)
  local first = latest == nil and (step == "minor" or step == "major")
  local next_number = certain and (current or first)
    and version.next(current, step)
  return next_number or unknown.new("the version number")
end

local function published_document(overlay, owner, name, build, sent, number)
  local doc = overlay:get_algorithm(owner, name)
  local info = body.copy(sent.version_info or {})
  info.version_type = nil
  info.semantic_version = number
  info.git_hash = build.commit_sha
  info.version_uuid = unknown.new("the version's id")
  doc.settings = body.merge(doc.settings or {}, sent.settings)
  doc.details = body.merge(doc.details or {}, sent.details)
  doc.version_info, doc.self_link = info, nil
  doc.build = body.merge(build, { version_info = {
    semantic_version = number } })
  return doc
end

---@async
function Writes:publish(owner, name, request)
  local sent = body.clean(request)
  existing(self, owner, name)
  local build = publishable(self, owner, name)
  local latest, certain = latest_published(self, owner, name)
  check_step(latest, sent)
  local step = sent.version_info and sent.version_info.version_type or "minor"
  local number = predict(latest, certain, step)
  local detail = body.merge(sent, { version_info = {
    semantic_version = number, git_hash = build.commit_sha } })
  return perform(self, "algorithm.publish", owner, name, detail, function()
    local p = state_of(self, owner, name)
    local doc = published_document(self, owner, name, build, sent, number)
    if p.builds[1] and rawequal(p.builds[1].build_id, build.build_id) then
      p.builds[1] = doc.build
      p.versions[1] = doc
    else
      table.insert(p.builds, 1, doc.build)
      table.insert(p.versions, 1, doc)
    end
    return body.copy(doc)
  end)
end

---@async
function Writes:call(owner, name, ref, _input, _opts)
  existing(self, owner, name)
  return perform(self, "algorithm.call", owner, name, { version = ref },
    function()
      return {
        result = unknown.new("the result of calling " .. owner .. "/" .. name),
        metadata = { content_type = unknown.new("the result's type"),
          duration = unknown.new("the call's duration") },
      }
    end)
end

return M
