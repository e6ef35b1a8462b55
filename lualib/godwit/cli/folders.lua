--- cli.folders: which folders of this machine a script may read and write:
--- those of --allow-read and --allow-write, and those a person gave as a
--- parameter of type folder. C asks where a folder is opened.
local err = require("godwit.err")
local folder = require("godwit.core.folder")
local fs = require("godwit.core.fs")

local M = {}

--- Whether a word of --allow-write is a folder and no cluster: as everywhere,
--- a word with a "/" is a path. An archive is a cluster.
---@param word string
---@return boolean
function M.is_folder(word)
  if word:find("://", 1, true) or word:find("^sandbox:") then
    return false
  end
  return (word == "." or word == ".." or word:find("/", 1, true) ~= nil)
    and not fs.stat(word .. "/archive.json")
end

--- From here on only these; in a plan as well: reading is no pretence.
---@param flags { allow_read?: string[], allow_write?: string[] }
function M.restrict(flags)
  folder.restrict()
  for _, word in ipairs(flags.allow_read or {}) do
    err.check(folder.allow(word))
  end
  for _, word in ipairs(flags.allow_write or {}) do
    if M.is_folder(word) then
      err.check(folder.allow(word, true))
    end
  end
end

-- A default is the script's own wish, and a project's configuration may come
-- with the script: neither is a person's.
local function by_person(origin)
  return origin == "command line"
    or origin ~= nil and origin:find("^GODWIT_") ~= nil
end

--- Allows what a person gave as a parameter. One named "from" is read only.
---@param head godwit.workflow.Head
---@param values table<string, any>
---@param origins table<string, string>
function M.allow_params(head, values, origins)
  for _, p in ipairs(head.order) do
    local value = values[p.name]
    if p.type == "folder" and value ~= nil and by_person(origins[p.name]) then
      local writes = p.name ~= "from" and p.role ~= "from"
      for _, path in ipairs(type(value) == "table" and value or { value }) do
        err.check(folder.allow(path, writes))
      end
    end
  end
end

return M
