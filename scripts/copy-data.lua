--- Copies data collections from one cluster to another, to and from folders.
--- Read it as a runbook: keys and collections are looked at before the first
--- write, then each is compared and what differs is copied. A new one is
--- private until it is complete; nothing is deleted unless that was asked.

local collections = require("godwit.data.collections")
local stages = require("godwit.workflow.stages")

return {
  summary = "Copies data collections between clusters, archives and folders.",
  usage = "godwit copy-data OWNER/COLLECTION... --from CLUSTER --to CLUSTER "
    .. "[options]\n       godwit copy-data PLACE PLACE [options]",
  params = collections.PARAMS,
  check = collections.check,

  run = function(cx)
    local jobs = collections.plan(cx)  -- which are meant, and whose keys work

    stages.run(cx, jobs, {
      kind = "collection",
      look = collections.look,         -- is it there at all?
      work = collections.copy,         -- compare, copy, delete, let readers in
    })
    collections.finish(cx, jobs)
  end,
}
