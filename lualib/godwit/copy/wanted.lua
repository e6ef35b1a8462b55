--- wanted: which algorithms a promotion is asked to move: words of the command
--- line and lines of a file, each OWNER/NAME or a glob, with a version or not.
--- Reads and checks text; what a glob means is for copy.listing to find out.

local err = require("godwit.err")
local lines = require("godwit.copy.lines")
local ref = require("godwit.copy.ref")

local M = {}

local MAX_BYTES = 4 << 20
local GLOB = "^[%w_*?]+$"

---@class godwit.copy.Wanted: godwit.copy.Ref
---@field text string As it was written.
---@field where? string "list.txt:3", for one of a file.
---@field glob? boolean Owner or name are patterns.

-- A glob's version is one that many algorithms can have.
local function parse_glob(owner, name, rest, text, asked)
  local one = ref.parse("A/A" .. rest, asked)
  local kind = one.revision.kind

  if not owner:find(GLOB) or not name:find(GLOB) then
    err.throw("usage", "'%s' is no glob of OWNER/NAME: it may have letters, "
      .. "digits, _, * and ?", text)
  elseif kind == "version" or kind == "commit" then
    err.throw("usage", "'%s' means several algorithms, and %s is of one: name "
      .. "that one, or take head or latest", text, ref.show(one.revision))
  end
  one.owner, one.name, one.glob = owner, name, true
  return one
end

local function parse(text, asked)
  local owner, name, rest = text:match("^([^/]+)/([^/]+)(.*)$")
  local found

  if owner and (owner .. name):find("[*?]") then
    found = parse_glob(owner, name, rest, text, asked)
  else
    found = ref.parse(text, asked)
  end
  found.text = text
  return found
end

local function read_file(path, asked, list)
  for text, where in lines.each(path, "--algorithms-from", MAX_BYTES) do
    local ok, found = pcall(parse, text, asked)
    if not ok then
      error(err.wrap(err.from(found), where), 0)
    end
    found.where = where
    list[#list + 1] = found
  end
end

-- One algorithm named twice is a mistake, not two promotions.
local function check_distinct(list)
  local seen = {}

  for _, w in ipairs(list) do
    local key = w.glob and w.text or w.owner .. "/" .. w.name
    local other = seen[key]
    if other and not w.glob then
      local places = (other.where or w.where) and string.format(" (%s and %s)",
        other.where or "the command line", w.where or "the command line") or ""
      err.throw("usage", "%s is named twice%s", key, places)
    end
    seen[key] = w
  end
end

--- Reads what is asked for. Raises `usage` for what nobody can mean.
---@async
---@param words string[]
---@param file? string "-": stdin.
---@param asked? string --source-version
---@return godwit.copy.Wanted[]
function M.read(words, file, asked)
  local list = {}

  for _, text in ipairs(words) do
    list[#list + 1] = parse(text, asked)
  end
  if file then
    read_file(file, asked, list)
    if #list == 0 then
      err.throw("usage", "%s names no algorithm", file == "-" and "stdin"
        or file)
    end
  elseif #list == 0 then
    err.throw("usage", "name at least one algorithm as OWNER/NAME, or several "
      .. "with a glob as 'OWNER/*' or with --algorithms-from FILE")
  end
  check_distinct(list)
  return list
end

return M
