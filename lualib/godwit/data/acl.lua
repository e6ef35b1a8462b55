--- data.acl: who may read a collection, and which of two lets in fewer.

local json = require("godwit.core.json")

local M = {}

local PUBLIC, ALGORITHMS = "user://*", "algo://.my/*"

M.PRIVATE = json.array({})

local BY_WORD = {
  public = { PUBLIC }, algorithms = { ALGORITHMS }, private = {},
}

--- The list that a word means: "public", "algorithms" or "private".
---@param word string
---@return string[]|nil
function M.of(word)
  return BY_WORD[word] and json.array({ table.unpack(BY_WORD[word]) })
end

local function text(acl)
  local entries = { table.unpack(acl) }
  table.sort(entries)
  return table.concat(entries, " ")
end

local WORDS = { [""] = "private", [PUBLIC] = "public",
  [ALGORITHMS] = "the owner's algorithms" }

--- As a sentence has it.
---@param acl string[]
---@return string
function M.show(acl)
  local known = text(acl)
  return WORDS[known] or known
end

---@param a string[]
---@param b string[]
---@return boolean
function M.same(a, b)
  return text(a) == text(b)
end

-- How many it lets in; one that nobody knows is between the two.
local function width(acl)
  local known = text(acl)
  return known == "" and 0 or known == PUBLIC and 2 or 1
end

--- Whether somebody who may read under `old` no longer may under `new`; two
--- that cannot be compared exclude each other's readers.
---@param old string[]
---@param new string[]
---@return boolean
function M.narrows(old, new)
  return not M.same(old, new) and width(new) <= width(old)
end

return M
