--- migrator: the account whose key creates organizations becomes the owner of
--- each, and nobody says beforehand who it is. What a run has begun and learned
--- is kept, a small file for each organization, so that a later run knows whom
--- to take out again.

local effect = require("godwit.effect")
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local places = require("godwit.config.places")
local sys = require("godwit.core.sys")

local M = {}

local MAX = 4096

local function folder()
  return places.state_dir() .. "/organizations"
end

-- Readable, with a digest for what the readable part cannot keep apart.
local function path_of(driver, org)
  local readable = driver.id:gsub("^%a+://", ""):gsub("[^%w.-]+", "_")
  return ("%s/%s-%s-%s"):format(folder(), readable:sub(1, 60),
    org:gsub("[^%w_]", "_"):sub(1, 60),
    sys.hash("sha256", driver.id .. "\n" .. org):sub(1, 12))
end

local function write(driver, org, name)
  if effect.mode == "plan" then
    return
  end
  err.check(fs.mkdir(folder(), 448))
  err.check(fs.write(path_of(driver, org), name .. "\n", 384))
end

--- Notes that we are about to create it.
---@async
---@param driver table
---@param org string
function M.begin(driver, org)
  write(driver, org, "")
end

--- Notes who became its owner by that.
---@async
---@param driver table
---@param org string
---@param name string
function M.learn(driver, org, name)
  write(driver, org, name)
end

--- It is settled: nobody is to be taken out any more.
---@param driver table
---@param org string
function M.forget(driver, org)
  if effect.mode ~= "plan" then
    fs.remove(path_of(driver, org))
  end
end

--- Who became its owner when we created it: a name; "" when that was begun and
--- not learned, so that it may be any of them; nil when it was not us.
---@param driver table
---@param org string
---@return string|nil
function M.of(driver, org)
  local text = fs.read(path_of(driver, org), MAX)
  return text and text:match("^([^\n]*)\n$")
end

return M
