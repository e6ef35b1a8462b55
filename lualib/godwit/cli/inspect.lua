--- godwit inspect FILE|NAME: what a script says about itself and what it may
--- do. Nothing of it runs but the top level of a workflow, which makes its
--- head, and that reaches nothing.
local err = require("godwit.err")
local head_of = require("godwit.workflow.head")
local output = require("godwit.cli.output")
local permissions = require("godwit.workflow.permissions")
local rights = require("godwit.rights")
local sys = require("godwit.core.sys")

local M = {
  summary = "Says what a script is and what it may do, without running it.",
  usage = "godwit inspect FILE|NAME [options]",
  details = [[
Of a workflow: its parameters and the permissions of its head. Of any other
script, which does its work when it is loaded, nothing is run.]],
  params = {
    script = { type = "string", positional = true, required = true,
      metavar = "FILE|NAME", help = "What to look at." },
  },
}

-- What a file may that does not say.
local SCRIPT = {
  "reads every configured cluster, and any address",
  "uses every secret of the configuration, each at its own hosts",
  "writes where --allow-write says, reads the folders of --allow-read",
  "should it return a head: writes to the clusters given as parameters, too",
}
local WORKFLOW = {
  "reads every configured cluster, and any address",
  "uses every secret of the configuration, each at its own hosts",
  "writes to the clusters given as parameters (not to one called from), and "
    .. "where --allow-write says",
  "reads and writes the folders a person gives as parameters",
}

local READS = { WORKFLOW[1], WORKFLOW[2], "writes nothing, on no cluster",
  WORKFLOW[4] }

-- What it says meanwhile could be taken for what is said about it.
local function silently(fn, ...)
  local write = sys.write
  function sys.write()
    return true
  end
  local ok, value = pcall(fn, ...)
  sys.write = write
  return ok, value
end

-- The head; nil for a script that has none. A top level that does something is
-- stopped by the host.
---@async
local function head(scripts, script)
  if script.origin == "file" and not scripts.looks_like_workflow(script) then
    return nil
  end
  require("godwit.cli.workflow").restrict({ dry_run = true }, true)
  rights.shut(script.name)
  local ok, value = silently(scripts.execute, script)
  if not ok and err.is(value, "denied")
    and not scripts.declares_permissions(script) then
    return nil
  elseif not ok then
    error(value, 0)
  elseif type(value) ~= "table" or type(value.run) ~= "function" then
    return nil
  end
  local checked = head_of.check(value, script.name)
  scripts.check_permissions(script, checked)
  return checked
end

local function shown_type(p)
  return (p.choices and table.concat(p.choices, "|") or p.type)
    .. (p.many and ", several" or "")
end

local function parameters(h)
  local rows = {}
  for i, p in ipairs(h.order) do
    rows[i] = { name = p.name, type = p.type, flag = not p.positional
      and p.flag or nil, required = p.required, default = p.default,
      many = p.many, choices = p.choices and
        require("godwit.core.json").array(p.choices), help = p.help }
  end
  return rows
end

local function parameter_lines(lines, h)
  if #h.order > 0 then
    lines[#lines + 1] = "Parameters"
  end
  for _, p in ipairs(h.order) do
    lines[#lines + 1] = ("  %s  %s, %s%s"):format(p.positional
      and (p.metavar or p.name:upper()) or p.flag, shown_type(p),
      p.required and "required" or p.default ~= nil and p.type ~= "boolean"
        and "default " .. tostring(p.default) or "optional",
      p.help and ": " .. p.help or "")
  end
end

local function text(doc, h)
  local lines = { doc.name .. (doc.summary and ": " .. doc.summary or ""),
    "sha256 " .. doc.sha256 }
  if h then
    parameter_lines(lines, h)
  end
  lines[#lines + 1] = h and h.permissions and "Permissions; the host enforces "
    .. "them, no flag widens them" or h and "No permissions in its head; it"
    or "A script without a head; it"
  for _, line in ipairs(doc.may) do
    lines[#lines + 1] = "  " .. line
  end
  if h and h.permissions then
    lines[#lines + 1] = "  nothing else"
  end
  for i, line in ipairs(lines) do
    lines[i] = permissions.clean(line)
  end
  return table.concat(lines, "\n") .. "\n"
end

local function array_of(map)
  local array = require("godwit.core.json").array
  for _, name in ipairs { "hosts", "secrets", "read", "write" } do
    map[name] = array(map[name])
  end
  for _, host in ipairs(map.hosts) do
    host.verbs = array(host.verbs)
  end
  return map
end

function M.run(cx)
  local array = require("godwit.core.json").array
  local scripts = require("godwit.cli.scripts")
  local script = scripts.find(cx.args.script)
  local h = head(scripts, script)
  local doc = {
    name = script.name, kind = h and "workflow" or "script",
    sha256 = sys.hash("sha256", script.text), summary = h and h.summary,
    parameters = h and array(parameters(h)),
    may = array(h and h.permissions and permissions.words(h.permissions,
      h.params) or h and (h.reads == true and READS or WORKFLOW) or SCRIPT),
    permissions = h and h.permissions and array_of(h.permissions),
  }
  output.result(doc, text(doc, h))
  return 0
end

return M
