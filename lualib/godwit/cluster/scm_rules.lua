--- cluster.scm_rules: which two SCM connections are the same one, for every
--- driver: what a cluster does not have twice. Documents may be anybody's: what
--- has not the form of an answer is none.

local M = {}

local function text(section, field)
  local v = type(section) == "table" and section[field]
  return type(v) == "string" and v ~= "" and v or nil
end

--- Its web address, however it is written.
---@param scm any
---@return string|nil
function M.web(scm)
  local web = text(type(scm) == "table" and scm.urls, "web")
  return web
    and (web:gsub("/+$", ""):gsub("^%a[%w+.-]*://[^/]*", string.lower))
end

--- What identifies the cluster at the provider, in one of two places.
---@param scm any
---@return string|nil
function M.client(scm)
  for _, place in ipairs(type(scm) == "table"
      and { scm.oauth or false, scm.scm or false } or {}) do
    local id = text(place, "client_id") or text(place, "project_key")
    if id then
      return id
    end
  end
  return nil
end

--- Its kind of host; "bitbucket_cloud" is another spelling.
---@param scm any
---@return string|nil
function M.provider(scm)
  local provider = text(scm, "provider")
  return provider and (provider:lower():gsub("_", "-"))
end

--- Whether they are for one client of one provider at one address.
---@param a table
---@param b table
---@return boolean
function M.same(a, b)
  return M.provider(a) ~= nil and M.provider(a) == M.provider(b)
    and M.web(a) == M.web(b) and M.client(a) == M.client(b)
end

--- Whether the one is in the way of the other: the same, or of the same id.
---@param a table
---@param b table
---@return boolean
function M.conflict(a, b)
  return a.id ~= nil and rawequal(a.id, b.id) or M.same(a, b)
end

return M
