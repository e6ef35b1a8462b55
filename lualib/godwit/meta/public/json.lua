---@meta
--- json: JSON that survives the journey.
---
--- `{}` and `[]`, integers of 64 bit and floats, null against absent: all of it
--- comes out as it went in, and keys are written sorted. Refused with an error
--- are duplicate keys, invalid UTF-8, cycles, and what is beyond the limits.
--- Raises `remote` for a text that is no JSON, `limit` for one that is too
--- large or too deep.
---
--- ```lua
--- local doc = json.decode '{"tags": [], "owner": null}'
--- assert(json.is_array(doc.tags) and doc.owner == json.null)
--- doc.tags[1] = "new"
--- print(json.encode(doc, { pretty = true }))
--- print(json.encode { empty_list = json.array {}, empty_object = {} })
--- ```

--- JSON.
---@class godwit.json
---@field null lightuserdata Stands for null: an absent field is nil.
json = {}

--- Limits of reading.
---@class godwit.json.DecodeOpts
---@field max? integer Bytes. Default 64 MiB.
---@field depth? integer Levels. Default and most 512.

--- How to write.
---@class godwit.json.EncodeOpts
---@field pretty? boolean Over several lines, indented.

--- Parses a document. Raises what is wrong with it, with its place.
---@param text string
---@param opts? godwit.json.DecodeOpts
---@return any
function json.decode(text, opts) end

--- As `decode`, but returns nil and the error instead of raising it.
---@param text string
---@param opts? godwit.json.DecodeOpts
---@return any
---@return godwit.Err?
function json.try_decode(text, opts) end

--- Writes a value as text. Raises for cycles, NaN, functions, texts that are
--- not UTF-8, secrets, and tables that are neither an array nor an object.
---@param value any
---@param opts? godwit.json.EncodeOpts
---@return string
function json.encode(value, opts) end

--- Marks a table (or a new one) as an array and returns it: it is written as
--- `[]` when it is empty.
---@generic T: table
---@param t? T
---@return T
function json.array(t) end

--- Whether a table is marked as an array; every decoded array is.
---@param v any
---@return boolean
function json.is_array(v) end

return json
