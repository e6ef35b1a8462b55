local core = require("godwit.core.json")

--- JSON that survives the journey: `{}` and `[]`, integers of 64 bit and
--- floats, null against absent. Keys are written sorted. Duplicate keys,
--- invalid UTF-8 and whatever is beyond the limits is refused.
local M = {}

--- Stands for null: an absent field is nil.
---@type lightuserdata
M.null = core.null

---@class godwit.json.DecodeOpts
---@field max? integer Bytes; default 64 MiB.
---@field depth? integer Levels; default and most 512.

--- Parses a document; raises what is wrong with it.
---@param text string
---@param opts? godwit.json.DecodeOpts
---@return any
function M.decode(text, opts)
  local v, e = core.decode(text, opts)
  if e then error(e, 0) end
  return v
end

--- As decode, but returns nil and the error instead of raising it.
---@param text string
---@param opts? godwit.json.DecodeOpts
---@return any
---@return godwit.Err?
function M.try_decode(text, opts)
  return core.decode(text, opts)
end

---@class godwit.json.EncodeOpts
---@field pretty? boolean Over several lines, indented.

--- Writes a value; raises for cycles, NaN, functions, texts that are not UTF-8
--- and tables that are neither an array nor an object.
---@param value any
---@param opts? godwit.json.EncodeOpts
---@return string
function M.encode(value, opts)
  return core.encode(value, opts)
end

--- Marks a table (or a new one) as an array: it is written as `[]` when empty.
---@generic T: table
---@param t? T
---@return T
function M.array(t)
  return core.array(t)
end

--- Whether a table is marked as an array (every decoded array is).
---@param v any
---@return boolean
function M.is_array(v)
  return core.is_array(v)
end

return M
