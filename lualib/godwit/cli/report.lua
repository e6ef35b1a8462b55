--- The result of a run as text: a paragraph for each item, then what was said
--- about the whole, then counts.
local output = require("godwit.cli.output")
local size = require("godwit.cli.size")

local M = {}

local WORDS = { "created", "updated", "unchanged", "skipped", "waiting",
  "refused", "failed" }
local STYLE = { created = "green", updated = "green", unchanged = "dim",
  skipped = "dim", waiting = "yellow", refused = "red", failed = "red" }
local COLUMN = 11
local MAX_FILES = 10

-- Names and messages of servers stay in their paragraph: behind a line end
-- nothing of theirs looks like a line of ours.
local function line(out, fmt, ...)
  local indent = (" "):rep(COLUMN)
  out[#out + 1] = indent .. output.visible(fmt:format(...)):gsub("\n+", "\n"
    .. indent .. "    ")
end

local function short(v)
  v = tostring(v)
  return v:find("^%x+$") and #v == 40 and v:sub(1, 12) or v
end

local function head(item, with_type)
  local text = tostring(item.ref or item.to or "?")
  if with_type and item.type then
    text = item.type .. " " .. text
  end
  if item.source_version then
    text = text .. " " .. tostring(item.source_version)
  end
  if item.to then
    text = text .. " -> " .. tostring(item.to)
  end
  if item.version then
    text = text .. " " .. tostring(item.version)
  end
  return (output.visible(text):gsub("\n", "\\n"))
end

local function list(out, title, rows)
  for _, row in ipairs(rows or {}) do
    line(out, "%s%s", title, tostring(row))
  end
end

local SYMBOLS = { added = "+", deleted = "-", modified = "~", mode = "~" }

local function files(out, rows)
  rows = rows or {}
  for i, f in ipairs(rows) do
    -- A line about one more would be no shorter than that one.
    if i > MAX_FILES and #rows > MAX_FILES + 1
      and output.verbosity() == 0 then
      line(out, "  and %d more files (-v lists them)", #rows - MAX_FILES)
      return
    end
    line(out, "  %s %s", SYMBOLS[f.status] or "~", tostring(f.path))
  end
end

local function show(v)
  if v == nil or v == "" then
    return "nothing"
  elseif type(v) == "table" then
    return require("godwit.core.json").encode(v)
  end
  return tostring(v)
end

local function differences(out, rows)
  for _, d in ipairs(rows or {}) do
    line(out, "  %s: %s here, %s at the source", tostring(d.field),
      show(d.destination), show(d.source))
  end
end

local function details(out, item)
  if item.commit then
    line(out, "commit %s of source commit %s", short(item.commit),
      short(item.source_commit or "?"))
  elseif item.source_commit then
    line(out, "source commit %s", short(item.source_commit))
  end
  for _, step in ipairs(item.steps or {}) do
    if type(step) == "table" then
      line(out, "%s %s", step.symbol or "=", step.text or step.step)
      if step.step == "push" then
        files(out, item.files)
      elseif step.step == "settings" and step.symbol == "=" then
        differences(out, item.differences)
      end
    else
      line(out, "= %s", tostring(step))
    end
  end
end

-- Where a script or a policy failed, once.
local function source_lines(out, item, shown)
  local e = item.error
  if type(e) ~= "table" or not e.line or shown[e.line] then
    return
  end
  shown[e.line] = true
  for _, row in ipairs(require("godwit.trace").below(e)) do
    out[#out + 1] = (" "):rep(COLUMN) .. row
  end
end

local function paragraph(out, item, shown, with_type)
  local word = item.outcome
  out[#out + 1] = output.paint(STYLE[word] or "bold", ("%-" .. COLUMN
    .. "s"):format(word)) .. head(item, with_type)
  list(out, "problem: ", item.problems)
  -- A refusal's reason is its problems.
  if item.why and not (item.problems and word == "refused") then
    line(out, "%s", tostring(item.why))
    list(out, "| ", item.log)
    source_lines(out, item, shown)
    if word == "failed" and item.retryable and item.kind ~= "budget" then
      line(out, "a later attempt may succeed: give the same command again")
    end
  end
  details(out, item)
  list(out, "note: ", item.warnings)
end

local function counts(of)
  local parts = {}
  for _, word in ipairs(WORDS) do
    local n = of[word] or 0
    if n > 0 then
      parts[#parts + 1] = ("%d %s"):format(n, word)
    end
  end
  return #parts > 0 and table.concat(parts, ", ") or "nothing to do"
end

-- Of a workflow that lists no items.
local function writes(result)
  local n = result.writes or 0
  return n > 0 and ("%d write%s"):format(n, n == 1 and "" or "s") or nil
end

-- A collection may be called as an algorithm is.
local function is_mixed(items)
  local first
  for _, item in ipairs(items) do
    first = first or item.type
    if item.type ~= first then
      return true
    end
  end
  return false
end

local function used(of)
  return of and (" By then: %d requests, %d writes, %d deletes, %s."):format(
    of.requests, of.writes, of.deletes, size.format(of.bytes)) or ""
end

--- The text of a result.
---@param result godwit.workflow.Result
---@return string
function M.text(result)
  local out = {}
  local shown = {} -- lines of scripts: many items may fail at one
  local with_type = is_mixed(result.items)
  for _, item in ipairs(result.items) do
    paragraph(out, item, shown, with_type)
  end
  for _, note in ipairs(result.notes or {}) do
    out[#out + 1] = output.visible(note)
  end
  if result.budget then
    out[#out + 1] = "A budget ended the run: " .. result.budget .. "."
      .. used(result.used)
  end
  local places = result.destinations or {}
  for _, place in ipairs(#places > 1 and places or {}) do
    out[#out + 1] = ("%s: %s."):format(tostring(place.name),
      counts(place.counts))
  end
  for _, text in ipairs(result.planned or {}) do
    out[#out + 1] = output.visible(text)
  end
  local prefix = result.dry_run and "Plan, nothing was written: " or ""
  out[#out + 1] = ("%s%s."):format(prefix, writes(result)
    or counts(result.counts))
  return table.concat(out, "\n") .. "\n"
end

return M
