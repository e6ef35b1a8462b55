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

test("a head that is none is refused with the file's name", function(t)
  t:raises("usage", head.check, "x.lua", { summary = "s" }, "x.lua")
  t:raises("usage", head.check, "unknown type", { run = print,
    params = { a = "thing" } }, "x.lua")
end)
