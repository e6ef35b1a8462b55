--- doctor.mapping: what of one cluster has no counterpart on another, one way:
--- environments and SCMs, by the rules a promotion maps them with.
local environment = require("godwit.copy.environment")
local lists = require("godwit.doctor.list")
local scm_of = require("godwit.copy.scm")
local task = require("godwit.task")

local M = {}

local MAX_SHOWN = 30

-- A server's list may hold anything.
local function tables_of(rows)
  local kept = {}
  for _, row in ipairs(type(rows) == "table" and rows or {}) do
    kept[#kept + 1] = type(row) == "table" and row or nil
  end
  return kept
end

local function both(subjects, method)
  local rows, errors = {}, {}
  local fns = {}
  for i, subject in ipairs(subjects) do
    fns[i] = function()
      local ok, result = lists.try(subject.timeout, function()
        return subject.driver[method](subject.driver)
      end)
      if ok then
        rows[i] = tables_of(result)
      else
        errors[i] = result
      end
    end
  end
  task.all(fns)
  return rows, errors
end

local function unread(list, id, what, subjects, errors)
  for i, subject in ipairs(subjects) do
    if errors[i] then
      list:failed(id, errors[i], nil, ("the %s of %s"):format(what,
        subject.name))
      return true
    end
  end
  return false
end

local function say(list, id, what, to, total, problems, hint)
  if #problems == 0 then
    list:ok(id, total == 0 and "there are no %s to map" or "all %s map", what)
    return
  end
  for i, problem in ipairs(problems) do
    if i > MAX_SHOWN then
      list:warn(id, nil, "and %d more", #problems - MAX_SHOWN)
      break
    end
    list:warn(id, hint, "%s", problem)
  end
end

local function environments(list, from, to)
  local rows, errors = both({ from, to }, "list_environments")
  if unread(list, "map.environments", "environments", { from, to },
    errors) then
    return
  end
  local problems = {}
  for _, env in ipairs(rows[1]) do
    local found, why = nil, from.name .. " has one without a usable id"
    if type(env.id) == "string" then
      found, why = environment.map(env.id, rows[1], rows[2])
    end
    if not found then
      problems[#problems + 1] = (why:gsub("^the destination", function()
        return to.name
      end))
    end
  end
  say(list, "map.environments", "environments", to, #rows[1], problems,
    ("enable one like it on %s, or name another in a policy's "
      .. "map_environment"):format(to.name))
end

local function text(v)
  return type(v) == "string" and v ~= "" and v or nil
end

local function show(scm)
  local web = text(type(scm.urls) == "table" and scm.urls.web)
  return ("%s (%s%s)"):format(text(scm.name) or text(scm.id) or "an SCM",
    text(scm.provider) or "unknown provider", web and ", " .. web or "")
end

local function scms(list, from, to)
  local rows, errors = both({ from, to }, "list_scms")
  if unread(list, "map.scms", "SCMs", { from, to }, errors) then
    return
  end
  local problems, total = {}, 0
  for _, scm in ipairs(rows[1]) do
    if scm.enabled ~= false then
      total = total + 1
      if not scm_of.match(scm, rows[2]) then
        problems[#problems + 1] = ("%s: %s has none like it, or several")
          :format(show(scm), to.name)
      end
    end
  end
  say(list, "map.scms", "SCMs", to, total, problems,
    ("add and enable it on %s if algorithms use it"):format(to.name))
end

--- Compares one way.
---@async
---@param list godwit.doctor.List
---@param from godwit.doctor.Subject
---@param to godwit.doctor.Subject
function M.compare(list, from, to)
  if from.driver.id == to.driver.id then
    list:warn("map.same", "a promotion within one cluster needs --to-owner",
      "%s and %s are one and the same cluster", from.name, to.name)
    return
  end
  for _, subject in ipairs { from, to } do
    if subject.ownerless then
      list:skip("map", "give --owner OWNER", "not compared: the key of %s is "
        .. "a function of the owner", subject.name)
      return
    end
  end
  environments(list, from, to)
  scms(list, from, to)
end

return M
