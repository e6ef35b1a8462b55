local err = require("godwit.err")

--- The unknown: stands in plan mode for what only the real write would tell
--- (an id, a commit). It prints as such and may be handed to any primitive;
--- looking into it raises.
local M = {}

local TEXT = "(known after apply)"

---@class godwit.Unknown
local Unknown = { __name = "unknown", __metatable = "unknown" }

local what = setmetatable({}, { __mode = "k" })

local function refuse(a, b)
  local self = what[a] and a or b
  err.throw("usage", "%s is known after apply only", what[self] or "a value")
end

for _, event in ipairs({
  "index", "newindex", "call", "lt", "le", "eq", "len", "concat", "unm", "add",
  "sub", "mul", "div", "mod", "pow", "idiv", "band", "bor", "bxor", "bnot",
  "shl", "shr", "pairs",
}) do
  Unknown["__" .. event] = refuse
end

function Unknown.__tostring()
  return TEXT
end

function Unknown.__tojson()
  return TEXT
end

--- A new unknown value; `of` says what it will be, for the error.
---@param of? string
---@return godwit.Unknown
function M.new(of)
  local u = setmetatable({}, Unknown)
  what[u] = of or "this value"
  return u
end

--- Whether v is unknown.
---@param v any
---@return boolean
function M.is(v)
  return what[v] ~= nil
end

--- What it will be ("the commit of acme/Hello"), or nil.
---@param v any
---@return string?
function M.what(v)
  return what[v]
end

return M
