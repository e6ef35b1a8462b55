--- ref: what a promotion is asked to move, in the words people type:
--- OWNER/NAME[/VERSION] and head | latest | X.Y.Z | a commit id.

local err = require("godwit.err")

local M = {}

local NAME = "^%a[%w_]*$"

--- The fewest digits that name a commit.
M.SHORTEST = 7

---@class godwit.copy.Revision
---@field kind "head"|"latest"|"version"|"commit"
---@field value? string The number, or the commit id or its first digits.

--- Reads the name of a revision. Raises `usage` for anything else.
---@param text string
---@return godwit.copy.Revision
function M.revision(text)
  if text == "head" or text == "latest" then
    return { kind = text }
  end
  if text:find("^%d+%.%d+%.%d+$") then
    return { kind = "version", value = text }
  end
  if #text >= M.SHORTEST and #text <= 40 and text:find("^%x+$") then
    return { kind = "commit", value = text:lower() }
  end
  err.throw("usage", "'%s' names no version: use head, latest, X.Y.Z or a "
    .. "commit id of at least %d digits", text, M.SHORTEST)
end

--- Prints a revision the way it was typed.
---@param revision godwit.copy.Revision
---@return string
function M.show(revision)
  return revision.value or revision.kind
end

---@class godwit.copy.Ref
---@field owner string
---@field name string
---@field revision godwit.copy.Revision

--- Raises `usage` unless the text can be an owner's name.
---@param text string
function M.check_owner(text)
  if not text:find(NAME) then
    err.throw("usage", "'%s' is not the name of an owner", text)
  end
end

--- Reads OWNER/NAME[/VERSION]. `asked` is --source-version; both together
--- would leave it open which one counts, so that is refused.
---@param text string
---@param asked? string
---@return godwit.copy.Ref
function M.parse(text, asked)
  local owner, name, rest = text:match("^([^/]+)/([^/]+)(.*)$")

  if not owner or not owner:find(NAME) or not name:find(NAME) then
    err.throw("usage", "'%s' is not OWNER/NAME or OWNER/NAME/VERSION", text)
  end
  if rest ~= "" and asked then
    err.throw("usage", "'%s' names a version and --source-version does too: "
      .. "leave one of them out", text)
  end
  if rest ~= "" then
    asked = rest:sub(2)
  end
  return { owner = owner, name = name, revision = M.revision(asked or "head") }
end

return M
