--- godwit new policy NAME
local config = require("godwit.config")
local err = require("godwit.err")
local fs = require("godwit.core.fs")
local output = require("godwit.cli.output")
local suggest = require("godwit.config.suggest")

local FOLDER = "policies"

local makers = {}

--- A policy to start from, in the folder where promotions look for it.
function makers.policy(name)
  if not name:find("^%a[%w_]*$") then
    err.throw("usage", "'%s' is not the name of an owner, nor default", name)
  end
  local folder = config.policies() or FOLDER
  local path = ("%s/%s.lua"):format(folder, name)
  if fs.stat(path) then
    err.throw("usage", "%s is there already and stays as it is", path)
  end
  err.check(fs.mkdir(folder, tonumber("755", 8)))
  err.check(fs.write(path, require("godwit.policy.template").text(name),
    tonumber("644", 8)))
  return path
end

return {
  summary = "Writes a file to start from.",
  usage = "godwit new policy NAME [options]",
  details = [[
policy   policies/NAME.lua: the rules for promoting the algorithms of the owner
         NAME; the policy named default is for all who have none. Every point
         stands in it as a comment.

Nothing that exists is changed.]],
  params = {
    kind = { type = "string", positional = true, required = true, order = 1,
      metavar = "KIND", help = "What to write: policy." },
    name = { type = "string", positional = true, required = true, order = 2,
      metavar = "NAME", help = "An owner, or default." },
  },
  run = function(cx)
    local kind, name = cx.args.kind, cx.args.name
    local make = makers[kind]
    if not make then
      local names = suggest.names(makers)
      err.throw("usage", "new makes no '%s'%s; there is: %s", kind,
        suggest.hint(kind, names), table.concat(names, ", "))
    end
    local path = make(name)
    output.result({ kind = kind, path = path },
      ("Wrote %s; it decides nothing yet."):format(path))
    return 0
  end,
}
