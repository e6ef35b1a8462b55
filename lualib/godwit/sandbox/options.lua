local err = require("godwit.err")
local fs = require("godwit.core.fs")
local json = require("godwit.core.json")

--- How a sandbox misbehaves, or behaves as other clusters do: for tests of
--- what a migration makes of it.
local M = {}

local OPTIONS = {
  build_seconds = "number", delay = "number", max_limit = "number",
  create_status = "number", rate_limit = "table", error_shape = "string",
  next_link_scheme = "string", one_key = "boolean",
  accept_unknown_environment = "boolean", versions_by_hash_only = "boolean",
  no_version_repositories = "boolean", webhook_delay = "number",
  scm_status = "string", missing_account_status = "number",
  no_import_key = "boolean", scms_need_admin = "boolean",
  etag = "boolean", data_delay = "number",
  data_page = "number", endless_marker = "boolean",
}

local function check_option(path, name, value)
  local want = OPTIONS[name]
  if name == "fail_builds" then
    want = type(value) == "boolean" and "boolean" or "table"
  elseif name == "refuse_acl" then
    want = type(value) == "boolean" and "boolean" or "string"
  elseif not want then
    err.throw("usage", "%s: there is no option %q", path, name)
  end
  if type(value) ~= want then
    err.throw("usage", "%s: %s must be a %s", path, name, want)
  end
end

--- Options that make the sandbox misbehave, or behave as other clusters do;
--- from options.json in its folder, then from who starts it.
---@param dir string The sandbox's folder.
---@param given? table Options of who starts it.
function M.read(dir, given)
  local out = {}
  local text = fs.read(dir .. "/options.json", 1 << 20)
  if text then
    local doc, e = json.decode(text, { max = 1 << 20, depth = 20 })
    if type(doc) ~= "table" or json.is_array(doc) then
      err.throw("usage", "%s/options.json: %s", dir, tostring(e or "no object"))
    end
    for k, v in pairs(doc) do
      check_option(dir .. "/options.json", k, v)
      out[k] = v
    end
  end
  for k, v in pairs(given or {}) do out[k] = v end
  return out
end

return M
