local address = require("godwit.cluster.address")
local json = require("godwit.core.json")
local pages = require("godwit.cluster.pages")
local task = require("godwit.task")

--- cluster.environments: every environment of a live cluster, of all
--- languages. The documented way is one list a language; where that is not to
--- be had, the web application's own list is tried.
local M = {}

local EDGE = "/v1/algorithm-environments/edge"
local CURRENT = "/webapi/v1/algorithm-environments/environments/current"

-- Rows that can be used: what has no such field cannot be named to the cluster.
local function usable(rows, field)
  local kept = json.array {}
  for _, row in ipairs(rows) do
    if type(row) == "table" and type(row[field]) == "string"
      and row[field] ~= "" then
      kept[#kept + 1] = row
    end
  end
  return kept
end

---@async
---@param driver table The http driver
---@return table[]
function M.languages(driver)
  local doc = driver:request("GET", EDGE .. "/languages")
  return usable(pages.rows(doc, "languages", "results"), "name")
end

local function of_language(driver, language)
  local path = EDGE .. "/languages" .. address.path(language.name)
    .. "/environments"
  local ok, doc = pcall(driver.request, driver, "GET", path)
  if not ok then
    -- A language may be listed and have nothing behind it.
    if doc.kind == "notfound" or doc.code == 4001 or doc.code == 4002 then
      return {}
    end
    error(doc, 0)
  end
  local rows = usable(pages.rows(doc, "environments", "results"), "id")
  for _, env in ipairs(rows) do
    if type(env.language) ~= "table" then
      env.language = { name = language.name,
        display_name = language.display_name }
    end
  end
  return rows
end

local function by_languages(driver)
  local languages = M.languages(driver)
  local found = {}
  task.each(languages, function(language)
    found[language] = of_language(driver, language)
  end, { jobs = 8 })
  local out, seen = {}, {}
  for _, language in ipairs(languages) do
    for _, env in ipairs(found[language]) do
      if not seen[env.id] then
        seen[env.id] = true
        out[#out + 1] = env
      end
    end
  end
  return out
end

local function from_web(driver)
  local doc = driver:request("GET", CURRENT,
    { base = driver.address.web })
  return usable(pages.rows(doc, "environments", "results"), "id")
end

--- Lists them. Raises what the documented way raised when both fail.
---@async
---@param driver table
---@return table[]
function M.list(driver)
  local ok, found = pcall(by_languages, driver)
  if ok then
    return found
  end
  local kind = type(found) == "table" and found.kind
  if kind ~= "notfound" and kind ~= "auth" and kind ~= "remote" then
    error(found, 0)
  end
  local fine, rows = pcall(from_web, driver)
  if not fine then
    error(found, 0)
  end
  return rows
end

return M
