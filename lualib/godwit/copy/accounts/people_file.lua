--- people_file: the file of --map: a line for each account whose name or e-mail
--- address is another at the destination. All that is wrong with it is said at
--- once, before a cluster is asked.

local err = require("godwit.err")
local lines = require("godwit.copy.lines")
local rules = require("godwit.cluster.account_rules")

local M = {}

local MAX_BYTES = 32 << 20
local SHOWN = 5

---@class godwit.copy.PeopleLine
---@field new? string nil: left out.
---@field email? string
---@field where string "map.csv:3"

local function fields(text)
  local out = {}
  for field in (text .. ","):gmatch("%s*(.-)%s*,") do
    out[#out + 1] = field
  end
  return out
end

local function parse(text, where)
  local f = fields(text)
  local old, new, email = f[1], f[2], f[3]

  if #f < 2 or #f > 3 or old == "" or new == "" then
    return nil, "expected OLD,NEW[,EMAIL], or OLD,- to leave one out"
  elseif new == "-" then
    return old, { where = where }
  end
  -- Who is there already may have an address that nobody new could have: what
  -- the platform takes is looked at where somebody is made.
  local why = rules.name_problem(new) or email and email ~= ""
    and not email:find("^[^%s@]+@[^%s@]+$") and rules.email_problem(email)
  if why then
    return nil, why
  end
  return old, { new = new, email = email ~= "" and email or nil, where = where }
end

-- Two that would become one, and one who would become two.
local function check_double(map, taken, old, line)
  local before = map[old]
  if before then
    return ("%s is mapped twice (%s)"):format(old, before.where)
  end
  for _, key in ipairs({ line.new or false,
      line.email and line.email:lower() or false }) do
    if key and taken[key] then
      return ("%s is taken already (%s)"):format(key, taken[key])
    elseif key then
      taken[key] = line.where
    end
  end
end

local function refuse(problems)
  local text = table.concat(problems, "; ", 1, math.min(#problems, SHOWN))
  if #problems > SHOWN then
    text = ("%s; and %d more"):format(text, #problems - SHOWN)
  end
  err.throw("usage", "--map: %s", text)
end

--- Reads the file. Raises `usage` for what nobody can mean.
---@async
---@param path string
---@return table<string, godwit.copy.PeopleLine>
function M.read(path)
  local map, taken, problems = {}, {}, {}
  for said, where in lines.each(path, "--map", MAX_BYTES) do
    local old, found = parse(said, where)
    local why = not old and found or old and check_double(map, taken, old,
      found)
    if why then
      problems[#problems + 1] = ("%s: %s"):format(where, why)
    else
      map[old] = found
    end
  end
  if #problems > 0 then
    refuse(problems)
  end
  return map
end

return M
