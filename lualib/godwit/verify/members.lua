--- members: who belongs to an organization at two places, as sets. The lists
--- are streamed; the names wait in a temporary table, so that memory does not
--- grow with them. Roles of a live cluster cannot be set by anybody but a person
--- at the web site: owners are listed apart there.

local accounts = require("godwit.cluster.accounts")
local err = require("godwit.err")
local names = require("godwit.core.names")

local M = {}

local BATCH = 500
local OWNERS_SHOWN = 20

-- A role as the number it is kept under.
local CODE = { owner = 1, member = 2 }
local ROLE = { "owner", "member" }

local function batches(rows)
  local ended = false

  return function()
    local list = {}
    while not ended and #list < BATCH do
      local row = rows()
      ended = row == nil
      list[#list + 1] = row
    end
    return #list > 0 and list or nil
  end
end

-- Somebody who was invited is no member yet.
local function belongs(row)
  return type(row) == "table" and accounts.usable(row.username)
    and row.role ~= "invited"
end

-- Those who are invited are few: they are kept to say so where somebody of them
-- should be a member.
local function fill(v, org, known, invited)
  local owners = 0

  for list in batches(v.to:each_member(org)) do
    local rows = {}
    for _, row in ipairs(list) do
      if belongs(row) then
        owners = owners + (row.role == "owner" and 1 or 0)
        rows[#rows + 1] = { name = row.username, size = CODE[row.role] or 2 }
      elseif type(row) == "table" and row.role == "invited" then
        invited[row.username] = true
      end
    end
    if #rows > 0 then
      err.check(known:put(rows))
    end
  end
  return owners
end

local function wanted_names(v, list)
  local rows, words = {}, {}
  for _, row in ipairs(list) do
    local name = belongs(row) and v.people:name(row.username)
    if name then
      rows[#rows + 1] = row
      words[#words + 1] = name
    end
  end
  return rows, words
end

local function compare_role(state, name, here, there)
  if here == "owner" and there ~= "owner" then
    state.owners[#state.owners + 1] = name
  elseif there == "owner" and here ~= "owner" then
    state.raised[#state.raised + 1] = name
  end
end

local function compare_batch(v, item, known, list, state)
  local rows, words = wanted_names(v, list)
  if #words == 0 then
    return
  end
  local found, again = known:take(words)
  if not found then
    error(again, 0)
  end
  for i, row in ipairs(rows) do
    if not again[i] then
      state.count = state.count + 1
      if found[i] then
        compare_role(state, words[i], row.role, ROLE[found[i].size])
      else
        item:differ("member " .. words[i], row.role or "member",
          state.invited[words[i]] and "invited" or nil)
      end
    end
  end
end

-- Somebody has to own an organization: who made it stays when nobody else can
-- be raised.
local function rest(v, item, known, owners)
  local after
  repeat
    local rows = err.check(known:rest(after, BATCH))
    for _, row in ipairs(rows) do
      local role = ROLE[row.size]
      if role == "owner" and owners == 1 and not v.to:keeps_roles() then
        item:cannot_move("the owner role of %s at the destination, who is no "
          .. "member at the source: an organization has an owner, and nobody "
          .. "else can be made one", row.name)
      else
        item:differ("member " .. row.name, nil, role)
      end
      after = row.name
    end
  until #rows == 0
end

local function shown(list)
  table.sort(list)
  local text = table.concat(list, ", ", 1, math.min(#list, OWNERS_SHOWN))
  return #list > OWNERS_SHOWN and string.format("%s and %d more", text,
    #list - OWNERS_SHOWN) or text
end

-- Where roles can be given they are compared as everything else.
local function tell_roles(v, item, state)
  if v.to:keeps_roles() then
    for _, name in ipairs(state.owners) do
      item:differ("member " .. name, "owner", "member")
    end
    for _, name in ipairs(state.raised) do
      item:differ("member " .. name, "member", "owner")
    end
    return
  end
  if #state.owners > 0 then
    item:cannot_move("the owner role of %s", shown(state.owners))
  end
  if #state.raised > 0 then
    item:cannot_move("that %s is no owner at the source, only a member",
      shown(state.raised))
  end
end

--- Compares the members of an organization.
---@async
---@param v godwit.verify.Run
---@param item godwit.verify.Item
---@param org string At the source.
---@param there string The same at the destination.
function M.compare(v, item, org, there)
  local known <close> = setmetatable({ table = err.check(names.open()) },
    { __close = function(self)
      self.table:close()
    end })
  local state = { owners = {}, raised = {}, invited = {}, count = 0 }

  local owners = fill(v, there, known.table, state.invited)
  for list in batches(v.from:each_member(org)) do
    compare_batch(v, item, known.table, list, state)
  end
  rest(v, item, known.table, owners)
  tell_roles(v, item, state)
  item:fact("members", state.count)
end

return M
