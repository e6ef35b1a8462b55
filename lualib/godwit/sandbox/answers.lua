local err = require("godwit.err")
local json = require("godwit.core.json")
local sys = require("godwit.core.sys")

--- What the sandbox answers with: JSON documents and errors in the
--- platform's shapes.
local M = {}

local JSON = { ["Content-Type"] = "application/json" }

---@param status integer
function M.json(req, status, doc, headers)
  local all = { ["Content-Type"] = JSON["Content-Type"] }
  for k, v in pairs(headers or {}) do all[k] = v end
  req:respond(status, all, json.encode(doc))
end

--- An answer without a body.
function M.empty(req, status, headers)
  req:respond(status, headers or {}, "")
end

--- An error document. Shape A; shape C is GET of a missing algorithm; B where
--- a test asks for it.
function M.error_body(status, code, message, options)
  local id = sys.uuid()
  if options and options.error_shape == "B" then
    return { id = id, code = code, message = message }
  elseif options and options.error_shape == "C" then
    return { error = message }
  end
  return { error = { id = id, code = code, message = message } }
end

---@param e any What a handler raised.
---@return integer status, table doc, table headers
function M.of_error(e, options)
  if not err.is(e) or not e.platform then
    return 500, M.error_body(500, 5001, "internal error", options), {}
  end
  if e.bare and not (options and options.error_shape) then
    return e.status, { error = e.message }, {}
  end
  return e.status, M.error_body(e.status, e.code, e.message, options),
    e.headers or {}
end

return M
