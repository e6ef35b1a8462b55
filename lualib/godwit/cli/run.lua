--- godwit run FILE|NAME, and every bundled workflow as a command.
local args = require("godwit.cli.args")
local err = require("godwit.err")
local help = require("godwit.cli.help")
local head_of = require("godwit.workflow.head")
local options = require("godwit.cli.options")
local output = require("godwit.cli.output")
local rights = require("godwit.rights")

local M = {
  summary = "Runs a workflow by its name, or a script from a file.",
  usage = "godwit run FILE|NAME [parameters] [options]",
  details = [[
A word with a '/' or ending in .lua is a file. A file that returns a head
(summary, params, run) is a workflow: its parameters are flags, and it may
write to the clusters given by them. Any other file is a script: it reads
every configured cluster and writes to those named by --allow-write only.
Arguments for a script go behind --, and are in godwit.args.]],
  params = {
    script = { type = "string", positional = true, optional = true,
      metavar = "FILE|NAME", help = "What to run." },
  },
  writes = true, open = true,
}

local function own_flags()
  local params = {}
  for _, list in ipairs { options.WRITING, options.GLOBAL } do
    table.move(list, 1, #list, #params + 1, params)
  end
  return params
end

local function concat(a, b)
  local all = { table.unpack(a) }
  table.move(b, 1, #b, #all + 1, all)
  return all
end

-- A flag that means something to every command cannot be a script's.
local function check_flags(head)
  local taken = args.flags(own_flags())
  for _, p in ipairs(head.order) do
    for _, flag in ipairs(p.positional and {} or args.flags { p }) do
      for _, other in ipairs(taken) do
        if flag == other then
          err.throw("usage", "%s: parameter %s would be %s, which every "
            .. "command has; give it another name", head.name, p.name, flag)
        end
      end
    end
  end
end

---@param script? godwit.cli.Script
---@param head? godwit.workflow.Head
local function show_help(script, head)
  local bundled = script and script.origin ~= "file"
  local text = help.command {
    name = not script and "run" or bundled and script.name
      or "run " .. script.name,
    summary = head and head.summary or M.summary,
    usage = not head and M.usage or head.usage, details = not head
      and M.details or nil,
    params = head and head.order or args.regular(M, "run").order,
    writes = true, reads = head and head.reads == true,
  }
  output.result({ help = text }, text)
  return 0
end

-- A script runs when it is loaded, so all that limits it comes first. Returns
-- the head if it turns out to be a workflow, else nil and the exit code.
local function run_file(cx, script, words)
  local scripts = require("godwit.cli.scripts")
  local params = own_flags()
  local known, rest, unknown = args.part(params, words)
  local flags = cx.main.flags("godwit run", known,
    { config = true, writes = true })
  if not scripts.looks_like_workflow(script) then
    if unknown then
      args.refuse("godwit run", unknown, params)
    elseif flags.help then
      return nil, show_help()
    end
    require("godwit.cli.environment").warn_unknown()
    output.note("%s: run %s", flags.dry_run and "plan, nothing is written"
      or "apply", script.name)
  end
  local given = flags.help and { dry_run = true, lua_path = flags.lua_path }
    or flags
  local bound = scripts.declares_permissions(script)
  require("godwit.cli.workflow").restrict(given, bound)
  if bound then
    rights.shut(script.name)
  end
  local result = table.pack(scripts.execute(script, rest))
  local first = result[1]
  if type(first) == "table" and type(first.run) == "function" then
    return first, given
  elseif flags.help then
    return nil, show_help()
  end
  return nil, require("godwit.cli.eval").finish(flags, result)
end

-- The rights that go with the head of a file.
local function settle(script, head, given)
  local scripts = require("godwit.cli.scripts")
  scripts.check_permissions(script, head)
  if not head.permissions and scripts.declares_permissions(script) then
    rights.open()
    require("godwit.cli.workflow").restrict(given)
  end
end

function M.run(cx)
  local scripts = require("godwit.cli.scripts")
  local before, word, behind = args.split("godwit run", own_flags(), cx.rest)
  local words = concat(before, behind)
  if not word then
    if cx.main.flags("godwit run", before, { writes = true }).help then
      return show_help(nil, nil)
    end
    err.throw("usage", "run needs a file or the name of a workflow (see: "
      .. "godwit list)")
  end
  local script = scripts.find(word)
  local declared, given
  if script.origin == "file" then
    declared, given = run_file(cx, script, words)
    if not declared then
      return given -- the exit code
    end
  else
    declared = scripts.execute(script)
  end
  local head = head_of.check(declared, script.name)
  if script.origin == "file" then
    head.closed = true
    settle(script, head, given)
  end
  check_flags(head)
  local values, flags, origins = cx.main.read(script.origin == "file"
    and "run " .. script.name or script.name, head, words,
    { config = true, writes = true })
  if flags.help then
    return show_help(script, head)
  end
  require("godwit.cli.environment").warn_unknown(head.order)
  local workflow = require("godwit.cli.workflow")
  if script.origin ~= "file" then
    workflow.restrict(flags, head.permissions ~= nil)
  end
  return workflow.run(script.name, head, values, flags, origins)
end

return M
