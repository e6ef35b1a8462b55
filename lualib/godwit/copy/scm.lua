--- scm: where an algorithm's code is kept, as a promotion sees it: at the
--- cluster, or at a Git host elsewhere. Finds the destination's SCM for the
--- source's, and says what a person has to do at the host.

local err = require("godwit.err")
local repository = require("godwit.cluster.repository")
local scm_rules = require("godwit.cluster.scm_rules")
local settings = require("godwit.copy.settings")

local M = {}

--- Whether a document says that the code is kept elsewhere.
---@param doc table
---@return boolean
function M.is_external(doc)
  return repository.external_scm(doc) ~= nil
end

--- Whether source and destination are built from one and the same repository.
---@param job godwit.copy.Job
---@return boolean
function M.is_shared(job)
  local ours, theirs = job.dest.place, job.source.place

  return ours ~= nil and theirs ~= nil
    and repository.same(ours.url) == repository.same(theirs.url)
end

-- matching ---------------------------------------------------------------

local provider_of, web_of = scm_rules.provider, scm_rules.web

--- What an SCM is called on every cluster: its provider and its address.
---@param scm? table nil: the cluster's own.
---@return string
function M.natural(scm)
  if not scm then
    return "internal"
  end
  return string.format("%s %s", provider_of(scm) or settings.present(scm, "id")
    or "unknown", web_of(scm) or ""):match("^(.-)%s*$")
end

local function is_open(scm)
  return type(scm) == "table" and type(scm.id) == "string"
    and scm.enabled ~= false
end

local function like(scm, wanted)
  return is_open(scm) and provider_of(scm) == provider_of(wanted)
    and web_of(scm) == web_of(wanted)
end

--- The destination's SCM for the source's: the same provider at the same
--- address, among several the one of the same client. Pure.
---@param wanted table The source's.
---@param list table[] The destination's.
---@return table?
function M.match(wanted, list)
  local found, exact = {}, {}

  for _, scm in ipairs(list) do
    if like(scm, wanted) then
      found[#found + 1] = scm
      if scm_rules.client(scm) == scm_rules.client(wanted) then
        exact[#exact + 1] = scm
      end
    end
  end
  if #found == 1 then
    return found[1]
  end
  return #exact == 1 and exact[1] or nil
end

local function show(scm)
  return string.format("%s (%s%s%s)", settings.present(scm, "id") or "?",
    provider_of(scm) or "unknown provider",
    web_of(scm) and ", " .. web_of(scm) or "",
    scm.enabled == false and ", disabled" or "")
end

local function show_all(list)
  local words = {}
  for i, scm in ipairs(list) do
    words[i] = show(scm)
  end
  return #words > 0 and table.concat(words, ", ") or "none"
end

-- A person says the id or, as the web site shows it, the name.
local function called(list, wanted)
  local found = {}

  for _, scm in ipairs(list) do
    if scm.id == wanted then
      return scm
    elseif settings.present(scm, "name") == wanted then
      found[#found + 1] = scm
    end
  end
  return #found == 1 and found[1] or nil
end

-- The one the policy names, else the source's counterpart.
local function pick(job, list, wanted)
  local named = job.desired.scm

  local scm = named and called(list, named) or not named
    and M.match(wanted, list) or nil
  if scm and is_open(scm) then
    return scm
  elseif named then
    job:problem("%s has no open SCM %s, which the policy names; it has: %s",
      job.to.name, tostring(named), show_all(list))
  else
    job:problem("the code of %s is kept at %s, and %s has no such SCM; it has: "
      .. "%s; name one in a policy: settings = { scm = \"ID\", "
      .. "repository_owner = \"ACCOUNT\", repository_name = \"NAME\" } "
      .. "(\"internal\": at the cluster)", job.ref, show(wanted), job.to.name,
      show_all(list))
  end
end

-- creating ---------------------------------------------------------------

-- A question not every cluster answers to every key: an answer that does not
-- come stops nothing.
local function ask(job, what, fn)
  local ok, doc = pcall(fn)

  if ok then
    return type(doc) == "table" and doc or {}
  end
  local e = err.from(doc)
  if err._is_final(e) or e.retryable then
    error(e, 0)
  end
  job:only_trying("%s (%s)", what, tostring(e))
  return {}
end

-- Connecting an SCM takes a browser: a person does it once.
local function check_authorized(job, scm)
  local what = string.format("whether the owner of the key of %s is connected "
    .. "to the SCM %s", job.to.name, scm.id)
  local status = ask(job, what, function()
    return job.to:get_scm_authorization(scm)
  end)
  local said = settings.present(status, "authorization_status")

  if said == "unauthorized" then
    job:problem("the owner of the key of %s has not connected the SCM %s; "
      .. "sign in to that cluster's web site as that user and connect it in "
      .. "the account's settings, once", job.to.name, show(scm))
  elseif said ~= "authorized" then
    job:only_trying("%s", what)
  end
  return status
end

-- Where the cluster will make the repository, as far as it can be told.
local function future_url(scm, source)
  local web = settings.present(scm.urls, "web")

  return type(web) == "string" and string.format("%s/%s/%s",
    web:gsub("/+$", ""), source.repository_owner or "ACCOUNT",
    source.repository_name)
end

local function check_new_repository(job, scm, source)
  local url = future_url(scm, source)

  if not url then
    return
  end
  if job.source.place and repository.same(url)
      == repository.same(job.source.place.url) then
    job:problem("%s would be made in the repository of the source (%s), which "
      .. "is there already; name another one in a policy: settings = "
      .. "{ repository_owner = \"ACCOUNT\", repository_name = \"NAME\" }",
      job.dest_ref, url)
  end
  job:read("writing to " .. job.dest_ref, function()
    local plain, origin = repository.check_url(url, job.dest_ref)
    repository.check_writable(job.to, { url = plain, origin = origin },
      "push to " .. job.dest_ref)
  end)
end

--- What a create says of where the code is kept: `source` of its request.
--- Adds a problem for every hole.
---@async
---@param job godwit.copy.Job
---@return table?
function M.choose(job)
  local desired = job.desired
  local wanted = repository.external_scm(job.source.algorithm)

  if (job.to.under or job.to).kind == "archive" then
    return { scm = "internal" } -- a folder has no host beside it
  end
  if desired.scm == "internal" or not desired.scm and not wanted then
    return { scm = "internal" }
  end
  local list = job:read("the SCMs of " .. job.to.name, function()
    return job.to:list_scms()
  end)
  local scm = list and pick(job, list, wanted)
  if not scm then
    return nil
  elseif provider_of(scm) == "internal" then
    return { scm = scm.id }
  end
  local status = check_authorized(job, scm)
  local account = settings.present(status, "scm_username")
  local source = { scm = scm.id, repository_owner = desired.repository_owner,
    repository_name = desired.repository_name or job.to_name }
  check_new_repository(job, scm, { repository_name = source.repository_name,
    repository_owner = source.repository_owner
      or type(account) == "string" and account or nil })
  return source
end

-- afterwards -------------------------------------------------------------

local CURES = {
  deploy_key_error = "the cluster's deploy key is not accepted; add it to the "
    .. "repository again (the cluster's scm/status has it)",
  provider_internal_error = "the host answers the cluster with an error; look "
    .. "at the host's status, then try again",
}

--- Whether the cluster reaches the destination's repository at its host.
---@async
---@param job godwit.copy.Job
function M.check_connection(job)
  if not job.dest.place then
    return
  end
  local doc = ask(job, "whether the cluster reaches the repository of "
    .. job.dest_ref, function()
      return job.to:get_scm_status(job.to_owner, job.to_name)
    end)
  local status = settings.present(doc, "scm_connection_status")
  if status and status ~= "active" then
    job:problem("the connection of %s to its repository at %s is %s: %s",
      job.dest_ref, job.dest.place.url, tostring(status),
      CURES[status] or "look at the repository's deploy key and webhook")
  end
end

--- Raises that a pushed commit was never built: its webhook did not come, or
--- somebody pushed on top of it meanwhile.
---@async
---@param job godwit.copy.Job
function M.no_build(job)
  local ok, tip = pcall(job.to.git_tip, job.to, job.to_owner, job.to_name)

  if ok and tip.commit and tip.commit ~= job.commit then
    err.throw("conflict", "%s built nothing of %s: its repository is at %s "
      .. "now, somebody pushed meanwhile; promote again to see what",
      job.dest_ref, job.commit, tip.commit)
  end
  error(err.new({ kind = "timeout", op = "build", retryable = true,
    message = string.format("the commit %s is at %s, but %s built nothing of "
    .. "it within %d seconds: the webhook has not come; look at the "
    .. "deliveries of the repository's webhook at the host and at the "
    .. "cluster's scm/status of the algorithm, then promote again, which "
    .. "compiles it", job.commit, job.dest.place.url, job.dest_ref,
    math.floor(job.opts.build_timeout)) }), 0)
end

return M
