-- The checker of definition files: what an editor would pass over in silence
-- is an error with its line.
local annotations = require("support.annotations")

local HEAD = "---@meta\n--- x: about x.\n---\n--- More.\n\n"

local function parse(text)
  return annotations.parse_all({ { name = "x.lua", text = HEAD .. text } })[1]
end

local GOOD = [[
--- Things.
---@class godwit.x
---@field count integer How many.
---@field private inner? table<string, fun(a: string, b?: integer): boolean?>
x = {}

--- Does it.
--- And more.
---@async
---@param a string|"b"|nil What
--- it is.
---@param opts? { deep?: { a: string }[], [string]: any } Options.
---@param ... any
---@return string? commit
---@return godwit.x|fun(a: fun(): boolean, b: any): string?, integer Said.
function x.go(a, opts, ...) end

--- A letter.
---@alias godwit.x.Letter "a"|"b"

return x
]]

test("what is written well is read", function(t)
  local page = parse(GOOD)
  t:eq({ page.title, page.summary, page.text }, { "x", "about x.", { "", "More." } })
  local f = page.functions[1]
  t:eq({ f.full, f.owner, f.sep, f.name, f.params },
    { "x.go", "x", ".", "go", { "a", "opts", "..." } })
  t:eq(f.doc.text, { "Does it.", "And more." })
  t:ok(f.doc.async)
  t:eq(f.doc.params[1].text, "What it is.")
  t:eq(f.doc.params[2].type, "{ deep?: { a: string }[], [string]: any }")
  t:ok(f.doc.params[2].optional)
  t:eq({ f.doc.returns[1].type, f.doc.returns[1].name }, { "string?", "commit" })
  local class = page.classes[1]
  t:eq({ class.name, class.var, class.global }, { "godwit.x", "x", true })
  t:eq({ class.doc.fields[1].text, class.doc.fields[2].private },
    { "How many.", true })
  t:eq(page.aliases[1].doc.type, '"a"|"b"')
end)

local BAD = {
  ["a parameter that is none"] = {
    "--- Does.\n---@param b string\nfunction x.f(a) end\n",
    "x%.lua:6: x%.f%(a%) has @param for %(b%)" },
  ["a missing parameter"] = {
    "--- Does.\nfunction x.f(a) end\n", "has @param for %(%)" },
  ["parameters in another order"] = {
    "--- Does.\n---@param b any\n---@param a any\nfunction x.f(a, b) end\n",
    "has @param for %(b, a%)" },
  ["a function without a text"] = {
    "---@param a any\nfunction x.f(a) end\n", "say above x%.f what it does" },
  ["a class without a text"] = {
    "---@class godwit.y\n", "say above @class godwit%.y" },
  ["an unknown tag"] = { "--- Does.\n---@parm a any\nfunction x.f(a) end\n",
    "x%.lua:7: unknown tag @parm" },
  ["an unknown type"] = {
    "--- Does.\n---@param a godwit.Nope\nfunction x.f(a) end\n",
    "nothing describes the type godwit%.Nope" },
  ["a type with a typo"] = {
    "--- Does.\n---@param a strin\nfunction x.f(a) end\n",
    "nothing describes the type strin" },
  ["a broken type"] = {
    "--- Does.\n---@return { a: string\nfunction x.f() end\n", "no type" },
  ["a broken function type"] = {
    "--- Does.\n---@return fun(a string)\nfunction x.f() end\n", "no type" },
  ["a field without a type"] = { "--- C.\n---@class y\n---@field a\n",
    "@field is NAME TYPE" },
  ["a field of a function"] = {
    "--- Does.\n---@field a any\nfunction x.f() end\n", "no @field" },
  ["text behind the tags"] = {
    "--- Does.\n---@async\n--- It.\nfunction x.f() end\n", "before the tags" },
  ["a plain comment"] = { "-- Does.\nfunction x.f() end\n", "begins with %-%-%-" },
  ["a body"] = { "--- Does.\nfunction x.f() return 1 end\n", "only, not" },
  ["a class that is described twice"] = {
    "--- C.\n---@class y\n\n--- C.\n---@class y\n", "described twice" },
  ["a comment of nothing"] = { "--- Just words.\n\n", "describes nothing" },
  ["a text that begins anyhow"] = { "--- does.\nfunction x.f() end\n",
    "begins with a capital" },
}

for name, case in pairs(BAD) do
  test("refused: " .. name, function(t)
    t:raises(nil, parse, case[2], case[1])
  end)
end

test("refused: a file without its opening", function(t)
  for _, text in ipairs({ "--- x: about.\n", "---@meta\n\n", "---@meta\n--- X\n\n" }) do
    t:raises(nil, annotations.parse_all, "line is",
      { { name = "x.lua", text = text } })
  end
end)
