local json = require("godwit.core.json")
local secret = require("godwit.core.secret")
local sys = require("godwit.core.sys")

--- cluster.sealed: credentials in documents. One that is sent stands in a body
--- as an opaque value, and is put in by the host where the request is made; one
--- that is answered becomes opaque before anything else looks at the document.
local M = {}

-- The document with a word in place of each secret, which are gathered by it.
local function replace(v, found)
  if secret.is(v) then
    local word = "secret-" .. sys.random_hex(16)
    found[word] = v
    return word
  elseif type(v) ~= "table" or v == json.null or json.is_array(v) then
    return v
  end
  local out = {}
  for k, x in pairs(v) do
    out[k] = replace(x, found)
  end
  return out
end

--- The JSON of a document that may have secrets in its objects: a text, or
--- parts of it with the secrets between them. No encoder sees a secret.
---@param doc table
---@return string|any[]
function M.encode(doc)
  local found = {}
  local text = json.encode(replace(doc, found))
  if next(found) == nil then
    return text
  end
  local parts, at = {}, 1
  for start, word, after in text:gmatch('()"(secret%-%x+)"()') do
    if found[word] then
      parts[#parts + 1] = text:sub(at, start - 1)
      parts[#parts + 1] = found[word]
      at = after
    end
  end
  parts[#parts + 1] = text:sub(at)
  return parts
end

local LONGEST = 4096

--- Makes the text in a field opaque, if there is one: from here on it is
--- filtered from all that is printed. What has blanks or control characters in
--- it is no credential, and is not kept: it is written into files of lines.
---@param doc any
---@param field string
---@param label string
---@param origins string[]
function M.seal(doc, field, label, origins)
  local text = type(doc) == "table" and doc[field]
  if type(text) == "string" and #text <= LONGEST
    and text:find("^[\x21-\x7e]+$") then
    doc[field] = secret.new(text, { label = label, origins = origins })
  elseif type(doc) == "table" then
    doc[field] = nil
  end
end

return M
