--- Which project files may use env, file and command: those whose digest
--- stands in the trust store, a 0600 file of the state folder.
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local json = require("godwit.core.json")
local sys = require("godwit.core.sys")
local places = require("godwit.config.places")

local M = {}

local MAX_STORE = 4 << 20

local function store_path()
  return places.state_dir() .. "/trust.json"
end

---@param text string
---@return string
function M.digest(text)
  return sys.hash("sha256", text)
end

local function load()
  local path = store_path()
  local info = fs.stat(path)
  if not info then
    return {}
  end
  if info.mode and info.mode & 63 ~= 0 then
    err.throw("usage", "others can change or read %s, so it is not believed; "
      .. "run: chmod 600 %s", path, path)
  end
  local doc = json.decode(err.check(fs.read(path, MAX_STORE)))
  local files = type(doc) == "table" and doc.files
  if type(files) ~= "table" then
    err.throw("usage", "%s is damaged; remove it and trust your files again",
      path)
  end
  return files
end

--- Is a file with this content trusted?
---@async
---@param text string
---@return boolean
function M.is_trusted(text)
  return load()[M.digest(text)] ~= nil
end

--- Trusts this content. The path is kept for people only.
---@async
---@param path string
---@param text string
---@return string digest
---@return boolean new
function M.add(path, text)
  err.check(fs.mkdir(places.state_dir(), tonumber("700", 8)))
  local lock <close> = err.check(fs.lock(store_path() .. ".lock"))
  local files, digest = load(), M.digest(text)
  local known = files[digest] ~= nil
  if not known then
    files[digest] = { path = path, since = sys.format_time(sys.time()) }
    err.check(fs.write(store_path(),
      json.encode({ files = files }, { pretty = true }),
      tonumber("600", 8)))
  end
  return digest, not known
end

return M
