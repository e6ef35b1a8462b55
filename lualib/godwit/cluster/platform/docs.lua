--- The documents the API answers with, made from an archive's records.
local M = {}

local function copy(t)
  local out = {}
  for k, v in pairs(t or {}) do out[k] = v end
  return out
end

local function settings_of(p, record, publishes, chosen)
  local s = copy(chosen and chosen.settings or record.settings)
  -- these two apply at once, whatever was published before
  s.source_visibility = record.settings.source_visibility
  s.license = record.settings.license
  local last = publishes[#publishes]
  if not chosen then
    s.algorithm_callability = last and last.settings.algorithm_callability
      or "private"
  end
  s.insights_enabled = s.insights_enabled or false
  if s.algorithm_environment then
    local _, by_id = p.store:environments()
    local env = by_id[s.algorithm_environment]
    s.package_set = env and env.language and env.language.name or "unknown"
  end
  return s
end

local function source_of(p, record)
  local source = copy(record.source)
  local id = source.scm or "internal"
  source.scm = { id = id }
  for _, scm in ipairs(p.store:rows("scms.json")) do
    if scm.id == id then source.scm = scm end
  end
  return source
end

local function base(p, record, publishes, chosen)
  return {
    id = record.id, name = record.name, resource_type = "algorithm",
    details = copy(chosen and chosen.details or record.details),
    settings = settings_of(p, record, publishes, chosen),
    source = source_of(p, record),
  }
end

--- What create and update answer with.
function M.hash(p, owner, record, publishes)
  local doc = base(p, record, publishes)
  if p.api then
    doc.self_link = ("%s/v1/algorithms/%s/%s"):format(p.api, owner,
      record.name)
  end
  return doc
end

--- The newest publish of a commit, or nil.
---@param public_only? boolean
function M.published(publishes, commit, public_only)
  for i = #publishes, 1, -1 do
    local p = publishes[i]
    if p.commit == commit and (not public_only
      or p.settings.algorithm_callability == "public") then
      return p
    end
  end
end

--- A build as /builds shows it.
function M.build(b, publishes)
  local doc = {
    build_id = b.build_id, status = b.status, commit_sha = b.commit_sha,
    started_at = b.started_at, finished_at = b.finished_at,
    resource_type = "algorithm_build",
  }
  for _, p in ipairs(publishes) do
    if p.build_id == b.build_id then
      doc.version_info = { semantic_version = p.version }
    end
  end
  return doc
end

--- A version: a built commit, described by one of its builds.
---@param chosen? table Its publish; default the newest of the commit.
---@param current? boolean With the record's settings, not the version's.
function M.version(p, owner, record, publishes, b, chosen, current)
  chosen = chosen or M.published(publishes, b.commit_sha)
  local doc = base(p, record, publishes, not current and chosen or nil)
  doc.build = M.build(b, publishes)
  doc.compilation = {
    successful = b.status == "succeeded", output = b.output or "",
  }
  local info = { git_hash = b.commit_sha, version_uuid = b.version_uuid,
    sample_input = record.version_info.sample_input }
  if chosen then
    info.semantic_version = chosen.version
    info.version_uuid = chosen.version_uuid
    info.release_notes = chosen.release_notes
    info.sample_input = chosen.sample_input
    info.sample_output = chosen.sample_output
    info.insights_enabled = chosen.insights_enabled
  end
  doc.version_info = info
  if p.api then
    doc.self_link = ("%s/v1/algorithms/%s/%s/versions/%s"):format(p.api,
      owner, record.name, b.commit_sha)
  end
  return doc
end

return M
