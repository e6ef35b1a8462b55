--- doctor.archive: whether a folder holds an archive that can be read.
local archive = require("godwit.cluster.archive")
local git = require("godwit.git")
local fs = require("godwit.core.fs")
local lists = require("godwit.doctor.list")

local M = {}

local MAX_LOOKED = 200 -- repositories

local function open(list, subject)
  local ok, driver = lists.try(subject.timeout, archive.open, subject.profile)
  if not ok then
    list:failed("archive", driver, "give the folder of an archive; godwit "
      .. "sandbox --dir FOLDER --seed empty makes one, and ends with "
      .. "Ctrl-C")
    return nil
  end
  list:ok("archive", "%s holds an archive, format %s", subject.profile.dir,
    tostring(driver.store.info.format))
  return driver
end

local function say_rights(list, subject)
  local dir = subject.profile.dir
  local real = fs.realpath(dir) or dir
  local info = fs.stat(real)
  if info and info.mode & 63 ~= 0 then
    list:warn("archive.mode", "chmod 700 " .. dir, "others can look into %s",
      dir)
  end
  if not fs.may_write(real) then
    list:warn("archive.write", "as a source that is enough",
      "%s cannot be written to", dir)
  end
  local held = fs.locked(real .. "/lock")
  if held ~= false then
    list:warn("archive.lock", "wait until it has ended; while a sandbox "
      .. "serves it give sandbox:NAME instead",
      "%s is in use by another godwit", dir)
  else
    list:ok("archive.lock", "nobody is using it")
  end
end

-- The driver would make the repository safe to work in first, which is a
-- write; to be read only it is opened as it is.
local function read(driver, owner, name)
  local remote = { path = driver.store:repo(owner, name) }
  return git.ls_remote(git._trust(remote, driver))
end

-- All repositories of an owner; returns how many there are and which cannot be
-- read.
local function look(driver, owner, bad)
  local count = 0
  for _, row in ipairs(driver:list_algorithms(owner)) do
    local name = row.algoname or row.name
    count = count + 1
    if count <= MAX_LOOKED then
      local ok, e = pcall(read, driver, owner, name)
      if not ok then
        bad[#bad + 1] = { ref = owner .. "/" .. name, e = e }
      end
    end
  end
  return count
end

local function say_content(list, subject, driver)
  local owners, total, bad = subject.owners, 0, {}
  local ok, e = lists.try(subject.timeout, function()
    local store = driver.store
    if #owners == 0 then
      owners = store:user_names()
      table.move(store:organization_names(), 1,
        #store:organization_names(), #owners + 1, owners)
    end
    for _, owner in ipairs(owners) do
      total = total + look(driver, owner, bad)
    end
  end)
  if not ok then
    list:failed("archive.content", e)
    return
  end
  for _, row in ipairs(bad) do
    list:failed("archive.repository", row.e, "restore it from a copy of the "
      .. "archive", "the repository of " .. row.ref)
  end
  list:ok("archive.content", "%s of %s", lists.count(total, "algorithm"),
    lists.count(#owners, "owner"))
end

--- Looks at an archive; returns its driver, or nil.
---@async
---@param list godwit.doctor.List
---@param subject godwit.doctor.Subject
---@return table|nil driver
function M.look(list, subject)
  local driver = open(list, subject)
  if driver then
    say_rights(list, subject)
    say_content(list, subject, driver)
  end
  return driver
end

return M
