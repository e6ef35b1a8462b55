--- The result of a comparison as text: what differs first, each difference
--- with both values; what is equal by name with -v only; what cannot move,
--- apart; then counts, by kind.
local json = require("godwit.core.json")
local output = require("godwit.cli.output")
local words = require("godwit.verify.outcome").WORDS

local M = {}

local STYLE = { equal = "dim", skipped = "dim", different = "red",
  missing = "red", extra = "yellow", unreadable = "red" }
local COLUMN = 11
local LONGEST = 200
local MAX_ROWS = 50 -- differences of one item, and problems, without -v

-- What is said of one stays in its line, and no terminal obeys it. Two values
-- that differ look different: line ends, too.
local LINE = { ["\r"] = "\\x0d", ["\n"] = "\\n", ["\t"] = "\\x09" }

local function visible(text)
  return output.visible((text:gsub("[\r\n\t]", LINE)))
end

local function cut(text)
  if #text <= LONGEST or output.verbosity() > 0 then
    return text
  end
  local stop = utf8.offset(text, 0, LONGEST + 1) or LONGEST + 1
  return ("%s… (%d bytes)"):format(text:sub(1, stop - 1), #text)
end

-- A file of a repository has mode and blob, one of a collection a digest.
local function file(v)
  local parts = v.mode and { "mode " .. v.mode, v.id:sub(1, 12) } or {}
  if v.size then
    parts[#parts + 1] = v.size .. " bytes"
  end
  parts[#parts + 1] = v.md5
  return table.concat(parts, ", ")
end

local function show(v)
  if v == nil or v == json.null then
    return "nothing"
  elseif type(v) == "table" and (v.mode and v.id or v.size and not v[1]) then
    return file(v)
  elseif type(v) == "table" then
    return cut(visible(json.encode(v)))
  end
  return cut(visible(tostring(v)))
end

local function line(out, fmt, ...)
  out[#out + 1] = (" "):rep(COLUMN) .. fmt:format(...)
end

local function head(item)
  local text = visible(tostring(item.ref or item.to or "?"))
  if item.source_version then
    text = text .. " " .. item.source_version
  end
  if item.to then
    text = text .. " -> " .. visible(item.to)
  end
  if item.version then
    text = text .. " " .. item.version
  end
  return item.type and item.type .. " " .. text or text
end

-- The first of them, or all with -v; `more` has a %d.
local function rows(out, list, not_listed, more, show_row)
  for i, row in ipairs(list or {}) do
    if i > MAX_ROWS and output.verbosity() == 0 then
      line(out, more .. " (-v lists them)", #list - MAX_ROWS)
      break
    end
    show_row(row)
  end
  if (not_listed or 0) > 0 then
    line(out, more .. " that are not listed", not_listed)
  end
end

local function differences(out, item)
  rows(out, item.differences, item.differences_not_listed,
    "and %d more differences", function(d)
      line(out, "%s: %s at the source, %s at the destination%s",
        visible(tostring(d.field)), show(d.source), show(d.destination),
        d.note and ("; " .. visible(d.note)) or "")
    end)
end

local function problems(out, item)
  rows(out, item.problems, item.problems_not_listed, "not read: %d more",
    function(text)
      line(out, "not read: %s", visible(text))
    end)
end

local function paragraph(out, item)
  local word = item.outcome
  out[#out + 1] = output.paint(STYLE[word] or "bold", ("%-" .. COLUMN
    .. "s"):format(word)) .. head(item)
  if item.why then
    line(out, "%s", visible(item.why))
  end
  differences(out, item)
  problems(out, item)
  if word == "unreadable" and item.retryable then
    line(out, "a later attempt may succeed: give the same command again")
  end
  for _, text in ipairs(item.warnings or {}) do
    line(out, "note: %s", visible(text))
  end
end

local function count_line(of)
  local parts = {}
  for _, word in ipairs(words) do
    if (of[word] or 0) > 0 then
      parts[#parts + 1] = ("%d %s"):format(of[word], word)
    end
  end
  return #parts > 0 and table.concat(parts, ", ") or "nothing to compare"
end

local function by_kind(items)
  local kinds, counts = {}, {}
  for _, item in ipairs(items) do
    local kind = item.type or "item"
    if not counts[kind] then
      kinds[#kinds + 1], counts[kind] = kind, {}
    end
    counts[kind][item.outcome] = (counts[kind][item.outcome] or 0) + 1
  end
  return kinds, counts
end

local function apart(out, items)
  local list = {}
  for _, item in ipairs(items) do
    for _, text in ipairs(item.cannot_move or {}) do
      list[#list + 1] = ("  %s: %s"):format(visible(item.ref), visible(text))
    end
  end
  if #list == 0 then
    return
  end
  out[#out + 1] = "What cannot move, so that it is no difference:"
  for i, text in ipairs(list) do
    if i > MAX_ROWS and output.verbosity() == 0 then
      out[#out + 1] = ("  and %d more (-v lists them)"):format(
        #list - MAX_ROWS)
      break
    end
    out[#out + 1] = text
  end
end

--- The text of a result.
---@param result godwit.workflow.Result
---@return string
function M.text(result)
  local out = {}
  local all = output.verbosity() > 0

  for _, item in ipairs(result.items) do
    if all or item.outcome ~= "equal" then
      paragraph(out, item)
    end
  end
  apart(out, result.items)
  for _, note in ipairs(result.notes or {}) do
    out[#out + 1] = note
  end
  local kinds, counts = by_kind(result.items)
  for _, kind in ipairs(#kinds > 1 and kinds or {}) do
    out[#out + 1] = ("%s: %s."):format(kind, count_line(counts[kind]))
  end
  local places = result.comparison
  out[#out + 1] = ("%s and %s: %s."):format(places.from, places.to,
    count_line(result.counts))
  return table.concat(out, "\n") .. "\n"
end

return M
