--- Workflows and scripts: found by name or file, told apart by what they
--- return. Bundled ones are the library's own; files run closed.
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local modules = require("godwit.core.modules")
local head_of = require("godwit.workflow.head")
local suggest = require("godwit.config.suggest")
local sys = require("godwit.core.sys")

local M = {}

local MAX_SCRIPT = 4 << 20
--- Second names of bundled workflows.
local ALIASES = { ["migrate-algorithms"] = "promote" }

---@class godwit.cli.Script
---@field name string As printed.
---@field chunk string The chunk's name, for errors.
---@field text string
---@field shown? string What was typed, where that is not the text.
---@field origin "bundled"|"file"|"GODWIT_PATH"|"eval"
---@field value? any What it returned when it was run.

local function from_folders(name)
  for _, dir in ipairs(modules.path()) do
    local path = ("%s/scripts/%s.lua"):format(dir, name)
    if fs.stat(path) then
      return { name = name, chunk = "@" .. path, origin = "GODWIT_PATH",
        text = err.check(fs.read(path, MAX_SCRIPT)) }
    end
  end
  return nil
end

--- A workflow by its name or second name, or nil.
---@async
---@param name string
---@return godwit.cli.Script|nil
function M.find_bundled(name)
  name = ALIASES[name] or name
  if not name:find("^%w[%w_-]*$") then
    return nil
  end
  local own = from_folders(name)
  local path = ("scripts/%s.lua"):format(name)
  local text = modules.source(path)
  if own then
    if text then
      require("godwit.cli.output").note("The workflow %s is taken from %s "
        .. "(GODWIT_PATH).", name, own.chunk:sub(2))
    end
    return own
  end
  return text and { name = name, chunk = "@" .. path, origin = "bundled",
    text = text } or nil
end

local function names()
  local found = {}
  for _, path in ipairs(modules.names("scripts/")) do
    local name = path:match("^scripts/([%w_-]+)%.lua$")
    if name then
      found[name] = true
    end
  end
  for _, dir in ipairs(modules.path()) do
    local folder = dir .. "/scripts"
    for _, entry in ipairs(fs.stat(folder) and fs.list(folder) or {}) do
      local name = entry.name:match("^([%w_-]+)%.lua$")
      if name then
        found[name] = true
      end
    end
  end
  return suggest.names(found)
end

--- A script by file name. Raises kind "usage".
---@async
---@param path string
---@return godwit.cli.Script
function M.from_file(path)
  local info = fs.stat(path)
  if not info then
    err.throw("usage", "there is no file %s", path)
  elseif info.type == "dir" then
    err.throw("usage", "%s is a folder, not a script", path)
  end
  local text = err.check(fs.read(path, MAX_SCRIPT))
  return { name = path, chunk = "@" .. path, origin = "file",
    text = (text:gsub("^\xef\xbb\xbf", "")) } -- editors put it there
end

--- What `run` was given: a file, or a workflow's name.
---@async
---@param word string
---@return godwit.cli.Script
function M.find(word)
  if word:find("/", 1, true) or word:find("%.lua$") then
    return M.from_file(word)
  end
  local script = M.find_bundled(word)
  if not script then
    local known = names()
    err.throw("usage", "there is no workflow '%s'%s; a file is written with "
      .. "a '/' or its '.lua' (see: godwit list)", word,
      suggest.hint(word, known))
  end
  return script
end

--- Runs the text of a script: the head of a workflow, or all there is.
---@async
---@param script godwit.cli.Script
---@param words? string[] For godwit.args.
---@return any ... What the script returned.
function M.execute(script, words)
  local fn, why
  if script.origin == "bundled" or script.origin == "GODWIT_PATH" then
    fn, why = sys.load(script.text, script.chunk, _ENV)
  else
    if script.text:sub(1, 1) == "\27" then
      err.throw("usage", "%s is compiled Lua; only its source is run",
        script.name)
    end
    fn, why = require("godwit.closed").load(script.text, script.chunk,
      require("godwit.cli.globals").make(words or {}))
  end
  if script.origin ~= "bundled" then
    require("godwit.trace").remember(script.chunk, script.shown or script.text)
  end
  if not fn then
    err.throw("usage", "%s", tostring(why))
  end
  local result = table.pack(fn()) -- no tail call: it stays in the traceback
  return table.unpack(result, 1, result.n)
end

--- Could this text be a workflow? One that is none runs when it is loaded.
---@param script godwit.cli.Script
---@return boolean
function M.looks_like_workflow(script)
  return script.text:find("%f[%w_]run%s*=") ~= nil
    or script.text:find("[.:]run%s*%(") ~= nil
end

--- Is this the text of a workflow with permissions? It is told by the text
--- alone, before any of it runs: nothing is reached at the top level of such a
--- file, and permissions in any other are refused.
---@param script godwit.cli.Script
---@return boolean
function M.declares_permissions(script)
  return script.origin ~= "bundled" and M.looks_like_workflow(script)
    and script.text:find("%f[%w_]permissions[\"'%]%s]*=[^=]") ~= nil
end

--- Permissions in a file that was not known to have some come too late: its top
--- level has run. Raises kind "usage".
---@param script godwit.cli.Script
---@param head godwit.workflow.Head
function M.check_permissions(script, head)
  if head.permissions and script.origin ~= "bundled"
    and not M.declares_permissions(script) then
    err.throw("usage", "%s: its head has permissions, and they are not seen in "
      .. "its text; write permissions = { … } and run = function(cx) into the "
      .. "file itself", script.name)
  end
end

--- The head of a workflow. Raises kind "usage" when it has none.
---@async
---@param script godwit.cli.Script
---@return godwit.workflow.Head
function M.head(script)
  return head_of.check(M.execute(script), script.name)
end

--- The workflows that can be run by name.
---@async
---@return { name: string, summary: string, alias?: string, origin: string, head: table }[]
function M.bundled()
  local rows = {}
  for _, name in ipairs(names()) do
    local script = M.find_bundled(name)
    local head = M.head(script)
    local alias
    for second, first in pairs(ALIASES) do
      alias = first == name and second or alias
    end
    rows[#rows + 1] = { name = name, summary = head.summary, alias = alias,
      origin = script.origin, head = head }
  end
  return rows
end

--- Every word that can be a command, for suggestions.
---@return string[]
function M.known_words()
  local words = names()
  for name in pairs(ALIASES) do
    words[#words + 1] = name
  end
  for _, name in ipairs(require("godwit.cli.commands").ORDER) do
    words[#words + 1] = name
  end
  return words
end

return M
