--- given: what a policy is given when it is asked: handles and documents to
--- read, and `cx`, with which it refuses or waits.
local algorithm = require("godwit.cluster.algorithm")
local cluster = require("godwit.cluster")
local err = require("godwit.err")
local json = require("godwit.core.json")
local unknown = require("godwit.unknown")
local view = require("godwit.view")

local M = {}

local LONGEST = 1000 -- of a reason
local DEEPEST = 200

-- One handle for each driver: `a.cluster == cx.from`.
local handles = setmetatable({}, { __mode = "k" })

local function handle(driver)
  if driver == nil then
    return nil -- a document that a script made is from nowhere
  end
  handles[driver] = handles[driver] or cluster.handle(driver)
  return handles[driver]
end

--- An algorithm's handle.
---@param driver table
---@param owner string
---@param name string
---@param id? string
---@return godwit.Algorithm
function M.algorithm(driver, owner, name, id)
  return view.of(algorithm.new(handle(driver), owner, name, id), "a")
end

-- A document may have come through a script: no metatable and no function of
-- its own goes with it, since what they did would be done by the policy.
local function plain(v, depth)
  local kind = type(v)
  if kind == "function" or kind == "thread" then
    return nil
  elseif kind ~= "table" or v == json.null or unknown.is(v)
    or view.target(v) or getmetatable(v) == "godwit.err" then
    return v
  elseif depth > DEEPEST then
    err.throw("limit", "what a policy is given is nested more than %d levels "
      .. "deep", DEEPEST)
  end
  local copy = json.is_array(v) and json.array({}) or {}
  for k, x in next, v do
    copy[k] = plain(x, depth + 1)
  end
  return copy
end

--- A read-only view of data.
---@param value any
---@param name string
---@return any
function M.data(value, name)
  return view.of(plain(value, 1), name)
end

---@class godwit.policy.Where
---@field from table The source's driver.
---@field to table The destination's driver.
---@field params? table<string, any>
---@field dry_run? boolean
---@field commit? table The source commit, once it is read.
---@field owner? string The destination's.
---@field name? string

---@class godwit.policy.Verdict
---@field outcome "refused"|"waiting"
---@field why string

local function reason(word, self, cx, why)
  if self ~= cx then
    error(("call it as cx:%s(why)"):format(word), 3)
  elseif type(why) ~= "string" or not why:find("%S") then
    error(("cx:%s takes a text that says why"):format(word), 3)
  end
  why = why:gsub("[%c]+", " ")
  return #why > LONGEST and why:sub(1, utf8.offset(why, 0, LONGEST) - 1) .. "…"
    or why
end

-- A refusal outranks waiting; of two the first one counts.
local function decide(state, outcome, why)
  local before = state.verdict
  if not before or before.outcome == "waiting" and outcome == "refused" then
    state.verdict = { outcome = outcome, why = why }
  end
  state.token = state.token or setmetatable({}, { __name = "verdict",
    __metatable = "verdict" })
  return state.token
end

--- The `cx` of one call, and where its verdict will stand.
---@param where godwit.policy.Where
---@param label string The policy's.
---@param may { refuse: boolean?, wait: boolean? }
---@return table cx
---@return { verdict?: godwit.policy.Verdict, token: any } state
function M.cx(where, label, may)
  local state, cx = {}, nil
  local fields = {
    params = where.params or {}, dry_run = where.dry_run or false,
    from = handle(where.from), to = handle(where.to), commit = where.commit,
    policy = label, owner = where.owner, name = where.name,
  }
  -- For gate and every point before the end.
  function fields.refuse(self, why)
    why = reason("refuse", self, cx, why)
    if not may.refuse then
      error("cx:refuse: the promotion has ended, there is nothing to refuse", 2)
    end
    return decide(state, "refused", why)
  end
  -- For gate only.
  function fields.wait(self, why)
    why = reason("wait", self, cx, why)
    if not may.wait then
      error("cx:wait is for the point gate", 2)
    end
    return decide(state, "waiting", why)
  end
  cx = view.of(fields, "cx")
  return cx, state
end

--- The source commit as a policy sees it.
---@param commit? table As a store gives it.
---@return table?
function M.commit(commit)
  return commit and { id = commit.id, message = commit.message,
    author = commit.author, committer = commit.committer,
    parents = commit.parents } or nil
end

-- What `transform` may call; it does not end the edit itself.
local TREE = { read = true, try_read = true, write = true, remove = true,
  move = true, chmod = true, mode = true, each = true, replace = true,
  exists = true, filter = true, template = true }

--- A tree to edit.
---@param tree godwit.Tree
---@return table
function M.tree(tree)
  return view.object(tree, "tree", TREE)
end

return M
