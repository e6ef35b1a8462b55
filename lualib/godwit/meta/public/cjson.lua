---@meta
--- cjson: lua-cjson, for what a script knows already.
---
--- Its own interface, with capped sizes: texts up to 64 MiB, 1,000 levels. An
--- unmarked empty table is written as `{}`, integers beyond 2^53 lose digits,
--- and null is `cjson.null` (which is `json.null`); `json` has none of these
--- limits. Raises `limit` for what is too large, else an error with lua-cjson's
--- own text.
---
--- ```lua
--- local doc = cjson.decode '{"a": [1, 2, null]}'
--- assert(doc.a[3] == cjson.null)
--- print(cjson.encode(doc))
--- ```

--- The library lua-cjson.
---@class godwit.cjson
---@field null lightuserdata
cjson = {}

--- Parses a text; all numbers become floats.
---@param text string
---@return any
function cjson.decode(text) end

--- Writes a value as text.
---@param value any
---@return string
function cjson.encode(value) end

--- A copy with settings of its own.
---@return godwit.cjson
function cjson.new() end

--- Sets or returns whether NaN and infinity are read.
---@param setting? boolean
---@return boolean
function cjson.decode_invalid_numbers(setting) end

--- Sets or returns whether NaN and infinity are written.
---@param setting? boolean|"null"
---@return boolean|"null"
function cjson.encode_invalid_numbers(setting) end

--- Sets or returns how many digits of a number are written, 1 to 16.
---@param precision? integer
---@return integer
function cjson.encode_number_precision(precision) end

--- Sets or returns whether memory is kept from one text to the next.
---@param keep? boolean
---@return boolean
function cjson.encode_keep_buffer(keep) end

--- Says whether a sparse array is written as an object.
---@param convert? boolean
---@return boolean convert
---@return integer ratio
---@return integer safe
function cjson.encode_sparse_array(convert) end

--- Sets or returns how many levels are read, up to 1000.
---@param n? integer
---@return integer
function cjson.decode_max_depth(n) end

--- Sets or returns how many levels are written, up to 1000.
---@param n? integer
---@return integer
function cjson.encode_max_depth(n) end

return cjson
