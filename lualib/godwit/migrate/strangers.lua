--- migrate.strangers: members of an organization whose name somebody else has at
--- the destination. Who is a member may read and write what is the organization's,
--- so that nobody is let in for a name alone. What cannot be told, since one of
--- both gives no address, stops nothing.

local account_docs = require("godwit.cluster.account_docs")

local M = {}

-- Who each of the source's users is there, by the name here.
local function persons_of(docs, jobs)
  local by_name = {}
  for _, doc in ipairs(docs) do
    by_name[doc.username] = { doc = doc }
  end
  for _, job in ipairs(jobs) do
    -- All that stands against one before anybody is looked at is that two
    -- would be one.
    by_name[job.ref] = { doc = job.doc, person = job.person,
      is_double = #job.problems > 0 }
  end
  return by_name
end

--- Whether whoever is called `there` at the destination is somebody else than the
--- source's user `name`.
---@async
---@param side godwit.copy.UserSide
---@param docs table[] All users of the source.
---@param jobs godwit.copy.UserJob[] Of those who are worked on; not looked at yet.
---@return async fun(name: string, there: string): boolean
function M.of(side, docs, jobs)
  local by_name = persons_of(docs, jobs)

  return function(name, there)
    local known = by_name[name]
    local resident = known and side.roster:user(there)
    if not resident then
      return false
    elseif known.is_double then
      return true
    end
    known.person = known.person or side.people:user(known.doc) or {}
    local email = known.person.email
    return email ~= nil and resident.email ~= nil
      and not account_docs.same_email(email, resident.email)
  end
end

return M
