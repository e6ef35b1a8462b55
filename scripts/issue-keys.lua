--- Makes a key for each owner and puts it into a private file that profiles
--- read. Read it as a runbook: owners and the file's keys are looked at first;
--- a key that works stays.

local keys = require("godwit.copy.keys")
local stages = require("godwit.workflow.stages")

return {
  summary = "Makes least-privilege keys for owners, into a private file.",
  usage = "godwit issue-keys OWNER... --to CLUSTER --out FILE [options]",
  params = keys.PARAMS,
  check = keys.check,
  reads = "list",

  run = function(cx)
    local run <close> = keys.open(cx)  -- the cluster, and the file, locked

    if cx.params.list then
      return stages.run(cx, keys.jobs(run), { kind = "key",
        look = keys.look_listed, work = keys.show })
    end
    stages.run(cx, keys.jobs(run), {
      kind = "key",
      look = keys.look,   -- is there such an owner, does the file's key work
      work = keys.issue,  -- make one; in the file before anything else
    })
    keys.finish(cx, run)
  end,
}
