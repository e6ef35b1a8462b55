--- Moves what is on one cluster to another: accounts, then the data that
--- algorithms read, then the algorithms, those that call others last. All of it
--- is looked at before the first write.

local migrate = require("godwit.migrate")
local stages = require("godwit.workflow.stages")

return {
  summary = "Moves users, organizations, data and algorithms to another "
    .. "cluster.",
  usage = "godwit migrate-cluster --from CLUSTER --to CLUSTER [options]",
  params = migrate.PARAMS,
  check = migrate.check,

  run = function(cx)
    local plan <close> = migrate.plan(cx)  -- who there is, who each is there

    -- users, organizations, keys, data, algorithms
    stages.all(cx, plan:stages())
    plan:finish()                          -- what nobody can move
  end,
}
