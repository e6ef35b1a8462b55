--- rename: rules of the command line, PATTERN=REPLACEMENT with one `*` on
--- both sides or on none: what the first one that fits makes of a name. Pure.

local err = require("godwit.err")

local M = {}

local EXAMPLES = {
  ["--map-email"] = "PATTERN=REPLACEMENT, as in "
    .. "'*@old.example.com=*@new.example.com'",
  ["--map-type"] = "OLD=NEW, the names of two types, as in basic=pro",
}

local function stars(text)
  return select(2, text:gsub("%*", ""))
end

local function parse(text, flag, fold)
  local pattern, replacement = text:match("^([^=]+)=(.+)$")

  if not pattern then
    err.throw("usage", "%s '%s': expected %s", flag, text,
      EXAMPLES[flag] or "PATTERN=REPLACEMENT, as in '*=*_prod'")
  elseif stars(pattern) > 1 or stars(pattern) ~= stars(replacement) then
    err.throw("usage", "%s '%s': both sides have one *, or none", flag, text)
  end
  local before, behind = pattern:match("^(.-)%*(.*)$")
  return { text = text, pattern = fold and pattern:lower() or pattern,
    star = before ~= nil, before = fold and before and before:lower() or before,
    behind = fold and behind and behind:lower() or behind,
    replacement = replacement }
end

-- What a rule makes of a text; `key` is the text as patterns see it.
local function apply(rule, text, key)
  if not rule.star then
    return key == rule.pattern and rule.replacement or nil
  end
  local middle = #text - #rule.before - #rule.behind
  if middle < 0 or key:sub(1, #rule.before) ~= rule.before
      or key:sub(#text - #rule.behind + 1) ~= rule.behind then
    return nil
  end
  local kept = text:sub(#rule.before + 1, #rule.before + middle)
  return (rule.replacement:gsub("%*", function() return kept end))
end

--- The rules of a flag: what they make of a text, and the rule that did. Raises
--- `usage` for what is none, and for two about the same.
---@param list string[]|nil
---@param flag string For messages.
---@param opts? { fold: boolean? } fold: patterns ignore case.
---@return fun(text: string): string|nil, string|nil
function M.rules(list, flag, opts)
  local fold = opts and opts.fold or false
  local rules, seen = {}, {}

  for i, text in ipairs(list or {}) do
    local rule = parse(text, flag, fold)
    if seen[rule.pattern] then
      err.throw("usage", "%s: '%s' and '%s' are about the same", flag,
        seen[rule.pattern], text)
    end
    seen[rule.pattern], rules[i] = text, rule
  end
  return function(text)
    local key = fold and text:lower() or text
    for _, rule in ipairs(rules) do
      local made = apply(rule, text, key)
      if made then
        return made, rule.text
      end
    end
    return nil
  end
end

return M
