--- godwit version
local output = require("godwit.cli.output")
local sys = require("godwit.core.sys")

return {
  summary = "Prints the version.",
  no_config = true,
  run = function()
    output.result({ name = "godwit", version = sys.version },
      "godwit " .. sys.version)
    return 0
  end,
}
