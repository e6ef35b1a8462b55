--- What is printed where: the result to stdout, all else to stderr. With
--- --json stdout is exactly one document, also for errors. Nobody reading any
--- more (`| head`) is no error.
local err = require("godwit.err")
local json = require("godwit.core.json")
local sys = require("godwit.core.sys")
local trace = require("godwit.trace")

local M = {}

local STYLES = {
  bold = "1", red = "31", green = "32", yellow = "33", dim = "2",
}

local state = { json = false, quiet = false, verbose = 0, color = "auto",
  done = false }

--- What goes before a line on stderr (the progress line is taken away), and
--- after it.
M.before, M.after = nil, nil

---@param values { json?: boolean, quiet?: boolean, verbose?: integer, color?: string }
function M.setup(values)
  for name, v in pairs(values) do
    state[name] = v
  end
end

--- Forgets everything; for tests.
function M.reset()
  state = { json = false, quiet = false, verbose = 0, color = "auto",
    done = false }
  M.before, M.after = nil, nil
end

---@return boolean
function M.is_json()
  return state.json
end

---@return boolean
function M.is_quiet()
  return state.quiet
end

---@return integer
function M.verbosity()
  return state.verbose
end

local function is_set(name)
  local v = sys.env(name)
  return v ~= nil and v ~= ""
end

--- Are colors wanted on this stream?
---@param fd integer
---@return boolean
function M.colors(fd)
  if state.color ~= "auto" then
    return state.color == "always"
  elseif is_set("NO_COLOR") then
    return false
  elseif is_set("CLICOLOR_FORCE") and sys.env("CLICOLOR_FORCE") ~= "0" then
    return true
  end
  return sys.isatty(fd) and sys.env("TERM") ~= "dumb"
end

--- Text in a style, if the stream shows styles.
---@param style string
---@param text string
---@param fd? integer Default 1.
---@return string
function M.paint(style, text, fd)
  if not M.colors(fd or 1) then
    return text
  end
  return ("\27[%sm%s\27[0m"):format(STYLES[style], text)
end

-- Characters that turn the direction of text or end a line, in three bytes.
local TURNING = { "\xe2\x80[\xa8-\xae]", "\xe2\x81[\xa6-\xa9]" }

--- Text of servers and repositories, so that no terminal obeys it: control
--- characters but line ends and tabs are written out.
---@param text string
---@return string
function M.visible(text)
  text = text:gsub("\r\n", "\n"):gsub("\xc2[\x80-\x9f]", function(c)
    return ("\\x%02x"):format(c:byte(2))
  end):gsub("[%c\127]", function(c)
    return c ~= "\n" and c ~= "\t" and ("\\x%02x"):format(c:byte()) or nil
  end)
  for _, pattern in ipairs(TURNING) do
    text = text:gsub(pattern, function(c)
      return ("\\u{%04x}"):format(utf8.codepoint(c))
    end)
  end
  return text
end

local function to_stderr(text)
  if M.before then
    M.before()
  end
  sys.write(2, text .. "\n")
  if M.after then
    M.after()
  end
end

--- A line on stderr, unless --quiet.
function M.note(fmt, ...)
  if not state.quiet then
    to_stderr(M.visible(fmt:format(...)))
  end
end

--- The same behind a few words of ours in bold.
function M.headed(words, fmt, ...)
  if not state.quiet then
    to_stderr(M.paint("bold", words, 2) .. ": " .. M.visible(fmt:format(...)))
  end
end

--- A line on stderr with -v.
function M.detail(fmt, ...)
  if state.verbose > 0 and not state.quiet then
    to_stderr(M.visible(fmt:format(...)))
  end
end

--- A warning on stderr, also with --quiet.
function M.warn(fmt, ...)
  to_stderr(M.paint("yellow", "warning: ", 2) .. M.visible(fmt:format(...)))
end

--- A line on stderr whatever was asked.
function M.say(fmt, ...)
  to_stderr(fmt:format(...))
end

local EPIPE = 32 -- nobody reads any more: their choice

local function to_stdout(text)
  local ok, e = sys.write(1, text)
  if not ok and e.status ~= EPIPE then
    state.lost = state.lost or e
  end
end

--- The exit code once everything is said: a result that could not be written
--- (a full disk) is no success.
---@param code integer
---@return integer
function M.finish(code)
  if state.lost then
    to_stderr(M.paint("red", "error: ", 2) .. "the result could not be "
      .. "written to stdout: " .. state.lost.message)
    return code == 0 and 1 or code
  end
  return code
end

--- Text on stdout as it is; lost with --json, where only the document counts.
---@param text string
function M.text(text)
  if not state.json then
    to_stdout(text)
  end
end

-- JSON lets these stand as they are; a terminal obeys them.
local function document(doc)
  return (json.encode(doc, { pretty = true }):gsub("\x7f", "\\u007f")
    :gsub("\xc2([\x80-\x9f])", function(c)
      return ("\\u%04x"):format(c:byte())
    end))
end

--- The result of the command: a document for --json, text otherwise.
---@param doc any
---@param text? string
function M.result(doc, text)
  if state.json then
    if not state.done then
      state.done = true
      to_stdout(document(doc) .. "\n")
    end
  elseif text and text ~= "" then
    to_stdout(text:sub(-1) == "\n" and text or text .. "\n")
  end
end

local FIELDS = { "kind", "message", "op", "status", "code" }

local function plain(v)
  local kind = type(v)
  return kind == "string" or kind == "number" or kind == "boolean"
end

-- The errors of items that were all to be tried (task.each, keep_going).
local function parts(e)
  return type(e.errors) == "table" and #e.errors > 1 and e.errors or {}
end

-- The sentence, the script's line first. Of a mistake in a script the kind
-- says nothing more.
local function sentence(e)
  local plain_words = e.kind == "usage" and not e.status
    or e.kind == "bug" and trace.place(e)
  local text = plain_words and tostring(e.message) or tostring(e)
  return (M.visible(trace.sentence(e, text)):gsub("[\r\n]+", " "))
end

--- The document of an error.
---@param e table
---@param code integer The exit code.
---@return table
function M.error_document(e, code)
  trace.name_raised(e)
  local doc = trace.fields(e)
  doc.exit, doc.retryable = code, e.retryable == true
  for _, name in ipairs(FIELDS) do
    if plain(e[name]) then
      doc[name] = e[name]
    end
  end
  if doc.request then -- as they were before there were more
    doc.method, doc.url = doc.request.method, doc.request.url
  end
  doc.text = tostring(e)
  for i, part in ipairs(parts(e)) do
    doc.errors = doc.errors or {}
    doc.errors[i] = tostring(part)
  end
  doc.next = plain(e.next) and e.next or nil
  return { error = doc }
end

local SHOWN = 10 -- errors of a run's items

--- One clear sentence on stderr; for a script's error the lines it is of, the
--- calls that led there and the request; one sentence for each item that
--- failed. The library's own calls with -vv, or where nothing else says where
--- it came from: with -v, and always for what is our own mistake.
---@param e table An error object.
---@param code integer
function M.fail(e, code)
  trace.name_raised(e)
  local at = trace.place(e)
  to_stderr(M.paint("red", "error: ", 2) .. sentence(e))
  if at then
    for _, text in ipairs(trace.lines(e)) do
      to_stderr(text)
    end
  end
  for i, part in ipairs(parts(e)) do
    if i > SHOWN and state.verbose == 0 then
      to_stderr(("  and %d more (-v lists them)"):format(#e.errors - SHOWN))
      break
    end
    to_stderr("  " .. sentence(err.from(part)))
  end
  if e.traceback and (state.verbose > 1
      or not at and (state.verbose > 0 or e.kind == "bug")) then
    to_stderr(tostring(e.traceback))
  end
  if state.json then
    M.result(M.error_document(e, code))
  end
end

return M
