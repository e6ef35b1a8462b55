local err = require("godwit.err")
local fs = require("godwit.core.fs")
local git = require("godwit.git")
local store = require("godwit.copy.store")
local tree = require("godwit.tree")
local unknown = require("godwit.unknown")

--- cluster.edit: an algorithm's files, read and changed without a checkout,
--- in the cached repository a promotion of it uses, too.
local M = {}

local PRIVATE = 448 -- 0700

---@async
local function open(driver, owner, name, opts)
  local path = store.path(driver.id, owner, name)
  err.check(fs.mkdir(path:match("^(.*)/"), PRIVATE))
  return git.open_store(path, opts)
end

--- The files of a commit. What is changed in them stays here. Reading needs
--- no lock: objects do not change.
---@async
---@param driver table
---@param owner string
---@param name string
---@param commit string
---@return godwit.Tree
function M.tree(driver, owner, name, commit)
  if unknown.is(commit) then
    err.throw("usage", "the files of %s/%s are known after apply only", owner,
      name)
  end
  do
    local repo <close> = open(driver, owner, name)
    driver:git_fetch(owner, name, repo.core, { commit = commit })
  end
  return open(driver, owner, name, { lock = false }):tree(commit)
end

-- A pure function of tree, parent and message: plan and apply agree. Neither
-- the present time nor the run takes part.
local function make_commit(repo, parent, id, message, author)
  return repo:make_commit({
    tree = id,
    parents = { parent.id },
    author = { name = author, email = git.COMMITTER.email,
      time = parent.committer.time, offset = 0 },
    committer = { name = git.COMMITTER.name, email = git.COMMITTER.email,
      time = parent.committer.time, offset = 0 },
    message = message:gsub("%s*$", "") .. "\n",
  })
end

-- Of an algorithm that is only planned nobody knows the files.
local function edit_unknown(driver, owner, name, tip)
  local commit = unknown.new(("the commit of %s/%s"):format(owner, name))
  driver:push(owner, name, { commit = commit, expected = tip.commit,
    ref = tip.branch })
  return commit
end

--- Lets `fn` change the files of the main branch's tip and pushes the result
--- onto it. Returns the commit, or nil when nothing changed. Raises
--- "conflict" when somebody pushed meanwhile.
---@async
---@param driver table
---@param owner string
---@param name string
---@param message string
---@param fn fun(files: godwit.Tree)
---@return string|nil
function M.edit(driver, owner, name, message, fn)
  local tip = driver:git_tip(owner, name, { service = "receive-pack" })
  if tip.commit == nil then
    err.throw("notfound", "%s:%s/%s has no commit to change", driver.name,
      owner, name)
  elseif unknown.is(tip.commit) then
    return edit_unknown(driver, owner, name, tip)
  end
  local repo <close> = open(driver, owner, name)
  driver:git_fetch(owner, name, repo.core, { commit = tip.commit })
  local parent = repo:commit(tip.commit)
  local files = tree.open(repo.core, parent.tree)
  fn(files)
  local id = files:save()
  if id == parent.tree then
    return nil
  end
  local author = driver:git_remote(owner, name).auth_user or owner
  local commit = make_commit(repo, parent, id, message, author)
  driver:push(owner, name, { store = repo.core, commit = commit,
    ref = tip.branch, expected = tip.commit, advert = tip.advert })
  return commit
end

return M
