local err = require("godwit.err")
local sys = require("godwit.core.sys")
local url = require("godwit.core.http").url

--- cluster.address: where a cluster's API, Git and web application are.
local M = {}

---@class godwit.cluster.Address
---@field api string     Without a slash at the end and without /v1
---@field origin string  scheme://host:port of the API
---@field git string     Base of the Git URLs
---@field web string     Base of the web application's own routes
---@field user? string   The user name written into the URL

local function trim(base)
  return (base:gsub("/+$", ""):gsub("/v1$", ""))
end

local function swap_api(base, with)
  local swapped, n = base:gsub("^(%a[%w+.-]*://)api%.", "%1" .. with, 1)
  return n == 1 and swapped or nil
end

--- The parts of a profile's address. A user name in the URL is taken out:
--- it is for Git, and requests carry no credentials in their URL.
---@param profile { api: string, git: string?, name: string? }
---@return godwit.cluster.Address
function M.of(profile)
  local parsed = url.parse(profile.api)
  if not parsed then
    err.throw("usage", "%s: %q is not the address of an API",
      profile.name or "cluster", profile.api)
  end
  local api = trim(profile.api:gsub("^(%a[%w+.-]*://)[^/@]*@", "%1"))
  local git = profile.git and trim(profile.git) or swap_api(api, "git.")
    or parsed.origin
  local user = parsed.user
  if user == "" then
    user = nil
  end
  return {
    api = api,
    origin = parsed.origin,
    git = git,
    web = swap_api(api, "") or parsed.origin,
    user = user,
  }
end

--- A path of encoded segments: path("a b", "c") is "/a%20b/c".
---@param ... string
---@return string
function M.path(...)
  local out = {}
  for i, segment in ipairs({ ... }) do
    out[i] = "/" .. url.encode(tostring(segment))
  end
  return table.concat(out)
end

--- What "OWNER/NAME" or a table with `owner` and `name` names.
---@param ref any
---@param what string "a collection"
---@return string owner
---@return string name
function M.owner_and_name(ref, what)
  local owner, name
  if type(ref) == "table" then
    owner, name = ref.owner, ref.name
  elseif type(ref) == "string" then
    owner, name = ref:match("^([^/]+)/([^/]+)$")
  end
  if type(owner) ~= "string" or type(name) ~= "string" then
    err.throw("usage", "%s is named OWNER/NAME, not %s", what,
      type(ref) == "string" and ("%q"):format(ref) or type(ref))
  end
  return owner, name
end

--- The path of an algorithm, or of something below it.
---@param owner string
---@param name string
---@param ... string
---@return string
function M.algorithm(owner, name, ...)
  return "/v1/algorithms" .. M.path(owner, name, ...)
end

--- "?a=b" of the values that are there, by name.
---@param query table<string, any>|nil
---@return string
function M.query(query)
  local names = {}
  for name in pairs(query or {}) do
    names[#names + 1] = name
  end
  if #names == 0 then
    return ""
  end
  table.sort(names)
  for i, name in ipairs(names) do
    names[i] = url.encode(name) .. "=" .. url.encode(tostring(query[name]))
  end
  return "?" .. table.concat(names, "&")
end

--- The address of a repository, of one of its versions when that is given.
---@param git string
---@param owner string
---@param name string
---@param version string|nil
---@return string
function M.repository(git, owner, name, version)
  local path = version and M.path("git", owner, name, version)
    or M.path("git", owner, name)
  return git .. path .. ".git"
end

--- Where a store keeps what was fetched from a repository: two repositories
--- in one store must not share names, or one's tips push the other's out of
--- what the next fetch offers as known.
---@param cluster string The cluster's identity.
---@param owner string
---@param name string
---@param version string|nil
---@return string
function M.fetched(cluster, owner, name, version)
  return "refs/godwit/fetched/" .. sys.hash("sha256", table.concat({ cluster,
    owner, name, version }, "\n")):sub(1, 16)
end

return M
