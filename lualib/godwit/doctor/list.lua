--- doctor.list: what was found, a line each: ok, warn, fail or skip, what it
--- is, and what to do. Texts may come from servers: they are made one line of
--- printable text here.
local err = require("godwit.err")
local task = require("godwit.task")

local M = {}

---@class godwit.doctor.Check
---@field id string Stable; docs/doctor.md lists them.
---@field status "ok"|"warn"|"fail"|"skip"
---@field text string
---@field hint? string What to do.
---@field temporary? boolean Of a fail: it may be gone later.

---@class godwit.doctor.List
---@field checks godwit.doctor.Check[]
---@field label string Before every text.
local List = {}
List.__index = List

local MAX = 500

-- Marks that turn the direction of a line, or are not seen at all.
local HIDDEN = { "\xe2\x80[\x8b-\x8f\xa8-\xae]", "\xe2\x81[\xa0-\xaf]",
  "\xef\xbb\xbf" }

--- One line that steers no terminal and fits a JSON document.
---@param text any
---@return string
function M.plain(text)
  text = tostring(text):sub(1, 8 * MAX)
  if not utf8.len(text) then
    text = text:gsub("[\x80-\xff]", "?")
  end
  text = text:gsub("\xc2[\x80-\x9f]", " "):gsub("%c+", " ")
  for _, mark in ipairs(HIDDEN) do
    text = text:gsub(mark, "")
  end
  if #text > MAX then
    text = text:sub(1, MAX):gsub("[\xc0-\xff][\x80-\xbf]*$", "") .. "…"
  end
  return text
end

---@param label? string Before every text: "Git: ".
---@return godwit.doctor.List
function M.new(label)
  return setmetatable({ checks = {}, label = label or "" }, List)
end

local function add(self, status, id, hint, fmt, ...)
  local check = { id = id, status = status,
    text = M.plain(self.label
      .. (select("#", ...) > 0 and fmt:format(...) or fmt)),
    hint = hint and M.plain(hint) or nil }
  self.checks[#self.checks + 1] = check
  return check
end

--- It is as it should be.
---@param id string
---@param fmt string
function List:ok(id, fmt, ...)
  return add(self, "ok", id, nil, fmt, ...)
end

--- It works, and may not for long or not for everything.
---@param id string
---@param hint string|nil
---@param fmt string
function List:warn(id, hint, fmt, ...)
  return add(self, "warn", id, hint, fmt, ...)
end

--- It does not work.
---@param id string
---@param hint string|nil
---@param fmt string
function List:fail(id, hint, fmt, ...)
  return add(self, "fail", id, hint, fmt, ...)
end

--- It was not looked at, or cannot be known.
---@param id string
---@param hint string|nil
---@param fmt string
function List:skip(id, hint, fmt, ...)
  return add(self, "skip", id, hint, fmt, ...)
end

--- It does not work, in the words of an error.
---@param id string
---@param e any
---@param hint? string
---@param what? string Before the error's words.
function List:failed(id, e, hint, what)
  e = err.from(e)
  local check = add(self, "fail", id, hint, "%s%s", what and what .. ": " or "",
    M.words(e))
  check.temporary = e.retryable == true or nil
  return check
end

--- An error's sentence, without its kind.
---@param e any
---@return string
function M.words(e)
  e = err.from(e)
  local op = type(e.op) == "string" and e.op:find(" ", 1, true) and e.op
  return (op and op .. ": " or "") .. tostring(e.message)
end

--- Appends another list's lines.
---@param other godwit.doctor.List
function List:append(other)
  table.move(other.checks, 1, #other.checks, #self.checks + 1, self.checks)
end

---@return boolean
function List:has_failed()
  for _, check in ipairs(self.checks) do
    if check.status == "fail" then
      return true
    end
  end
  return false
end

--- Calls fn within a time; returns true and its result, or false and the
--- error. What is no finding (the end of the run, a mistake of ours) is raised.
---@async
---@param seconds number
---@param fn function
---@return boolean ok
---@return any
function M.try(seconds, fn, ...)
  local ok, result = pcall(task.deadline, seconds, fn, ...)
  if not ok then
    result = err.from(result)
    if result.kind == "cancelled" or result.kind == "bug" then
      error(result, 0)
    end
  end
  return ok, result
end

--- "1 algorithm", "2 algorithms".
---@param n integer
---@param word string
---@return string
function M.count(n, word)
  return ("%d %s%s"):format(n, word, n == 1 and "" or "s")
end

return M
