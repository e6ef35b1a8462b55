--- environment: which environment of the destination is the source's one.
--- Ids differ between clusters; the specification id is shared by clusters
--- fed from one catalogue, otherwise name, machine and language must name
--- exactly one.

local M = {}

local function language(env)
  return type(env.language) == "table" and env.language.name or nil
end

--- Prints an environment for people.
---@param env? table
---@return string
function M.show(env)
  if not env then
    return "an unknown environment"
  end
  return string.format("%s (%s, %s)", env.display_name or env.id,
    language(env) or "unknown language", env.machine_type or "unknown machine")
end

---@param envs table[]
---@param id string
---@return table?
function M.find(envs, id)
  for _, env in ipairs(envs) do
    if env.id == id then
      return env
    end
  end
end

local function matching(envs, test)
  local found = {}
  for _, env in ipairs(envs) do
    if test(env) then
      found[#found + 1] = env
    end
  end
  return found
end

--- Finds the destination's counterpart of a source environment.
--- Returns nil and a sentence when there is none, or no single one.
---@param id string The source's environment id.
---@param source table[] The source's catalogue.
---@param dest table[] The destination's catalogue.
---@return table? env
---@return string? problem
function M.map(id, source, dest)
  local wanted = M.find(source, id)
  if not wanted then
    return nil, string.format(
      "its environment %s is not in the source's catalogue", id)
  end

  local spec = wanted.environment_specification_id
  local same = type(spec) == "string" and matching(dest, function(env)
    return env.environment_specification_id == spec
  end) or {}
  if #same == 1 then
    return same[1]
  end

  -- One specification may be enabled twice; then the names decide among these.
  local named = matching(#same > 1 and same or dest, function(env)
    return env.display_name == wanted.display_name
      and env.machine_type == wanted.machine_type
      and language(env) == language(wanted)
  end)
  if #named == 1 then
    return named[1]
  end
  if #named > 1 then
    return nil, string.format("the destination has %d environments like %s",
      #named, M.show(wanted))
  end
  return nil, string.format("the destination has no environment like %s",
    M.show(wanted))
end

return M
