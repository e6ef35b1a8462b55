--- godwit trust FILE
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local output = require("godwit.cli.output")
local trust = require("godwit.config.trust")

return {
  summary = "Lets a project's configuration use env, file and command.",
  details = [[
The file's present content is trusted, nothing else: a change of one byte ends
it. Read the file first; its commands will run as you.]],
  params = {
    file = { type = "string", positional = true, required = true,
      metavar = "FILE", help = "Usually godwit.config.lua." },
  },
  no_config = true,
  run = function(cx)
    local path = cx.args.file
    if not fs.stat(path) then
      err.throw("usage", "there is no file %s", path)
    end
    local text = err.check(fs.read(path, 1 << 20))
    local full = fs.realpath(path) or path
    local digest, new = trust.add(full, text)
    output.result({ file = full, sha256 = digest, new = new },
      ("%s %s (sha256 %s)"):format(new and "Trusted:" or "Already trusted:",
        full, digest))
    return 0
  end,
}
