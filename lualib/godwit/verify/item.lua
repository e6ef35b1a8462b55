--- item: one thing of two places while it is compared: what differs, with both
--- values, what could not be read, what cannot move. `record` is what people
--- see of it.

local core_json = require("godwit.core.json")
local err = require("godwit.err")
local findings = require("godwit.copy.findings")
local outcome = require("godwit.verify.outcome")

local M = {}

--- Differences of one item that are kept, and as many texts of what could not
--- be read; the others are counted.
M.MAX = 10000

---@class godwit.verify.Difference
---@field field string "settings.license", "file src/x.py", "member bob"
---@field source any nil: not there.
---@field destination any
---@field note? string What is to know about it.

---@class godwit.verify.Item
---@field type string
---@field ref string
---@field to? string
---@field differences godwit.verify.Difference[]
---@field more integer Differences that are only counted.
---@field unread string[]
---@field more_unread integer
---@field apart string[]
local Item = {}
Item.__index = Item

---@param kind string
---@param ref string
---@param to? string
---@return godwit.verify.Item
function M.new(kind, ref, to)
  return setmetatable({ type = kind, ref = ref, to = to, differences = {},
    more = 0, unread = {}, more_unread = 0, apart = {}, warnings = {},
    facts = {} }, Item)
end

local function present(v)
  if v == core_json.null or v == "" then
    return nil
  end
  return v
end
M.present = present

-- Names and texts of servers and repositories may be any bytes.
local function clean(v)
  if type(v) == "string" then
    return findings.printable(v)
  elseif type(v) ~= "table" or v == core_json.null then
    return v
  end
  local out = core_json.is_array(v) and core_json.array({}) or {}
  for key, inner in pairs(v) do
    out[clean(key)] = clean(inner)
  end
  return out
end

local function encoded(v)
  return core_json.encode(v)
end

--- Whether two values are one: documents by their content. nil, null and ""
--- are three spellings of nothing.
---@param a any
---@param b any
---@return boolean
function M.same(a, b)
  a, b = present(a), present(b)
  if type(a) == "table" and type(b) == "table" then
    return encoded(a) == encoded(b)
  end
  return a == b
end

--- Notes a difference.
---@param field string
---@param source any
---@param destination any
---@param note? string
function Item:differ(field, source, destination, note)
  if #self.differences >= M.MAX then
    self.more = self.more + 1
    return
  end
  self.differences[#self.differences + 1] = { field = clean(field),
    source = clean(present(source)),
    destination = clean(present(destination)), note = clean(note) }
end

--- Forgets what was found: it is looked at again.
function Item:restart()
  self.differences, self.more, self.warnings = {}, 0, {}
end

--- Compares two values of a field.
---@param field string
---@param source any
---@param destination any
function Item:compare(field, source, destination)
  if not M.same(source, destination) then
    self:differ(field, source, destination)
  end
end

--- Notes what cannot be the same at both places, whatever is done.
function Item:cannot_move(fmt, ...)
  self.apart[#self.apart + 1] = clean(fmt:format(...))
end

--- Notes something to know that is no difference.
function Item:warn(fmt, ...)
  self.warnings[#self.warnings + 1] = clean(fmt:format(...))
end

--- Something of the record besides: versions, files, bytes.
function Item:fact(name, value)
  self.facts[name] = value
end

--- It ends with another word than what its differences say.
---@param word "missing"|"extra"|"skipped"
---@param why? string
function Item:ends(word, why)
  self.word, self.why = word, why and clean(why)
end

--- Notes that something of it could not be read.
---@param what string
---@param e any
function Item:cannot_read(what, e)
  e = err.from(e)
  if outcome.is_final(e) then
    error(e, 0)
  end
  if #self.unread < M.MAX then
    self.unread[#self.unread + 1] = clean(what .. ": " .. tostring(e))
  else
    self.more_unread = self.more_unread + 1
  end
  self.retryable = self.retryable ~= false and e.retryable == true
  self.kind = self.kind or e.kind
end

--- Reads something; nil and false when it could not be read, which is noted.
---@async
---@param what string "the secrets of acme/Hello"
---@param fn fun(): any
---@return any value
---@return boolean read
function Item:read(what, fn)
  local ok, value = xpcall(fn, err.traced)
  if ok then
    return value, true
  end
  self:cannot_read(what, value)
  return nil, false
end

---@return boolean
function Item:is_different()
  return #self.differences > 0
end

local function filled(list)
  return #list > 0 and core_json.array(list) or nil
end

--- What people see of it.
---@return table
function Item:record()
  local word = self.word or #self.differences > 0 and "different"
    or #self.unread > 0 and "unreadable" or "equal"
  local unread = word == "unreadable"
  local record = { outcome = word, type = self.type, ref = clean(self.ref),
    to = self.to and clean(self.to), why = self.why,
    differences = filled(self.differences),
    differences_not_listed = self.more > 0 and self.more or nil,
    problems = filled(self.unread),
    problems_not_listed = self.more_unread > 0 and self.more_unread or nil,
    cannot_move = filled(self.apart),
    warnings = filled(self.warnings), kind = unread and self.kind or nil,
    retryable = unread and self.retryable or nil }

  for name, value in pairs(self.facts) do
    record[name] = value
  end
  return record
end

return M
