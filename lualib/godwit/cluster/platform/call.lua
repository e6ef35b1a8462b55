local json = require("godwit.core.json")
local sys = require("godwit.core.sys")
local git = require("godwit.cluster.platform.git")
local rules = require("godwit.cluster.platform.rules")
local template = require("godwit.cluster.platform.template")

--- Calls. The code itself is never run: the template's greets, any other
--- echoes its input, and a commit with a file .sandbox-call-fails raises.
local M = {}

local MAX_ERRORS = 200

local function not_found(owner, name)
  return { error = { message =
    ("algorithm algo://%s/%s not found"):format(owner, name) } }
end

--- The commit a version reference means to a caller, or nil and a message.
local function resolve(p, caller, owner, name, ref, publishes)
  local own = p:acts_for(caller, owner)
  local function public(x)
    return x.settings.algorithm_callability == "public"
  end
  local function newest(fits)
    for i = #publishes, 1, -1 do
      if fits(publishes[i]) then return publishes[i].commit end
    end
  end
  if ref.kind == "latest" then
    return newest(public)
  elseif ref.kind == "latestPrivate" then
    return own and newest(function(x) return not public(x) end)
  elseif ref.kind == "version" then
    return newest(function(x)
      return x.version == ref.version and (own or public(x))
    end)
  elseif ref.kind == "partial" then
    return newest(function(x)
      return public(x) and x.version:sub(1, #ref.prefix) == ref.prefix
    end)
  end
  if not own then
    return newest(function(x) return x.commit == ref.sha and public(x) end)
  end
  for _, b in ipairs(p.store:builds(owner, name)) do
    if b.commit_sha == ref.sha and b.status == "succeeded" then
      return ref.sha
    end
  end
  return nil, ("algorithm algo://%s/%s/%s not found: no successful build "
    .. "for this version hash"):format(owner, name, ref.sha)
end

local function is_template(p, owner, name, record, commit)
  local env = record.settings.algorithm_environment
  local _, by_id = p.store:environments()
  local language = record.settings.language or env and by_id[env]
    and by_id[env].language and by_id[env].language.name or "python3"
  local path, text = template.main_file(language, name)
  return path ~= nil and git.read(p.store:repo(owner, name), commit, path)
    == text
end

local function remember(p, record, message)
  local list = p.errors[record.id] or {}
  p.errors[record.id] = list
  table.insert(list, 1, { error_type = "AlgorithmError", message = message,
    created_at = rules.time(p.now()) })
  list[MAX_ERRORS + 1] = nil
end

--- The errors calls raised, newest first.
function M.errors(p, caller, owner, name)
  local record = p:own(caller, owner, name)
  local out = json.array({})
  for _, e in ipairs(p.errors[record.id] or {}) do out[#out + 1] = e end
  return out
end

--- Calls a version. Never raises for what a call answers with an error.
---@async
---@param input {kind: "json"|"text"|"binary", value: any}
---@return table answer result and metadata, or error and metadata
function M.call(p, caller, owner, name, version, input)
  local started = sys.monotonic()
  local function answer(t, content_type)
    t.metadata = t.metadata or {}
    t.metadata.content_type = content_type
    t.metadata.duration = math.max(sys.monotonic() - started, 0.0001)
    return t
  end
  local record, publishes = p:load(owner, name)
  local ref = rules.parse_ref(version)
  if not record or not ref then return answer(not_found(owner, name)) end
  local commit, why = resolve(p, caller, owner, name, ref, publishes)
  if not commit then
    local a = not_found(owner, name)
    a.error.message = why or a.error.message
    return answer(a)
  end
  local internal = not record.source or record.source.scm == "internal"
  if internal then
    local repo = p:secure(owner, name)
    local ids = git.ids(repo, commit, { ".sandbox-call-fails" })
    if ids[".sandbox-call-fails"] then
      local text = git.read(repo, commit, ".sandbox-call-fails") or ""
      local message = text:match("[^\r\n]+") or "the algorithm raised"
      local stack = ("Traceback (most recent call last):\n  File \"src/"
        .. "%s.py\", in apply\nException: %s"):format(name, message)
      remember(p, record, message)
      return answer({ error = { message = message, stacktrace = stack,
        stack_trace = stack, error_type = "AlgorithmError" } })
    end
    local text = input.kind == "text" and input.value
      or input.kind == "json" and type(input.value) == "string"
      and input.value
    if text and is_template(p, owner, name, record, commit) then
      return answer({ result = "hello " .. text }, "text")
    end
  end
  if input.kind == "binary" then
    return answer({ result = sys.base64(input.value), raw = input.value },
      "binary")
  end
  return answer({ result = input.value }, input.kind)
end

return M
