local err = require("godwit.err")

--- cluster.api_error: what a cluster's refusal means.
---
--- Clusters answer errors in three shapes, sometimes inside a 2xx. The class
--- of the status and the platform's code decide; the text is for people only,
--- but for one case the platform leaves no other way to recognise: a version
--- that was already published, told without a code.
local M = {}

---@class godwit.cluster.Problem
---@field message string
---@field code? integer
---@field id? string
---@field stacktrace? string
---@field error_type? string

local ALREADY_PUBLISHED = 1007

local BY_CODE = {
  [1000] = "notfound", [1001] = "notfound", [1009] = "notfound",
  [1010] = "notfound", [1011] = "notfound", [1013] = "notfound",
  [1014] = "notfound", [1017] = "notfound", [3000] = "notfound",
  [3100] = "notfound", [3108] = "notfound", [4008] = "notfound",
  [4009] = "notfound", [8006] = "notfound", [8008] = "notfound",
  [1002] = "exists", [1012] = "exists", [3003] = "exists",
  [3004] = "exists", [3101] = "exists", [3109] = "exists",
  [2001] = "auth", [2002] = "auth",
  [ALREADY_PUBLISHED] = "conflict", [4044] = "conflict",
  [3102] = "conflict",
}

local BY_STATUS = {
  [401] = "auth", [403] = "auth", [404] = "notfound", [407] = "auth",
  [409] = "conflict", [410] = "notfound", [412] = "conflict",
  [429] = "limit",
}

--- Statuses after which the same request may succeed.
local RETRYABLE = {
  [408] = true, [425] = true, [429] = true, [500] = true, [502] = true,
  [503] = true, [504] = true,
}

local function text_of(v)
  return type(v) == "string" and v ~= "" and v or nil
end

local function code_of(v)
  return math.tointeger(tonumber(type(v) ~= "boolean" and v or nil))
end

local function problem(from)
  local message = text_of(from.message)
  local code = type(from.code) ~= "table" and code_of(from.code) or nil
  if not code and message and message:lower():find("already published", 1, true)
  then
    code = ALREADY_PUBLISHED
  end
  return {
    message = message or (code and "code " .. code) or "no reason given",
    code = code,
    id = text_of(from.id),
    stacktrace = text_of(from.stacktrace) or text_of(from.stack_trace),
    error_type = text_of(from.error_type),
  }
end

--- Finds the error in a decoded answer: shape A {"error":{…}}, shape C
--- {"error":"text"}, and, unless the status says success, shape B
--- {"code","message"}.
---@param status integer
---@param doc any
---@return godwit.cluster.Problem|nil
function M.find(status, doc)
  if type(doc) ~= "table" then
    return nil
  end
  local e = doc.error
  if type(e) == "table" and (e.message ~= nil or e.code ~= nil) then
    return problem(e)
  elseif text_of(e) then
    return problem({ message = e, code = doc.code, id = doc.id })
  elseif type(e) == "table" and next(e) ~= nil then
    return problem(e)
  end
  local failed = status < 200 or status > 299
  if failed and (text_of(doc.message) or code_of(doc.code)) then
    return problem(doc)
  end
  return nil
end

--- The kind of a refusal.
---@param status integer
---@param code integer|nil
---@return string
function M.kind(status, code)
  if code and BY_CODE[code] then
    return BY_CODE[code]
  end
  return BY_STATUS[status] or "remote"
end

---@class godwit.cluster.Request
---@field method string
---@field url string

-- It is printed as it is: what steers a terminal, or goes on for ever, is none.
local function request_id(id)
  return type(id) == "string" and #id <= 200 and id:find("^[\x21-\x7e]+$")
    and id or nil
end

---@param request godwit.cluster.Request
local function operation(request)
  return request.method .. " " .. (request.url:gsub("%?.*", ""))
end

--- Makes the error of a refusal.
---@param request godwit.cluster.Request
---@param status integer
---@param p godwit.cluster.Problem
---@return godwit.err.Error
function M.new(request, status, p)
  local message = p.message
  if p.code then
    message = message .. " [" .. p.code .. "]"
  end
  return err.new({
    kind = M.kind(status, p.code),
    op = operation(request),
    message = (message:gsub("%c+", " ")),
    status = status,
    code = p.code,
    request_id = request_id(p.id),
    method = request.method,
    url = request.url,
    retryable = RETRYABLE[status] == true,
    stacktrace = p.stacktrace,
    error_type = p.error_type,
  })
end

local function looks_like_html(body)
  return body:find("^%s*<") ~= nil
end

--- Makes the error of an answer that is not JSON. In a 2xx, and wherever a
--- web page stands where the API should be, nothing can be concluded from it,
--- not even that something is missing.
---@param request godwit.cluster.Request
---@param status integer
---@param body string
---@param why string|nil  What the JSON parser said
---@return godwit.err.Error
function M.unreadable(request, status, body, why)
  local success = status >= 200 and status <= 299
  local html = looks_like_html(body)
  local message
  if html and status >= 500 then
    message = ("the server answered %d with a web page: it, or a proxy before"
      .. " it, is failing"):format(status)
  elseif html then
    message = ("the server answered %d with a web page instead of JSON;"
      .. " is this the address of a cluster's API?"):format(status)
  elseif success then
    message = "the server's answer is not usable JSON"
      .. (why and ": " .. why or "")
  else
    message = "the server answered " .. status
  end
  return err.new({
    kind = (success or html) and "remote" or M.kind(status),
    op = operation(request),
    message = (message:gsub("%c+", " ")),
    status = status,
    method = request.method,
    url = request.url,
    unreadable = success or nil,
    retryable = RETRYABLE[status] == true,
  })
end

--- Whether a publish was refused because its build is already published.
---@param e any
---@return boolean
function M.is_already_published(e)
  return type(e) == "table" and e.code == ALREADY_PUBLISHED
end

return M
