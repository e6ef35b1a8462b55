--- data.carry: carries files through the engine: feeds it, takes what became of
--- each, and submits alone again what failed for a passing reason.

local core = require("godwit.core.task")
local engine = require("godwit.core.data")
local err = require("godwit.err")
local etags = require("godwit.cluster.etags")
local retry = require("godwit.http.retry")
local said = require("godwit.data.said")
local task = require("godwit.task")

local M = {}

local ATTEMPTS = 5     -- of a file, in all
local CHANGES = 3      -- times it may change while it is read
local WAITING = 500    -- files between two attempts: no new ones meanwhile
local TELLING = 0.5    -- seconds between two words about how far it is
local LONGEST = 1e8    -- seconds of one sleep
local SEVERAL = 3      -- files whose ETags are not believed, nor those of others
local HOPELESS = 50    -- files in a row that failed: the rest is not tried

---@class godwit.data.File
---@field name string
---@field size? integer As it was listed.
---@field time? string
---@field attempts? integer
---@field changes? integer
---@field etag? boolean False: the source's ETag need not be its MD5.
---@field waited? number
---@field read_as? string Digest and ETag, where these differ.
---@field last? boolean All others were read before it was read again.

---@class godwit.data.Carry
---@field from table An end of the engine.
---@field to? table Nil: files are read only.
---@field opts? table Of the engine.
---@field items async fun(): godwit.data.File[]|nil The next ones; nil: no more.
---@field done async fun(results: table[]) Of the engine, each with its `file`.
---@field failed fun(file: godwit.data.File, e: godwit.Err, result: table)
---@field budget godwit.data.Budget
---@field tick? fun(stats: table) Now and then.

---@class godwit.data.Carrying: godwit.data.Carry
---@field pending table<string, godwit.data.File> Submitted, not settled.
---@field again godwit.data.File[] To be submitted again.
---@field open integer How many are pending.
---@field waiting integer How many of these wait for another attempt.
---@field doubted godwit.data.File[] Whose ETag is not their MD5, and no other's is.
---@field unbelieved? boolean Several are doubted, and no ETag is proven.
---@field row integer How many failed since one succeeded.
---@field finished? boolean No more come.
---@field stopped? string Why the rest is not tried.
local Carrying = {}
Carrying.__index = Carrying

-- what may be tried again ---------------------------------------------------

local PASSING = { [408] = true, [425] = true, [429] = true, [500] = true,
  [502] = true, [503] = true, [504] = true }

-- What is sent again changes nothing that one attempt would not: a file is
-- read, or written as a whole.
local function passes(e, result)
  local status = result.status or e.status
  if e.kind == "net" or e.kind == "timeout" then
    return e.retryable ~= false
  end
  return PASSING[status] or e.retryable == true
end

--- Seconds until the next attempt; nil: there is none.
local function delay_of(self, file, e, result)
  if e.kind == "conflict" then -- it changed while it was read
    file.changes = (file.changes or 0) + 1
    return file.changes < CHANGES and 0.2 * file.changes or nil
  end
  file.attempts = (file.attempts or 0) + 1
  if file.attempts >= ATTEMPTS or not passes(e, result) then
    return nil
  end
  local delay = retry.delay(self.policy, file.attempts,
    result.retry_after or e.retry_after, file.waited or 0)
  file.waited = (file.waited or 0) + (delay or 0)
  return delay
end

local function settle(self, file)
  self.pending[file.name] = nil
  self.open = self.open - 1
  if file.retrying then
    self.waiting = self.waiting - 1
    file.retrying = nil
  end
end

-- feeding -------------------------------------------------------------------

local function wake(self)
  local ticket = self.ticket
  self.ticket = nil
  if ticket then
    core.wake(ticket)
  end
end

-- Waits until there is something for the feeder to do.
---@async
local function rest(self)
  self.ticket = core.ticket()
  core.wait(self.ticket)
end

local function stop(self, why)
  self.stopped = self.stopped or why
  self.finished = true
  wake(self)
end

-- Of a file its name, its size and what its ETag is worth are read. One that is
-- tried again has a delay, which may be another one before all of them are taken.
local function submit_again(self, files)
  local list = {}
  for i, file in ipairs(files) do
    list[i] = { name = file.name, size = file.size, delay = file.delay,
      etag = file.etag }
    file.delay = nil
  end
  err.check(self.copier:submit(list))
end

-- Those that the budget has room for; the others are left.
local function affordable(self, files)
  local list = {}
  for _, file in ipairs(files) do
    if not self.budget:take(self.to and file.size or 0) then
      stop(self, self.budget.why)
      break
    end
    list[#list + 1] = file
  end
  return list
end

local function feed_new(self)
  local files = self.items()
  if not files then
    self.finished = true
    return
  end
  files = affordable(self, files)
  local unbelieved = self.unbelieved and not self.from.etags.proven
  for _, file in ipairs(files) do
    if unbelieved then
      file.etag = false
    end
    self.pending[file.name] = file
    self.open = self.open + 1
  end
  if #files > 0 then
    err.check(self.copier:submit(files))
  end
end

-- What waits for another attempt when no more is begun is left.
local function leave_waiting(self)
  for _, list in ipairs({ self.again, self.doubted }) do
    for _, file in ipairs(list) do
      settle(self, file)
    end
  end
  self.again, self.doubted = {}, {}
end

-- When nothing else is under way: what was doubted is looked at once more.
local function release(self)
  for _, file in ipairs(self.doubted) do
    file.last = true
    if self.unbelieved then
      file.etag = false
    end
    self.again[#self.again + 1] = file
  end
  self.doubted = {}
end

---@async
local function feed(self)
  while not (self.finished and self.open == 0) do
    local again = self.again
    if self.stopped and #again + #self.doubted > 0 then
      leave_waiting(self)
    elseif #again > 0 then
      self.again = {}
      submit_again(self, again)
    elseif #self.doubted > 0 and self.finished
      and self.open == #self.doubted then
      release(self)
    elseif self.finished or self.waiting >= WAITING then
      rest(self)
    else
      feed_new(self)
    end
  end
  self.copier:finish()
end

-- taking --------------------------------------------------------------------

local function try_again(self, file, delay)
  if not file.retrying then
    file.retrying = true
    self.waiting = self.waiting + 1
  end
  file.delay = delay
  self.again[#self.again + 1] = file
end

-- Ends all: what fails from here on was not tried.
local function give_up(self, why)
  self.hopeless = true
  self.copier:cancel()
  stop(self, why)
end

-- Seconds that a server asks to be left alone for, when that is too long.
local function dismissed(self, e, result)
  local after = result.retry_after or e.retry_after
  local status = result.status or e.status
  return (status == 429 or status == 503) and after
    and after > self.policy.max_wait and after or nil
end

-- What the engine compared needs no second look.
local function learn_etag(self, file, result)
  local known = self.from.etags
  if not known or known.proven and file.etag ~= false
    and not (self.opts and self.opts.etag == false) then
    return
  end
  local md5 = etags.md5(result.source_etag)
  if md5 and md5 == result.md5 then
    known:agree()
  else
    result.odd = md5 ~= nil
    if result.odd then
      known:disagree()
    end
  end
end

-- Its ETag is not its MD5: "again" without believing it, "later" when all others
-- have been read, nil: as what changed while it was read.
local function doubt(self, file, result)
  local now = ("%s %s"):format(result.md5, result.source_etag)
  local same = file.read_as == now
  file.read_as = now
  if self.from.etags.proven then
    result.again = same or nil
    return nil
  elseif not self.to or self.unbelieved or file.last and same then
    return "again"
  end
  return not file.last and "later" or nil
end

-- Several of which none is proven, and it is not waited for others.
local function put_off(self, file)
  self.doubted[#self.doubted + 1] = file
  self.unbelieved = #self.doubted >= SEVERAL
  return self.unbelieved and release(self)
end

-- What is transferred twice costs twice.
local function pays_again(self, file, result)
  return not self.to
    or self.budget:charge(math.min(result.bytes, file.size or 0))
end

local function take_failure(self, file, result)
  local e = err.from(result.err)
  if e.kind == "denied" or e.kind == "budget" then -- the whole run's
    error(e, 0)
  elseif result.over then -- it is left, not failed
    settle(self, file)
    self.budget:exhaust(result.announced)
    return stop(self, self.budget.why)
  elseif self.stopped and result.other_etag and self.from.etags then
    return settle(self, file) -- so is this
  end
  local how = not self.stopped and result.other_etag and self.from.etags
    and doubt(self, file, result)
  local delay
  if how == "again" then
    file.etag, delay = false, 0
  elseif not self.stopped and not result.again then
    delay = how and 0 or delay_of(self, file, e, result)
  end
  if delay and not pays_again(self, file, result) then
    settle(self, file)
    return stop(self, self.budget.why)
  elseif how == "later" then
    return put_off(self, file)
  elseif delay then
    return try_again(self, file, delay)
  end
  settle(self, file)
  if e.kind == "cancelled" and self.stopped then
    return -- it is left, not failed
  end
  self.row = self.row + 1
  self.failed(file, e, result)
  local seconds = dismissed(self, e, result)
  if self.stopped then
    return
  elseif seconds then
    give_up(self, ("the server asks to be left alone for %d seconds"):format(
      seconds))
  elseif self.row >= HOPELESS then
    give_up(self, ("%d files in a row failed"):format(self.row))
  end
end

-- An answer that means an error although its status does not.
local function check_answer(result)
  local p = result.ok and said.problem(result)
  if p then
    result.ok, result.stage, result.sent = nil, "write", true
    result.err = err.new({ kind = "remote", message = p })
  end
end

---@async
local function take(self, results)
  local good = {}
  for _, result in ipairs(results) do
    local file = self.pending[result.name]
    check_answer(result)
    if result.ok then
      settle(self, file)
      learn_etag(self, file, result)
      self.row = 0
      result.file = file
      good[#good + 1] = result
    else
      take_failure(self, file, result)
    end
  end
  if #good > 0 then
    self.done(good)
  end
  wake(self)
end

---@async
local function collect(self)
  while true do
    local results, e = self.copier:wait()
    if not results then
      if self.broken or e then
        error(self.broken or e, 0)
      end
      return
    end
    take(self, results)
    if self.tick then
      self.tick(self.copier:stats())
    end
  end
end

-- In a task of its own: what goes wrong there ends the taking, too.
local function guarded(self, fn)
  return function()
    local ok, e = pcall(fn, self)
    if not ok and not err.is(e, "cancelled") then
      self.broken = e
      self.copier:cancel()
      self.copier:finish()
    end
  end
end

-- At the end of the time what is in flight is given up: never half a file.
---@async
local function watch(self)
  local left = self.budget:left()
  if not left then
    return
  end
  while left > 0 do
    task.sleep(math.min(left, LONGEST))
    left = self.budget:left()
  end
  self.budget:lasts()
  stop(self, self.budget.why)
  self.copier:cancel()
end

-- A large file is long on its way: how far it is, is told meanwhile.
---@async
local function tell(self)
  while self.tick do
    task.sleep(TELLING)
    self.tick(self.copier:stats())
  end
end

local function scope(self, children)
  return setmetatable({}, { __close = function()
    for _, child in ipairs(children) do
      task.cancel(child)
    end
    self.copier:cancel()
    self.copier:finish()
    for _, child in ipairs(children) do
      core.join(child)
    end
  end })
end

local function host(side)
  return side and (side.url or ""):match("^%a+://[^/]+") or "here"
end

-- Many small collections are one after the other: each begins with as many
-- pairs in flight as the one before had in the end.
local function options(self)
  local way = host(self.from) .. " " .. host(self.to)
  local opts = { start = self.budget.windows[way],
    quota = self.to and self.budget.quota }
  for k, v in pairs(self.opts or {}) do
    opts[k] = v
  end
  return opts, way
end

--- Carries all items. Returns why the rest was not tried, or nil, and whether
--- that was for too many failures.
---@async
---@param how godwit.data.Carry
---@return string|nil stopped
---@return boolean|nil hopeless
function M.run(how)
  local self = setmetatable({ pending = {}, again = {}, doubted = {}, open = 0,
    waiting = 0, row = 0, policy = retry.policy(ATTEMPTS) }, Carrying)
  for k, v in pairs(how) do
    self[k] = v
  end
  local opts, way = options(self)
  self.copier = err.check(engine.copier(self.from, self.to, opts))
  local shared <close> = self.budget:enter(self.copier)
  local children = {}
  local closed <close> = scope(self, children)
  children[1] = task.spawn(guarded(self, feed))
  children[2] = task.spawn(guarded(self, watch))
  children[3] = task.spawn(guarded(self, tell))
  collect(self)
  self.budget.windows[way] = self.copier:stats().limit
  if self.to and self.to.folder then
    err.check(self.copier:flush())
  end
  return self.stopped, self.hopeless
end

return M
