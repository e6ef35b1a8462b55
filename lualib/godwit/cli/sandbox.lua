--- godwit sandbox
local err = require("godwit.err")
local output = require("godwit.cli.output")
local places = require("godwit.config.places")

return {
  summary = "Serves a cluster of one's own from a folder.",
  details = [[
Its state stays in the folder, its address and keys too: the next start goes on
where the last one ended. Other commands reach it as sandbox:NAME, or as
sandbox:DIR when --dir was given (with a '/' in it). Ctrl-C stops it.]],
  params = {
    name = { type = "string", default = "dev", order = 1,
      help = "Its name." },
    dir = { type = "folder", optional = true, order = 2, metavar = "DIR",
      help = "Its folder; default: one for its name in the state folder." },
    listen = { type = "string", optional = true, order = 3,
      metavar = "ADDRESS:PORT",
      help = "Where to listen; default: this machine only, the port of its "
        .. "last start, else a free one." },
    seed = { type = "string", default = "demo", order = 4,
      choices = { "demo", "demo-dev", "demo-prod", "empty" },
      help = "What a new one starts with." },
    build_seconds = { type = "number", optional = true, min = 0, max = 86400,
      order = 5, metavar = "SECONDS", help = "How long a build takes." },
    delay = { type = "number", optional = true, min = 0, max = 60, order = 6,
      metavar = "SECONDS",
      help = "Hold every answer this long, as a far network would." },
  },
  no_config = true,
  run = function(cx)
    local a = cx.args
    if not a.name:find("^%w[%w._-]*$") then
      err.throw("usage", "--name takes letters, digits, '.', '_' and '-', "
        .. "not '%s'", a.name)
    end
    local dir = a.dir and places.expand(a.dir)
      or places.state_dir() .. "/sandboxes/" .. a.name
    return require("godwit.sandbox").run {
      name = a.name, dir = dir, listen = a.listen, seed = a.seed,
      build_seconds = a.build_seconds,
      options = { delay = a.delay },
      ready = function(about)
        -- With a folder of its own it is reached by that, not by a name.
        output.result({ name = not a.dir and a.name or nil, api = about.api,
          dir = dir }, ("%s is ready at %s"):format(a.dir or a.name,
            about.api))
      end,
      note = output.note,
    }
  end,
}
