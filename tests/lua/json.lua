local json = require("godwit.json")

local function roundtrip(text)
  return json.encode(json.decode(text))
end

test("what must survive, survives", function(t)
  for _, text in ipairs({
    "{}", "[]", "[[],{}]", "[1,1.0,-0.0,0]", "[9223372036854775807]",
    "[-9223372036854775808]", "[0.1,3.141592653589793,0.30000000000000004]",
    "[1e+300,5e-324,1.7976931348623157e+308]", "null", "true", "\"x\"", "12",
    '{"a":null}', '{"a":{"b":[{"c":[]}]}}', "[9007199254740993]",
    '"\\u0000\\b\\f\\n\\r\\t\\"\\\\\\u001f/"', '["\u{10FFFF}\u{e9}"]',
    "[1712345678901234,100000000000000]",
  }) do
    t:eq(roundtrip(text), text)
  end
end)

test("integers and floats stay apart", function(t)
  local v = json.decode("[1,1.0,1e2]")
  t:eq(math.type(v[1]), "integer")
  t:eq(math.type(v[2]), "float")
  t:eq(math.type(v[3]), "float")
  t:eq(json.encode(v), "[1,1.0,100.0]")
end)

test("keys are written sorted, by bytes", function(t)
  t:eq(json.encode({ b = 1, a = 2, A = 3, aa = 4, ["é"] = 5 }),
    '{"A":3,"a":2,"aa":4,"b":1,"é":5}')
end)

test("arrays are known, empty ones too", function(t)
  t:ok(json.is_array(json.decode("[]")))
  t:no(json.is_array(json.decode("{}")))
  t:eq(json.encode(json.array({})), "[]")
  t:eq(json.encode({ 1, 2 }), "[1,2]")
  t:eq(json.encode({}), "{}")
  t:eq(json.encode({ json.null, 1 }), "[null,1]")
  t:eq(getmetatable(json.array()), "godwit.json.array")
end)

test("pretty", function(t)
  t:eq(json.encode({ a = { 1, { b = json.array() } } }, { pretty = true }),
    '{\n  "a": [\n    1,\n    {\n      "b": []\n    }\n  ]\n}')
end)

local refused = {
  ["duplicate keys"] = { '{"a":1,"a":2}', "duplicate" },
  ["nothing"] = { "", "not valid" },
  ["something after the end"] = { "[1] x", "not valid" },
  ["an integer beyond 64 bit"] = { "[9223372036854775808]", "not valid" },
  ["a float beyond a double"] = { "[1e400]", "limits of a double" },
  ["a float too small for a double"] = { "[1e-400]", "limits of a double" },
  ["a raw byte that is not UTF-8"] = { '["\xff"]', "not valid" },
  ["an overlong form"] = { '["\xc0\x80"]', "not valid" },
  ["a lone surrogate"] = { '["\\ud800"]', "not valid" },
  ["a trailing comma"] = { "[1,]", "not valid" },
  ["a leading zero"] = { "[01]", "not valid" },
  ["a leading plus"] = { "[+1]", "not valid" },
  ["NaN"] = { "[NaN]", "not valid" },
  ["hexadecimal"] = { "[0x10]", "not valid" },
  ["a point without digits"] = { "[1.]", "not valid" },
  ["a control character in a text"] = { '["\n"]', "not valid" },
  ["a comment"] = { "[1] // x", "not valid" },
  ["deep nesting"] = { ("["):rep(513) .. ("]"):rep(513), "512 levels" },
  ["endless nesting"] = { ("["):rep(5000000), "512 levels" },
  ["a cut document"] = { '{"a":[1,{"b":"c', "not valid" },
}

for name, case in pairs(refused) do
  test("decoding refuses " .. name, function(t)
    local v, e = json.try_decode(case[1])
    t:eq(v, nil)
    t:match(tostring(e), case[2])
    t:raises(e.kind, json.decode, case[2], case[1])
  end)
end

test("512 levels are fine", function(t)
  local text = ("["):rep(512) .. ("]"):rep(512)
  t:eq(roundtrip(text), text)
end)

test("a null document and a failure differ", function(t)
  local v, e = json.try_decode("null")
  t:eq(v, json.null)
  t:eq(e, nil)
  t:eq(json.decode("false"), false)
end)

test("a document over its cap is refused", function(t)
  local _, e = json.try_decode(("x"):rep(100), { max = 99 })
  t:eq(e.kind, "limit")
  t:raises("limit", json.decode, "levels", "[[[]]]", { depth = 2 })
end)

test("parsing survives every failed allocation", function(t)
  local fault = t:faults()
  local text = '{"a":[1,2.5,"x",{"b":null}],"c":"y"}'
  for n = 0, 1000 do
    fault.arm(n)
    local v, e = json.try_decode(text)
    if not fault.disarm() then
      t:eq(json.encode(v), text)
      t:ok(n > 5)
      return
    end
    t:eq(e.kind, "nomem")
  end
end)

test("encoding refuses what is no JSON, and says where", function(t)
  local cycle = {}
  cycle.a = { cycle }
  local deep = {}
  for _ = 1, 600 do
    deep = { deep }
  end
  t:raises("usage", json.encode, "contains itself at .a%[1%]", cycle)
  t:raises("limit", json.encode, "512 levels", deep)
  t:raises("usage", json.encode, "not finite at .x", { x = 0 / 0 })
  t:raises("usage", json.encode, "not finite", { 1 / 0 })
  t:raises("usage", json.encode, "not UTF%-8 at .x", { x = "\xff" })
  t:raises("usage", json.encode, "not UTF%-8", { ["\xff"] = 1 })
  t:raises("usage", json.encode, "not UTF%-8", "\xed\xa0\x80")
  t:raises("usage", json.encode, "function", { print })
  t:raises("usage", json.encode, "keys", { 1, a = 2 })
  t:raises("usage", json.encode, "keys", { [1] = 1, [3] = 3 })
  t:raises("usage", json.encode, "keys", { [true] = 1 })
  t:raises("usage", json.encode, "holes", json.array({ 1, nil, 3 }))
  t:raises("usage", json.encode, "nil", nil)
end)

test("one table twice is no cycle", function(t)
  local x = { 1 }
  t:eq(json.encode({ x, x }), "[[1],[1]]")
end)

test("an object may say itself how it is written", function(t)
  local v = setmetatable({}, { __tojson = function() return { a = 1 } end })
  t:eq(json.encode({ v }), '[{"a":1}]')
  local own = setmetatable({}, {})
  getmetatable(own).__tojson = function() return { own } end
  t:raises(nil, json.encode, nil, own)
end)
