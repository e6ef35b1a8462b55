--- ref: what a promotion is asked to move, in the words people type:
--- OWNER/NAME[/VERSION] and head | latest | X.Y.Z | a commit id | a tag.

local err = require("godwit.err")

local M = {}

local NAME = "^%a[%w_]*$"

--- The fewest digits that name a commit.
M.SHORTEST = 7

---@class godwit.copy.Revision
---@field kind "head"|"latest"|"version"|"commit"|"tag"
---@field value? string The number, the commit id or its first digits, or the tag's name.

-- As Git has it.
local function is_tag(text)
  return #text <= 200 and text:find("^[%w_]") ~= nil
    and not text:find("[%c%s~^:?*%[\\\x7f]") and not text:find("..", 1, true)
    and not text:find("//", 1, true) and not text:find("@{", 1, true)
    and not text:find("[/.]$") and not text:find("%.lock$")
    and utf8.len(text) ~= nil
end

local TAGS = "refs/tags/"

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
  local tag = text:sub(1, #TAGS) == TAGS and text:sub(#TAGS + 1) or text
  -- What looks like half a number or a commit needs its refs/tags/.
  if is_tag(tag) and (tag ~= text
      or not text:find("^[%d.]+$") and not text:find("^%x+$")) then
    return { kind = "tag", value = tag }
  end
  err.throw("usage", "'%s' names no version: use head, latest, X.Y.Z, a tag or "
    .. "a commit id of at least %d digits", text, M.SHORTEST)
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
---@field asked? boolean Whether the revision was named, not taken by default.

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
    err.throw("usage", "'%s' is not OWNER/NAME or OWNER/NAME/VERSION%s", text,
      text:find("^[%w_]+$") and (" ('%s/*' are all of an owner)"):format(text)
        or "")
  end
  if rest ~= "" and asked then
    err.throw("usage", "'%s' names a version and --source-version does too: "
      .. "leave one of them out", text)
  end
  if rest ~= "" then
    asked = rest:sub(2)
    if asked:find("/", 1, true) and asked:sub(1, #TAGS) ~= TAGS then
      err.throw("usage", "'%s' is not OWNER/NAME or OWNER/NAME/VERSION", text)
    end
  end
  return { owner = owner, name = name, revision = M.revision(asked or "head"),
    asked = asked ~= nil or nil }
end

return M
