--- data.place: what a word names: a collection of a cluster, or a folder of
--- this machine.

local cluster = require("godwit.cluster")
local config = require("godwit.config")
local driver_of = require("godwit.cluster.driver_of")
local err = require("godwit.err")
local rights = require("godwit.rights")

local M = {}

--- "CLUSTER:OWNER/COLLECTION" in its parts: the last colon divides, since a
--- URL and sandbox:NAME have one as well. Nil: it is a folder.
---@param word string
---@return string|nil cluster, string|nil owner, string|nil name
function M.split(word)
  return word:match("^(.+):([^/:]+)/([^/:]+)$")
end

--- The folder that a word names which names no collection. Who writes
--- "prod:acme" means a cluster.
---@param word string
---@return string
function M.folder(word)
  if word:find("^[^/]*%a[^/]*:") then
    err.throw("usage", "'%s' names no collection: write "
      .. "CLUSTER:OWNER/COLLECTION; a folder of that name is './%s'", word, word)
  end
  return word
end

--- Whether a word names a place by itself: OWNER/COLLECTION does not.
---@param word string
---@return boolean
function M.is_one(word)
  return M.split(word) ~= nil or word == "." or word == ".."
    or word:find("^%.?%.?/") ~= nil or word:find("^~") ~= nil
    or word:find("/.*/") ~= nil
end

--- The driver of a cluster that a script names.
---@async
---@param spec string
---@return table
function M.open(spec)
  return cluster.open(rights.cluster(spec, function()
    return config.profile(spec)
  end))
end

--- Whether a value is a cluster's handle.
---@param v any
---@return boolean
function M.is_cluster(v)
  return (pcall(driver_of, v))
end

return M
