local err = require("godwit.err")
local json = require("godwit.json")

--- cluster.pages: walks a list a cluster hands out page by page.
---
--- The next page is asked for with the marker only: `next_link` may lead over
--- clear text, so it is never followed. Markers are opaque. A list that never
--- ends (a marker that comes back, pages without end and content) is an error.
local M = {}

local BAD_LIMIT = 5003
local SMALLER = { 100, 50, 20, 10, 5, 1 }
local MAX_EMPTY = 1000 -- pages in a row
local MAX_SAME = 20 -- pages in a row that begin with the same row

---@param limit integer
---@return integer|nil
local function next_smaller(limit)
  for _, n in ipairs(SMALLER) do
    if n < limit then
      return n
    end
  end
  return nil
end

--- The rows of a page, whatever the cluster wraps them in.
---@param doc any
---@return any[] rows, string|nil marker
local function open_page(doc, key)
  if type(doc) ~= "table" then
    err.throw("remote", "a list was expected, the server answered %s",
      type(doc))
  end
  if json.is_array(doc) then
    return doc, nil
  end
  local rows = doc[key]
  if rows == nil and doc.marker == nil and next(doc) ~= nil then
    -- What is no page at all must not pass for the last one.
    err.throw("remote", "a list was expected, the server's answer has no %q",
      key)
  elseif rows == nil or rows == json.null then
    rows = {}
  elseif type(rows) ~= "table" or not json.is_array(rows) then
    err.throw("remote", "a list was expected, the server's %q is not one", key)
  end
  local marker = doc.marker
  if marker == json.null or marker == "" then
    marker = nil
  end
  if marker ~= nil and type(marker) ~= "string" then
    marker = tostring(marker)
  end
  return rows, marker
end

---@class godwit.cluster.PageOpts
---@field size? { limit: integer }  Shared: what this cluster allows, as learned
---@field key? string               Default "results"

--- Iterates over the rows. `fetch(limit, marker)` returns one decoded page;
--- limit nil means: do not ask for one.
---@async
---@param fetch fun(limit: integer|nil, marker: string|nil): any
---@param opts? godwit.cluster.PageOpts
---@return fun(): any
function M.each(fetch, opts)
  opts = opts or {}
  local size = opts.size or { limit = 100 }
  local key = opts.key or "results"
  local seen, empty = {}, 0
  local rows, at, marker, finished = {}, 0, nil, false
  local first, same = nil, 0

  local function get()
    while true do
      local ok, doc = pcall(fetch, size.limit, marker)
      if ok then
        return doc
      end
      -- Errors of some shapes have no code: a smaller page is worth asking for.
      local refused = type(doc) == "table" and (doc.code == BAD_LIMIT
        or doc.status == 400 and doc.code == nil)
      if not refused or not size.limit then
        error(doc, 0)
      end
      size.limit = next_smaller(size.limit)
    end
  end

  local function turn()
    local following
    rows, following = open_page(get(), key)
    at = 0
    empty = #rows == 0 and empty + 1 or 0
    local begins = rows[1] ~= nil and json.encode(rows[1]) or nil
    same = begins ~= nil and begins == first and same + 1 or 0
    first = begins
    if following == nil then
      finished = true
    elseif seen[following] then
      err.throw("remote", "the server's list never ends: it hands out the"
        .. " same marker again")
    elseif empty > MAX_EMPTY then
      err.throw("remote", "the server's list never ends: %d pages without"
        .. " content", empty)
    elseif same >= MAX_SAME then
      err.throw("remote", "the server's list never ends: it hands out the"
        .. " same page again and again")
    else
      seen[following] = true
    end
    marker = following
  end

  return function()
    while at >= #rows do
      if finished then
        return nil
      end
      turn()
    end
    at = at + 1
    return rows[at]
  end
end

--- The rows of an answer that is not paged: a bare array, or the array under
--- one of `keys`.
---@param doc any
---@param ... string
---@return any[]
function M.rows(doc, ...)
  if json.is_array(doc) then
    return doc
  end
  if type(doc) == "table" then
    for _, key in ipairs({ ... }) do
      if type(doc[key]) == "table" then
        return doc[key]
      end
    end
  end
  err.throw("remote", "a list was expected, the server answered something else")
  return {}
end

--- Reads an iterator to its end.
---@async
---@param next_row fun(): any
---@return any[]
function M.all(next_row)
  local out = {}
  for row in next_row do
    out[#out + 1] = row
  end
  return out
end

return M
