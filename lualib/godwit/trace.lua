--- trace: where an error is of, for people: the script's line with the lines
--- around it, the calls that led there (through tasks, too), and the request
--- involved. Pure but for the texts it remembers.
local err = require("godwit.err")
local modules = require("godwit.core.modules")

local M = {}

local AROUND = 2 -- lines shown before and after
local MAX_LINE = 160 -- bytes of each
local MAX_CALLS = 12
local MAX_DEPTH = 8 -- of causes
local MAX_RAISED = 400 -- bytes of a table that was raised

local sources = {}

--- Keeps the text of a chunk, to show lines of it.
---@param chunk string "@path" or "=name"
---@param text string
function M.remember(chunk, text)
  sources[(chunk:gsub("^[@=]", ""))] = text
end

--- Is this chunk the user's own, not the library or a bundled workflow?
local function is_own(where)
  if sources[where] then
    return true
  elseif where == "[C]" or where == "argparse.lua" then
    return false
  end
  return modules.source((where:gsub("^lualib/", ""))) == nil
end

---@class godwit.trace.Call
---@field file string
---@field line integer
---@field what string "function <fix.lua:4>", "local 'f'", "main chunk"
---@field via? string The library's function that was called there, or what started the task: "task.each".
---@field source? string That line.

local function name_in(what)
  return what:match("'([^']+)'")
end

local function line_of(where, number)
  local text, at = sources[where], 1
  if not text then
    return nil
  end
  for line in (text .. "\n"):gmatch("(.-)\r?\n") do
    if at == number then
      return line
    end
    at = at + 1
  end
  return nil
end

-- Of an address with a password in it the lines of a script show none either.
local function short(line)
  line = line:gsub("\t", "    ")
    :gsub("(%a[%w+.-]*://)[^%s/?#\"'@]*:[^%s/?#\"'@]*@", "%1…@")
  if #line > MAX_LINE then
    line = line:sub(1, MAX_LINE):gsub("[\xc0-\xff][\x80-\xbf]*$", "") .. "…"
  end
  return line
end

--- The user's own lines among the calls of a traceback, innermost first.
---@param e any
---@return godwit.trace.Call[]
function M.calls(e)
  local text, calls, via = err.is(e) and rawget(e, "traceback"), {}, nil
  if type(text) ~= "string" then
    return calls
  end
  for line in text:gmatch("\n\t([^\n]+)") do
    local started = line:match("^%[([%w_.]+)%] stack traceback:$")
    local where, number, what = line:match("^(.-):(%d+): in (.*)$")
    what = what or line:match("^%[C%]: in (.*)$")
    if started then
      via = started
    elseif where and is_own(where) then
      number = math.tointeger(number)
      local source = line_of(where, number)
      calls[#calls + 1] = { file = where, line = number, what = what,
        via = via, source = source and short(source:match("^%s*(.-)%s*$")) }
      via = nil
    elseif #calls > 0 and not (via and via:find(".", 1, true)) then
      via = what and name_in(what) -- the outermost is the one called there
    end
  end
  return calls
end

-- "policies/acme.lua:12: …": an error can name its line without having been
-- raised there.
local function named_line(message)
  local where, number = tostring(message):match("^([^\n]-):(%d+): ")
  if where and sources[where] then
    return { file = where, line = math.tointeger(number) }
  end
  return nil
end

--- Makes the message of an error whose script raised a table without a text of
--- its own say what is in it.
---@param e godwit.Err
function M.name_raised(e)
  local raised = rawget(e, "value")
  if type(raised) ~= "table" or not tostring(e.message):find("^table: 0x") then
    return
  end
  local ok, text = pcall(require("godwit.core.json").encode, raised)
  if not ok or type(text) ~= "string" then
    text = "a table was raised, not a text"
  elseif #text > MAX_RAISED then
    text = text:sub(1, MAX_RAISED):gsub("[\xc0-\xff][\x80-\xbf]*$", "") .. "…"
  end
  e.message = text
end

--- The user's own line an error is of, or nil.
---@param e any
---@return { file: string, line: integer }?
function M.place(e)
  return err.is(e) and named_line(e.message) or M.calls(e)[1]
end

--- That line as "fix.lua:12", or nil.
---@param e any
---@return string?
function M.line(e)
  local at = M.place(e)
  return at and ("%s:%d"):format(at.file, at.line)
end

--- The lines around a place; none where the text is not known, or is nothing
--- but that line.
---@param at { file: string, line: integer }
---@return { number: integer, text: string, here: boolean }[]
function M.excerpt(at)
  local rows, number = {}, 0
  for text in ((sources[at.file] or ""):gsub("\n$", "") .. "\n")
    :gmatch("(.-)\r?\n") do
    number = number + 1
    if number > at.line + AROUND then
      break
    elseif number >= at.line - AROUND then
      rows[#rows + 1] = { number = number, text = short(text),
        here = number == at.line }
    end
  end
  return number > 1 and number >= at.line and rows or {}
end

-- Credentials stand in queries, too; of a query only is said that there is one.
local function address(url)
  url = url:gsub("#.*$", ""):gsub("^(%a[%w+.-]*://)[^/?]*@", "%1")
  return (url:gsub("%?.+$", "?…"))
end

---@class godwit.trace.Request
---@field method string
---@field url string
---@field status? integer
---@field code? integer|string The platform's own.
---@field request_id? string

local function scalar(v)
  local kind = type(v)
  return (kind == "string" or kind == "number") and v or nil
end

--- The request an error is about: its own, or that of its cause.
---@param e any
---@return godwit.trace.Request?
function M.request(e)
  for _ = 1, MAX_DEPTH do
    if not err.is(e) then
      return nil
    end
    local method, url = rawget(e, "method"), rawget(e, "url")
    if type(method) == "string" and type(url) == "string" then
      local answered = e.kind ~= "net" and e.kind ~= "timeout"
      return { method = method, url = address(url),
        status = answered and scalar(rawget(e, "status")) or nil, code = scalar(rawget(e, "code")),
        request_id = scalar(rawget(e, "request_id")) }
    end
    e = rawget(e, "cause")
  end
  return nil
end

local function request_line(r)
  local out = { ("request: %s %s"):format(r.method, r.url) }
  out[#out + 1] = r.status and ("answered %s"):format(r.status) or nil
  out[#out + 1] = r.code and ("code %s"):format(r.code) or nil
  out[#out + 1] = r.request_id and ("request id %s"):format(r.request_id) or nil
  return table.concat(out, ", ")
end

-- A call as the line that made it: "called by task.each at fix.lua:2".
local function call_line(call)
  return ("called %sat %s:%d"):format(call.via and "by " .. call.via .. " "
    or "", call.file, call.line)
end

-- The lines around a place, that one marked.
local function excerpt_lines(rows)
  local out, width = {}, #tostring(#rows > 0 and rows[#rows].number or 0)
  for i, row in ipairs(rows) do
    out[i] = (("  %s %" .. width .. "d | %s"):format(row.here and ">" or " ",
      row.number, row.text):gsub("%s+$", ""))
  end
  return out
end

--- What stands below an error's sentence: the excerpt, the calls, the request;
--- of what `fields` gave.
---@param doc table
---@return string[]
function M.below(doc)
  local out = excerpt_lines(doc.excerpt or {})
  local calls = doc.calls or {}
  local first = calls[1] and doc.line
    == ("%s:%d"):format(calls[1].file, calls[1].line) and 2 or 1
  for i = first, #calls do
    out[#out + 1] = "  " .. call_line(calls[i])
  end
  if doc.more_calls then
    out[#out + 1] = ("  and %d calls more"):format(doc.more_calls)
  end
  if doc.request then
    out[#out + 1] = "  " .. request_line(doc.request)
  end
  return out
end

--- The same of an error.
---@param e any
---@return string[]
function M.lines(e)
  return M.below(M.fields(e))
end

--- Where an error is of, as fields for --json: `line`, `excerpt`, `calls`
--- (`more_calls` where there are too many), `request`.
---@param e any
---@return table
function M.fields(e)
  local doc, at = { request = M.request(e) }, M.place(e)
  local array = require("godwit.core.json").array
  if not at then
    return doc
  end
  doc.line = M.line(e)
  local rows, calls = M.excerpt(at), M.calls(e)
  doc.excerpt = #rows > 0 and array(rows) or nil
  doc.calls = #calls > 0
    and array({ table.unpack(calls, 1, MAX_CALLS) }) or nil
  doc.more_calls = #calls > MAX_CALLS and #calls - MAX_CALLS or nil
  return doc
end

--- An error's sentence, its own line first.
---@param e godwit.Err
---@param text string The sentence.
---@return string
function M.sentence(e, text)
  local at = M.place(e)
  if not at then
    return text
  end
  local line = ("%s:%d"):format(at.file, at.line)
  if text:sub(1, #line + 1) == line .. ":" then
    return text
  end
  -- Lua shortens a long path: ".../folder/fix.lua:3: …".
  local dots, rest = text:match("^%.%.%.([^\n]-:%d+): (.*)$")
  if dots and line:sub(-#dots) == dots then
    text = rest
  end
  return line .. ": " .. text
end

return M
