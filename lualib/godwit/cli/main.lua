local sys = require("godwit.core.sys")

--- The command line. Its `run` is the main task; what it returns is the exit
--- code.
local M = {}

function M.run(argv)
  sys.write(1, ("godwit %s\n"):format(sys.version))
  return argv[1] == "version" and 0 or 2
end

return M
