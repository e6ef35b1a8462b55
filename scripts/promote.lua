--- Promotes algorithms from one cluster to another. Read it as the runbook it
--- replaces: everything is looked at before the first write, then each
--- algorithm is created, committed, built, called and published.

local copy = require("godwit.copy")
local promotion = require("godwit.copy.promotion")
local run = require("godwit.copy.run")

local function promote(job)
  copy.data(job)     -- with --with-data: the collections its code names
  copy.ensure(job)   -- create it, or bring its settings in line
  copy.secrets(job)  -- set those that are missing and --secrets has
  copy.push(job)     -- one commit: the source's tree on the destination's tip
  copy.build(job)    -- wait for the build of exactly that commit
  copy.call(job)     -- try it with its sample input
  copy.publish(job)  -- release it, checked before and after
  copy.record(job)   -- which version here is which version there
  return copy.outcome(job)
end

return {
  summary = "Promotes algorithms from one cluster to another.",
  usage = "godwit promote OWNER/NAME[/VERSION]... --from CLUSTER "
    .. "--to CLUSTER... [options]",
  params = promotion.PARAMS,
  check = promotion.check,

  run = function(cx)
    local destinations = promotion.destinations(cx)  -- what goes where

    -- All of a destination is looked at before its first write.
    run.run(cx, destinations, promote)
  end,
}
