--- burnt: names and e-mail addresses that a cluster refuses although nobody has
--- them: those of deleted users stay taken for ever, and no call lists them.
--- What a run has learned by trying is kept in the state folder, so that later
--- ones know it before their first write.

local effect = require("godwit.effect")
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local places = require("godwit.config.places")
local sys = require("godwit.core.sys")

local M = {}

local MAX_BYTES = 32 << 20

--- What is said of one: of which cluster, the kind, the name or address, and
--- the flags that map it.
M.SAID = "%s says that the %s %s is taken, and nobody has it: names and "
  .. "addresses of deleted users stay taken for ever; map it to another one "
  .. "(%s)"

---@class godwit.copy.Burnt
---@field private path string
---@field private known table<string, boolean>
local Burnt = {}
Burnt.__index = Burnt

local function folder()
  return places.state_dir() .. "/burnt"
end

local function line_of(what, text)
  return what .. " " .. (what == "address" and text:lower() or text)
end

--- What is known of a cluster.
---@param driver table
---@return godwit.copy.Burnt
function M.of(driver)
  local readable = driver.id:gsub("^%a+://", ""):gsub("[^%w.-]+", "_")
  local self = setmetatable({ known = {}, path = ("%s/%s-%s"):format(folder(),
    readable:sub(1, 60), sys.hash("sha256", driver.id):sub(1, 12)) }, Burnt)
  for line in (fs.read(self.path, MAX_BYTES) or ""):gmatch("[^\n]+") do
    self.known[line] = true
  end
  return self
end

--- Whether that was refused although nobody had it.
---@param what "name"|"address"
---@param text string
---@return boolean
function Burnt:has(what, text)
  return self.known[line_of(what, text)] == true
end

--- Notes that it was.
---@async
---@param what "name"|"address"
---@param text string
function Burnt:add(what, text)
  if effect.mode == "plan" or text:find("%c") then
    return
  end
  self.known[line_of(what, text)] = true
  local lines = {}
  for line in pairs(self.known) do
    lines[#lines + 1] = line
  end
  table.sort(lines)
  err.check(fs.mkdir(folder(), 448))
  err.check(fs.write(self.path, table.concat(lines, "\n") .. "\n", 384))
end

return M
