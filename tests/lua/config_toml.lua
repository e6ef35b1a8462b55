local toml = require("godwit.config.toml")

test("what the platform's command line writes is read", function(t)
  local doc = toml.decode([[
# made by algo auth
[profiles.default]
api_key = "sim\u0041b/+=" # a comment
api_server = 'https://api.algorithmia.com'

[profiles."my cluster"]
api_server = "https://api.my.example.com"
ca_cert = ""
verbose = true
retries = 1_0
]])
  t:eq(doc, { profiles = {
    default = { api_key = "simAb/+=",
      api_server = "https://api.algorithmia.com" },
    ["my cluster"] = { api_server = "https://api.my.example.com",
      ca_cert = "", verbose = true, retries = 10 },
  } })
end)

test("Windows line ends and a byte order mark do not matter", function(t)
  t:eq(toml.decode("\239\187\191a = 'x'\r\nb = 1\r\n"), { a = "x", b = 1 })
end)

test("what is no part of it names its line", function(t)
  local wrong = {
    ["[a"] = "line 1", ["a"] = "without =", ["a="] = "value",
    ["a=[1]"] = "value", ["a=\"x"] = "closing quote",
    ["a='x' y"] = "after the value", ["\n[a]\n[a]"] = "line 3",
    ["a=1\na=2"] = "already", ["[[a]]"] = "array of tables",
    ["a=\"\\q\""] = "escape", ["=1"] = "key", ["a=1.5"] = "value",
    ["a='''x'''"] = "several lines", ["a=1\n[a]"] = "value already",
    ["a=\"\\ud800\""] = "no character",
  }
  for text, words in pairs(wrong) do
    local doc, why = toml.decode(text)
    t:eq(doc, nil, text)
    t:match(why, words)
    t:match(why, "^line %d")
  end
end)

test("garbage never does more than fail", function(t)
  math.randomseed(7)
  local bytes = { "[", "]", "\"", "'", "=", ".", "\\", "\n", "a", " ", "#",
    "u", "0", "\r", "\t", "\255", "profiles" }
  for _ = 1, 4000 do
    local parts = {}
    for i = 1, math.random(40) do
      parts[i] = bytes[math.random(#bytes)]
    end
    local doc, why = toml.decode(table.concat(parts))
    t:ok(type(doc) == "table" or type(why) == "string")
  end
end)
