--- Questions: asked on a terminal, answered by -y, and never waited for where
--- nobody can answer.
local err = require("godwit.err")
local sys = require("godwit.core.sys")

local M = {}

local state = {}

---@param values { yes?: boolean, no_input?: boolean }
function M.setup(values)
  state = values
end

--- Asks for consent. Raises kind "usage" when nobody can be asked, kind
--- "refused" when the answer is no.
---@async
---@param question string Without the question mark's options.
---@param why string What the question protects, for the refusal.
function M.consent(question, why)
  if state.yes then
    return
  elseif state.no_input then
    err.throw("usage", "%s, and --no-input was given; add -y to agree", why)
  elseif not sys.isatty(0) then
    err.throw("usage", "%s, and there is no terminal to ask on; add -y to "
      .. "agree", why)
  end
  sys.write(2, question .. " [y/N] ")
  local answer = (sys.read_line() or ""):lower():match("^%s*(.-)%s*$")
  if answer ~= "y" and answer ~= "yes" then
    err.throw("refused", "%s, and the answer was no; nothing was written", why)
  end
end

return M
