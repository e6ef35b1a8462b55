-- Which algorithms are asked for: words and a file's lines, names and globs;
-- and what the globs find.
local fs = require("godwit.core.fs")
local err = require("godwit.err")
local listing = require("godwit.copy.listing")
local wanted = require("godwit.copy.wanted")

local function file(t, text)
  local path = t:tmpdir() .. "/list.txt"
  assert(fs.write(path, text))
  return path
end

test("an algorithm named twice is refused", function(t)
  t:raises("usage", wanted.read, "named twice",
    { "acme/Hello", "acme/Hello/1.0.0" })
  t:raises("usage", wanted.read, "named twice %(the command line and .*:1%)",
    { "acme/Hello" }, file(t, "acme/Hello\n"))
end)

test("something has to be named", function(t)
  t:raises("usage", wanted.read, "at least one", {})
  t:raises("usage", wanted.read, "names no algorithm", {},
    file(t, "# nothing\n\n"))
end)

test("a file has one a line, comments and blank lines", function(t)
  local list = wanted.read({ "x/First" }, file(t, "# ours\n\nacme/Hello\r\n"
    .. "  acme/Other/latest  # the stable one\nacme/F*\nacme/Last/0.1.0"))
  local texts = {}
  for i, w in ipairs(list) do
    texts[i] = w.text
  end
  t:eq(texts, { "x/First", "acme/Hello", "acme/Other/latest", "acme/F*",
    "acme/Last/0.1.0" })
  t:eq(list[3].revision.kind, "latest")
  t:eq(list[4].glob, true)
end)

test("a bad line is named by file and line", function(t)
  t:raises("usage", wanted.read, "list%.txt:2: .*'nonsense' is not OWNER", {},
    file(t, "acme/Hello\nnonsense\n"))
  t:raises("usage", wanted.read, "/none%.txt", {}, t:tmpdir() .. "/none.txt")
end)

test("a glob has letters, * and ?, and no version of one algorithm",
function(t)
  for _, text in ipairs({ "acme/F*", "*/Fraud?", "*/*", "ac*/F*/latest" }) do
    t:eq(wanted.read({ text })[1].glob, true)
  end
  for _, text in ipairs({ "acme/F*/1.2.3", "*/x/0123456789", "acme/[a]*",
      "a{b,c}/*", "*/", "acme/F-*" }) do
    t:raises("usage", wanted.read, nil, { text })
  end
end)

local function cluster(owners, asked)
  return { name = "dev",
    each_owner = function()
      local names, i = {}, 0
      for name in pairs(owners) do
        names[#names + 1] = name
      end
      return function()
        i = i + 1
        return names[i]
      end
    end,
    list_algorithms = function(_, owner)
      if asked then
        asked[#asked + 1] = owner
      end
      local rows = {}
      if not owners[owner] then
        err.throw("notfound", "no such owner")
      elseif owners[owner] == "secret" then
        err.throw("auth", "there is no key for the owner %s", owner)
      end
      for i, name in ipairs(owners[owner]) do
        rows[i] = { algoname = name }
      end
      return rows
    end }
end

local function find(owners, words, asked)
  local refs, records = listing.find(cluster(owners, asked),
    wanted.read(words), 4)
  local found = {}
  for i, ref in ipairs(refs) do
    found[i] = ref.owner .. "/" .. ref.name .. " " .. ref.revision.kind
  end
  return found, records
end

local OWNERS = { acme = { "Zeta", "Fraud", "FraudB" }, labs = { "Fraud" },
  empty = {} }

test("globs find what there is, in a fixed order", function(t)
  t:eq(find(OWNERS, { "acme/*" }),
    { "acme/Fraud head", "acme/FraudB head", "acme/Zeta head" })
  t:eq(find(OWNERS, { "*/Fraud*/latest" }), { "acme/Fraud latest",
    "acme/FraudB latest", "labs/Fraud latest" })
  t:eq(find(OWNERS, { "acme/Fraud?" }), { "acme/FraudB head" })
end)

test("what two globs find is taken once; what is named is as it was named",
function(t)
  t:eq(find(OWNERS, { "acme/*", "*/Fraud" }), { "acme/Fraud head",
    "acme/FraudB head", "acme/Zeta head", "labs/Fraud head" })
  t:eq(find(OWNERS, { "acme/Fraud*", "acme/Fraud/latest" }),
    { "acme/FraudB head", "acme/Fraud latest" })
  t:raises("usage", find, "acme/Fraud is meant by 'acme/%*' and by "
    .. "'%*/Fraud/latest'", OWNERS, { "acme/*", "*/Fraud/latest" })
end)

test("an owner is listed once, and only when a glob asks", function(t)
  local asked = {}
  find(OWNERS, { "acme/F*", "acme/Z*", "labs/Fraud" }, asked)
  t:eq(asked, { "acme" })
end)

test("globs that match nothing are all named", function(t)
  t:raises("usage", find,
    "no algorithm of dev matches 'acme/X%*', 'none/%*', 'empty/%*'", OWNERS,
    { "acme/X*", "none/*", "acme/*", "empty/*" })
end)

test("an owner that cannot be listed is an item, the others go on",
function(t)
  local found, records = find({ acme = { "One" }, hidden = "secret" },
    { "*/O*" })
  t:eq(found, { "acme/One head" })
  t:eq(#records, 1)
  t:eq(records[1].ref, "hidden/O*")
  t:eq(records[1].outcome, "refused")
  t:match(records[1].why, "no key for the owner hidden")
end)

test("a name that no one can type is an item, not a request", function(t)
  local found, records = find({ acme = { "One", "../x y" } }, { "acme/*" })
  t:eq(found, { "acme/One head" })
  t:eq(records[1].outcome, "refused")
end)
