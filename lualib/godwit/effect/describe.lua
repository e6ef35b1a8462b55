local json = require("godwit.json")
local secret = require("godwit.core.secret")
local unknown = require("godwit.unknown")

--- effect.describe: what a planned write would change, in lines for people.
local M = {}

local MAX = 120 -- characters of a value

---@param v any
---@return string
local function show(v)
  if v == nil then
    return "(none)"
  elseif unknown.is(v) or secret.is(v) then
    return tostring(v)
  elseif type(v) == "string" then
    v = v:gsub("%c+", " ")
    if #v > MAX then
      v = v:sub(1, MAX) .. "…"
    end
    return '"' .. v .. '"'
  end
  return tostring(v)
end

--- Flattens nested tables into "a.b" = leaf; arrays are leaves' parents too.
local function flatten(t, prefix, out)
  for k, v in pairs(t) do
    local path = prefix == "" and tostring(k) or prefix .. "." .. tostring(k)
    if type(v) == "table" and not unknown.is(v) and v ~= json.null then
      flatten(v, path, out)
    else
      out[path] = v
    end
  end
  return out
end

local function sorted_keys(...)
  local seen, keys = {}, {}
  for _, t in ipairs({ ... }) do
    for k in pairs(t) do
      if not seen[k] then
        seen[k] = true
        keys[#keys + 1] = k
      end
    end
  end
  table.sort(keys)
  return keys
end

--- Compares two documents, leaf by leaf, and returns the paths that differ.
--- An unknown value differs from everything: nobody can tell yet.
---@param before table|nil
---@param after table|nil
---@return { path: string, before: any, after: any }[]
function M.diff(before, after)
  local a = flatten(before or {}, "", {})
  local b = flatten(after or {}, "", {})
  local out = {}
  for _, path in ipairs(sorted_keys(a, b)) do
    local was, is = a[path], b[path]
    local same = not unknown.is(was) and not unknown.is(is) and was == is
    if not same then
      out[#out + 1] = { path = path, before = was, after = is }
    end
  end
  return out
end

--- "algorithm.update prod:acme/Hello", then one line a changed value.
--- `detail.from` and `detail.to` are shown as a difference, anything else as
--- it is.
---@param entry { kind: string, target: string, detail: table|nil }
---@return string[]
function M.lines(entry)
  local lines = { entry.kind .. " " .. entry.target }
  local detail = entry.detail
  if not detail then
    return lines
  end
  if type(detail.from) == "table" and type(detail.to) == "table" then
    for _, d in ipairs(M.diff(detail.from, detail.to)) do
      lines[#lines + 1] = ("  %s: %s -> %s"):format(d.path, show(d.before),
        show(d.after))
    end
    return lines
  end
  local flat = flatten(detail, "", {})
  for _, path in ipairs(sorted_keys(flat)) do
    lines[#lines + 1] = ("  %s: %s"):format(path, show(flat[path]))
  end
  return lines
end

return M
