local address = require("godwit.cluster.address")
local body = require("godwit.cluster.body")
local effect = require("godwit.effect")
local err = require("godwit.err")
local git = require("godwit.git")
local json = require("godwit.core.json")
local probe = require("godwit.cluster.probe")
local repository = require("godwit.cluster.repository")
local version = require("godwit.cluster.version")

--- cluster.http.writes: what a live cluster is told to do. Methods of the http
--- driver. Each is an effect: it remembers what its probe has to compare with,
--- so that a lost answer is settled by looking, not by asking again.
local M = {}
local Writes = {}
M.methods = Writes

-- Seconds. A compile and a push are answered when the build has ended.
local BUILD = 1800
local ANSWER = 300
-- How long a version that may be somebody else's is looked at.
local OPEN = 15
local TAKEN = 1002 -- the platform's code
-- A server may be at work on a pack whose sender has gone.
local UNPACK = 20

local function target_of(driver, owner, name)
  return driver.name .. ":" .. owner .. "/" .. name
end

--- A 4xx whose cause may be that the algorithm is there already: clusters
--- differ in the status they choose.
local function may_mean_exists(e)
  local status = type(e) == "table" and e.status or 0
  return status >= 400 and status < 500 and status ~= 401 and status ~= 403
    and status ~= 408 and status ~= 429
end

-- Where the repository of a new algorithm is, its answer says; one that does
-- not say is asked again when it matters.
local function learn_place(driver, owner, name, sent, doc)
  local source = doc.source
  local said = type(source) == "table" and type(source.scm) == "table"
  local wanted = sent.source and sent.source.scm or "internal"
  driver.places:forget(owner, name)
  if said or wanted == "internal" then
    driver.places:learn(owner, name, said and doc or { source = {} })
  end
  return doc
end

local function post_create(driver, owner, name, sent)
  local ok, doc = pcall(driver.request, driver, "POST",
    "/v1/algorithms" .. address.path(owner),
    { owner = owner, body = sent, answer_timeout = ANSWER })
  if ok then
    return type(doc) == "table" and doc.id and doc
      or driver:get_algorithm(owner, name)
  end
  if may_mean_exists(doc) and doc.kind ~= "exists"
    and driver:try_get_algorithm(owner, name) then
    doc.kind, doc.code = "exists", TAKEN
  end
  error(doc, 0)
end

--- Creates an algorithm. Raises "exists" when there is one of that name.
---@async
---@param owner string
---@param request table CreateRequest
---@return table doc
function Writes:create_algorithm(owner, request)
  local sent = body.clean(request)
  local name = sent.name
  local target = target_of(self, owner, name)
  if self:try_get_algorithm(owner, name) then
    error(err.new({ kind = "exists", code = TAKEN,
      message = target .. " exists already" }), 0)
  end
  return effect.perform({
    kind = "algorithm.create", target = target, cluster = self,
    before = { exists = false }, detail = sent,
    write = function()
      return learn_place(self, owner, name, sent,
        post_create(self, owner, name, sent))
    end,
    probe = function()
      local doc = self:try_get_algorithm(owner, name)
      return doc ~= nil, doc
    end,
  })
end

--- Changes an algorithm. `patch` names what changes; the cluster is sent the
--- full set, read again just before.
---@async
---@param owner string
---@param name string
---@param patch table
---@return table doc
function Writes:update_algorithm(owner, name, patch)
  local was = self:get_algorithm(owner, name)
  local sent = body.update(was, patch)
  local from = body.counterpart(was, sent)
  return effect.perform({
    kind = "algorithm.update", target = target_of(self, owner, name),
    cluster = self, class = "repeatable",
    before = from, detail = { from = from, to = sent },
    write = function()
      local doc = self:request("PUT", address.algorithm(owner, name),
        { owner = owner, body = sent, answer_timeout = ANSWER })
      return type(doc) == "table" and doc.id and doc
        or self:get_algorithm(owner, name)
    end,
  })
end

-- Some clusters answer a failed compile with 4xx instead of a document.
local function failed_compile(driver, owner, name, before, e)
  if not may_mean_exists(e) then
    return nil
  end
  local build = driver:each_build(owner, name)()
  if not build or build.build_id == before.build
    or build.status ~= "failed" then
    return nil
  end
  return { build = build, version_info = { git_hash = build.commit_sha },
    compilation = { successful = false, output = e.message } }
end

--- Builds the head of the main branch again and waits for the build.
--- A failed build is an answer: `compilation.successful` is false.
---@async
---@param owner string
---@param name string
---@return table doc
function Writes:compile(owner, name)
  local newest = self:each_build(owner, name)()
  local before = { build = newest and newest.build_id }
  return effect.perform({
    kind = "algorithm.compile", target = target_of(self, owner, name),
    cluster = self, before = before, wait = BUILD,
    write = function()
      local ok, doc = pcall(self.request, self, "POST",
        address.algorithm(owner, name, "compile"),
        { owner = owner, body = {}, answer_timeout = BUILD,
          want = "version_info" })
      doc = ok and doc or failed_compile(self, owner, name, before, doc)
        or error(doc, 0)
      return type(doc) == "table" and doc or {}
    end,
    probe = probe.compile(self, owner, name, before),
  })
end

-- A cluster may demand label and callability, which then stay as they are.
local function publish_body(request, newest, latest)
  local sent = body.clean(request)
  local info = sent.version_info or {}
  sent.version_info = info
  info.version_type = info.version_type or "minor"
  if info.version_type == "patch" then
    info.version_type = "revision"
  end
  sent.details = sent.details or {}
  sent.details.label = sent.details.label
    or type(newest.details) == "table" and newest.details.label or nil
  sent.settings = sent.settings or {}
  if sent.settings.algorithm_callability == nil then
    local settings = latest and latest.settings
    sent.settings.algorithm_callability = latest == nil and "private"
      or type(settings) == "table" and settings.algorithm_callability or nil
  end
  return body.clean(sent)
end

--- Publishes the newest build. What that is, is the caller's to know.
---@async
---@param owner string
---@param name string
---@param request table VersionRequest
---@return table doc
function Writes:publish(owner, name, request)
  local latest, count = version.latest(
    self:each_version(owner, name, { published = true }))
  local newest = self:each_build(owner, name)()
  local sent = publish_body(request, self:get_algorithm(owner, name), latest)
  local before = {
    version = latest and version.number(latest), count = count,
    build = newest and newest.build_id,
    commit = newest and newest.commit_sha,
  }
  return effect.perform({
    kind = "algorithm.publish", target = target_of(self, owner, name),
    cluster = self, before = before, detail = sent, wait = OPEN,
    write = function()
      return (self:request("POST",
        address.algorithm(owner, name, "versions"),
        { owner = owner, body = sent, answer_timeout = ANSWER,
          want = "version_info" }))
    end,
    probe = probe.publish(self, owner, name, before),
  })
end

---@alias godwit.cluster.Input { json: any } | { text: string } | { bytes: string, content_type: string? }

-- What is sent of a call's input.
local function call_input(input)
  if input.text then
    return { bytes = input.text, content_type = "text/plain" }
  elseif input.bytes then
    return { bytes = input.bytes,
      content_type = input.content_type or "application/octet-stream" }
  end
  return { bytes = json.encode(input.json == nil and json.null or input.json),
    content_type = "application/json" }
end

--- Calls a version. An error of the algorithm is raised ("remote", with
--- `stacktrace` and `error_type`). A call whose answer is lost may have run:
--- it is reported, never repeated; one that was turned away is.
---@async
---@param owner string
---@param name string
---@param ref string|nil
---@param input godwit.cluster.Input
---@param opts? { timeout: number? }
---@return { result: any, metadata: table }
function Writes:call(owner, name, ref, input, opts)
  opts = opts or {}
  local timeout = opts.timeout or ANSWER
  local request = call_input(input)
  request.owner = owner
  request.query = { timeout = math.ceil(timeout) }
  request.answer_timeout = timeout + 30
  request.want = "result"
  return effect.perform({
    kind = "algorithm.call", target = target_of(self, owner, name),
    cluster = self, detail = { version = ref }, again = false,
    write = function()
      return (self:request("POST",
        "/v1/algo" .. address.path(owner, name, ref), request))
    end,
  })
end

-- How long a server works after the last byte: a cluster builds before it
-- answers, a host elsewhere takes the commit and tells the cluster later.
local function push_time(place, opts)
  return place and ANSWER or opts.build_timeout or BUILD
end

--- Pushes a commit to the main branch. A cluster's own repository answers when
--- its build has ended; a host elsewhere at once. A lost answer is settled by
--- looking at the branch and the builds; nothing is pushed twice.
---@async
---@param owner string
---@param name string
---@param opts { store: table, commit: string, expected: string?, ref: string?, advert: any, progress: function?, build_timeout: number? }
---@return { messages: string }
function Writes:push(owner, name, opts)
  local place = self:git_place(owner, name)
  if place then
    repository.check_writable(self, place, "push to " .. target_of(self, owner,
      name))
  end
  local ref = opts.ref or place and self:git_tip(owner, name).branch
    or repository.MASTER
  local before = { ref = ref, tip = opts.expected }
  local remote = self:git_remote(owner, name)
  local time = push_time(place, opts)
  return effect.perform({
    kind = "git.push", target = target_of(self, owner, name),
    cluster = self, again = false, before = before,
    wait = time, patience = UNPACK,
    detail = { ref = ref, from = opts.expected, commit = opts.commit,
      repository = place and place.url },
    write = function()
      local ok, result = pcall(git.push, opts.store, remote, {
        commit = opts.commit, ref = ref, expected = opts.expected,
        advert = opts.advert, progress = opts.progress,
        build_timeout = time,
      })
      if not ok then
        error(place and repository.explain(self, place, result) or result, 0)
      end
      return result
    end,
    probe = probe.push(self, owner, name, before, opts.commit),
  })
end

return M
