--- Creates the organizations of one cluster on another, with their members.
--- Read it as a runbook: all are looked at before the first write, then each is
--- created or compared, and its members added.

local organizations = require("godwit.copy.accounts.organizations")
local stages = require("godwit.workflow.stages")

return {
  summary = "Creates the organizations of one cluster on another, with their "
    .. "members.",
  usage = "godwit migrate-organizations [GLOB...] --from CLUSTER --to CLUSTER "
    .. "[options]",
  params = organizations.PARAMS,
  check = organizations.check,

  run = function(cx)
    local jobs = organizations.plan(cx)  -- which are meant, as what

    stages.run(cx, jobs, {
      kind = "organization",
      look = organizations.look,         -- type, members, what stands against it
      work = organizations.ensure,       -- create or bring in line; members
    })
    organizations.finish(cx, jobs)
  end,
}
