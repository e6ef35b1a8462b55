--- godwit eval CODE
local err = require("godwit.err")
local json = require("godwit.core.json")
local output = require("godwit.cli.output")
local sys = require("godwit.core.sys")

local M = {
  summary = "Runs a line of Lua.",
  usage = "godwit eval CODE [options]",
  details = [[
An expression's value is printed, a table as JSON. As any script it reads every
configured cluster and writes to those named by --allow-write only.]],
  params = {
    code = { type = "string", positional = true, required = true,
      metavar = "CODE", help = "Lua, as in: godwit.cluster(\"dev\").name" },
  },
  writes = true,
}

local function show(v)
  if type(v) == "table" then
    local ok, text = pcall(json.encode, v, { pretty = true })
    return ok and text or tostring(v)
  end
  return tostring(v)
end

local function plain(v)
  local ok = pcall(json.encode, v)
  return ok and v or tostring(v)
end

--- Prints what a script returned and, of a plan, what it would do.
---@param flags { dry_run?: boolean }
---@param result table As table.pack makes it.
---@return integer exit
function M.finish(flags, result)
  local doc = { mode = flags.dry_run and "plan" or "apply",
    result = json.null }
  local lines = {}
  if result.n > 1 then
    doc.result = json.array {}
  end
  for i = 1, result.n do
    local v = result[i]
    lines[i] = show(v)
    v = v == nil and json.null or plain(v)
    if result.n > 1 then
      doc.result[i] = v
    else
      doc.result = v
    end
  end
  if flags.dry_run then
    local effect = require("godwit.effect")
    local planned = effect.describe_all()
    doc.planned = json.array(planned)
    table.move(planned, 1, #planned, #lines + 1, lines)
    output.note("Plan: %d %s, none of them made.", #effect.planned,
      #effect.planned == 1 and "write" or "writes")
  end
  output.result(doc, table.concat(lines, "\n"))
  return 0
end

-- Not "return f()": a tail call would leave no line of its own to errors.
local RESULTS = "return nil, "

--- What somebody typed, as a script: an expression first ("return f()" is one,
--- too), a statement otherwise. Of one that only lacks its end, Lua's message
--- for the expression says more. `skip` results of it are not the user's.
---@param code string
---@param chunk string
---@return { chunk: string, text: string, shown: string, skip: integer }
function M.script(code, chunk)
  local script = { name = "eval", chunk = chunk, origin = "eval",
    text = RESULTS .. code:gsub("^%s*return%f[^%w_]", ""), shown = code,
    skip = 1 }
  local ok, why = sys.load(script.text, chunk, {})
  if not ok and not (tostring(why):find("near '?<eof>'?$")
    and not sys.load(code, chunk, {})) then
    script.text, script.skip = code, 0
  end
  return script
end

function M.run(cx)
  if cx.args.code == "" then
    err.throw("usage", "eval needs some Lua to run")
  end
  local scripts = require("godwit.cli.scripts")
  require("godwit.cli.workflow").restrict(cx.flags)
  output.note("%s: eval", cx.flags.dry_run and "plan, nothing is written"
    or "apply")
  local script = M.script(cx.args.code, "=eval")
  local result = table.pack(scripts.execute(script))
  return M.finish(cx.flags, table.pack(table.unpack(result, script.skip + 1,
    result.n)))
end

return M
