--- findings: what a look at one side of a promotion brings to light: holes
--- that only a person can close, what only trying can tell, what one should
--- know, and the failure that ended the look. A source's findings are handed to
--- the job of every destination.

local err = require("godwit.err")
local task = require("godwit.task")

local M = {}

---@class godwit.copy.Findings
---@field problems string[] Holes that only a person can close.
---@field unknowable string[] What only trying can tell.
---@field warnings string[]
---@field failure? godwit.Err

--- Text from a repository as UTF-8: names and messages may be any bytes.
---@param text string
---@return string
function M.printable(text)
  if utf8.len(text) then
    return text
  end
  return (text:gsub("[\x80-\xff]", function(c)
    return string.format("\\x%02x", c:byte())
  end))
end

local function add(list, text)
  for _, said in ipairs(list) do
    if said == text then
      return
    end
  end
  list[#list + 1] = text
end

--- The methods of everything that has findings.
local Findings = {}
M.methods = Findings

--- Adds a hole, once; what has one is refused before its first write.
function Findings:problem(fmt, ...)
  add(self.problems, M.printable(fmt:format(...)))
end

--- Adds something a person should know that stops nothing, once.
function Findings:warn(fmt, ...)
  add(self.warnings, M.printable(fmt:format(...)))
end

--- Adds what pre-flight cannot know.
function Findings:only_trying(fmt, ...)
  add(self.unknowable, fmt:format(...))
end

--- Takes over what was found elsewhere.
---@param other godwit.copy.Findings
function Findings:adopt(other)
  for _, text in ipairs(other.problems) do
    add(self.problems, text)
  end
  for _, text in ipairs(other.warnings) do
    add(self.warnings, text)
  end
  for _, text in ipairs(other.unknowable) do
    add(self.unknowable, text)
  end
  self.failure = self.failure or other.failure
end

--- Takes the result of a read. What a person has to fix becomes a problem,
--- anything else is why it failed; either way the next one is looked at.
---@param what string "the versions of acme/Fraud"
---@param result {[1]: boolean, [2]: any} As pcall returns it.
---@return any value nil when it failed
function Findings:take(what, result)
  if result[1] then
    return result[2]
  end
  local e = err.from(result[2])
  if err._is_final(e) or e.kind == "bug" then
    error(e, 0)
  elseif e.kind == "refused" then
    self:problem("%s", e.message)
  elseif e.kind == "auth" or e.kind == "notfound" or e.kind == "usage" then
    self:problem("%s: %s", what, tostring(e))
  elseif not self.failure or (self.failure.retryable and not e.retryable) then
    self.failure = e
  end
end

--- Runs a read and takes its result.
---@async
---@param what string
---@param fn fun(): any
---@return any
function Findings:read(what, fn)
  return self:take(what, { xpcall(fn, err.traced) })
end

--- Does several reads at once; each comes back as {ok, value}.
---@async
---@param reads table<string, fun(): any>
---@return table<string, {[1]: boolean, [2]: any}>
function M.together(reads)
  local list, results = {}, {}

  for name, fn in pairs(reads) do
    list[#list + 1] = function()
      results[name] = { xpcall(fn, err.traced) }
    end
  end
  task.all(list)
  return results
end

return M
