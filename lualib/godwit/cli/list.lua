--- godwit list
local output = require("godwit.cli.output")

return {
  summary = "Lists the workflows that can be run by name.",
  no_config = true,
  run = function()
    local scripts = require("godwit.cli.scripts")
    local rows, lines = {}, {}
    for _, w in ipairs(scripts.bundled()) do
      rows[#rows + 1] = { name = w.name, summary = w.summary,
        alias = w.alias, origin = w.origin }
      lines[#lines + 1] = ("%-22s %s"):format(w.name
        .. (w.alias and ", " .. w.alias or ""), w.summary)
    end
    output.result({ workflows = rows }, table.concat(lines, "\n"))
    return 0
  end,
}
