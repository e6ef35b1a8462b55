local calendar = require("godwit.calendar")
local err = require("godwit.err")
local json = require("godwit.json")
local quote = require("godwit.tree.path").quote

--- cluster.data_listing: walks a directory of the data API page by page, with
--- memory that does not grow, and reads what stands in its rows.
---
--- Markers are opaque and may number thousands. A loop of them is noticed with
--- one remembered: it is replaced after 1, 2, 4, … pages, so that whatever the
--- length of the loop, it stands in it at last (Brent's way).
local M = {}

local MAX_EMPTY = 1000 -- pages in a row
local MAX_SAME = 20    -- pages in a row that begin with the same row
local MAX_MARKER = 8192
local LONGEST = 1024
local LARGEST = 1 << 50 -- bytes; more is no file's size

--- Whether a server's file name can be used: it goes into addresses, folders
--- and reports.
---@param name any
---@return boolean
function M.is_name(name)
  return type(name) == "string" and name ~= "" and #name <= LONGEST
    and not name:find("[/%c]") and utf8.len(name) ~= nil
    and not name:find("\xc2[\x80-\x9f]") and name ~= "." and name ~= ".."
end

--- Seconds since 1970 of "2021-07-30T18:02:11.093Z"; without a zone it is
--- UTC. Nil for anything else.
---@param text any
---@return number|nil
function M.time(text)
  if type(text) ~= "string" or #text > 64 then return nil end
  local y, m, d, h, min, s, rest = text:match(
    "^(%d%d%d%d)%-(%d%d)%-(%d%d)[T ](%d%d):(%d%d):(%d%d)(.*)$")
  if not y then return nil end
  local fraction, zone = rest:match("^(%.?%d*)(.*)$")
  local sign, zh, zm = zone:match("^([+-])(%d%d):?(%d%d)$")
  if zone ~= "" and zone ~= "Z" and zone ~= "z" and not sign then return nil end
  y, m, d = tonumber(y), tonumber(m), tonumber(d)
  if m < 1 or m > 12 or d < 1 or d > 31 then return nil end
  local seconds = calendar.days(y, m, d) * 86400 + h * 3600 + min * 60 + s
  if sign then
    seconds = seconds - (sign == "-" and -1 or 1) * (zh * 3600 + zm * 60)
  end
  return seconds + (tonumber("0" .. fraction) or 0)
end

local function size_of(v)
  v = type(v) == "number" and math.tointeger(v) or nil
  return v and v >= 0 and v <= LARGEST and v or nil
end

--- A row of `files` as { name=, size=, time= }; raises for one without a
--- usable name.
---@param where string "prod:data/acme/models"
---@param row any
function M.file(where, row)
  local name = type(row) == "table" and row.filename
  if not M.is_name(name) then
    err.throw("remote", "%s: the server's list has a file without a usable"
      .. " name%s", where, type(name) == "string"
      and ": " .. quote((name:gsub("[^\x20-\x7e]", "?"))) or "")
  end
  return { name = name, size = size_of(row.size),
    time = M.time(row.last_modified) }
end

local function rows_of(where, doc, key)
  if type(doc) ~= "table" or json.is_array(doc) then
    err.throw("remote", "%s: a directory was expected, the server answered"
      .. " something else", where)
  end
  local rows = doc[key]
  if rows == nil or rows == json.null then return {} end
  if type(rows) ~= "table" or not json.is_array(rows) then
    err.throw("remote", "%s: the server's %q is not a list", where, key)
  end
  return rows
end

local function marker_of(where, doc)
  local marker = doc.marker
  if marker == nil or marker == json.null or marker == "" then return nil end
  marker = tostring(marker)
  if #marker > MAX_MARKER then
    err.throw("remote", "%s: the server's marker is %d bytes long", where,
      #marker)
  end
  return marker
end

local function endless(where, fmt, ...)
  err.throw("remote", "%s: the server's list never ends: " .. fmt, where, ...)
end

-- Notices a list that goes round.
local function watcher(where)
  local kept, count, at = nil, 0, 1
  local first, same, empty = nil, 0, 0
  return function(rows, marker)
    empty = #rows == 0 and empty + 1 or 0
    local begins = rows[1] ~= nil and json.encode(rows[1]) or nil
    same = begins ~= nil and begins == first and same + 1 or 0
    first = begins
    if marker == nil then return end
    if marker == kept then
      endless(where, "it hands out the same marker again")
    elseif empty > MAX_EMPTY then
      endless(where, "%d pages without content", empty)
    elseif same >= MAX_SAME then
      endless(where, "it hands out the same page again and again")
    end
    count = count + 1
    if count == at then kept, count, at = marker, 0, at * 2 end
  end
end

--- Iterates over pages of rows; pages without rows are passed over.
---@async
---@param where string For messages.
---@param key "files"|"folders"
---@param fetch fun(marker: string|nil): any One decoded directory
---@return fun(): any[]|nil
function M.pages(where, key, fetch)
  local watch = watcher(where)
  local marker, finished = nil, false
  return function()
    while not finished do
      local doc = fetch(marker)
      local rows = rows_of(where, doc, key)
      local following = marker_of(where, doc)
      watch(rows, following)
      marker, finished = following, following == nil
      if #rows > 0 then return rows end
    end
    return nil
  end
end

return M
