--- godwit doctor [CLUSTER ...]
local environment = require("godwit.cli.environment")
local json = require("godwit.core.json")
local output = require("godwit.cli.output")

local STYLES = { ok = "green", warn = "yellow", fail = "red", skip = "dim" }
local ORDER = { "ok", "warn", "fail", "skip" }
local MARGIN = "        "

local function lines_of(out, title, checks)
  out[#out + 1] = output.paint("bold", title)
  for _, check in ipairs(checks) do
    -- With -q only what is to be done.
    if not output.is_quiet() or check.status == "warn"
      or check.status == "fail" then
      out[#out + 1] = ("  %s%s%s"):format(
        output.paint(STYLES[check.status], check.status),
        (" "):rep(6 - #check.status), check.text
        .. (output.verbosity() > 0 and " [" .. check.id .. "]" or ""))
      if check.hint then
        out[#out + 1] = MARGIN .. "-> " .. check.hint
      end
    end
  end
end

local function text_of(result)
  local out, parts = {}, {}
  lines_of(out, "configuration", result.configuration.checks)
  for _, group in ipairs(result.profiles) do
    lines_of(out, group.name, group.checks)
  end
  for _, pair in ipairs(result.pairs) do
    lines_of(out, ("from %s to %s"):format(pair.from, pair.to), pair.checks)
  end
  for _, status in ipairs(ORDER) do
    if result.counts[status] > 0 then
      parts[#parts + 1] = ("%d %s"):format(result.counts[status], status)
    end
  end
  out[#out + 1] = table.concat(parts, ", ") .. "."
  return table.concat(out, "\n")
end

-- Only what the page about it says.
local function plain(checks)
  local rows = {}
  for i, check in ipairs(checks) do
    rows[i] = { id = check.id, status = check.status, text = check.text,
      hint = check.hint, temporary = check.temporary }
  end
  return json.array(rows)
end

local function document(result)
  local doc = { counts = result.counts, exit = result.exit,
    configuration = { checks = plain(result.configuration.checks) },
    profiles = json.array {}, pairs = json.array {} }
  for i, group in ipairs(result.profiles) do
    doc.profiles[i] = { name = group.name, checks = plain(group.checks) }
  end
  for i, pair in ipairs(result.pairs) do
    doc.pairs[i] = { from = pair.from, to = pair.to,
      checks = plain(pair.checks) }
  end
  return doc
end

return {
  summary = "Looks at configuration, connections and keys, and says what to do.",
  details = [[
Without CLUSTER every profile is looked at. With several, also what of the first
has no counterpart on each other one: environments and SCMs. Nothing is written
anywhere.]],
  params = {
    clusters = { type = "string", positional = true, optional = true,
      many = true, metavar = "CLUSTER",
      help = "Profiles, addresses, sandbox:NAME or archive folders." },
    owner = { type = "string", many = true, optional = true, order = 1,
      metavar = "OWNER", help = "Tries the key for OWNER; may be repeated." },
    timeout = { type = "number", default = 10, order = 2, metavar = "SECONDS",
      help = "For each look." },
  },
  no_config = true,
  run = function(cx)
    local doctor = require("godwit.doctor")
    local err = require("godwit.err")
    local timeout = cx.args.timeout
    if not (timeout > 0 and timeout <= 3600) then
      err.throw("usage", "--timeout takes seconds, from 0.1 to 3600")
    end
    local result = doctor.run {
      clusters = cx.args.clusters, owners = cx.args.owner,
      timeout = timeout, jobs = cx.flags.jobs,
      unknown = environment.unknown(),
    }
    output.result(document(result), text_of(result))
    return result.exit
  end,
}
