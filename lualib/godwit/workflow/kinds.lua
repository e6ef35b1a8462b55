--- workflow.kinds: --only and --skip of workflows that are about several kinds
--- of things. Both take several words, one flag each or with commas.

local err = require("godwit.err")
local suggest = require("godwit.config.suggest")

local M = {}

--- The parameters, from a place in the order of flags on.
---@param known string[] The kinds, in order.
---@param order integer
---@return { only: table, skip: table }
function M.params(known, order)
  return {
    only = { "string", optional = true, many = true, order = order,
      metavar = "KIND,...", help = "Only these: "
        .. table.concat(known, ", ") .. ". May be repeated" },
    skip = { "string", optional = true, many = true, order = order + 1,
      metavar = "KIND,...", help = "All but these. May be repeated" },
  }
end

local function set_of(list, flag, known)
  local set = {}

  for _, text in ipairs(list or {}) do
    for word in text:gmatch("[^,%s]+") do
      local found = false
      for _, kind in ipairs(known) do
        found = found or kind == word
      end
      if not found then
        err.throw("usage", "%s: there is no kind '%s'%s; there are %s", flag,
          word, suggest.hint(word, known), table.concat(known, ", "))
      end
      set[word] = true
    end
  end
  return set
end

--- The kinds that are meant, in order; `only` counts when the flag is not
--- given. Raises `usage` for a kind that is none and when none is left.
---@param params { only: string[]?, skip: string[]? }
---@param known string[]
---@param only? string[]
---@return string[]
function M.chosen(params, known, only)
  local wanted = params.only and #params.only > 0 and params.only or only
    or known
  local is_meant = set_of(wanted, "--only", known)
  local is_skipped, list = set_of(params.skip, "--skip", known), {}

  for _, kind in ipairs(known) do
    if is_meant[kind] and not is_skipped[kind] then
      list[#list + 1] = kind
    end
  end
  if #list == 0 then
    err.throw("usage", "--only and --skip leave nothing to do")
  end
  return list
end

return M
