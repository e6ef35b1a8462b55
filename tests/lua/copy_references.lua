-- What an algorithm's code names on its cluster, and the order that makes.
local order = require("godwit.copy.order")
local references = require("godwit.copy.references")

local function shown(list)
  local out = {}
  for i, r in ipairs(list) do
    out[i] = r.place .. " " .. references.show(r)
  end
  return out
end

test("references have their file and line", function(t)
  local found = references.find(table.concat({
    "import Algorithmia",
    "MODEL = 'data://acme/models/fraud.bin'  # and data://.my/cache",
    "other = client.algo(\"labs/Tokenize/1.2.0\").pipe(x)",
    "third = client.algo( 'algo://acme/Score' )",
    "dir = client.dir('data://acme')",
    "",
  }, "\n"), "src/Fraud.py")
  t:eq(shown(found), {
    "src/Fraud.py:2 data://acme/models",
    "src/Fraud.py:2 data://.my/cache",
    "src/Fraud.py:3 algo://labs/Tokenize",
    "src/Fraud.py:4 algo://acme/Score",
    "src/Fraud.py:5 data://acme",
  })
  t:eq(found[1].owner, "acme")
  t:eq(found[1].name, "models")
  t:eq(found[5].name, nil)
end)

test("what only looks like one is none", function(t)
  for _, text in ipairs({ "s3+data://bucket/key", "mydata://acme/x",
    "data://", "data://a..b/c", "data://acme/with-dash", "algo(acme/Score)",
    "metadata://acme/models", "algorithm('acme/Score')", "data://9x/y" }) do
    local found = references.find(text, "f")
    if text == "data://acme/with-dash" then
      t:eq(shown(found), { "f:1 data://acme/with" })
    else
      t:eq(shown(found), {}, text)
    end
  end
  t:eq(references.find("", "f"), {})
  t:eq(#references.find(("data://a/b\n"):rep(3), "f"), 3)
  t:eq(references.find("\r\ndata://a/b", "f")[1].place, "f:2")
end)

test("documents name things, too", function(t)
  local found = references.in_document({ details = {
    summary = "reads data://acme/models", tagline = 7 } }, '"data://acme/in/1"')
  t:eq(shown(found), { "details.summary data://acme/models",
    "the sample input data://acme/in" })
  t:eq(references.in_document({}, nil), {})
end)

-- Jobs by name; "A>B" says that A's code calls B.
local function jobs_of(names, calls)
  local list, by_name = {}, {}
  for i, name in ipairs(names) do
    list[i] = { owner = "acme", name = name, source = { references = {} } }
    by_name[name] = list[i]
  end
  for _, call in ipairs(calls) do
    local from, to = call:match("^(.-)>(.*)$")
    table.insert(by_name[from].source.references, { scheme = "algo",
      owner = to == "Mine" and ".my" or "acme", name = to, place = "f:1" })
  end
  return list
end

local function sorted(names, calls)
  local list, needs = order.sort(jobs_of(names, calls))
  local out, waits = {}, {}
  for i, job in ipairs(list) do
    out[i] = job.name
    for _, other in ipairs(needs[job] or {}) do
      waits[#waits + 1] = job.name .. ">" .. other.name
    end
  end
  return out, waits
end

test("who calls another comes after it", function(t)
  local out, waits = sorted({ "A", "B", "C", "Mine" },
    { "A>C", "C>Mine", "A>Nobody", "B>B" })
  t:eq(out, { "Mine", "C", "A", "B" })
  t:eq(waits, { "C>Mine", "A>C" })
  t:eq((sorted({ "A", "B", "C" }, {})), { "A", "B", "C" })
end)

test("a circle of calls is cut, and a long chain is no recursion", function(t)
  local out, waits = sorted({ "A", "B", "C" }, { "A>B", "B>C", "C>A" })
  t:eq(out, { "C", "B", "A" })
  t:eq(waits, { "B>C", "A>B" })
  local names, calls = {}, {}
  for i = 1, 20000 do
    names[i] = "N" .. i
    calls[i] = i < 20000 and ("N%d>N%d"):format(i, i + 1) or nil
  end
  local long = sorted(names, calls)
  t:eq({ long[1], long[20000] }, { "N20000", "N1" })
end)

test("jobs that ended before are no hindrance", function(t)
  local list = jobs_of({ "A", "B" }, { "A>B" })
  list[1].source, list[2].source = nil, nil
  local out = order.sort(list)
  t:eq({ out[1].name, out[2].name }, { "A", "B" })
end)
