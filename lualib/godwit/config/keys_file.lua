--- keys_file: a private file with a key for each owner, a line each: the owner,
--- the key, and the label it has on its cluster. `issue-keys` writes it, a
--- profile's `key = keys "FILE"` reads it. The last line about an owner counts.
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local secret = require("godwit.core.secret")
local source = require("godwit.config.source")

local M = {}

local MAX_BYTES = 4 << 20
local HEAD = "# Keys by owner, made by godwit issue-keys: OWNER KEY LABEL. "
  .. "Keep them private.\n"
-- A request that may have made a key whose answer never arrived.
local LOST = "^#%? (%S+) (%S+)$"
-- A key of this file that is being imported: the cluster may not know it yet.
-- Where it does not know another one, somebody wanted it so.
local PENDING = "^#%+ (%S+) (%S+)$"

---@class godwit.config.KeysEntry
---@field owner string
---@field key any A secret.
---@field label? string
---@field pending? boolean Its import was begun, and never seen to have ended.

---@class godwit.config.KeysFile
---@field path string
---@field entries godwit.config.KeysEntry[]
---@field lost { owner: string, label: string }[]
---@field private comments string[]
local File = {}
File.__index = File

-- An entry's key becomes a secret when somebody asks for it: a file may have
-- thousands, and a run needs a few.
---@type table<table, { text: string, opts: table }>
local unmade = setmetatable({}, { __mode = "k" })

local Entry = {}

function Entry.__index(entry, field)
  local from = field == "key" and unmade[entry]
  if not from then
    return nil
  end
  local key = secret.new(from.text, { origins = from.opts.origins,
    label = ("%s key of %s"):format(from.opts.name, entry.owner) })
  unmade[entry] = nil
  entry.key = key
  return key
end

local function parse(self, line, number, what, opts, pending)
  local owner, label = line:match(LOST)
  local coming, its_label = line:match(PENDING)
  if owner then
    self.lost[#self.lost + 1] = { owner = owner, label = label }
  elseif coming then
    pending[coming .. " " .. its_label] = true
  elseif line:find("^%s*#") then
    if line .. "\n" ~= HEAD then
      self.comments[#self.comments + 1] = line
    end
  elseif line:find("%S") then
    local key
    owner, key, label = line:match("^%s*(%S+)%s+(%S+)%s*(.-)%s*$")
    if not owner or line:find("%c") then
      err.throw("usage", "%s: %s:%d: expected OWNER KEY LABEL", what,
        self.path, number)
    end
    local entry = setmetatable({ owner = owner,
      label = label ~= "" and label or nil }, Entry)
    unmade[entry] = { text = key, opts = opts }
    self.entries[#self.entries + 1] = entry
  end
end

--- Reads it; one that is not there has no keys. Raises kind "usage" for one
--- that others can read, never with a key in its words.
---@param path string
---@param what string Named in errors.
---@param opts { name: string, origins: string[] } The keys' cluster.
---@return godwit.config.KeysFile
function M.read(path, what, opts)
  local self = setmetatable({ path = path, entries = {}, lost = {},
    comments = {} }, File)
  if not fs.stat(path) then
    return self
  end
  source.check_private(path, what)
  local text = err.check(fs.read(path, MAX_BYTES))
  local number, pending = 0, {}
  for line in text:gmatch("([^\n]*)\n?") do
    number = number + 1
    parse(self, (line:gsub("\r$", "")), number, what, opts, pending)
  end
  for _, entry in ipairs(self.entries) do
    entry.pending = pending[entry.owner .. " " .. tostring(entry.label)]
  end
  return self
end

-- What is another when the file is.
local function stamp_of(path)
  local info = fs.stat(path)
  return info and ("%d %d %d %.9f %.9f"):format(info.inode, info.mode,
    info.size, info.mtime, info.ctime)
end

--- A function that finds the last line about an owner, or about anybody. The
--- file is read again only when it is another one.
---@param path string
---@param what string
---@param opts { name: string, origins: string[] }
---@return fun(owner: string|nil): godwit.config.KeysEntry|nil
function M.finder(path, what, opts)
  local stamp, last, by_owner = nil, nil, nil
  return function(owner)
    local now = stamp_of(path)
    if not by_owner or now ~= stamp then
      local entries = M.read(path, what, opts).entries
      stamp, last, by_owner = now, entries[#entries], {}
      for _, entry in ipairs(entries) do
        by_owner[entry.owner] = entry
      end
    end
    return owner == nil and last or by_owner[owner]
  end
end

--- The key of an owner, or of anybody: the last line about him.
---@param owner? string
---@return godwit.config.KeysEntry|nil
function File:find(owner)
  for i = #self.entries, 1, -1 do
    if owner == nil or self.entries[i].owner == owner then
      return self.entries[i]
    end
  end
  return nil
end

--- Whether the import of an owner's key was begun and never seen to end.
---@param owner string
---@return boolean
function File:is_pending(owner)
  local entry = self:find(owner)
  return entry ~= nil and entry.pending == true
end

--- Adds a key behind the others.
---@param entry godwit.config.KeysEntry
function File:add(entry)
  self.entries[#self.entries + 1] = entry
end

--- Takes one key away.
---@param entry godwit.config.KeysEntry
function File:remove(entry)
  for i = #self.entries, 1, -1 do
    if self.entries[i] == entry then
      table.remove(self.entries, i)
    end
  end
end

--- Takes all keys of an owner away but this one; gives the labels of the
--- others.
---@param owner string
---@param kept godwit.config.KeysEntry|nil
---@return string[] labels
function File:drop(owner, kept)
  local labels = {}
  for i = #self.entries, 1, -1 do
    local entry = self.entries[i]
    if entry.owner == owner and entry ~= kept then
      table.insert(labels, 1, entry.label or "without a label")
      table.remove(self.entries, i)
    end
  end
  return labels
end

--- Keys of an owner that were noted and never seen.
---@param owner string
---@return { owner: string, label: string }[]
function File:lost_of(owner)
  local out = {}
  for _, one in ipairs(self.lost) do
    if one.owner == owner then
      out[#out + 1] = one
    end
  end
  return out
end

--- Notes that a key is being made, or that this has ended well.
---@param owner string
---@param label string
---@param ended? boolean
function File:note(owner, label, ended)
  for i = #self.lost, 1, -1 do
    if self.lost[i].owner == owner and self.lost[i].label == label then
      table.remove(self.lost, i)
    end
  end
  if not ended then
    self.lost[#self.lost + 1] = { owner = owner, label = label }
  end
end

--- Writes it, for its owner's eyes only, and waits until it is on the disk.
---@async
function File:save()
  local parts = { HEAD }
  local function put(...)
    for _, part in ipairs({ ... }) do
      parts[#parts + 1] = part
    end
  end
  for _, line in ipairs(self.comments) do
    put(line, "\n")
  end
  for _, one in ipairs(self.lost) do
    put(("#? %s %s\n"):format(one.owner, one.label))
  end
  for _, entry in ipairs(self.entries) do
    if entry.pending then
      put(("#+ %s %s\n"):format(entry.owner, entry.label))
    end
    local from = unmade[entry]
    put(entry.owner, " ", from and from.text or entry.key)
    put(entry.label and " " .. entry.label or "", "\n")
  end
  err.check(secret.save(self.path, parts))
end

return M
