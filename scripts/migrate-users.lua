--- Creates the users of one cluster on another. Read it as a runbook: everybody
--- is looked at before the first write, then each is created, or compared with
--- who is there already. Nobody is ever deleted.

local stages = require("godwit.workflow.stages")
local users = require("godwit.copy.accounts.users")

return {
  summary = "Creates the users of one cluster on another.",
  usage = "godwit migrate-users [GLOB...] --from CLUSTER --to CLUSTER "
    .. "[options]",
  params = users.PARAMS,
  check = users.check,

  run = function(cx)
    local jobs = users.plan(cx)  -- who is meant, and who each is there

    stages.run(cx, jobs, {
      kind = "user",
      look = users.look,         -- all that stands against it
      work = users.ensure,       -- create, or compare and bring in line
    })
    users.finish(cx, jobs)
  end,
}
