-- The one line that changes on the way: the owner in algorithmia.conf.
local tree = require("godwit.copy.tree")

local CONF = '{\n  "username" : "acme",\n  "algoname" : "Hello",\n'
  .. '  "submitted_at" : 1588888888888\n}\n'

test("the owner is rewritten and every other byte stays", function(t)
  t:eq(tree.rewrite_conf(CONF, "prod_team"),
    (CONF:gsub('"acme"', '"prod_team"')))
  t:eq(tree.rewrite_conf('{"username":"a","x":"username"}', "b"),
    '{"username":"b","x":"username"}')
end)

test("the same owner, or none, changes nothing", function(t)
  t:eq(tree.rewrite_conf(CONF, "acme"), nil)
  t:eq(tree.rewrite_conf('{"algoname":"Hello"}', "b"), nil)
end)

test("what cannot be rewritten safely stays, and says why", function(t)
  local text, problem = tree.rewrite_conf("username=acme", "b")
  t:eq(text, nil)
  t:match(problem, "not JSON")
  text, problem = tree.rewrite_conf(
    '{"x":{"username":"inner"},"username":"acme"}', "b")
  t:eq(text, nil)
  t:match(problem, "not understood")
end)
