local lookup = require("godwit.cluster.lookup")
local version = require("godwit.cluster.version")

--- cluster.probe: whether a write whose answer was lost has happened.
---
--- Each returns a function for effect.perform: true and the result, false, or
--- nil while it cannot be told yet.
local M = {}

local DEPTH = 200 -- builds looked through for a commit

local function compiled(driver, owner, name, build)
  local doc = driver:get_version(owner, name, build.commit_sha)
  doc.build = doc.build or build
  if doc.compilation == nil then
    doc.compilation = { successful = build.status == "succeeded", output = "" }
  end
  return doc
end

--- Happened when there is a build newer than the one remembered. It is waited
--- for, as the compile would have.
---@param before { build: string? }
---@return fun(): boolean|nil, any
function M.compile(driver, owner, name, before)
  return function()
    local build = driver:each_build(owner, name)()
    if not build or build.build_id == before.build then
      return false
    elseif build.status == "in-progress" then
      return nil
    end
    return true, compiled(driver, owner, name, build)
  end
end

--- Happened when the commit that was the newest build has a number above the
--- ones before. Another commit's new number leaves it open: it may be ours,
--- of a build that came in between, and must not be followed by a second one.
---@param before { version: string?, commit: string? }
---@return fun(): boolean|nil, any
function M.publish(driver, owner, name, before)
  return function()
    local other = false
    for doc in driver:each_version(owner, name, { published = true }) do
      if version.compare(version.number(doc), before.version) > 0 then
        if version.commit(doc) == before.commit then
          return true, doc
        end
        other = true
      end
    end
    if other then
      return nil
    end
    return false
  end
end

--- Happened when the branch is at the commit, or the cluster has built it. As
--- long as the branch is where it was, the push may be at work still.
---@param before { ref: string, tip: string? }
---@param commit string
---@return fun(): boolean|nil, any
function M.push(driver, owner, name, before, commit)
  local result = { messages = "", settled = true }
  return function()
    local tip = driver:git_tip(owner, name).commit
    if tip == commit then
      return true, result
    end
    if lookup.build_of(driver:each_build(owner, name), commit, DEPTH) then
      return true, result
    end
    return false
  end
end

return M
