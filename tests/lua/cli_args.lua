local args = require("godwit.cli.args")
local head = require("godwit.workflow.head")
local options = require("godwit.cli.options")
local size = require("godwit.cli.size")
local suggest = require("godwit.config.suggest")
local words_of = require("godwit.cli.words")

local function params_of(params)
  local h = head.check({ run = function() end, params = params }, "test")
  local all = { table.unpack(h.order) }
  for _, list in ipairs { options.WRITING, options.GLOBAL } do
    table.move(list, 1, #list, #all + 1, all)
  end
  return all, h
end

local PARAMS = params_of {
  algorithms = { "string", positional = true, many = true },
  from = "cluster", to = { "cluster", many = true },
  source_version = { "string", optional = true },
  call = { "boolean", default = true }, adopt = "boolean",
}

local function parse(...)
  return args.parse("godwit promote", PARAMS, { ... })
end

test("flags, joined flags and arguments in any order", function(t)
  local v = parse("a/b", "--from", "x", "-nvv", "--to=y", "c/d", "-j4",
    "--to", "z")
  t:eq(v.algorithms, { "a/b", "c/d" })
  t:eq({ v.from, v.to, v.dry_run, v.verbose, v.jobs },
    { "x", { "y", "z" }, true, 2, "4" })
  t:eq(v.adopt, nil)
end)

test("an underscore is understood where a dash is meant", function(t)
  local v = parse("--dry_run", "--source_version", "latest", "--no_input")
  t:eq({ v.dry_run, v.source_version, v.no_input }, { true, "latest", true })
end)

test("--no- switches off what is on by default", function(t)
  t:eq(parse("--no-call").call, false)
  t:eq(parse("--call").call, true)
  t:eq(parse().call, nil)
end)

test("behind -- nothing is a flag", function(t)
  t:eq(parse("--", "-x", "--from").algorithms, { "-x", "--from" })
end)

test("what is wrong is one sentence with a suggestion", function(t)
  local wrong = {
    { { "--form", "x" }, "unknown option %-%-form; did you mean '%-%-from'" },
    { { "--dryrun" }, "did you mean '%-%-dry%-run'" },
    { { "--jsno=1" }, "did you mean '%-%-json'" },
    { { "--zzz" }, "unknown option %-%-zzz %(see" },
    { { "-z" }, "unknown option %-z %(see" },
    { { "--from" }, "%-%-from needs a value" },
    { { "--from", "a", "--from", "b" }, "%-%-from is given twice" },
    { { "--json=1" }, "%-%-json does not take arguments" },
  }
  for _, case in ipairs(wrong) do
    local e = t:raises("usage", parse, case[2], table.unpack(case[1]))
    t:match(e.message, "^godwit promote: ")
    t:match(e.message, "see: godwit promote %-%-help")
    t:no(e.message:find("\n"))
  end
end)

test("too many arguments are refused", function(t)
  local few = params_of { name = { "string", positional = true } }
  t:raises("usage", args.parse, "more arguments", "godwit x", few,
    { "a", "b" })
end)

test("the first word is found behind flags with values", function(t)
  local G = options.GLOBAL
  local before, word, behind = args.split("godwit", G,
    { "-q", "--config", "f", "-j", "4", "ls", "dev", "--json" })
  t:eq({ before, word, behind }, { { "-q", "--config", "f", "-j", "4" }, "ls",
    { "dev", "--json" } })
  t:eq({ select(2, args.split("godwit", G, { "-qj4", "--config=f", "ls" })) },
    { "ls", {} })
  t:eq(select(2, args.split("godwit", G, { "-v" })), nil)
  t:raises("usage", args.split, "unknown option %-%-from", "godwit", G,
    { "--from", "x", "ls" })
end)

test("flags are parted from a script's own words", function(t)
  local known, rest, unknown = args.part(PARAMS,
    { "x", "-n", "--allow-write", "dev", "--mine", "--", "--json" })
  t:eq(known, { "-n", "--allow-write", "dev" })
  t:eq(rest, { "x", "--mine", "--json" })
  t:eq(unknown, "--mine")
end)

test("numbers and choices of every command's flags", function(t)
  local G = options.GLOBAL
  local function check(values)
    args.check(values, G)
    return values
  end
  t:eq(check { jobs = "4" }.jobs, 4)
  for _, n in ipairs { "0", "-1", "257", "x", "1.5", "" } do
    t:raises("usage", check, "from 1 to 256", { jobs = n })
  end
  t:raises("usage", check, "did you mean 'never'", { color = "nevr" })
end)

test("suggestions are near or none", function(t)
  t:eq(suggest.nearest("pormote", { "promote", "run" }), "promote")
  t:eq(suggest.nearest("mig", { "migrate-algorithms", "run" }),
    "migrate-algorithms")
  t:eq(suggest.nearest("xyz", { "run", "ls" }), nil)
  t:eq(suggest.nearest(("x"):rep(1000), { "run" }), nil)
end)

test("command lines can be pasted again", function(t)
  t:eq(words_of.again { "promote", "a/B", "--message", "it's done", "" },
    "godwit promote a/B --message 'it'\\''s done' ''")
end)

test("sizes", function(t)
  t:eq(size.parse("500MiB", "--max-size"), 500 << 20)
  t:eq(size.parse("2G", "x"), 2 << 30)
  t:eq(size.parse("1.5 KB", "x"), 1536)
  t:eq(size.parse("0", "x"), 0)
  for _, text in ipairs { "", "x", "-1", "1XB", "1e9" } do
    t:raises("usage", size.parse, "takes a size", text, "--max-size")
  end
  t:eq(size.format(1536), "1.5 KiB")
  t:eq(size.format(12), "12 B")
end)
