-- What the destination is before anything is written to it.
local commit = require("godwit.copy.commit")
local state = require("godwit.copy.state")

local function id(c)
  return c:rep(40)
end

local ORIGIN = { cluster = "dev", owner = "acme", name = "Hello",
  commit = id("a") }

local function by(name)
  return { name = name, email = name .. "@x", time = 1, offset = 0 }
end

local function ours(source_commit, tree)
  return { tree = tree, parents = {}, committer = commit.COMMITTER,
    author = by("ann"), message = commit.message("m", { cluster = "dev",
      owner = "acme", name = "Hello", commit = source_commit }) }
end

local function hand(tree, message)
  return { tree = tree, parents = {}, committer = by("bob"),
    author = by("bob"), message = message or "by hand" }
end

-- A store with one line of commits, the newest first.
local function store(line)
  local s = { list = {} }
  for i, c in ipairs(line) do
    c.id = id(tostring(i))
    if line[i + 1] then
      c.parents = { id(tostring(i + 1)) }
    end
    s[c.id] = c
    s.list[i] = { id = c.id, tree = c.tree }
  end
  function s:commit(x)
    return s[x]
  end
  function s:history()
    return s.list
  end
  function s:diff(a, b)
    return { { status = "modified", path = a .. ">" .. b } }
  end
  function s:read()
    return nil
  end
  return s
end

local function classify(line, more)
  local c = { store = store(line), tip = line[1] and id("1"), recorded = {},
    origin = ORIGIN, source_history = function()
      return { { id = id("a"), tree = "T9" }, { id = id("b"), tree = "T8" } }
    end, source_tree = "T9", expected = "T9", to_owner = "acme" }
  for k, v in pairs(more or {}) do
    c[k] = v
  end
  return state.classify(c)
end

test("no commit at all is empty", function(t)
  t:eq(classify({}).kind, "empty")
end)

test("the platform's first commit alone is the template", function(t)
  t:eq(classify({ hand("T0", "Algorithmia initial commit") }).kind,
    "template")
  t:eq(classify({ hand("T0", "first try") }).kind, "unknown")
  t:eq(classify({ hand("T1"), hand("T0", "Algorithmia initial commit") }).kind,
    "unknown")
end)

test("a tip with our trailer is ours, without any map", function(t)
  local s = classify({ ours(id("b"), "T8"), hand("T0") })
  t:eq(s.kind, "ours")
  t:eq(s.source_commit, id("b"))
end)

test("a tip the map knows is ours", function(t)
  local s = classify({ hand("T5") },
    { recorded = { [id("1")] = { source_commit = id("b") } } })
  t:eq(s.kind, "ours")
end)

test("a tip with the tree of any source commit is equal", function(t)
  local s = classify({ hand("T8"), hand("T0") })
  t:eq(s.kind, "equal")
  t:eq(s.source_commit, id("b"))
end)

test("commits after ours are drift, named with author and files",
function(t)
  local s = classify({ hand("T7", "hotfix\n\nmore"), ours(id("b"), "T8") })
  t:eq(s.kind, "drifted")
  t:eq(#s.after, 1)
  local why = state.refusal(s)
  t:match(why, "hotfix")
  t:match(why, "by bob")
  t:match(why, "modified T8>T7")
  t:match(why, "%-%-overwrite%-drift")
  t:match(why, "drifted")
end)

test("anything else is unknown, and only --adopt accepts it", function(t)
  local s = classify({ hand("T7"), hand("T0") })
  t:eq(s.kind, "unknown")
  t:match(state.refusal(s), "%-%-adopt")
end)

test("another source's promotion is not ours", function(t)
  local tip = ours(id("b"), "T7")
  tip.message = tip.message:gsub("Source: dev ", "Source: staging ")
  local s = classify({ tip })
  t:eq(s.kind, "unknown")
  t:match(state.refusal(s), "came from acme/Hello on staging")
end)

test("a copied trailer under another committer is not ours", function(t)
  local tip = ours(id("b"), "T7")
  tip.committer = by("bob")
  t:eq(classify({ tip, ours(id("b"), "T8") }).kind, "drifted")
end)

-- A promotion that took in what was at its parent, and expected that tree.
local function merged(source_commit, tree, tip, expected)
  local c = ours(source_commit, tree)
  c.message = commit.message("m", { cluster = "dev", owner = "acme",
    name = "Hello", commit = source_commit }, { tip = tip, tree = expected })
  return c
end

local E1, E2, GONE = ("e"):rep(40), ("f"):rep(40), ("0"):rep(40)

local function base_tree(tree)
  return tree ~= GONE and tree or nil
end

test("what was merged in is drift until the source has it", function(t)
  local line = function(tree, expected)
    return { merged(id("b"), tree, id("2"), expected), hand("T7", "hotfix"),
      ours(id("b"), "T8") }
  end
  local s = classify(line("M1", E1), { expected = E2, base_tree = base_tree })
  t:eq(s.kind, "drifted")
  t:eq({ s.base, s.base_tree, #s.after, s.merged_in },
    { id("1"), E1, 1, 1 })
  t:match(state.refusal(s), "1 commit merged into our last promotion")
  t:match(state.refusal(s), "modified " .. E1 .. ">M1")
  -- The same source commit's files: as it should be.
  s = classify(line("M1", E1), { expected = E1, base_tree = base_tree })
  t:eq({ s.kind, s.keeps, s.absorbed }, { "ours", true, nil })
  -- The source has all of it now.
  s = classify(line("M1", E1), { expected = "M1", base_tree = base_tree })
  t:eq({ s.kind, s.keeps, s.absorbed }, { "ours", nil, true })
  -- Its base cannot be made any more.
  s = classify(line("M1", GONE), { expected = E2, base_tree = base_tree })
  t:eq({ s.kind, s.base_tree }, { "drifted", nil })
  t:match(state.refusal(s), E2 .. ">M1")
end)

test("by hand after a merge: both are drift", function(t)
  local s = classify({ hand("T9x", "later"),
    merged(id("b"), "M2", id("3"), E2), hand("T7", "second"),
    merged(id("c"), "M1", id("5"), E1), hand("T6", "first"),
    ours(id("d"), "T8"), hand("T5", "of old") },
    { expected = ("9"):rep(40), base_tree = base_tree })
  t:eq({ s.base, s.base_tree, s.merged_in }, { id("2"), E2, 2 })
  local said = {}
  for i, c in ipairs(s.after) do
    said[i] = c.message
  end
  t:eq(said, { "later", "second", "first" })
  t:match(state.refusal(s), "3 commits after or merged into our last")
end)

test("a hand that copies the trailers has merged nothing", function(t)
  local c = merged(id("b"), "M1", id("2"), E1)
  c.committer = by("bob")
  t:no(commit.merged(c))
  t:no(commit.merged(ours(id("b"), "T8")))
  local again = commit.message(merged(id("b"), "M1", id("2"), E1).message,
    ORIGIN)
  t:no(again:find("Godwit-Merged", 1, true)) -- of the source's own past
end)

-- What a cluster commits to a repository it makes at a host elsewhere.
local function at_host(line, paths)
  local s = store(line)
  function s:entries()
    local list = {}
    for i, path in ipairs(paths or {}) do
      list[i] = { path = path }
    end
    return list
  end
  return state.classify({ store = s, tip = id("1"), recorded = {},
    origin = ORIGIN, external = true, source_history = function()
      return { { id = id("a"), tree = "T9" } }
    end, source_tree = "T9", expected = "T9", to_owner = "acme" }).kind
end

test("the platform's own commits at a host are a template", function(t)
  local files = "Adding Algorithmia files"
  t:eq(at_host({ hand("T2", files), hand("T1", "Initial commit") }),
    "template")
  t:eq(at_host({ hand("T2", files .. "\n\nmore") }), "template")
  t:eq(at_host({ hand("T1", "Initial commit") }, { "README.md" }), "template")
  t:eq(at_host({ hand("T1", "Initial commit") }), "template")
end)

test("what somebody wrote there is not", function(t)
  local files = "Adding Algorithmia files"
  t:eq(at_host({ hand("T1", "Initial commit") }, { "README.md", "main.py" }),
    "unknown")
  t:eq(at_host({ hand("T3", "mine"), hand("T2", files),
    hand("T1", "Initial commit") }), "unknown")
  t:eq(at_host({ hand("T2", files), hand("T1", "mine") }), "unknown")
  t:eq(at_host({ hand("T2", files .. "!"), hand("T1", "Initial commit") }),
    "unknown")
  -- At the cluster itself these words mean nothing.
  local kind = classify({ hand("T2", files), hand("T1", "Initial commit") })
  t:eq(type(kind) == "table" and kind.kind or kind, "unknown")
end)
