--- Compares two clusters and names every difference: what was copied against
--- what a copy would make of the source today. Nothing is written anywhere.

local verify = require("godwit.verify")

return {
  summary = "Compares two clusters, and names every difference.",
  usage = "godwit verify [OWNER/NAME]... --from CLUSTER --to CLUSTER "
    .. "[options]",
  params = verify.PARAMS,
  check = verify.check,
  reads = true,

  run = function(cx)
    local run = verify.open(cx)

    run:compare("users")          -- by the map of people
    run:compare("organizations")  -- types by name, members as sets
    run:compare("data")           -- ACLs; files by name, size and digest
    run:compare("algorithms")     -- files, settings, versions, secrets by name
    run:finish()
  end,
}
