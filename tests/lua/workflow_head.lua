-- The declared head of a workflow.
local head = require("godwit.workflow.head")

local function checked(params)
  return head.check({ summary = "s", params = params,
    run = function() end }, "test.lua")
end

test("three ways to declare a parameter are one", function(t)
  local h = checked({ from = "cluster", out = { "folder", default = "." },
    dry_style = { type = "string", flag = "--style", optional = true } })
  t:eq(h.params.from.type, "cluster")
  t:eq(h.params.from.required, true)
  t:eq(h.params.out.default, ".")
  t:eq(h.params.out.required, false)
  t:eq(h.params.dry_style.flag, "--style")
  t:eq(checked({ to_owner = "string" }).params.to_owner.flag, "--to-owner")
end)

test("values are converted, checked and completed", function(t)
  local h = checked({ n = { "integer", default = 3, min = 1 },
    step = { "string", default = "minor", choices = { "minor", "major" } },
    flag = "boolean", names = { "string", many = true, positional = true } })
  t:eq(head.values(h, { names = { "a", "b" }, n = "4" }),
    { n = 4, step = "minor", names = { "a", "b" } })
  t:raises("usage", head.values, "whole number", h, { n = "x", names = "a" })
  t:raises("usage", head.values, "at least 1", h, { n = "0", names = "a" })
  t:raises("usage", head.values, "one of minor, major", h,
    { step = "tiny", names = "a" })
  t:raises("usage", head.values, "no parameter", h, { other = "1" })
  t:raises("usage", head.values, "names is missing", h, {})
end)

test("positional parameters come first, then the declared order", function(t)
  local h = checked({ b = { "string", order = 1 }, a = { "string", order = 2 },
    z = { "string", positional = true } })
  t:eq({ h.order[1].name, h.order[2].name, h.order[3].name },
    { "z", "b", "a" })
end)

test("what is misspelt in a head is named", function(t)
  local function of(declared)
    return head.check(declared, "x.lua")
  end
  local run = function() end
  t:raises("usage", of, "the unknown key parms; did you mean 'params'",
    { run = run, parms = {} })
  t:raises("usage", of, "x.lua: parameter n has the unknown key defualt; "
    .. "did you mean 'default'", { run = run,
    params = { n = { "integer", defualt = 1 } } })
  t:raises("usage", of, "unknown type intger; did you mean 'integer'",
    { run = run, params = { n = "intger" } })
  t:raises("usage", of, "summary is a text", { run = run, summary = {} })
  for _, reads in ipairs({ "m", "n", false, 1 }) do
    t:raises("usage", of, "reads is true, or the name of a boolean parameter",
      { run = run, reads = reads or {}, params = { n = "string" } })
  end
  t:raises("usage", of, "choices of parameter n are no list", { run = run,
    params = { n = { "string", choices = {} } } })
end)

test("a default is one of its type and choices", function(t)
  for kind, bad in pairs { string = 1, cluster = true, folder = 2,
    number = "1", integer = 1.5, boolean = "true" } do
    t:raises("usage", checked, "the default of parameter p is no " .. kind,
      { p = { kind, default = bad } })
  end
  t:raises("usage", checked, "must be one of a, b", { p = { "string",
    choices = { "a", "b" }, default = "c" } })
  t:raises("usage", checked, "is no integer", { p = { "integer", many = true,
    default = { 1, "2" } } })
  t:eq(checked({ p = { "integer", many = true, default = { 1, 2 } } })
    .params.p.default, { 1, 2 })
end)

test("a head that is none is refused with the file's name", function(t)
  t:raises("usage", head.check, "x.lua", { summary = "s" }, "x.lua")
  t:raises("usage", head.check, "unknown type", { run = print,
    params = { a = "thing" } }, "x.lua")
end)
